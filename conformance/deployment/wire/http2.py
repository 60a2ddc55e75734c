"""One HTTP/2 connection, for one request after another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import httpcore
import httpx

from conformance.deployment.wire.http1 import check_request
from conformance.deployment.wire.incoming import Incoming, PartialResponse
from conformance.deployment.wire.kept_connection import KeptConnection

_READ_AT_ONCE = 64 * 1024
#: How many bytes of responses a server may send before they are acknowledged.
_WINDOW = 2**24
_LONGEST_HEAD = 64 * 1024
#: Of a frame: the length of its head, the longest that we allow, and the type GOAWAY.
_FRAME_HEAD, _LONGEST_FRAME, _GOAWAY = 9, 2**14, 7
_NOT_TAKEN = "the server ended the connection before it took the request"
_STATUS = re.compile(rb"[1-9][0-9]{2}")
#: Headers that HTTP/2 has no place for, or has in another form.
_NOT_SENT = frozenset(
    (b"host", b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)


class Http2Connection(KeptConnection):
    """A connection by HTTP/2 over `stream`, of one request at a time.

    The time limit of a request ends its connection, with which no other request is to end.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        super().__init__(stream)
        config = h2.config.H2Configuration(client_side=True, header_encoding=None)
        self._h2 = h2.connection.H2Connection(config)
        self._h2.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                h2.settings.SettingCodes.ENABLE_PUSH: 0,
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: _LONGEST_HEAD,
            },
        )
        self._unread = bytearray()
        #: Whether the server, or what was broken, ends the connection with the current request.
        self._ends = False

    @property
    def is_free(self) -> bool:
        """Whether the last response was read to its end, and the server keeps the connection."""
        return (
            super().is_free
            and not self._ends
            and self._h2.remote_settings.max_concurrent_streams > 0
        )

    def handle_request(self, request: httpx.Request) -> Incoming:
        """Send a request and return its response, whose body is still to be read.

        Raises `httpcore.ConnectionNotAvailable` if the server ended the connection before it took
        the request, `httpx.RemoteProtocolError` for what is no response, `httpx.LocalProtocolError`
        for a request that HTTP/2 cannot carry, and what the stream raises.
        """
        check_request(request)
        self._is_free = False
        response = _Response(self._begin(request))
        self._send(response, request.content)
        while response.status is None:
            if response.broken:
                raise response.broken
            self._receive(response)
        return Incoming(
            status=response.status,
            headers=response.headers,
            extensions={"http_version": b"HTTP/2"},
            pieces=self._body(response),
        )

    def _begin(self, request: httpx.Request) -> int:
        """Send the head of a request; return the id of its stream."""
        url = request.url
        headers = [
            (b":method", request.method.encode()),
            (b":authority", request.headers.get("host", "").encode("latin-1")),
            (b":scheme", url.raw_scheme),
            (b":path", url.raw_path),
            *(
                (name.lower(), value)
                for name, value in request.headers.raw
                if name.lower() not in _NOT_SENT
            ),
        ]
        try:
            if self._h2.state_machine.state is h2.connection.ConnectionState.IDLE:
                self._h2.initiate_connection()
                self._h2.increment_flow_control_window(_WINDOW)
            number = self._h2.get_next_available_stream_id()
            self._h2.send_headers(number, headers, end_stream=not request.content)
            self._h2.increment_flow_control_window(_WINDOW, stream_id=number)
        except h2.exceptions.NoAvailableStreamIDError as used_up:
            raise httpcore.ConnectionNotAvailable(_NOT_TAKEN) from used_up
        except h2.exceptions.H2Error as refused:
            raise httpx.LocalProtocolError(f"not sent over HTTP/2: {refused}") from refused
        return number

    def _send(self, response: _Response, body: bytes) -> None:
        """Send the body of a request, unless the response is there before it is needed."""
        position = 0
        while position < len(body):
            room = min(
                self._h2.local_flow_control_window(response.number),
                self._h2.max_outbound_frame_size,
            )
            if room <= 0:
                self._flush()
                self._receive(response)
                if response.is_complete or response.broken:
                    self._ends = True
                    return
                continue
            piece = body[position : position + room]
            position += len(piece)
            self._h2.send_data(response.number, piece, end_stream=position == len(body))
            if not self._flush():
                return
        self._flush()

    def _flush(self) -> bool:
        """Send what is to be sent; return whether the server may still read it."""
        try:
            self._stream.write(self._h2.data_to_send())
        except httpcore.WriteError:
            # The server may have answered before it closed the connection.
            self._ends = True
            return False
        return True

    def _body(self, response: _Response) -> Iterator[bytes]:
        for piece in response.body(partial(self._receive, response)):
            # Only now: what nobody takes is not to fill the memory.
            self._allow(response, len(piece))
            yield piece
        self._is_free = True

    def _allow(self, response: _Response, length: int) -> None:
        """Allow the server to send so many bytes more."""
        try:
            self._h2.acknowledge_received_data(length, response.number)
        except h2.exceptions.H2Error:
            self._ends = True

    def _receive(self, response: _Response) -> None:
        """Receive some frames of a response, or of the connection."""
        received = self._stream.read(_READ_AT_ONCE)
        if not received:
            self._ends = True
            response.fail("Server disconnected")
            return
        for frame in self._frames(received):
            if self._is_graceful_end(frame, response.number):
                self._ends = True
                continue
            try:
                events = self._h2.receive_data(frame)
            except h2.exceptions.H2Error as broken:
                self._ends = True
                response.fail(f"the answer is not HTTP/2: {broken}")
                break
            for event in events:
                self._take(event, response)
        self._flush()

    def _frames(self, received: bytes) -> Iterator[bytes]:
        """Yield the frames that are whole now."""
        self._unread += received
        while len(self._unread) >= _FRAME_HEAD:
            length = int.from_bytes(self._unread[:3], "big")
            if len(self._unread) < _FRAME_HEAD + length and length <= _LONGEST_FRAME:
                return
            # One that is too long is refused by its head.
            frame = bytes(self._unread[: _FRAME_HEAD + length])
            del self._unread[: _FRAME_HEAD + length]
            yield frame

    def _is_graceful_end(self, frame: bytes, number: int) -> bool:
        """Return whether a frame says that the current request is the last one, and is answered.

        For h2 nothing may follow it.
        """
        if frame[3] != _GOAWAY or len(frame) < _FRAME_HEAD + 8:
            return False
        last, error = frame[_FRAME_HEAD : _FRAME_HEAD + 4], frame[_FRAME_HEAD + 4 :][:4]
        return not any(error) and int.from_bytes(last, "big") & 0x7FFFFFFF >= number

    def _take(self, event: h2.events.Event, response: _Response) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self._ends = True
            if response.is_untouched and (event.last_stream_id or 0) < response.number:
                raise httpcore.ConnectionNotAvailable(_NOT_TAKEN)
            response.fail(f"the server ended the connection, error {event.error_code}")
        elif getattr(event, "stream_id", None) != response.number:
            return
        elif isinstance(event, h2.events.DataReceived):
            data = event.data or b""
            response.pieces.append(data)
            self._allow(response, (event.flow_controlled_length or 0) - len(data))
        else:
            self._ends = self._ends or isinstance(event, h2.events.StreamReset)
            response.take(event)


class _Response(PartialResponse):
    """One response while it is received, on the stream of that number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []

    @property
    def is_untouched(self) -> bool:
        """Whether nothing of the response has come."""
        return self.status is None and not self.is_complete and self.broken is None

    def fail(self, told: str) -> None:
        """End the response as broken, unless it is complete."""
        if not self.is_complete and self.broken is None:
            self.broken = httpx.RemoteProtocolError(told)

    def take(self, event: h2.events.Event) -> None:
        """Take an event of the stream."""
        if isinstance(event, h2.events.ResponseReceived):
            self._take_head(event.headers or [])
        elif isinstance(event, h2.events.StreamEnded):
            self.is_complete = self.broken is None
        elif isinstance(event, h2.events.StreamReset):
            self.fail(f"the server ended the answer, error {event.error_code}")

    def _take_head(self, headers: list[tuple[bytes, bytes]]) -> None:
        status = dict(headers).get(b":status", b"")
        if not _STATUS.fullmatch(status):
            self.fail("the answer is not HTTP/2: its status is no number of three digits")
            return
        self.status = int(status)
        self.headers = [each for each in headers if not each[0].startswith(b":")]
