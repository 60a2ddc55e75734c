"""A store that notes who owns each thread, run and cron, and counts the harm done to others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from conformance.deployment.ownership.proof import canonical
from conformance.model.entities import Cron, Thread
from conformance.model.ids_and_times import Clock, Ids
from conformance.model.records import Records
from conformance.model.store import ThreadStore

#: By how much a clock that only moves on never goes back.
_BACK = timedelta(seconds=1)
#: Whether the current request is sent by somebody else, and not by the suite.
_BY_OTHERS: ContextVar[bool] = ContextVar("by_others", default=False)


def by_others() -> bool:
    """Return whether the current request is sent by somebody else, and not by the suite."""
    return _BY_OTHERS.get()


@contextmanager
def as_others() -> Iterator[None]:
    """Treat all that happens in the block, and all that it starts, as done by somebody else."""
    token = _BY_OTHERS.set(True)
    try:
        yield
    finally:
        _BY_OTHERS.reset(token)


@dataclass(frozen=True)
class Hit:
    """A change that the suite made to a thread or cron of others; `what` is removed or changed."""

    what: str
    kind: str
    own_id: str


@dataclass(frozen=True)
class Harm:
    """How many threads, crons and runs of others are gone or changed, though not by others."""

    threads_removed: int
    threads_changed: int
    crons_removed: int
    crons_changed: int
    runs_removed: int

    def __bool__(self) -> bool:
        return any(vars(self).values())


class RecordingRecords(Records):
    """Records in which every id belongs to whoever used it first: the suite, or others."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        #: The changes that the suite made to what others own.
        self.hits: list[Hit] = []
        self._owners: dict[str, bool] = {}
        self._threads_of_others: dict[str, Thread] = {}
        self._crons_of_others: dict[str, Cron] = {}
        super().__init__(clock, ids)

    def next_time(self) -> datetime:
        """Return the current time, which goes back where the store makes older things."""
        moment = self._clock().astimezone(UTC)
        if self._last - moment > _BACK:
            self._last = moment
            return moment
        return super().next_time()

    # Owners

    def belongs_to_others(self, own_id: str) -> bool:
        """Return whether that is the id of a thread, run or cron of somebody else."""
        return self._owners.get(canonical(own_id), False)

    def belongs_to_suite(self, own_id: str) -> bool:
        """Return whether that is the id of a thread, run or cron that the suite had made."""
        return not self._owners.get(canonical(own_id), True)

    def _claim(self, own_id: str) -> bool:
        """Assign the id, if it is new, to whoever acts; return whether it belongs to others."""
        if own_id not in self._owners:
            self._owners[own_id] = by_others()
        return self._owners[own_id]

    def foreign_threads(self) -> list[Thread]:
        """Return the threads of others, the oldest first, as others left them."""
        return sorted(self._threads_of_others.values(), key=lambda each: each.created_at)

    def foreign_crons(self) -> list[Cron]:
        """Return the crons of others, as others left them."""
        return list(self._crons_of_others.values())

    def standing_of_suite(self) -> list[str]:
        """Return the ids of the threads and crons of the suite that exist."""
        return [each for each in (*self.threads_by_id, *self.crons_by_id) if not self._owners[each]]

    def all_ids(self) -> list[str]:
        """Return the ids of all threads."""
        return list(self.threads_by_id)

    def thread_of_run(self, run_id: str) -> str | None:
        """Return the id of the thread that has that run, or None."""
        for thread in self.threads_by_id.values():
            if any(run.run_id == run_id for run in thread.runs):
                return thread.thread_id
        return None

    # Changes

    def keep(self, thread: Thread) -> Thread:
        """Store a thread, and record who did it."""
        foreign = self._claim(thread.thread_id)
        for run in thread.runs:
            self._claim(run.run_id)
        kept = super().keep(thread)
        self._note(foreign, "changed", "thread", thread.thread_id, self._remember_thread)
        return kept

    def forget(self, thread_id: str) -> None:
        """Delete a thread, and record who did it."""
        super().forget(thread_id)
        foreign = self._owners[thread_id]
        self._note(foreign, "removed", "thread", thread_id, self._remember_thread)

    def keep_cron(self, cron: Cron) -> Cron:
        """Store a cron, and record who did it."""
        foreign = self._claim(cron.cron_id)
        kept = super().keep_cron(cron)
        self._note(foreign, "changed", "cron", cron.cron_id, self._remember_cron)
        return kept

    def forget_cron(self, cron_id: str) -> None:
        """Delete a cron, and record who did it."""
        super().forget_cron(cron_id)
        self._note(self._owners[cron_id], "removed", "cron", cron_id, self._remember_cron)

    def _note(
        self, foreign: bool, what: str, kind: str, own_id: str, remember: Callable[[str], None]
    ) -> None:
        if foreign and by_others():
            remember(own_id)
        elif foreign:
            self.hits.append(Hit(what, kind, own_id))

    def _remember_thread(self, thread_id: str) -> None:
        thread = self.threads_by_id.get(thread_id)
        if thread is None:
            self._threads_of_others.pop(thread_id, None)
        else:
            self._threads_of_others[thread_id] = thread

    def _remember_cron(self, cron_id: str) -> None:
        cron = self.crons_by_id.get(cron_id)
        if cron is None:
            self._crons_of_others.pop(cron_id, None)
        else:
            self._crons_of_others[cron_id] = cron

    # Result

    def harm(self) -> Harm:
        """Return how what others own differs, in any member, from how others left it."""
        threads, crons = self._threads_of_others, self._crons_of_others
        there = [
            (then, self.threads_by_id[own])
            for own, then in threads.items()
            if own in self.threads_by_id
        ]
        runs = [
            run.run_id
            for own, then in threads.items()
            for run in then.runs
            if own not in self.threads_by_id
            or run.run_id not in [each.run_id for each in self.threads_by_id[own].runs]
        ]
        return Harm(
            threads_removed=len(threads) - len(there),
            threads_changed=sum(then != now for then, now in there),
            crons_removed=sum(own not in self.crons_by_id for own in crons),
            crons_changed=sum(
                self.crons_by_id.get(own, then) != then for own, then in crons.items()
            ),
            runs_removed=len(runs),
        )


class RecordingStore(ThreadStore):
    """A store that records who owns what.

    `clock_ahead` shifts its clock. While `age` is set, everything that is made is that old.
    """

    records: RecordingRecords

    def __init__(self, clock_ahead: timedelta = timedelta()) -> None:
        self.age = timedelta()
        self.clock_ahead = clock_ahead
        super().__init__(self._now, uuid4, parts=(RecordingRecords,))

    def _now(self) -> datetime:
        return self.wall() - self.age

    def wall(self) -> datetime:
        """Return the current time by the clock of this deployment, regardless of `age`."""
        return datetime.now(UTC) + self.clock_ahead
