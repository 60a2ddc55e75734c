"""The server's clock, estimated from its answers: the time of a run's first request."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

#: `Date` has a resolution of one second, and so have the timestamps of some servers.
_RESOLUTION = timedelta(seconds=1)


class ServerClock:
    """A lower bound of the offset between the server's clock and ours.

    `started_at` is when the run began, by our clock. The best evidence is the `created_at`
    of a thread that the run created under its own id; before there is one, the `Date` of
    answers; before any answer, our own clock. `offset` is what an earlier process of the
    run learned.
    """

    def __init__(self, started_at: datetime, offset: timedelta | None = None) -> None:
        self._started_at = started_at
        self._by_creation = offset
        self._by_date: timedelta | None = None
        self._last_header: str | None = None
        self._lock = threading.Lock()

    @property
    def offset(self) -> timedelta | None:
        """A lower bound of how far the clock of `created_at` is ahead of ours."""
        return self._by_creation

    def learn_from_date(self, header: str | None, received_at: datetime) -> None:
        """Learn from the `Date` header of an answer received at `received_at`."""
        if header == self._last_header:
            # An answer with the same date that came later has less to say.
            return
        self._last_header = header
        try:
            date = parsedate_to_datetime(header or "")
        except ValueError:
            return
        ahead = (date if date.tzinfo else date.replace(tzinfo=UTC)) - received_at
        with self._lock:
            # Each is a lower bound, since the answer took some time to arrive: the largest is best.
            self._by_date = ahead if self._by_date is None else max(ahead, self._by_date)

    def learn_from_creation(self, created_at: datetime, received_at: datetime) -> bool:
        """Learn from a thread created under an id of the run; return whether it was the first."""
        with self._lock:
            if self._by_creation is not None:
                return False
            self._by_creation = created_at - received_at
            return True

    def now(self) -> datetime:
        """Return the time on the server's clock, or slightly before."""
        return datetime.now(UTC) + self._ahead()

    def _ahead(self) -> timedelta:
        known = (self._by_creation, self._by_date)
        return next((each for each in known if each is not None), timedelta(0))

    def first_request_at(self) -> datetime:
        """Return when the run began, by the server's clock, less its resolution."""
        return self._started_at + self._ahead() - _RESOLUTION
