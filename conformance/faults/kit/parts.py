"""What several faults are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.faults.registry import Apply, Broken
from conformance.reference.wire import (
    Json,
    When,
    WireAnswer,
    WireRequest,
    always,
    json_answer,
)

STATES = ("state", "state_at_checkpoint", "post_state_at_checkpoint", "history", "post_history")
HISTORIES = ("history", "post_history")


def each_shown(
    broken: Broken, *operations: str, when: When = always
) -> Callable[[Callable[[WireRequest, Any], Json]], None]:
    """Change each thread or state that these operations show, alone or in a list."""

    def register(change: Callable[[WireRequest, Any], Json]) -> None:
        @broken.wire.answers(*operations, when=when)
        def _(request: WireRequest, body: Json) -> Json:
            if isinstance(body, list):
                return [change(request, each) for each in body]
            return change(request, body)

    return register


def refusing(operation: str, when: When = always, status: int = 422) -> Apply:
    """Refuse what should be accepted."""

    def apply(broken: Broken) -> None:
        @broken.wire.before(operation, when=when)
        def refuse(_request: WireRequest) -> WireAnswer:
            return json_answer(status, {"detail": "no"})

    return apply


def mapped(value: Json, leaf: Callable[[Any], Any]) -> Json:
    """A copy of a JSON value with every leaf replaced by what `leaf` makes of it."""
    if isinstance(value, dict):
        return {name: mapped(each, leaf) for name, each in value.items()}
    if isinstance(value, list):
        return [mapped(each, leaf) for each in value]
    return leaf(value)


def without(value: dict[str, Any], *members: str) -> dict[str, Any]:
    """A JSON object without these members."""
    return {name: each for name, each in value.items() if name not in members}


def asks_for_few(request: WireRequest) -> bool:
    """Requests for a page of ten states or less, by GET."""
    limit = request.query.get("limit", "10")
    return limit.isdigit() and int(limit) <= 10
