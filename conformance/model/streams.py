"""The events of a run's stream, in each of the published stream modes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance.model.entities import Checkpoint, Run, Task, Thread
from conformance.model.graphs import START
from conformance.model.ids_and_times import JsonObject
from conformance.model.records import Records
from conformance.model.superstep_execution import Step
from conformance.model.views import Views, interrupts_view, task_view

#: The member of values and updates that holds the interrupts of a run.
INTERRUPT = "__interrupt__"
_DEFAULT_MODES = ("values",)
#: Modes whose events have another name than the mode.
_EVENT_OF_MODE = {"messages-tuple": "messages", "messages": "messages/complete"}
#: Events that are sent in every mode.
_ALWAYS = ("metadata", "error")


@dataclass(frozen=True)
class RunEvent:
    """An event of a run's stream; `event` is metadata, error, or `mode` or `mode|namespace`."""

    event: str
    data: Any


def modes_of(given: Any) -> tuple[str, ...]:
    """Return the stream modes of a request, one or a list of them; `values` by default."""
    return (given,) if isinstance(given, str) else tuple(given or ()) or _DEFAULT_MODES


def is_in_modes(event: RunEvent, modes: tuple[str, ...]) -> bool:
    """Return whether a stream in these modes includes that event."""
    name = event.event.split("|")[0]
    return name in _ALWAYS or name in [_EVENT_OF_MODE.get(mode, mode) for mode in modes]


class StreamEvents:
    """Conversion of the steps of a run to the events of its stream."""

    def __init__(self, records: Records, views: Views) -> None:
        self.records, self.views = records, views

    def start_events(self, thread: Thread, run: Run, at: Checkpoint) -> tuple[RunEvent, ...]:
        """Return the events of a run that starts at the checkpoint `at`.

        `at` is the checkpoint that the run made of its input, or an earlier one to continue from.
        """
        modes = modes_of(run.kwargs.get("stream_mode"))
        events = []
        if "values" in modes and START not in at.next:
            events.append(RunEvent("values", at.values))
        return (*events, *self.checkpoint_events(thread, modes, at))

    def step_events(self, thread: Thread, run: Run, step: Step) -> tuple[RunEvent, ...]:
        """Return the events of a superstep, in the run's stream modes."""
        modes = modes_of(run.kwargs.get("stream_mode"))
        events: list[RunEvent] = []
        for old, task in zip(step.base.tasks, step.tasks, strict=True):
            if run.kwargs.get("stream_subgraphs"):
                events += self.inner_events(modes, old, task)
            if task.name != START:
                events += self.task_events(run, step, task, modes)
        if step.made is not None:
            if "values" in modes:
                events.append(RunEvent("values", step.made.values))
            events += self.checkpoint_events(thread, modes, step.made)
        elif step.interrupts:
            asked = {INTERRUPT: interrupts_view(step.interrupts)}
            if "updates" in modes:
                events.append(RunEvent("updates", asked))
            if "values" in modes:
                events.append(RunEvent("values", {**step.base.values, **asked}))
        return tuple(events)

    def task_events(
        self, run: Run, step: Step, task: Task, modes: tuple[str, ...]
    ) -> Iterator[RunEvent]:
        """Yield the events of one task of a superstep."""
        given = step.base.values if task.reads_state else task.input
        begun: JsonObject = {"id": task.task_id, "name": task.name, "input": given, "triggers": []}
        ended = {**task_view(task), "error": task.error}
        number = step.base.step + 1
        for payload, kind in ((begun, "task"), (ended, "task_result")):
            if "tasks" in modes:
                yield RunEvent("tasks", payload)
            if "debug" in modes:
                yield RunEvent("debug", self.debug(number, kind, payload))
        where = {**run.metadata, "langgraph_step": number, "langgraph_node": task.name}
        if "events" in modes:
            yield RunEvent("events", {**_chain_event(run, task, where), "data": {"input": given}})
            yield RunEvent("events", _chain_ended(run, task, where, given))
        if not task.done:
            return
        if "updates" in modes:
            yield RunEvent("updates", {task.name: task.result})
        result = task.result if isinstance(task.result, dict) else {}
        known = [message["id"] for message in step.base.values.get("messages", [])]
        for message in result.get("messages", []):
            if message["id"] not in known and "messages-tuple" in modes:
                yield RunEvent("messages", [message, where])
            if message["id"] not in known and "messages" in modes:
                yield RunEvent("messages/complete", [message])

    def inner_events(self, modes: tuple[str, ...], old: Task, task: Task) -> Iterator[RunEvent]:
        """Yield the events of the supersteps that a task's subgraph took."""
        known = [checkpoint.checkpoint_id for checkpoint in old.inner]
        for before, made in zip(task.inner, task.inner[1:], strict=False):
            if made.checkpoint_id in known:
                continue
            for done in before.tasks:
                if "updates" in modes and done.name != START:
                    yield RunEvent(f"updates|{task.namespace}", {done.name: done.result})
            if "values" in modes:
                yield RunEvent(f"values|{task.namespace}", made.values)

    def checkpoint_events(
        self, thread: Thread, modes: tuple[str, ...], made: Checkpoint
    ) -> Iterator[RunEvent]:
        """Yield the events of a new checkpoint."""
        state = self.views.state_view(thread, made)
        parent = state["parent_checkpoint"]
        state["config"] = {"configurable": state["checkpoint"]}
        state["parent_config"] = parent and {"configurable": parent}
        if "checkpoints" in modes:
            yield RunEvent("checkpoints", state)
        if "debug" in modes:
            yield RunEvent("debug", self.debug(made.step, "checkpoint", state))

    def debug(self, step: int, kind: str, payload: JsonObject) -> JsonObject:
        """Return the data of an event of mode debug: `payload` with its kind, step and time."""
        return {"step": step, "timestamp": self.records.now(), "type": kind, "payload": payload}


def _chain_event(run: Run, task: Task, where: JsonObject) -> JsonObject:
    return {
        "event": "on_chain_start",
        "name": task.name,
        "run_id": task.task_id,
        "tags": [],
        "metadata": where,
        "parent_ids": [run.run_id],
    }


def _chain_ended(run: Run, task: Task, where: JsonObject, given: Any) -> JsonObject:
    data = {"input": given, "output": task.result}
    return {**_chain_event(run, task, where), "event": "on_chain_end", "data": data}
