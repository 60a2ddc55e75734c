"""Checks of a rule in a special condition: found on other graphs, and blocked by the plain rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.contract.verdicts import Verdict
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.faults.kit.http_changes import refusing
from conformance.faults.registry import Apply, FaultyDeployment, all_faults, faulty_deployment
from conformance.freedoms.registry import all_freedoms
from conformance.model.graphs import INTERRUPTER, START, Graph
from conformance.reference.wire import Json, WireRequest
from conformance.runner.session import run_suite
from tests.conftest import served

pytestmark = pytest.mark.slow

GRAPH = all_freedoms()["graph-goes-on-after-the-node-of-append"]
#: States at a checkpoint answered as they were first read, by GET and by POST.
REMEMBERED = {
    "CHECKPOINT-14": "state-at-a-checkpoint-is-remembered",
    "CHECKPOINT-POST-05": "state-posted-for-is-remembered",
}


def reasons(
    settings_for: Callable[..., Settings], requirement: str, *apply: Apply, **options: object
) -> dict[Verdict, str | None]:
    """The reason of each verdict of the checks of a requirement, on the altered reference."""
    deployment, app = faulty_deployment(None)
    for each in apply:
        each(deployment)
    with served(deployment.store, lambda _: app) as url:
        settings = settings_for(
            url, profile="full", requirements=(requirement,), repeat_failures=0, **options
        )
        report = run_suite(settings, identify_deployment(settings))
    assert report.checks
    return {each.verdict: each.reason for each in report.checks}


@pytest.mark.parametrize(("requirement", "fault"), REMEMBERED.items())
def test_a_remembered_state_is_found_where_append_is_not_next(
    settings_for: Callable[..., Settings], requirement: str, fault: str
) -> None:
    assert [*reasons(settings_for, requirement, GRAPH.apply, **GRAPH.settings)] == [Verdict.PASS]
    remembered = (GRAPH.apply, all_faults()[fault].apply)
    assert [*reasons(settings_for, requirement, *remembered, **GRAPH.settings)] == [Verdict.FAIL]


@pytest.mark.parametrize(("requirement", "fault"), REMEMBERED.items())
def test_a_remembered_state_is_found_where_no_update_is_offered(
    settings_for: Callable[..., Settings], requirement: str, fault: str
) -> None:
    lacking = refusing("update_state", status=405)
    assert [*reasons(settings_for, requirement, lacking)] == [Verdict.PASS]
    found = reasons(settings_for, requirement, lacking, all_faults()[fault].apply)
    assert [*found] == [Verdict.FAIL]


def runs_two_at_once(broken: FaultyDeployment) -> None:
    """Show a run that waits as pending at the first look, and then as under way."""
    seen: set[str] = set()

    @broken.wire.answers("run_get")
    def show(_request: WireRequest, run: Json) -> Json:
        waits = run["status"] == "pending" and run["run_id"] in seen
        seen.add(run["run_id"])
        return {**run, "status": "running"} if waits else run


def test_lists_by_status_are_not_judged_where_two_runs_are_under_way(
    settings_for: Callable[..., Settings],
) -> None:
    found = reasons(settings_for, "RUN-CONTROL-25", runs_two_at_once)
    assert found == {Verdict.BLOCKED: "two runs of one thread are under way"}


class AsksOnce(Graph):
    """The interrupter, whose entry leads to its end where a message says that it was answered."""

    def applied(self, values: dict[str, Any], update: Any, new_id: Any) -> dict[str, Any]:
        made = super().applied(values, update, new_id)
        object.__setattr__(self, "was_answered", "You answered" in str(made.get("messages")))
        return made

    def after(self, name: str) -> tuple[str, ...]:
        ends = name == START and getattr(self, "was_answered", False)
        return () if ends else super().after(name)


def asks_once(broken: FaultyDeployment) -> None:
    graph = AsksOnce(INTERRUPTER.graph_id, INTERRUPTER.channels, INTERRUPTER.nodes)
    broken.store.assistants.graphs[graph.graph_id] = graph


def test_a_late_answer_is_not_blamed_where_a_second_question_is_never_asked(
    settings_for: Callable[..., Settings],
) -> None:
    found = reasons(settings_for, "INTERRUPT-32", asks_once)
    assert found == {Verdict.BLOCKED: "a thread that was answered does not ask again"}
