"""Workers of pytest-xdist that cost hardly more than a fork.

A worker that starts a Python of its own takes about a second of a core before its first check,
nearly all of it for imports; where a deployment is far away, two dozen workers are wanted. So one
process, `server.py`, imports the checks once and is forked for each worker. In place of a Python,
execnet starts `client.py`, which passes its standard streams to that process.
"""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance.runner.forking import client

_SERVER = (
    # First of all: Ctrl-C in a terminal is for the workers and for the process that waits for them.
    "import json, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    # So that it imports the same code as this process, wherever that comes from.
    "sys.path[:] = json.loads(sys.argv.pop()); "
    "from conformance.runner.forking.server import main; main(*sys.argv[1:])"
)


def can_fork() -> bool:
    """Return whether workers can be forked here: elsewhere system libraries do not survive it."""
    return sys.platform == "linux" and hasattr(socket, "send_fds")


@contextmanager
def forked_workers() -> Iterator[str]:
    """Run the server while the block runs; yield the execnet specification of one worker.

    Workers may be started at once: they wait until the server has imported the checks. Where
    processes cannot be forked, a worker is a Python process of its own.
    """
    if not can_fork():
        yield "popen"
        return
    # A folder of its own, since the name of a socket may have no more than 107 bytes.
    with (
        tempfile.TemporaryDirectory(prefix="threads-") as folder,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        address = str(Path(folder) / "fork")
        listener.bind(address)
        listener.listen(socket.SOMAXCONN)
        server = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVER, str(listener.fileno()), json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )
        # From now on only the server can accept, so that a worker notices if the server dies.
        listener.close()
        assert server.stdin is not None
        try:
            python = [sys.executable, "-I", "-S", str(Path(client.__file__)), address]
            yield f"popen//python={shlex.join(python)}"
        finally:
            # Its workers have ended; if this process is killed, the end of stdin ends the server.
            server.terminate()
            server.wait()
            server.stdin.close()
