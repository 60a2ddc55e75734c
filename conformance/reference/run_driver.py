"""Background execution of runs, with one worker per thread, and the streams of their events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from conformance.model.entities import Run
from conformance.model.errors import NotFoundError
from conformance.model.store import ThreadStore
from conformance.model.streams import RunEvent

_T = TypeVar("_T")
_LONGEST_DELAY_S = 1e9


@dataclass
class _Stream:
    thread_id: str
    run: Run
    events: list[RunEvent] = field(default_factory=list)
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Wake all that wait for a change; later waits are for the next change."""
        self.changed.set()
        self.changed = asyncio.Event()


class RunDriver:
    """Execution of the runs of a store, step by step, between requests.

    Durations of steps are in seconds of the store's clock, which runs `speed` times as fast as
    real time.
    """

    def __init__(self, store: ThreadStore, speed: float = 1.0) -> None:
        self._store = store
        self._speed = speed
        self._streams: dict[str, _Stream] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        #: By thread id: the event that wakes the readers of the thread's stream.
        self._new_event_signals: dict[str, asyncio.Event] = {}

    def start(self, thread_id: str, run: Run) -> None:
        """Execute a newly created run in the background until it ends."""
        self._streams[run.run_id] = _Stream(thread_id, run)
        self.update_streams(thread_id)
        if thread_id not in self._workers:
            self._workers[thread_id] = asyncio.create_task(self._work(thread_id))

    def continue_runs(self, thread_id: str) -> None:
        """Execute the runs of a thread that were active when the previous process ended."""
        for run in self._store.records.thread(thread_id).runs:
            if run.active:
                self.start(thread_id, run)

    async def _work(self, thread_id: str) -> None:
        try:
            while (run := self._next(thread_id)) is not None:
                if seconds := self._store.executor.seconds_before(thread_id):
                    await self._delay(thread_id, run, seconds)
                if self._next(thread_id) != run:
                    continue
                step = self._store.executor.advance(thread_id)
                if step is not None:
                    stream = self._streams[step.run.run_id]
                    stream.run = step.run
                    stream.events += step.events
                    self._store.thread_streams.add_run_events(thread_id, step.run, step.events)
                    self._store.thread_protocol.add_run_events(thread_id, step.run, step.events)
                self.update_streams(thread_id)
                await asyncio.sleep(0)  # serve requests between the steps
        finally:
            del self._workers[thread_id]
            self.update_streams(thread_id)

    def _next(self, thread_id: str) -> Run | None:
        try:
            return self._store.executor.next_run(thread_id)
        except NotFoundError:
            return None

    async def _delay(self, thread_id: str, run: Run, seconds: float) -> None:
        """Wait for the duration of the run's next step, or until it is cancelled."""
        stream = self._streams[run.run_id]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds / self._speed, _LONGEST_DELAY_S)):
                while self._next(thread_id) == run:
                    await stream.changed.wait()

    def update_streams(self, thread_id: str) -> None:
        """Wake all that wait for a run of this thread, and end the streams of ended runs."""
        for run_id, stream in list(self._streams.items()):
            if stream.thread_id == thread_id:
                had_ended = stream.ended
                try:
                    stream.run = self._store.runs.run_of(thread_id, run_id)
                    stream.ended = not stream.run.active
                except NotFoundError:
                    stream.ended = True
                    del self._streams[run_id]
                if stream.ended and not had_ended:
                    self._store.thread_streams.add_end(thread_id, stream.run)
                    self._store.thread_protocol.add_end(thread_id, stream.run)
                stream.wake()
        if thread_id not in self._store.records.threads_by_id:
            self._store.thread_streams.forget(thread_id)
            self._store.thread_protocol.forget(thread_id)
        self.wake(thread_id)

    def wake(self, thread_id: str) -> None:
        """Wake the readers of the stream of this thread."""
        if signal := self._new_event_signals.pop(thread_id, None):
            signal.set()

    async def thread_events(
        self, thread_id: str, position: int, after: Callable[[int], Iterable[_T | None]]
    ) -> AsyncIterator[_T]:
        """Yield the events from `position` on, then new ones as they come, until the stream closes.

        `after(position)` returns the events so far from that position on; a None among them counts
        as a position and is not yielded.
        """
        while True:
            signal = self._new_event_signals.setdefault(thread_id, asyncio.Event())
            for event in list(after(position)):
                position += 1
                if event is not None:
                    yield event
            if not self._store.thread_streams.stays_open(thread_id):
                return
            await signal.wait()

    async def wait_for_end(self, thread_id: str, run: Run) -> Run:
        """Wait for the end of a run and return it; NotFoundError if it is deleted before."""
        stream = self._streams.get(run.run_id)
        async for _ in self.events(run.run_id):
            pass
        latest = run if stream is None else stream.run
        return self._store.runs.run_of(thread_id, run.run_id) if latest.active else latest

    async def events(self, run_id: str, after: int = -1) -> AsyncIterator[tuple[int, RunEvent]]:
        """Yield the numbered events of a run from the one after number `after` to its end."""
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
