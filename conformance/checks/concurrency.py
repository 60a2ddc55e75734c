"""Requests at the same time, by threads of this process, each on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import Barrier
from typing import TypeVar

from conformance.parallel import start, wait_for
from conformance.waiting import pause

_T = TypeVar("_T")

#: The longest wait for all threads to be ready, in seconds.
_READY_S = 30.0


def run_together(*calls: Callable[[], _T]) -> list[_T]:
    """Run all calls at the same time and return their results in order.

    Once all have ended, the error of the first that failed is raised.
    """
    barrier = Barrier(len(calls))

    def call_when_ready(call: Callable[[], _T]) -> _T:
        barrier.wait(_READY_S)
        return call()

    futures = [start(partial(call_when_ready, call)) for call in calls]
    wait_for(futures)
    return [each.result() for each in futures]


def repeat_together(number: int, call: Callable[[int], _T]) -> list[_T]:
    """Call `call` with each number below `number`, all at the same time; return the results."""
    return run_together(*[_bind(call, each) for each in range(number)])


def poll_while(
    act: Callable[[], object], read: Callable[[], _T], least: int, pause_s: float = 0.0
) -> Sequence[_T]:
    """Call `read` until `act` has ended, and at least `least` times; return the results.

    `pause_s` seconds pass between two calls: `act` may take long, and a call leave something.
    """
    acting = start(act)
    seen: list[_T] = []
    try:
        while not acting.done() or len(seen) < least:
            seen.append(read())
            if pause_s:
                pause(pause_s)
    except Exception:
        # Later requests of the check must not overlap with `act`.
        wait_for([acting])
        raise
    acting.result()
    return seen


def _bind(call: Callable[[int], _T], number: int) -> Callable[[], _T]:
    return lambda: call(number)
