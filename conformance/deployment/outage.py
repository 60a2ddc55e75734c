"""Waiting out an outage, once; and giving up on a deployment that is down or hangs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import httpx
import tenacity

from conformance.deployment.trouble import Trouble

#: Requests in a row without an answer after which GET /info checks whether it is still up.
UNANSWERED_IN_A_ROW = 3
#: Timeouts of one operation in a row after which it counts as hanging and is not repeated.
HANGS_AFTER = 2

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 2.0


class GivenUpError(httpx.TransportError):
    """Not sent: the deployment does not answer any more."""


class CircuitBreaker:
    """Counts the requests in a row without an answer, and stops sending after too many.

    `is_there` sends a request that any server answers at once. Outages are waited out for
    `within_s` seconds in total; after that nothing more is sent. Any answer, to any
    request, resets the count.
    """

    def __init__(self, is_there: Callable[[httpx.Request], bool], within_s: float) -> None:
        self._is_there = is_there
        self._left_s = within_s
        self._lock = threading.Lock()
        self._unanswered = 0
        self._given_up = ""
        self._timed_out: Counter[str] = Counter()

    def check(self) -> None:
        """Raise `GivenUpError` if nothing more is to be sent."""
        if self._given_up:
            raise GivenUpError(self._given_up)

    def hangs(self, operation: str) -> bool:
        """Return whether the last requests of the operation all timed out."""
        return self._timed_out[operation] >= HANGS_AFTER

    def answered(self, operation: str) -> None:
        """Reset the counts after an answer, whatever it says."""
        self._unanswered = 0
        self._timed_out.pop(operation, None)

    def unanswered(self, request: httpx.Request, trouble: Trouble) -> None:
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
            if self._is_there(request):
                self._unanswered = 0
                return
            self._wait(request, trouble)

    def _wait(self, request: httpx.Request, trouble: Trouble) -> None:
        started = time.monotonic()
        waiting = tenacity.Retrying(
            stop=tenacity.stop_after_delay(self._left_s),
            wait=tenacity.wait_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
            retry=tenacity.retry_if_result(lambda there: not there),
            retry_error_callback=lambda _: False,
        )
        back = self._left_s > 0 and bool(waiting(self._is_there, request))
        waited_s = time.monotonic() - started
        self._left_s = max(self._left_s - waited_s, 0.0)
        if back:
            self._unanswered = 0
            return
        asked = f"{request.method} {trouble.operation}"
        self._given_up = (
            f"the deployment has stopped answering: {self._unanswered} requests in a row, "
            f"the last {asked} ({trouble.what}), and then GET /info got no answer "
            f"within {waited_s:.0f} s; nothing more is asked of it"
        )
        raise GivenUpError(self._given_up)
