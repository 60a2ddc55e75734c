"""Runs in the background: one worker per thread, and streams of what the runs say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from conformance.model.errors import NotFoundError
from conformance.model.runs import RunEvent
from conformance.model.store import ThreadStore
from conformance.model.threads import Run

_LONGEST_DELAY_S = 1e9


@dataclass
class _Stream:
    thread_id: str
    events: list[RunEvent] = field(default_factory=list)
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Let those who wait look again; who comes later waits for the next change."""
        self.changed.set()
        self.changed = asyncio.Event()


class RunDriver:
    """Advances the runs of a store, step by step, between the requests."""

    def __init__(self, store: ThreadStore) -> None:
        self._store = store
        self._streams: dict[str, _Stream] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}

    def start(self, thread_id: str, run: Run) -> None:
        """See to it that a run that was begun is taken to its end."""
        self._streams[run.run_id] = _Stream(thread_id)
        self.settle(thread_id)
        if thread_id not in self._workers:
            self._workers[thread_id] = asyncio.create_task(self._work(thread_id))

    async def _work(self, thread_id: str) -> None:
        try:
            while (run := self._next(thread_id)) is not None:
                if not run.started and "after_seconds" in run.kwargs:
                    await self._delay(thread_id, run)
                if self._next(thread_id) != run:
                    continue
                step = self._store.advance(thread_id)
                if step is not None:
                    self._streams[step.run.run_id].events += step.events
                self.settle(thread_id)
                await asyncio.sleep(0)  # let requests in between the steps
        finally:
            del self._workers[thread_id]
            self.settle(thread_id)

    def _next(self, thread_id: str) -> Run | None:
        try:
            return self._store.next_run(thread_id)
        except NotFoundError:
            return None

    async def _delay(self, thread_id: str, run: Run) -> None:
        """Wait the run's `after_seconds`, or until it is cancelled."""
        stream = self._streams[run.run_id]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(run.kwargs["after_seconds"], _LONGEST_DELAY_S)):
                while self._next(thread_id) == run:
                    await stream.changed.wait()

    def settle(self, thread_id: str) -> None:
        """Wake whoever waits for a run of this thread, and end the streams of ended runs."""
        for run_id, stream in list(self._streams.items()):
            if stream.thread_id == thread_id:
                try:
                    stream.ended = not self._store.run_of(thread_id, run_id).active
                except NotFoundError:
                    stream.ended = True
                    del self._streams[run_id]
                stream.wake()

    async def ended(self, run_id: str) -> None:
        """Wait for the end of a run; at once if it is unknown or has ended."""
        async for _ in self.events(run_id):
            pass

    async def events(self, run_id: str) -> AsyncIterator[RunEvent]:
        """What a run says, from its beginning to its end."""
        stream = self._streams.get(run_id)
        position = 0
        while stream is not None:
            changed = stream.changed
            while position < len(stream.events):
                position += 1
                yield stream.events[position - 1]
            if stream.ended and position == len(stream.events):
                return
            if changed is stream.changed:
                await changed.wait()
