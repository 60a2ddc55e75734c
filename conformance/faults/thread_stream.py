"""Faults of the streams of threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import with_status, without
from conformance.faults.kit.runs import encode_events, events_in
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Run
from conformance.model.streams import INTERRUPT, RunEvent
from conformance.model.thread_streams import FROM_THE_BEGINNING, ThreadEvent, ThreadStreams
from conformance.reference.wire import When, WireAnswer, WireRequest

Events = Sequence[RunEvent]
OfRun = Callable[[Run], bool]
OfText = Callable[[str], bool]


def _is_resumable(run: Run) -> bool:
    return run.kwargs.get("stream_resumable") is True


def _is_slow(run: Run) -> bool:
    """Select runs of `slow` that are not resumable: checks compare their events one by one."""
    return run.graph_id == "slow" and not _is_resumable(run)


def _changing_run_events(to: Callable[[Events], Events], when: OfRun) -> Apply:
    """Add `to(events)` to the stream of a thread for each step of runs that satisfy `when`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(ThreadStreams.add_run_events)
        def add_run_events(right: Any, thread_id: str, run: Run, events: Events) -> None:
            right(thread_id, run, to(events) if when(run) else events)

    return apply


def _not(*names: str) -> Callable[[Events], Events]:
    return lambda events: [each for each in events if each.event not in names]


def _has(header: str) -> When:
    """Select requests with that Last-Event-ID."""
    return lambda request: dict(request.headers).get(b"last-event-id") == header.encode()


# Encoding


