"""Another user of the deployment: with threads made before the run, and writes during the run."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx

from benchmarks.hostile.foreign_writes import OTHERS_HEADER
from benchmarks.hostile.harm_to_others import RecordingStore
from benchmarks.hostile.lies import CANARY, others_thread

#: The ages of the threads made before the run, some of them just below and above 5 minutes.
_AGES = (
    *(timedelta(days=30), timedelta(days=1), timedelta(hours=1), timedelta(minutes=11)),
    *(timedelta(minutes=6), timedelta(minutes=4), timedelta(minutes=1), timedelta(seconds=10)),
    timedelta(),
)
_CRON = {"assistant_id": "agent", "schedule": "0 0 1 1 *", "metadata": {"owner": CANARY}}
_RUN = {"assistant_id": "agent", "input": {"messages": [{"type": "human", "content": CANARY}]}}
_ENDLESS_S = 1_000_000
_PAUSE_S = 0.1
#: The number of threads made during the run that others keep; they delete the older ones.
_KEPT = 40


class Others:
    """A client that says by a header that it is not the suite."""

    def __init__(self, url: str, store: RecordingStore, seed: int) -> None:
        self._store = store
        self._random = random.Random(seed)
        self._http = httpx.AsyncClient(base_url=url, headers={OTHERS_HEADER: "1"})
        self._meanwhile: list[str] = []

    async def __aenter__(self) -> Others:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def _post(self, path: str, body: Any = None) -> Any:
        answer = await self._http.post(path, json=body)
        return answer.raise_for_status().json()

    async def plant(self, number: int) -> None:
        """Make `number` threads of all ages, with a history, some with runs and crons.

        On every ninth thread a run stays pending for ever.
        """
        share = -(-number // len(_AGES))
        made: list[str] = []
        for age in _AGES:
            self._store.age = age
            for _ in range(min(share, number - len(made))):
                made.append((await self._post("/threads", others_thread()))["thread_id"])
                if len(made) % 4 == 1:
                    await self._post(f"/threads/{made[-1]}/runs/wait", _RUN)
                if len(made) % 9 == 2:
                    body = {**_RUN, "after_seconds": _ENDLESS_S}
                    await self._post(f"/threads/{made[-1]}/runs", body)
        self._store.age = timedelta()
        for own in made[::4]:
            await self._post(f"/threads/{own}/runs/crons", _CRON)

    async def live(self) -> None:
        """Create, copy, change, run and delete own threads until cancelled."""
        acts = (self._create, self._copy, self._update, self._run, self._schedule)
        while True:
            await self._random.choice(acts)()
            if len(self._meanwhile) > _KEPT:
                own = self._meanwhile.pop(0)
                # The thread may be gone already: `harm` counts that.
                await self._http.delete(f"/threads/{own}")
            await asyncio.sleep(_PAUSE_S)

    async def _create(self) -> None:
        self._meanwhile.append((await self._post("/threads", others_thread()))["thread_id"])

    async def _on_one(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """Send a request about a random own thread; None if there is none, or it is refused."""
        if not self._meanwhile:
            return None
        own = self._random.choice(self._meanwhile)
        answer = await self._http.request(method, f"/threads/{own}{path}", json=body)
        return answer.json() if answer.is_success else None

    async def _copy(self) -> None:
        if made := await self._on_one("/copy"):
            self._meanwhile.append(made["thread_id"])

    async def _update(self) -> None:
        await self._on_one("", {"metadata": {"n": self._random.random()}}, "PATCH")

    async def _run(self) -> None:
        await self._on_one("/runs/wait", _RUN)

    async def _schedule(self) -> None:
        await self._on_one("/runs/crons", _CRON)


@contextlib.asynccontextmanager
async def living(others: Others) -> AsyncIterator[None]:
    """Let somebody else use the deployment for as long as a block lasts."""
    task = asyncio.create_task(others.live())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
