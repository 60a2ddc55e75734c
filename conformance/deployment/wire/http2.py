"""One HTTP/2 connection, for one request after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import h2.exceptions
import httpcore
import httpx

from conformance.deployment.wire.httpcore_messages import core_request, core_url, incoming
from conformance.deployment.wire.incoming import Incoming

_STATUSES = range(100, 1000)


class Http2Connection:
    """A connection by HTTP/2 over `stream`, of one request at a time.

    The time limit of a request ends its connection, with which no other request is to end.
    """

    def __init__(self, stream: httpcore.NetworkStream, url: httpx.URL) -> None:
        self._stream = stream
        self._connection = httpcore.HTTP2Connection(core_url(url).origin, stream)
        self._is_free = True

    @property
    def is_free(self) -> bool:
        """Whether the last response was read to its end, and the server keeps the connection."""
        return self._is_free and self._connection.is_idle() and self._connection.is_available()

    @property
    def has_news(self) -> bool:
        """Whether the server has sent something since then, which may be its end."""
        return bool(self._stream.get_extra_info("is_readable"))

    def close(self) -> None:
        """Close the connection."""
        self._is_free = False
        with suppress(h2.exceptions.H2Error):
            self._connection.close()

    def handle_request(self, request: httpx.Request) -> Incoming:
        """Send a request and return its response, whose body is still to be read.

        Raises `httpcore.ConnectionNotAvailable` if the server ended the connection before it took
        the request, `httpx.RemoteProtocolError` for what is no response, and what the stream
        raises.
        """
        self._is_free = False
        with _violations():
            response = self._connection.handle_request(core_request(request))
            if response.status not in _STATUSES:
                raise ValueError(f"the status is {response.status}")
        received = incoming(response)
        pieces = self._body(received.pieces, response.close)
        return Incoming(received.status, received.headers, received.extensions, pieces)

    def _body(self, pieces: Iterable[bytes], end: Callable[[], None]) -> Iterator[bytes]:
        with _violations():
            yield from pieces
            end()
        self._is_free = True


@contextmanager
def _violations() -> Iterator[None]:
    """Raise what the server did against the protocol as such: httpcore takes it for our doing."""
    try:
        yield
    except h2.exceptions.H2Error as broken:
        raise httpx.RemoteProtocolError(f"the answer is not HTTP/2: {broken}") from broken
    except httpcore.LocalProtocolError as broken:
        if broken.args and isinstance(broken.args[0], h2.exceptions.H2Error):
            raise httpx.RemoteProtocolError(f"the answer is not HTTP/2: {broken}") from broken
        raise
    except ValueError as broken:
        # The status is no number, or none of a response.
        raise httpx.RemoteProtocolError(f"the answer is not HTTP/2: {broken}") from broken
