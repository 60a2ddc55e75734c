"""Runs in the background: one worker per thread, and streams of what the runs say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from conformance.model.errors import NotFoundError
from conformance.model.store import ThreadStore
from conformance.model.streams import RunEvent
from conformance.model.threads import Run

_LONGEST_DELAY_S = 1e9


@dataclass
class _Stream:
    thread_id: str
    run: Run
    events: list[RunEvent] = field(default_factory=list)
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Let those who wait look again; who comes later waits for the next change."""
        self.changed.set()
        self.changed = asyncio.Event()


class RunDriver:
    """Advances the runs of a store, step by step, between the requests.

    The seconds that a step takes are the store's: `speed` of them pass in a second.
    """

    def __init__(self, store: ThreadStore, speed: float = 1.0) -> None:
        self._store = store
        self._speed = speed
        self._streams: dict[str, _Stream] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}

    def start(self, thread_id: str, run: Run) -> None:
        """See to it that a run that was begun is taken to its end."""
        self._streams[run.run_id] = _Stream(thread_id, run)
        self.settle(thread_id)
        if thread_id not in self._workers:
            self._workers[thread_id] = asyncio.create_task(self._work(thread_id))

    async def _work(self, thread_id: str) -> None:
        try:
            while (run := self._next(thread_id)) is not None:
                if seconds := self._store.seconds_before(thread_id):
                    await self._delay(thread_id, run, seconds)
                if self._next(thread_id) != run:
                    continue
                step = self._store.advance(thread_id)
                if step is not None:
                    stream = self._streams[step.run.run_id]
                    stream.run = step.run
                    stream.events += step.events
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

    async def _delay(self, thread_id: str, run: Run, seconds: float) -> None:
        """Wait what the run's next step takes, or until it is cancelled."""
        stream = self._streams[run.run_id]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds / self._speed, _LONGEST_DELAY_S)):
                while self._next(thread_id) == run:
                    await stream.changed.wait()

    def settle(self, thread_id: str) -> None:
        """Wake whoever waits for a run of this thread, and end the streams of ended runs."""
        for run_id, stream in list(self._streams.items()):
            if stream.thread_id == thread_id:
                try:
                    stream.run = self._store.run_of(thread_id, run_id)
                    stream.ended = not stream.run.active
                except NotFoundError:
                    stream.ended = True
                    del self._streams[run_id]
                stream.wake()

    async def ended(self, thread_id: str, run: Run) -> Run:
        """Wait for the end of a run; NotFoundError if it was deleted before it ended."""
        stream = self._streams.get(run.run_id)
        async for _ in self.events(run.run_id):
            pass
        latest = run if stream is None else stream.run
        return self._store.run_of(thread_id, run.run_id) if latest.active else latest

    async def events(self, run_id: str, after: int = -1) -> AsyncIterator[tuple[int, RunEvent]]:
        """What a run says, with its number, from the event after that number to the end."""
        stream = self._streams.get(run_id)
        position = max(after, -1) + 1
        while stream is not None:
            changed = stream.changed
            while position < len(stream.events):
                position += 1
                yield position - 1, stream.events[position - 1]
            if stream.ended and position >= len(stream.events):
                return
            if changed is stream.changed:
                await changed.wait()
