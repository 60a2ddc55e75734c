"""The interface through which a run reports its progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from conformance.report.record import CheckResult, Deployment, RunInfo


class ProgressListener(Protocol):
    """The receiver of the progress of a run."""

    def start(self, deployment: Deployment, run: RunInfo, checks: Sequence[str]) -> None:
        """Show that a run with the checks of these ids begins."""

    def check_finished(self, result: CheckResult) -> None:
        """Show the result of a check."""

    def stop(self) -> None:
        """Show that all checks have ended."""

    def interrupted(self) -> None:
        """Show that the user interrupted the run and the clean-up begins."""
