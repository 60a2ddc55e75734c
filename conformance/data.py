"""The locations of the project's data files, in a checkout and when installed.

`schemas/` and `fixtures/` are at the top of the repository; the wheel contains them under
`conformance/_data/`. Everything that reads them uses this module.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_data"


def data_root() -> Path:
    """Return the folder that contains `schemas/` and `fixtures/`."""
    return _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent


def schemas_dir() -> Path:
    """Return the folder of the JSON Schemas and of `openapi.json`."""
    return data_root() / "schemas"


def fixtures_dir() -> Path:
    """Return the folder of the documented, published and deployable fixtures."""
    return data_root() / "fixtures"
