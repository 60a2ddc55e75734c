"""Operations on runs: begun, taken step by step in the order they came, ended.

The model does not wait: whoever holds the store calls `advance` until no run of
the thread is active. Runs of one thread follow each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.model.errors import ConflictError, InvalidError, ModelError, NotFoundError
from conformance.model.graphs import INPUT, START, Graph
from conformance.model.records import Records
from conformance.model.supersteps import Update, superstep, with_results
from conformance.model.threads import Checkpoint, Run, Thread
from conformance.model.values import JsonObject, canonical_id, copied

#: Members of a request that a run shows as members of its own, not among its kwargs.
_OWN_MEMBERS = ("assistant_id", "metadata", "multitask_strategy", "if_not_exists")


@dataclass(frozen=True)
class RunEvent:
    """What a stream says of a run: `event` is metadata, values, updates or error."""

    event: str
    data: Any


@dataclass(frozen=True)
class Advance:
    """One step that was taken: the run as it is now, and what its stream says of it."""

    run: Run
    events: tuple[RunEvent, ...] = ()


class RunOperations(Records):
    """What a store does with runs."""

    def begin_run(self, thread_id: str, request: JsonObject) -> Run:
        """A pending run of the graph that `request["assistant_id"]` names.

        NotFoundError without the thread (unless `if_not_exists` is create),
        InvalidError for an assistant or input that cannot run, ConflictError where
        the thread is busy and `multitask_strategy` is reject.
        """
        graph = self.assistant(request["assistant_id"])
        thread = self._thread_to_run_on(thread_id, request)
        request = copied(request)
        base = self.named_checkpoint(thread, request.get("checkpoint"))
        if request.get("command") is not None:
            raise InvalidError("no graph here asks anything; leave command out, send an input")
        self._check_input(graph, thread, base or thread.latest, request.get("input"))
        strategy = request.get("multitask_strategy", "enqueue")
        active = [run for run in thread.runs if run.active]
        if active and strategy == "reject":
            raise ConflictError(f"thread {thread.thread_id} is busy; wait for its run to end")
        if strategy in ("interrupt", "rollback"):
            for run in active:
                thread = self._ended(thread, run, strategy)
        names = {"graph_id": graph.graph_id, "assistant_id": graph.assistant_id}
        now = self.now()
        run = Run(
            run_id=self.new_id(),
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
        self.keep(self.touched(thread))
        return run

    def assistant(self, assistant_id: str) -> Graph:
        """The graph of that id, or that of the assistant of that id; else InvalidError."""
        for graph in self.graphs.values():
            if assistant_id.lower() == graph.assistant_id:
                return graph
        return self.graph(assistant_id)

    def _thread_to_run_on(self, thread_id: str, request: JsonObject) -> Thread:
        try:
            return self.thread(thread_id)
        except NotFoundError:
            if request.get("if_not_exists") != "create":
                raise
        now = self.now()
        return Thread(canonical_id(thread_id, "a thread id"), now, now, now, {})

    def _check_input(
        self, graph: Graph, thread: Thread, base: Checkpoint | None, given: Any
    ) -> None:
        if given is not None:
            values = base.values if base else graph.initial()
            graph.applied(values, _input_object(given), self.new_id)
        elif not thread.checkpoints and not any(run.active for run in thread.runs):
            raise InvalidError("the thread has no state to continue from; send an input")

    # Taking steps

    def advance(self, thread_id: str) -> Advance | None:
        """Take the next step of the thread's first active run; None if there is none."""
        run = self.next_run(thread_id)
        if run is None:
            return None
        thread = self.thread(thread_id)
        if not run.started:
            return self._start(thread, run)
        return self._step(thread, run)

    def next_run(self, thread_id: str) -> Run | None:
        """The thread's first active run, which takes the next step."""
        return next((run for run in self.thread(thread_id).runs if run.active), None)

    def _start(self, thread: Thread, run: Run) -> Advance:
        events = (RunEvent("metadata", {"run_id": run.run_id, "attempt": 1}),)
        given = run.kwargs.get("input")
        graph = self.graphs[run.graph_id]
        try:
            base = self.checkpoint(thread, run.base_id) if run.base_id else thread.latest
            position = base
            if given is not None:
                update = Update(INPUT, given)
                position = superstep(graph, base, [update], _of_run(run), self.stamp())
                thread = self.appended(thread, position)
            if position is None:
                raise InvalidError("the thread has no state to continue from; send an input")
        except ModelError as problem:
            # The thread has changed since the run was begun: other runs, a prune.
            return self._failed(thread, run, problem, events)
        run = replace(
            run,
            status="running",
            started=True,
            base_id=base.checkpoint_id if base else None,
            position=position.checkpoint_id,
        )
        return Advance(self._keep_run(thread, run), events)

    def _step(self, thread: Thread, run: Run) -> Advance:
        try:
            here = self.checkpoint(thread, run.position)
        except NotFoundError as problem:  # pruned meanwhile
            return self._failed(thread, run, problem)
        if not here.tasks:
            return self._finished(thread, run, "success", here)
        # A run that continues has been stopped here before; do not stop it again.
        continued = run.position == run.base_id
        if not continued and _stops(run, "interrupt_before", here.next):
            return self._finished(thread, run, "interrupted", here)
        graph = self.graphs[run.graph_id]
        updates = []
        for position, task in enumerate(here.tasks):
            try:
                given = here.values if task.reads_state else task.input
                updates.append(Update(task.name, graph.nodes[task.name].run(given)))
            except Exception as problem:  # whatever a node raises is the end of its run
                failed = replace(task, error=f"{type(problem).__name__}: {problem}")
                tasks = (*here.tasks[:position], failed, *here.tasks[position + 1 :])
                thread = self.with_replaced(thread, replace(here, tasks=tasks))
                return self._failed(thread, run, problem)
        try:
            made = superstep(graph, here, updates, _of_run(run), self.stamp(), "loop")
        except ModelError as problem:  # a node gave what its channels do not take
            return self._failed(thread, run, problem)
        thread = self.appended(self.with_replaced(thread, with_results(here, updates)), made)
        run = replace(run, position=made.checkpoint_id)
        events = self.step_events(run, updates, made)
        if _stops(run, "interrupt_after", here.next) and made.tasks:
            return self._finished(thread, run, "interrupted", made, events)
        if not made.tasks:
            return self._finished(thread, run, "success", made, events)
        return Advance(self._keep_run(thread, run), events)

    def step_events(
        self, run: Run, updates: Sequence[Update], made: Checkpoint
    ) -> tuple[RunEvent, ...]:
        """What a stream says after a superstep, in the modes that were asked for."""
        modes = run.kwargs.get("stream_mode", ["values"])
        events = []
        if "values" in modes:
            events.append(RunEvent("values", made.values))
        if "updates" in modes:
            events += [
                RunEvent("updates", {update.as_node: update.values})
                for update in updates
                if update.as_node != START
            ]
        return tuple(events)

    def _finished(
        self,
        thread: Thread,
        run: Run,
        status: str,
        at: Checkpoint,
        events: tuple[RunEvent, ...] = (),
    ) -> Advance:
        ended = replace(run, status=status, output=at.values)
        return Advance(self._keep_run(thread, ended), events)

    def _failed(
        self, thread: Thread, run: Run, problem: Exception, events: tuple[RunEvent, ...] = ()
    ) -> Advance:
        error = {"error": type(problem).__name__, "message": str(problem)}
        ended = replace(run, status="error", output={"__error__": error})
        kept = self._keep_run(thread, ended)
        return Advance(kept, (*events, RunEvent("error", error)))

    def _keep_run(self, thread: Thread, run: Run) -> Run:
        run = replace(run, updated_at=self.now())
        runs = tuple(run if known.run_id == run.run_id else known for known in thread.runs)
        self.keep(self.touched(replace(thread, runs=runs)))
        return run

    # Looking at runs, ending them

    def run_of(self, thread_id: str, run_id: str) -> Run:
        """The run of that id on that thread, or NotFoundError."""
        thread = self.thread(thread_id)
        own = canonical_id(run_id, "a run id")
        for run in thread.runs:
            if run.run_id == own:
                return run
        raise NotFoundError(f"thread {thread.thread_id} has no run {own}")

    def get_run(self, thread_id: str, run_id: str) -> JsonObject:
        """The run as the API shows it."""
        return self.run_view(self.thread(thread_id), self.run_of(thread_id, run_id))

    def list_runs(
        self, thread_id: str, *, limit: int = 10, offset: int = 0, status: str | None = None
    ) -> list[JsonObject]:
        """Runs of the thread, newest first, of that status if one is given."""
        thread = self.thread(thread_id)
        found = [run for run in thread.runs[::-1] if status is None or run.status == status]
        return [self.run_view(thread, run) for run in found[offset : offset + limit]]

    def cancel_run(self, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        """End an active run; `rollback` also takes back what it did. Else ConflictError."""
        run = self.run_of(thread_id, run_id)
        if not run.active:
            raise ConflictError(f"run {run.run_id} has ended already ({run.status})")
        self.keep(self.touched(self._ended(self.thread(thread_id), run, action)))

    def delete_run(self, thread_id: str, run_id: str) -> None:
        """Forget a run; one that is active is ended first. Its checkpoints stay."""
        run = self.run_of(thread_id, run_id)
        thread = self.thread(thread_id)
        runs = tuple(known for known in thread.runs if known.run_id != run.run_id)
        self.keep(self.touched(replace(thread, runs=runs)))

    def _ended(self, thread: Thread, run: Run, action: str) -> Thread:
        if action == "rollback":
            return replace(
                thread,
                runs=tuple(known for known in thread.runs if known.run_id != run.run_id),
                checkpoints=tuple(
                    checkpoint
                    for checkpoint in thread.checkpoints
                    if checkpoint.metadata.get("run_id") != run.run_id
                ),
            )
        ended = replace(run, status="interrupted", output=thread.values, updated_at=self.now())
        runs = tuple(ended if known.run_id == run.run_id else known for known in thread.runs)
        return replace(thread, runs=runs)


def _input_object(given: Any) -> JsonObject:
    if not isinstance(given, dict):
        raise InvalidError("an input must be an object of channels, {} at the least")
    return given


def _of_run(run: Run) -> JsonObject:
    return {**run.metadata, "run_id": run.run_id}


def _stops(run: Run, option: str, names: Sequence[str]) -> bool:
    stops = run.kwargs.get(option) or []
    # The entry node is not for the user to see, so "*" does not mean it.
    return any(name in stops or (stops == "*" and name != START) for name in names)
