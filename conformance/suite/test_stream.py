"""The events of a stream."""

from collections.abc import Sequence
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.breakpoints import newest_with_a_node_next
from conformance.checks.comparable_members import require_some
from conformance.checks.events import (
    Event,
    assert_names_and_json_data,
    data_of,
    events_of_the_graph,
    events_or_blocked,
    modes_of,
    names_of_events,
)
from conformance.checks.expect import assert_equal, assert_is, assert_that
from conformance.checks.outcomes import Blocked, alone, requires
from conformance.checks.runs import NOT_ENDED, Run, Runs, message_contents
from conformance.checks.views import Thread, checkpoint_named, id_of, messages_of
from conformance.deployment.client import Answer
from conformance.deployment.wire.stream_reading import is_event_stream
from conformance.json_differences import same_json
from conformance.safe_text import excerpt

#: Modes in which each step of a graph has events; STREAM-07 judges the first two.
_SEVERAL_MODES = ("values", "updates", "checkpoints", "tasks")
_TWO_MODES = _SEVERAL_MODES[:2]
#: Characters of every length in UTF-8, of which the last two need two units in UTF-16.
_TEXT = "go on \u00e9 \u2026 \U0001d11e \U0001f600"
#: The most streams that are read to find one whose events share ids.
_STREAMS = 24
#: The most streams of values that are resumed to find one that goes on.
_STREAMS_OF_VALUES = 5


@requires("STREAM-01")
def test_a_stream_is_made_of_events(given: ThreadsApi, runs: Runs) -> None:
    answer = runs.stream(given.empty(), "agent")
    kind = answer.headers.get("content-type", "")
    assert_that(is_event_stream(kind), "text/event-stream", kind)
    assert_that(bool(names_of_events(answer.text)), "at least one event", excerpt(answer.text, 300))


@requires("STREAM-22")
def test_its_events_have_names_and_json_data(given: ThreadsApi, runs: Runs) -> None:
    assert_names_and_json_data(runs.stream(given.empty(), "agent").text, by="STREAM-01")


