"""The threads and crons that really are on a deployment, requested from it directly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

_PAGE = 1000


@dataclass(frozen=True)
class Snapshot:
    """Every thread by id, as the deployment shows it, and every cron."""

    threads: dict[str, Any]
    crons: dict[str, Any]

    def beyond(self, before: Snapshot) -> int:
        """Return how many threads and crons there are that are not in `before`."""
        threads = self.threads.keys() - before.threads.keys()
        return len(threads) + len(self.crons.keys() - before.crons.keys())

    def harmed(self, before: Snapshot) -> int:
        """Return how many threads and crons of `before` are gone or changed."""
        pairs = ((before.threads, self.threads), (before.crons, self.crons))
        return sum(now.get(own) != was for then, now in pairs for own, was in then.items())


async def snapshot(url: str) -> Snapshot:
    """Return all threads and crons of the deployment."""
    async with httpx.AsyncClient(base_url=url) as http:
        threads = await _all(http, "/threads/search", "thread_id")
        crons = await _all(http, "/runs/crons/search", "cron_id")
    return Snapshot(threads, crons)


async def _all(http: httpx.AsyncClient, path: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while True:
        page = {"limit": _PAGE, "offset": len(found), "sort_order": "asc"}
        answer = await http.post(path, json=page)
        answer.raise_for_status()
        hits = answer.json()
        found.update((each[name], each) for each in hits)
        if len(hits) < _PAGE:
            return found
