"""The process that imports the checks, and is forked for each worker that asks for it."""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import traceback

import pytest

from conformance.checks.generators.generated_cache import load_cached
from conformance.checks.generators.schema_bodies import valid_bodies
from conformance.contract.catalogue import load_catalogue
from conformance.runner.pytest_engine import pytest_arguments


class ForkServer:
    """Forks a worker for each client that connects to `listener`, until `stop` ends.

    `stop` is a file descriptor that ends with the process that needs the workers. A client
    passes the standard streams of its worker; a worker whose client is gone is killed.
    """

    def __init__(self, listener: socket.socket, stop: int) -> None:
        self._listener, self._stop = listener, stop
        self._events = selectors.DefaultSelector()
        self._events.register(listener, selectors.EVENT_READ)
        self._events.register(stop, selectors.EVENT_READ)
        #: The connection of the client by the file descriptor of its worker's process, and back.
        self._clients: dict[int, socket.socket] = {}
        self._workers: dict[socket.socket, int] = {}

    def serve(self) -> None:
        """Fork workers until nobody needs them any more; return at once in none of them."""
        while True:
            for key, _ in self._events.select():
                if key.fileobj == self._stop:
                    return
                if key.fileobj is self._listener:
                    self._fork_worker(self._listener.accept()[0])
                elif key.fileobj in self._clients:
                    self._forget(int(key.fd))
                elif key.fileobj in self._workers:
                    # Its process becomes readable next, as it has ended.
                    self._events.unregister(key.fileobj)
                    signal.pidfd_send_signal(self._workers[key.fileobj], signal.SIGKILL)

    def _fork_worker(self, client: socket.socket) -> None:
        _, streams, _, _ = socket.recv_fds(client, 1, 3)
        if len(streams) < 3:
            client.close()
            return
        child = os.fork()
        if not child:
            self._become_worker(streams)
        for each in streams:
            os.close(each)
        process = os.pidfd_open(child)
        self._clients[process], self._workers[client] = client, process
        self._events.register(process, selectors.EVENT_READ)
        self._events.register(client, selectors.EVENT_READ)

    def _forget(self, process: int) -> None:
        """Let go of a worker that has ended, and of its client."""
        os.waitid(os.P_PIDFD, process, os.WEXITED)
        client = self._clients.pop(process)
        del self._workers[client]
        self._events.unregister(process)
        if client in self._events.get_map():
            self._events.unregister(client)
        client.close()
        os.close(process)

    def _become_worker(self, streams: list[int]) -> None:
        """Do what a Python of execnet does in this process, and end it."""
        status = 1
        try:
            self._events.close()
            self._listener.close()
            for client in self._workers:
                client.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open to the end
            sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open to the end
            serve_execnet()
            status = 0
        except KeyboardInterrupt:
            pass  # Its checks were interrupted, which the controller tells.
        except BaseException:
            traceback.print_exc()
        finally:
            # Not through the handlers at exit, which are those of the server.
            os._exit(status)


def serve_execnet() -> None:
    """Read the program that execnet sends in one line, and run it until its work is done."""
    exec(eval(sys.stdin.readline()), {"__name__": "__main__"})


def import_checks() -> None:
    """Import what a worker needs, by collecting the checks once."""
    for name in ("execnet", "xdist.remote"):
        importlib.import_module(name)
    pytest.main([*pytest_arguments(), "--collect-only"])
    load_catalogue()
    # What is kept in memory is the same for all: a digest of the code, whatever is asked for, and
    # the document as schemathesis reads it.
    load_cached("nothing")
    valid_bodies("create_thread", "thread_create")
    gc.collect()
    # So that the workers share the memory of these objects.
    gc.freeze()


def main(listener: str) -> None:
    """Import the checks, then fork workers until the standard input ends."""
    # Ctrl-C is ignored already: it is for the workers, and for the process that needs them.
    import_checks()
    with socket.socket(fileno=int(listener)) as listening:
        ForkServer(listening, sys.stdin.fileno()).serve()
