"""Parsing of requests: the body, strict JSON with its published schema, and the query."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from starlette.requests import Request

from conformance.contract.schemas import violations
from conformance.model.errors import InvalidError
from conformance.model.ids_and_times import JsonObject

#: The maximum nesting of objects and arrays, far below Python's recursion limit.
DEEPEST = 200

_INTEGER = re.compile(r"-?\d{1,18}")
_SHOWN_VIOLATIONS = 3


async def read_body(request: Request, schema: str) -> JsonObject:
    """Return the body of a request as JSON.

    InvalidError if it is not JSON, or violates the contract's schema of the name `schema`.
    """
    body = parse_json(await request.body())
    if schema == "history_search" and isinstance(body, dict):
        _accept_plain_before(body)
    wrong = violations(schema, body)
    if wrong:
        raise InvalidError("; ".join(str(each) for each in wrong[:_SHOWN_VIOLATIONS]))
    checked: JsonObject = body
    return checked


def _accept_plain_before(body: JsonObject) -> None:
    # The published type is an object; the SDK's type also allows a bare checkpoint id.
    if isinstance(body.get("before"), str):
        body["before"] = {"checkpoint_id": body["before"]}


def parse_json(raw: bytes) -> Any:
    """Parse JSON by RFC 8259: UTF-8, no NaN, no infinite numbers; else InvalidError."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except RecursionError as problem:
        raise InvalidError(f"the body is nested deeper than {DEEPEST} levels") from problem
    except ValueError as problem:
        raise InvalidError(f"the body is not valid JSON: {problem}") from problem
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and _depth(value) > DEEPEST:
        raise InvalidError(f"the body is nested deeper than {DEEPEST} levels")
    return value


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        nested = any(isinstance(one, dict | list) for one in level)
        depth, level = depth + nested, inner
    return depth


def query_integer(request: Request, name: str, default: int) -> int:
    """Return an integer of the query, zero or more; else InvalidError."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not _INTEGER.fullmatch(text) or int(text) < 0:
        raise InvalidError(f"{name} must be an integer, zero or more")
    return int(text)


def query_choice(request: Request, name: str, choices: tuple[str, ...]) -> str | None:
    """Return the query parameter `name`, None if absent; InvalidError if not one of `choices`."""
    text = request.query_params.get(name)
    if text is not None and text not in choices:
        raise InvalidError(f"{name} must be one of {', '.join(choices)}")
    return text


def query_choices(request: Request, name: str, choices: tuple[str, ...]) -> tuple[str, ...]:
    """Return all values of the query parameter `name`; InvalidError unless all are in `choices`."""
    given = request.query_params.getlist(name)
    if any(each not in choices for each in given):
        raise InvalidError(f"each {name} must be one of {', '.join(choices)}")
    return tuple(given)


def query_flag(request: Request, name: str) -> bool:
    """Return a boolean of the query, `true` or `false`, by default false; else InvalidError."""
    return query_choice(request, name, ("true", "false")) == "true"


def checkpoint_of(body: JsonObject) -> JsonObject | None:
    """Return the checkpoint that a body names, by `checkpoint` or, like the SDK, `checkpoint_id`.

    InvalidError if they name different checkpoints.
    """
    plain = body.get("checkpoint_id")
    named: JsonObject = body.get("checkpoint") or {}
    if plain is None:
        return named or None
    if named.get("checkpoint_id", plain) != plain:
        raise InvalidError("checkpoint_id and checkpoint.checkpoint_id name different ones")
    return {**named, "checkpoint_id": plain}