@fault("stream-of-a-thread-is-json", breaks=["THREAD-STREAM-01"])
def stream_of_a_thread_is_json(broken: FaultyDeployment) -> None:
    @broken.wire.after("thread_stream")
    def typed(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            kept = [header for header in answer.headers if header[0] != b"content-type"]
            answer.headers = [*kept, (b"content-type", b"application/json")]


@fault("events-of-a-thread-are-not-json", breaks=["THREAD-STREAM-31"])
def events_of_a_thread_are_not_json(broken: FaultyDeployment) -> None:
    @broken.wire.after("thread_stream")
    def quoted(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            answer.raw = answer.raw.replace(b'data: {"', b"data: {'")


@fault("end-of-a-run-is-told-without-a-name", breaks=["THREAD-STREAM-31"])
def end_is_told_without_a_name(broken: FaultyDeployment) -> None:
    @broken.wire.after("thread_stream")
    def unnamed(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok and b"run_done" in answer.raw:
            answer.raw = answer.raw.replace(b"event: metadata\n", b"")


# Runs


@fault("runs-in-the-background-are-not-told-to-their-thread", breaks="THREAD-STREAM-02")
def background_is_not_told(broken: FaultyDeployment) -> None:
    in_background: set[str] = set()

    @broken.wire.before("run_background")
    def note(request: WireRequest) -> None:
        if "seconds" not in str(request.members.get("input")):
            in_background.add(request.thread_id)

    @broken.override(ThreadStreams.add_run_events)
    def add_run_events(right: Any, thread_id: str, run: Run, events: Events) -> None:
        if thread_id not in in_background:
            right(thread_id, run, events)


def _of_values_alone(run: Run) -> bool:
    return run.kwargs.get("stream_mode") == ["values"]


@fault("last-values-of-a-run-are-not-told-to-its-thread", breaks=["THREAD-STREAM-02"])
def last_values_are_not_told(broken: FaultyDeployment) -> None:
    @broken.override(ThreadStreams.add_run_events)
    def add_run_events(right: Any, thread_id: str, run: Run, events: Events) -> None:
        ended = not run.active and _of_values_alone(run)
        right(thread_id, run, _not("values")(events) if ended else events)


@fault("every-second-run-is-told-after-the-next", breaks="THREAD-STREAM-02")
def every_second_run_is_told_late(broken: FaultyDeployment) -> None:
    held: dict[str, list[tuple[Run, Events]]] = {}
    numbers: dict[str, int] = {}

    @broken.override(ThreadStreams.add_run_events)
    def add_run_events(right: Any, thread_id: str, run: Run, events: Events) -> None:
        if not _of_values_alone(run):
            right(thread_id, run, events)
            return
        number = numbers.setdefault(thread_id + run.run_id, len(numbers))
        if number % 2:
            held.setdefault(thread_id, []).append((run, events))
        else:
            right(thread_id, run, events)
            for late in held.pop(thread_id, ()) if not run.active else ():
                right(thread_id, *late)


# The runs' own streams

fault("first-update-of-a-run-is-not-told-to-its-thread", breaks=["THREAD-STREAM-03"])(
    _changing_run_events(
        lambda events: [each for each in events if "first_half" not in str(each.data)[:20]],
        _is_slow,
    )
)
fault("updates-of-a-run-are-told-to-its-thread-twice", breaks=["THREAD-STREAM-03"])(
    _changing_run_events(
        lambda events: [
            one for each in events for one in (each,) * (2 if each.event == "updates" else 1)
        ],
        _is_slow,
    )
)
fault("events-of-a-step-are-told-to-the-thread-backwards", breaks=["THREAD-STREAM-03"])(
    _changing_run_events(lambda events: events[::-1], _is_slow)
)
fault("updates-are-told-to-the-thread-without-their-values", breaks=["THREAD-STREAM-03"])(
    _changing_run_events(
        lambda events: [
            replace(each, data=dict.fromkeys(each.data)) if each.event == "updates" else each
            for each in events
        ],
        _is_slow,
    )
)

fault("tasks-of-a-run-are-not-told-to-its-thread", breaks=["THREAD-STREAM-03"])(
    _changing_run_events(_not("tasks"), lambda _: True)
)
fault("checkpoints-of-a-run-are-told-to-its-thread-without-their-data", breaks="THREAD-STREAM-03")(
    _changing_run_events(
        lambda events: [
            replace(each, data={}) if each.event == "checkpoints" else each for each in events
        ],
        lambda _: True,
    )
)


def _last_mode_is(*modes: str) -> When:
    """Select streams whose last parameter `stream_modes` is one of these."""
    return lambda request: request.query.get("stream_modes") in modes


def _shown(change: Callable[[str, Any], bool], when: When) -> Apply:
    """Show only the events for which `change(name, data)` is true."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after("thread_stream", when=when)
        def leave_out(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok and answer.raw:
                events = [each for each in events_in(answer.raw) if change(each[1], each[2])]
                answer.raw = encode_events(events)

    return apply


fault("run-modes-are-values-alone", breaks=["THREAD-STREAM-03"])(
    _shown(lambda name, _: name != "updates", _last_mode_is("run_modes"))
)


# Staying open


def _ending_after(status: str) -> Apply:
    """End the stream of a thread once its last run has that status."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(ThreadStreams.stays_open)
        def stays_open(right: Any, thread_id: str) -> bool:
            if not right(thread_id):
                return False
            runs = broken.store.records.threads_by_id[thread_id].runs
            return not runs or runs[-1].status != status

    return apply


fault("stream-of-a-thread-ends-with-its-run", breaks=["THREAD-STREAM-04"])(_ending_after("success"))
fault("stream-of-a-thread-ends-with-a-failure", breaks=["THREAD-STREAM-04"])(_ending_after("error"))
fault("stream-of-a-thread-ends-with-an-interrupt", breaks=["THREAD-STREAM-04"])(
    _ending_after("interrupted")
)


@fault("stream-of-a-thread-is-mute-after-a-failure", breaks=["THREAD-STREAM-04"])
def mute_after_a_failure(broken: FaultyDeployment) -> None:
    @broken.override(ThreadStreams.add_run_events)
    def add_run_events(right: Any, thread_id: str, run: Run, events: Events) -> None:
        runs = broken.store.records.threads_by_id[thread_id].runs
        if "error" not in [each.status for each in runs if each.run_id != run.run_id]:
            right(thread_id, run, events)


# The start of a run that is cancelled is never told.
@fault("runs-are-told-to-their-thread-at-their-end", breaks="THREAD-STREAM-05 THREAD-STREAM-06")
def told_at_their_end(broken: FaultyDeployment) -> None:
    held: dict[str, list[RunEvent]] = {}

    @broken.override(ThreadStreams.add_run_events)
    def add_run_events(right: Any, thread_id: str, run: Run, events: Events) -> None:
        held.setdefault(run.run_id, []).extend(events)
        if not run.active:
            right(thread_id, run, held.pop(run.run_id))


fault("run-under-way-is-told-by-its-metadata-alone", breaks=["THREAD-STREAM-05"])(
    _changing_run_events(_not("values", "updates"), lambda run: bool(_seconds(run)))
)


def _seconds(run: Run) -> Any:
    given = run.kwargs.get("input")
    return given.get("seconds") if isinstance(given, dict) else None


# Modes


def _in_modes(decide: Callable[[ThreadEvent, tuple[str, ...], bool], bool]) -> Apply:
    """Let `decide(event, modes, right decision)` decide which events a stream includes."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(ThreadStreams.is_in_modes)
        def is_in_modes(right: Any, event: ThreadEvent, modes: tuple[str, ...]) -> bool:
            return decide(event, modes, right(event, modes))

    return apply


def _is_end(event: ThreadEvent) -> bool:
    return "lifecycle" in event.modes and "status" in event.data


fault("lifecycle-tells-of-no-ends", breaks=["THREAD-STREAM-06"])(
    _in_modes(
        lambda event, modes, right: right and not (modes == ("lifecycle",) and _is_end(event))
    )
)
fault("lifecycle-tells-of-no-starts", breaks=["THREAD-STREAM-06"])(
    _in_modes(
        lambda event, modes, right: (
            right and (modes != ("lifecycle",) or "lifecycle" not in event.modes or _is_end(event))
        )
    )
)


def _telling_no_end(status: str) -> Apply:
    """Tell those who follow a thread of no end of runs that end with that status."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(ThreadStreams.add_end)
        def add_end(right: Any, thread_id: str, run: Run) -> None:
            if run.status != status:
                right(thread_id, run)

    return apply


fault("lifecycle-tells-of-no-end-by-an-interrupt", breaks=["THREAD-STREAM-06"])(
    _telling_no_end("interrupted")
)
fault("lifecycle-tells-of-no-end-by-an-error", breaks=["THREAD-STREAM-06"])(
    _telling_no_end("error")
)
fault("lifecycle-has-the-events-of-runs", breaks=["THREAD-STREAM-06"])(
    _in_modes(
        lambda event, modes, right: right or ("lifecycle" in modes and "run_modes" in event.modes)
    )
)
fault("lifecycle-has-the-last-values-of-runs", breaks="THREAD-STREAM-06")(
    _in_modes(
        lambda event, modes, right: (
            right
            or (
                "lifecycle" in modes and event.event == "values" and len(event.data["messages"]) > 1
            )
        )
    )
)
fault("state-update-has-the-events-of-runs", breaks=["THREAD-STREAM-07"])(
    _in_modes(
        lambda event, modes, right: (
            right or ("state_update" in modes and "run_modes" in event.modes)
        )
    )
)


@fault("every-second-state-update-is-told", breaks=["THREAD-STREAM-07"])
def every_second_state_update_is_told(broken: FaultyDeployment) -> None:
    numbers: dict[str, int] = {}

    @broken.override(ThreadStreams.add_state)
    def add_state(right: Any, thread_id: str) -> None:
        numbers[thread_id] = numbers.get(thread_id, 0) + 1
        if numbers[thread_id] % 2:
            right(thread_id)


@fault("every-second-state-update-is-told-beside-those-of-runs", breaks=["THREAD-STREAM-07"])
def every_second_is_told_beside_runs(broken: FaultyDeployment) -> None:
    every_second_state_update_is_told(broken)

    @broken.override(ThreadStreams.add_run_events)
    def add_run_events(right: Any, thread_id: str, run: Run, events: Events) -> None:
        right(thread_id, run, events)
        broken.store.thread_streams.add(thread_id, ("state_update",), "state_update", {})


@fault("state-updates-are-told-until-a-run", breaks=["THREAD-STREAM-07"])
def state_updates_are_told_until_a_run(broken: FaultyDeployment) -> None:
    @broken.override(ThreadStreams.add_state)
    def add_state(right: Any, thread_id: str) -> None:
        if not broken.store.records.threads_by_id[thread_id].runs:
            right(thread_id)


@fault("state-updates-at-a-checkpoint-are-told-as-events-of-runs", breaks=["THREAD-STREAM-07"])
def forks_are_told_as_events_of_runs(broken: FaultyDeployment) -> None:
    @broken.override(ThreadStreams.add_state)
    def add_state(right: Any, thread_id: str) -> None:
        checkpoints = broken.store.records.threads_by_id[thread_id].checkpoints
        if len(checkpoints) < 2 or checkpoints[-1].parent_id == checkpoints[-2].checkpoint_id:
            right(thread_id)
        else:
            broken.store.thread_streams.add(thread_id, ("run_modes",), "state_update", {})


fault("stream-of-a-thread-has-the-first-of-its-modes", breaks=["THREAD-STREAM-08"])(
    _in_modes(lambda event, modes, _: modes[0] in event.modes)
)
fault("stream-of-a-thread-has-the-last-of-its-modes", breaks=["THREAD-STREAM-08"])(
    _in_modes(lambda event, modes, _: modes[-1] in event.modes)
)
fault("several-modes-are-what-they-have-in-common", breaks=["THREAD-STREAM-08"])(
    _in_modes(lambda event, modes, _: {*modes} <= {*event.modes})
)


def _forgetting(name: str, when: When) -> Apply:
    """Ignore a parameter of the query."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before("thread_stream", when=when)
        def forget(request: WireRequest) -> None:
            request.query = without(request.query, name)

    return apply


fault("stream-mode-of-the-sdks-is-ignored", breaks=["THREAD-STREAM-09"])(
    _forgetting("stream_mode", lambda request: "stream_mode" in request.query)
)
fault("state-update-as-the-sdks-ask-for-it-is-ignored", breaks=["THREAD-STREAM-09"])(
    _forgetting("stream_mode", lambda request: request.query.get("stream_mode") == "state_update")
)


@fault("stream-mode-of-the-sdks-is-always-lifecycle", breaks=["THREAD-STREAM-09"])
def stream_mode_is_always_lifecycle(broken: FaultyDeployment) -> None:
    @broken.wire.before("thread_stream", when=lambda request: "stream_mode" in request.query)
    def as_lifecycle(request: WireRequest) -> None:
        request.query = {**without(request.query, "stream_mode"), "stream_modes": "lifecycle"}


# Resuming


def _beginning_at(place: Callable[[int, str, list[ThreadEvent]], int], when: OfText) -> Apply:
    """Begin at `place(right, last_event_id, kept events)` where `when(last_event_id)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(ThreadStreams.position)
        def position(right: Any, thread_id: str, last_event_id: str | None) -> int:
            at: int = right(thread_id, last_event_id)
            if last_event_id is None or not when(last_event_id):
                return at
            kept = [*broken.store.thread_streams.kept(thread_id)]
            return max(0, place(at, last_event_id, kept))

    return apply


def _from_the_beginning(last_event_id: str) -> bool:
    return last_event_id == FROM_THE_BEGINNING


def _after_an_event(last_event_id: str) -> bool:
    return last_event_id != FROM_THE_BEGINNING


def _start_of_last_run(kept: list[ThreadEvent]) -> int:
    return max(
        (number for number, each in enumerate(kept) if "attempt" in str(each.data)[:80]), default=0
    )


fault("beginning-of-a-thread-is-now", breaks=["THREAD-STREAM-10"])(
    _beginning_at(lambda _, __, kept: len(kept), _from_the_beginning)
)
fault("beginning-of-a-thread-is-its-second-event", breaks=["THREAD-STREAM-10"])(
    _beginning_at(lambda _, __, kept: 2, _from_the_beginning)
)
fault("beginning-of-a-thread-is-its-last-run", breaks=["THREAD-STREAM-10"])(
    _beginning_at(lambda _, __, kept: _start_of_last_run(kept), _from_the_beginning)
)
fault("stream-of-a-thread-is-resumed-with-the-event-itself", breaks=["THREAD-STREAM-11"])(
    _beginning_at(lambda at, _, __: at - 1, _after_an_event)
)
fault("stream-of-a-thread-is-resumed-one-event-too-late", breaks=["THREAD-STREAM-11"])(
    _beginning_at(lambda at, _, __: at + 1, _after_an_event)
)
fault("stream-of-a-thread-is-resumed-at-its-beginning", breaks=["THREAD-STREAM-11"])(
    _beginning_at(lambda _, __, ___: 0, _after_an_event)
)
fault("stream-of-a-thread-is-resumed-now", breaks=["THREAD-STREAM-11"])(
    _beginning_at(lambda _, __, kept: len(kept), _after_an_event)
)
fault("stream-of-a-thread-is-resumed-with-its-last-run", breaks=["THREAD-STREAM-11"])(
    _beginning_at(lambda at, _, kept: max(at, _start_of_last_run(kept)), _after_an_event)
)


@fault("resumed-stream-of-a-thread-has-one-mode", breaks=["THREAD-STREAM-11"])
def resumed_stream_has_one_mode(broken: FaultyDeployment) -> None:
    _shown(
        lambda name, _: name != "updates",
        lambda request: (
            b"last-event-id" in dict(request.headers) and not _has(FROM_THE_BEGINNING)(request)
        ),
    )(broken)


@fault("events-of-a-thread-are-told-again-after-its-last", breaks=["THREAD-STREAM-11"])
def told_again_after_the_last(broken: FaultyDeployment) -> None:
    _beginning_at(lambda at, last, kept: at - 6 if at >= len(kept) - 2 else at, _after_an_event)(
        broken
    )


@fault("ids-of-events-begin-anew-with-each-run", breaks=["THREAD-STREAM-12"])
def ids_begin_anew(broken: FaultyDeployment) -> None:
    begun: dict[str, int] = {}

    @broken.override(ThreadStreams.event_id)
    def event_id(right: Any, thread_id: str, number: int) -> str:
        begun.setdefault(thread_id, number)
        return str(number - begun[thread_id])

    @broken.override(ThreadStreams.add_end)
    def add_end(right: Any, thread_id: str, run: Run) -> None:
        right(thread_id, run)
        begun.pop(thread_id, None)


@fault("two-events-of-a-thread-share-an-id", breaks=["THREAD-STREAM-12"])
def two_events_share_an_id(broken: FaultyDeployment) -> None:
    @broken.override(ThreadStreams.event_id)
    def event_id(right: Any, thread_id: str, number: int) -> str:
        return str(right(thread_id, number - (number % 5 == 0)))


# Interrupts

fault("interrupt-is-not-told-to-its-thread", breaks=["THREAD-STREAM-13"])(
    _changing_run_events(
        lambda events: [each for each in events if INTERRUPT not in str(each.data)], lambda _: True
    )
)
fault("run-that-resumes-is-not-told-to-its-thread", breaks=["THREAD-STREAM-13"])(
    _changing_run_events(lambda _: [], lambda run: bool(run.kwargs.get("command")))
)
fault("run-that-resumes-is-told-in-its-values-alone", breaks=["THREAD-STREAM-13"])(
    _changing_run_events(_not("updates"), lambda run: bool(run.kwargs.get("command")))
)


# Other threads


def _telling_others(others: Callable[[list[str], str], list[str]]) -> Apply:
    """Add the events of a thread's runs to the threads `others(ids of all threads, its own)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(ThreadStreams.add_run_events)
        def add_run_events(right: Any, thread_id: str, run: Run, events: Events) -> None:
            for each in (thread_id, *others([*broken.store.records.threads_by_id], thread_id)):
                right(each, run, events)

    return apply


fault("runs-are-told-to-all-threads", breaks=["THREAD-STREAM-14"])(
    _telling_others(lambda ids, own: [each for each in ids if each != own])
)
fault("runs-are-told-to-the-thread-made-before", breaks=["THREAD-STREAM-14"])(
    _telling_others(lambda ids, own: ids[: ids.index(own)][-1:] if own in ids else [])
)

# Failures

fault("failure-is-not-told-to-its-thread", breaks=["THREAD-STREAM-15"])(
    _changing_run_events(_not("error"), lambda _: True)
)
fault("failure-is-told-to-its-thread-without-a-reason", breaks=["THREAD-STREAM-15"])(
    _changing_run_events(
        lambda events: [
            replace(each, data={}) if each.event == "error" else each for each in events
        ],
        lambda _: True,
    )
)

# Refusals


def _served(instead_of: int, when: When) -> Apply:
    """Answer with a stream without events where a refusal by `instead_of` is right."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after("thread_stream", when=when, status=instead_of)
        def serve(_request: WireRequest, answer: WireAnswer) -> None:
            answer.status, answer.raw = 200, b": nothing\n\n"
            answer.headers = [(b"content-type", b"text/event-stream")]

    return apply


def _malformed(request: WireRequest) -> bool:
    return len(request.thread_id) != 36


def _unpublished_mode(request: WireRequest) -> bool:
    return request.query.get("stream_modes") in ("values", "everything")


fault("thread-that-does-not-exist-has-a-stream", breaks=["THREAD-STREAM-16"])(
    _served(404, lambda request: not _malformed(request))
)
fault("stream-of-a-thread-that-does-not-exist-is-422", breaks=["THREAD-STREAM-16"])(
    with_status(422, "thread_stream", instead_of=404)
)
fault("malformed-id-has-a-stream", breaks=["THREAD-STREAM-17"])(_served(422, _malformed))
fault("mode-that-is-not-published-has-a-stream", breaks=["THREAD-STREAM-18"])(
    _served(422, _unpublished_mode)
)
fault("mode-that-is-not-published-is-ignored-beside-others", breaks=["THREAD-STREAM-18"])(
    _served(422, lambda request: request.query.get("stream_modes") == "everything")
)
