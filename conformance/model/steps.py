"""One superstep of a graph: its tasks done, asking or failed, and the checkpoint they make."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

from conformance.model.errors import ModelError
from conformance.model.graphs import INPUT, START, Graph
from conformance.model.records import Records
from conformance.model.supersteps import Update, superstep
from conformance.model.threads import Checkpoint, Interrupt, Task
from conformance.model.values import JsonObject


@dataclass(frozen=True)
class Answer:
    """What a run was resumed with: one value for all that asks, or values by interrupt."""

    value: Any
    by_interrupt: JsonObject | None = None

    def to(self, task: Task) -> Answer | None:
        """What of it a task is given, which may have asked inside its subgraph."""
        if self.by_interrupt is None:
            return self
        named = [self.by_interrupt[each] for each in _ids(task) if each in self.by_interrupt]
        return Answer(named[0]) if named else None


@dataclass(frozen=True)
class Step:
    """A superstep that was taken from the checkpoint `stood_on`.

    `tasks` are its tasks as they are now, `made` the checkpoint that they made: none
    where one of them asks, or where `problem` is what one of them raised.
    """

    stood_on: Checkpoint
    tasks: tuple[Task, ...]
    made: Checkpoint | None = None
    problem: Exception | None = None

    @property
    def here(self) -> Checkpoint:
        """The checkpoint it stood on, with what its tasks gave; a result once there stays."""
        pairs = zip(self.stood_on.tasks, self.tasks, strict=True)
        return replace(self.stood_on, tasks=tuple(old if old.done else new for old, new in pairs))

    @property
    def interrupts(self) -> tuple[Interrupt, ...]:
        """What its tasks ask."""
        return tuple(each for task in self.tasks if task.asks for each in task.interrupts)


class StepOperations(Records):
    """How a store takes a superstep."""

    def taken(
        self, graph: Graph, here: Checkpoint, answer: Answer | None, metadata: JsonObject
    ) -> Step:
        """One superstep from `here`, whose tasks that ask are given `answer`."""
        tasks = list(here.tasks)
        for position, task in enumerate(here.tasks):
            try:
                given = answer.to(task) if answer else None
                tasks[position] = self.performed(graph, here, task, given, metadata)
            except Exception as problem:  # whatever a node raises is the end of its run
                tasks[position] = replace(task, error=repr(problem))
                return Step(here, tuple(tasks), problem=problem)
        if any(task.asks for task in tasks):
            return Step(here, tuple(tasks))
        updates = [Update(task.name, task.result) for task in tasks]
        try:
            made = superstep(graph, here, updates, metadata, self.stamp(), "loop")
        except ModelError as problem:  # a node gave what its channels do not take
            return Step(here, here.tasks, problem=problem)
        return Step(here, tuple(tasks), made)

    def performed(
        self,
        graph: Graph,
        here: Checkpoint,
        task: Task,
        answer: Answer | None,
        metadata: JsonObject,
    ) -> Task:
        """The task after its node has run, or has asked."""
        node = graph.nodes[task.name]
        given = here.values if task.reads_state else task.input
        # What was done before is done anew: this is a run from an older checkpoint.
        task = replace(task, done=False, result=None, error=None)
        if node.subgraph is not None:
            return self.performed_inside(node.subgraph, here, task, given, answer, metadata)
        if task.name == START:
            return self.finished(task, node.run(given))  # shown as the input was given
        if node.asks is None:
            return self.finished(task, graph.prepared(node.run(given), self.new_id))
        if answer is None:
            return replace(task, interrupts=(self.interrupt(task, node.asks),))
        return self.finished(task, graph.prepared(node.run(given, answer.value), self.new_id))

    def finished(self, task: Task, result: Any) -> Task:
        """The task with the update that its node gave."""
        return replace(task, done=True, result=result)

    def interrupt(self, task: Task, value: JsonObject) -> Interrupt:
        """A question of that task; asked again it has the same id."""
        return Interrupt(uuid.uuid5(uuid.UUID(task.task_id), "interrupt").hex, value)

    def performed_inside(
        self,
        graph: Graph,
        here: Checkpoint,
        task: Task,
        given: Any,
        answer: Answer | None,
        metadata: JsonObject,
    ) -> Task:
        """The task after its subgraph has run to its end, or to where it asks.

        The subgraph goes on from where it asked; its history is the task's `inner`.
        """
        metadata = {**metadata, "checkpoint_ns": task.namespace}
        inner = list(task.inner)
        if not task.interrupts or not inner[-1].tasks:
            begun = superstep(graph, None, [Update(INPUT, given)], metadata, self.stamp())
            inner = [_inside(begun, here)]
        while inner[-1].tasks:
            step = self.taken(graph, inner[-1], answer, metadata)
            if step.problem is not None:
                raise step.problem
            inner[-1] = step.here
            if step.made is None:
                return replace(task, inner=tuple(inner), interrupts=step.interrupts)
            inner.append(_inside(step.made, here))
        return self.finished(replace(task, inner=tuple(inner)), inner[-1].values)


def _ids(task: Task) -> list[str]:
    return [each.interrupt_id for each in task.interrupts]


def _inside(checkpoint: Checkpoint, parent: Checkpoint) -> Checkpoint:
    parents = {"": parent.checkpoint_id}
    return replace(checkpoint, metadata={**checkpoint.metadata, "parents": parents})


def seconds_of(graph: Graph, here: Checkpoint) -> float:
    """How long the superstep from `here` takes; 0 where that cannot be told."""
    longest = 0.0
    for task in here.tasks:
        seconds = graph.nodes[task.name].seconds
        if seconds is not None:
            try:
                longest = max(longest, seconds(here.values if task.reads_state else task.input))
            except (TypeError, ValueError, OverflowError):
                continue  # the node itself will say what is wrong with its values
    return longest
