"""What a deployment still holds after it was stopped or killed and started again: all of it."""

from __future__ import annotations

from typing import TypeVar

from conformance.model.entities import Cron, Thread
from conformance.model.records import Records

_Kept = TypeVar("_Kept")


class Persistence:
    """The start of a deployment on the records of the one before it."""

    def __init__(self, records: Records) -> None:
        self.records = records

    def restart(self) -> None:
        """Go on with the threads and crons that were kept."""
        threads, crons = self.threads(), self.crons()
        _replace(self.records.threads_by_id, {each.thread_id: each for each in threads})
        _replace(self.records.crons_by_id, {each.cron_id: each for each in crons})

    def threads(self) -> list[Thread]:
        """Return the threads that were kept, in the order in which they were made."""
        return [self.thread(each) for each in self.records.threads_by_id.values()]

    def thread(self, thread: Thread) -> Thread:
        """Return a thread as it was kept."""
        return thread

    def crons(self) -> list[Cron]:
        """Return the crons that were kept."""
        return list(self.records.crons_by_id.values())

    def under_way(self) -> list[str]:
        """Return the ids of the threads whose runs are taken up again."""
        threads = self.records.threads_by_id.values()
        return [each.thread_id for each in threads if any(run.active for run in each.runs)]


def _replace(kept: dict[str, _Kept], by: dict[str, _Kept]) -> None:
    # In place, since the journal of a process writes down what is set and deleted in them.
    for each in [each for each in kept if each not in by]:
        del kept[each]
    for each, value in by.items():
        if kept.get(each) is not value:
            kept[each] = value
