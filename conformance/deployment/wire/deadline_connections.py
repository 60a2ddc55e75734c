"""Connections on which every step is bounded by the rest of one deadline.

`bounded` sets the limits of a request; every later step in the same thread (name
resolution, connecting, the TLS handshake, each read and write) takes its time limit from
them. The errors that are defined here pass through httpcore unchanged.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol

import httpcore
import httpx

from conformance.time_account import Activity, spend

#: Interval at which a read checks whether it is to be aborted, in seconds.
_SLICE_S = 0.2
#: Bytes written at once: the deadline is checked between pieces.
_PIECE = 16 * 1024


class DeadlineError(httpx.ReadTimeout):
    """The response was not complete when the time limit of the request was over."""


class CutError(httpx.ReadError):
    """The wait was aborted: the client has disconnected."""


class NameNotFoundError(httpx.ConnectError):
    """The name of the host has no address."""


class UntrustedCertificateError(httpx.ConnectError):
    """The certificate of the server is not trusted."""


class NoTlsError(httpx.ConnectError):
    """The server on the port does not speak TLS."""


class Switch(Protocol):
    """The part of `threading.Event` that is needed to read it."""

    def is_set(self) -> bool:
        """Return whether it is set."""


class Limits:
    """The deadline of a request, and the switch that aborts it earlier."""

    def __init__(self, seconds: float | None, cut: Switch | None = None) -> None:
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds
        self._cut = cut

    def __str__(self) -> str:
        return "no limit" if self._seconds is None else f"{self._seconds:g} s"

    def seconds_left(self) -> float:
        """Return the seconds that are left; raise `CutError` if the request is to be aborted."""
        if self._cut is not None and self._cut.is_set():
            raise CutError("not waited for: the client disconnected")
        return float("inf") if self._end is None else self._end - time.monotonic()

    def wait(self, late: Callable[[], Exception]) -> float:
        """Return the seconds to wait in one step, less than 1; raise `late()` if none are left."""
        left = self.seconds_left()
        if left <= 0:
            raise late()
        return min(left, _SLICE_S)

    def whole_wait(self, late: Callable[[], Exception]) -> float | None:
        """Return all the seconds left, None without a limit; raise `late()` if none are left."""
        left = self.seconds_left()
        if left <= 0:
            raise late()
        return None if left == float("inf") else left

    def read_timeout(self) -> DeadlineError:
        """Return the error of a response that is not complete in time."""
        return DeadlineError(f"no whole answer within {self}")

    def write_timeout(self) -> httpx.WriteTimeout:
        """Return the error of a request that cannot be sent in time."""
        return httpx.WriteTimeout(f"the request could not be sent within {self}")

    def connect_timeout(self, what: str = "connection") -> httpx.ConnectTimeout:
        """Return the error of a connection that is not made in time."""
        return httpx.ConnectTimeout(f"no {what} within {self}")


_LIMITS: ContextVar[Limits] = ContextVar("limits")


@contextmanager
def bounded(limits: Limits) -> Iterator[None]:
    """Bound by `limits` whatever this thread does on a connection in the block."""
    token = _LIMITS.set(limits)
    try:
        yield
    finally:
        _LIMITS.reset(token)


def speaks_tls(host: str, port: int, seconds: float) -> bool:
    """Return whether a TLS handshake succeeds within `seconds`, whatever the certificate."""
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
    """A network backend that connects by TCP within the limits of the current request.

    `proxy` is the host and port of the proxy to which all connections go, if there is one: it is
    named in errors.
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
            return self._connect(host, port, limits, local_address, socket_options)
        except httpx.ConnectError as failed:
            if self._proxy is None:
                raise
            raise httpx.ProxyError(
                f"the proxy {self._proxy} cannot be reached ({failed})"
            ) from failed

    def _connect(
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
                    limits.whole_wait(limits.connect_timeout),
                    local_address,
                    socket_options,
                )
            except httpcore.ConnectTimeout:
                failed = limits.connect_timeout()
            except httpcore.ConnectError as refused:
                failed = httpx.ConnectError(str(refused))
            else:
                return _BoundedStream(stream)
        raise failed or NameNotFoundError(f"{host} has no address")


class _BoundedStream(httpcore.NetworkStream):
    """A connection for one request after another, each within its own limits."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        #: What is to be sent before the next read: head and short body of a request go together.
        self._unsent = bytearray()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        # As httpcore does: a server may have answered before the request was whole.
        with suppress(httpcore.WriteError):
            self._flush()
        limits = _LIMITS.get()
        # Of the rest of an answer as well: a server may send the head long before the body.
        with spend(Activity.SERVER):
            while True:
                wait = limits.wait(limits.read_timeout)
                with suppress(httpcore.ReadTimeout):
                    return self._stream.read(max_bytes, wait)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._unsent += buffer
        if len(self._unsent) >= _PIECE:
            self._flush()

    def _flush(self) -> None:
        if not self._unsent:
            return
        unsent, self._unsent = bytes(self._unsent), bytearray()
        limits = _LIMITS.get()
        for start in range(0, len(unsent), _PIECE):
            self._stream.write(
                unsent[start : start + _PIECE], limits.whole_wait(limits.write_timeout)
            )

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        limits = _LIMITS.get()
        late = partial(limits.connect_timeout, "TLS handshake")
        try:
            wait = limits.whole_wait(late)
            return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, wait))
        except httpcore.ConnectTimeout:
            raise late() from None
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
    """Resolve a host in a separate thread, since a lookup cannot be aborted otherwise."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    resolution: Future[list[str]] = Future()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            resolution.set_result([str(each[4][0]) for each in found])
        except (OSError, UnicodeError) as unknown:
            resolution.set_exception(NameNotFoundError(f"{host} has no address: {unknown}"))

    threading.Thread(target=resolve, daemon=True).start()
    while True:
        wait = limits.wait(partial(limits.connect_timeout, f"address of {host}"))
        try:
            return resolution.result(wait)
        except NotYet:
            continue
