"""A restart of the deployment within a check, and what must exist after it."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from conformance.checks.api import ThreadsApi
from conformance.checks.comparison_count import count_judgement
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.views import Thread, id_of
from conformance.contract.causes import Cause
from conformance.deployment.connect import Connection

NOT_RESTARTED = (
    "give --restart stop or --restart kill, if the suite may restart what it started itself, or "
    "--restart-command CMD, which restarts the deployment at --url"
)
#: The one cause of all failures on a deployment that keeps its threads in memory only.
IN_MEMORY = Cause.at("restarts.nothing survived")
#: The requirement that a thread is still there.
STILL_THERE = "DURABLE-01"

_GONE = (httpx.codes.NOT_FOUND, httpx.codes.GONE)


class Restart:
    """The function by which a check ends the deployment and starts it again.

    A call names the threads that must exist afterwards. Before the restart it makes another thread
    with a state, so that the last write is not one of the check's: whether the last write is kept
    has a requirement of its own.
    """

    def __init__(
        self, restarter: Callable[[], None], connection: Connection, given: ThreadsApi
    ) -> None:
        self._restarter, self._connection, self._given = restarter, connection, given

    def __call__(self, *threads: Thread) -> None:
        """Restart; `Blocked` if one of these threads is not there any more, though others are.

        `PromiseBroken` with one cause for all checks if no thread is there any more.
        """
        witness = self._given.fullest()
        self.without_request()
        self.require_survivors(*threads, witness)
        if gone := self.gone(*threads):
            raise Blocked(f"the thread {id_of(gone[0])} is not there any more", by=STILL_THERE)

    def require_survivors(self, *threads: Thread) -> None:
        """Raise `PromiseBroken` with the cause `IN_MEMORY` if none of these threads exists."""
        count_judgement()
        if len(self.gone(*threads)) == len(threads):
            raise PromiseBroken(
                "what was made before the restart to be there after it",
                f"none of {len(threads)} threads, as if the deployment kept its threads in memory",
                cause=IN_MEMORY,
            )

    def without_request(self) -> None:
        """Restart without a request just before; `NotBackError` if the deployment is not back."""
        # Noted, so that what a restart loses is not taken for the trace of a repeated request.
        self._connection.recorder.note_restart()
        started = time.monotonic()
        self._restarter()
        self._connection.reconnect()
        self._given.context.note(f"restarted in {time.monotonic() - started:.1f} s")

    def gone(self, *threads: Thread) -> list[Thread]:
        """Return those of the threads that GET does not find any more."""
        return [each for each in threads if self._given.client.get(id_of(each)).status in _GONE]
