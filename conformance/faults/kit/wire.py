"""Ways to make the faults of creating, getting, copying and running threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.faults.kit.parts import each_shown
from conformance.faults.registry import Apply, Broken
from conformance.model.history import same_json
from conformance.reference.wire import Json, When, WireAnswer, WireRequest, always


def shown(change: Callable[[dict[str, Any]], Json], *operations: str, when: When = always) -> Apply:
    """Show each thread or state of these operations otherwise."""

    def apply(broken: Broken) -> None:
        each_shown(broken, *operations, when=when)(lambda _, each: change(each))

    return apply


def with_status(status: int, operation: str, *, instead_of: int, when: When = always) -> Apply:
    """Answer with another status, the body as it is."""

    def apply(broken: Broken) -> None:
        @broken.wire.after(operation, when=when, status=instead_of)
        def answer_otherwise(_request: WireRequest, answer: WireAnswer) -> None:
            answer.status = status

    return apply


def finished_shows(status: str) -> Apply:
    """GET shows another status of a thread that was prepopulated to its end and never run."""

    def apply(broken: Broken) -> None:
        @broken.wire.answers("get")
        def show(request: WireRequest, view: Json) -> Json:
            thread = broken.store.thread(request.thread_id)
            finished = thread.checkpoints and not thread.runs and view["status"] == "idle"
            return {**view, "status": status} if finished else view

    return apply


def sent(change: Callable[[dict[str, Any]], dict[str, Any]], operation: str) -> Apply:
    """Take a request for another one, with the body that `change` makes of it."""

    def apply(broken: Broken) -> None:
        def changes(request: WireRequest) -> bool:
            return not same_json(request.members, change(request.members))

        @broken.wire.before(operation, when=changes)
        def take_for_another(request: WireRequest) -> None:
            request.body = change(request.members)

    return apply


def copies_of(broken: Broken) -> dict[str, str]:
    """The source of each copy by the copy's id; it grows as copies are made."""
    sources: dict[str, str] = {}

    @broken.instead("copy")
    def copy(right: Any, thread_id: str) -> Any:
        made = right(thread_id)
        sources[made["thread_id"]] = broken.store.thread(thread_id).thread_id
        return made

    return sources


def prepopulates(request: WireRequest) -> bool:
    """Whether a create request has supersteps."""
    return isinstance(request.members.get("supersteps"), list)


def prepopulates_anew(request: WireRequest) -> bool:
    """Whether it has, and is not meant to find its thread."""
    return prepopulates(request) and request.members.get("if_exists") != "do_nothing"
