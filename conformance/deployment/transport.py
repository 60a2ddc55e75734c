"""The one transport under every request: guard, ledger, record, then the wire."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import httpx

from conformance.deployment.exchange import Exchange
from conformance.deployment.guard import Ownership, check_request
from conformance.deployment.ledger import Ledger
from conformance.deployment.operations import Operation, identify
from conformance.deployment.redaction import Redactor

#: Set in `request.extensions` where the answer may hold other people's threads.
PRIVATE = "threads_conformance_private"
#: Longest body, in characters, that is recorded.
RECORDED_BODY = 64 * 1024
#: How far the clocks of suite and deployment may differ.
CLOCK_TOLERANCE = timedelta(minutes=5)

_NOT_RECORDED = "[not recorded: other people's threads]"


class Recorder:
    """Keeps the exchanges of the check at hand, and writes all of them to a file."""

    def __init__(self, file: Path | None, redactor: Redactor) -> None:
        self.redactor = redactor
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
        exchange = replace(exchange, check=self._check)
        self._current.append(exchange)
        if self._file:
            self._file.write(exchange.to_json() + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


class SuiteTransport(httpx.BaseTransport):
    """Sends what the guard lets pass, after the ledger knows of it, and records it.

    `connect` makes the transport that reaches the deployment; it is made anew after
    an answer of 5xx, since a server may drop the connection on which it failed, and
    the next request is not to blame for that.
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
        self._inner = connect()
        self._base_path = base_path.rstrip("/")
        self._ownership = ownership
        self._recorder = recorder
        self._ledger = ledger
        self._not_before = (started_at or datetime.now(UTC)) - CLOCK_TOLERANCE

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and read its whole answer; `GuardRefusal` if it is not safe."""
        body = request.read()
        path = request.url.raw_path.decode().partition("?")[0].removeprefix(self._base_path)
        check_request(request.method, path, body, self._ownership)
        operation, thread_id = identify(request.method, path)
        begun = self._write_ahead(operation, thread_id, body)
        started_at, clock = datetime.now(UTC), time.perf_counter()
        try:
            response = self._inner.handle_request(request)
            response.read()
        except httpx.HTTPError as broken:
            self._record(
                request, body, operation, started_at, clock, error=str(broken) or repr(broken)
            )
            raise
        self._record(request, body, operation, started_at, clock, response=response)
        self._write_after(operation, begun, thread_id, body, response)
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            self._inner.close()
            self._inner = self._connect()
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()

    def _write_ahead(
        self, operation: Operation | None, source: str | None, body: bytes
    ) -> int | None:
        """Tell the ledger what the request may create; a number if it has no id yet."""
        if self._ledger is None or operation is None:
            return None
        if operation.name == "copy":
            return self._ledger.begun(f"a copy of {source}")
        if operation.name != "create":
            return None
        thread_id = _chosen_id(body)
        if thread_id is None:
            shown = self._recorder.redactor.text(_text(body))[:80]
            return self._ledger.begun(f"a thread created by the body {shown}")
        self._ledger.planned(thread_id)
        return None

    def _write_after(
        self,
        operation: Operation | None,
        begun: int | None,
        source: str | None,
        body: bytes,
        response: httpx.Response,
    ) -> None:
        """Tell the ledger what was made, and adopt a thread that can only be ours."""
        if self._ledger is None or operation is None:
            return
        if begun is not None:
            thread_id = self._new_thread(source, response) if response.is_success else None
            self._ledger.ended(begun, thread_id)
            if thread_id is not None:
                self._ownership.adopt(thread_id)
        elif operation.name == "create" and response.is_success and (chosen := _chosen_id(body)):
            self._ledger.created(chosen)

    def _new_thread(self, source: str | None, response: httpx.Response) -> str | None:
        try:
            answer = response.json()
            thread_id = str(answer["thread_id"])
            created_at = datetime.fromisoformat(answer["created_at"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        if created_at.tzinfo is None:
            created_at = created_at.replace(tzinfo=UTC)
        # A thread older than the run is someone's: never adopted, changed or removed.
        if created_at < self._not_before or thread_id == source:
            return None
        return thread_id

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
            answer = _NOT_RECORDED if private else _cut(redactor.text(_text(response.content)))
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


def _chosen_id(body: bytes) -> str | None:
    """The thread id that a create request asks for; None if the deployment chooses."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    thread_id = value.get("thread_id") if isinstance(value, dict) else None
    return thread_id if isinstance(thread_id, str) else None


def _text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")


def _cut(text: str) -> str:
    if len(text) <= RECORDED_BODY:
        return text
    return f"{text[:RECORDED_BODY]}… ({len(text)} characters in all)"
