"""Threads with many states, and many threads, made as large as `--scale` says; how time grows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.outcomes import Blocked
from conformance.checks.views import Thread, id_of
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.deployment.settings import GraphSettings, numbered
from conformance.parallel import for_each

NOT_SCALED = (
    "give --scale N, if the suite may make a thread with N states, and N threads, to judge it"
)
#: The maximum number of supersteps in one request; state updates make the further states.
MOST_SUPERSTEPS = 1000
#: The number of threads that are created at the same time.
_AT_ONCE = 8
#: Evidence of making many states or threads is dropped after so many requests.
_REQUESTS_TO_REPORT = 100
#: At most this ratio of the time per item, largest to smallest number of items, is linear.
_LINEAR = 1.5


def sizes(scale: int) -> list[int]:
    """Return the numbers of states or threads at which time is measured: the last is `scale`."""
    return sorted({scale // 4, scale // 2, scale} - {0})


def page_limit(scale: int) -> int:
    """Return the limit of pages, so that there are several of them at any scale."""
    return max(1, min(LONGEST_PAGE, scale // 4))


class LongThread:
    """A thread whose states are made by updates of one channel that is replaced, numbered from 0.

    With a channel to which an update appends, a history of 10,000 states would hold 50 million
    messages. `Blocked` if the settings describe no channel that is replaced.
    """

    def __init__(self, given: ThreadsApi) -> None:
        self._given = given
        self._graph = given.context.graph()
        self.channel = _replaced_channel(self._graph)
        #: The thread; None until it has grown.
        self.thread: Thread | None = None
        #: The number of states of a thread to which nothing is added.
        self.begun = len(given.history(given.prepopulated()))
        #: The number of states that were added.
        self.updates = 0

    def grow(self, states: int) -> Thread:
        """Make further states until there are `states`, and return the thread.

        The first ones come by supersteps, at most `MOST_SUPERSTEPS`, all others by state updates.
        """
        if self.thread is None:
            more = min(states, MOST_SUPERSTEPS) - self.begun
            updates = [self._next_update() for _ in range(max(more, 1))]
            self.thread = self._given.prepopulated(more=updates)
        while self.begun + self.updates < states:
            self._given.update_state(self.thread, **self._next_update())
            if self.updates % _REQUESTS_TO_REPORT == 0:
                self._given.context.forget()
        return self.thread

    def values_made(self) -> Iterator[Any]:
        """Yield the values that the channel has in the states, newest first."""
        for number in range(self.updates - 1, -1, -1):
            yield self._value(number)

    def _next_update(self) -> dict[str, Any]:
        self.updates += 1
        return {**self._graph.append, "values": {self.channel: self._value(self.updates - 1)}}

    def _value(self, number: int) -> Any:
        return numbered(self._graph.channels[self.channel], number)


def _replaced_channel(graph: GraphSettings) -> str:
    found = [name for name in graph.replacing if name in graph.channels]
    if not found:
        raise Blocked(
            "the [graph] settings give no value to a channel that is replaced: name one in "
            "`replacing`, and its value in `channels`"
        )
    return found[0]


class ManyThreads:
    """Empty threads of a check, created several at a time; the metadata of each has a `number`."""

    def __init__(self, given: ThreadsApi) -> None:
        self._given = given
        #: The ids of the threads by their number.
        self.ids: dict[int, str] = {}

    def grow(self, threads: int) -> None:
        """Create further threads until there are `threads`."""

        def create(number: int) -> None:
            made = self._given.empty(metadata=self.metadata(number))
            self.ids[number] = id_of(made)
            if number % _REQUESTS_TO_REPORT == 0:
                self._given.context.forget()

        for_each(create, range(len(self.ids), threads), _AT_ONCE)

    @staticmethod
    def metadata(number: int) -> dict[str, Any]:
        """Return the metadata that only the thread of this number has."""
        return {"number": f"number {number}"}


class Growth:
    """The time that an act takes at several numbers of states or threads; it is never judged."""

    def __init__(self, act: str, unit: str) -> None:
        self._act, self._unit = act, unit
        self._seconds: dict[int, float] = {}

    @contextmanager
    def at(self, size: int) -> Iterator[None]:
        """Measure the block, which handles `size` states or threads."""
        begun = time.perf_counter()
        yield
        self.add(size, time.perf_counter() - begun)

    def add(self, size: int, seconds: float) -> None:
        """Add what was measured; `size` is not 0."""
        self._seconds[size] = seconds

    def measured(self, size: int, act: Callable[[], Any]) -> Any:
        """Return what `act` returns, and measure it."""
        with self.at(size):
            return act()

    def __str__(self) -> str:
        """Return the milliseconds per state or thread by number, and whether they grow with it."""
        each = {size: self._seconds[size] * 1000 / size for size in sorted(self._seconds)}
        shown = ", ".join(f"{milliseconds:.3g}" for milliseconds in each.values())
        at = ", ".join(f"{size:,}" for size in each)
        first, last = each[min(each)], each[max(each)]
        times = last / first if first else 1.0
        how = "linear" if times <= _LINEAR else f"not linear, {times:.1f} times as long each"
        return f"{self._act}: {shown} ms per {self._unit} at {at}: {how}"
