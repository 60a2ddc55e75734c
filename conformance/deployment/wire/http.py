"""The lowest HTTP transport: complete responses, within one deadline, of a bounded size."""

from __future__ import annotations

import ssl

import httpcore
import httpx

from conformance.deployment.settings import MAX_BODY_MIB
from conformance.deployment.wire.connections import DirectConnections, ProxiedConnections
from conformance.deployment.wire.content_decoding import read_body, too_large_error
from conformance.deployment.wire.deadline_connections import Limits, bounded
from conformance.deployment.wire.incoming import Incoming
from conformance.deployment.wire.proxies import Proxy
from conformance.deployment.wire.stream_reading import READER, Reader

#: Key of `request.extensions` for a `threading.Event`: once it is set, by any thread, the
#: client disconnects.
CUT = "threads_conformance_cut"
_PROXY_WANTS_CREDENTIALS = 407
_WITHOUT_BODY = (204, 304)
# The most specific first, since the first match counts.
_EQUIVALENTS = (
    (httpcore.ConnectTimeout, httpx.ConnectTimeout),
    (httpcore.WriteTimeout, httpx.WriteTimeout),
    (httpcore.TimeoutException, httpx.ReadTimeout),
    (httpcore.ConnectError, httpx.ConnectError),
    (httpcore.WriteError, httpx.WriteError),
    (httpcore.NetworkError, httpx.ReadError),
    (httpcore.ProxyError, httpx.ProxyError),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
    (httpcore.LocalProtocolError, httpx.LocalProtocolError),
    (httpcore.ProtocolError, httpx.RemoteProtocolError),
    # A connection that was made for the request has ended before it, too.
    (httpcore.ConnectionNotAvailable, httpx.RemoteProtocolError),
)
_TRANSLATED = tuple(kind for kind, _ in _EQUIVALENTS)


class HttpTransport(httpx.BaseTransport):
    """A transport that sends a request and reads its response to the end.

    By HTTP/1.1, or by HTTP/2 where a server offers it.

    The time limit of a request, `extensions["timeout"]["read"]` in seconds, is one deadline
    for all of it: name resolution, connection, request, headers, and the body to its last
    byte. The body of the response is decoded, and has at most `max_body` bytes. With a `Reader`
    the body is what was received by the deadline, or until the reader left.
    """

    def __init__(
        self,
        *,
        max_body: int = MAX_BODY_MIB * 2**20,
        tls: ssl.SSLContext | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._max_body = max_body
        self._proxied = proxy is not None
        self._connections: DirectConnections | ProxiedConnections = (
            DirectConnections(tls) if proxy is None else ProxiedConnections(proxy, tls)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the whole response; raise `httpx.TransportError` if it is missing or cut off."""
        timeouts = request.extensions.get("timeout") or {}
        reader: Reader | None = request.extensions.get(READER)
        limits = Limits(timeouts.get("read"), reader or request.extensions.get(CUT))
        try:
            with bounded(limits), self._connections.response(request) as received:
                return self._read(received, reader, request.method)
        except _TRANSLATED as broken:
            raise _equivalent(broken) from broken

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _read(self, received: Incoming, reader: Reader | None, method: str) -> httpx.Response:
        if self._proxied and received.status == _PROXY_WANTS_CREDENTIALS:
            raise httpx.ProxyError("407 Proxy Authentication Required")
        headers = httpx.Headers(received.headers)
        has_body = method != "HEAD" and received.status not in _WITHOUT_BODY
        if has_body and _is_more(headers.get("content-length", ""), self._max_body):
            raise too_large_error(self._max_body)
        encoding = headers.get("content-encoding", "")
        pieces = received.pieces
        if reader is not None:
            pieces = reader.read(pieces, headers.get("content-type", ""))
        body = read_body(pieces, encoding, self._max_body)
        if encoding:
            # They describe the encoded body, not the decoded one.
            for name in ("content-encoding", "content-length"):
                headers.pop(name, None)
        response = httpx.Response(
            received.status,
            headers=headers,
            stream=httpx.ByteStream(body),
            extensions=received.extensions,
        )
        response.read()
        return response


def _is_more(announced: str, most: int) -> bool:
    """Return whether a number is larger, however many digits it has: Python reads only so many."""
    digits = announced.strip().lstrip("0")
    if not (digits.isascii() and digits.isdecimal()):
        return False
    return len(digits) > len(str(most)) or int(digits) > most


def _equivalent(broken: Exception) -> httpx.TransportError:
    """Return the error of httpx that corresponds to an error of httpcore."""
    kind = next(equivalent for kind, equivalent in _EQUIVALENTS if isinstance(broken, kind))
    return kind(str(broken) or type(broken).__name__)
