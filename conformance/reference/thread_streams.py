"""Streams of threads: join."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from conformance.model.store import ThreadStore
from conformance.model.thread_streams import THREAD_MODES
from conformance.reference.bodies import query_choices
from conformance.reference.events import thread_event_stream
from conformance.reference.run_driver import RunDriver

#: Parameters with the modes. The first one is published; where it is given the other is ignored.
_MODE_PARAMETERS = ("stream_modes", "stream_mode")


def thread_stream_routes(store: ThreadStore, driver: RunDriver) -> list[Route]:
    """Return the routes for the streams of threads."""

    async def join(request: Request) -> Response:
        thread_id = store.records.thread(request.path_params["thread_id"]).thread_id
        given = [query_choices(request, name, THREAD_MODES) for name in _MODE_PARAMETERS]
        modes = next(filter(None, given), THREAD_MODES[:1])
        position = store.thread_streams.position(thread_id, request.headers.get("last-event-id"))
        return thread_event_stream(store, driver, thread_id, position, modes)

    return [Route("/threads/{thread_id}/stream", join, methods=["GET"])]
