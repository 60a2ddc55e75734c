"""Operations on crons, and the driver that starts their runs when they are due."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from conformance.model.errors import InvalidError, NotFoundError
from conformance.model.ids_and_times import JsonObject
from conformance.model.store import ThreadStore
from conformance.reference.answers import answer
from conformance.reference.bodies import parse_json
from conformance.reference.run_driver import RunDriver

_SORTABLE = (
    "cron_id",
    "assistant_id",
    "thread_id",
    "next_run_date",
    "end_time",
    "created_at",
    "updated_at",
)
_MEMBERS = (
    *_SORTABLE,
    "on_run_completed",
    "schedule",
    "timezone",
    "user_id",
    "payload",
    "metadata",
    "enabled",
)
_MOST = 1000
_SCHEDULED: dict[str, type | tuple[Any, ...]] = {
    "schedule": str,
    "assistant_id": str,
    "timezone": (str, type(None)),
    "end_time": (str, type(None)),
    "metadata": dict,
    "config": dict,
    "context": dict,
    "enabled": bool,
    "input": (dict, list, type(None)),
    "multitask_strategy": ("reject", "rollback", "interrupt", "enqueue"),
    "on_run_completed": ("delete", "keep"),
}
_FILTERS: dict[str, type | tuple[Any, ...]] = {
    "assistant_id": str,
    "thread_id": str,
    "metadata": dict,
    "enabled": bool,
}
_SEARCHED: dict[str, type | tuple[Any, ...]] = {
    **_FILTERS,
    "limit": int,
    "offset": int,
    "sort_by": _SORTABLE,
    "sort_order": ("asc", "desc"),
    "select": list,
}


class CronDriver:
    """A driver that starts the runs of crons when they are due.

    `minute_s` is the number of real seconds that a minute of a schedule lasts: 60, less in tests.
    """

    def __init__(self, store: ThreadStore, runs: RunDriver, minute_s: float) -> None:
        self._store = store
        self._runs = runs
        self._pace = minute_s / timedelta(minutes=1).total_seconds()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def reschedule(self, cron_id: str) -> None:
        """Schedule the next run of a cron that was created, changed or deleted."""
        if (task := self._tasks.pop(cron_id, None)) is not None:
            task.cancel()
        if self._due(cron_id) is not None:
            self._tasks[cron_id] = asyncio.create_task(self._work(cron_id))

    def _due(self, cron_id: str) -> datetime | None:
        try:
            return self._store.records.cron(cron_id).due
        except NotFoundError:
            return None

    async def _work(self, cron_id: str) -> None:
        loop = asyncio.get_running_loop()
        since, deadline = self._store.records.next_time(), loop.time()
        while (due := self._due(cron_id)) is not None:
            deadline += (due - since).total_seconds() * self._pace
            await asyncio.sleep(max(0.0, deadline - loop.time()))
            since = due
            if self._due(cron_id) != due:
                return  # its thread was deleted
            if (begun := self._store.crons.fire_cron(cron_id)) is not None:
                self._runs.start(*begun)


def cron_routes(store: ThreadStore, driver: CronDriver) -> list[Route]:
    """Return the routes of crons."""

    async def create(request: Request) -> Response:
        body = _checked(parse_json(await request.body()), _SCHEDULED, ("assistant_id", "schedule"))
        made = store.crons.create_cron(body, request.path_params.get("thread_id"))
        driver.reschedule(made["cron_id"])
        return answer(made)

    async def search(request: Request) -> Response:
        body = _checked(parse_json(await request.body()), _SEARCHED)
        limit, offset, select = body.get("limit", 10), body.get("offset", 0), body.get("select")
        if not 1 <= limit <= _MOST or offset < 0:
            raise InvalidError(f"limit must be from 1 to {_MOST}, offset zero or more")
        if select is not None and not all(name in _MEMBERS for name in select):
            raise InvalidError(f"select takes members of a cron: {', '.join(_MEMBERS)}")
        found = store.crons.search_crons(
            body,
            limit=limit,
            offset=offset,
            sort_by=body.get("sort_by", "created_at"),
            sort_order=body.get("sort_order", "desc"),
            select=select,
        )
        return answer(found)

    async def count(request: Request) -> Response:
        return answer(store.crons.count_crons(_checked(parse_json(await request.body()), _FILTERS)))

    async def get(request: Request) -> Response:
        return answer(store.crons.get_cron(request.path_params["cron_id"]))

    async def update(request: Request) -> Response:
        body = _checked(parse_json(await request.body()), _SCHEDULED)
        body.pop("assistant_id", None)  # not among the members that can be changed: ignored
        changed = store.crons.update_cron(request.path_params["cron_id"], body)
        driver.reschedule(changed["cron_id"])
        return answer(changed)

    async def delete(request: Request) -> Response:
        cron_id = store.records.cron(request.path_params["cron_id"]).cron_id
        store.crons.delete_cron(cron_id)
        driver.reschedule(cron_id)
        return answer({})

    return [
        Route("/threads/{thread_id}/runs/crons", create, methods=["POST"]),
        Route("/runs/crons", create, methods=["POST"]),
        Route("/runs/crons/search", search, methods=["POST"]),
        Route("/runs/crons/count", count, methods=["POST"]),
        Route("/runs/crons/{cron_id}", get, methods=["GET"]),
        Route("/runs/crons/{cron_id}", update, methods=["PATCH"]),
        Route("/runs/crons/{cron_id}", delete, methods=["DELETE"]),
    ]


def _checked(
    body: Any, known: dict[str, type | tuple[Any, ...]], required: tuple[str, ...] = ()
) -> JsonObject:
    """Return the body; InvalidError unless each member has the type or a value that `known` lists.

    InvalidError also if it is not an object or lacks a member in `required`.
    """
    if not isinstance(body, dict):
        raise InvalidError("the body must be an object")
    for name in required:
        if name not in body:
            raise InvalidError(f"{name} is missing")
    for name, kinds in known.items():
        if name not in body:
            continue
        value = body[name]
        if isinstance(kinds, tuple) and isinstance(kinds[0], str):
            if value not in kinds:
                raise InvalidError(f"{name} must be one of {', '.join(kinds)}")
        elif not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            raise InvalidError(f"{name} has the wrong type")
    return body
