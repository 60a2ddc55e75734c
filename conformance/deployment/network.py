"""Connections on which every step is bounded by what is left of one deadline.

`bounded` sets the limits of a request; whatever is then done on a connection in the same
thread (resolving a name, connecting, the TLS handshake, each read and write) takes its
time limit from them. Errors that have a name here pass through httpcore as they are.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import httpcore
import httpx

#: So often a read looks whether it is to be cut, in seconds.
_SLICE_S = 0.2
#: As much is written at once, so that the deadline is looked at between pieces.
_PIECE = 16 * 1024


class DeadlineError(httpx.ReadTimeout):
    """The whole answer had not come when the time of the request was over."""


class CutError(httpx.ReadError):
    """Not waited for any longer, since the run is to end."""


class NameNotFoundError(httpx.ConnectError):
    """The host's name has no address."""


class UntrustedCertificateError(httpx.ConnectError):
    """The certificate of the server is not one that is trusted."""


class NoTlsError(httpx.ConnectError):
    """What answers on the port does not speak TLS."""


class Switch(Protocol):
    """What a `threading.Event` offers of itself to those who only look."""

    def is_set(self) -> bool:
        """Whether it is set."""


class Limits:
    """How long a request may take in all, and what can end it before."""

    def __init__(self, seconds: float | None, cut: Switch | None = None) -> None:
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds
        self._cut = cut

    def __str__(self) -> str:
        return "no limit" if self._seconds is None else f"{self._seconds:g} s"

    def left(self) -> float:
        """The seconds that are left; `CutError` once the request is to be cut."""
        if self._cut is not None and self._cut.is_set():
            raise CutError("not waited for: the run is to end")
        return float("inf") if self._end is None else self._end - time.monotonic()

    def wait(self, late: Exception) -> float:
        """How long to wait now, less than a second; `late` is raised where no time is left."""
        left = self.left()
        if left <= 0:
            raise late
        return min(left, _SLICE_S)

    def whole_wait(self, late: Exception) -> float | None:
        """All the time that is left, None for ever; `late` is raised where there is none."""
        left = self.left()
        if left <= 0:
            raise late
        return None if left == float("inf") else left

    def unanswered(self) -> DeadlineError:
        """The error of an answer that did not come in time."""
        return DeadlineError(f"no whole answer within {self}")

    def unconnected(self, what: str = "connection") -> httpx.ConnectTimeout:
        """The error of a connection that did not come about in time."""
        return httpx.ConnectTimeout(f"no {what} within {self}")


_LIMITS: ContextVar[Limits] = ContextVar("limits")


@contextmanager
def bounded(limits: Limits) -> Iterator[None]:
    """Whatever this thread does on a connection inside is bounded by `limits`."""
    token = _LIMITS.set(limits)
    try:
        yield
    finally:
        _LIMITS.reset(token)


def speaks_tls(host: str, port: int, seconds: float) -> bool:
    """Whether a TLS handshake succeeds there, whatever the certificate; nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with bounded(Limits(seconds)):
        try:
            stream = BoundedBackend().connect_tcp(host, port)
            stream.start_tls(context, host).close()
        except httpx.TransportError:
            return False
    return True


class BoundedBackend(httpcore.NetworkBackend):
    """Connects by TCP within the limits of the request at hand.

    With `proxy`, its host and port, all connections go there: that they fail is told of it.
    """

    def __init__(self, proxy: str | None = None) -> None:
        self._backend = httpcore.SyncBackend()
        self._proxy = proxy

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers."""
        limits = _LIMITS.get()
        try:
            return self._connected(host, port, limits, local_address, socket_options)
        except httpx.ConnectError as failed:
            if self._proxy is None:
                raise
            raise httpx.ProxyError(
                f"the proxy {self._proxy} cannot be reached ({failed})"
            ) from failed

    def _connected(
        self,
        host: str,
        port: int,
        limits: Limits,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.NetworkStream:
        failed: Exception | None = None
        for address in _addresses(host, port, limits):
            try:
                stream = self._backend.connect_tcp(
                    address,
                    port,
                    limits.whole_wait(limits.unconnected()),
                    local_address,
                    socket_options,
                )
            except httpcore.ConnectTimeout:
                failed = limits.unconnected()
            except httpcore.ConnectError as refused:
                failed = httpx.ConnectError(str(refused))
            else:
                return _BoundedStream(stream)
        raise failed or NameNotFoundError(f"{host} has no address")


class _BoundedStream(httpcore.NetworkStream):
    """A connection, used by one request after the other, each within its own limits."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        limits = _LIMITS.get()
        while True:
            wait = limits.wait(limits.unanswered())
            try:
                return self._stream.read(max_bytes, wait)
            except httpcore.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        limits = _LIMITS.get()
        late = httpx.WriteTimeout(f"the request could not be sent within {limits}")
        for start in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[start : start + _PIECE], limits.whole_wait(late))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        limits = _LIMITS.get()
        late = limits.unconnected("TLS handshake")
        try:
            wait = limits.whole_wait(late)
            return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, wait))
        except httpcore.ConnectTimeout:
            raise late from None
        except httpcore.ConnectError as failed:
            if isinstance(failed.__cause__, ssl.SSLCertVerificationError):
                reason = failed.__cause__.verify_message
                raise UntrustedCertificateError(str(reason)) from failed
            if isinstance(failed.__cause__, ssl.SSLError):
                raise NoTlsError(str(failed.__cause__.reason or failed)) from failed
            raise httpx.ConnectError(f"no TLS handshake ({failed})") from failed

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _addresses(host: str, port: int, limits: Limits) -> list[str]:
    """The addresses of a host, asked for in a thread of its own: nothing else can end that."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    asked: Future[list[str]] = Future()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            asked.set_result([str(each[4][0]) for each in found])
        except (OSError, UnicodeError) as unknown:
            asked.set_exception(NameNotFoundError(f"{host} has no address: {unknown}"))

    threading.Thread(target=ask, daemon=True).start()
    while True:
        wait = limits.wait(limits.unconnected(f"address of {host}"))
        try:
            return asked.result(wait)
        except NotYet:
            continue
