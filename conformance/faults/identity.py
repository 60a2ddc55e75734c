"""Faults of creating threads with a given id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

from conformance.faults.kit.http_changes import prepopulates, refusing, with_status, without
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.threads import Threads
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer


def _named(request: WireRequest) -> bool:
    return "thread_id" in request.members


def _version(request: WireRequest) -> str:
    """Return the UUID version of the `thread_id` in the body; "" where it is no UUID."""
    given = request.members.get("thread_id")
    return given[14] if isinstance(given, str) and len(given) == 36 else ""


def _does_nothing(request: WireRequest) -> bool:
    return request.members.get("if_exists") == "do_nothing"


@fault("given-id-that-is-not-random-is-ignored", breaks=["IDENTITY-01"])
def given_id_that_is_not_random_is_ignored(broken: FaultyDeployment) -> None:
    @broken.wire.before("create", when=lambda request: _version(request) not in ("", "4"))
    def ignore(request: WireRequest) -> None:
        request.body = without(request.members, "thread_id")


fault("given-id-ordered-by-time-is-refused", breaks=["IDENTITY-01"])(
    refusing("create", lambda request: _version(request) == "7")
)
fault("second-creation-is-422", breaks=["IDENTITY-02"])(with_status(422, "create", instead_of=409))
fault("second-creation-answers-the-conflict-with-200", breaks=["IDENTITY-02", "CONCURRENT-01"])(
    with_status(200, "create", instead_of=409)
)


@fault(
    "second-creation-replaces-the-thread",
    breaks=["IDENTITY-02", "CONCURRENT-01", "IDENTITY-11"],
)
def second_creation_replaces(broken: FaultyDeployment) -> None:
    @broken.override(Threads.for_existing_id)
    def for_existing_id(right: Any, thread: Any, if_exists: str) -> Any:
        if if_exists == "do_nothing":
            return right(thread, if_exists)
        return broken.store.records.keep(
            broken.store.threads.new_thread(thread.thread_id, thread.metadata)
        )


def on_existing(
    act: Callable[[FaultyDeployment, Any, dict[str, Any]], object],
    when: Callable[[WireRequest], bool],
) -> Apply:
    """Call `act(broken, thread, members)` on the existing thread of a create request."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before("create", when=when)
        def act_first(request: WireRequest) -> None:
            thread = stored_thread(broken, request.members.get("thread_id", ""))
            if thread is not None:
                act(broken, thread, request.members)

    return apply


def _merge(broken: FaultyDeployment, thread: Any, body: dict[str, Any]) -> None:
    broken.store.records.keep(replace(thread, metadata=thread.metadata | body.get("metadata", {})))


def _apply_supersteps(broken: FaultyDeployment, thread: Any, body: dict[str, Any]) -> None:
    for step in body.get("supersteps", ()):
        thread = broken.store.states.with_superstep(thread, thread.latest, step["updates"])
    broken.store.records.keep(thread)


def _apply_to_empty(broken: FaultyDeployment, thread: Any, body: dict[str, Any]) -> None:
    if not thread.checkpoints:
        _apply_supersteps(broken, thread, body)


@fault("conflict-moves-updated-at", breaks=["IDENTITY-03", "IDENTITY-11"])
def conflict_moves_updated_at(broken: FaultyDeployment) -> None:
    @broken.wire.after("create", status=409)
    def touch(request: WireRequest, _answer: WireAnswer) -> None:
        thread = broken.store.records.thread(request.members["thread_id"])
        broken.store.records.keep(replace(thread, updated_at=broken.store.records.now()))


fault(
    "do-nothing-merges-metadata",
    breaks=["IDENTITY-04", "IDENTITY-05", "CONCURRENT-02"],
)(on_existing(_merge, _does_nothing))
fault("do-nothing-applies-supersteps-to-empty-threads", breaks=["IDENTITY-06"])(
    on_existing(_apply_to_empty, lambda each: _does_nothing(each) and prepopulates(each))
)


@fault("do-nothing-answers-another-id", breaks=["IDENTITY-04", "CONCURRENT-02"])
def do_nothing_answers_another_id(broken: FaultyDeployment) -> None:
    @broken.wire.answers("create", when=_does_nothing)
    def answer_another(request: WireRequest, thread: Json) -> Json:
        existed = thread["metadata"] != request.members.get("metadata")
        return {**thread, "thread_id": str(uuid4())} if existed else thread


@fault("do-nothing-refuses-a-free-id", breaks=["CREATE-19", "IDENTITY-07"])
def do_nothing_refuses_a_free_id(broken: FaultyDeployment) -> None:
    @broken.wire.before("create", when=_does_nothing)
    def refuse(request: WireRequest) -> WireAnswer | None:
        free = stored_thread(broken, request.members.get("thread_id", "")) is None
        return json_answer(404, {"detail": "no such thread"}) if free else None


@fault("do-nothing-answers-a-thread-but-makes-none", breaks=["IDENTITY-07"])
def do_nothing_makes_none(broken: FaultyDeployment) -> None:
    @broken.wire.after("create", when=_does_nothing)
    def forget(request: WireRequest, answer: WireAnswer) -> None:
        made = answer.body
        if answer.ok and made["metadata"] == request.members.get("metadata"):
            broken.store.threads.delete(made["thread_id"])


def _set_ttl(broken: FaultyDeployment, thread: Any, body: dict[str, Any]) -> None:
    records = broken.store.records
    ttl = broken.store.threads.ttl_from(body.get("ttl"), records.next_time())
    records.keep(replace(thread, ttl=ttl))


fault("do-nothing-sets-the-ttl", breaks=["IDENTITY-08"])(
    on_existing(_set_ttl, lambda each: _does_nothing(each) and "ttl" in each.members)
)


def _set_another_ttl(broken: FaultyDeployment, thread: Any, body: dict[str, Any]) -> None:
    if thread.ttl is not None:
        _set_ttl(broken, thread, body)


fault("do-nothing-begins-the-ttl-anew", breaks=["IDENTITY-08"])(
    on_existing(_set_another_ttl, lambda each: _does_nothing(each) and "ttl" in each.members)
)
