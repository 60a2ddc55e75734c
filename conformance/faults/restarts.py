"""Faults of what a deployment keeps when it is stopped or killed and started again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Cron, Task, Thread
from conformance.model.executor import Executor
from conformance.model.persistence import StoreRestart
from conformance.model.search import Searches
from conformance.model.states import States
from conformance.model.store import ThreadStore
from conformance.model.threads import Threads

_Change = Callable[[Thread], Thread]


def _threads(change: Callable[[list[Thread]], list[Thread]]) -> Apply:
    """Return a fault that changes which threads survive a restart."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(StoreRestart.threads)
        def threads(right: Any) -> list[Thread]:
            return change(right())

    return apply


def _each(change: _Change) -> Apply:
    """Return a fault that changes each thread at a restart."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(StoreRestart.thread)
        def thread(right: Any, kept: Thread) -> Thread:
            return change(right(kept))

    return apply


def _states(change: Callable[[Sequence[Checkpoint]], Sequence[Checkpoint]]) -> Apply:
    return _each(lambda thread: replace(thread, checkpoints=change(thread.checkpoints)))


def _each_state(change: Callable[[Checkpoint], Checkpoint]) -> Apply:
    return _states(lambda states: tuple(map(change, states)))


# Threads

fault(
    "everything-is-lost-at-a-restart",
    breaks=[f"DURABLE-{number:02}" for number in range(1, 19) if number != 10],
)(_threads(lambda _: []))
fault("threads-without-a-state-are-lost-at-a-restart", breaks="DURABLE-01 DURABLE-13")(
    _threads(lambda threads: [each for each in threads if each.checkpoints])
)


def _flat(thread: Thread) -> Thread:
    metadata = {
        name: value for name, value in thread.metadata.items() if not isinstance(value, dict)
    }
    return replace(thread, metadata=metadata)


fault("objects-in-metadata-are-lost-at-a-restart", breaks="DURABLE-02")(_each(_flat))


def _text(thread: Thread) -> Thread:
    metadata = {
        name: str(value) if isinstance(value, int) else value
        for name, value in thread.metadata.items()
    }
    return replace(thread, metadata=metadata)


fault("numbers-in-metadata-are-texts-after-a-restart", breaks="DURABLE-02")(_each(_text))
fault("every-thread-is-idle-after-a-restart", breaks="DURABLE-03")(
    _each(lambda thread: replace(thread, status="idle"))
)
fault("interrupted-threads-are-in-error-after-a-restart", breaks="DURABLE-03")(
    _each(
        lambda thread: replace(thread, status="error") if thread.status == "interrupted" else thread
    )
)


@fault("threads-are-updated-by-a-restart", breaks="DURABLE-04")
def updated_by_a_restart(broken: FaultyDeployment) -> None:
    @broken.override(StoreRestart.thread)
    def thread(right: Any, kept: Thread) -> Thread:
        found: Thread = right(kept)
        return replace(found, updated_at=broken.store.records.now())


@fault("threads-are-created-by-a-restart", breaks="DURABLE-04")
def created_by_a_restart(broken: FaultyDeployment) -> None:
    @broken.override(StoreRestart.thread)
    def thread(right: Any, kept: Thread) -> Thread:
        found: Thread = right(kept)
        return replace(found, created_at=broken.store.records.started_at)


@fault("a-deleted-thread-is-back-after-a-restart", breaks="DURABLE-10")
def deleted_is_back(broken: FaultyDeployment) -> None:
    written = _RecordedThreads.on(broken.store)

    @broken.override(StoreRestart.threads)
    def threads(right: Any) -> list[Thread]:
        kept = right()
        there = {each.thread_id for each in kept}
        return [*kept, *(each for each in written.deleted if each.thread_id not in there)]


@fault("threads-are-not-found-after-a-restart", breaks="DURABLE-12 DURABLE-18")
def not_found(broken: FaultyDeployment) -> None:
    unknown = _RestartedThreads.of(broken)

    @broken.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Any) -> bool:
        return thread.thread_id not in unknown and bool(right(thread, query))


@fault("threads-are-not-counted-after-a-restart", breaks="DURABLE-18")
def not_counted(broken: FaultyDeployment) -> None:
    unknown = _RestartedThreads.of(broken)

    @broken.override(Searches.count)
    def count(right: Any, *query: Any) -> int:
        counted = int(right(*query))
        found = broken.store.searches.matching(*query)
        return counted - sum(each.thread_id in unknown for each in found)


# States

fault(
    "the-newest-state-is-lost-at-a-restart",
    breaks="DURABLE-05 DURABLE-06 DURABLE-13 DURABLE-14",
)(_states(lambda states: states[:-1] or states))
fault("the-oldest-states-are-lost-at-a-restart", breaks="DURABLE-06")(
    _states(lambda states: states[-2:])
)


def _newest_values_are_older(states: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
    if len(states) < 2:
        return states
    *older, before, newest = states
    return (*older, before, replace(newest, values=before.values))


fault(
    "the-newest-state-has-older-values-after-a-restart",
    breaks="DURABLE-05 DURABLE-06 DURABLE-14",
)(_states(_newest_values_are_older))
fault("parents-of-states-are-lost-at-a-restart", breaks="DURABLE-06 DURABLE-14")(
    _each_state(lambda state: replace(state, parent_id=None))
)
fault("times-of-states-are-lost-at-a-restart", breaks="DURABLE-06 DURABLE-14")(
    _states(
        lambda states: tuple(replace(each, created_at=states[-1].created_at) for each in states)
    )
)


@fault("checkpoint-ids-are-new-after-a-restart", breaks="DURABLE-06 DURABLE-13 DURABLE-14")
def new_checkpoint_ids(broken: FaultyDeployment) -> None:
    @broken.override(StoreRestart.thread)
    def thread(right: Any, kept: Thread) -> Thread:
        kept = right(kept)
        ids = {each.checkpoint_id: broken.store.records.new_id() for each in kept.checkpoints}
        return replace(
            kept,
            checkpoints=tuple(
                replace(
                    each,
                    checkpoint_id=ids[each.checkpoint_id],
                    parent_id=ids.get(each.parent_id or ""),
                )
                for each in kept.checkpoints
            ),
        )


def _without_copied_states(threads: list[Thread]) -> list[Thread]:
    first: dict[str, str] = {}
    for thread in threads:
        for state in thread.checkpoints:
            first.setdefault(state.checkpoint_id, thread.thread_id)
    return [
        replace(
            thread,
            checkpoints=tuple(
                each for each in thread.checkpoints if first[each.checkpoint_id] == thread.thread_id
            ),
        )
        for thread in threads
    ]


fault("states-of-a-copy-are-lost-at-a-restart", breaks="DURABLE-07 DURABLE-15")(
    _threads(_without_copied_states)
)


def _trunk(states: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
    by_id = {each.checkpoint_id: each for each in states}
    trunk: list[Checkpoint] = []
    at = states[-1] if states else None
    while at is not None:
        trunk.append(at)
        at = by_id.get(at.parent_id or "")
    return tuple(trunk[::-1])


fault("other-branches-are-lost-at-a-restart", breaks="DURABLE-15")(_states(_trunk))


def _asked_nothing(task: Task) -> Task:
    return replace(task, interrupts=())


fault("interrupts-are-lost-at-a-restart", breaks="DURABLE-15")(
    _each_state(lambda state: replace(state, tasks=tuple(map(_asked_nothing, state.tasks))))
)
fault("errors-of-tasks-are-lost-at-a-restart", breaks="DURABLE-15")(
    _each_state(
        lambda state: replace(state, tasks=tuple(replace(task, error=None) for task in state.tasks))
    )
)
fault("states-of-subgraphs-are-lost-at-a-restart", breaks="DURABLE-15")(
    _each_state(
        lambda state: replace(state, tasks=tuple(replace(task, inner=()) for task in state.tasks))
    )
)


@fault("an-update-begins-anew-after-a-restart", breaks="DURABLE-16")
def begins_anew(broken: FaultyDeployment) -> None:
    unknown = _RestartedThreads.of(broken)

    @broken.override(States.with_superstep)
    def with_superstep(right: Any, thread: Thread, base: Any, updates: Any) -> Any:
        return right(thread, None if thread.thread_id in unknown else base, updates)


# Runs and crons

fault("ended-runs-are-lost-at-a-restart", breaks="DURABLE-08")(
    _each(lambda thread: replace(thread, runs=tuple(each for each in thread.runs if each.active)))
)
fault("ended-runs-are-a-success-after-a-restart", breaks="DURABLE-08")(
    _each(
        lambda thread: replace(
            thread,
            runs=tuple(
                each if each.active else replace(each, status="success") for each in thread.runs
            ),
        )
    )
)


@fault("an-answer-is-not-heard-after-a-restart", breaks="DURABLE-09")
def not_heard(broken: FaultyDeployment) -> None:
    restarted = _RestartedThreads.of(broken)

    @broken.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Any, here: Checkpoint) -> Any:
        asked = any(
            each.position == run.position
            for thread_id in restarted
            for thread in [broken.store.records.threads_by_id.get(thread_id)]
            if thread is not None
            for each in thread.runs
        )
        return None if asked else right(run, here)


@fault("crons-are-lost-at-a-restart", breaks="DURABLE-11")
def crons_are_lost(broken: FaultyDeployment) -> None:
    @broken.override(StoreRestart.crons)
    def crons(right: Any) -> list[Cron]:
        return []


@fault("crons-have-another-schedule-after-a-restart", breaks="DURABLE-11")
def another_schedule(broken: FaultyDeployment) -> None:
    @broken.override(StoreRestart.crons)
    def crons(right: Any) -> list[Cron]:
        return [replace(each, schedule="0 0 2 2 *") for each in right()]


def _rolled_back(thread: Thread) -> Thread:
    active = {each.run_id for each in thread.runs if each.active}
    return replace(
        thread,
        runs=tuple(each for each in thread.runs if not each.active),
        checkpoints=tuple(
            each for each in thread.checkpoints if each.metadata.get("run_id") not in active
        ),
        status="idle" if active else thread.status,
    )


fault("a-run-under-way-is-undone-by-a-restart", breaks="DURABLE-14")(_each(_rolled_back))


@fault("a-run-under-way-is-not-taken-up-after-a-restart", breaks="DURABLE-17")
def not_taken_up(broken: FaultyDeployment) -> None:
    @broken.override(StoreRestart.threads_with_active_runs)
    def threads_with_active_runs(right: Any) -> list[str]:
        return []


# The last write


@fault("the-last-write-is-lost-at-a-restart", breaks="DURABLE-13")
def last_write_is_lost(broken: FaultyDeployment) -> None:
    written = _RecordedThreads.on(broken.store)

    @broken.override(StoreRestart.threads)
    def threads(right: Any) -> list[Thread]:
        kept = right()
        if written.last is None:
            return list(kept)
        thread_id, before = written.last
        there = [before if each.thread_id == thread_id else each for each in kept]
        return [each for each in there if each is not None]


@fault("the-last-update-is-lost-at-a-restart", breaks="DURABLE-13")
def last_update_is_lost(broken: FaultyDeployment) -> None:
    before: dict[str, dict[str, Any]] = {}

    @broken.override(Threads.update)
    def update(right: Any, thread_id: str, *arguments: Any, **named: Any) -> Any:
        metadata = broken.store.records.thread(thread_id).metadata
        answer = right(thread_id, *arguments, **named)
        before.clear()
        before[broken.store.records.thread(thread_id).thread_id] = metadata
        return answer

    @broken.override(StoreRestart.thread)
    def thread(right: Any, kept: Thread) -> Thread:
        kept = right(kept)
        return replace(kept, metadata=before.get(kept.thread_id, kept.metadata))


# Records that faults keep


class _RecordedThreads(dict[str, Thread]):
    """The threads of a store, with a record of the last write and of the threads deleted.

    `last` is the id of the thread written last, and that thread before the write, None if new.
    """

    @classmethod
    def on(cls, store: ThreadStore) -> _RecordedThreads:
        """Replace the dict of threads of a store by a new object of this class, and return it."""
        written = cls(store.records.threads_by_id)
        store.records.threads_by_id = written
        return written

    def __init__(self, held: dict[str, Thread]) -> None:
        super().__init__(held)
        self.last: tuple[str, Thread | None] | None = None
        self.deleted: list[Thread] = []

    def __setitem__(self, key: str, value: Thread) -> None:
        self.last = (key, self.get(key))
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.deleted.append(self[key])
        super().__delitem__(key)


class _RestartedThreads(set[str]):
    """The ids of the threads that a deployment had when it was restarted."""

    @classmethod
    def of(cls, broken: FaultyDeployment) -> _RestartedThreads:
        """Return a set that gets the ids of all threads at each restart."""
        known = cls()

        @broken.override(StoreRestart.thread)
        def thread(right: Any, kept: Thread) -> Thread:
            known.add(kept.thread_id)
            found: Thread = right(kept)
            return found

        return known
