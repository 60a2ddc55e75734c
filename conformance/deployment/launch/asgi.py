"""Serve an ASGI app of this process on loopback, in a thread, while something checks it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from conformance.deployment.launch.errors import NotStartedError

_HOST = "127.0.0.1"
_BACKLOG = 256


class _Server(uvicorn.Server):
    """A server that tells when it accepts requests, or that it has ended before."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.told.set()

    def run_and_tell(self, listener: socket.socket) -> None:
        """Serve until told to stop; whatever ends it is told as well."""
        try:
            self.run([listener])
        except SystemExit:
            # uvicorn exits where an app cannot start; this is no process of its own.
            pass
        finally:
            self.told.set()


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an ASGI app on a free port of loopback; yield its URL, and end it after the block.

    The app runs in an event loop of its own, with its lifespan. The logging of this process stays
    as it is: what the app raises is told by the logger `uvicorn.error`. Raises `NotStartedError`
    if `app` is none, or does not start.
    """
    if not callable(app):
        raise NotStartedError(f"an ASGI app is callable, and this is a {type(app).__name__}")
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = _Server(config)
    # With TCP named as the protocol, asyncio sends small answers at once; else each takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind((_HOST, 0))
        listener.listen(_BACKLOG)
        thread = threading.Thread(
            target=server.run_and_tell, args=(listener,), name="deployment-app", daemon=True
        )
        thread.start()
        try:
            server.told.wait()
            if not server.started:
                raise NotStartedError(
                    "the ASGI app did not start; the logger uvicorn.error has told why"
                )
            yield f"http://{_HOST}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
