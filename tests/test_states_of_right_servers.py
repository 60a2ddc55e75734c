"""Right servers that are built otherwise than the reference: none of their promises fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.types import ASGIApp

from conformance.checks.comparable_members import holds_no_data, lasting_members, require_some
from conformance.checks.outcomes import Blocked
from conformance.contract.verdicts import Verdict
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.model.entities import Checkpoint, Thread
from conformance.model.ids_and_times import JsonObject
from conformance.model.states import States
from conformance.model.store import ThreadStore
from conformance.model.views import Views
from conformance.reference.app import new_store
from conformance.reference.wire import Json, Wire, WireAnswer, WireRequest, json_answer
from conformance.runner.session import run_suite
from tests.conftest import served
from tests.store_variants import store_of

MakeSettings = Callable[..., Settings]

PASS, BLOCKED, FAIL = Verdict.PASS, Verdict.BLOCKED, Verdict.FAIL


def verdicts(
    make: MakeSettings, requirements: str, *, store: ThreadStore | None = None, wire: Wire | None
) -> dict[str, Verdict]:
    """What the suite says of these requirements on a deployment behind these rules."""

    def around(app: ASGIApp) -> ASGIApp:
        if wire is None:
            return app
        wire.app = app
        return wire

    deployment: AbstractContextManager[str] = served(store or new_store(), around)
    with deployment as url:
        settings = make(
            url,
            profile="full",
            requirements=tuple(requirements.split()),
            repeat_failures=0,
            visible_within_s=2.0,
        )
        report = run_suite(settings, ServerInfo("a server", "1"))
    return {each.id: each.verdict for each in report.requirements}


# Where no history can be made


@pytest.mark.slow
def test_what_needs_no_history_is_judged_where_none_can_be_made(settings_for: MakeSettings) -> None:
    wire = Wire()

    @wire.before("create")
    def no_supersteps(request: WireRequest) -> None:
        if "supersteps" in request.members:
            request.body = {n: v for n, v in request.members.items() if n != "supersteps"}

    @wire.before("run_wait", "run_stream", "run_background", "update_state")
    def nothing_runs(_request: WireRequest) -> WireAnswer:
        return json_answer(501, {"detail": "this server runs nothing"})

    about_threads = "STATE-11 STATE-12 STATE-14 HISTORY-05 HISTORY-06 HISTORY-07"
    judged = verdicts(settings_for, f"{about_threads} STATE-01 HISTORY-01", wire=wire)
    assert {each: judged[each] for each in about_threads.split()} == dict.fromkeys(
        about_threads.split(), PASS
    )
    assert judged["STATE-01"] is judged["HISTORY-01"] is BLOCKED


@pytest.mark.slow
def test_states_are_judged_where_no_update_is_offered(settings_for: MakeSettings) -> None:
    wire = Wire()

    @wire.before("update_state")
    def not_offered(_request: WireRequest) -> WireAnswer:
        return json_answer(404, {"detail": "no such route"})

    asked = "CHECKPOINT-01 CHECKPOINT-02 CHECKPOINT-08 HISTORY-01 HISTORY-02 ISOLATE-06"
    assert set(verdicts(settings_for, asked, wire=wire).values()) == {PASS}


# Answers that have fewer members than those of the reference


@pytest.mark.slow
def test_an_update_may_answer_nothing(settings_for: MakeSettings) -> None:
    wire = Wire()
    wire.answers("update_state")(lambda _request, _made: {})
    asked = "STATE-UPDATE-01 STATE-UPDATE-02 STATE-UPDATE-04 STATE-UPDATE-08 SEQ-05"
    assert verdicts(settings_for, asked, wire=wire) == {
        "STATE-UPDATE-01": PASS,
        "STATE-UPDATE-02": BLOCKED,
        "STATE-UPDATE-04": PASS,
        "STATE-UPDATE-08": PASS,
        "SEQ-05": PASS,
    }


@pytest.mark.slow
def test_states_need_not_name_their_checkpoint_at_the_top(settings_for: MakeSettings) -> None:
    wire = Wire()

    def bare(state: Any) -> Any:
        return {n: v for n, v in state.items() if not n.endswith("checkpoint_id")}

    wire.answers("history", "post_history")(lambda _, states: [bare(each) for each in states])
    wire.answers("state_at_checkpoint")(lambda _, state: bare(state))
    asked = "CHECKPOINT-08 HISTORY-03 HISTORY-09 SEQ-04 SEQ-05 SEQ-07 SEQ-08 SEQ-09 SEQ-10"
    assert set(verdicts(settings_for, asked, wire=wire).values()) == {PASS}


@pytest.mark.slow
def test_what_compared_nothing_is_blocked(settings_for: MakeSettings) -> None:
    wire = Wire()

    def blank(state: Any) -> Any:
        return {**state, "values": {}, "tasks": [], "parent_checkpoint": None}

    wire.answers("history")(lambda _, states: [blank(each) for each in states])
    wire.answers("state", "state_at_checkpoint")(lambda _, state: blank(state))
    asked = "CHECKPOINT-02 CHECKPOINT-04 RUN-11 RUN-CONTROL-10 STREAM-03"
    assert set(verdicts(settings_for, asked, wire=wire).values()) == {BLOCKED}


# What may come a little later, or from another clock


@pytest.mark.slow
def test_the_status_of_a_run_may_show_its_end_later(settings_for: MakeSettings) -> None:
    wire = Wire()
    looked: dict[str, int] = {}

    def behind(run: Any) -> Any:
        if run.get("status") in ("pending", "running"):
            return run
        looked[run["run_id"]] = looked.get(run["run_id"], 0) + 1
        return {**run, "status": "running"} if looked[run["run_id"]] < 3 else run

    wire.answers("run_get")(lambda _request, run: behind(run))
    wire.answers("run_list")(lambda _request, runs: [behind(each) for each in runs])
    asked = "RUN-CONTROL-03 RUN-CONTROL-07 RUN-CONTROL-09 MULTITASK-02 MULTITASK-05 STREAM-10"
    assert set(verdicts(settings_for, asked, wire=wire).values()) == {PASS}


class ClocksDiffer(Views):
    """Every second state is written by a machine whose clock is a little behind."""

    def state_view(
        self, thread: Thread, checkpoint: Checkpoint, *more: Any, **named: Any
    ) -> JsonObject:
        shown = super().state_view(thread, checkpoint, *more, **named)
        if checkpoint.step % 2:
            return shown
        moment = datetime.fromisoformat(shown["created_at"]) - timedelta(milliseconds=50)
        return {**shown, "created_at": moment.isoformat()}


@pytest.mark.slow
def test_clocks_of_one_deployment_may_differ_a_little(settings_for: MakeSettings) -> None:
    asked = "HISTORY-02 RUN-CONTROL-15"
    judged = verdicts(settings_for, asked, store=store_of(ClocksDiffer), wire=None)
    assert FAIL not in judged.values()


# What no source says


class BeforeMeansAncestors(States):
    """A history continued after a state of a branch holds that branch alone."""

    def made_before(self, checkpoints: Any, bound: Checkpoint | None) -> Any:
        if bound is None:
            return checkpoints
        by_id = {each.checkpoint_id: each for each in checkpoints}
        ancestors, parent = [], bound.parent_id
        while parent in by_id:
            ancestors.append(by_id[parent])
            parent = by_id[parent].parent_id
        return ancestors[::-1]


@pytest.mark.slow
def test_before_may_mean_ancestors(settings_for: MakeSettings) -> None:
    asked = "HISTORY-10 HISTORY-FILTER-01 HISTORY-FILTER-04 SEQ-09 SEQ-04 STATE-UPDATE-14"
    judged = verdicts(settings_for, asked, store=store_of(BeforeMeansAncestors), wire=None)
    assert set(judged.values()) == {PASS}


@pytest.mark.slow
def test_a_thread_that_changes_need_not_be_copied(settings_for: MakeSettings) -> None:
    wire = Wire()
    busy: set[str] = set()

    @wire.before("run_background", "update_state")
    def begins(request: WireRequest) -> None:
        busy.add(request.thread_id)

    @wire.before("copy", when=lambda request: request.thread_id in busy)
    def conflicts(_request: WireRequest) -> WireAnswer:
        return json_answer(409, {"detail": "the thread is changing"})

    judged = verdicts(settings_for, "CONCURRENT-04 CONCURRENT-05", wire=wire)
    assert FAIL not in judged.values()


@pytest.mark.slow
def test_select_of_a_state_may_be_refused(settings_for: MakeSettings) -> None:
    wire = Wire()

    @wire.before("state", when=lambda request: "select" in request.query)
    def refused(_request: WireRequest) -> WireAnswer:
        return json_answer(422, {"detail": "select is not a parameter of this operation"})

    assert verdicts(settings_for, "STATE-17 STATE-10", wire=wire) == {
        "STATE-17": BLOCKED,
        "STATE-10": PASS,
    }


@pytest.mark.slow
@pytest.mark.parametrize("way", ["left out", "one alone", "empty lists"])
def test_interrupts_are_shown_in_several_ways(settings_for: MakeSettings, way: str) -> None:
    wire = Wire()

    def shown(thread: Any) -> Json:
        asked = thread["interrupts"]
        if way == "left out":
            return {n: v for n, v in thread.items() if n != "interrupts"}
        if way == "one alone":
            return {**thread, "interrupts": {task: each[0] for task, each in asked.items()}}
        return {**thread, "interrupts": {"a task that asks nothing": [], **asked}}

    wire.answers("get")(lambda _request, thread: shown(thread))
    asked = "INTERRUPT-01 INTERRUPT-02 INTERRUPT-04 INTERRUPT-06 INTERRUPT-15 NESTED-01"
    judged = verdicts(settings_for, asked, wire=wire)
    unshown = {each for each, verdict in judged.items() if verdict is not PASS}
    assert unshown == ({"INTERRUPT-01", "INTERRUPT-04"} if way == "left out" else set())
    assert FAIL not in judged.values()


# What such checks are made of


@pytest.mark.parametrize("values", [{}, [], {"messages": []}, {"messages": [], "count": 0}])
def test_values_that_hold_nothing(values: Any) -> None:
    assert holds_no_data(values)


@pytest.mark.parametrize("values", [None, "", {"messages": ["a"]}, [{"a": 1}], {"count": 1}])
def test_values_that_hold_something_or_are_none(values: Any) -> None:
    assert not holds_no_data(values)


def test_nothing_to_compare_blocks() -> None:
    require_some([None, 1], "something")
    without: tuple[list[Any], ...] = ([], [None, {}, ""])
    for nothing in without:
        with pytest.raises(Blocked, match="nothing to compare: no text"):
            require_some(nothing, "no text")


def test_what_tasks_came_to_does_not_last() -> None:
    state = {"checkpoint_id": "a", "values": {}, "next": ["n"], "tasks": [{"id": "t"}]}
    later = {**state, "next": [], "tasks": [{"id": "t", "result": 1}], "checkpoint": {}}
    assert lasting_members([state]) == lasting_members([later])
    assert lasting_members([state]) != lasting_members([{**state, "values": {"a": 1}}])
