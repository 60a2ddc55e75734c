"""The suite under a name that no other package has: `from threads_conformance import run`.

The same names as those of the package `conformance`, for projects that have a package of that
name themselves. Nothing of the suite is imported before a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance import (
        NotReachedError,
        OptionsError,
        Report,
        RunError,
        RunVerdict,
        SuiteBrokeError,
        Verdict,
        __version__,
        run,
    )

__all__ = [
    "NotReachedError",
    "OptionsError",
    "Report",
    "RunError",
    "RunVerdict",
    "SuiteBrokeError",
    "Verdict",
    "__version__",
    "run",
]


def __getattr__(name: str) -> Any:
    """Return a name of the suite; `OtherPackageError` where another `conformance` is imported."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from threads_conformance.own_package import own_package

    return getattr(own_package(), name)
