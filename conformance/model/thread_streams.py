"""The streams of threads: the events of the runs and state updates of a thread, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.model.entities import Run
from conformance.model.errors import InvalidError
from conformance.model.records import Records
from conformance.model.streams import RunEvent
from conformance.model.views import checkpoint_config

#: The published modes of a stream of a thread; the first is the default.
THREAD_MODES = ("run_modes", "lifecycle", "state_update")
#: The Last-Event-ID that requests all events from the beginning.
FROM_THE_BEGINNING = "-"
_RUN, _LIFECYCLE, _STATE = THREAD_MODES


@dataclass(frozen=True)
class ThreadEvent:
    """An event of a thread's stream: its id, the modes in which it is sent, its name and data."""

    event_id: str
    modes: tuple[str, ...]
    event: str
    data: Any


class ThreadStreams:
    """The events of each thread, in order, for streams that are joined now or later."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self._kept: dict[str, list[ThreadEvent]] = {}
        self._last_number = 0

    # Adding events

    def add_run_events(self, thread_id: str, run: Run, events: Sequence[RunEvent]) -> None:
        """Add events of a run in progress; its first one, metadata, says that it has started."""
        for each in events:
            starts = each.event == "metadata"
            modes = (_RUN, _LIFECYCLE) if starts else (_RUN,)
            self.add(thread_id, modes, each.event, each.data)

    def add_end(self, thread_id: str, run: Run) -> None:
        """Add the event that a run has ended."""
        data = {"status": "run_done", "run_id": run.run_id}
        self.add(thread_id, (_RUN, _LIFECYCLE), "metadata", data)

    def add_state(self, thread_id: str) -> None:
        """Add the event for the state that an update of the thread has just made."""
        thread = self.records.threads_by_id.get(thread_id)
        if thread is not None and thread.latest is not None:
            made = {
                "values": thread.latest.values,
                "next": list(thread.latest.next),
                "checkpoint": checkpoint_config(thread, thread.latest.checkpoint_id),
            }
            self.add(thread_id, (_STATE,), "state_update", {"state": made})

    def add(self, thread_id: str, modes: tuple[str, ...], event: str, data: Any) -> None:
        """Add an event under an id that no other event of the deployment has."""
        self._last_number += 1
        made = ThreadEvent(self.event_id(thread_id, self._last_number), modes, event, data)
        self._kept.setdefault(thread_id, []).append(made)

    def event_id(self, thread_id: str, number: int) -> str:
        """Return the id of the event with that number among those of all threads."""
        return str(number)

    # Reading

    def kept(self, thread_id: str) -> Sequence[ThreadEvent]:
        """Return the events of a thread so far."""
        return self._kept.get(thread_id, ())

    def position(self, thread_id: str, last_event_id: str | None) -> int:
        """Return how many events of a thread come before those that a joining client gets.

        Without an id that is the number of all events so far; InvalidError for an id of no event.
        """
        kept = self.kept(thread_id)
        if last_event_id is None:
            return len(kept)
        if last_event_id == FROM_THE_BEGINNING:
            return 0
        for number, each in enumerate(kept, 1):
            if each.event_id == last_event_id:
                return number
        raise InvalidError("Last-Event-ID is the id of no event of the thread, and not -")

    def from_position(
        self, thread_id: str, position: int, modes: tuple[str, ...]
    ) -> Iterator[ThreadEvent | None]:
        """Yield the events of a thread after the first `position`, and None for other modes."""
        for each in self.kept(thread_id)[position:]:
            yield each if self.is_in_modes(each, modes) else None

    def is_in_modes(self, event: ThreadEvent, modes: tuple[str, ...]) -> bool:
        """Return whether a stream in these modes includes that event."""
        return bool({*event.modes} & {*modes})

    def stays_open(self, thread_id: str) -> bool:
        """Return whether there may be further events: as long as the thread exists."""
        return thread_id in self.records.threads_by_id

    def forget(self, thread_id: str) -> None:
        """Drop the events of a thread that is gone."""
        self._kept.pop(thread_id, None)
