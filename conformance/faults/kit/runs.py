"""What faults of runs are made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from conformance.contract.schemas import violations
from conformance.faults.kit.parts import without
from conformance.faults.registry import Apply, Broken
from conformance.model.store import ThreadStore
from conformance.model.threads import Run
from conformance.reference.wire import (
    Json,
    When,
    WireAnswer,
    WireRequest,
    always,
    json_answer,
)

#: Operations that begin a run on a thread.
BEGINNING = ("run_wait", "run_stream", "run_background")
#: One event of a stream: its id, its name, its data.
Event = tuple[str, str, Json]


# Requests


def of_graph(graph_id: str) -> When:
    """Requests for a run of that graph."""
    return lambda request: request.members.get("assistant_id") == graph_id


def having(name: str, value: Any = None) -> When:
    """Requests with that member, of that value if one is given."""
    return lambda request: (
        name in request.members and (value is None or request.members[name] == value)
    )


def resuming(request: WireRequest) -> bool:
    """Runs that answer an interrupt."""
    return "resume" in command_of(request)


def command_of(request: WireRequest) -> dict[str, Any]:
    """The command of a run; {} without one."""
    command = request.members.get("command")
    return command if isinstance(command, dict) else {}


def taking_time(request: WireRequest) -> bool:
    """Runs of the slow graph that take more than no time."""
    given = request.members.get("input")
    return isinstance(given, dict) and bool(given.get("seconds"))


def run_id_in(request: WireRequest) -> str:
    """The id of the run in the path `/threads/{thread_id}/runs/{run_id}…`, or ""."""
    parts = request.path.strip("/").split("/")
    return parts[3] if len(parts) > 3 else ""


def where(*conditions: When) -> When:
    """Requests that satisfy all of these."""
    return lambda request: all(holds(request) for holds in conditions)


# Runs of a store


def runs_on(store: ThreadStore, thread_id: str) -> tuple[Run, ...]:
    """The runs of a thread; none where there is no such thread."""
    thread = store._threads.get(thread_id)
    return thread.runs if thread else ()


def found_run(store: ThreadStore, run_id: str) -> tuple[str, Run] | None:
    """A run of any thread, and the id of its thread."""
    for thread in store._threads.values():
        for run in thread.runs:
            if run.run_id == run_id:
                return thread.thread_id, run
    return None


def source_of(store: ThreadStore, thread_id: str) -> str | None:
    """The oldest thread with the same first state, if that is not the thread itself."""
    thread = store._threads.get(thread_id)
    if thread is None or not thread.checkpoints:
        return None
    first = thread.checkpoints[0].checkpoint_id
    for other in store._threads.values():
        if other.checkpoints and other.checkpoints[0].checkpoint_id == first:
            return None if other is thread else other.thread_id
    return None


def to_its_end(store: ThreadStore, thread_id: str, run_id: str) -> None:
    """Take the steps of a thread's runs, at once, until that run has ended."""
    while any(run.run_id == run_id and run.active for run in runs_on(store, thread_id)):
        store.advance(thread_id)


# Faults


def changing(
    *operations: str, to: Callable[[WireRequest, Any], Json], when: When = always
) -> Apply:
    """Change the JSON of successes."""

    def apply(broken: Broken) -> None:
        broken.wire.answers(*operations, when=when)(to)

    return apply


def misreading(
    *operations: str,
    to: Callable[[dict[str, Any]], dict[str, Any]],
    when: When = always,
) -> Apply:
    """Take a body for another one."""

    def apply(broken: Broken) -> None:
        @broken.wire.before(*operations, when=when)
        def misread(request: WireRequest) -> None:
            if isinstance(request.body, dict):
                request.body = to(request.body)

    return apply


def ignoring(member: str, *operations: str, when: When | None = None) -> Apply:
    """Take a body as if it had not that member, whatever right value it has there."""

    def to(body: Any) -> Any:
        wrong = violations("run_create", {"assistant_id": "any", member: body[member]})
        return body if wrong else without(body, member)

    return misreading(*operations, to=to, when=when or having(member))


def answering(operation: str, body: Json, status: int = 200, when: When = always) -> Apply:
    """Answer without doing anything."""

    def apply(broken: Broken) -> None:
        @broken.wire.before(operation, when=when)
        def answer(_request: WireRequest) -> WireAnswer:
            return json_answer(status, body)

    return apply


def accepting(operation: str, body: Json, status: int = 200, when: When = always) -> Apply:
    """Answer refusals with success."""

    def apply(broken: Broken) -> None:
        @broken.wire.after(operation, when=when)
        def accept(_request: WireRequest, answer: WireAnswer) -> None:
            if not answer.ok:
                answer.status, answer.body = status, body

    return apply


def streaming(
    *operations: str, to: Callable[[list[Event]], list[Event]], when: When = always
) -> Apply:
    """Change the events of streams."""

    def apply(broken: Broken) -> None:
        @broken.wire.after(*operations, when=when)
        def stream(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok:
                answer.raw = written(to(events_in(answer.raw)))

    return apply


def events_in(raw: bytes) -> list[Event]:
    """The events of a stream of the reference."""
    events = []
    for block in raw.decode().strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "event" in fields:
            events.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return events


def written(events: list[Event]) -> bytes:
    """A stream of these events."""
    return "".join(
        f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
        for number, name, data in events
    ).encode()
