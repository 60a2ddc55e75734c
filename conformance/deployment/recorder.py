"""The recorder: what is kept of the current check, and the file of all exchanges."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from conformance.deployment.delivery.trouble import Trouble
from conformance.deployment.ownership.created_by_check import CreatedByCheck
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.record.redaction import Redactor

#: The number of exchanges of which the shortest tells how far the deployment is.
_RECENT = 20


class Recorder:
    """The exchanges of the current check, and a file to which all exchanges are written.

    `troubles` is the network trouble during the check; `accepted` are answers that resemble
    trouble and count as the deployment's own, and `doubts` those of them that may nevertheless
    have come from a proxy; `created_by_check` holds what the requests of the check created.
    `strangers` describes, without content, what its answers showed of other people's data.
    `server_errors` are the exchanges that were answered by 500, including requests of the suite
    itself. Several threads of a check may add exchanges at once; each exchange is one line of the
    file.
    """

    def __init__(self, file: Path | None, redactor: Redactor) -> None:
        self.redactor = redactor
        self.troubles: list[Trouble] = []
        self.accepted: list[Trouble] = []
        self.doubts: list[Trouble] = []
        self.strangers: list[str] = []
        self.server_errors: list[Exchange] = []
        self.created_by_check = CreatedByCheck()
        #: How many requests were sent so far, in all checks.
        self.requests = 0
        self._lock = threading.Lock()
        self._file: IO[str] | None = file.open("a", encoding="utf-8") if file else None
        self._check = ""
        self._current: list[Exchange] = []
        self._restarted = False
        self._recent_ms: deque[float] = deque(maxlen=_RECENT)

    @property
    def round_trip_s(self) -> float:
        """The shortest of the last exchanges, in seconds: about what the way takes; 0 at first."""
        return min(self._recent_ms, default=0.0) / 1000

    @contextmanager
    def check(self, check_id: str) -> Iterator[list[Exchange]]:
        """Attribute what is recorded in the block to this check; yield the list of exchanges."""
        self._check, self._current = check_id, []
        self.troubles, self.accepted, self.doubts, self.strangers = [], [], [], []
        self.server_errors = []
        self.created_by_check = CreatedByCheck()
        self._restarted = False
        try:
            yield self._current
        finally:
            self._check, self._current = "", []

    def forget(self) -> None:
        """Drop the exchanges of the current check so far; the file keeps them."""
        self._current.clear()

    def note_restart(self) -> None:
        """Record a restart of the deployment, which may explain why something is gone."""
        self.created_by_check = CreatedByCheck()
        self._restarted = True

    @property
    def current_check(self) -> str:
        """The id of the current check, empty outside of one."""
        return self._check

    def add(self, exchange: Exchange, *, of_check: bool = True) -> None:
        """Record one exchange, its texts already redacted.

        Without `of_check` the exchange belongs to the suite itself, not to the current check.
        """
        with self._lock:
            if exchange.status is not None:
                self._recent_ms.append(exchange.elapsed_ms)
            self.requests += 1
            if of_check:
                if self._restarted:
                    exchange = replace(exchange, after_restart=True)
                    self._restarted = False
                self._current.append(exchange)
            if exchange.is_server_error:
                self.server_errors.append(exchange)
            if self._file:
                self._file.write(exchange.to_json() + "\n")
                self._file.flush()

    def record_trouble(self, trouble: Trouble) -> None:
        """Record network trouble during the current check."""
        with self._lock:
            self.troubles.append(trouble)

    def accept_as_answers(self, troubles: list[Trouble], certain: bool) -> None:
        """Reclassify troubles as the deployment's own answers; as doubts, too, unless `certain`."""
        with self._lock:
            for each in troubles:
                if each in self.troubles:
                    self.troubles.remove(each)
            self.accepted += troubles
            if not certain:
                self.doubts += troubles

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
