"""Waiting during outages, up to a total time, and giving up if the deployment stays away."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import httpx
import tenacity

from conformance.deployment.delivery.trouble import Trouble
from conformance.waiting import pause

#: After so many requests in a row without an answer, GET /info tests whether the server is up.
UNANSWERED_IN_A_ROW = 3
#: After so many timeouts in a row an operation counts as hanging, and is not repeated.
HANGS_AFTER = 2
#: After so many requests in a row in trouble, for example by an expired key, a request that
#: succeeded before is repeated, to see whether it still succeeds.
TROUBLED_IN_A_ROW = 4

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 2.0


class GivenUpError(httpx.TransportError):
    """Not sent: the deployment does not answer any more."""


class CircuitBreaker:
    """The counts of failed requests in a row, by which sending pauses and in the end stops.

    Requests without an answer are counted until any request is answered; at
    `UNANSWERED_IN_A_ROW` of them `is_there` sends a request that any server answers at once.
    Requests in trouble are counted until the deployment itself answers one; at
    `TROUBLED_IN_A_ROW` of them `is_well` repeats a request that succeeded before. If that test
    fails, it is repeated until it succeeds or `within_s` seconds in total, over all outages,
    are used up; after that nothing more is sent.
    """

    def __init__(
        self,
        is_there: Callable[[httpx.Request], bool],
        is_well: Callable[[httpx.Request], bool],
        within_s: float,
    ) -> None:
        self._is_there = is_there
        self._is_well = is_well
        self._left_s = within_s
        self._lock = threading.Lock()
        self._unanswered = 0
        self._in_trouble = 0
        self._given_up = ""
        self._timed_out: Counter[str] = Counter()

    def check(self) -> None:
        """Raise `GivenUpError` if nothing more is to be sent."""
        if self._given_up:
            raise GivenUpError(self._given_up)

    def hangs(self, operation: str) -> bool:
        """Return whether the last requests of the operation all timed out."""
        return self._timed_out[operation] >= HANGS_AFTER

    def record_answer(self, operation: str) -> None:
        """Reset the counts after an answer, whatever it says."""
        self._unanswered = 0
        self._timed_out.pop(operation, None)

    def record_no_answer(self, request: httpx.Request, trouble: Trouble) -> None:
        """Count a request that got no answer; wait out an outage, or give up.

        Raises `GivenUpError` if the deployment does not come back in time.
        """
        with self._lock:
            if trouble.timed_out:
                self._timed_out[trouble.operation] += 1
            self._unanswered += 1
            if self._unanswered < UNANSWERED_IN_A_ROW:
                return
            self.check()
            if not self._is_there(request):
                self._wait(
                    self._is_there,
                    request,
                    f"the deployment has stopped answering: {self._unanswered} requests in a row, "
                    f"the last {_described(request, trouble)}, and then GET /info got no answer",
                )
            self._unanswered = 0

    def record_good_answer(self) -> None:
        """Reset the count of requests in trouble after an answer of the deployment's own."""
        self._in_trouble = 0

    def record_persisting_trouble(self, request: httpx.Request, trouble: Trouble) -> None:
        """Count a request whose trouble persisted; wait until the trouble is over, or give up.

        Raises `GivenUpError` if a request that succeeded before does not succeed again in time.
        """
        with self._lock:
            self._in_trouble += 1
            if self._in_trouble < TROUBLED_IN_A_ROW:
                return
            self.check()
            if not self._is_well(request):
                self._wait(
                    self._is_well,
                    request,
                    f"the deployment answers nothing of use any more: {self._in_trouble} requests "
                    f"in a row, the last {_described(request, trouble)}, and then what was "
                    "answered well before was in trouble too",
                )
            self._in_trouble = 0

    def _wait(
        self, is_back: Callable[[httpx.Request], bool], request: httpx.Request, reason: str
    ) -> None:
        """Wait until the deployment is back; raise `GivenUpError` if it is not in time."""
        started = time.monotonic()
        waiting = tenacity.Retrying(
            stop=tenacity.stop_after_delay(self._left_s),
            sleep=pause,
            wait=tenacity.wait_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
            retry=tenacity.retry_if_result(lambda there: not there),
            retry_error_callback=lambda _: False,
        )
        back = self._left_s > 0 and bool(waiting(is_back, request))
        waited_s = time.monotonic() - started
        self._left_s = max(self._left_s - waited_s, 0.0)
        if not back:
            self._given_up = f"{reason} within {waited_s:.0f} s; nothing more is asked of it"
            raise GivenUpError(self._given_up)


def _described(request: httpx.Request, trouble: Trouble) -> str:
    return f"{request.method} {trouble.operation} ({trouble.what})"
