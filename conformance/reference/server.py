"""The reference deployment served by uvicorn on loopback."""

from __future__ import annotations

import socket
import sys
import threading

import uvicorn
from starlette.types import ASGIApp

from conformance.reference.announcement import READY
from conformance.reference.app import create_app

HOST = "127.0.0.1"

_BACKLOG = 256


class PortTakenError(Exception):
    """The port is in use by another process; the message says what to do."""


class _AnnouncedServer(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            print(f"{READY}http://{HOST}:{sockets[0].getsockname()[1]}", flush=True)


def serve(port: int = 0, *, app: ASGIApp | None = None, until_eof: bool = False) -> None:
    """Serve `app`, by default the reference without faults, on loopback until interrupted.

    Print one line with the URL when ready. Port 0 takes a free one; PortTakenError if the port is
    in use. With `until_eof` also end at the end of stdin, so that the process does not outlive a
    parent that was killed.
    """
    config = uvicorn.Config(
        app or create_app(),
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = _AnnouncedServer(config)
    with open_listener(port) as listener:
        if until_eof:
            threading.Thread(target=_stop_at_eof, args=(server,), daemon=True).start()
        server.run(sockets=[listener])


def open_listener(port: int) -> socket.socket:
    """Return a listening socket on loopback; port 0 takes a free one. PortTakenError if in use."""
    # asyncio sets TCP_NODELAY only if the protocol is given as TCP; else an answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
    except OSError as problem:
        listener.close()
        raise PortTakenError(
            f"cannot listen on port {port} ({problem.strerror}): "
            "choose another with --port, or 0 for a free one"
        ) from problem
    return listener


def _stop_at_eof(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True
