"""HTTP/1.1 messages over asyncio streams, by h11: the two sides of the proxy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import h11

_CHUNK = 65536
#: The largest request line with headers; h11's own default refuses long URLs.
_LARGEST_HEAD = 1 << 20
#: Seconds after which an idle connection is replaced, since the server may have ended it.
_IDLE_S = 2.0
_HOP_BY_HOP = frozenset(
    [b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"]
)
_LENGTHS = frozenset([b"content-length", b"transfer-encoding"])

Headers = list[tuple[bytes, bytes]]


class GoneError(Exception):
    """The other side ended the connection, or sent something that is no HTTP."""


@dataclass(frozen=True)
class Request:
    """A whole request."""

    method: str
    target: str
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path without its query."""
        return self.target.partition("?")[0]


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    @property
    def has_body(self) -> bool:
        """Whether HTTP allows this answer a body."""
        return self.status >= 200 and self.status not in (204, 304)


class ClientSide:
    """A connection that a client opened: requests come in, answers go out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)
        self._head_only = False

    async def request(self) -> Request | None:
        """Return the next request; None if the connection ends instead."""
        if self._http.states != {h11.CLIENT: h11.IDLE, h11.SERVER: h11.IDLE}:
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return None
            self._http.start_next_cycle()
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = await self._event()
            if isinstance(event, h11.Request):
                head = event
                self._head_only = event.method == b"HEAD"
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                return Request(
                    head.method.decode("latin-1"),
                    head.target.decode("latin-1"),
                    list(head.headers.raw_items()),
                    bytes(body),
                )
            else:  # the connection ended
                return None

    async def _event(self) -> h11.Event | None:
        """Return the next event of the client; None if h11 reads no further."""
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as broken:
                raise GoneError(str(broken)) from broken
            if event is not h11.NEED_DATA:
                return event if isinstance(event, h11.Event) else None
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._read())

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(_CHUNK)
        except OSError as broken:
            raise GoneError(str(broken)) from broken

    async def wait_until_closed(self) -> None:
        """Wait until the client has ended the connection."""
        while data := await self._read():
            self._http.receive_data(data)  # a request that came early

    async def answer(self, answer: Answer) -> None:
        """Send a whole answer with its true length."""
        await self.begin(answer, length=len(answer.body) if answer.has_body else None)
        if answer.body and answer.has_body and not self._head_only:
            await self.send_part(answer.body)
        await self.end()

    async def begin(self, answer: Answer, length: int | None = None) -> None:
        """Send status and headers; `length`, if given, becomes the Content-Length."""
        kept = [each for each in answer.headers if each[0].lower() not in _HOP_BY_HOP]
        if length is not None:
            kept = [each for each in kept if each[0].lower() not in _LENGTHS]
            kept.append((b"content-length", str(length).encode()))
        await self._send(h11.Response(status_code=answer.status, headers=kept))

    async def send_part(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._send(h11.Data(data=data))

    async def end(self) -> None:
        """Mark the end of the answer."""
        await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Event) -> None:
        try:
            if data := self._http.send(event):
                self._writer.write(data)
                await self._writer.drain()
        except (OSError, h11.LocalProtocolError) as broken:
            raise GoneError(str(broken)) from broken

    def reset(self) -> None:
        """End the connection at once by a TCP reset."""
        connection = self._writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()

    async def close(self) -> None:
        """End the connection in good order."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class ServerSide:
    """A kept connection to the deployment, opened when it is needed."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._http = h11.Connection(h11.CLIENT)
        self._used = 0.0

    async def send(self, request: Request) -> Answer:
        """Send the request and return its whole answer."""
        head: Answer | None = None
        body = bytearray()
        async for part in self.stream(request):
            if isinstance(part, Answer):
                head = part
            else:
                body += part
        assert head is not None
        return Answer(head.status, head.headers, bytes(body))

    async def stream(self, request: Request) -> AsyncGenerator[Answer | bytes, None]:
        """Send the request; yield the answer without its body, then the body in parts."""
        try:
            await self._connect()
            assert self._writer is not None
            self._writer.write(self._message(request))
            await self._writer.drain()
            while True:
                event = await self._event()
                if isinstance(event, h11.Response):
                    yield Answer(event.status_code, list(event.headers.raw_items()))
                elif isinstance(event, h11.Data):
                    yield bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    break
                elif not isinstance(event, h11.InformationalResponse):
                    raise GoneError("the deployment ended the connection")
        except (OSError, h11.ProtocolError) as broken:
            self.close()
            raise GoneError(str(broken)) from broken
        except BaseException:  # also if the reader of the stream stops before its end
            self.close()
            raise
        self._used = time.monotonic()
        if self._http.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            self._http.start_next_cycle()
        else:
            self.close()

    async def _connect(self) -> None:
        idle = time.monotonic() - self._used
        if self._reader is not None and (idle > _IDLE_S or self._reader.at_eof()):
            self.close()
        if self._reader is None:
            self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)

    def _message(self, request: Request) -> bytes:
        headers = [each for each in request.headers if each[0].lower() not in _HOP_BY_HOP]
        headers = [each for each in headers if each[0].lower() not in (*_LENGTHS, b"expect")]
        if request.body or request.method not in ("GET", "HEAD", "DELETE"):
            headers.append((b"content-length", str(len(request.body)).encode()))
        head = h11.Request(method=request.method, target=request.target, headers=headers)
        parts = [self._http.send(head)]
        if request.body:
            parts.append(self._http.send(h11.Data(data=request.body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        return b"".join(part for part in parts if part)

    async def _event(self) -> h11.Event | None:
        """Return the next event of the deployment; None if h11 reads no further."""
        assert self._reader is not None
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_CHUNK))
        return event if isinstance(event, h11.Event) else None

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None
