"""What a stream gives, event by event."""

from typing import Any

import pytest

from conformance.excerpt import excerpt
from conformance.suite.asking import Asker
from conformance.suite.events import OF_THE_STREAM, known_events, named, read_events
from conformance.suite.expect import assert_equal, assert_that
from conformance.suite.outcomes import requires
from conformance.suite.runs import Runs


@requires("STREAM-01")
def test_a_stream_is_made_of_events(given: Asker, runs: Runs) -> None:
    answer = runs.streamed(given.empty(), "agent")
    kind = answer.headers.get("content-type", "")
    assert_that(kind.startswith("text/event-stream"), "text/event-stream", kind)
    assert_that(bool(read_events(answer.text)), "at least one event", excerpt(answer.text, 300))


@requires("STREAM-02")
def test_a_stream_begins_with_the_run(given: Asker, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    events = runs.events(thread, "agent")
    assert_that(bool(events) and events[0].name == "metadata", "metadata first", events[:1])
    made = [run.get("run_id") for run in given_runs.listed(thread)]
    shown = events[0].data.get("run_id") if isinstance(events[0].data, dict) else None
    assert_equal([shown], made, "the run_id of the metadata event")


@requires("STREAM-03")
@pytest.mark.parametrize("graph", ["agent", "slow"])
def test_the_last_values_are_the_state(given: Asker, runs: Runs, graph: str) -> None:
    thread = given.empty()
    values = named(runs.events(thread, graph, stream_mode=["values"]), "values")
    assert_equal(values[-1:], [given.state(thread).get("values")], "the last values")


@requires("STREAM-04")
def test_values_are_streamed_by_default(given: Asker, runs: Runs) -> None:
    events = runs.events(given.empty(), "agent")
    names = [event.name for event in events]
    assert_that("values" in names, "values events", names)


@requires("STREAM-05")
@pytest.mark.parametrize("mode", ["values", "updates"])
def test_only_what_was_asked_for_is_streamed(given: Asker, runs: Runs, mode: str) -> None:
    events = runs.events(given.empty(), "agent", stream_mode=mode)
    names = {event.name for event in events} - set(OF_THE_STREAM)
    assert_equal(sorted(names), [mode], "the names of the events")


@requires("STREAM-06")
def test_every_step_is_streamed_as_an_update(given: Asker, runs: Runs) -> None:
    thread = given.empty()
    updates = named(runs.events(thread, "slow", seconds=0, stream_mode=["updates"]), "updates")
    streamed = [node for update in updates if isinstance(update, dict) for node in update]
    # What was next in each state is what then ran; the input is no node of the graph.
    oldest_first = reversed(list(given.history(thread)))
    ran = [node for state in oldest_first for node in state.get("next") or []]
    assert_equal(streamed, [node for node in ran if node != "__start__"], "the nodes")


@requires("STREAM-07")
def test_several_modes_are_streamed_together(given: Asker, runs: Runs) -> None:
    events = runs.events(given.empty(), "agent", stream_mode=["values", "updates"])
    names = {event.name for event in events} - set(OF_THE_STREAM)
    assert_equal(sorted(names), ["updates", "values"], "the names of the events")


@requires("STREAM-08")
def test_checkpoints_are_streamed(given: Asker, runs: Runs) -> None:
    thread = given.empty()
    answer = runs.streamed(thread, "agent", stream_mode=["checkpoints"])
    told = named(known_events(answer.text), "checkpoints")
    # A checkpoint also names the one before it, which does not count.
    streamed = str([_without_parents(each) for each in told])
    left = given.history(thread).checkpoint_ids()
    missing = [each for each in left if each not in streamed]
    assert_that(bool(left) and not missing, f"the checkpoints {left}", f"without {missing}")


@requires("STREAM-09")
def test_a_failure_is_streamed(given: Asker, runs: Runs) -> None:
    errors = named(runs.events(given.empty(), "failing"), "error")
    assert_that(bool(errors) and bool(errors[-1]), "an error event that says why", errors)


@requires("STREAM-10")
def test_the_stream_of_a_run_can_be_joined(given: Asker, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    run = given_runs.started(thread, "slow", seconds=2, stream_mode=["values"])
    values = named(runs.followed(run), "values")
    assert_equal(given_runs.status(run), "success", "the status of the run")
    assert_equal(values[-1:], [given.state(thread).get("values")], "the last values")


@requires("STREAM-11")
def test_a_resumable_stream_is_read_again(given: Asker, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    first = given_runs.events(thread, "agent", stream_resumable=True)
    again = runs.followed(given_runs.only(thread), last_event_id="-1")
    assert_equal(_told(again), _told(first), "the events")


@requires("STREAM-12")
def test_a_stream_is_resumed_after_an_event(given: Asker, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    first = given_runs.events(thread, "slow", seconds=0, stream_resumable=True)
    position = len(first) // 2
    last_seen = first[position].id
    assert_that(last_seen is not None, "events with ids", first[position])
    rest = runs.followed(given_runs.only(thread), last_event_id=last_seen)
    assert_equal(_told(rest), _told(first[position + 1 :]), "the events after it")


def _without_parents(checkpoint: Any) -> Any:
    members = checkpoint.items() if isinstance(checkpoint, dict) else ()
    return {name: value for name, value in members if not name.startswith("parent")}


def _told(events: Any) -> list[Any]:
    """Name and data of the events that tell of the graph."""
    return [[each.name, each.data] for each in events if each.name not in OF_THE_STREAM]
