"""Threads of nobody's run, which a run must leave as they are."""

from __future__ import annotations

import httpx

_RARELY = "0 0 1 1 *"
_GREETING = {"values": {"messages": [{"type": "human", "content": "of somebody else"}]}}
_BODY = {
    "metadata": {"graph_id": "agent", "owner": "somebody else"},
    "supersteps": [{"updates": [{**_GREETING, "as_node": "__start__"}]}],
}


async def plant_strangers(url: str, number: int) -> None:
    """Create threads that belong to nobody's run, each with a history, every second with a cron."""
    async with httpx.AsyncClient(base_url=url) as http:
        for each in range(number):
            made = (await http.post("/threads", json=_BODY)).raise_for_status().json()
            if each % 2:
                cron = {"assistant_id": "agent", "schedule": _RARELY}
                path = f"/threads/{made['thread_id']}/runs/crons"
                (await http.post(path, json=cron)).raise_for_status()
