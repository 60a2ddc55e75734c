"""Concurrent calls in daemon threads: a process that is interrupted does not wait for them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import TypeVar

from conformance.time_account import Activity, spend

_T = TypeVar("_T")
_R = TypeVar("_R")
_SLICE_S = 0.2


def start(call: Callable[[], _T]) -> Future[_T]:
    """Run `call` in a new daemon thread and return its future."""
    future: Future[_T] = Future()

    def run() -> None:
        try:
            result = call()
        except BaseException as broken:
            future.set_exception(broken)
        else:
            future.set_result(result)

    threading.Thread(target=run, daemon=True).start()
    return future


def wait_for(futures: Sequence[Future[_T]]) -> None:
    """Wait until all have ended, in slices, so that a signal is handled in between."""
    with spend(Activity.WAITING):
        while wait(futures, _SLICE_S).not_done:
            continue


#: A call that takes so many times as long as the shortest one was slowed down by the others.
_SLOWED = 4


class ConcurrencyLimit:
    """A limit of concurrent calls: one at first, one more after each call that went well.

    After a call that did not go well, the limit is one again; after one that took much longer than
    the shortest, it is halved, at most once for as many calls as were allowed. It is never higher
    than `most`.
    """

    def __init__(self, most: int) -> None:
        self._most, self._allowed, self._under_way = most, 1, 0
        self._shortest_s, self._heeds_after = math.inf, 0
        self._changed = threading.Condition()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until the limit allows another call, which lasts while the block runs."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way < self._allowed)
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._wake()

    def adjust(self, *, well: bool, took_s: float = 0.0) -> None:
        """Adjust the limit after a call, which took so many seconds."""
        with self._changed:
            self._shortest_s = min(self._shortest_s, took_s)
            self._heeds_after = max(self._heeds_after - 1, 0)
            if not well:
                self._allowed = 1
            elif took_s <= _SLOWED * self._shortest_s:
                self._allowed = min(self._allowed + 1, self._most)
            elif not self._heeds_after:
                # As many are under way, and slow for the same reason.
                self._heeds_after, self._allowed = self._allowed, max(1, self._allowed // 2)
            self._wake()

    def _wake(self) -> None:
        """Wake as many waiting calls as may begin: each more costs the others time."""
        self._changed.notify(max(0, self._allowed - self._under_way))


def gathered(call: Callable[[_T], _R], items: Iterable[_T], at_once: int) -> list[_R]:
    """Return the result of `call` for each item, in their order, `at_once` called at a time."""
    listed = list(items)
    results: dict[int, _R] = {}

    def work(place: int) -> None:
        results[place] = call(listed[place])

    if at_once == 1:
        return [call(each) for each in listed]
    for_each(work, range(len(listed)), at_once)
    return [results[place] for place in range(len(listed))]


def for_each(call: Callable[[_T], object], items: Iterable[_T], at_once: int) -> None:
    """Call `call` with each item, `at_once` at a time, and wait for all.

    After an error, or an interruption of the caller, no further call is begun. The error of the
    first call that failed is raised.
    """
    waiting = list(reversed(list(items)))
    if len(waiting) == 1:
        call(waiting[0])
        return

    def work() -> None:
        while True:
            try:
                item = waiting.pop()
            except IndexError:
                return
            try:
                call(item)
            except BaseException:
                waiting.clear()
                raise

    futures = [start(work) for _ in range(min(at_once, len(waiting)))]
    try:
        wait_for(futures)
    finally:
        waiting.clear()
    for each in futures:
        each.result()
