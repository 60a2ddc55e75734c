"""One HTTP/1.1 connection, for one request after another, on which llhttp parses the responses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import httpcore
import httptools
import httpx

from conformance.deployment.wire.incoming import Incoming, PartialResponse
from conformance.deployment.wire.kept_connection import KeptConnection

#: Bytes that are read at once, at most.
_READ_AT_ONCE = 64 * 1024
#: Bytes of a head, its interim responses included, or of what frames a body or follows it, that are
#: read at most; h11 allows as many.
_LONGEST_HEAD = 100 * 1024

#: What a line of the head must not hold: it would be read as the end of the line, or not at all.
_NOT_IN_A_LINE = re.compile(rb"[\x00\r\n]")
_NOT_IN_A_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
_VALUE = re.compile(rb"[^\x00\s]+(?:[^\x00\r\n]*[^\x00\s])?|")

_SWITCHING_PROTOCOLS = 101
_FIRST_FINAL_STATUS = 200


class Http1Connection(KeptConnection):
    """A connection by HTTP/1.1 over `stream`; it closes itself where it cannot be used again.

    One request at a time: the body of a response is read to its end, or the connection closed,
    before the next request.
    """

    def handle_request(self, request: httpx.Request) -> Incoming:
        """Send a request and return its response, whose body is still to be read.

        Raises `httpx.RemoteProtocolError` for what is no response, `httpx.LocalProtocolError` for
        a request that HTTP/1.1 cannot carry, and what the stream raises.
        """
        self._is_free = False
        head = _head(request)
        was_sent = True
        try:
            self._stream.write(head + request.content)
        except httpcore.WriteError:
            # The server may have answered before it closed the connection.
            was_sent = False
        response = _Response(self._stream, request.method)
        response.read_head()
        return Incoming(
            status=response.status,
            headers=response.headers,
            extensions={
                "http_version": b"HTTP/" + response.http_version.encode(),
                "reason_phrase": response.reason,
            },
            pieces=self._body(response, may_be_free=was_sent),
        )

    def _body(self, response: _Response, *, may_be_free: bool) -> Iterator[bytes]:
        yield from response.body(response.receive)
        self._is_free = response.keeps_alive and may_be_free


class _Response(PartialResponse):
    """One response while it is received; the parser calls the methods whose names begin with on."""

    def __init__(self, stream: httpcore.NetworkStream, method: str) -> None:
        super().__init__()
        self._stream = stream
        self._is_head = method == "HEAD"
        self._parser = httptools.HttpResponseParser(self)
        # Lines may end by LF alone (RFC 9112, 2.2) and be folded (5.2), many servers pad the size
        # of a chunk, and an interim response may announce the end of the connection.
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True,
            lenient_headers=True,
            lenient_spaces_after_chunk_size=True,
            lenient_keep_alive=True,
        )
        self.status, self.reason, self.http_version = 0, b"", ""
        self.headers: list[tuple[bytes, bytes]] = []
        self.keeps_alive = False
        self._has_head = False
        #: Bytes received, those of them that are the body, and those since the last of these.
        self._received = self._of_body = self._since_body = 0

    def read_head(self) -> None:
        """Receive until status and headers are there, those of the final response."""
        while not self._has_head:
            self.receive()
            if self.broken and not self._has_head:
                raise self.broken
            if self._received > _LONGEST_HEAD and not self._has_head:
                raise httpx.RemoteProtocolError(
                    f"the head of the answer is longer than {_LONGEST_HEAD // 1024} KiB"
                )

    def receive(self) -> None:
        """Receive some bytes, and take what they say."""
        received = self._stream.read(_READ_AT_ONCE)
        if not received:
            self._end()
            return
        self._received += len(received)
        before = self._of_body
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserUpgrade:
            # What follows a 101 is no HTTP.
            self.is_complete, self.keeps_alive = True, False
        except httptools.HttpParserError as broken:
            if self.is_complete:
                # It does not belong to this response.
                self.keeps_alive = False
            else:
                self._fail(str(broken))
        self._since_body = 0 if self._of_body > before else self._since_body + len(received)
        if self._has_head and not self.is_complete and self._since_body > _LONGEST_HEAD:
            self._fail("it has far more framing than body")

    def _fail(self, told: str) -> None:
        self.broken = httpx.RemoteProtocolError(f"the answer is not HTTP/1.1: {told}")

    def _end(self) -> None:
        """Decide what it means that the server has closed the connection."""
        if not self._has_head:
            self.broken = httpx.RemoteProtocolError(
                "Server disconnected without sending a response."
                if not self._received
                else "peer closed connection within the head of the answer"
            )
        elif self._is_framed():
            self.broken = httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body "
                f"(received {self._of_body} bytes)"
            )
        else:
            self.is_complete = True

    def _is_framed(self) -> bool:
        """Return whether the headers tell where the body ends: else the connection's end does."""
        lengths = [name for name, _ in self.headers if name.lower() == b"content-length"]
        return bool(lengths) or _codings(self.headers) == [b"chunked"]

    def on_message_begin(self) -> None:
        """Take note that a response begins."""
        if self.is_complete:
            # Another one that nobody has asked for.
            self.keeps_alive = False

    def on_status(self, text: bytes) -> None:
        """Take a part of the reason phrase."""
        if not self._has_head:
            self.reason += text

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those after the body are no part of the head."""
        if not self._has_head:
            if _NOT_IN_A_VALUE.search(value):
                self._fail(f"the header {name[:80]!r} has a control character")
            # llhttp leaves the space that may follow a value.
            self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Take the status, unless the response is an interim one."""
        if self._has_head:
            return
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL_STATUS and status != _SWITCHING_PROTOCOLS:
            self.headers, self.reason = [], b""
            return
        codings = _codings(self.headers)
        if codings not in ([], [b"chunked"], [b"identity"]):
            # What is not asked for: only how the parser frames it could be told.
            self._fail(f"its transfer coding is {b', '.join(codings)[:80]!r}")
        if self.broken:
            return
        self.status, self.http_version = status, self._parser.get_http_version()
        self._has_head = True
        # What llhttp takes for the body of a response to HEAD is none.
        self.is_complete = self._is_head

    def on_body(self, piece: bytes) -> None:
        """Take a part of the body; llhttp also tells that of an interim response."""
        if self._has_head and not self.is_complete:
            self._of_body += len(piece)
            self.pieces.append(piece)

    def on_message_complete(self) -> None:
        """Take note that the response is complete, unless it is an interim one."""
        if self._has_head and not self.is_complete:
            self.is_complete = True
            # What is chunked by HTTP/1.0 may come from one who does not know (RFC 9112, 6.1).
            unclear = self.http_version == "1.0" and bool(_codings(self.headers))
            self.keeps_alive = self._parser.should_keep_alive() and not unclear


def _codings(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the transfer codings of a response, in lower case."""
    return [
        coding
        for name, value in headers
        if name.lower() == b"transfer-encoding"
        for each in value.lower().split(b",")
        if (coding := each.strip())
    ]


def check_request(request: httpx.Request) -> None:
    """Raise `httpx.LocalProtocolError` for a request of which something would be read otherwise."""
    _head(request)


def _head(request: httpx.Request) -> bytes:
    target = request.url.raw_path
    if _NOT_IN_A_LINE.search(target) or b" " in target:
        raise httpx.LocalProtocolError("Illegal target characters")
    if not _NAME.fullmatch(request.method.encode()):
        raise httpx.LocalProtocolError("Illegal method characters")
    lines = b"".join([_line(name, value) for name, value in request.headers.raw])
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (request.method.encode(), target, lines)


@lru_cache(maxsize=1024)
def _line(name: bytes, value: bytes) -> bytes:
    """Return the line of a header: most are those of the request before."""
    if not _NAME.fullmatch(name):
        raise httpx.LocalProtocolError(f"Illegal header name {name!r}")
    if not _VALUE.fullmatch(value):
        # It may be a credential, so it is not told.
        raise httpx.LocalProtocolError(f"Illegal value of the header {name!r}")
    return b"%b: %b\r\n" % (name, value)
