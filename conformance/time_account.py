"""Where the time of a process goes: each second counts once, for what was done innermost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import TracebackType

import psutil


class Activity(StrEnum):
    """What a process spends time on."""

    #: From the start of the process to its first check: imports, first questions, collection.
    STARTING = "starting"
    #: Waiting for the bytes of an answer: the server, and the round trip.
    SERVER = "server"
    #: What else a request takes: guard, ledger, connection, sending, reading, record.
    WIRE = "wire"
    #: Making generated requests, and looking for a smaller one that fails.
    GENERATING = "making data"
    #: The checks themselves.
    JUDGING = "judging"
    #: Pauses: until something becomes visible, between tries, for requests that were sent at once.
    WAITING = "waiting"
    #: Removing what the run created, its requests included.
    CLEANING = "clean-up"
    #: Making and writing the report.
    REPORTING = "reporting"
    #: The rest, such as pytest between two checks.
    OTHER = "other"


class TimeAccount:
    """The seconds of one thread by activity, from `already_s` seconds before now.

    `clock` returns seconds. The activities add up to the time that has passed.
    """

    def __init__(self, already_s: float = 0.0, clock: Callable[[], float] = time.perf_counter):
        self._clock = clock
        self._thread = threading.get_ident()
        self._spent = dict.fromkeys(Activity, 0.0)
        self._open = [Activity.STARTING]
        self._since = clock() - already_s

    @property
    def is_of_this_thread(self) -> bool:
        """Whether the calling thread is the one whose time is counted."""
        return threading.get_ident() == self._thread

    def begin(self, activity: Activity) -> None:
        """Count what follows for `activity`; during clean-up everything counts as that."""
        self._count()
        inside = self._open[-1] is Activity.CLEANING
        self._open.append(Activity.CLEANING if inside else activity)

    def end(self) -> None:
        """End the activity that was begun last."""
        self._count()
        self._open.pop()

    def has_started(self) -> None:
        """Count what is no other activity as `other` from now on, no more as `starting`."""
        self._count()
        self._open[0] = Activity.OTHER

    def seconds(self) -> dict[str, float]:
        """Return the seconds of every activity so far."""
        self._count()
        return {str(activity): seconds for activity, seconds in self._spent.items()}

    def _count(self) -> None:
        now = self._clock()
        self._spent[self._open[-1]] += now - self._since
        self._since = now


_account: TimeAccount | None = None
#: Where /proc/self/stat has the start of the process, counted from the field after its name.
_START_TIME = 19


def open_account() -> TimeAccount:
    """Count the time of the calling thread from the start of this process, and return the account.

    Without it `spend` does nothing.
    """
    global _account
    _account = TimeAccount(_age_s())
    return _account


def _age_s() -> float:
    """Return for how many seconds this process has existed.

    psutil tells the moment of its creation from that of the machine, which Linux rounds to seconds.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        created_s = int(fields[_START_TIME]) / os.sysconf("SC_CLK_TCK")
        return max(time.clock_gettime(time.CLOCK_BOOTTIME) - created_s, 0.0)
    except (OSError, ValueError, IndexError, AttributeError):
        return max(time.time() - psutil.Process().create_time(), 0.0)


def current_account() -> TimeAccount | None:
    """Return the account of this process, if its time is counted."""
    return _account


def close_account() -> None:
    """Count no more."""
    global _account
    _account = None


class spend:  # noqa: N801 - read as a verb: `with spend(Activity.WIRE):`
    """A context manager that counts its block for an activity, in the thread that is counted."""

    __slots__ = ("_account", "_activity")

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        counted = _account is not None and _account.is_of_this_thread
        self._account = _account if counted else None

    def __enter__(self) -> None:
        if self._account is not None:
            self._account.begin(self._activity)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._account is not None:
            self._account.end()
