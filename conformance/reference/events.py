"""Streams of runs and of threads as server-sent events."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.types import Message

from conformance.model.ids_and_times import JsonObject
from conformance.model.store import ThreadStore
from conformance.model.streams import is_in_modes
from conformance.model.thread_protocol import ProtocolEvent
from conformance.model.thread_streams import ThreadEvent
from conformance.reference.answers import encode
from conformance.reference.run_driver import RunDriver

_LINE_END = "\n"
#: Seconds between two comments that keep a quiet stream open.
_PING_S = 15
_NUMBER = re.compile(r"\d{1,9}")


def event_stream(
    driver: RunDriver,
    run_id: str,
    *,
    after: int = -1,
    modes: tuple[str, ...] | None = None,
    headers: dict[str, str] | None = None,
    on_disconnect: Callable[[], None] = lambda: None,
) -> EventSourceResponse:
    """Return a response with a run's events after number `after`, only in `modes` if given.

    The id of each event is its number, so that a client can resume the stream. `on_disconnect` is
    called if the client disconnects before the end.
    """

    async def events() -> AsyncIterator[ServerSentEvent]:
        async for number, event in driver.events(run_id, after):
            if modes is None or is_in_modes(event, modes):
                yield ServerSentEvent(
                    encode(event.data), event=event.event, id=str(number), sep=_LINE_END
                )

    async def left(_message: Message) -> None:
        on_disconnect()

    return EventSourceResponse(
        events(),
        headers=headers,
        sep=_LINE_END,
        ping=_PING_S,
        client_close_handler_callable=left,
    )


def thread_event_stream(
    store: ThreadStore, driver: RunDriver, thread_id: str, position: int, modes: tuple[str, ...]
) -> EventSourceResponse:
    """Return a response with the events of a thread after its first `position`, in `modes`."""

    def after(position: int) -> Iterable[ThreadEvent | None]:
        return store.thread_streams.from_position(thread_id, position, modes)

    async def events() -> AsyncIterator[ServerSentEvent]:
        async for each in driver.thread_events(thread_id, position, after):
            data = encode(each.data)
            yield ServerSentEvent(data, event=each.event, id=each.event_id, sep=_LINE_END)

    return EventSourceResponse(events(), sep=_LINE_END, ping=_PING_S)


def protocol_event_stream(
    store: ThreadStore, driver: RunDriver, thread_id: str, position: int, body: JsonObject
) -> EventSourceResponse:
    """Return a response with the protocol events after the first `position` that `body` selects.

    `body` is that of the request.
    """

    def after(position: int) -> Iterable[ProtocolEvent | None]:
        return store.thread_protocol.from_position(thread_id, position, body)

    async def events() -> AsyncIterator[ServerSentEvent]:
        async for each in driver.thread_events(thread_id, position, after):
            data = encode(store.thread_protocol.view(each))
            yield ServerSentEvent(data, event=each.method, id=str(each.seq), sep=_LINE_END)

    return EventSourceResponse(events(), sep=_LINE_END, ping=_PING_S)


def last_event(request: Request) -> int:
    """Return the event number in Last-Event-ID; without that header -1, for the whole stream."""
    text = request.headers.get("last-event-id", "")
    return int(text) if _NUMBER.fullmatch(text) else -1
