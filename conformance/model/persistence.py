"""What survives when a deployment is stopped or killed and started again: everything."""

from __future__ import annotations

from typing import TypeVar

from conformance.model.entities import Cron, Thread
from conformance.model.records import Records

_Kept = TypeVar("_Kept")


class StoreRestart:
    """A restart of the deployment, with the records of the process before it.

    Each decision about what survives is a method, so that a fault can override it.
    """

    def __init__(self, records: Records) -> None:
        self.records = records

    def restart(self) -> None:
        """Replace all threads and crons by those that survive the restart."""
        threads, crons = self.threads(), self.crons()
        _replace(self.records.threads_by_id, {each.thread_id: each for each in threads})
        _replace(self.records.crons_by_id, {each.cron_id: each for each in crons})

    def threads(self) -> list[Thread]:
        """Return the threads that survive, in the order in which they were made."""
        return [self.thread(each) for each in self.records.threads_by_id.values()]

    def thread(self, thread: Thread) -> Thread:
        """Return what survives of `thread`."""
        return thread

    def crons(self) -> list[Cron]:
        """Return the crons that survive."""
        return list(self.records.crons_by_id.values())

    def threads_with_active_runs(self) -> list[str]:
        """Return the ids of the threads whose active runs continue after the restart."""
        threads = self.records.threads_by_id.values()
        return [each.thread_id for each in threads if any(run.active for run in each.runs)]


def _replace(kept: dict[str, _Kept], by: dict[str, _Kept]) -> None:
    # In place, since the journal of a process records what is set and deleted in these dicts.
    for each in [each for each in kept if each not in by]:
        del kept[each]
    for each, value in by.items():
        if kept.get(each) is not value:
            kept[each] = value
