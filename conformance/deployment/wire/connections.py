"""Connections to servers, each of which carries one request at a time, kept for the next ones."""

from __future__ import annotations

import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore
import httpx

from conformance.deployment.wire.deadline_connections import BoundedBackend
from conformance.deployment.wire.http1 import Http1Connection
from conformance.deployment.wire.http2 import Http2Connection
from conformance.deployment.wire.httpcore_messages import core_request, core_url, incoming
from conformance.deployment.wire.incoming import Incoming
from conformance.deployment.wire.proxies import Proxy

#: Below uvicorn's five seconds, so that a connection is not reused while it is being closed.
KEEPALIVE_S = 3.0

_PORTS = {"http": 80, "https": 443}

_Connection = Http1Connection | Http2Connection
#: Scheme, host and port of a server.
_Place = tuple[str, str, int | None]


class DirectConnections:
    """Connections without a proxy: by HTTP/2 where the server chooses it in the TLS handshake.

    A connection that has carried no request for `KEEPALIVE_S` seconds, or that the server has
    closed, is not used again.
    """

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._backend = BoundedBackend()
        self._lock = threading.Lock()
        #: The connections that carry no request, the last one used last, each with when it was.
        self._idle: defaultdict[_Place, list[tuple[float, _Connection]]]
        self._idle = defaultdict(list)
        self._closed = False

    @contextmanager
    def response(self, request: httpx.Request) -> Iterator[Incoming]:
        """Send a request; what is received of its response can be read while the block runs.

        Raises what `BoundedBackend`, `Http1Connection` and `Http2Connection` raise.
        """
        place = (request.url.scheme, request.url.host, request.url.port)
        connection = self._kept(place) or self._opened(request.url)
        try:
            try:
                received = connection.handle_request(request)
            except httpcore.ConnectionNotAvailable:
                # The server has ended it before this request, which it has not seen.
                connection.close()
                connection = self._opened(request.url)
                received = connection.handle_request(request)
            yield received
        finally:
            self._keep(place, connection)

    def close(self) -> None:
        """Close the connections that carry no request, and the others after theirs."""
        with self._lock:
            self._closed = True
            kept = [each for idle in self._idle.values() for _, each in idle]
            self._idle.clear()
        for each in kept:
            each.close()

    def _kept(self, place: _Place) -> _Connection | None:
        """Return the connection that was used last and can be used again; None without any."""
        while True:
            with self._lock:
                if not self._idle[place]:
                    return None
                since, connection = self._idle[place].pop()
            if time.monotonic() - since <= KEEPALIVE_S and not connection.has_news:
                return connection
            connection.close()

    def _keep(self, place: _Place, connection: _Connection) -> None:
        now = time.monotonic()
        unused: list[_Connection] = []
        with self._lock:
            if self._closed or not connection.is_free:
                unused = [connection]
            else:
                idle = self._idle[place]
                idle.append((now, connection))
                while now - idle[0][0] > KEEPALIVE_S:
                    unused.append(idle.pop(0)[1])
        for each in unused:
            each.close()

    def _opened(self, url: httpx.URL) -> _Connection:
        if url.scheme not in _PORTS:
            raise httpx.UnsupportedProtocol(f"{url.scheme or 'no scheme'} is not http or https")
        host = url.raw_host.decode("ascii")
        stream = self._backend.connect_tcp(host, url.port or _PORTS[url.scheme])
        if url.scheme != "https":
            return Http1Connection(stream)
        tls = self._tls or httpcore.default_ssl_context()
        tls.set_alpn_protocols(["h2", "http/1.1"])
        try:
            stream = stream.start_tls(tls, host)
        except BaseException:
            # The limits may strike before the handshake begins, which closes it otherwise.
            stream.close()
            raise
        chosen = stream.get_extra_info("ssl_object")
        if chosen is not None and chosen.selected_alpn_protocol() == "h2":
            return Http2Connection(stream)
        return Http1Connection(stream)


class ProxiedConnections:
    """Connections to a proxy, or through it, by HTTP/1.1."""

    def __init__(self, proxy: Proxy, tls: ssl.SSLContext | None) -> None:
        url = proxy.url
        self._pool = httpcore.HTTPProxy(
            core_url(url),
            proxy_auth=(url.username, url.password) if url.username else None,
            ssl_context=tls,
            proxy_ssl_context=tls if url.scheme == "https" else None,
            max_connections=None,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=BoundedBackend(proxy.address),
        )

    @contextmanager
    def response(self, request: httpx.Request) -> Iterator[Incoming]:
        """Send a request; what is received of its response can be read while the block runs."""
        received = self._pool.handle_request(core_request(request))
        try:
            yield incoming(received)
        finally:
            received.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()
