"""The values that a store holds: threads, checkpoints, tasks, runs, crons. All are frozen.

No checkpoint holds the id of its thread; it is added where a state is shown. So a copy can
never show the id of its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from conformance.model.ids_and_times import JsonObject, timestamp


@dataclass(frozen=True)
class Interrupt:
    """An interrupt of a node; `value`, a JSON object, is what the node interrupts with."""

    interrupt_id: str
    value: JsonObject


@dataclass(frozen=True)
class Task:
    """A node that is to run next: on the state or, if `reads_state` is false, on `input`.

    `result` is the node's update, once the task is `done`; `error` is the exception that the node
    raised, `interrupts` are its interrupts. `inner` is the history of the node's subgraph.
    """

    task_id: str
    name: str
    reads_state: bool = True
    input: Any = None
    done: bool = False
    result: Any = None
    error: str | None = None
    interrupts: tuple[Interrupt, ...] = ()
    inner: tuple[Checkpoint, ...] = ()

    @property
    def is_interrupted(self) -> bool:
        """Whether the task has open interrupts."""
        return bool(self.interrupts) and not self.done

    @property
    def namespace(self) -> str:
        """The `checkpoint_ns` of the history of the task's subgraph."""
        return f"{self.name}:{self.task_id}"


@dataclass(frozen=True)
class Checkpoint:
    """One state in the history of a thread; `wrote` names the nodes whose updates made it."""

    checkpoint_id: str
    parent_id: str | None
    values: JsonObject
    tasks: tuple[Task, ...]
    metadata: JsonObject
    created_at: str
    wrote: tuple[str, ...]

    @property
    def next(self) -> tuple[str, ...]:
        """Names of the nodes that run next."""
        return tuple(task.name for task in self.tasks)

    @property
    def step(self) -> int:
        """The number of the superstep that made the checkpoint; the first input is -1."""
        step: int = self.metadata["step"]
        return step


@dataclass(frozen=True)
class Ttl:
    """Time to live: `minutes` from the time it was set; `strategy` is delete or keep_latest."""

    strategy: str
    minutes: float
    expires_at: str


@dataclass(frozen=True)
class Run:
    """One run of a graph on a thread. `output` holds the values at its end.

    `base_id` names the checkpoint that the run starts from, `position` the one that its next
    superstep starts from. `undo` is the checkpoint `base_id` as it was before the run.
    `cancel_reason` says why the run was cancelled, if it was.
    """

    run_id: str
    graph_id: str
    assistant_id: str
    status: str
    metadata: JsonObject
    kwargs: JsonObject
    multitask_strategy: str
    created_at: str
    updated_at: str
    base_id: str | None = None
    position: str | None = None
    undo: Checkpoint | None = None
    started: bool = False
    output: Any = None
    cancel_reason: str | None = None

    @property
    def active(self) -> bool:
        """Whether the run is pending or running."""
        return self.status in ("pending", "running")


@dataclass(frozen=True)
class Thread:
    """A thread with everything that belongs to it; checkpoints in the order they were made.

    A `temporary` thread is deleted when its stateless run ends.
    """

    thread_id: str
    created_at: str
    updated_at: str
    state_updated_at: str
    metadata: JsonObject
    status: str = "idle"
    config: JsonObject = field(default_factory=dict)
    checkpoints: Sequence[Checkpoint] = ()
    ttl: Ttl | None = None
    runs: tuple[Run, ...] = ()
    temporary: bool = False

    @property
    def latest(self) -> Checkpoint | None:
        """The current state: the checkpoint made last, forks included."""
        return self.checkpoints[-1] if self.checkpoints else None

    @property
    def values(self) -> JsonObject:
        """The values of the current state; `{}` on an empty thread."""
        return self.latest.values if self.latest else {}


@dataclass(frozen=True)
class Cron:
    """A schedule and the request of its runs; without `thread_id` each run gets a new thread.

    `due` is the time of the next run: None where the cron is disabled, or past its end.
    """

    cron_id: str
    assistant_id: str
    thread_id: str | None
    schedule: str
    payload: JsonObject
    metadata: JsonObject
    created_at: str
    updated_at: str
    timezone: str | None = None
    end_time: str | None = None
    enabled: bool = True
    on_run_completed: str | None = None
    due: datetime | None = None

    @property
    def next_run_date(self) -> str | None:
        """`due` in RFC 3339; None if the cron is never due."""
        return None if self.due is None else timestamp(self.due)
