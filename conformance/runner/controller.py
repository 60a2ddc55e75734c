"""The pytest plugin of the process that the user started: it collects results."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from conformance.defects import Defects
from conformance.deployment.restart import Restarter
from conformance.deployment.settings import Settings
from conformance.report.record import CheckResult
from conformance.runner.elsewhere import take_over
from conformance.runner.progress_listener import ProgressListener
from conformance.runner.pytest_names import (
    DATA_KEY,
    FILES,
    PART,
    REMOVAL_ERRORS,
    REMOVES,
    TIMES,
)
from conformance.runner.selection import Part, check_id, escaped_once
from conformance.runner.server_errors import ServerError
from conformance.runner.transfer import result_in, server_errors_in
from conformance.typed_data import typed


class Controller:
    """The pytest plugin of the process that the user started: it collects results."""

    def __init__(
        self,
        settings: Settings,
        started: Callable[[Sequence[str]], None] | None = None,
        restarter: Restarter | None = None,
    ) -> None:
        self.settings = settings
        #: Restarts the deployment, for checks that run in this process.
        self.restarter = restarter
        self.results: list[CheckResult] = []
        #: The answers by 500 in checks that passed nevertheless.
        self.server_errors: list[ServerError] = []
        #: Requirements by check id, of all checks that were selected.
        self.planned: dict[str, tuple[str, ...]] = {}
        #: The ids of the checks that were divided into shards, of which this run makes one.
        self.undivided: tuple[str, ...] = ()
        #: The ids of the selected checks that workers leave to this process.
        self.alone: tuple[str, ...] = ()
        #: The part of the checks that the next process makes.
        self.part = Part.ALL
        #: Whether processes that run checks remove the threads of ended ones while others run.
        self.removes_meanwhile = False
        self.interrupted = False
        self.defects = Defects()
        self.view: ProgressListener | None = None
        #: The seconds of each worker by activity, if they were asked for.
        self.times: dict[str, dict[str, float]] = {}
        self._started = started

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Pass the settings to a worker in memory, since they may hold secrets."""
        node.workerinput[DATA_KEY] = self.settings.to_json()
        node.workerinput[REMOVES] = self.removes_meanwhile
        node.workerinput[PART] = self.part.value

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Report all checks of this run: workers may collect only a part of them.

        `ids` become the same for each worker, as pytest-xdist wants them after this call: those
        that were forked have collected before, and others have not.
        """
        ids[:] = map(escaped_once, ids)
        self._report_start(list(self.planned) or ids)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Report the checks that this process collected."""
        self._report_start(list(map(check_id, session.items)))

    def _report_start(self, checks: Sequence[str]) -> None:
        if self._started and checks:
            self._started(checks)
            self._started = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the result of a check, and the answers by 500 in it, from the report."""
        self.server_errors += server_errors_in(report)
        if result := result_in(report):
            self.results.append(result)
            if self.view:
                self.view.check_finished(result)

    def pytest_keyboard_interrupt(self) -> None:
        """Note that the user interrupted the run."""
        self.interrupted = True
        if self.view:
            self.view.interrupted()

    def pytest_internalerror(self, excrepr: Any) -> bool:
        """Record an internal error, here or in a worker, as a defect; pytest prints nothing."""
        self.defects.add(str(excrepr))
        return True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a file of checks that could not be loaded as a defect."""
        if report.failed:
            self.defects.add(report.longreprtext)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take what a worker tells when it ends; record its death as a defect."""
        output = getattr(node, "workeroutput", {})
        told = output.get(REMOVAL_ERRORS, "[]")
        self.server_errors += (typed(each, ServerError) for each in json.loads(told))
        if files := output.get(FILES):
            take_over(self.settings, json.loads(files), node.gateway.id)
        if times := output.get(TIMES):
            self.times[node.gateway.id] = times
        if error and not self.interrupted:
            self.defects.add(f"WorkerDied: {node.gateway.id} ended while it ran checks ({error})")
