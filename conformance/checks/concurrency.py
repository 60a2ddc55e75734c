"""Asking at the same time: several threads of this process, each on a connection of its own.

The threads are daemons, and nothing waits for them but a check that goes on: whoever
interrupts the check is not kept waiting by answers that do not come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from threading import Barrier
from typing import TypeVar

_T = TypeVar("_T")

#: How long one waits for the others to be ready, in seconds.
_READY_S = 30.0
_SLICE_S = 0.2


def together(*asks: Callable[[], _T]) -> list[_T]:
    """What each of them gives, all begun at once; the first error is raised when all ended."""
    barrier = Barrier(len(asks))

    def begin(client: Callable[[], _T]) -> _T:
        barrier.wait(_READY_S)
        return client()

    begun = [_begun(partial(begin, client)) for client in asks]
    _wait_for(begun)
    return [each.result() for each in begun]


def times(number: int, client: Callable[[int], _T]) -> list[_T]:
    """What `client` gives for each of so many numbers, all asked at once."""
    return together(*[_of(client, each) for each in range(number)])


def while_doing(act: Callable[[], object], look: Callable[[], _T], least: int) -> Sequence[_T]:
    """What looking gives, again and again until `act` has ended, and at least so often."""
    acting = _begun(act)
    seen: list[_T] = []
    try:
        while not acting.done() or len(seen) < least:
            seen.append(look())
    except Exception:
        # What looks next must not find it still acting.
        _wait_for([acting])
        raise
    acting.result()
    return seen


def _begun(client: Callable[[], _T]) -> Future[_T]:
    """What `client` will give, done in a thread of its own."""
    future: Future[_T] = Future()

    def work() -> None:
        try:
            given = client()
        except BaseException as broken:
            future.set_exception(broken)
        else:
            future.set_result(given)

    threading.Thread(target=work, daemon=True).start()
    return future


def _wait_for(futures: Sequence[Future[_T]]) -> None:
    """Wait for the end of all, in slices: a signal that comes just before one is then heard."""
    while wait(futures, _SLICE_S).not_done:
        continue


def _of(client: Callable[[int], _T], number: int) -> Callable[[], _T]:
    return lambda: client(number)
