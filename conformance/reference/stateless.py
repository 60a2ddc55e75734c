"""Operations on stateless runs, and the cancelling of runs of several threads."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from conformance.contract.schemas import violations
from conformance.model.entities import Run
from conformance.model.errors import InvalidError
from conformance.model.ids_and_times import JsonObject
from conformance.model.store import ThreadStore
from conformance.reference.answers import answer, no_content
from conformance.reference.bodies import parse_json, read_body
from conformance.reference.run_driver import RunDriver
from conformance.reference.runs import action_of, location_of, streamed, waited_for

_STATUSES = ("pending", "running", "all")


def stateless_routes(store: ThreadStore, driver: RunDriver) -> list[Route]:
    """Return the routes under `/runs` for runs."""

    def begun(body: JsonObject) -> tuple[str, Run]:
        thread_id, run = store.runs.begin_stateless_run(body)
        driver.start(thread_id, run)
        return thread_id, run

    async def in_background(request: Request) -> Response:
        thread_id, run = begun(await read_body(request, "run_create_stateless"))
        return answer(
            store.runs.get_run(thread_id, run.run_id), headers=location_of(thread_id, run)
        )

    async def wait(request: Request) -> Response:
        thread_id, run = begun(await read_body(request, "run_create_stateless"))
        return await waited_for(request, store, driver, thread_id, run)

    async def stream(request: Request) -> Response:
        thread_id, run = begun(await read_body(request, "run_create_stateless"))
        return streamed(store, driver, thread_id, run)

    async def batch(request: Request) -> Response:
        bodies = parse_json(await request.body())
        if not isinstance(bodies, list) or not bodies:
            raise InvalidError("the body must be a list of runs, of one at the least")
        for body in bodies:
            if wrong := violations("run_create_stateless", body):
                raise InvalidError(str(wrong[0]))
            store.assistants.assistant(body["assistant_id"])
        started = [begun(body) for body in bodies]
        return answer([store.runs.get_run(thread_id, run.run_id) for thread_id, run in started])

    async def cancel(request: Request) -> Response:
        chosen = _chosen(parse_json(await request.body()))
        for thread_id in store.runs.cancel_runs(**chosen, action=action_of(request)):
            driver.update_streams(thread_id)
        return no_content()

    return [
        Route("/runs", in_background, methods=["POST"]),
        Route("/runs/wait", wait, methods=["POST"]),
        Route("/runs/stream", stream, methods=["POST"]),
        Route("/runs/batch", batch, methods=["POST"]),
        Route("/runs/cancel", cancel, methods=["POST"]),
    ]


def _chosen(body: Any) -> JsonObject:
    """Return the runs that a body selects, by `status` or by `thread_id` and `run_ids`."""
    if isinstance(body, dict):
        members = {name for name in ("status", "thread_id", "run_ids") if name in body}
        if members == {"status"} and body["status"] in _STATUSES:
            return {"status": body["status"]}
        ids = body.get("run_ids")
        if members == {"thread_id", "run_ids"} and isinstance(ids, list) and body["thread_id"]:
            return {"thread_id": body["thread_id"], "run_ids": ids}
    raise InvalidError(
        "say which runs: either a status (pending, running, all), or a thread_id and its run_ids"
    )
