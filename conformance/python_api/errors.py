"""Why a run that was called from Python has no verdict."""

from __future__ import annotations

from conformance.report.record import Report


class RunError(Exception):
    """A run gave no verdict that can be relied on; the message says why and what to do.

    `report` is what is known nevertheless; None where nothing was judged.
    """

    def __init__(self, message: str, report: Report | None = None) -> None:
        super().__init__(message)
        self.report = report


class OptionsError(RunError, ValueError):
    """An argument cannot be used, or none of the checks matches the arguments."""


class NotReachedError(RunError):
    """The deployment did not answer as a LangGraph Server, or could not be started."""


class SuiteBrokeError(RunError):
    """A defect of the suite itself, which is to be reported to its authors."""
