"""Conformance suite for servers of the LangGraph Server Threads API.

`from conformance import run` checks a deployment from Python, see `conformance.python_api.run`.
"""

# Type checkers take this for true. Nothing is imported, so that an old Python can read this module
# and be told that it is too old.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from conformance.contract.verdicts import RunVerdict, Verdict
    from conformance.python_api.errors import (
        NotReachedError,
        OptionsError,
        RunError,
        SuiteBrokeError,
    )
    from conformance.python_api.run import run
    from conformance.report.record import Report

__version__ = "0.1.0"

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

#: The module of each name, imported when the name is used: the commands import this package too.
_MODULES = {
    "NotReachedError": "python_api.errors",
    "OptionsError": "python_api.errors",
    "Report": "report.record",
    "RunError": "python_api.errors",
    "RunVerdict": "contract.verdicts",
    "SuiteBrokeError": "python_api.errors",
    "Verdict": "contract.verdicts",
    "run": "python_api.run",
}


def __getattr__(name: str) -> object:
    """Return a name of the Python interface, and import what it needs."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return found
