"""The protocol of threads over HTTP: commands, and their numbered events."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from conformance.model.errors import InvalidError
from conformance.model.ids_and_times import JsonObject, canonical_id
from conformance.model.store import ThreadStore
from conformance.model.thread_protocol import CHANNELS, CommandError
from conformance.reference.answers import answer
from conformance.reference.bodies import parse_json
from conformance.reference.events import protocol_event_stream
from conformance.reference.run_driver import RunDriver

_OWN_CHANNEL = re.compile(r"custom:.+")


def thread_protocol_routes(store: ThreadStore, driver: RunDriver) -> list[Route]:
    """Return the routes for the commands and the events of threads."""

    async def command(request: Request) -> Response:
        thread_id = canonical_id(request.path_params["thread_id"], "the thread id in the path")
        body = _command_in(await request.body())
        if body is None:
            return answer(_error(None, "invalid_argument", "send an id and a method"), 400)
        try:
            run = store.thread_protocol.execute(thread_id, body["method"], body.get("params") or {})
        except CommandError as refused:
            return answer(_error(body["id"], refused.code, str(refused)))
        seq = store.thread_protocol.next_seq(thread_id) - 1
        driver.start(thread_id, run)
        done = {"type": "success", "id": body["id"], "result": {"run_id": run.run_id}}
        return answer({**done, "meta": {"applied_through_seq": seq}})

    async def events(request: Request) -> Response:
        body = _subscription_in(await request.body())
        if body is None:
            return answer(
                {"detail": "channels must be a list of one or more of those there are"}, 400
            )
        thread_id = store.records.thread(request.path_params["thread_id"]).thread_id
        position = store.thread_protocol.position(thread_id, body.get("since"))
        return protocol_event_stream(store, driver, thread_id, position, body)

    return [
        Route("/threads/{thread_id}/commands", command, methods=["POST"]),
        Route("/threads/{thread_id}/stream/events", events, methods=["POST"]),
    ]


def _error(command_id: int | None, code: str, message: str) -> JsonObject:
    return {"type": "error", "id": command_id, "error": code, "message": message}


def _object_in(raw: bytes) -> JsonObject:
    """Return the JSON object of a body; an empty one for anything else."""
    try:
        body = parse_json(raw)
    except InvalidError:
        return {}
    return body if isinstance(body, dict) else {}


def _command_in(raw: bytes) -> JsonObject | None:
    body = _object_in(raw)
    fits = (
        _is_count(body.get("id"))
        and isinstance(body.get("method"), str)
        and isinstance(body.get("params", {}), dict)
    )
    return body if fits else None


def _subscription_in(raw: bytes) -> JsonObject | None:
    body = _object_in(raw)
    channels, namespaces = body.get("channels"), body.get("namespaces", [])
    fits = (
        isinstance(channels, list)
        and bool(channels)
        and all(map(_is_channel, channels))
        and isinstance(namespaces, list)
        and all(isinstance(each, list) for each in namespaces)
        and all(_is_count(body[name]) for name in ("since", "depth") if name in body)
    )
    return body if fits else None


def _is_channel(value: Any) -> bool:
    return isinstance(value, str) and (value in CHANNELS or bool(_OWN_CHANNEL.fullmatch(value)))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
