"""Raw socket servers for tests, which send bytes that no HTTP library would."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from conformance.reference.server import HOST

#: A function that handles a client's connection; the event is set when the test is over.
ConnectionHandler = Callable[[socket.socket, threading.Event], None]


@contextmanager
def raw_server(handle: ConnectionHandler, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yield host and port of a server that calls `handle` with each connection."""
    over = threading.Event()
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        while not over.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with suppress(OSError):
            secured = tls.wrap_socket(connection, server_side=True) if tls else connection
            with secured:
                handle(secured, over)

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    try:
        yield f"{HOST}:{listener.getsockname()[1]}"
    finally:
        over.set()
        # Shutting down wakes `accept`, which closing alone does not.
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        serving.join()


def head_of(connection: socket.socket) -> bytes:
    """Read and return the head of a request; ConnectionError if the connection ends before."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(65536)
        if not received:
            raise ConnectionError
        head += received
    return head


def reply_with(*parts: bytes) -> ConnectionHandler:
    """Return a handler that answers every request of a connection with these bytes."""

    def handle(connection: socket.socket, _over: threading.Event) -> None:
        while True:
            head_of(connection)
            for part in parts:
                connection.sendall(part)

    return handle


def reply_slowly(head: bytes, drop: bytes, pause_s: float = 0.01) -> ConnectionHandler:
    """Return a handler that sends `head` once, then `drop` every `pause_s` seconds to the end."""

    def handle(connection: socket.socket, over: threading.Event) -> None:
        head_of(connection)
        connection.sendall(head)
        while not over.wait(pause_s):
            connection.sendall(drop)

    return handle


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Return a whole HTTP/1.1 response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def certificate(directory: Path) -> tuple[ssl.SSLContext, Path] | None:
    """Return a server's context with a self-signed certificate for 127.0.0.1, and its PEM file.

    None if openssl is not installed.
    """
    if not shutil.which("openssl"):
        return None
    key, pem = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=deployment", "-keyout", key, "-out", pem),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:deployment.test"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return context, pem
