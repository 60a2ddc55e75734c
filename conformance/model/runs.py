"""Operations on runs, on a thread or stateless: create, get, list, cancel, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from conformance.model.assistants import Assistants
from conformance.model.entities import Checkpoint, Run, Thread
from conformance.model.errors import ConflictError, InvalidError, NotFoundError
from conformance.model.executor import Executor
from conformance.model.graphs import Graph
from conformance.model.ids_and_times import JsonObject, canonical_id, deep_copy
from conformance.model.records import Records
from conformance.model.supersteps import apply_command, goto_tasks
from conformance.model.views import Views

#: Members of a request that are members of the run itself and not among its kwargs.
_OWN_MEMBERS = ("assistant_id", "metadata", "multitask_strategy", "if_not_exists")


class Runs:
    """The operations on runs."""

    def __init__(
        self, records: Records, assistants: Assistants, executor: Executor, views: Views
    ) -> None:
        self.records, self.assistants = records, assistants
        self.executor, self.views = executor, views

    def begin_run(self, thread_id: str, request: JsonObject) -> Run:
        """Create a pending run of the graph that `request["assistant_id"]` names.

        NotFoundError if the thread is unknown (unless `if_not_exists` is create), InvalidError
        for an assistant, input or command that cannot run, ConflictError if the thread is busy
        and `multitask_strategy` is reject.
        """
        self.assistants.assistant(request["assistant_id"])
        return self._begin_run(self._thread_to_run_on(thread_id, request), deep_copy(request))

    def begin_stateless_run(self, request: JsonObject) -> tuple[str, Run]:
        """Create a pending run on a new thread and return the id of that thread with the run.

        The thread is deleted when the run ends, unless `on_completion` is keep.
        """
        self.assistants.assistant(request["assistant_id"])
        now = self.records.now()
        temporary = request.get("on_completion", "delete") == "delete"
        metadata = deep_copy(request).get("metadata", {})
        thread = Thread(self.records.new_id(), now, now, now, metadata, temporary=temporary)
        return thread.thread_id, self._begin_run(thread, deep_copy(request))

    def _begin_run(self, thread: Thread, request: JsonObject) -> Run:
        graph = self.assistants.assistant(request["assistant_id"])
        base = self.records.named_checkpoint(thread, request.get("checkpoint"))
        self._check_input(graph, thread, base or thread.latest, request)
        strategy = request.get("multitask_strategy", "enqueue")
        active = [run for run in thread.runs if run.active]
        if active and strategy == "reject":
            raise ConflictError(f"thread {thread.thread_id} is busy; wait for its run to end")
        if strategy in ("interrupt", "rollback"):
            for run in active:
                thread = self._ended(thread, run, strategy)
                thread = self.with_reason(thread, run, "superseded by a newer run")
        names = {"graph_id": graph.graph_id, "assistant_id": graph.assistant_id}
        now = self.records.now()
        run = Run(
            run_id=self.records.new_id(),
            graph_id=graph.graph_id,
            assistant_id=graph.assistant_id,
            status="pending",
            metadata={**request.get("metadata", {}), **names},
            kwargs={name: value for name, value in request.items() if name not in _OWN_MEMBERS},
            multitask_strategy=strategy,
            created_at=now,
            updated_at=now,
            base_id=base.checkpoint_id if base else None,
        )
        thread = replace(thread, metadata=thread.metadata | names, runs=(*thread.runs, run))
        self.records.keep(self.records.with_fresh_status_and_times(thread))
        return run

    def _thread_to_run_on(self, thread_id: str, request: JsonObject) -> Thread:
        try:
            return self.records.thread(thread_id)
        except NotFoundError:
            if request.get("if_not_exists") != "create":
                raise
        now = self.records.now()
        metadata = deep_copy(request).get("metadata", {})
        return Thread(canonical_id(thread_id, "a thread id"), now, now, now, metadata)

    def _check_input(
        self, graph: Graph, thread: Thread, base: Checkpoint | None, request: JsonObject
    ) -> None:
        given, command = request.get("input"), request.get("command") or {}
        if given is not None and command:
            raise InvalidError("send an input or a command, not both")
        goto_tasks(graph, command)
        if base is not None and command:
            apply_command(
                graph, base, command, self.records.new_id
            )  # raises if it could not be applied
        if given is not None:
            values = base.values if base else graph.initial()
            graph.applied(values, _input_object(given), self.records.new_id)
        elif not thread.checkpoints and not any(run.active for run in thread.runs):
            raise InvalidError("the thread has no state to continue from; send an input")

    def run(self, thread_id: str, request: JsonObject) -> Run:
        """Start a run, execute all its steps and return the ended run."""
        run = self.begin_run(thread_id, request)
        while self.run_of(thread_id, run.run_id).active:
            self.executor.advance(thread_id)
        return self.run_of(thread_id, run.run_id)

    # Reading and ending runs

    def run_of(self, thread_id: str, run_id: str) -> Run:
        """Return the run of that id on that thread; NotFoundError if there is none."""
        thread = self.records.thread(thread_id)
        own = canonical_id(run_id, "a run id")
        for run in thread.runs:
            if run.run_id == own:
                return run
        raise NotFoundError(f"thread {thread.thread_id} has no run {own}")

    def get_run(self, thread_id: str, run_id: str) -> JsonObject:
        """Return the run in the form of the API."""
        return self.views.run_view(self.records.thread(thread_id), self.run_of(thread_id, run_id))

    def list_runs(
        self, thread_id: str, *, limit: int = 10, offset: int = 0, status: str | None = None
    ) -> list[JsonObject]:
        """Return runs of the thread, newest first, with that status if one is given."""
        thread = self.records.thread(thread_id)
        found = [run for run in thread.runs[::-1] if status is None or run.status == status]
        return [self.views.run_view(thread, run) for run in found[offset : offset + limit]]

    def cancel_run(self, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        """End an active run; with the action `rollback` also undo its changes.

        NotFoundError if the run is unknown or has ended.
        """
        run = self.run_of(thread_id, run_id)
        if not run.active:
            raise NotFoundError(f"run {run.run_id} has ended already ({run.status})")
        thread = self._ended(self.records.thread(thread_id), run, action)
        self.executor.keep_after_run(self.with_reason(thread, run, "cancelled on request"))

    def delete_run(self, thread_id: str, run_id: str) -> None:
        """Delete a run; one that is active is ended first. Its checkpoints stay."""
        run = self.run_of(thread_id, run_id)
        thread = self.records.thread(thread_id)
        runs = tuple(known for known in thread.runs if known.run_id != run.run_id)
        self.executor.keep_after_run(replace(thread, runs=runs))

    def cancel_runs(
        self,
        thread_id: str | None = None,
        run_ids: Sequence[str] = (),
        *,
        status: str = "all",
        action: str = "interrupt",
    ) -> list[str]:
        """End the active runs in `run_ids` of a thread, or all active runs; return the thread ids.

        Without `thread_id`, runs of every thread are ended. `status`, which is pending, running or
        all, selects further. NotFoundError if there is no such run.
        """
        threads = (
            [self.records.thread(thread_id)]
            if thread_id
            else list(self.records.threads_by_id.values())
        )
        wanted = {canonical_id(one, "each of run_ids") for one in run_ids}
        found = [
            (thread.thread_id, run.run_id)
            for thread in threads
            for run in thread.runs
            if run.active
            and status in ("all", run.status)
            and (thread_id is None or run.run_id in wanted)
        ]
        if not found:
            raise NotFoundError("there is no such run to cancel")
        for own, run_id in found:
            if own in self.records.threads_by_id:  # a temporary thread is deleted with its last run
                self.cancel_run(own, run_id, action)
        return [own for own, _ in found]

    def with_reason(self, thread: Thread, run: Run, reason: str) -> Thread:
        """Return the thread with `reason` as the run's `cancel_reason`, if it still has the run."""
        runs = tuple(
            replace(known, cancel_reason=reason) if known.run_id == run.run_id else known
            for known in thread.runs
        )
        return replace(thread, runs=runs)

    def _ended(self, thread: Thread, run: Run, action: str) -> Thread:
        if action == "rollback":
            if run.undo is not None:
                thread = self.records.with_replaced(thread, run.undo)
            return replace(
                thread,
                runs=tuple(known for known in thread.runs if known.run_id != run.run_id),
                checkpoints=tuple(
                    checkpoint
                    for checkpoint in thread.checkpoints
                    if checkpoint.metadata.get("run_id") != run.run_id
                ),
            )
        ended = replace(
            run, status="interrupted", output=thread.values, updated_at=self.records.now()
        )
        runs = tuple(ended if known.run_id == run.run_id else known for known in thread.runs)
        return replace(thread, runs=runs)


def _input_object(given: Any) -> JsonObject:
    if not isinstance(given, dict):
        raise InvalidError("an input must be an object of channels, {} at the least")
    return given