@requires("STREAM-02")
def test_a_stream_begins_with_the_run(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    events = runs.events(thread, "agent")
    assert_that(bool(events) and events[0].name == "metadata", "metadata first", events[:1])
    made = [run.get("run_id") for run in given_runs.list_runs(thread)]
    shown = events[0].data.get("run_id") if isinstance(events[0].data, dict) else None
    assert_equal([shown], made, "the run_id of the metadata event")


@requires("STREAM-03")
@pytest.mark.parametrize("modes", [["values"], ["values", "updates"]], ids=" and ".join)
@pytest.mark.parametrize("graph", ["agent", "slow"])
def test_the_last_values_are_the_state(
    given: ThreadsApi, runs: Runs, graph: str, modes: list[str]
) -> None:
    thread = given.empty()
    values = data_of(runs.events(thread, graph, _TEXT, stream_mode=modes), "values")
    if len(modes) > 1 and not values:
        raise Blocked("a stream of several modes has no values", by="STREAM-07")
    expected = given.state(thread)["values"]
    require_some([expected], "the state has no values", "STATE-01")
    shown = values[-1] if values and isinstance(values[-1], dict) else {}
    # The event may have other members.
    assert_equal({name: shown.get(name) for name in expected}, expected, "the last values")


@requires("STREAM-04")
def test_values_are_streamed_by_default(given: ThreadsApi, runs: Runs) -> None:
    events = runs.events(given.empty(), "agent")
    names = [event.name for event in events]
    assert_that("values" in names, "values events", names)


@requires("STREAM-05")
@pytest.mark.parametrize(
    ("mode", "more"),
    [
        ("values", {"stream_mode": "values"}),
        ("updates", {"stream_mode": "updates"}),
        ("updates", {"stream_mode": ["updates"], "stream_resumable": True}),
    ],
    ids=["values", "updates", "updates of a resumable stream"],
)
def test_only_what_was_asked_for_is_streamed(
    given: ThreadsApi, runs: Runs, mode: str, more: dict[str, Any]
) -> None:
    events = runs.events(given.empty(), "agent", **more)
    modes = modes_of(events)
    if mode not in modes:
        raise Blocked(f"a stream of {mode} without an event of it: {sorted(modes)}")
    assert_equal(sorted(modes), [mode], "the modes of the events")


@requires("STREAM-06")
def test_every_step_is_streamed_as_an_update(given: ThreadsApi, runs: Runs) -> None:
    thread = given.empty()
    updates = data_of(runs.events(thread, "slow", seconds=0, stream_mode=["updates"]), "updates")
    streamed = [node for update in updates if isinstance(update, dict) for node in update]
    # The nodes in `next` of each state are those that ran; the input is no node of the graph.
    oldest_first = reversed(list(given.history(thread)))
    next_in_each = [node for state in oldest_first for node in state.get("next") or []]
    ran = [node for node in next_in_each if node != "__start__"]
    require_some(ran, "no state of the history has a node next")
    # The stream may hold other updates.
    assert_equal([node for node in streamed if node in ran], ran, "the nodes")


@requires("STREAM-07")
def test_several_modes_are_streamed_together(given: ThreadsApi, runs: Runs) -> None:
    events = runs.events(given.empty(), "agent", stream_mode=["values", "updates"])
    missing = {"values", "updates"} - modes_of(events)
    assert_that(not missing, "events of values and of updates", f"none of {sorted(missing)}")


@requires("STREAM-08")
def test_checkpoints_are_streamed(given: ThreadsApi, runs: Runs) -> None:
    thread = given.empty()
    answer = runs.stream(thread, "agent", stream_mode=["checkpoints"])
    checkpoints = data_of(events_or_blocked(answer.text), "checkpoints")
    # The parent that a checkpoint names is left out, since it does not count as streamed.
    streamed = str([_without_parents(each) for each in checkpoints])
    left = given.history(thread).checkpoint_ids()
    require_some(left, "the run left no state", "RUN-02")
    missing = [each for each in left if each not in streamed]
    assert_that(not missing, f"the checkpoints {left}", f"without {missing}")


@requires("STREAM-09")
@pytest.mark.parametrize(
    "more", [{}, {"stream_mode": ["updates"]}], ids=["values by default", "updates"]
)
def test_a_failure_is_streamed(given: ThreadsApi, runs: Runs, more: dict[str, Any]) -> None:
    errors = data_of(runs.events(given.empty(), "failing", **more), "error")
    assert_that(bool(errors) and bool(errors[-1]), "an error event that says why", errors)


@requires("STREAM-10")
def test_the_stream_of_a_run_can_be_joined(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    run = given_runs.start(thread, "slow", seconds=2, stream_mode=["values"])
    values = data_of(runs.join_stream(run), "values")
    if given_runs.status_once_ended(run, given.context.settings.run_timeout_s) in NOT_ENDED:
        raise Blocked("the run does not end")
    said = message_contents({"values": given.state(thread)["values"]})[-1:]
    require_some(said, "the run left no message")
    if _last_content(values) != said:
        whole = given_runs.events(given.empty(), "slow", seconds=0, stream_mode=["values"])
        if _last_content(data_of(whole, "values")) != said:
            raise Blocked("a whole stream does not end with what was said last", by="STREAM-03")
    assert_equal(_last_content(values), said, "what was said last, in the last values")


@requires("STREAM-11")
def test_a_resumable_stream_is_read_again(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    first = given_runs.events(thread, "agent", stream_resumable=True)
    require_some(_graph_events(first), "a stream without events of the graph")
    again = runs.join_stream(given_runs.only_run(thread), last_event_id="-1")
    assert_equal(_graph_events(again), _graph_events(first), "the events")


@requires("STREAM-12")
def test_a_stream_is_resumed_after_an_event(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    rest, expected = _after_an_event(given, given_runs, runs)
    assert_equal(rest, expected, "the events after it")


def _after_an_event(given: ThreadsApi, given_runs: Runs, runs: Runs) -> tuple[list[Any], list[Any]]:
    """Resume a stream of values after one event; return what comes, and what had come before.

    Both are the names and the data of the events of the graph.
    """
    thread = given.empty()
    first = given_runs.events(thread, "slow", seconds=0, stream_resumable=True)
    with_ids = [place for place, event in enumerate(first) if event.id is not None]
    require_some([with_ids], f"the events of the stream have no ids: {first[:1]}")
    position = with_ids[len(with_ids) // 2]
    last_seen = first[position].id
    require_some(_graph_events(first[position + 1 :]), "no event of the graph comes later")
    rest = runs.join_stream(given_runs.only_run(thread), last_event_id=last_seen)
    return _graph_events(rest), _graph_events(first[position + 1 :])


def _require_resuming_after_an_event(given: ThreadsApi, given_runs: Runs) -> None:
    """Raise `Blocked` if a stream of values is never resumed after one of its events either.

    Several are tried: where events share an id if they are of one moment, one may fail by chance.
    """
    for _ in range(_STREAMS_OF_VALUES):
        rest, expected = _after_an_event(given, given_runs, given_runs)
        if same_json(rest, expected):
            return
    raise Blocked("a stream of values is not resumed after an event either", by="STREAM-12")


@alone
@requires("STREAM-13")
def test_a_stream_of_several_modes_is_resumed_after_each_event(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread, first = _resumable_in_several_modes(given, given_runs)
    run = given_runs.only_run(thread)
    # Where no stream_mode is sent, a server may take the default mode or all modes of the run.
    joined = modes_of(given_runs.join_stream(run, "-1"))
    modes = [each for each in _SEVERAL_MODES if each in joined]
    require_some(modes, "a stream that is read again has no events of its modes", "STREAM-11")
    for position, event in enumerate(first):
        if event.id is not None:
            rest = runs.join_stream(run, last_event_id=event.id)
            shown, wanted = (
                _named_data(_of_several_modes(events, modes))
                for events in (rest, first[position + 1 :])
            )
            if not same_json(shown, wanted):
                _require_resuming_after_an_event(given, given_runs)
            # No event follows the last one, so both lists may be empty.
            assert_is(shown, wanted, f"the events after event {position + 1}")


@requires("STREAM-24")
def test_a_resumed_stream_does_not_repeat_the_last_event(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread = given.empty()
    # The tag proves that the run is ours, so that a failure is told with what the stream held.
    tag = given.client.tag
    first = given_runs.events(thread, "slow", seconds=0, stream_resumable=True, metadata=tag)
    ids = [each.id for each in first if each.id is not None]
    require_some(ids, "the events of the stream have no ids")
    if ids.count(ids[0]) > 1:
        raise Blocked(f"two events share an id: {ids}", by="STREAM-14")
    rest = runs.join_stream(given_runs.only_run(thread), ids[0])
    require_some(rest, "the stream that is resumed has no events", "STREAM-13")
    repeated = [each.name for each in rest if each.id == ids[0]]
    if repeated:
        _require_resuming_after_an_event(given, given_runs)
    assert_is(repeated, [], f"the events under the id {ids[0]}, which was received")


@alone
@requires("STREAM-14")
def test_events_have_ids_of_their_own(given: ThreadsApi, given_runs: Runs) -> None:
    _, events = _resumable_in_several_modes(given, given_runs)
    ids = _ids_of(events)
    assert_equal(ids, list(dict.fromkeys(ids)), "the ids of the events, each once")


@requires("STREAM-15")
def test_a_stream_is_joined_in_one_of_its_modes(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    run = _with_subgraph(given, given_runs)
    # Compared with the stream joined in all its modes: STREAM-11 compares that with the original.
    expected = _of_mode(given_runs.join_stream(run, "-1"), "values")
    require_some(expected, "a stream that is read again without values", "STREAM-11")
    names = {event.name for event in expected}
    require_some(names - {"values"}, "a stream without values of a subgraph")
    joined = runs.join_stream(run, "-1", stream_mode="values")
    values = _of_several_modes(joined, _TWO_MODES)
    assert_equal(_named_data(values), _named_data(expected), "the events of values")


@requires("STREAM-16")
def test_a_stream_in_one_of_its_modes_is_resumed_after_each_event(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread, answer = _streamed(given, given_runs, _TWO_MODES)
    given.ensure_success(answer, thread)
    run = given_runs.only_run(thread)
    joined = given_runs.join_stream(run, "-1", stream_mode="values")
    joined = _of_several_modes(joined, _TWO_MODES)
    require_some(joined, "a stream joined in one of its modes has no events", "STREAM-15")
    ids = _ids_of(joined)
    require_some(ids, "the events of the stream have no ids")
    if len(set(ids)) < len(ids):
        raise Blocked(f"two events share an id: {ids}", by="STREAM-14")
    for position, event in enumerate(joined, start=1):
        if event.id is not None:
            rest = runs.join_stream(run, event.id, stream_mode="values")
            # No event follows the last one, so both lists may be empty.
            what = f"the events of values after event {position}"
            expected = _named_data(joined[position:])
            assert_is(_named_data(_of_several_modes(rest, _TWO_MODES)), expected, what)


@requires("STREAM-17")
def test_a_joined_stream_begins_once(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    run = given_runs.start(given.empty(), "slow", seconds=0, stream_resumable=True)
    under_way = runs.join_stream(run)
    again = runs.join_stream(run, "-1")
    require_some([*under_way, *again], "a joined stream without events")
    for joined in (under_way, again):
        parts = [
            [each.id, each.name, each.data]
            for each in joined
            if each.id is not None or each.name == "metadata"
        ]
        begun = [data for _, name, data in parts if name == "metadata"]
        twice = [each for each in parts if parts.count(each) > 1]
        twice += [data for data in begun if begun.count(data) > 1]
        assert_that(not twice, "each event once", twice)


@requires("STREAM-18")
def test_updates_beside_values_tell_of_an_interrupt(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    _require_interrupt_in_updates(given, given_runs)
    thread = given.empty()
    events = runs.events(thread, "interrupter", stream_mode=["values", "updates"])
    _assert_interrupt_in_updates(given, thread, events)


@requires("STREAM-19")
def test_updates_tell_of_the_interrupt_of_a_subgraph(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    _require_interrupt_in_updates(given, given_runs)
    thread = given.empty()
    events = runs.events(thread, "nested", stream_mode=["updates"], stream_subgraphs=True)
    _assert_interrupt_in_updates(given, thread, events)


def _require_interrupt_in_updates(given: ThreadsApi, runs: Runs) -> None:
    """Block the check unless a stream of updates alone shows the interrupt of a graph."""
    thread = given.empty()
    events = runs.events(thread, "interrupter", stream_mode=["updates"])
    asked = _interrupt_value(given, thread)
    if not _holds(data_of(events, "updates"), asked):
        raise Blocked("a stream of updates does not tell of an interrupt")


def _assert_interrupt_in_updates(given: ThreadsApi, thread: Thread, events: list[Event]) -> None:
    updates = [event.data for event in _of_mode(events, "updates")]
    asked = _interrupt_value(given, thread)
    assert_that(_holds(updates, asked), f"updates that tell of the interrupt {asked}", updates)


def _interrupt_value(given: ThreadsApi, thread: Thread) -> Any:
    """Return the value of the interrupt that the thread waits at."""
    tasks = given.state(thread).get("tasks") or []
    values = [each.get("value") for task in tasks for each in task.get("interrupts") or []]
    require_some(values, "the state shows no interrupt with a value", "INTERRUPT-02")
    return values[0]


def _holds(value: Any, wanted: Any) -> bool:
    """Return whether a JSON value is the wanted one, or holds it anywhere."""
    if same_json(value, wanted):
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_holds(each, wanted) for each in inner)


@requires("STREAM-23")
def test_a_stream_from_a_checkpoint_shows_its_branch_alone(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", "first", seconds=0)
    history = given.history(thread)
    middle = newest_with_a_node_next(history)
    if message_contents(middle) == message_contents(history.states[0]):
        raise Blocked("the history shows the same messages before the last node and after it")
    given_runs.run_to_end(thread, "slow", "second", seconds=0)
    # Each time the newest state of the thread is that of another branch.
    for state, body, elsewhere, by in (
        (history.states[0], runs.body("slow", "third", seconds=0), "second", "RUN-CONTROL-16"),
        (middle, runs.without_input("slow"), "third", "INTERRUPT-18"),
    ):
        more = {"stream_mode": ["values"], "checkpoint": checkpoint_named(state)}
        values = data_of(runs.events_of(thread, {**body, **more}), "values")
        require_some(values, "the stream holds no values", "STREAM-04")
        begun = message_contents(state)
        left = message_contents(given.state(thread))
        if left[: len(begun)] != begun or elsewhere in left:
            raise Blocked(f"the run leaves {left}, and did not start from {begun}", by=by)
        for each in values:
            said = message_contents({"values": each})
            if said[: len(begun)] != begun:
                _require_values_with_earlier_messages(given, given_runs)
            assert_equal(said[: len(begun)], begun, "the messages at the checkpoint, in an event")
            assert_that(elsewhere not in said, f"nothing of the branch with {elsewhere!r}", said)


def _require_values_with_earlier_messages(given: ThreadsApi, given_runs: Runs) -> None:
    """Raise `Blocked` if the values of a run without a checkpoint leave earlier messages out."""
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", "first", seconds=0)
    before = message_contents(given.state(thread))
    events = given_runs.events(thread, "slow", "second", seconds=0, stream_mode=["values"])
    said = message_contents({"values": (data_of(events, "values") or [None])[-1]})
    if said[: len(before)] != before:
        raise Blocked(f"the last values after {before} are {said}", by="STREAM-03")


@requires("STREAM-20")
def test_the_stream_of_a_failed_run_is_read_again(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread = given.empty()
    errors = data_of(given_runs.events(thread, "failing", stream_resumable=True), "error")
    require_some(errors, "the stream of the run holds no error", "STREAM-09")
    again = runs.join_stream(given_runs.only_run(thread), "-1")
    require_some(_graph_events(again), "a stream that is read again is empty", "STREAM-11")
    assert_equal(data_of(again, "error"), errors, "the error events")


@requires("STREAM-21")
def test_earlier_messages_are_not_streamed_again(given: ThreadsApi, runs: Runs) -> None:
    thread = given.with_state()
    earlier = {each["id"] for each in _messages_in(given, thread) if each.get("id")}
    require_some(earlier, "no message of the thread has an id")
    events = runs.events(thread, "agent", stream_mode=["messages-tuple"])
    sent = [data[0] for data in data_of(events, "messages") if isinstance(data, list) and data]
    ids = [each.get("id") for each in sent if isinstance(each, dict)]
    require_some(ids, "the stream sends no message with an id")
    again = sorted(earlier.intersection(filter(None, ids)))
    assert_is(again, [], "the ids of earlier messages in the stream")


def _messages_in(given: ThreadsApi, thread: Thread) -> list[dict[str, Any]]:
    found = messages_of(given.state(thread), given.context.graph())
    return [each for each in found if isinstance(each, dict)]


def _with_subgraph(given: ThreadsApi, runs: Runs) -> Run:
    """Stream a graph with its subgraph in two modes, and return its run."""
    thread = given.empty()
    modes = [*_TWO_MODES]
    runs.stream(thread, "nested", stream_mode=modes, stream_subgraphs=True, stream_resumable=True)
    return runs.only_run(thread)


def _resumable_in_several_modes(given: ThreadsApi, runs: Runs) -> tuple[Thread, list[Event]]:
    """Run a graph by a resumable stream of several modes, and return its thread and the events.

    Where ids are timestamps, events share an id only by chance: up to `_STREAMS` streams are read.
    The first whose events share an id is returned, else the last.
    """
    modes: Sequence[str] = _SEVERAL_MODES
    for _ in range(_STREAMS):
        thread, answer = _streamed(given, runs, modes)
        if not answer.ok and modes == _SEVERAL_MODES:
            modes = _TWO_MODES
            thread, answer = _streamed(given, runs, modes)
        events = events_or_blocked(given.ensure_success(answer, thread).text)
        ids = _ids_of(events)
        if len(set(ids)) < len(ids):
            break
    if missing := {*_TWO_MODES} - modes_of(events):
        raise Blocked(f"a stream of several modes has no {sorted(missing)}", by="STREAM-07")
    if not ids:
        raise Blocked("the events of the stream have no ids")
    return thread, events


def _streamed(given: ThreadsApi, runs: Runs, modes: Sequence[str]) -> tuple[Thread, Answer]:
    thread = given.empty()
    body = runs.body("slow", seconds=0, stream_resumable=True, stream_mode=[*modes])
    # The tag proves that the run is ours, so that a failure is told with what the stream held.
    body["metadata"] = given.client.tag
    return thread, given.client.run_stream(id_of(thread), body)


def _ids_of(events: list[Event]) -> list[str]:
    """Return the ids of the events of the requested modes, as far as they have one."""
    return [event.id for event in _of_several_modes(events) if event.id is not None]


def _of_several_modes(events: list[Event], modes: Sequence[str] = _SEVERAL_MODES) -> list[Event]:
    """Return the events of the requested modes: a server may send others of its own."""
    return [event for event in events if modes_of([event]) & {*modes}]


def _of_mode(events: list[Event], mode: str) -> list[Event]:
    """Return the events of a mode, those of subgraphs included."""
    return [event for event in events if modes_of([event]) == {mode}]


def _last_content(values: list[Any]) -> list[Any]:
    """Return the content of the last message in the last of these values, in a list."""
    return message_contents({"values": values[-1]})[-1:] if values else []


def _without_parents(checkpoint: Any) -> Any:
    members = checkpoint.items() if isinstance(checkpoint, dict) else ()
    return {name: value for name, value in members if not name.startswith("parent")}


def _graph_events(events: list[Event]) -> list[Any]:
    """Return name and data of the events that are about the graph."""
    return _named_data(events_of_the_graph(events))


def _named_data(events: list[Event]) -> list[Any]:
    return [[each.name, each.data] for each in events]
