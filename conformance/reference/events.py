"""Streams of runs as server-sent events."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse

from conformance.model.streams import is_of
from conformance.reference.answers import encoded
from conformance.reference.driver import RunDriver

_NUMBER = re.compile(r"\d{1,9}")


def event_stream(
    driver: RunDriver,
    run_id: str,
    *,
    after: int = -1,
    modes: tuple[str, ...] | None = None,
    headers: dict[str, str] | None = None,
) -> StreamingResponse:
    """What a run says from the event after number `after` on, only in `modes` if given.

    Each event has its number as its id, so that a stream can be taken up again.
    """

    async def told() -> AsyncIterator[str]:
        async for number, event in driver.events(run_id, after):
            if modes is None or is_of(event, modes):
                yield f"id: {number}\nevent: {event.event}\ndata: {encoded(event.data)}\n\n"

    headers = {"cache-control": "no-store", **(headers or {})}
    return StreamingResponse(told(), headers=headers, media_type="text/event-stream")


def last_event(request: Request) -> int:
    """The number that Last-Event-ID names; -1, the whole stream, where it names none."""
    text = request.headers.get("last-event-id", "")
    return int(text) if _NUMBER.fullmatch(text) else -1
