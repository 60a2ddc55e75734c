"""Waiting for something to become true, by calling a function again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import TypeVar

from conformance.time_account import Activity, spend

_T = TypeVar("_T")


def pause(seconds: float) -> None:
    """Sleep; the time counts as waiting."""
    with spend(Activity.WAITING):
        time.sleep(seconds)


def wait_until(
    read: Callable[[], _T],
    holds: Callable[[_T], bool],
    *,
    within_s: float = inf,
    pause_s: float,
    longest_pause_s: float | None = None,
) -> _T:
    """Call `read` until `holds` accepts the result or time is up; return the last result.

    `within_s`, `pause_s` and `longest_pause_s` are seconds. With `longest_pause_s`, each pause is
    twice as long as the one before, up to that limit. The last call begins after `within_s`, so
    that what is there by then is seen, however long a call takes.
    """
    started = time.monotonic()
    while True:
        began = time.monotonic() - started
        seen = read()
        if holds(seen) or began > within_s:
            return seen
        pause(pause_s)
        if longest_pause_s is not None:
            pause_s = min(pause_s * 2, longest_pause_s)
