"""The writes of the suite, as seen at the server, that name what is not its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.hostile.harm_to_others import RecordingStore, as_others
from conformance.contract.operations import identify

#: Requests with this header are sent by somebody else, not by the suite.
OTHERS_HEADER = "x-somebody-else"
_READING = ("GET", "HEAD", "OPTIONS")
#: Operations on many threads, which a lenient server may take to mean all.
_ON_MANY = ("prune", "runs_cancel")
_PATHS = ("/threads", "/runs")
_ID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Write:
    """A write of the suite: `foreign` are the ids of others that its path and body name."""

    operation: str
    path: str
    foreign: tuple[str, ...]


class Watch:
    """An ASGI application around the deployment's, the outermost one.

    It distinguishes others from the suite, records the suite's writes, and sets the header Date of
    the answers by the clock of the deployment, or by the right clock if `date_is_right`.
    """

    def __init__(self, app: ASGIApp, store: RecordingStore, *, date_is_right: bool) -> None:
        self._app, self._store, self._date_is_right = app, store, date_is_right
        self.requests = 0
        self.named: list[Write] = []
        #: Requests on many threads that name none of the suite's: a lenient server may read: all.
        self.bulk: list[Write] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        if any(name == OTHERS_HEADER.encode() for name, _ in scope["headers"]):
            with as_others():
                await self._app(scope, receive, self._dated(send))
            return
        body = await _whole(receive)
        self.requests += 1
        self._note(scope["method"], scope["raw_path"].decode("latin-1").partition("?")[0], body)
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, again, self._dated(send))

    def _dated(self, send: Send) -> Send:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                moment = self._store.wall()
                if self._date_is_right:
                    moment -= self._store.clock_ahead
                date = (b"date", format_datetime(moment, usegmt=True).encode())
                message = {**message, "headers": [*message.get("headers", ()), date]}
            await send(message)

        return dated

    def _note(self, method: str, path: str, body: bytes) -> None:
        operation, _ = identify(method, path)
        if method in _READING or (operation is not None and not operation.writes):
            return
        ids = {each.lower() for each in _ids(path, body)}
        foreign = tuple(sorted(each for each in ids if self._store.records.belongs_to_others(each)))
        name = operation.name if operation else method
        write = Write(name, path, foreign)
        if foreign:
            self.named.append(write)
        unknown = operation is None and path.startswith(_PATHS)
        if (name in _ON_MANY or unknown) and not any(
            self._store.records.belongs_to_suite(each) for each in ids
        ):
            self.bulk.append(write)


def _ids(path: str, body: bytes) -> Iterator[str]:
    """Yield every UUID that a request names, in its path or in any text of its JSON."""
    yield from _ID.findall(unquote(path))
    try:
        parts = [json.loads(body)] if body else []
    except (ValueError, RecursionError):
        parts = [body.decode("utf-8", "replace")]
    while parts:
        part: Any = parts.pop()
        if isinstance(part, str):
            yield from _ID.findall(part)
        elif isinstance(part, dict):
            parts += [*part, *part.values()]
        elif isinstance(part, list):
            parts += part


async def _whole(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body
