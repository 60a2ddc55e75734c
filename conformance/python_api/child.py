"""The process of a run that was called from Python: the command line, ended with its parent.

    python -P -m conformance.python_api.child run ...

At the end of its standard input it interrupts itself as Ctrl-C does, so that it removes what it
made also where the process that called it has died.
"""

from __future__ import annotations

import os
import signal
import threading


def _interrupt_at_eof(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)


def _watch_parent() -> None:
    """Watch standard input in a thread, and give the rest of the process an empty one."""
    watched = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    # A background process of a shell may have been told to ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_interrupt_at_eof, args=(watched,), daemon=True).start()


if __name__ == "__main__":
    _watch_parent()
    from conformance.__main__ import main

    main()
