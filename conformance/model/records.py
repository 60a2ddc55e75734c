"""The threads and crons of a deployment, its clock and its ids."""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from conformance.model.block_sequence import BlockSequence
from conformance.model.entities import Checkpoint, Cron, Thread
from conformance.model.errors import InvalidError, NotFoundError
from conformance.model.ids_and_times import (
    Clock,
    Ids,
    JsonObject,
    canonical_id,
    time_ordered_id,
    timestamp,
)
from conformance.model.supersteps import Stamp

_MICROSECOND = timedelta(microseconds=1)


class Records:
    """Threads and crons by id. Each operation replaces whole values, so that it is atomic.

    All times come from `clock` and all ids from `ids`; the records only make sure that no time
    occurs twice.
    """

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._last = datetime.min.replace(tzinfo=UTC)
        self.threads_by_id: dict[str, Thread] = {}
        self.crons_by_id: dict[str, Cron] = {}
        self.started_at = self.now()

    # Times and ids

    def next_time(self) -> datetime:
        """Return the current time, later than every time returned before."""
        self._last = max(self._clock().astimezone(UTC), self._last + _MICROSECOND)
        return self._last

    def now(self) -> str:
        """Return the current time as `next_time` does, in RFC 3339."""
        return timestamp(self.next_time())

    def new_id(self) -> str:
        """Return a fresh UUID, for a thread, a run or a message."""
        return str(self._ids())

    def stamp(self) -> Stamp:
        """Return the id, the time and the source of message ids for a new checkpoint."""
        moment = self.next_time()
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
        position = position_of(own, thread.checkpoints)
        if position is None:
            raise NotFoundError(f"thread {thread.thread_id} has no checkpoint {own}")
        return thread.checkpoints[position]

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

    def with_history_of(self, thread: Thread, namespace: str) -> Thread:
        """Return `thread` with the history of the subgraph `namespace`, a `checkpoint_ns`.

        For `""` return `thread` itself; NotFoundError if there is no such subgraph.
        """
        if not namespace:
            return thread
        for checkpoint in reversed(thread.checkpoints):
            for task in checkpoint.tasks:
                if task.inner and task.namespace == namespace:
                    return replace(thread, checkpoints=task.inner)
        raise NotFoundError(f"thread {thread.thread_id} has no subgraph under {namespace!r}")

    def cron(self, cron_id: str) -> Cron:
        """Return the cron of that id; NotFoundError if it is unknown."""
        found = self.crons_by_id.get(canonical_id(cron_id, "a cron id"))
        if found is None:
            raise NotFoundError(f"there is no cron {cron_id}")
        return found

    # Storing

    def keep(self, thread: Thread) -> Thread:
        """Store a thread under its id."""
        self.threads_by_id[thread.thread_id] = thread
        return thread

    def forget(self, thread_id: str) -> None:
        """Delete the thread of that id, and the crons on it."""
        del self.threads_by_id[thread_id]
        ended = [cron for cron in self.crons_by_id.values() if cron.thread_id == thread_id]
        for cron in ended:
            self.forget_cron(cron.cron_id)

    def forget_cron(self, cron_id: str) -> None:
        """Delete the cron of that id."""
        del self.crons_by_id[cron_id]

    def with_checkpoint(self, thread: Thread, made: Checkpoint) -> Thread:
        """Return `thread` with one more checkpoint, its status and times updated."""
        return self.with_fresh_status_and_times(
            replace(thread, checkpoints=BlockSequence.of(thread.checkpoints).with_added(made)),
            state_changed=True,
        )

    def with_replaced(self, thread: Thread, checkpoint: Checkpoint) -> Thread:
        """Return `thread` with the checkpoint of the same id, if it has one, replaced."""
        position = position_of(checkpoint.checkpoint_id, thread.checkpoints)
        if position is None:
            return thread
        known = BlockSequence.of(thread.checkpoints)
        return replace(thread, checkpoints=known.with_replaced(position, checkpoint))

    def with_fresh_status_and_times(self, thread: Thread, *, state_changed: bool = False) -> Thread:
        """Return `thread` with its status and `updated_at` brought up to date."""
        now = self.now()
        return replace(
            thread,
            status=self.status_of(thread),
            updated_at=now,
            state_updated_at=now if state_changed else thread.state_updated_at,
        )

    def status_of(self, thread: Thread) -> str:
        """Return busy while a run is active, else the status that the latest state gives."""
        if any(run.active for run in thread.runs):
            return "busy"
        latest = thread.latest
        if latest is None:
            return "idle"
        if any(task.error is not None for task in latest.tasks):
            return "error"
        return "interrupted" if latest.tasks else "idle"

    def keep_cron(self, cron: Cron) -> Cron:
        """Store a cron under its id."""
        self.crons_by_id[cron.cron_id] = cron
        return cron


def position_of(checkpoint_id: str, checkpoints: Sequence[Checkpoint]) -> int | None:
    """Return the position of the checkpoint of that id; None if there is none."""
    # The ids of a store are in the order of time, unless a freedom or fault has made others.
    found = bisect_left(checkpoints, checkpoint_id, key=lambda each: each.checkpoint_id)
    if found < len(checkpoints) and checkpoints[found].checkpoint_id == checkpoint_id:
        return found
    every = enumerate(checkpoints)
    return next((place for place, each in every if each.checkpoint_id == checkpoint_id), None)
