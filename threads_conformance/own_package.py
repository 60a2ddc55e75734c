"""Find the package `conformance` of this distribution, also beside another one of that name."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

_NAME = "conformance"
#: The folder of our package, which is installed beside this one.
FOLDER = Path(__file__).resolve().parent.parent / _NAME


class OtherPackageError(ImportError):
    """Another package `conformance` is imported already; the message says what to do."""


def own_package() -> ModuleType:
    """Return our package `conformance`, imported from beside this one.

    Another package of that name may come first on `sys.path`: it is passed by. Raises
    `OtherPackageError` if this process has imported it already.
    """
    found = sys.modules.get(_NAME)
    if found is None:
        return _imported()
    if FOLDER in _folders(found):
        return found
    places = " and ".join(map(str, _folders(found))) or "an unknown place"
    raise OtherPackageError(
        f"this process has imported another package named conformance, from {places}, and the "
        "checks are in a package of that name: check the deployment in a process of its own, by "
        "`threads-conformance run --url URL`"
    )


def _imported() -> ModuleType:
    """Import our package from its folder, whatever `sys.path` holds."""
    spec = PathFinder.find_spec(_NAME, [str(FOLDER.parent)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{FOLDER} is not there: install threads-conformance again")
    module = sys.modules[_NAME] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[_NAME]
        raise
    return module


def _folders(module: ModuleType) -> list[Path]:
    """Return the folders of a package, or the file of a module."""
    folders = list(getattr(module, "__path__", ())) or [getattr(module, "__file__", None)]
    return [Path(each).resolve() for each in folders if each]
