"""Operations on threads: create, search, count, prune, get, update, delete, copy."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from conformance.model.ids_and_times import JsonObject, canonical_id
from conformance.model.search import DEFAULT_SORT, Query
from conformance.model.store import ThreadStore
from conformance.reference.answers import answer, no_content
from conformance.reference.bodies import read_body
from conformance.reference.newer_members import newer_member
from conformance.reference.run_driver import RunDriver


def thread_routes(store: ThreadStore, driver: RunDriver) -> list[Route]:
    """Return the routes under `/threads` for whole threads."""

    async def create(request: Request) -> Response:
        body = await read_body(request, "thread_create")
        members = ("thread_id", "metadata", "if_exists", "ttl", "supersteps")
        return answer(store.threads.create(**_only(body, members)))

    async def search(request: Request) -> Response:
        body = await read_body(request, "thread_search")
        found = store.searches.search(
            _query(body),
            limit=int(body.get("limit", 10)),
            offset=int(body.get("offset", 0)),
            sort_by=body.get("sort_by", DEFAULT_SORT),
            sort_order=body.get("sort_order", "desc"),
            select=body.get("select"),
            extract=body.get("extract"),
        )
        return answer(found)

    async def count(request: Request) -> Response:
        body = await read_body(request, "thread_count")
        return answer(store.searches.count(_query({**body, "ids": None})))

    async def prune(request: Request) -> Response:
        body = await read_body(request, "thread_prune")
        answered = store.threads.prune(**_only(body, ("thread_ids", "strategy")))
        for thread_id in body["thread_ids"]:
            driver.update_streams(canonical_id(thread_id, "each of thread_ids"))
        return answer(answered)

    async def get(request: Request) -> Response:
        include = request.query_params.get("include", "").split(",")
        return answer(store.threads.get(_thread_id(request), include))

    async def update(request: Request) -> Response:
        body = await read_body(request, "thread_patch")
        changed = store.threads.update(_thread_id(request), **_only(body, ("metadata", "ttl")))
        if request.headers.get("prefer") == "return=minimal":
            return no_content()
        return answer(changed)

    async def delete(request: Request) -> Response:
        store.threads.delete(_thread_id(request))
        driver.update_streams(_thread_id(request))
        return no_content()

    async def copy(request: Request) -> Response:
        return answer(store.threads.copy(_thread_id(request)))

    return [
        Route("/threads", create, methods=["POST"]),
        Route("/threads/search", search, methods=["POST"]),
        Route("/threads/count", count, methods=["POST"]),
        Route("/threads/prune", prune, methods=["POST"]),
        Route("/threads/{thread_id}", get, methods=["GET"]),
        Route("/threads/{thread_id}", update, methods=["PATCH"]),
        Route("/threads/{thread_id}", delete, methods=["DELETE"]),
        Route("/threads/{thread_id}/copy", copy, methods=["POST"]),
    ]


def _thread_id(request: Request) -> str:
    return canonical_id(request.path_params["thread_id"], "the thread id in the path")


def _only(body: JsonObject, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: body[name] for name in names if name in body}


def _query(body: JsonObject) -> Query:
    excluded = newer_member(body, "ThreadSearchRequest", "exclude_metadata")
    return Query(
        body.get("ids"),
        body.get("metadata"),
        body.get("values"),
        body.get("status"),
        exclude_metadata=excluded
        if isinstance(excluded, list)
        else [excluded]
        if excluded
        else None,
    )
