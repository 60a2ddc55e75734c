"""Execution of runs step by step: start, supersteps, end.

The model does not wait: the owner of the store calls `advance` until no run of the thread is
active. Runs of one thread execute one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.model.assistants import Assistants
from conformance.model.entities import Checkpoint, Run, Thread
from conformance.model.errors import InvalidError, ModelError, NotFoundError
from conformance.model.graphs import INPUT, START, Graph
from conformance.model.ids_and_times import JsonObject
from conformance.model.records import Records
from conformance.model.streams import INTERRUPT, RunEvent, StreamEvents
from conformance.model.superstep_execution import ResumeValue, Steps, seconds_of
from conformance.model.supersteps import Update, apply_command, superstep
from conformance.model.views import interrupts_view


@dataclass(frozen=True)
class Advance:
    """The result of one step: the run after it, and the events for its stream."""

    run: Run
    events: tuple[RunEvent, ...] = ()


class Executor:
    """Execution of runs."""

    def __init__(
        self, records: Records, assistants: Assistants, steps: Steps, events: StreamEvents
    ) -> None:
        self.records, self.assistants = records, assistants
        self.steps, self.events = steps, events

    def advance(self, thread_id: str) -> Advance | None:
        """Execute the next step of the thread's first active run; return None if there is none."""
        run = self.next_run(thread_id)
        if run is None:
            return None
        thread = self.records.thread(thread_id)
        if not run.started:
            return self.start(thread, run)
        return self._step(thread, run)

    def next_run(self, thread_id: str) -> Run | None:
        """Return the thread's first active run, or None."""
        return next((run for run in self.records.thread(thread_id).runs if run.active), None)

    def seconds_before(self, thread_id: str) -> float:
        """Return the seconds to wait before `advance`: the duration of the thread's next step."""
        run = self.next_run(thread_id)
        if run is None:
            return 0.0
        if not run.started:
            seconds: float = run.kwargs.get("after_seconds", 0)
            return seconds
        try:
            here = self.records.checkpoint(self.records.thread(thread_id), run.position)
        except NotFoundError:  # pruned meanwhile
            return 0.0
        return seconds_of(self.assistants.graphs[run.graph_id], here)

    def start(self, thread: Thread, run: Run) -> Advance:
        """Give a pending run the checkpoint from which it takes its first superstep."""
        events: tuple[RunEvent, ...] = (RunEvent("metadata", {"run_id": run.run_id, "attempt": 1}),)
        graph = self.assistants.graphs[run.graph_id]
        try:
            base = self.records.checkpoint(thread, run.base_id) if run.base_id else thread.latest
            position = self.first_position(graph, base, run)
        except ModelError as problem:
            # The thread has changed since the run was created: other runs, a prune.
            return self._failed(thread, run, problem, events)
        if base is not None and position.checkpoint_id == base.checkpoint_id:
            thread = self.records.with_replaced(thread, position)
        else:
            thread = self.records.with_checkpoint(thread, position)
        run = replace(
            run,
            status="running",
            started=True,
            base_id=base.checkpoint_id if base else None,
            undo=base,
            position=position.checkpoint_id,
        )
        events += self.events.start_events(thread, run, position)
        return Advance(self._keep_run(thread, run), events)

    def first_position(self, graph: Graph, base: Checkpoint | None, run: Run) -> Checkpoint:
        """Return the checkpoint from which a run takes its first superstep.

        With an input a new one is made; else it is `base`, with the run's command applied to it.
        InvalidError if there is neither an input nor a state.
        """
        given = run.kwargs.get("input")
        if given is not None:
            return superstep(
                graph, base, [Update(INPUT, given)], _of_run(run), self.records.stamp()
            )
        if base is None:
            raise InvalidError("the thread has no state to continue from; send an input")
        return apply_command(graph, base, run.kwargs.get("command") or {}, self.records.new_id)

    def _step(self, thread: Thread, run: Run) -> Advance:
        try:
            here = self.records.checkpoint(thread, run.position)
        except NotFoundError as problem:  # pruned meanwhile
            return self._failed(thread, run, problem)
        if not here.tasks:
            return self._finished(thread, run, "success", here.values)
        # A run that continues was stopped here before; do not stop it again.
        continued = run.position == run.base_id
        if not continued and _stops(run, "interrupt_before", here.next):
            return self._finished(thread, run, "interrupted", here.values)
        graph = self.assistants.graphs[run.graph_id]
        resume = self.resume_value_of(run, here) if continued else None
        step = self.steps.execute_superstep(graph, here, resume, _of_run(run))
        thread = self.records.with_replaced(thread, step.here)
        events = self.events.step_events(thread, run, step)
        if step.problem is not None:
            return self._failed(thread, run, step.problem, events)
        if step.made is None:
            output = {**here.values, INTERRUPT: interrupts_view(step.interrupts)}
            return self._finished(thread, run, "interrupted", output, events)
        made = step.made
        thread = self.records.with_checkpoint(thread, made)
        run = replace(run, position=made.checkpoint_id)
        if _stops(run, "interrupt_after", here.next) and made.tasks:
            return self._finished(thread, run, "interrupted", made.values, events)
        if not made.tasks:
            return self._finished(thread, run, "success", made.values, events)
        return Advance(self._keep_run(thread, run), events)

    def resume_value_of(self, run: Run, here: Checkpoint) -> ResumeValue | None:
        """Return the run's resume value, for all interrupts at `here` or by their ids.

        None if the run's command has no `resume`.
        """
        resume = (run.kwargs.get("command") or {}).get("resume")
        if resume is None:
            return None
        asked = {each.interrupt_id for task in here.tasks for each in task.interrupts}
        by_id = isinstance(resume, dict) and bool(resume) and resume.keys() <= asked
        return ResumeValue(None, dict(resume)) if by_id else ResumeValue(resume)

    def _finished(
        self,
        thread: Thread,
        run: Run,
        status: str,
        output: JsonObject,
        events: tuple[RunEvent, ...] = (),
    ) -> Advance:
        ended = replace(run, status=status, output=output)
        return Advance(self._keep_run(thread, ended), events)

    def _failed(
        self, thread: Thread, run: Run, problem: Exception, events: tuple[RunEvent, ...] = ()
    ) -> Advance:
        error = {"error": type(problem).__name__, "message": str(problem)}
        ended = replace(run, status="error", output={"__error__": error})
        kept = self._keep_run(thread, ended)
        return Advance(kept, (*events, RunEvent("error", error)))

    def _keep_run(self, thread: Thread, run: Run) -> Run:
        run = replace(run, updated_at=self.records.now())
        runs = tuple(run if known.run_id == run.run_id else known for known in thread.runs)
        self.keep_after_run(replace(thread, runs=runs))
        return run

    def keep_after_run(self, thread: Thread) -> None:
        """Store a thread whose runs have changed; drop a temporary thread once no run is active."""
        if thread.temporary and not any(run.active for run in thread.runs):
            self.records.forget(thread.thread_id)
        else:
            self.records.keep(self.records.with_fresh_status_and_times(thread))


def _of_run(run: Run) -> dict[str, Any]:
    return {**run.metadata, "run_id": run.run_id}


def _stops(run: Run, option: str, names: Sequence[str]) -> bool:
    stops = run.kwargs.get(option) or []
    # "*" does not include the entry node, which users do not see.
    return any(name in stops or (stops == "*" and name != START) for name in names)
