"""When to stop asking a deployment that hangs: a run must end, and say so."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx

#: So many requests in a row without an answer, and it is asked whether it still is there.
PATIENCE = 3


class GivenUpError(httpx.TransportError):
    """Not sent: the deployment has stopped answering."""


class Patience:
    """Counts the requests in a row that were not answered in time.

    `still_there` asks for something that any server answers at once. One answer of any
    kind, to whatever request, and the count begins anew; what was given up stays so.
    """

    def __init__(self, still_there: Callable[[httpx.Request], bool]) -> None:
        self._still_there = still_there
        self._lock = threading.Lock()
        self._unanswered = 0
        self._given_up = ""

    def check(self) -> None:
        """`GivenUpError` if nothing more is to be sent."""
        if self._given_up:
            raise GivenUpError(self._given_up)

    def answered(self) -> None:
        """Any answer counts, whatever it says."""
        self._unanswered = 0

    def unanswered(self, request: httpx.Request) -> None:
        """A request that ran into its time limit."""
        with self._lock:
            self._unanswered += 1
            if self._unanswered < PATIENCE or self._given_up:
                return
            if self._still_there(request):
                self._unanswered = 0
                return
            self._given_up = (
                f"the deployment has stopped answering: {self._unanswered} requests in a row, "
                f"the last {request.method} {request.url.path}, and then GET /info got no "
                "answer in time; nothing more is asked of it"
            )
