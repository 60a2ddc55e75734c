"""Building blocks of faults of runs and of their streams."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.contract.schemas import violations
from conformance.faults.kit.http_changes import change_request, without
from conformance.faults.registry import Apply, FaultyDeployment
from conformance.model.entities import Run, Thread
from conformance.model.executor import Executor
from conformance.model.store import ThreadStore
from conformance.reference.wire import (
    Json,
    When,
    WireAnswer,
    WireRequest,
    always,
    json_answer,
)

#: Operations that start a run on a thread.
RUN_STARTS = ("run_wait", "run_stream", "run_background")
#: One event of a stream: its id, its name, its data.
Event = tuple[str, str, Json]


# Requests


def of_graph(graph_id: str) -> When:
    """Select requests for a run of that graph."""
    return lambda request: request.members.get("assistant_id") == graph_id


def having(name: str, value: Any = None) -> When:
    """Select requests whose body has that member, with that value if one is given."""
    return lambda request: (
        name in request.members and (value is None or request.members[name] == value)
    )


def resuming(request: WireRequest) -> bool:
    """Return whether the run resumes an interrupt."""
    return "resume" in command_of(request)


def command_of(request: WireRequest) -> dict[str, Any]:
    """Return the `command` of a request for a run; {} without one."""
    command = request.members.get("command")
    return command if isinstance(command, dict) else {}


def taking_time(request: WireRequest) -> bool:
    """Return whether the run is one of the slow graph that takes longer than 0 s."""
    given = request.members.get("input")
    return isinstance(given, dict) and bool(given.get("seconds"))


def run_id_in(request: WireRequest) -> str:
    """Return the run id in the path `/threads/{thread_id}/runs/{run_id}…`; "" without one."""
    parts = request.path.strip("/").split("/")
    return parts[3] if len(parts) > 3 else ""


def where(*conditions: When) -> When:
    """Select requests that satisfy all conditions."""
    return lambda request: all(holds(request) for holds in conditions)


# Runs of a store


def runs_on(store: ThreadStore, thread_id: str) -> tuple[Run, ...]:
    """Return the runs of a thread; none if the thread is unknown."""
    thread = store.records.threads_by_id.get(thread_id)
    return thread.runs if thread else ()


def found_run(store: ThreadStore, run_id: str) -> tuple[str, Run] | None:
    """Return the id of a run's thread with the run, or None."""
    for thread in store.records.threads_by_id.values():
        for run in thread.runs:
            if run.run_id == run_id:
                return thread.thread_id, run
    return None


def source_of(store: ThreadStore, thread_id: str) -> str | None:
    """Return the id of the thread of which this one is a copy, or None.

    A copy keeps checkpoint ids: the source is the oldest thread with the same first one.
    """
    thread = store.records.threads_by_id.get(thread_id)
    if thread is None or not thread.checkpoints:
        return None
    first = thread.checkpoints[0].checkpoint_id
    for other in store.records.threads_by_id.values():
        if other.checkpoints and other.checkpoints[0].checkpoint_id == first:
            return None if other is thread else other.thread_id
    return None


def advance_to_end(store: ThreadStore, thread_id: str, run_id: str) -> None:
    """Advance a thread without waiting until that run has ended."""
    while any(run.run_id == run_id and run.active for run in runs_on(store, thread_id)):
        store.executor.advance(thread_id)


# Faults


def ending_at_its_start(when: Callable[[Thread, Run], bool], status: str = "success") -> Apply:
    """End runs with that status before they execute a node, where `when(thread, run)`."""

    def apply(broken: FaultyDeployment) -> None:
        store = broken.store

        @broken.override(Executor.start)
        def start(right: Any, thread: Thread, run: Run) -> Any:
            begun = right(thread, run)
            if not when(thread, run):
                return begun
            ended = replace(begun.run, status=status, output=thread.values)
            kept = store.records.thread(thread.thread_id)
            runs = tuple(ended if each.run_id == run.run_id else each for each in kept.runs)
            store.records.keep(store.records.with_fresh_status_and_times(replace(kept, runs=runs)))
            return replace(begun, run=ended)

    return apply


def goes_on(run: Run) -> bool:
    """Return whether a run has neither an input nor a command: it continues from a state."""
    return run.kwargs.get("input") is None and not run.kwargs.get("command")


def ignoring(member: str, *operations: str, when: When | None = None) -> Apply:
    """Ignore a valid value of a member of the body."""

    def to(body: Any) -> Any:
        wrong = violations("run_create", {"assistant_id": "any", member: body[member]})
        return body if wrong else without(body, member)

    return change_request(*operations, to=to, when=when or having(member))


def answering_without_effect(
    operation: str, body: Json, status: int = 200, when: When = always
) -> Apply:
    """Answer with this body and do nothing."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(operation, when=when)
        def answer(_request: WireRequest) -> WireAnswer:
            return json_answer(status, body)

    return apply


def accepting(operation: str, body: Json, status: int = 200, when: When = always) -> Apply:
    """Answer refused requests with this body and a status of success."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(operation, when=when)
        def accept(_request: WireRequest, answer: WireAnswer) -> None:
            if not answer.ok:
                answer.status, answer.body = status, body

    return apply


def streaming(
    *operations: str, to: Callable[[list[Event]], list[Event]], when: When = always
) -> Apply:
    """Replace the events of a stream by `to(events)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(*operations, when=when)
        def change_events(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok:
                answer.raw = encode_events(to(events_in(answer.raw)))

    return apply


def events_in(raw: bytes) -> list[Event]:
    """Return the events of a stream of the reference, without comments; an id may be empty."""
    events = []
    for block in raw.decode().strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "event" in fields:
            events.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return events


def encode_events(events: list[Event]) -> bytes:
    """Return these events as the body of a stream."""
    return "".join(
        (f"id: {number}\n" if number else "") + f"event: {name}\ndata: {json.dumps(data)}\n\n"
        for number, name, data in events
    ).encode()
