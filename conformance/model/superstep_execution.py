"""Execution of one superstep: its tasks done, interrupted or failed; the checkpoint it makes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

from conformance.model.entities import Checkpoint, Interrupt, Task
from conformance.model.errors import ModelError
from conformance.model.graphs import INPUT, START, Graph
from conformance.model.ids_and_times import JsonObject
from conformance.model.records import Records
from conformance.model.supersteps import Update, superstep


@dataclass(frozen=True)
class ResumeValue:
    """The resume value of a run: one value for all interrupts, or values by interrupt id."""

    value: Any
    by_interrupt: JsonObject | None = None

    def to(self, task: Task) -> ResumeValue | None:
        """Return the part for a task, its subgraph included; None if there is none."""
        if self.by_interrupt is None:
            return self
        named = [self.by_interrupt[each] for each in _ids(task) if each in self.by_interrupt]
        return ResumeValue(named[0]) if named else None


@dataclass(frozen=True)
class Step:
    """A superstep executed from the checkpoint `base`.

    `tasks` are its tasks afterwards, `made` the resulting checkpoint: None if a task is
    interrupted, or if one raised `problem`.
    """

    base: Checkpoint
    tasks: tuple[Task, ...]
    made: Checkpoint | None = None
    problem: Exception | None = None

    @property
    def here(self) -> Checkpoint:
        """The checkpoint `base` with the results of its tasks; an earlier result is kept."""
        pairs = zip(self.base.tasks, self.tasks, strict=True)
        return replace(self.base, tasks=tuple(old if old.done else new for old, new in pairs))

    @property
    def interrupts(self) -> tuple[Interrupt, ...]:
        """The open interrupts of its tasks."""
        return tuple(each for task in self.tasks if task.is_interrupted for each in task.interrupts)


class Steps:
    """Execution of supersteps."""

    def __init__(self, records: Records) -> None:
        self.records = records

    def execute_superstep(
        self, graph: Graph, here: Checkpoint, resume: ResumeValue | None, metadata: JsonObject
    ) -> Step:
        """Execute one superstep from `here`; interrupted tasks resume with `resume`."""
        tasks = list(here.tasks)
        waits = any(task.is_interrupted for task in here.tasks)
        for position, task in enumerate(here.tasks):
            if waits and task.done:
                continue  # done by an earlier run of this superstep
            try:
                given = resume.to(task) if resume else None
                tasks[position] = self.run_task(graph, here, task, given, metadata)
            except Exception as problem:  # any exception of a node ends its run
                tasks[position] = replace(task, error=repr(problem))
                return Step(here, tuple(tasks), problem=problem)
        if any(task.is_interrupted for task in tasks):
            return Step(here, tuple(tasks))
        updates = [Update(task.name, task.result) for task in tasks]
        try:
            made = superstep(graph, here, updates, metadata, self.records.stamp(), "loop")
        except ModelError as problem:  # an update that its channels refuse
            return Step(here, here.tasks, problem=problem)
        return Step(here, tuple(tasks), made)

    def run_task(
        self,
        graph: Graph,
        here: Checkpoint,
        task: Task,
        resume: ResumeValue | None,
        metadata: JsonObject,
    ) -> Task:
        """Return the task after its node has run, or has interrupted."""
        node = graph.nodes[task.name]
        given = here.values if task.reads_state else task.input
        # A run from an older checkpoint executes the task again: its earlier result does not count.
        task = replace(task, done=False, result=None, error=None)
        if node.subgraph is not None:
            return self.run_subgraph(node.subgraph, here, task, given, resume, metadata)
        if task.name == START:
            return self.with_result(task, node.run(given))  # the input is shown as it was sent
        if node.interrupt_value is None:
            return self.with_result(task, graph.prepared(node.run(given), self.records.new_id))
        if resume is None:
            return replace(task, interrupts=(self.interrupt(task, node.interrupt_value),))
        return self.with_result(
            task, graph.prepared(node.run(given, resume.value), self.records.new_id)
        )

    def with_result(self, task: Task, result: Any) -> Task:
        """Return the task with the update of its node."""
        return replace(task, done=True, result=result)

    def interrupt(self, task: Task, value: JsonObject) -> Interrupt:
        """Return an interrupt of that task; its id is the same each time."""
        return Interrupt(uuid.uuid5(uuid.UUID(task.task_id), "interrupt").hex, value)

    def run_subgraph(
        self,
        graph: Graph,
        here: Checkpoint,
        task: Task,
        given: Any,
        resume: ResumeValue | None,
        metadata: JsonObject,
    ) -> Task:
        """Return the task after its subgraph has run to its end, or to an interrupt.

        The subgraph continues from its last interrupt; its history is the task's `inner`.
        """
        metadata = {**metadata, "checkpoint_ns": task.namespace}
        inner = list(task.inner)
        if not task.interrupts or not inner[-1].tasks:
            begun = superstep(graph, None, [Update(INPUT, given)], metadata, self.records.stamp())
            inner = [_inside(begun, here)]
        while inner[-1].tasks:
            step = self.execute_superstep(graph, inner[-1], resume, metadata)
            if step.problem is not None:
                raise step.problem
            inner[-1] = step.here
            if step.made is None:
                return replace(task, inner=tuple(inner), interrupts=step.interrupts)
            inner.append(_inside(step.made, here))
        return self.with_result(replace(task, inner=tuple(inner)), inner[-1].values)


def _ids(task: Task) -> list[str]:
    return [each.interrupt_id for each in task.interrupts]


def _inside(checkpoint: Checkpoint, parent: Checkpoint) -> Checkpoint:
    parents = {"": parent.checkpoint_id}
    return replace(checkpoint, metadata={**checkpoint.metadata, "parents": parents})


def seconds_of(graph: Graph, here: Checkpoint) -> float:
    """Return the seconds that the superstep from `here` takes; 0 where they cannot be computed."""
    longest = 0.0
    for task in here.tasks:
        seconds = graph.nodes[task.name].seconds
        if seconds is not None:
            try:
                longest = max(longest, seconds(here.values if task.reads_state else task.input))
            except (TypeError, ValueError, OverflowError):
                continue  # the node itself will raise for such values
    return longest
