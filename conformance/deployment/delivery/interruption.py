"""Ctrl-C and SIGTERM: a write in progress may finish, a read is aborted at once.

A creation whose answer is lost leaves a thread that cannot be identified, so a write may
finish within `GRACE_S` seconds. The signal still takes effect within a second.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: How long a write in progress may take after the signal, in seconds.
GRACE_S = 0.8


class SignalDelay:
    """Signal handlers that delay a signal while the main thread sends a write."""

    def __init__(self) -> None:
        self._depth = 0
        self._waiting = False

    @contextmanager
    def delay_signals(self) -> Iterator[None]:
        """Delay a signal while the block runs, for at most `GRACE_S` seconds."""
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
        """Handle the signal: interrupt at once, or let the write in progress finish first."""
        if not self._depth or self._waiting:
            self._waiting = False
            raise KeyboardInterrupt
        self._waiting = True
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)

    def end_grace_period(self, _number: int, _frame: FrameType | None) -> None:
        """Handle the end of the grace period: the write took too long."""
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt


#: The instance of this process.
WRITES = SignalDelay()


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `KeyboardInterrupt` while the block runs.

    Outside the main thread, where no signal arrives, this changes nothing.
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
    """Install handlers for SIGINT and SIGTERM; return a function that restores the former ones."""
    before = {
        number: signal.signal(number, handler)
        for number, handler in (
            (signal.SIGINT, WRITES.interrupt),
            (signal.SIGTERM, WRITES.interrupt),
            (signal.SIGALRM, WRITES.end_grace_period),
        )
    }

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore
