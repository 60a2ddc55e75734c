"""Operations on runs of a thread: wait, stream, background, join, cancel."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from conformance.model.entities import Run
from conformance.model.errors import ModelError
from conformance.model.ids_and_times import JsonObject, canonical_id
from conformance.model.store import ThreadStore
from conformance.reference.answers import answer, no_content
from conformance.reference.bodies import (
    checkpoint_of,
    query_choice,
    query_flag,
    query_integer,
    read_body,
)
from conformance.reference.events import event_stream, last_event
from conformance.reference.run_driver import RunDriver

_STATUSES = ("pending", "running", "error", "success", "timeout", "interrupted")
_MODES = (
    "values",
    "messages",
    "messages-tuple",
    "tasks",
    "checkpoints",
    "updates",
    "events",
    "debug",
    "custom",
)


def run_routes(store: ThreadStore, driver: RunDriver) -> list[Route]:
    """Return the routes under `/threads/{thread_id}/runs`."""

    async def begun(request: Request) -> tuple[str, Run]:
        body = await read_body(request, "run_create")
        thread_id = canonical_id(request.path_params["thread_id"], "the thread id in the path")
        if (checkpoint := checkpoint_of(body)) is not None:
            body["checkpoint"] = checkpoint
        run = store.runs.begin_run(thread_id, body)
        driver.start(thread_id, run)
        return thread_id, run

    def run_in_path(request: Request) -> tuple[str, str]:
        thread_id = store.records.thread(request.path_params["thread_id"]).thread_id
        return thread_id, store.runs.run_of(thread_id, request.path_params["run_id"]).run_id

    async def in_background(request: Request) -> Response:
        thread_id, run = await begun(request)
        return answer(
            store.runs.get_run(thread_id, run.run_id), headers=location_of(thread_id, run)
        )

    async def wait(request: Request) -> Response:
        thread_id, run = await begun(request)
        return await waited_for(request, store, driver, thread_id, run)

    async def stream(request: Request) -> Response:
        thread_id, run = await begun(request)
        return streamed(store, driver, thread_id, run)

    async def list_runs(request: Request) -> Response:
        found = store.runs.list_runs(
            request.path_params["thread_id"],
            limit=query_integer(request, "limit", 10),
            offset=query_integer(request, "offset", 0),
            status=query_choice(request, "status", _STATUSES),
        )
        select = request.query_params.getlist("select")
        return answer([_selected(run, select) for run in found])

    async def get(request: Request) -> Response:
        return answer(store.runs.get_run(*run_in_path(request)))

    async def join(request: Request) -> Response:
        thread_id, run_id = run_in_path(request)
        ended = await driver.wait_for_end(thread_id, store.runs.run_of(thread_id, run_id))
        return answer(ended.output)

    async def join_stream(request: Request) -> Response:
        _, run_id = run_in_path(request)
        mode = query_choice(request, "stream_mode", _MODES)
        modes = None if mode is None else (mode,)
        return event_stream(driver, run_id, after=last_event(request), modes=modes)

    async def cancel(request: Request) -> Response:
        # Validated only: the store ends a run at once, so that `wait` makes no difference.
        query_flag(request, "wait")
        thread_id, run_id = run_in_path(request)
        store.runs.cancel_run(thread_id, run_id, action_of(request))
        driver.update_streams(thread_id)
        return answer({})

    async def delete(request: Request) -> Response:
        thread_id, run_id = run_in_path(request)
        store.runs.delete_run(thread_id, run_id)
        driver.update_streams(thread_id)
        return no_content()

    base = "/threads/{thread_id}/runs"
    return [
        Route(base, in_background, methods=["POST"]),
        Route(base, list_runs, methods=["GET"]),
        Route(f"{base}/wait", wait, methods=["POST"]),
        Route(f"{base}/stream", stream, methods=["POST"]),
        Route(f"{base}/{{run_id}}", get, methods=["GET"]),
        Route(f"{base}/{{run_id}}", delete, methods=["DELETE"]),
        Route(f"{base}/{{run_id}}/join", join, methods=["GET"]),
        Route(f"{base}/{{run_id}}/stream", join_stream, methods=["GET"]),
        Route(f"{base}/{{run_id}}/cancel", cancel, methods=["POST"]),
    ]


async def waited_for(
    request: Request, store: ThreadStore, driver: RunDriver, thread_id: str, run: Run
) -> Response:
    """Return the output of a run at its end.

    A client that disconnects earlier cancels the run if its `on_disconnect` is cancel.
    """
    ending = asyncio.ensure_future(driver.wait_for_end(thread_id, run))
    leaving = asyncio.ensure_future(_disconnected(request))
    await asyncio.wait((ending, leaving), return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if not ending.done():
        ending.cancel()
        cancel_on_disconnect(store, driver, thread_id, run)
        return no_content()  # the client has left: nobody receives this
    return answer(ending.result().output, headers=location_of(thread_id, run))


def streamed(store: ThreadStore, driver: RunDriver, thread_id: str, run: Run) -> Response:
    """Return the stream of a run.

    A client that disconnects before the end cancels the run if its `on_disconnect` is cancel.
    """
    return event_stream(
        driver,
        run.run_id,
        headers=location_of(thread_id, run),
        on_disconnect=lambda: cancel_on_disconnect(store, driver, thread_id, run),
    )


def cancel_on_disconnect(store: ThreadStore, driver: RunDriver, thread_id: str, run: Run) -> None:
    """Cancel a run whose client has disconnected, if its `on_disconnect` is cancel."""
    if run.kwargs.get("on_disconnect") == "cancel":
        with contextlib.suppress(ModelError):  # it has ended meanwhile
            store.runs.cancel_run(thread_id, run.run_id)
            driver.update_streams(thread_id)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


def location_of(thread_id: str, run: Run) -> dict[str, str]:
    """Return the header with the URL of a run."""
    return {"content-location": f"/threads/{thread_id}/runs/{run.run_id}"}


def action_of(request: Request) -> str:
    """Return the `action` of a request to cancel a run."""
    return query_choice(request, "action", ("interrupt", "rollback")) or "interrupt"


def _selected(run: JsonObject, select: list[str]) -> JsonObject:
    return {name: run[name] for name in select if name in run} if select else run
