"""Ctrl-C and SIGTERM: a write that is under way may finish, a read is broken off at once.

A creation whose answer is lost leaves a thread of which nobody knows; that is worth a
moment. The signal is heard within a second all the same.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: How long a write under way may take after the signal, in seconds.
GRACE_S = 0.8


class WritesUnderWay:
    """Knows whether the main thread is in the middle of a write, and holds back a signal."""

    def __init__(self) -> None:
        self._depth = 0
        self._waiting = False

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Let the signal wait while the block runs, for `GRACE_S` seconds at the most."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._waiting and not self._depth:
                self._waiting = False
                signal.setitimer(signal.ITIMER_REAL, 0)
                raise KeyboardInterrupt

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Handle the signal: end what runs, or let the write under way finish first."""
        if not self._depth or self._waiting:
            self._waiting = False
            raise KeyboardInterrupt
        self._waiting = True
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)

    def time_is_up(self, _number: int, _frame: FrameType | None) -> None:
        """Handle the end of the grace: the write took too long."""
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt


#: Of this process.
WRITES = WritesUnderWay()


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Let SIGINT and SIGTERM end what runs in the block by `KeyboardInterrupt`.

    Outside the main thread, where no signal arrives, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    restore = install_handlers()
    try:
        yield
    finally:
        restore()


def install_handlers() -> Callable[[], None]:
    """Handle SIGINT and SIGTERM from now on; what is given puts back what was before."""
    before = {
        number: signal.signal(number, handler)
        for number, handler in (
            (signal.SIGINT, WRITES.interrupt),
            (signal.SIGTERM, WRITES.interrupt),
            (signal.SIGALRM, WRITES.time_is_up),
        )
    }

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore
