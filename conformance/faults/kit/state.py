"""What the faults of states, histories, updates and deletion are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from conformance.faults.kit.parts import HISTORIES, each_shown
from conformance.faults.registry import Apply, Broken
from conformance.model.threads import Checkpoint, Thread
from conformance.reference.wire import Json, When, WireAnswer, WireRequest, always

Page = list[Any]
ChangePage = Callable[[Page], Json]
ChangeState = Callable[[dict[str, Any]], Json]
#: What a thread becomes, given as it was and as it is.
ChangeThread = Callable[[Thread, Thread], Thread]


def page_becomes(
    change: ChangePage, operations: tuple[str, ...] = HISTORIES, when: When = always
) -> Apply:
    """Change every page of history."""

    def apply(broken: Broken) -> None:
        @broken.wire.answers(*operations, when=when)
        def _(_request: WireRequest, page: Json) -> Json:
            return change(page)

    return apply


def state_becomes(change: ChangeState, *operations: str, when: When = always) -> Apply:
    """Change each state that these operations show, alone or in a list."""

    def apply(broken: Broken) -> None:
        each_shown(broken, *operations, when=when)(lambda _, state: change(state))

    return apply


def status_becomes(was: int, becomes: int, *operations: str, when: When = always) -> Apply:
    """Answer with one status where another is right."""

    def apply(broken: Broken) -> None:
        @broken.wire.after(*operations, when=when, status=was)
        def _(_request: WireRequest, answer: WireAnswer) -> None:
            answer.status = becomes

    return apply


def refusal_becomes(body: Json, *operations: str, status: int = 404, when: When = always) -> Apply:
    """Answer 200 with this body where a request should be refused with a status."""

    def apply(broken: Broken) -> None:
        @broken.wire.after(*operations, when=when, status=status)
        def _(_request: WireRequest, answer: WireAnswer) -> None:
            answer.status, answer.body = 200, body

    return apply


def afterwards(change: ChangeThread, operation: str, when: When = always) -> Apply:
    """Change what is kept of a thread once such a request has succeeded.

    The answer stays as it was.
    """

    def apply(broken: Broken) -> None:
        before: dict[str, Thread] = {}

        @broken.wire.before(operation, when=when)
        def note(request: WireRequest) -> None:
            thread = kept(broken, request.thread_id)
            if thread is not None:
                before[request.thread_id] = thread

        @broken.wire.after(operation, when=when)
        def _(request: WireRequest, answer: WireAnswer) -> None:
            now = kept(broken, request.thread_id)
            if answer.ok and now is not None and request.thread_id in before:
                broken.store.keep(change(before[request.thread_id], now))

    return apply


def begin_with(operation: str, then: Callable[[], None]) -> Apply:
    """Register a fault with the first request of an operation: nothing is altered before."""

    def apply(broken: Broken) -> None:
        begun: list[WireRequest] = []

        @broken.wire.before(operation)
        def begin(request: WireRequest) -> None:
            if not begun:
                begun.append(request)
                then()

    return apply


def kept(broken: Broken, thread_id: str) -> Thread | None:
    """The thread under an id, if there is one."""
    return broken.store._threads.get(thread_id)


def with_latest(thread: Thread, **members: Any) -> Thread:
    """`thread` with its newest checkpoint changed."""
    latest = thread.latest
    if latest is None:
        return thread
    return replace(thread, checkpoints=(*thread.checkpoints[:-1], replace(latest, **members)))


def messages(checkpoint: Checkpoint | None) -> Page:
    """The messages at a checkpoint."""
    found: Page = checkpoint.values.get("messages", []) if checkpoint else []
    return found


def nested(state: dict[str, Any], member: str, **inner: Any) -> Json:
    """A state with members changed in the object that one of its members is."""
    known = state.get(member)
    return {**state, member: {**known, **inner}} if known else state


def malformed(request: WireRequest) -> bool:
    """Whether the request names its thread by something that is no UUID."""
    return not is_uuid(request.thread_id)


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def last_part(request: WireRequest) -> str:
    """The last part of the path: the id of a checkpoint, where one is asked for."""
    return request.path.rpartition("/")[2]


def limit_of(request: WireRequest) -> int | None:
    """The limit that a request for a history gives, if it does."""
    given = request.query.get("limit", request.members.get("limit"))
    return int(str(given)) if str(given).isdigit() else None


def before_of(request: WireRequest) -> str | None:
    """The id of the checkpoint that a request for a history names by `before`, if any."""
    given = request.query.get("before", request.members.get("before"))
    if isinstance(given, dict):
        given = given.get("checkpoint_id")
    return given if isinstance(given, str) else None
