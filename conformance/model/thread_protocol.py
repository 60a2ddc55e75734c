"""The protocol of threads: numbered events in channels, and commands that start and resume runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conformance.model.entities import Run
from conformance.model.errors import ConflictError, ModelError
from conformance.model.ids_and_times import JsonObject
from conformance.model.records import Records
from conformance.model.runs import Runs
from conformance.model.streams import RunEvent

#: The published channels; there are also `custom:…` of the application.
CHANNELS = ("values", "updates", "messages", "tools", "lifecycle", "input", "tasks", "custom")
#: The stream modes of a run that a command starts.
_MODES = ("values", "updates", "tasks", "custom")
#: The lifecycle event of a run that ends, by its status.
_ENDS = {"success": "completed", "interrupted": "interrupted", "error": "failed"}


class CommandError(Exception):
    """A command is refused; `code` is one of the published errors."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class ProtocolEvent:
    """An event of a thread: number, method, namespace of its subgraph, time in ms, data."""

    seq: int
    method: str
    namespace: tuple[str, ...]
    timestamp: int
    data: Any

    @property
    def channel(self) -> str:
        """The channel of the event: its method up to the first dot."""
        return self.method.partition(".")[0]


class ThreadProtocol:
    """The numbered events of each thread, and the execution of commands."""

    def __init__(self, records: Records, runs: Runs) -> None:
        self.records, self.runs = records, runs
        self._kept: dict[str, list[ProtocolEvent]] = {}

    # Adding events

    def add_run_events(self, thread_id: str, run: Run, events: Sequence[RunEvent]) -> None:
        """Add the events that a step of a run gave."""
        for each in events:
            name, _, namespace = each.event.partition("|")
            if name == "metadata":
                self.add_lifecycle(thread_id, run, "running")
            elif name in CHANNELS:
                self.add(thread_id, name, each.data, (namespace,) if namespace else ())

    def add_end(self, thread_id: str, run: Run) -> None:
        """Add the events of a run that has ended: its open interrupts, and how it ended."""
        if run.status == "interrupted":
            self.add_interrupts(thread_id)
        self.add_lifecycle(thread_id, run, _ENDS.get(run.status, "completed"))

    def add_interrupts(self, thread_id: str) -> None:
        """Add an event for each open interrupt of the thread."""
        for interrupt_id, value in self.open_interrupts(thread_id).items():
            data = {"interrupt_id": interrupt_id, "payload": value}
            self.add(thread_id, "input.requested", data)

    def add_lifecycle(self, thread_id: str, run: Run, event: str) -> None:
        """Add a lifecycle event of a run."""
        self.add(thread_id, "lifecycle", {"event": event, "graph_name": run.graph_id})

    def add(self, thread_id: str, method: str, data: Any, namespace: tuple[str, ...] = ()) -> None:
        """Add an event under the next number of the thread."""
        moment = int(datetime.fromisoformat(self.records.now()).timestamp() * 1000)
        kept = self._kept.setdefault(thread_id, [])
        kept.append(ProtocolEvent(self.next_seq(thread_id), method, namespace, moment, data))

    def next_seq(self, thread_id: str) -> int:
        """Return the number of the next event of a thread; the first is 1."""
        return len(self.kept(thread_id)) + 1

    # Reading

    def kept(self, thread_id: str) -> Sequence[ProtocolEvent]:
        """Return the events of a thread so far."""
        return self._kept.get(thread_id, ())

    def position(self, thread_id: str, since: int | None) -> int:
        """Return how many events have a number up to `since`; for None the number of all events."""
        kept = self.kept(thread_id)
        return len(kept) if since is None else sum(each.seq <= since for each in kept)

    def from_position(
        self, thread_id: str, position: int, request: JsonObject
    ) -> Iterator[ProtocolEvent | None]:
        """Yield the events after the first `position`, and None for each that is not requested.

        `request` is the body of the request.
        """
        for each in self.kept(thread_id)[position:]:
            yield each if self.is_requested(each, request) else None

    def is_requested(self, event: ProtocolEvent, request: JsonObject) -> bool:
        """Return whether an event is in the channels, namespaces and depth that `request` names."""
        prefixes = request.get("namespaces", [[]])
        depths = [
            len(event.namespace) - len(prefix)
            for prefix in prefixes
            if list(event.namespace[: len(prefix)]) == prefix
        ]
        near = any(depth <= request.get("depth", depth) for depth in depths)
        return event.channel in request["channels"] and near

    def view(self, event: ProtocolEvent) -> JsonObject:
        """Return an event in the form of the API."""
        params = {
            "namespace": list(event.namespace),
            "timestamp": event.timestamp,
            "data": event.data,
        }
        told = {"type": "event", "event_id": str(event.seq), "seq": event.seq}
        return {**told, "method": event.method, "params": params}

    def forget(self, thread_id: str) -> None:
        """Drop the events of a thread that is gone."""
        self._kept.pop(thread_id, None)

    # Commands

    def execute(self, thread_id: str, method: str, params: JsonObject) -> Run:
        """Begin the run that a command starts or resumes; CommandError if it is refused."""
        if method == "run.start":
            return self.start(thread_id, params)
        if method == "input.respond":
            return self.respond(thread_id, params)
        raise CommandError("unknown_command", f"there is no command {method}")

    def start(self, thread_id: str, params: JsonObject) -> Run:
        """Begin a run of the assistant, on a new thread if there is none of that id."""
        members = ("assistant_id", "input", "config", "metadata")
        request = {name: params[name] for name in members if name in params}
        if not isinstance(request.get("assistant_id"), str):
            raise CommandError("invalid_argument", "run.start needs an assistant_id")
        return self._begin(thread_id, {**request, "if_not_exists": "create"})

    def respond(self, thread_id: str, params: JsonObject) -> Run:
        """Begin a run that answers an open interrupt of the thread."""
        interrupt_id = params.get("interrupt_id")
        if interrupt_id not in self.open_interrupts(thread_id):
            raise CommandError("no_such_interrupt", f"there is no open interrupt {interrupt_id}")
        assistant_id = self.records.thread(thread_id).runs[-1].assistant_id
        command = {"resume": {interrupt_id: params.get("response")}}
        return self._begin(thread_id, {"assistant_id": assistant_id, "command": command})

    def open_interrupts(self, thread_id: str) -> dict[str, Any]:
        """Return the values of the open interrupts of a thread by their ids."""
        thread = self.records.threads_by_id.get(thread_id)
        tasks = thread.latest.tasks if thread is not None and thread.latest is not None else ()
        return {
            each.interrupt_id: each.value
            for task in tasks
            if task.is_interrupted
            for each in task.interrupts
        }

    def _begin(self, thread_id: str, request: JsonObject) -> Run:
        kept = {"stream_mode": [*_MODES], "stream_resumable": True}
        try:
            return self.runs.begin_run(thread_id, {**request, **kept})
        except ConflictError as problem:
            raise CommandError("unknown_error", str(problem)) from problem
        except ModelError as problem:
            raise CommandError("invalid_argument", str(problem)) from problem
