"""The server's clock, as far as its answers tell it: when a run's first request came in."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

#: `Date` names whole seconds, and so do the timestamps of some servers.
_RESOLUTION = timedelta(seconds=1)


class ServerClock:
    """Knows how far the server's clock is ahead of ours, at the least.

    `started_at` is when the run began, by our clock. The `created_at` of a thread that the
    run made under its own id tells the clock that stamps threads; before there is one, the
    `Date` of answers stands for it; before any answer, our own clock. `offset` is what a
    former process of the run learned.
    """

    def __init__(self, started_at: datetime, offset: timedelta | None = None) -> None:
        self._started_at = started_at
        self._by_creation = offset
        self._by_date: timedelta | None = None
        self._lock = threading.Lock()

    @property
    def offset(self) -> timedelta | None:
        """By how much the clock that stamps threads is ahead of ours, at the least."""
        return self._by_creation

    def heard_date(self, header: str | None, received_at: datetime) -> None:
        """Learn from the `Date` of an answer that was received at this moment."""
        try:
            told = parsedate_to_datetime(header) if header else None
        except ValueError:
            return
        if told is None:
            return
        ahead = (told if told.tzinfo else told.replace(tzinfo=UTC)) - received_at
        with self._lock:
            # Each is a lower bound: the answer took a while to come.
            self._by_date = ahead if self._by_date is None else max(ahead, self._by_date)

    def heard_creation(self, created_at: datetime, received_at: datetime) -> bool:
        """Learn from a thread that was created under an id of ours; whether it was news."""
        with self._lock:
            if self._by_creation is not None:
                return False
            self._by_creation = created_at - received_at
            return True

    def now(self) -> datetime:
        """The moment that the server's clock shows now, or a little before."""
        return datetime.now(UTC) + self._ahead()

    def _ahead(self) -> timedelta:
        known = (self._by_creation, self._by_date)
        return next((each for each in known if each is not None), timedelta(0))

    def first_request_at(self) -> datetime:
        """The moment of the run's first request by the server's clock, or a second before."""
        return self._started_at + self._ahead() - _RESOLUTION
