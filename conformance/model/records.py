"""The basis of all operations of a store: its threads, its clock, its ids."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.model.errors import InvalidError, NotFoundError
from conformance.model.graphs import GRAPHS, Graph
from conformance.model.supersteps import Stamp
from conformance.model.threads import Checkpoint, Interrupt, Run, Task, Thread
from conformance.model.values import (
    Clock,
    Ids,
    JsonObject,
    canonical_id,
    time_ordered_id,
    timestamp,
)

_MICROSECOND = timedelta(microseconds=1)


class Records:
    """Threads by id. Each operation replaces whole values, so that it is atomic.

    All times come from `clock` and all ids from `ids`; the store only makes sure that no time
    occurs twice.
    """

    def __init__(self, clock: Clock, ids: Ids, graphs: Mapping[str, Graph] = GRAPHS) -> None:
        self.graphs = dict(graphs)
        self._clock = clock
        self._ids = ids
        self._last = datetime.min.replace(tzinfo=UTC)
        self.threads_by_id: dict[str, Thread] = {}
        self.started_at = self.now()

    # Sources

    def moment(self) -> datetime:
        """Return the current time, later than every time returned before."""
        self._last = max(self._clock().astimezone(UTC), self._last + _MICROSECOND)
        return self._last

    def now(self) -> str:
        """Return `moment` in RFC 3339."""
        return timestamp(self.moment())

    def new_id(self) -> str:
        """Return a fresh UUID, for a thread, a run or a message."""
        return str(self._ids())

    def stamp(self) -> Stamp:
        """Return id and time for a new checkpoint."""
        moment = self.moment()
        tail: uuid.UUID = self._ids()
        return Stamp(time_ordered_id(moment, tail), timestamp(moment), self.new_id)

    # Looking up

    def thread(self, thread_id: object) -> Thread:
        """Return the thread of that id; NotFoundError if unknown, InvalidError if it is no UUID."""
        own = canonical_id(thread_id, "a thread id")
        found = self.threads_by_id.get(own)
        if found is None:
            raise NotFoundError(f"there is no thread {own}; create it first")
        return found

    def checkpoint(self, thread: Thread, checkpoint_id: object) -> Checkpoint:
        """Return the thread's checkpoint of that id; NotFoundError if this thread has none."""
        own = canonical_id(checkpoint_id, "a checkpoint id")
        for checkpoint in thread.checkpoints:
            if checkpoint.checkpoint_id == own:
                return checkpoint
        raise NotFoundError(f"thread {thread.thread_id} has no checkpoint {own}")

    def named_checkpoint(self, thread: Thread, config: JsonObject | None) -> Checkpoint | None:
        """Return the checkpoint that `{thread_id?, checkpoint_ns?, checkpoint_id?}` names, or None.

        InvalidError if the config names another thread.
        """
        config = config or {}
        named = config.get("thread_id")
        if named is not None and canonical_id(named, "checkpoint.thread_id") != thread.thread_id:
            raise InvalidError(f"checkpoint.thread_id is not the thread {thread.thread_id}")
        if config.get("checkpoint_ns"):
            raise InvalidError("name a checkpoint of the graph itself, not of a subgraph")
        if config.get("checkpoint_id") is None:
            return None
        return self.checkpoint(thread, config["checkpoint_id"])

    def level(self, thread: Thread, namespace: str) -> Thread:
        """Return `thread` with the history of that `checkpoint_ns`; unchanged for `""`."""
        if not namespace:
            return thread
        for checkpoint in reversed(thread.checkpoints):
            for task in checkpoint.tasks:
                if task.inner and task.namespace == namespace:
                    return replace(thread, checkpoints=task.inner)
        raise NotFoundError(f"thread {thread.thread_id} has no subgraph under {namespace!r}")

    def graph(self, graph_id: object) -> Graph:
        """Return the graph of that id; InvalidError, with the known ids, if there is none."""
        found = self.graphs.get(graph_id) if isinstance(graph_id, str) else None
        if found is None:
            known = ", ".join(self.graphs)
            raise InvalidError(f"there is no graph {graph_id!r}, only: {known}")
        return found

    def graph_of(self, metadata: JsonObject) -> Graph:
        """Return the graph of `graph_id` in a thread's metadata; InvalidError if there is none."""
        if "graph_id" not in metadata:
            raise InvalidError("the thread has no graph yet: set metadata.graph_id, or run one")
        return self.graph(metadata["graph_id"])

    # Keeping

    def keep(self, thread: Thread) -> Thread:
        """Store a thread under its id."""
        self.threads_by_id[thread.thread_id] = thread
        return thread

    def forget(self, thread_id: str) -> None:
        """Delete the thread of that id."""
        del self.threads_by_id[thread_id]

    def appended(self, thread: Thread, made: Checkpoint) -> Thread:
        """Return `thread` with one more checkpoint, its status and times updated."""
        return self.touched(
            replace(thread, checkpoints=(*thread.checkpoints, made)), state_changed=True
        )

    def with_replaced(self, thread: Thread, checkpoint: Checkpoint) -> Thread:
        """Return `thread` with the checkpoint of the same id replaced."""
        return replace(
            thread,
            checkpoints=tuple(
                checkpoint if known.checkpoint_id == checkpoint.checkpoint_id else known
                for known in thread.checkpoints
            ),
        )

    def touched(self, thread: Thread, *, state_changed: bool = False) -> Thread:
        """Return `thread` with its status and `updated_at` brought up to date."""
        now = self.now()
        return replace(
            thread,
            status=self.status_of(thread),
            updated_at=now,
            state_updated_at=now if state_changed else thread.state_updated_at,
        )

    def status_of(self, thread: Thread) -> str:
        """Return busy while a run is active, else the status of the last run and state."""
        if any(run.active for run in thread.runs):
            return "busy"
        latest = thread.latest
        if latest is None:
            return "idle"
        if any(task.error is not None for task in latest.tasks):
            return "error"
        return "interrupted" if latest.tasks else "idle"

    # Showing

    def thread_view(self, thread: Thread) -> JsonObject:
        """Return a thread in the form of the API."""
        return {
            "thread_id": thread.thread_id,
            "created_at": thread.created_at,
            "updated_at": thread.updated_at,
            "state_updated_at": thread.state_updated_at,
            "metadata": thread.metadata,
            "status": thread.status,
            "config": thread.config,
            "values": thread.values,
            "interrupts": self.pending_interrupts(thread),
        }

    def pending_interrupts(self, thread: Thread) -> JsonObject:
        """Return the open interrupts of a thread's current state by the id of their task."""
        tasks = thread.latest.tasks if thread.latest else ()
        return {task.task_id: interrupts_view(task.interrupts) for task in tasks if task.asks}

    def state_view(
        self,
        thread: Thread,
        checkpoint: Checkpoint,
        namespace: str = "",
        *,
        subgraphs: bool = False,
    ) -> JsonObject:
        """Return a state in the form of the API, with the id of its thread.

        With `subgraphs` the tasks include the states of their subgraphs.
        """
        parent_id = checkpoint.parent_id

        def config(checkpoint_id: str) -> JsonObject:
            named = checkpoint_config(thread, checkpoint_id, namespace)
            if not namespace:
                return named
            above = checkpoint.metadata["parents"]
            return {**named, "checkpoint_map": {**above, namespace: checkpoint_id}}

        metadata = {**checkpoint.metadata, "thread_id": thread.thread_id}
        if parent_id is not None and metadata["source"] == "update":
            metadata["checkpoint_id"] = parent_id
        return {
            "values": checkpoint.values,
            "next": list(checkpoint.next),
            "tasks": [
                self.task_state_view(thread, task, subgraphs=subgraphs) for task in checkpoint.tasks
            ],
            "metadata": metadata,
            "created_at": checkpoint.created_at,
            "checkpoint": config(checkpoint.checkpoint_id),
            "parent_checkpoint": config(parent_id) if parent_id else None,
            "interrupts": interrupts_view(
                each for task in checkpoint.tasks for each in task.interrupts
            ),
            "checkpoint_id": checkpoint.checkpoint_id,
            "parent_checkpoint_id": parent_id,
        }

    def task_state_view(self, thread: Thread, task: Task, *, subgraphs: bool) -> JsonObject:
        """Return a task of a state; its subgraph as a checkpoint config, or as a state."""
        if not task.inner:
            return task_view(task)
        if subgraphs:
            latest = task.inner[-1]
            state = self.state_view(thread, latest, task.namespace, subgraphs=True)
            return {**task_view(task), "state": state}
        checkpoint = {"thread_id": thread.thread_id, "checkpoint_ns": task.namespace}
        return {**task_view(task), "checkpoint": checkpoint}

    def run_view(self, thread: Thread, run: Run) -> JsonObject:
        """Return a run in the form of the API."""
        return {
            "run_id": run.run_id,
            "thread_id": thread.thread_id,
            "assistant_id": run.assistant_id,
            "created_at": run.created_at,
            "updated_at": run.updated_at,
            "status": run.status,
            "metadata": run.metadata,
            "kwargs": run.kwargs,
            "multitask_strategy": run.multitask_strategy,
        }


def checkpoint_config(thread: Thread, checkpoint_id: str, namespace: str = "") -> JsonObject:
    """Return the API's checkpoint reference: thread_id, checkpoint_ns, checkpoint_id."""
    return {
        "checkpoint_id": checkpoint_id,
        "thread_id": thread.thread_id,
        "checkpoint_ns": namespace,
    }


def interrupts_view(interrupts: Iterable[Interrupt]) -> list[JsonObject]:
    """Return interrupts in the form of the API."""
    return [{"id": each.interrupt_id, "value": each.value} for each in interrupts]


def task_view(task: Task) -> JsonObject:
    """Return a task in the form of the API; `error` only where there is one, as published."""
    view: dict[str, Any] = {
        "id": task.task_id,
        "name": task.name,
        "interrupts": interrupts_view(task.interrupts),
        "result": task.result,
    }
    return view if task.error is None else {**view, "error": task.error}
