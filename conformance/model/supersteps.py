"""Supersteps: their updates, and the checkpoint that these make after another one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.model.entities import Checkpoint, Task
from conformance.model.errors import InvalidError
from conformance.model.graphs import COPY, END, INPUT, START, Graph
from conformance.model.ids_and_times import JsonObject


@dataclass(frozen=True)
class Update:
    """Values written as if `as_node` had just run; `goto` are further nodes to run."""

    as_node: str
    values: Any
    goto: tuple[Task, ...] = ()


@dataclass(frozen=True)
class Stamp:
    """The unique parts of a new checkpoint: its id, its time, a source of message ids."""

    checkpoint_id: str
    created_at: str
    new_id: Callable[[], str]


def parse_update(graph: Graph, raw: JsonObject) -> Update:
    """Parse one update, `{"as_node", "values" | "command"}`; InvalidError if it is malformed."""
    as_node = raw["as_node"]
    command = raw.get("command")
    ends = as_node == END and raw.get("values") is None and command is None
    if not (ends or as_node in (INPUT, COPY)):
        graph.require_node(as_node)
    if command is None:
        return Update(as_node, raw.get("values"))
    if command.get("resume") is not None:
        raise InvalidError("an update cannot resume; start a run with that command instead")
    return Update(as_node, command.get("update"), goto_tasks(graph, command))


def apply_command(
    graph: Graph, base: Checkpoint, command: JsonObject, new_id: Callable[[], str]
) -> Checkpoint:
    """Return `base` with a run's command applied: its update, and the nodes of its goto.

    As in LangGraph no new checkpoint is made, so that the same command can also answer the
    interrupts there. InvalidError if the command cannot be applied.
    """
    values = graph.applied(base.values, command.get("update"), new_id)
    # Existing tasks keep their positions, and with them their ids.
    tasks = with_task_ids(base.checkpoint_id, (*base.tasks, *goto_tasks(graph, command)))
    return replace(base, values=values, tasks=tasks)


def goto_tasks(graph: Graph, command: JsonObject) -> tuple[Task, ...]:
    """Return the tasks for the nodes in a command's goto; InvalidError if a node is unknown."""
    goto = command.get("goto") or []
    tasks = []
    for target in goto if isinstance(goto, list) else [goto]:
        if isinstance(target, dict):
            name = graph.require_node(target["node"])
            tasks.append(Task("", name, reads_state=False, input=target["input"]))
        elif target != END:
            tasks.append(Task("", graph.require_node(target)))
    return tuple(tasks)


def superstep(
    graph: Graph,
    base: Checkpoint | None,
    updates: Sequence[Update],
    metadata: JsonObject,
    stamp: Stamp,
    source: str = "update",
) -> Checkpoint:
    """Return the checkpoint that `updates`, taken together, make after `base`.

    An update as `__input__` must be the only one: it becomes the input of the entry node, which
    runs next. InvalidError if the updates cannot be applied.
    """
    if not updates:
        raise InvalidError("a superstep must have at least one update")
    values = base.values if base else graph.initial()
    if any(update.as_node == INPUT for update in updates):
        return _input_step(graph, base, updates, metadata, stamp)
    if any(update.as_node in (END, COPY) for update in updates):
        return _step_without_writes(graph, base, updates, metadata, stamp)
    pending: list[Task] = []
    for update in updates:
        values = graph.applied(values, update.values, stamp.new_id)
        pending += [Task("", name) for name in graph.after(update.as_node)]
        pending += update.goto
    return Checkpoint(
        checkpoint_id=stamp.checkpoint_id,
        parent_id=base.checkpoint_id if base else None,
        values=values,
        tasks=with_task_ids(stamp.checkpoint_id, pending),
        metadata={
            **metadata,
            "source": source,
            "step": base.step + 1 if base else 0,
            "writes": _writes(updates),
            "parents": {},
        },
        created_at=stamp.created_at,
        wrote=tuple(update.as_node for update in updates),
    )


def _input_step(
    graph: Graph,
    base: Checkpoint | None,
    updates: Sequence[Update],
    metadata: JsonObject,
    stamp: Stamp,
) -> Checkpoint:
    if len(updates) > 1:
        raise InvalidError(f"an update as {INPUT} must be alone in its superstep")
    given = updates[0].values
    if not isinstance(given, dict):
        raise InvalidError("an input must be an object of channels, {} at the least")
    values = base.values if base else graph.initial()
    graph.applied(values, given, stamp.new_id)  # raises for an input that the channels refuse
    entry = Task("", START, reads_state=False, input=given)
    return Checkpoint(
        checkpoint_id=stamp.checkpoint_id,
        parent_id=base.checkpoint_id if base else None,
        values=values,
        tasks=with_task_ids(stamp.checkpoint_id, [entry]),
        metadata={
            **metadata,
            "source": "input",
            "step": base.step + 1 if base else -1,
            "writes": _writes(updates),
            "parents": {},
        },
        created_at=stamp.created_at,
        wrote=(),
    )


def _step_without_writes(
    graph: Graph,
    base: Checkpoint | None,
    updates: Sequence[Update],
    metadata: JsonObject,
    stamp: Stamp,
) -> Checkpoint:
    """Return the checkpoint of an update as `__end__` or `__copy__`, which writes nothing.

    As in LangGraph, which no source forbids: `__end__` leaves nothing to run, and `__copy__`
    makes a second checkpoint like `base`, with the same parent.
    """
    (update, *others) = updates
    if others:
        raise InvalidError(f"an update as {update.as_node} must be alone in its superstep")
    copies = update.as_node == COPY
    if copies and base is None:
        raise InvalidError("there is no checkpoint to copy")
    parent = (base.parent_id if copies else base.checkpoint_id) if base else None
    return Checkpoint(
        checkpoint_id=stamp.checkpoint_id,
        parent_id=parent,
        values=base.values if base else graph.initial(),
        tasks=with_task_ids(stamp.checkpoint_id, base.tasks) if copies and base else (),
        metadata={
            **metadata,
            "source": "fork" if copies else "update",
            "step": base.step + 1 if base else 0,
            "writes": {},
            "parents": {},
        },
        created_at=stamp.created_at,
        wrote=base.wrote if base else (),
    )


def with_task_ids(checkpoint_id: str, tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks of a checkpoint with their ids; a node that reads the state runs once."""
    distinct: list[Task] = []
    for task in tasks:
        if task.reads_state and any(t.reads_state and t.name == task.name for t in distinct):
            continue
        distinct.append(task)
    owner = uuid.UUID(checkpoint_id)
    return tuple(
        replace(task, task_id=str(uuid.uuid5(owner, f"{position}:{task.name}")))
        for position, task in enumerate(distinct)
    )


def with_results(checkpoint: Checkpoint, updates: Sequence[Update]) -> Checkpoint:
    """Return `checkpoint` with its tasks done by `updates`; an earlier result is kept."""
    tasks = list(checkpoint.tasks)
    for update in updates:
        for position, task in enumerate(tasks):
            if task.name == update.as_node and not task.done:
                tasks[position] = replace(task, done=True, result=update.values)
                break
    return replace(checkpoint, tasks=tuple(tasks))


def _writes(updates: Sequence[Update]) -> JsonObject:
    writes: JsonObject = {}
    for update in updates:
        if update.as_node in writes:
            earlier = writes[update.as_node]
            earlier = earlier if isinstance(earlier, list) else [earlier]
            writes[update.as_node] = [*earlier, update.values]
        else:
            writes[update.as_node] = update.values
    return writes
