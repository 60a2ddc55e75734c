"""Freedoms of the streams of threads: further events, and which events are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from conformance.faults.kit.runs import Event, encode_events, events_in
from conformance.freedoms.registry import freedom
from conformance.model.entities import Run, Thread
from conformance.model.streams import RunEvent, StreamEvents
from conformance.model.superstep_execution import Step
from conformance.model.thread_streams import FROM_THE_BEGINNING, ThreadEvent, ThreadStreams
from conformance.reference.altered import Altered, Apply
from conformance.reference.wire import WireAnswer, WireRequest

_METADATA = "What the events of a stream of a thread about its runs hold is said by no source."

#: The delay of each event of the stream of a thread, in seconds.
_LATE_S = 0.03


def _changed_events(change: Callable[[Event], Event]) -> Apply:
    """Replace each event of a stream of a thread by `change(event)`."""

    def apply(altered: Altered) -> None:
        @altered.wire.after("thread_stream")
        def rewrite(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok and answer.raw:
                answer.raw = encode_events([change(each) for each in events_in(answer.raw)])

    return apply


@freedom(
    "ends-of-runs-are-not-told-in-run-modes",
    allowed_by="The SDK's run_done is no event of a run, and no source says what it looks like.",
    profile="full",
)
def ends_of_runs_are_not_told(altered: Altered) -> None:
    @altered.override(ThreadStreams.is_in_modes)
    def is_in_modes(right: Any, event: ThreadEvent, modes: tuple[str, ...]) -> bool:
        ends = "lifecycle" in event.modes and "status" in event.data
        return bool(right(event, modes)) and ("lifecycle" in modes or not ends)


@freedom(
    "streams-of-threads-have-events-of-the-servers-own",
    allowed_by="No source lists all events that a stream may hold.",
    profile="full",
)
def events_of_the_servers_own(altered: Altered) -> None:
    @altered.override(ThreadStreams.add_run_events)
    def add_run_events(right: Any, thread_id: str, run: Run, events: Sequence[RunEvent]) -> None:
        right(thread_id, run, [*events, RunEvent("x-progress", {"run_id": run.run_id})])


freedom(
    "events-about-runs-have-other-names",
    allowed_by=_METADATA,
    profile="full",
)(
    _changed_events(
        lambda event: (event[0], "run" if event[1] == "metadata" else event[1], event[2])
    )
)
freedom(
    "events-about-runs-do-not-name-them",
    allowed_by=_METADATA,
    profile="full",
)(_changed_events(lambda event: (*event[:2], {}) if event[1] == "metadata" else event))
freedom(
    "state-updates-are-told-by-their-checkpoint",
    allowed_by="What a state update event holds is said by no source.",
    profile="full",
)(
    _changed_events(
        lambda event: (
            (*event[:2], event[2]["state"]["checkpoint"]) if event[1] == "state_update" else event
        )
    )
)


@freedom(
    "states-of-runs-are-told-as-state-updates-too",
    allowed_by="The SDK says that state updates on the thread are streamed; no source says that "
    "those of runs are none.",
    profile="full",
)
def states_of_runs_are_state_updates_too(altered: Altered) -> None:
    @altered.override(ThreadStreams.add_end)
    def add_end(right: Any, thread_id: str, run: Run) -> None:
        altered.store.thread_streams.add_state(thread_id)
        right(thread_id, run)


@freedom(
    "streams-of-threads-keep-what-is-resumable",
    allowed_by="Published of stream_resumable is that chunks are kept to resume the stream, and "
    "that its default is false.",
    profile="full",
)
def what_is_not_resumable_is_not_kept(altered: Altered) -> None:
    resumable: dict[str, bool] = {}
    passing: set[str] = set()

    @altered.override(ThreadStreams.add_run_events)
    def add_run_events(right: Any, thread_id: str, run: Run, events: Sequence[RunEvent]) -> None:
        resumable[thread_id] = run.kwargs.get("stream_resumable") is True
        right(thread_id, run, events)

    @altered.override(ThreadStreams.event_id)
    def event_id(right: Any, thread_id: str, number: int) -> str:
        made: str = right(thread_id, number)
        if not resumable.get(thread_id):
            passing.add(made)
        return made

    @altered.override(ThreadStreams.from_position)
    def from_position(
        right: Any, thread_id: str, position: int, modes: tuple[str, ...]
    ) -> Iterator[ThreadEvent | None]:
        begun = beginnings.get(thread_id, [])
        if first_look := position in begun:
            begun.remove(position)
        for each in right(thread_id, position, modes):
            yield None if first_look and each is not None and each.event_id in passing else each

    beginnings: dict[str, list[int]] = {}

    @altered.override(ThreadStreams.position)
    def begin(right: Any, thread_id: str, last_event_id: str | None) -> int:
        at: int = right(thread_id, last_event_id)
        if last_event_id is not None:
            beginnings.setdefault(thread_id, []).append(at)
        return at


@freedom(
    "ids-of-no-event-are-now",
    allowed_by="No source says what a Last-Event-ID means that no event has.",
    profile="full",
)
def ids_of_no_event_are_now(altered: Altered) -> None:
    @altered.override(ThreadStreams.position)
    def position(right: Any, thread_id: str, last_event_id: str | None) -> int:
        kept = altered.store.thread_streams.kept(thread_id)
        known = last_event_id in (None, FROM_THE_BEGINNING, *(each.event_id for each in kept))
        return int(right(thread_id, last_event_id if known else None))


@freedom(
    "runs-end-with-equal-updates-that-come-late",
    allowed_by="No source says which event of a step is its last, nor how soon an event is in the "
    "stream of its thread; what updates hold is the graph's, which may name no ids.",
    profile="full",
)
def runs_end_with_equal_updates(altered: Altered) -> None:
    @altered.override(StreamEvents.step_events)
    def step_events(right: Any, thread: Thread, run: Run, step: Step) -> tuple[RunEvent, ...]:
        events = [
            RunEvent(each.event, _without_ids(each.data)) if each.event == "updates" else each
            for each in right(thread, run, step)
        ]
        return tuple(sorted(events, key=lambda each: each.event == "updates"))

    @altered.wire.after("thread_stream")
    async def late(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok and answer.raw:
            await asyncio.sleep(_LATE_S)


def _without_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: _without_ids(each) for name, each in value.items() if name != "id"}


freedom(
    "lifecycles-and-state-updates-have-one-name",
    allowed_by="What the events of lifecycle and state_update look like is said by no source.",
    may_block="THREAD-STREAM-08",
    profile="full",
)(
    _changed_events(
        lambda event: (
            (event[0], "thread", event[2]) if event[1] in ("metadata", "state_update") else event
        )
    )
)
