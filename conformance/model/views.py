"""Threads, states, tasks, runs and crons in the form of the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from conformance.model.entities import Checkpoint, Cron, Interrupt, Run, Task, Thread
from conformance.model.ids_and_times import JsonObject


class Views:
    """Conversion of what a store holds to the form of the API."""

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
        return {
            task.task_id: interrupts_view(task.interrupts) for task in tasks if task.is_interrupted
        }

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
        """Return a task of a state in the form of the API.

        Its subgraph is shown as a state with `subgraphs`, else as a checkpoint config.
        """
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
            "cancel_reason": run.cancel_reason,
        }

    def cron_view(self, cron: Cron) -> JsonObject:
        """Return a cron in the form of the API."""
        return {
            "cron_id": cron.cron_id,
            "assistant_id": cron.assistant_id,
            "thread_id": cron.thread_id,
            "on_run_completed": cron.on_run_completed,
            "end_time": cron.end_time,
            "schedule": cron.schedule,
            "timezone": cron.timezone,
            "created_at": cron.created_at,
            "updated_at": cron.updated_at,
            "user_id": None,
            "payload": cron.payload,
            "next_run_date": cron.next_run_date,
            "metadata": cron.metadata,
            "enabled": cron.enabled,
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
