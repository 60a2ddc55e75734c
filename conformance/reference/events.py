"""Streams of runs as server-sent events."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse

from conformance.model.streams import is_in_modes
from conformance.reference.answers import encode
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
    """Return a response with a run's events after number `after`, only in `modes` if given.

    The id of each event is its number, so that a client can resume the stream.
    """

    async def encoded_events() -> AsyncIterator[str]:
        async for number, event in driver.events(run_id, after):
            if modes is None or is_in_modes(event, modes):
                yield f"id: {number}\nevent: {event.event}\ndata: {encode(event.data)}\n\n"

    headers = {"cache-control": "no-store", **(headers or {})}
    return StreamingResponse(encoded_events(), headers=headers, media_type="text/event-stream")


def last_event(request: Request) -> int:
    """Return the event number in Last-Event-ID; -1, the whole stream, without one."""
    text = request.headers.get("last-event-id", "")
    return int(text) if _NUMBER.fullmatch(text) else -1
