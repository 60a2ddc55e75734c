"""What is told of a run while it goes on."""

from __future__ import annotations

from typing import Protocol

from conformance.report.record import CheckResult, Deployment, RunInfo


class View(Protocol):
    """What is told of a run while it goes on."""

    def start(self, deployment: Deployment, run: RunInfo, total_checks: int) -> None:
        """So many checks begin."""

    def check_finished(self, result: CheckResult) -> None:
        """A check ended."""

    def stop(self) -> None:
        """No more checks will be made."""

    def interrupted(self) -> None:
        """The user wants to stop: the clean-up begins."""
