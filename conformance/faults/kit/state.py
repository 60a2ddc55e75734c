"""Building blocks of faults of states, histories, state updates and deletion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.deployment.ownership.proof import is_uuid
from conformance.faults.kit.http_changes import HISTORIES
from conformance.faults.registry import Apply, FaultyDeployment
from conformance.model.entities import Checkpoint, Thread
from conformance.model.threads import Threads
from conformance.reference.wire import Json, When, WireAnswer, WireRequest, always

Page = list[Any]
ChangePage = Callable[[Page], Json]
#: Maps the thread before a request and the thread after it to the thread that is stored.
ChangeThread = Callable[[Thread, Thread], Thread]


def page_becomes(
    change: ChangePage, operations: tuple[str, ...] = HISTORIES, when: When = always
) -> Apply:
    """Change every page of a history, the list of its states."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.answers(*operations, when=when)
        def change_page(_request: WireRequest, page: Json) -> Json:
            return change(page)

    return apply


def refusal_becomes(body: Json, *operations: str, status: int = 404, when: When = always) -> Apply:
    """Answer 200 with this body where `status`, a refusal, is right."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(*operations, when=when, status=status)
        def accept(_request: WireRequest, answer: WireAnswer) -> None:
            answer.status, answer.body = 200, body

    return apply


def leaving_behind(
    operation: str, when: When, change: Callable[[FaultyDeployment, Any], Any]
) -> Apply:
    """Store `change(broken, thread)` as the thread of a refused request."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(operation, when=when)
        def leave(request: WireRequest, answer: WireAnswer) -> None:
            thread = stored_thread(broken, request.thread_id)
            if answer.status == 422 and thread is not None:
                broken.store.records.keep(change(broken, thread))

    return apply


def refusal_moves_updated_at(operation: str) -> Apply:
    """Move the time of the thread's last update where a request is refused."""
    return leaving_behind(
        operation,
        always,
        lambda broken, thread: replace(thread, updated_at=broken.store.records.now()),
    )


def refusal_leaves_busy(operation: str) -> Apply:
    """Leave the thread busy where a run without an assistant is refused."""
    return leaving_behind(
        operation,
        lambda request: "assistant_id" not in request.members,
        lambda _, thread: replace(thread, status="busy"),
    )


def afterwards(change: ChangeThread, operation: str, when: When = always) -> Apply:
    """Store `change(before, after)` as the thread after a successful request of `operation`.

    The answer to that request is not changed.
    """

    def apply(broken: FaultyDeployment) -> None:
        before: dict[str, Thread] = {}

        @broken.wire.before(operation, when=when)
        def keep_before(request: WireRequest) -> None:
            thread = stored_thread(broken, request.thread_id)
            if thread is not None:
                before[request.thread_id] = thread

        @broken.wire.after(operation, when=when)
        def change_kept(request: WireRequest, answer: WireAnswer) -> None:
            now = stored_thread(broken, request.thread_id)
            if answer.ok and now is not None and request.thread_id in before:
                broken.store.records.keep(change(before[request.thread_id], now))

    return apply


def at_first_request(operation: str, then: Callable[[], None]) -> Apply:
    """Call `then` at the first request of an operation; until then nothing is altered."""

    def apply(broken: FaultyDeployment) -> None:
        begun: list[WireRequest] = []

        @broken.wire.before(operation)
        def begin(request: WireRequest) -> None:
            if not begun:
                begun.append(request)
                then()

    return apply


def stored_thread(broken: FaultyDeployment, thread_id: str) -> Thread | None:
    """Return the thread of that id in upper or lower case, or None."""
    return broken.store.records.threads_by_id.get(thread_id.lower())


def pruned_threads(broken: FaultyDeployment) -> dict[str, Thread]:
    """Return a dict that collects, by id, what is left of each thread pruned with keep_latest."""
    pruned: dict[str, Thread] = {}

    @broken.override(Threads.pruned)
    def note(right: Any, thread: Thread) -> Thread:
        kept: Thread = right(thread)
        pruned[thread.thread_id] = kept
        return kept

    return pruned


def with_latest(thread: Thread, **members: Any) -> Thread:
    """Return `thread` with these members of its newest checkpoint changed."""
    latest = thread.latest
    if latest is None:
        return thread
    return replace(thread, checkpoints=(*thread.checkpoints[:-1], replace(latest, **members)))


def messages(checkpoint: Checkpoint | None) -> Page:
    """Return the messages at a checkpoint; none without a checkpoint."""
    found: Page = checkpoint.values.get("messages", []) if checkpoint else []
    return found


def nested(state: dict[str, Any], member: str, **inner: Any) -> Json:
    """Return a state with `inner` merged into the object under `member`, if there is one."""
    known = state.get(member)
    return {**state, member: {**known, **inner}} if known else state


def malformed(request: WireRequest) -> bool:
    """Return whether the thread id in the path is no UUID."""
    return not is_uuid(request.thread_id)


def last_part(request: WireRequest) -> str:
    """Return the last segment of the path; for a state at a checkpoint, the checkpoint's id."""
    return request.path.rpartition("/")[2]


def limit_of(request: WireRequest) -> int | None:
    """Return the `limit` of a request for a history, from query or body; None without one."""
    given = request.query.get("limit", request.members.get("limit"))
    return int(str(given)) if str(given).isdigit() else None


def before_of(request: WireRequest) -> str | None:
    """Return the checkpoint id in `before` of a request for a history; None without one."""
    given = request.query.get("before", request.members.get("before"))
    if isinstance(given, dict):
        given = given.get("checkpoint_id")
    return given if isinstance(given, str) else None
