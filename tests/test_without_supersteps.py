"""On a deployment that ignores supersteps, all that is not about supersteps is judged."""

from __future__ import annotations

from collections.abc import Callable

from conformance.commands.serve import ServedProcess
from conformance.contract.verdicts import Verdict
from conformance.deployment.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.runner.session import run_suite


def test_what_stands_on_states_is_made_by_a_run(
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
