"""Removal of the threads of checks that have ended, while others still run.

It takes work from the clean-up at the end and decides nothing: only what a GET showed to be gone
is recorded in the ledger as such; all else is left to the clean-up.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import wait

import httpx

from conformance.deployment.cleanup.removal import is_gone, try_to_delete
from conformance.deployment.connect import Connection
from conformance.deployment.ownership.ledger import Ledger, LedgerState
from conformance.deployment.ownership.proof import canonical, is_uuid
from conformance.deployment.record.exchange import Exchange
from conformance.parallel import start

#: After so many threads in a row that were not gone, the rest is left to the clean-up.
_IN_VAIN_IN_A_ROW = 3
#: A removal that takes so many times as long as the shortest is followed by a pause.
_SLOWED = 2
_LONGEST_PAUSE_S = 5.0
#: How long the removal in progress is waited for in the end, in seconds.
_GRACE_S = 0.5


class BackgroundRemoval:
    """The removal, by one thread of this process, of what ended checks created.

    `connection` has the ownership of the checks, and so their proofs, but connections and a record
    of its own. `take_ended` returns what was created by checks that have ended; `ledger` is told
    what is gone. Where the deployment becomes slower, the thread pauses for as long as it is
    slower.
    """

    def __init__(
        self,
        connection: Connection,
        ledger: Ledger,
        take_ended: Callable[[], LedgerState | None],
    ) -> None:
        self._client, self._recorder = connection.client, connection.recorder
        self._ledger, self._take_ended = ledger, take_ended
        self._waiting: queue.SimpleQueue[LedgerState] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._in_vain = 0
        self._shortest_s = math.inf
        ledger.follow()
        self._work = start(self._remove_all)

    @property
    def server_errors(self) -> list[Exchange]:
        """The requests of the removal that were answered by 500."""
        return self._recorder.server_errors

    def check_ended(self) -> None:
        """Remove what was created since the last call: no check uses it any more."""
        if ended := self._take_ended():
            self._waiting.put(ended)

    def close(self) -> None:
        """Begin no further removal, and wait shortly for the last: the clean-up does the rest."""
        self._stopped.set()
        self._waiting.put(LedgerState("", ""))
        wait([self._work], _GRACE_S)

    def _remove_all(self) -> None:
        while not self._stopped.is_set():
            ended = self._waiting.get()
            if ended.scheduled or ended.crons:
                continue  # Crons must be removed first, which the clean-up does.
            for thread_id in (*ended.generated, *ended.named):
                if self._stopped.is_set():
                    return
                began = time.monotonic()
                gone = self._remove(thread_id, ended)
                self._in_vain = 0 if gone else self._in_vain + 1
                if self._in_vain >= _IN_VAIN_IN_A_ROW:
                    return
                self._pause_if_slow(time.monotonic() - began)

    def _remove(self, thread_id: str, ended: LedgerState) -> bool:
        """Remove a thread that is the run's; return whether that was possible, or not needed."""
        created = canonical(thread_id) in ended.created or thread_id in ended.named
        if not is_uuid(thread_id) or not self._client.ownership.is_ours(thread_id):
            # Only the clean-up decides about what needs a proof or another criterion.
            return True
        try:
            if not created:
                # It may only have been asked for. What nobody said to exist is not deleted here.
                absent = is_gone(self._client.get(thread_id))
            else:
                absent = not try_to_delete(self._client, thread_id)[0]
        except httpx.HTTPError:
            return False
        if absent:
            self._ledger.record_gone(thread_id, existed=created)
        return absent

    def _pause_if_slow(self, took_s: float) -> None:
        self._shortest_s = min(self._shortest_s, took_s)
        slower_s = took_s - _SLOWED * self._shortest_s
        if slower_s > 0:
            self._stopped.wait(min(slower_s, _LONGEST_PAUSE_S))
