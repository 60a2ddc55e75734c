"""On a deployment that breaks one promise, whatever is not about this promise is still judged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.commands.serve import ServedProcess
from conformance.contract.verdicts import Verdict
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.runner.session import run_suite

pytestmark = pytest.mark.slow

#: Requirements whose checks start several runs on a thread, and the one about the default.
SEVERAL_RUNS = (
    *("CANCEL-08", "CANCEL-09", "CANCEL-17", "ISOLATE-08", "RUN-24"),
    *("RUN-CONTROL-02", "RUN-CONTROL-04", "RUN-CONTROL-12", "RUN-CONTROL-22", "MULTITASK-04"),
)


def test_without_supersteps_what_stands_on_states_is_made_by_a_run(
    settings_for: Callable[..., Settings],
) -> None:
    with ServedProcess("--fault", "supersteps-are-ignored") as server:
        settings = settings_for(server.url, capabilities=("copy", "history", "prepopulate"))
        report = run_suite(settings, identify_deployment(settings))
    verdicts = {each.id: each.verdict for each in report.requirements}
    about_supersteps = {each for each in verdicts if each.startswith("PREPOP-")}
    assert verdicts["PREPOP-02"] is Verdict.FAIL
    # That the request is accepted and its metadata kept does not need them to be applied.
    judged = {each for each in about_supersteps if verdicts[each] is not Verdict.BLOCKED}
    assert judged == {"PREPOP-01", "PREPOP-02", "PREPOP-04"}
    others = {each for each in verdicts if verdicts[each] is not Verdict.PASS} - about_supersteps
    # The status of a thread that was not run to its end needs supersteps; the recipe is a MAY.
    assert others <= {"COPY-11", "COPY-21"}
    told = [each.reason for each in report.checks if each.verdict is Verdict.PASS]
    assert "history made by a run: the deployment applies no supersteps" in told


def test_where_a_busy_thread_rejects_by_default_several_runs_are_judged(
    settings_for: Callable[..., Settings],
) -> None:
    with ServedProcess("--fault", "busy-thread-rejects-by-default") as server:
        settings = settings_for(server.url, profile="full", requirements=SEVERAL_RUNS)
        report = run_suite(settings, identify_deployment(settings))
    verdicts = {each.id: each.verdict for each in report.requirements}
    kept = dict.fromkeys(SEVERAL_RUNS, Verdict.PASS)
    assert verdicts == {**kept, "MULTITASK-04": Verdict.FAIL}
