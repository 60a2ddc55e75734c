"""Acts on threads in conditions, what they are judged by, and the benchmark that counts them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.operations_by_condition import Reached, as_text
from conformance.checks import acts, conditions
from conformance.checks.acts import ActContext
from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.conditions import ThreadInCondition
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.runs import Runs
from conformance.checks.ways import assert_as_before, assert_gone, assert_ways_agree, shown_of
from conformance.deployment.client import Answer
from conformance.deployment.connect import connect
from conformance.deployment.settings import Settings
from conformance.reference.wire import WireRequest
from conformance.selftest.impact import SentRequest
from conformance.suite import test_acts as suite

MakeSettings = Callable[..., Settings]


@pytest.fixture
def given(reference: str, settings_for: MakeSettings) -> Iterator[ThreadsApi]:
    settings = settings_for(reference, disposable=True, visible_within_s=0.01)
    with connect(settings) as connection:
        yield ThreadsApi(connection.client, CheckContext(settings, {}), arranging=True)


# The acts


def test_every_operation_is_an_act() -> None:
    looked_at = {"get", "state", "history", "run_list"}
    changing = {name for each in acts.CHANGING.values() for name in each}
    assert {*acts.NOT_CHANGING, *acts.REFUSED, *changing, *acts.STOPPING, *looked_at} == {
        *acts.SUBJECT
    }


def test_what_is_left_out_is_known_and_has_a_reason() -> None:
    pairs = [pair for each in acts.LEFT_OUT for pair in each.pairs()]
    assert len(pairs) == len({*pairs})
    assert {name for name, _ in pairs} <= {*conditions.names()}
    assert {operation for _, operation in pairs} <= {*acts.SUBJECT}
    assert all(each.reason for each in acts.LEFT_OUT)


def test_conditions_are_settled_or_not() -> None:
    assert {*conditions.settled(), *conditions.UNSETTLED} == {*conditions.names()}
    assert not {*conditions.settled()} & {*conditions.UNSETTLED}


@pytest.mark.parametrize("acts_of", acts.CHANGING)
def test_a_plain_thread_undergoes_every_change(given: ThreadsApi, acts_of: str) -> None:
    with Runs(given) as runs:
        suite._apply_acts(ActContext(given, runs, ThreadInCondition(given.prepopulated())), acts_of)


def test_an_empty_thread_is_told_its_graph_before_its_state_is_updated(given: ThreadsApi) -> None:
    with Runs(given) as runs:
        on = ActContext(given, runs, ThreadInCondition(given.empty()))
        acts.CHANGING["a state update"]["update_state"](on)
    assert given.state(on.made.thread)["values"]["messages"]


@pytest.mark.parametrize("way", acts.STOPPING)
def test_every_way_stops_the_runs_of_a_thread(given: ThreadsApi, way: str) -> None:
    with Runs(given) as runs:
        made = conditions.make("running with a run waiting", given, runs)
        acts.stop(way, ActContext(given, runs, made))
        assert given.get(made.thread)["status"] != "busy"


# What they are judged by


def test_the_ways_to_ask_of_a_thread_agree(given: ThreadsApi) -> None:
    assert_ways_agree(given, given.prepopulated())


def _with_other_values(body: Any) -> Any:
    threads = body if isinstance(body, list) else [body]
    others = [{**each, "values": {"messages": ["another"]}} for each in threads]
    return others if isinstance(body, list) else others[0]


@pytest.mark.parametrize(
    ("operation", "change"),
    [
        ("get search", _with_other_values),
        ("post_history", lambda body: [{**body[0], "next": ["another"]}, *body[1:]]),
        ("search", lambda body: []),
        ("search", lambda body: [{**body[0], "status": "error"}]),
    ],
    ids=["values", "newest", "not found", "found as another"],
)
def test_a_way_to_ask_that_differs_is_noticed(
    given: ThreadsApi,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    change: Callable[[Any], Any],
) -> None:
    thread = given.prepopulated()
    for each in operation.split():
        _answer_otherwise(given, monkeypatch, each, change)
    with pytest.raises(PromiseBroken):
        assert_ways_agree(given, thread)


def test_a_thread_that_is_there_is_not_gone(given: ThreadsApi) -> None:
    thread = given.prepopulated()
    with pytest.raises(PromiseBroken, match="404 of GET"):
        assert_gone(given, thread)
    given.delete(thread)
    assert_gone(given, thread)


@pytest.mark.parametrize("operation", ["state", "post_history", "run_list", "search"])
def test_a_deleted_thread_that_one_way_shows_is_not_gone(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    thread = given.prepopulated()
    given.delete(thread)
    _answer_otherwise(given, monkeypatch, operation, lambda body: [thread], status=200)
    with pytest.raises(PromiseBroken):
        assert_gone(given, thread)


def test_a_thread_that_changes_is_not_as_before(given: ThreadsApi) -> None:
    thread = given.prepopulated()
    before = shown_of(given, thread)
    assert_as_before(before, lambda: shown_of(given, thread), "nothing")
    given.update(thread, metadata={"colour": "blue"})
    with pytest.raises(PromiseBroken, match="after an update"):
        assert_as_before(before, lambda: shown_of(given, thread), "an update")


def test_a_thread_that_shows_another_each_time_blocks() -> None:
    looks = iter(range(3))
    with pytest.raises(Blocked, match="nothing was done"):
        assert_as_before({"get": -1}, lambda: {"get": next(looks)}, "nothing")


def test_times_are_left_out_of_what_a_thread_shows(given: ThreadsApi) -> None:
    thread = given.prepopulated()
    for times in (True, False):
        shown = shown_of(given, thread, times=times)["get"][1]
        assert ("updated_at" in shown, "state_updated_at" in shown) == (times, times)
        assert shown["created_at"]


def test_a_request_that_is_not_refused_may_change_the_thread(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accepted(on: acts.Subject) -> Answer:
        return given.client.update(on.thread_id, {"metadata": {"changed": True}})

    made = ThreadInCondition(given.prepopulated())
    monkeypatch.setitem(acts.REFUSED, "update", accepted)
    suite._disagreeing(given, made, (("update", accepted),), settles=True)
    assert given.context.notes == ["not refused: update"]
    # The same request changes the thread where it is said only to look.
    again = replace(made, thread=given.prepopulated())
    with pytest.raises(PromiseBroken, match="after a look"):
        suite._disagreeing(given, again, (("a look", accepted),), settles=True)


def test_a_run_that_ends_meanwhile_blocks(given: ThreadsApi) -> None:
    with Runs(given) as runs:
        made = conditions.make("running", given, runs)

        def end(on: acts.Subject) -> Answer:
            return given.client.runs.cancel(on.thread_id, on.run_id)

        with pytest.raises(Blocked, match="begun or ended"):
            suite._disagreeing(given, made, (("a look", end),), settles=False)


def test_what_breaks_on_a_simple_thread_blocks() -> None:
    def breaks() -> None:
        raise PromiseBroken("this", "that", kinds=("$.status",))

    with pytest.raises(Blocked) as blocked:
        suite._block_if_broken(breaks)
    assert blocked.value.by
    suite._block_if_broken(lambda: None)


def test_what_breaks_on_a_copy_of_a_plain_thread_blocks_in_conditions_of_copies(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: set[str] = set()
    right = given.client.send

    def send(name: str, *arguments: Any, **named: Any) -> Answer:
        answer = right(name, *arguments, **named)
        if name == "copy":
            copies.add(answer.body["thread_id"])
        if name == "get" and answer.ok and answer.body["thread_id"] in copies:
            return replace(answer, text=json.dumps({**answer.body, "values": {}}))
        return answer

    monkeypatch.setattr(given.client, "send", send)
    with Runs(given) as runs, pytest.raises(Blocked):
        suite._judge_acts(given, runs, "a copy (empty)", "a state update")


def _answer_otherwise(
    given: ThreadsApi,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    change: Callable[[Any], Any],
    status: int | None = None,
) -> None:
    """Answer requests of an operation with another body, and another status if one is given."""
    right = given.client.send

    def send(name: str, *arguments: Any, **named: Any) -> Answer:
        answer = right(name, *arguments, **named)
        if name != operation:
            return answer
        text = json.dumps(change(answer.body))
        return replace(answer, text=text, status=status or answer.status)

    monkeypatch.setattr(given.client, "send", send)


# Runs that are seen to end are not asked for again


def test_a_run_that_ended_is_not_asked_for_when_the_check_ends(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    right = given.client.send

    def send(name: str, *arguments: Any, **named: Any) -> Answer:
        asked.append(name)
        return right(name, *arguments, **named)

    with Runs(given) as runs:
        runs.join(runs.start(given.empty(), "agent"))
        left = runs.start(given.empty(), "slow", seconds=5)
        assert runs.status(left) in ("pending", "running")
        monkeypatch.setattr(given.client, "send", send)
    assert asked == ["run_get", "run_cancel"]
    assert given.client.runs.get(left.thread_id, left.run_id).body["status"] != "success"


# The benchmark


def _sent(operation: str, status: int | None = 200) -> SentRequest:
    request = WireRequest.__new__(WireRequest)
    request.operation = operation
    return SentRequest(request, status)


def test_pairs_are_counted_as_asked_accepted_and_at_once() -> None:
    reached = Reached()
    sent = [_sent("get"), _sent("prune", 422), _sent("copy"), _sent("update"), _sent("state")]
    reached.add("forked", [*sent, _sent("thread_stream", None)])
    reached.add("forked", [_sent("get")])
    assert reached.checks["forked", "get"] == 2
    assert reached.checks["forked", "prune"] == 1
    names = {operation for _, operation in reached.accepted}
    assert names == {"get", "copy", "update", "state", "thread_stream"}
    assert {operation for _, operation in reached.at_once} == {"get", "copy", "update"}


def test_the_table_gives_the_reasons_of_what_is_left_out() -> None:
    reached = Reached()
    reached.add("running", [_sent("get"), _sent("run_wait", 409)])
    text = as_text(reached, markdown=False)
    lines = text.splitlines()
    assert next(each for each in lines if each.startswith("running: ")).startswith(
        "running: get 1, run_wait 1; not: create, search"
    )
    allowed = len(conditions.names()) * len(acts.SUBJECT) - sum(
        len(list(each.pairs())) for each in acts.LEFT_OUT
    )
    assert f"1 of {allowed} accepted" in text
    assert all(each.reason in text for each in acts.LEFT_OUT)
