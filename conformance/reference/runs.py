"""Operations on runs: waited for, streamed, in the background, joined, cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from conformance.model.store import ThreadStore
from conformance.model.threads import Run
from conformance.model.values import JsonObject, canonical_id
from conformance.reference.answers import answer, encoded, no_content
from conformance.reference.bodies import query_choice, query_integer, read_body
from conformance.reference.driver import RunDriver
from conformance.reference.states import checkpoint_of

_STATUSES = ("pending", "running", "error", "success", "timeout", "interrupted")


def run_routes(store: ThreadStore, driver: RunDriver) -> list[Route]:
    """Routes under `/threads/{thread_id}/runs`."""

    async def begun(request: Request) -> tuple[str, Run]:
        body = await read_body(request, "run_create")
        thread_id = canonical_id(request.path_params["thread_id"], "the thread id in the path")
        if (checkpoint := checkpoint_of(body)) is not None:
            body["checkpoint"] = checkpoint
        run = store.begin_run(thread_id, body)
        driver.start(thread_id, run)
        return thread_id, run

    def named(request: Request) -> tuple[str, str]:
        thread_id = store.thread(request.path_params["thread_id"]).thread_id
        return thread_id, store.run_of(thread_id, request.path_params["run_id"]).run_id

    async def events(run_id: str) -> AsyncIterator[str]:
        async for event in driver.events(run_id):
            yield f"event: {event.event}\ndata: {encoded(event.data)}\n\n"

    async def in_background(request: Request) -> Response:
        thread_id, run = await begun(request)
        return answer(store.get_run(thread_id, run.run_id), headers=_location(thread_id, run))

    async def wait(request: Request) -> Response:
        thread_id, run = await begun(request)
        await driver.ended(run.run_id)
        output = store.run_of(thread_id, run.run_id).output
        return answer(output, headers=_location(thread_id, run))

    async def stream(request: Request) -> Response:
        thread_id, run = await begun(request)
        headers = {"cache-control": "no-store", **_location(thread_id, run)}
        return StreamingResponse(
            events(run.run_id), headers=headers, media_type="text/event-stream"
        )

    async def list_runs(request: Request) -> Response:
        found = store.list_runs(
            request.path_params["thread_id"],
            limit=query_integer(request, "limit", 10),
            offset=query_integer(request, "offset", 0),
            status=query_choice(request, "status", _STATUSES),
        )
        select = request.query_params.getlist("select")
        return answer([_selected(run, select) for run in found])

    async def get(request: Request) -> Response:
        return answer(store.get_run(*named(request)))

    async def join(request: Request) -> Response:
        thread_id, run_id = named(request)
        await driver.ended(run_id)
        return answer(store.run_of(thread_id, run_id).output)

    async def join_stream(request: Request) -> Response:
        _, run_id = named(request)
        return StreamingResponse(events(run_id), media_type="text/event-stream")

    async def cancel(request: Request) -> Response:
        thread_id, run_id = named(request)
        action = query_choice(request, "action", ("interrupt", "rollback")) or "interrupt"
        store.cancel_run(thread_id, run_id, action)
        driver.settle(thread_id)
        return no_content()

    async def delete(request: Request) -> Response:
        thread_id, run_id = named(request)
        store.delete_run(thread_id, run_id)
        driver.settle(thread_id)
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


def _location(thread_id: str, run: Run) -> dict[str, str]:
    return {"content-location": f"/threads/{thread_id}/runs/{run.run_id}"}


def _selected(run: JsonObject, select: list[str]) -> JsonObject:
    return {name: run[name] for name in select if name in run} if select else run
