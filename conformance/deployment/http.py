"""The transport to the wire: whole answers, within one deadline, of a bounded size."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import httpcore
import httpx

from conformance.deployment.decoding import read_body, too_large
from conformance.deployment.network import BoundedBackend, Limits, bounded
from conformance.deployment.proxies import Proxy

#: Set in `request.extensions` to a `threading.Event`: once it is set, the answer is not
#: waited for any longer, whatever thread waits.
CUT = "threads_conformance_cut"
#: The size of an answer, after decompression, beyond which it is not read.
MAX_BODY_MIB = 64
#: Below uvicorn's five seconds, so that a connection is not reused as it is closed.
_KEEPALIVE_S = 3.0

_PROXY_WANTS_CREDENTIALS = 407
# The most specific first.
_MEANT = (
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
)


class HttpTransport(httpx.BaseTransport):
    """Sends a request over HTTP/1.1 and reads its answer to the end.

    The time limit of a request, `extensions["timeout"]["read"]`, is one deadline for all
    of it: resolving, connecting, sending, headers, and the body to its last byte. The
    answer's body is decoded, and has at most `max_body` bytes.
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
        if proxy is None:
            self._pool = httpcore.ConnectionPool(
                ssl_context=tls,
                max_connections=None,
                keepalive_expiry=_KEEPALIVE_S,
                network_backend=BoundedBackend(),
            )
            return
        url = proxy.url
        self._pool = httpcore.HTTPProxy(
            httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            proxy_auth=(url.username, url.password) if url.username else None,
            ssl_context=tls,
            proxy_ssl_context=tls if url.scheme == "https" else None,
            max_connections=None,
            keepalive_expiry=_KEEPALIVE_S,
            network_backend=BoundedBackend(proxy.shown),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The whole answer; `httpx.TransportError` where none comes, or not all of it."""
        timeouts = request.extensions.get("timeout") or {}
        limits = Limits(timeouts.get("read"), request.extensions.get(CUT))
        assert isinstance(request.stream, httpx.SyncByteStream)
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
        )
        with bounded(limits), _as_httpx():
            answer = self._pool.handle_request(sent)
            try:
                return self._read(answer)
            finally:
                answer.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _read(self, answer: httpcore.Response) -> httpx.Response:
        if self._proxied and answer.status == _PROXY_WANTS_CREDENTIALS:
            raise httpx.ProxyError("407 Proxy Authentication Required")
        headers = httpx.Headers(answer.headers)
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._max_body:
            raise too_large(self._max_body)
        assert isinstance(answer.stream, Iterable)
        encoding = headers.get("content-encoding", "")
        body = read_body(answer.stream, encoding, self._max_body)
        if encoding:
            # They tell of the body as it was sent, not of the one that is handed on.
            for name in ("content-encoding", "content-length"):
                headers.pop(name, None)
        kept = {
            name: answer.extensions[name]
            for name in ("http_version", "reason_phrase")
            if name in answer.extensions
        }
        response = httpx.Response(
            answer.status, headers=headers, stream=httpx.ByteStream(body), extensions=kept
        )
        response.read()
        return response


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Errors of httpcore as those of httpx that mean the same."""
    try:
        yield
    except tuple(kind for kind, _ in _MEANT) as broken:
        meant = next(meant for kind, meant in _MEANT if isinstance(broken, kind))
        raise meant(str(broken) or type(broken).__name__) from broken
