"""Faults of updating the metadata of a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_shown, mapped, refusing, with_status, without
from conformance.faults.kit.search import by_dots
from conformance.faults.kit.state import afterwards, at_first_request, stored_thread, with_latest
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.ids_and_times import JsonObject
from conformance.model.threads import Threads
from conformance.reference.wire import Json, WireAnswer, WireRequest

UPDATE = "update"


def _merges(merge: Callable[[Any, Any], Any]) -> Apply:
    """Merge metadata by `merge(stored, update)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Threads.merged)
        def merged(right: Any, metadata: Any, new: Any) -> Any:
            return merge(metadata, new)

    return apply


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value if each is not None]
    return value


def _metadata(request: WireRequest) -> dict[str, Any]:
    sent = request.members.get("metadata")
    return sent if isinstance(sent, dict) else {}


def _sends_metadata(request: WireRequest) -> bool:
    return bool(_metadata(request))


def _minimal(request: WireRequest) -> bool:
    return any(name == b"prefer" for name, _ in request.headers)


# The answer

fault("update-answers-the-metadata-only", breaks=["UPDATE-01"])(
    change_shown(UPDATE, to=lambda thread: {"metadata": thread["metadata"]})
)


@fault(
    "update-answers-the-thread-before-it", breaks=["LINK-01", "UPDATE-01", "UPDATE-07", "SEQ-12"]
)
def answers_the_thread_before(broken: FaultyDeployment) -> None:
    before: dict[str, Json] = {}

    @broken.wire.before(UPDATE, when=_sends_metadata)
    def keep_before(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        if thread is not None:
            before[request.thread_id] = broken.store.views.thread_view(thread)

    @broken.wire.answers(UPDATE, when=_sends_metadata)
    def _shown(request: WireRequest, thread: Json) -> Json:
        return before.get(request.thread_id, thread)


# Metadata

fault(
    "update-adds-no-new-member",
    breaks="ERROR-ODD-02 ERROR-BIG-02 UPDATE-02 UPDATE-09 UPDATE-10 CONCURRENT-03 SEQ-13 UPDATE-15",
)(_merges(lambda old, new: {**old, **{name: new[name] for name in new if name in old}}))
fault(
    "update-refuses-nested-metadata", breaks=["UPDATE-02", "UPDATE-03", "UPDATE-10", "UPDATE-15"]
)(
    refusing(
        UPDATE,
        lambda request: any(isinstance(each, dict | list) for each in _metadata(request).values()),
    )
)
fault("update-keeps-known-members", breaks=["LINK-01", "UPDATE-01", "UPDATE-03", "SEQ-13"])(
    _merges(lambda old, new: {**new, **old})
)
fault("update-keeps-known-members-where-the-new-are-empty", breaks=["UPDATE-03"])(
    _merges(lambda old, new: {**old, **{n: v for n, v in new.items() if v or n not in old}})
)
fault(
    "update-keeps-ascii-only",
    breaks=["ERROR-ODD-02", "UPDATE-03", "UPDATE-10", "SEQ-13", "UPDATE-15"],
)(
    _merges(
        lambda old, new: {
            **old,
            **mapped(
                new, lambda v: v.encode("ascii", "replace").decode() if isinstance(v, str) else v
            ),
        }
    )
)
fault("update-makes-numbers-of-booleans", breaks=["UPDATE-03", "UPDATE-10"])(
    _merges(lambda old, new: {**old, **mapped(new, lambda v: int(v) if v is False else v)})
)
fault(
    "update-replaces-all-metadata",
    breaks="LINK-01 UPDATE-04 UPDATE-09 UPDATE-11 CONCURRENT-03 SEQ-13 TTL-11",
)(_merges(lambda old, new: new))
fault("update-drops-nulls-that-were-there", breaks=["UPDATE-04"])(
    _merges(lambda old, new: {**_without_nulls(old), **new})
)
fault("update-of-a-thread-that-was-run-forgets-its-assistant", breaks=["UPDATE-17"])(
    afterwards(
        lambda _before, now: (
            replace(now, metadata=without(now.metadata, "assistant_id")) if now.runs else now
        ),
        UPDATE,
        _sends_metadata,
    )
)
fault("empty-update-clears-the-metadata", breaks=["UPDATE-11", "TTL-11"])(
    _merges(lambda old, new: {**old, **new} if new else {})
)
fault("update-without-metadata-is-refused", breaks=["UPDATE-11"])(
    refusing(UPDATE, lambda request: request.body == {})
)

# Side effects


fault("update-does-not-move-updated-at", breaks=["UPDATE-05", "SEQ-12"])(
    afterwards(
        lambda before, now: replace(now, updated_at=before.updated_at), UPDATE, _sends_metadata
    )
)
fault("update-moves-created-at", breaks=["UPDATE-06", "SEQ-12"])(
    afterwards(lambda before, now: replace(now, created_at=now.updated_at), UPDATE, _sends_metadata)
)
fault("update-moves-state-updated-at", breaks=["UPDATE-06", "SEQ-12"])(
    afterwards(
        lambda before, now: replace(now, state_updated_at=now.updated_at), UPDATE, _sends_metadata
    )
)


fault("update-dates-the-newest-state", breaks=["UPDATE-13", "SEQ-04"])(
    afterwards(
        lambda _before, now: with_latest(now, created_at=now.updated_at), UPDATE, _sends_metadata
    )
)
fault("update-forgets-the-oldest-state", breaks=["UPDATE-14", "SEQ-04"])(
    afterwards(
        lambda _before, now: replace(now, checkpoints=now.checkpoints[1:]), UPDATE, _sends_metadata
    )
)


@fault(
    "get-is-behind-from-the-second-update-on",
    breaks=["UPDATE-07", "CONCURRENT-03", "SEQ-12", "SEQ-13", "ERROR-BIG-02", "ERROR-ODD-02"],
)
def get_is_behind(broken: FaultyDeployment) -> None:
    updated: dict[str, int] = {}
    behind: dict[str, Any] = {}

    @broken.wire.before(UPDATE, when=_sends_metadata)
    def keep_old_metadata(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        updated[request.thread_id] = updated.get(request.thread_id, 0) + 1
        if thread is not None and updated[request.thread_id] > 1:
            behind[request.thread_id] = thread.metadata

    def then() -> None:
        @broken.wire.answers("get")
        def _shown(request: WireRequest, thread: Json) -> Json:
            # Only once: the next request gets the new metadata.
            return {**thread, "metadata": behind.pop(request.thread_id, thread["metadata"])}

    at_first_request(UPDATE, then)(broken)


@fault(
    "second-update-is-not-stored",
    breaks=["UPDATE-07", "CONCURRENT-03", "SEQ-12", "SEQ-13", "ERROR-BIG-02", "ERROR-ODD-02"],
)
def second_update_is_not_stored(broken: FaultyDeployment) -> None:
    updated: dict[str, int] = {}

    def change(before: Any, now: Any) -> Any:
        updated[now.thread_id] = updated.get(now.thread_id, 0) + 1
        return before if updated[now.thread_id] == 2 else now

    afterwards(change, UPDATE, _sends_metadata)(broken)


# Unknown threads, and Prefer: return=minimal

fault("update-of-an-unknown-thread-is-422", breaks=["UPDATE-08"])(
    with_status(422, UPDATE, instead_of=404)
)


@fault("update-of-an-unknown-thread-makes-it", breaks=["UPDATE-08", "DELETE-14"])
def update_makes_the_thread(broken: FaultyDeployment) -> None:
    @broken.override(Threads.update)
    def update(right: Any, thread_id: str, *arguments: Any, **members: Any) -> Any:
        if stored_thread(broken, thread_id) is None:
            broken.store.threads.create(thread_id=thread_id)
        return right(thread_id, *arguments, **members)


@fault("minimal-answer-of-an-update-has-a-body", breaks=["UPDATE-09"])
def minimal_answer_has_a_body(broken: FaultyDeployment) -> None:
    @broken.wire.before(UPDATE, when=_minimal)
    def drop_prefer(request: WireRequest) -> None:
        request.headers = [each for each in request.headers if each[0] != b"prefer"]


@fault("minimal-update-is-not-applied", breaks=["UPDATE-09", "TTL-04"])
def minimal_update_is_not_applied(broken: FaultyDeployment) -> None:
    @broken.wire.before(UPDATE, when=_minimal)
    def empty_body(request: WireRequest) -> None:
        request.body = {}


@fault("minimal-update-forgets-what-it-does-not-name", breaks=["UPDATE-09"])
def minimal_update_forgets(broken: FaultyDeployment) -> None:
    @broken.wire.after(UPDATE, when=_minimal)
    def forget(request: WireRequest, answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        if answer.ok and thread is not None:
            metadata = request.members.get("metadata") or {}
            broken.store.records.keep(replace(thread, metadata=metadata))


# Names that look like paths


def _merging(change: Callable[[JsonObject], JsonObject]) -> Apply:
    """Merge `change(metadata)` in place of the metadata of an update."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Threads.merged)
        def merged(right: Any, metadata: JsonObject, new: JsonObject) -> Any:
            return right(metadata, change(new))

    return apply


fault("update-reads-dots-in-names-as-paths", breaks=["UPDATE-16"])(_merging(by_dots))
fault("update-drops-names-that-begin-with-a-dollar", breaks=["UPDATE-16"])(
    _merging(lambda new: {name: value for name, value in new.items() if name[:1] != "$"})
)


# Copies


def _shared(source: bool, copy: bool) -> Apply:
    """Apply an update of the source to its copies, or an update of a copy to its source."""

    def apply(broken: FaultyDeployment) -> None:
        pairs: list[tuple[str, str]] = []

        @broken.wire.answers("copy")
        def note_pair(request: WireRequest, made: Json) -> Json:
            pairs.append((request.thread_id, made["thread_id"]))
            return made

        def then() -> None:
            @broken.wire.after(UPDATE, when=_sends_metadata)
            def _updated(request: WireRequest, answer: WireAnswer) -> None:
                for one, other in pairs:
                    reached = {one: other} if source else {}
                    reached |= {other: one} if copy else {}
                    thread = stored_thread(broken, reached.get(request.thread_id, ""))
                    if thread is not None and answer.ok:
                        metadata = {**thread.metadata, **_metadata(request)}
                        broken.store.records.keep(replace(thread, metadata=metadata))

        at_first_request("copy", then)(broken)

    return apply


fault("update-of-a-thread-reaches-its-copies", breaks=["UPDATE-12", "SEQ-02"])(
    _shared(source=True, copy=False)
)
fault("update-of-a-copy-reaches-its-source", breaks=["UPDATE-12"])(_shared(source=False, copy=True))
