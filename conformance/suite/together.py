"""Asking at the same time: several threads of this process, each on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

_T = TypeVar("_T")

#: How long one waits for the others to be ready, in seconds.
_READY_S = 30.0


def together(*asks: Callable[[], _T]) -> list[_T]:
    """What each of them gives, all begun at once; the first error is raised when all ended."""
    barrier = Barrier(len(asks))

    def begin(ask: Callable[[], _T]) -> _T:
        barrier.wait(_READY_S)
        return ask()

    with ThreadPoolExecutor(len(asks)) as pool:
        begun = [pool.submit(begin, ask) for ask in asks]
    return [each.result() for each in begun]


def times(number: int, ask: Callable[[int], _T]) -> list[_T]:
    """What `ask` gives for each of so many numbers, all asked at once."""
    return together(*[_of(ask, each) for each in range(number)])


def while_doing(act: Callable[[], object], look: Callable[[], _T], least: int) -> Sequence[_T]:
    """What looking gives, again and again until `act` has ended, and at least so often."""
    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(act)
        seen: list[_T] = []
        while not acting.done() or len(seen) < least:
            seen.append(look())
        acting.result()
    return seen


def _of(ask: Callable[[int], _T], number: int) -> Callable[[], _T]:
    return lambda: ask(number)
