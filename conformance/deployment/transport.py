"""The one transport under every request: guard, ledger, record, then the wire."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import httpx

from conformance.contract.operations import Operation, identify
from conformance.deployment.bookkeeping import Bookkeeper
from conformance.deployment.exchange import Exchange
from conformance.deployment.guard import Ownership, check_request
from conformance.deployment.ledger import Ledger
from conformance.deployment.patience import Patience
from conformance.deployment.redaction import Redactor

#: Set in `request.extensions` where the answer may hold other people's threads.
PRIVATE = "threads_conformance_private"
#: Longest body, in characters, that is recorded.
RECORDED_BODY = 64 * 1024

#: Of a longer body only the beginning is looked at, in bytes, but for what may be cut through.
_LOOKED_AT, _CUT_THROUGH = 2**20, 16 * 1024
_NOT_RECORDED = "[not recorded: other people's threads]"


class Recorder:
    """Keeps the exchanges of the check at hand, and writes all of them to a file.

    Several threads of a check may add at once; each exchange is a line of its own.
    """

    def __init__(self, file: Path | None, redactor: Redactor) -> None:
        self.redactor = redactor
        self._lock = threading.Lock()
        self._file: IO[str] | None = file.open("a", encoding="utf-8") if file else None
        self._check = ""
        self._current: list[Exchange] = []

    @contextmanager
    def check(self, check_id: str) -> Iterator[list[Exchange]]:
        """Everything recorded inside belongs to this check; the list grows with it."""
        self._check, self._current = check_id, []
        try:
            yield self._current
        finally:
            self._check, self._current = "", []

    def forget(self) -> None:
        """Drop what the check at hand has asked so far; the file keeps it."""
        self._current.clear()

    def add(self, exchange: Exchange) -> None:
        """Record one exchange, its texts already redacted."""
        with self._lock:
            exchange = replace(exchange, check=self._check)
            self._current.append(exchange)
            if self._file:
                self._file.write(exchange.to_json() + "\n")
                self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


@dataclass
class _Connections:
    """A pool of connections, and how many requests are under way on it."""

    transport: httpx.BaseTransport
    under_way: int = 0
    retired: bool = False


class SuiteTransport(httpx.BaseTransport):
    """Sends what the guard lets pass, after the ledger knows of it, and records it.

    `connect` makes the transport that reaches the deployment; it is made anew after
    an answer of 5xx, since a server may drop the connection on which it failed, and
    the next request is not to blame for that. Several threads may send at once: what
    is under way on the old connections ends there.
    """

    def __init__(
        self,
        connect: Callable[[], httpx.BaseTransport],
        *,
        base_path: str,
        ownership: Ownership,
        recorder: Recorder,
        ledger: Ledger | None,
        started_at: datetime | None = None,
    ) -> None:
        self._connect = connect
        self._connections = _Connections(connect())
        self._lock = threading.Lock()
        self._base_path = base_path.rstrip("/")
        self._ownership = ownership
        self._recorder = recorder
        self._patience = Patience(self._answers)
        self._books = (
            Bookkeeper(ledger, ownership, recorder.redactor, started_at or datetime.now(UTC))
            if ledger
            else None
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and read its whole answer; `GuardRefusal` if it is not safe.

        `GivenUpError` once the deployment hangs.
        """
        body = request.read()
        path = request.url.raw_path.decode().partition("?")[0].removeprefix(self._base_path)
        check_request(request.method, path, body, self._ownership)
        operation, thread_id = identify(request.method, path)
        self._patience.check()
        entry = self._books.before(operation, thread_id, body) if self._books else None
        try:
            response = self._exchanged(request, body, operation)
        except httpx.TimeoutException:
            self._patience.unanswered(request)
            raise
        self._patience.answered()
        if self._books and entry:
            self._books.after(entry, response)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._connections.transport.close()

    def _answers(self, request: httpx.Request) -> bool:
        """Whether anything is answered to a request like this one for GET /info."""
        path = f"{self._base_path}/info".encode()
        headers = [
            each for each in request.headers.raw if not each[0].lower().startswith(b"content")
        ]
        asking = httpx.Request(
            "GET",
            request.url.copy_with(raw_path=path),
            headers=headers,
            extensions=request.extensions,
        )
        try:
            self._exchanged(asking, b"", None)
        except httpx.HTTPError:
            return False
        return True

    def _exchanged(
        self, request: httpx.Request, body: bytes, operation: Operation | None
    ) -> httpx.Response:
        """Send, read the whole answer, and record both, or what broke."""
        started_at, clock = datetime.now(UTC), time.perf_counter()
        try:
            response = self._sent(request)
        except httpx.HTTPError as broken:
            error = str(broken) or repr(broken)
            self._record(request, body, operation, started_at, clock, error=error)
            raise
        self._record(request, body, operation, started_at, clock, response=response)
        return response

    def _sent(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            used = self._connections
            used.under_way += 1
        failed = False
        try:
            response = used.transport.handle_request(request)
            response.read()
            failed = response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
            return response
        finally:
            with self._lock:
                used.under_way -= 1
                if failed and used is self._connections:
                    self._connections = _Connections(self._connect())
                    used.retired = True
                last = used.retired and not used.under_way
            if last:
                used.transport.close()

    def _record(
        self,
        request: httpx.Request,
        body: bytes,
        operation: Operation | None,
        started_at: datetime,
        clock: float,
        response: httpx.Response | None = None,
        error: str | None = None,
    ) -> None:
        redactor = self._recorder.redactor
        answer = None
        if response is not None:
            private = request.extensions.get(PRIVATE)
            answer = _NOT_RECORDED if private else _recorded(response.content, redactor)
        self._recorder.add(
            Exchange(
                check="",
                operation=operation.name if operation else "other",
                method=request.method,
                url=redactor.url(request.url),
                request_headers=redactor.headers(request.headers),
                request_body=_cut(redactor.text(_text(body))) if body else None,
                started_at=started_at.isoformat(),
                elapsed_ms=(time.perf_counter() - clock) * 1000,
                status=response.status_code if response is not None else None,
                response_headers=redactor.headers(response.headers) if response is not None else (),
                response_body=answer,
                error=redactor.text(error) if error else None,
            )
        )


def _recorded(body: bytes, redactor: Redactor) -> str:
    """As much of a body as is kept, redacted before it is cut."""
    if len(body) <= _LOOKED_AT:
        return _cut(redactor.text(_text(body)))
    # A secret that is cut through here stands in the end, which is left out.
    redacted = redactor.text(_text(body[:_LOOKED_AT]))[:-_CUT_THROUGH]
    return f"{redacted[:RECORDED_BODY]}… ({len(body)} bytes in all)"


def _text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")


def _cut(text: str) -> str:
    if len(text) <= RECORDED_BODY:
        return text
    return f"{text[:RECORDED_BODY]}… ({len(text)} characters in all)"
