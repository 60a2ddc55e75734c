"""What execnet starts in place of a Python: it lets the server fork one with its own streams.

    client.py ADDRESS

Made of the standard library alone, and run without the `site` module, since it runs once for
every worker. It lives as long as the worker, and the worker no longer than it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress


def main() -> None:
    """Pass the standard streams to the server, and wait until the worker has ended."""
    # The worker gets the signal as well, and handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(sys.argv[1])
        socket.send_fds(server, [b"."], [0, 1, 2])
        # So that the end of the worker is the end of the streams.
        os.close(0)
        os.close(1)
        # If the server dies, the streams end as well, which the other side notices.
        with suppress(OSError):
            server.recv(1)


if __name__ == "__main__":
    main()
