"""The stream of a thread: the events of its runs, one after another, for as long as it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import count, groupby
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import require_some
from conformance.checks.events import (
    Event,
    assert_names_and_json_data,
    data_of,
    names_of_events,
)
from conformance.checks.expect import assert_equal, assert_is, assert_refused, assert_that
from conformance.checks.outcomes import Blocked, alone, requires
from conformance.checks.runs import LONG_S, NOT_ENDED, Runs
from conformance.checks.thread_streams import (
    COMPARED_MODES,
    FROM_THE_BEGINNING,
    Joined,
    RunStreams,
    ThreadStreams,
    named_data,
    of_modes,
)
from conformance.checks.views import checkpoint_id_of, id_of
from conformance.deployment.client import ThreadsClient
from conformance.deployment.wire.stream_reading import Reader, always_enough, is_event_stream
from conformance.json_differences import same_json
from conformance.safe_text import excerpt

#: The number of runs whose starts and ends are counted.
_SOME_RUNS = 3
#: The number of runs made to find events that share an id: by chance, where ids are timestamps.
_RUNS = 4
#: Stream modes besides those of `COMPARED_MODES` that have events of a graph without a model.
_FURTHER_MODES = ("tasks", "checkpoints")
#: The requirement that a mode holds nothing else, by mode.
_NOTHING_ELSE_REQUIREMENT = {"lifecycle": "THREAD-STREAM-06", "state_update": "THREAD-STREAM-07"}


@requires("THREAD-STREAM-01")
def test_it_is_made_of_events(given: ThreadsApi, given_runs: Runs, streams: ThreadStreams) -> None:
    joined = _joined_during_a_run(given, given_runs, streams)
    kind = joined.answer().headers.get("content-type", "")
    assert_that(is_event_stream(kind), "text/event-stream", kind)
    assert_that(bool(names_of_events(joined.text)), "at least one event", excerpt(joined.text, 300))


@requires("THREAD-STREAM-31")
def test_its_events_have_names_and_json_data(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams
) -> None:
    joined = _joined_during_a_run(given, given_runs, streams)
    joined.answer()
    assert_names_and_json_data(joined.text, by="THREAD-STREAM-01")


def _joined_during_a_run(given: ThreadsApi, given_runs: Runs, streams: ThreadStreams) -> Joined:
    """Join the stream of a thread, run a graph on the thread, and leave and return the stream."""
    thread = given.empty()
    with streams.joined(thread) as joined:
        for _ in range(2):
            given_runs.run_to_end(thread, "agent")
            if given.context.eventually(lambda: joined.text or joined.has_ended, bool):
                break
    return joined


@requires("THREAD-STREAM-02")
@pytest.mark.parametrize("way", ["wait", "stream", "background"])
def test_it_holds_the_output_of_each_run(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams, way: str
) -> None:
    thread = given.empty()

    def run() -> Any:
        given_runs.run_by(way, thread, given_runs.body("agent", stream_mode=["values"]))
        return given.state(thread)["values"]

    with streams.joined_with_event(thread, run) as joined:
        outputs = [run(), run()]
        require_some(outputs, "the state has no values", "STATE-01")
        events = streams.wait(joined, lambda events: _holds_values(events, outputs[-1]))
    numbers = [
        number
        for data in data_of(events, "values")
        for number, output in enumerate(outputs)
        if _is_output(data, output)
    ]
    # A run may begin with the values that the run before ended with.
    shown = [outputs[number] for number, _ in groupby(numbers)]
    assert_equal(shown, outputs, "the outputs")


def _holds_values(events: Sequence[Event], values: Any) -> bool:
    return any(_is_output(data, values) for data in data_of(events, "values"))


def _is_output(data: Any, values: Any) -> bool:
    """Return whether the data of an event holds these values; it may have other members."""
    return isinstance(data, dict) and same_json({name: data.get(name) for name in values}, values)


@requires("THREAD-STREAM-03")
@pytest.mark.parametrize("modes", [{}, {"stream_modes": "run_modes"}], ids=["default", "run_modes"])
def test_it_holds_the_events_of_the_runs_own_streams(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams, modes: dict[str, str]
) -> None:
    thread = given.empty()
    own = RunStreams(thread, given_runs)
    with streams.joined_with_event(thread, lambda: own.run("slow"), **modes) as joined:
        own.assert_shown(streams, joined, [*own.run("slow"), *own.run("slow")])


@requires("THREAD-STREAM-03")
def test_it_holds_the_events_of_further_modes(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams
) -> None:
    thread = given.empty()
    own = RunStreams(thread, given_runs, _FURTHER_MODES)
    with streams.joined_with_event(thread, lambda: own.run("slow")) as joined:
        own.assert_shown(streams, joined, [*own.run("slow"), *own.run("slow")])


@requires("THREAD-STREAM-04")
@pytest.mark.parametrize("graph", ["agent", "failing", "interrupter"])
def test_it_stays_open(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams, graph: str
) -> None:
    thread = given.empty()

    def output() -> Any:
        given_runs.run_to_end(thread, "agent")
        return given.state(thread)["values"]

    with streams.joined(thread) as joined:
        output()
        given_runs.run_to_end(thread, graph)
        last = output()
        require_some([last], "the state has no values", "STATE-01")
        events = given.context.eventually(
            lambda: joined.events, lambda events: _holds_values(events, last) or joined.has_ended
        )
        assert_that(not joined.has_ended, "a stream that stays open", "it ended")
        if not events:
            raise Blocked("the stream shows nothing", by="THREAD-STREAM-02")
        shown = [each.name for each in events]
        assert_that(_holds_values(events, last), "the output of the run after it", shown)


@requires("THREAD-STREAM-05")
def test_events_come_while_the_run_is_under_way(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams
) -> None:
    thread = given.empty()
    own = RunStreams(thread, given_runs)
    with streams.joined_with_event(thread, lambda: own.run("slow")) as joined:
        own.wait_for_last(streams, joined)
        before = len(of_modes(joined.events, COMPARED_MODES))
        run = given_runs.start(thread, "slow", seconds=LONG_S, stream_mode=[*COMPARED_MODES])
        come, status = given.context.eventually(
            # The events are read before the status: they must come before the run has ended.
            lambda: (of_modes(joined.events, COMPARED_MODES)[before:], given_runs.status(run)),
            lambda seen: bool(seen[0]) or seen[1] not in NOT_ENDED,
            LONG_S,
        )
        streams.require_open(joined)
    counted = f"{len(come)} events when the run is {status}"
    assert_that(bool(come) and status in NOT_ENDED, "an event while the run is under way", counted)


@requires("THREAD-STREAM-06")
def test_lifecycle_tells_of_starts_and_ends_alone(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams
) -> None:
    thread = given.empty()

    def run() -> None:
        given_runs.run_to_end(thread, "agent", stream_mode=[*COMPARED_MODES])

    with streams.joined_with_event(thread, run, stream_modes="lifecycle") as joined:
        before = len(joined.events)
        for _ in range(_SOME_RUNS):
            run()
        events = streams.wait(joined, lambda events: len(events) - before >= 2 * _SOME_RUNS)
    assert_is(named_data(of_modes(events, COMPARED_MODES)), [], "the events of the runs' own modes")
    names = [each.name for each in events[before:]]
    assert_that(len(names) >= 2 * _SOME_RUNS, f"start and end of {_SOME_RUNS} runs", names)


@requires("THREAD-STREAM-06")
def test_lifecycle_tells_of_the_end_of_each_run(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams
) -> None:
    thread = given.empty()

    def cancelled() -> None:
        run = given_runs.start_long(thread)
        given_runs.cancel(run, "interrupt")

    # The failure last: whether a stream goes on after one is judged by THREAD-STREAM-04.
    ways: dict[str, Callable[[], object]] = {
        "asks": lambda: given_runs.run_to_end(thread, "interrupter"),
        "was cancelled": cancelled,
        "failed": lambda: given_runs.run_to_end(thread, "failing"),
    }
    with streams.joined_with_event(
        thread, lambda: given_runs.run_to_end(thread, "agent"), stream_modes="lifecycle"
    ) as joined:
        _wait_for_two_events_of_a_run(streams, joined, 0)
        for way, run in ways.items():
            before = len(joined.events)
            run()
            names = _wait_for_two_events_of_a_run(streams, joined, before)
            assert_that(len(names) >= 2, f"start and end of a run that {way}", names)


def _wait_for_two_events_of_a_run(
    streams: ThreadStreams, joined: Joined, before: int
) -> Sequence[str]:
    """Return the names of the events after the first `before`, once there are two."""
    events = streams.wait(joined, _more_than(before + 1))
    return [each.name for each in events[before:]]


@requires("THREAD-STREAM-07")
def test_state_update_tells_of_an_update_at_a_checkpoint(
    given: ThreadsApi, streams: ThreadStreams
) -> None:
    thread = given.with_state()
    checkpoint = {"checkpoint_id": checkpoint_id_of(given.state(thread)), "checkpoint_ns": ""}
    numbers = count(5)
    with streams.joined_with_event(
        thread, lambda: given.append(thread, next(numbers)), stream_modes="state_update"
    ) as joined:
        before = len(joined.events)
        given.append(thread, next(numbers), checkpoint=checkpoint)
        events = streams.wait(joined, _more_than(before))
    assert_that(len(events) > before, "an event of an update at an older checkpoint", "none")


@requires("THREAD-STREAM-07")
def test_state_update_tells_of_state_updates_alone(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams
) -> None:
    thread = given.with_state()
    numbers = count(5)
    with streams.joined_with_event(
        thread, lambda: given.append(thread, next(numbers)), stream_modes="state_update"
    ) as joined:
        # Without a run: its states may be shown as well, and could be taken for those of updates.
        # Each update is awaited, since the events of two updates may come as one.
        for number in range(2):
            before = len(joined.events)
            given.append(thread, next(numbers))
            events = streams.wait(joined, _more_than(before))
            assert_that(len(events) > before, "an event of an update", f"none of update {number}")
        given_runs.run_to_end(thread, "agent", stream_mode=[*COMPARED_MODES])
        before = len(joined.events)
        given.append(thread, next(numbers))
        events = streams.wait(joined, _more_than(before))
    assert_is(named_data(of_modes(events, COMPARED_MODES)), [], "the events of a run's modes")
    assert_that(len(events) > before, "an event of an update after a run", f"{before} before it")


@requires("THREAD-STREAM-08")
@pytest.mark.parametrize(
    "modes", [("lifecycle", "state_update"), ("state_update", "run_modes")], ids=" and ".join
)
def test_it_is_joined_in_several_modes(
    given: ThreadsApi,
    given_runs: Runs,
    given_streams: ThreadStreams,
    streams: ThreadStreams,
    modes: tuple[str, ...],
) -> None:
    thread = given.with_state()
    numbers = count(5)

    def cause_event() -> None:
        given_runs.run_to_end(thread, "agent", stream_mode=[*COMPARED_MODES])
        given.append(thread, next(numbers))

    with ExitStack() as stack:
        alone = [
            _names(
                stack.enter_context(
                    given_streams.joined_with_event(thread, cause_event, stream_modes=mode)
                ).events
            )
            for mode in modes
        ]
        if alone[0] <= alone[1] or alone[1] <= alone[0]:
            raise Blocked("the events of the modes cannot be told apart by their names")
        joined = stack.enter_context(
            streams.joined_with_event(thread, cause_event, stream_modes=[*modes])
        )
        cause_event()
        names = set.union(*alone)
        events = streams.wait(joined, lambda events: names <= _names(events))
    # Compared by name only: what the events of a mode hold is judged by other checks.
    missing = sorted(names - _names(events))
    assert_is(missing, [], "the events that are in a stream of one of the modes alone")


def _more_than(number: int) -> Callable[[Sequence[Event]], bool]:
    """Return the condition that there are more events than `number`."""
    return lambda events: len(events) > number


def _names(events: Sequence[Event]) -> set[str]:
    """Return the names of events, without heartbeats, which only keep a quiet stream open."""
    return {each.name for each in events} - {"heartbeat"}


@requires("THREAD-STREAM-09")
@pytest.mark.parametrize("mode", ["lifecycle", "state_update"])
def test_the_sdks_name_of_the_modes_is_understood(
    given: ThreadsApi,
    given_runs: Runs,
    given_streams: ThreadStreams,
    streams: ThreadStreams,
    mode: str,
) -> None:
    thread = given.with_state()
    numbers = count(5)

    def cause_event() -> None:
        given_runs.run_to_end(thread, "agent", stream_mode=[*COMPARED_MODES])
        given.append(thread, next(numbers))

    with (
        given_streams.joined_with_event(thread, cause_event, stream_modes=mode) as published,
        streams.joined_with_event(thread, cause_event, stream_mode=mode) as joined,
    ):
        before = len(joined.events)
        cause_event()
        names = _names(published.events)
        events = streams.wait(
            joined, lambda events: len(events) > before and names <= _names(events)
        )
    if of_modes(published.events, COMPARED_MODES):
        raise Blocked(
            "the mode holds events of the runs by its published name",
            by=_NOTHING_ELSE_REQUIREMENT[mode],
        )
    assert_is(named_data(of_modes(events, COMPARED_MODES)), [], "the events of a run's modes")
    missing = sorted(names - _names(events))
    assert_is(missing, [], "the events that are in a stream with stream_modes alone")


@requires("THREAD-STREAM-10")
def test_it_is_read_from_its_beginning(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams
) -> None:
    thread = given.empty()
    own = RunStreams(thread, given_runs, stream_resumable=True)
    for _ in range(2):
        own.run("slow")
    with streams.joined(thread, FROM_THE_BEGINNING) as joined:
        own.run("slow")
        own.assert_shown(streams, joined, own.events)


@requires("THREAD-STREAM-11")
def test_it_is_resumed_after_each_event(
    given: ThreadsApi, given_runs: Runs, given_streams: ThreadStreams, streams: ThreadStreams
) -> None:
    thread = given.empty()
    own = RunStreams(thread, given_runs, stream_resumable=True)
    with given_streams.joined_with_event(thread, lambda: own.run("slow")) as joined:
        judged = [*own.run("slow"), *own.run("slow")]
        shown = own.shown_or_blocked(given_streams, joined, judged)
        known = [each.id for each in joined.events]
    ids = [each.id for each in shown]
    after = [each for each in ids if each is not None and known.count(each) == 1]
    if not after:
        raise Blocked("no event of the stream has an id of its own", by="THREAD-STREAM-12")
    with streams.joined_after(thread, after) as resumed:
        # A stream does not end: the events of one more run mark the end of what is resumed.
        last = own.run("slow")
        for event_id, each in zip(after, resumed, strict=True):
            rest = [*shown[ids.index(event_id) + 1 :], *last]
            events = streams.wait(each, lambda events: own.ends_with_last(events))
            what = "the events after one of the stream"
            assert_equal(named_data(of_modes(events, COMPARED_MODES)), named_data(rest), what)


@alone
@requires("THREAD-STREAM-12")
def test_events_have_ids_of_their_own(
    given: ThreadsApi, given_runs: Runs, given_streams: ThreadStreams
) -> None:
    thread = given.empty()
    own = RunStreams(thread, given_runs, stream_resumable=True)
    with given_streams.joined_with_event(thread, lambda: own.run("slow")) as joined:
        judged = [each for _ in range(_RUNS) for each in own.run("slow")]
        shown = own.shown_or_blocked(given_streams, joined, judged)
    ids = [each.id for each in shown if each.id is not None]
    if not ids:
        raise Blocked("the events of the stream have no ids")
    assert_equal([each for each in ids if ids.count(each) == 1], ids, "the ids of the events")


@requires("THREAD-STREAM-13")
def test_an_interrupt_and_what_resumes_it_are_in_one_stream(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams
) -> None:
    thread = given.empty()
    own = RunStreams(thread, given_runs)
    with streams.joined_with_event(thread, lambda: own.run("agent")) as joined:
        judged = own.run("interrupter")
        if given.get_settled(thread).get("status") != "interrupted":
            raise Blocked("the run was not interrupted", by="INTERRUPT-01")
        judged = [*judged, *own.resume("interrupter", "yes")]
        own.assert_shown(streams, joined, judged)


@requires("THREAD-STREAM-14")
def test_it_holds_nothing_of_other_threads(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams
) -> None:
    thread, other = given.empty(), given.empty()
    own, others = RunStreams(thread, given_runs), RunStreams(other, given_runs)
    with streams.joined_with_event(thread, lambda: own.run("agent")) as joined:
        others.run("agent")
        own.run("agent")
        events = named_data(own.wait_for_last(streams, joined))
    # Two runs may have equal events, such as an update of nothing.
    strange = [each for each in named_data(others.events) if each not in named_data(own.events)]
    require_some(strange, "the runs of two threads have the same events")
    assert_is([each for each in strange if each in events], [], "the events of the other thread")


@requires("THREAD-STREAM-15")
def test_it_holds_the_error_of_a_failed_run(
    given: ThreadsApi, given_runs: Runs, streams: ThreadStreams
) -> None:
    thread = given.empty()
    with streams.joined_with_event(
        thread, lambda: given_runs.run_to_end(thread, "agent")
    ) as joined:
        errors = data_of(given_runs.events(thread, "failing"), "error")
        require_some(errors, "the stream of the run holds no error", "STREAM-09")
        events = streams.wait(joined, lambda events: bool(data_of(events, "error")))
    assert_equal(data_of(events, "error"), errors, "the error events")


# Refusals


@pytest.fixture
def stream_offered(given: ThreadsApi, client: ThreadsClient) -> None:
    """Require that the stream of a thread can be joined at all."""
    thread = given.empty()
    given.ensure_success(client.thread_stream(id_of(thread), Reader(always_enough)), thread)


@requires("THREAD-STREAM-16")
@pytest.mark.usefixtures("stream_offered")
def test_a_thread_that_does_not_exist_is_404(client: ThreadsClient) -> None:
    answer = client.thread_stream(client.ownership.absent_id(), Reader(always_enough))
    assert_that(answer.status == 404, "404", f"{answer.status} {excerpt(answer.text, 200)}")


@requires("THREAD-STREAM-17")
@pytest.mark.usefixtures("stream_offered")
@pytest.mark.parametrize("malformed", ["not-a-uuid", "123"])
def test_a_malformed_id_is_refused(client: ThreadsClient, malformed: str) -> None:
    malformed_id = client.ownership.malformed_id(malformed)
    assert_refused(client.thread_stream(malformed_id, Reader(always_enough)))


@requires("THREAD-STREAM-18")
@pytest.mark.usefixtures("stream_offered")
@pytest.mark.parametrize("modes", ["values", ["run_modes", "everything"]], ids=str)
def test_a_mode_that_is_not_published_is_refused(
    given: ThreadsApi, client: ThreadsClient, modes: Any
) -> None:
    thread_id = id_of(given.empty())
    assert_refused(client.thread_stream(thread_id, Reader(always_enough), stream_modes=modes))
