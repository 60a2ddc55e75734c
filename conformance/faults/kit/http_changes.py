"""Building blocks of faults and freedoms: changes of requests and of answers at the HTTP layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.faults.registry import Apply, FaultyDeployment
from conformance.json_differences import same_json
from conformance.model.threads import Threads
from conformance.reference.wire import (
    Json,
    When,
    WireAnswer,
    WireRequest,
    always,
    json_answer,
)

#: Operations that show states, and those of them that show a history.
STATES = ("state", "state_at_checkpoint", "post_state_at_checkpoint", "history", "post_history")
HISTORIES = ("history", "post_history")

Members = dict[str, Any]


# Answers


def change_answer(
    *operations: str, to: Callable[[WireRequest, Any], Json], when: When = always
) -> Apply:
    """Replace the JSON of successful answers by `to(request, body)`."""

    def apply(broken: FaultyDeployment) -> None:
        broken.wire.answers(*operations, when=when)(to)

    return apply


def each_shown(
    broken: FaultyDeployment, *operations: str, when: When = always
) -> Callable[[Callable[[WireRequest, Any], Json]], None]:
    """Register a change of every thread, state or run in a successful answer, alone or in a list.

    The change is called with the request and the object.
    """

    def register(change: Callable[[WireRequest, Any], Json]) -> None:
        @broken.wire.answers(*operations, when=when)
        def change_each(request: WireRequest, body: Json) -> Json:
            if isinstance(body, list):
                return [change(request, each) for each in body]
            return change(request, body)

    return register


def change_shown(*operations: str, to: Callable[[Members], Json], when: When = always) -> Apply:
    """Replace every object in a successful answer, alone or in a list, by `to(object)`.

    What is no JSON object stays as it is.
    """

    def apply(broken: FaultyDeployment) -> None:
        each_shown(broken, *operations, when=when)(
            lambda _, each: to(each) if isinstance(each, dict) else each
        )

    return apply


def with_status(status: int, *operations: str, instead_of: int, when: When = always) -> Apply:
    """Answer with another status where `instead_of` is right; the body stays as it is."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(*operations, when=when, status=instead_of)
        def change_status(_request: WireRequest, answer: WireAnswer) -> None:
            answer.status = status

    return apply


def refusing(operation: str, when: When = always, status: int = 422) -> Apply:
    """Refuse, with `status`, requests that should be accepted."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(operation, when=when)
        def refuse(_request: WireRequest) -> WireAnswer:
            return json_answer(status, {"detail": "no"})

    return apply


def get_shows_status_of_finished(status: str) -> Apply:
    """Let GET show another status of a prepopulated, finished thread that was never run."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.answers("get")
        def show(request: WireRequest, view: Json) -> Json:
            thread = broken.store.records.thread(request.thread_id)
            finished = thread.checkpoints and not thread.runs and view["status"] == "idle"
            return {**view, "status": status} if finished else view

    return apply


# Requests


def change_request(
    *operations: str, to: Callable[[Members], Members], when: When = always
) -> Apply:
    """Replace the body of requests by `to(members)`, where it is a JSON object."""

    def apply(broken: FaultyDeployment) -> None:
        def has_members(request: WireRequest) -> bool:
            return isinstance(request.body, dict) and when(request)

        @broken.wire.before(*operations, when=has_members)
        def change(request: WireRequest) -> None:
            request.body = to(request.members)

    return apply


def altered_by(change: Callable[[Members], Members]) -> When:
    """Select requests whose body differs from what `change` makes of it."""
    return lambda request: not same_json(request.members, change(request.members))


def requests_ten_or_fewer(request: WireRequest) -> bool:
    """Return whether a GET requests a page of at most ten states."""
    limit = request.query.get("limit", "10")
    return limit.isdigit() and int(limit) <= 10


def prepopulates(request: WireRequest) -> bool:
    """Return whether a create request has supersteps."""
    return isinstance(request.members.get("supersteps"), list)


def prepopulates_new_thread(request: WireRequest) -> bool:
    """Return whether a create request has supersteps and does not accept an existing thread."""
    return prepopulates(request) and request.members.get("if_exists") != "do_nothing"


# Values and stores


def mapped(value: Json, leaf: Callable[[Any], Any]) -> Json:
    """Return a copy of a JSON value with every leaf replaced by `leaf(value)`."""
    if isinstance(value, dict):
        return {name: mapped(each, leaf) for name, each in value.items()}
    if isinstance(value, list):
        return [mapped(each, leaf) for each in value]
    return leaf(value)


def without(value: Members, *members: str) -> Members:
    """Return a JSON object without these members."""
    return {name: each for name, each in value.items() if name not in members}


def copies_of(broken: FaultyDeployment) -> dict[str, str]:
    """Return a dict from the id of each copy to the id of its source, filled as copies are made."""
    sources: dict[str, str] = {}

    @broken.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        made = right(thread_id)
        sources[made["thread_id"]] = broken.store.records.thread(thread_id).thread_id
        return made

    return sources
