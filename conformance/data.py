"""Where the project's data files are, in a checkout and when installed.

`schemas/` and `fixtures/` stand at the top of the repository; the wheel carries
them under `conformance/_data/`. Everything that reads them asks here.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_data"


def data_root() -> Path:
    """The folder that holds `schemas/` and `fixtures/`."""
    return _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent


def schemas_dir() -> Path:
    """The folder of the JSON Schemas and of `openapi.json`."""
    return data_root() / "schemas"


def fixtures_dir() -> Path:
    """The folder of the documented, published and deployable fixtures."""
    return data_root() / "fixtures"
