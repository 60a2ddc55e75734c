"""Faults of the state at a checkpoint, by GET and by POST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.deployment.ownership.proof import is_uuid
from conformance.faults.kit.http_changes import change_shown, refusing, with_status, without
from conformance.faults.kit.state import (
    last_part,
    malformed,
    nested,
    refusal_becomes,
    stored_thread,
)
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.reference.wire import Json, When, WireAnswer, WireRequest, always, json_answer

GET, POST = "state_at_checkpoint", "post_state_at_checkpoint"
ELSEWHERE = "00000000-0000-4000-8000-00000000dead"
NOTHING: Json = {"values": {}, "next": [], "tasks": []}


def _newest_in(operation: str, change: Callable[[dict[str, Any], dict[str, Any]], Json]) -> Apply:
    """Replace the state at a checkpoint by `change(state, current state of the thread)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.answers(operation)
        def change_state(request: WireRequest, state: Json) -> Json:
            return change(state, broken.store.states.state(request.thread_id))

    return apply


# Existing checkpoints

fault("state-at-a-checkpoint-is-404", breaks=["CHECKPOINT-01"])(refusing(GET, status=404))


def _oldest_is(status: int) -> Apply:
    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(GET)
        def answer_for_the_oldest(request: WireRequest) -> WireAnswer | None:
            thread = stored_thread(broken, request.thread_id)
            oldest = thread.checkpoints[0] if thread and thread.checkpoints else None
            if oldest is None or oldest.checkpoint_id != last_part(request):
                return None
            return json_answer(status, {"detail": "no checkpoint"})

    return apply


fault("state-at-the-oldest-checkpoint-is-404", breaks=["CHECKPOINT-01"])(_oldest_is(404))


# Equality with the history

fault(
    "state-at-a-checkpoint-is-that-of-the-thread",
    breaks=[
        "CHECKPOINT-02",
        "CHECKPOINT-03",
        "CHECKPOINT-04",
        "CHECKPOINT-05",
        "CHECKPOINT-06",
        "CHECKPOINT-07",
        "CHECKPOINT-08",
        "CHECKPOINT-POST-01",
        "SEQ-08",
        "CHECKPOINT-13",
    ],
)(_newest_in(GET, lambda state, newest: newest))


def _newest_member(member: str) -> Apply:
    return _newest_in(GET, lambda state, newest: {**state, member: newest.get(member)})


for _member, _requirements in (
    ("values", ["CHECKPOINT-02", "CHECKPOINT-POST-01", "SEQ-08"]),
    ("next", ["CHECKPOINT-03", "CHECKPOINT-POST-01", "SEQ-08"]),
    ("tasks", ["CHECKPOINT-04", "CHECKPOINT-13", "CHECKPOINT-POST-01", "SEQ-08"]),
    ("created_at", ["CHECKPOINT-06", "CHECKPOINT-POST-01", "SEQ-08"]),
    ("parent_checkpoint", ["CHECKPOINT-07", "CHECKPOINT-POST-01"]),
    ("checkpoint_id", ["CHECKPOINT-08"]),
):
    fault(f"{_member.replace('_', '-')}-at-a-checkpoint-is-the-newest", breaks=_requirements)(
        _newest_member(_member)
    )
fault(
    "step-at-a-checkpoint-is-the-newest", breaks=["CHECKPOINT-05", "CHECKPOINT-POST-01", "SEQ-08"]
)(
    _newest_in(
        GET,
        lambda state, newest: {
            **state,
            "metadata": {**state["metadata"], "step": newest["metadata"].get("step")},
        },
    )
)
fault(
    "results-of-tasks-at-a-checkpoint-are-lost",
    breaks=["CHECKPOINT-04", "CHECKPOINT-POST-01", "SEQ-08"],
)(
    change_shown(
        GET,
        to=lambda state: {
            **state,
            "tasks": [{**task, "result": None} for task in state.get("tasks") or []],
        },
    )
)
fault("parents-at-a-checkpoint-are-lost", breaks=["CHECKPOINT-05", "CHECKPOINT-POST-01", "SEQ-08"])(
    change_shown(
        GET, to=lambda state: {**state, "metadata": without(state.get("metadata") or {}, "parents")}
    )
)
fault(
    "writes-at-a-checkpoint-are-anothers", breaks=["CHECKPOINT-05", "CHECKPOINT-POST-01", "SEQ-08"]
)(
    change_shown(
        GET,
        to=lambda state: {
            **state,
            "metadata": {**(state.get("metadata") or {}), "writes": {"another": "node"}},
        },
    )
)
fault(
    "time-at-a-checkpoint-has-no-offset", breaks=["CHECKPOINT-06", "CHECKPOINT-POST-01", "SEQ-08"]
)(
    change_shown(
        GET,
        to=lambda state: {
            **state,
            "created_at": str(state.get("created_at")).replace("+00:00", ""),
        },
    )
)


def _remembered_by(operation: str) -> Apply:
    """Answer a state at a checkpoint as it was when it was first read."""

    def apply(broken: FaultyDeployment) -> None:
        states: dict[tuple[str, str], Json] = {}

        @broken.wire.answers(operation)
        def remember(request: WireRequest, state: Json) -> Json:
            own = state["checkpoint"].get("checkpoint_id")
            return states.setdefault((request.thread_id, own), state) if own else state

    return apply


fault("state-at-a-checkpoint-is-remembered", breaks=["CHECKPOINT-14"])(_remembered_by(GET))
fault("state-posted-for-is-remembered", breaks=["CHECKPOINT-POST-05"])(_remembered_by(POST))
fault("state-at-a-checkpoint-names-another-thread", breaks=["CHECKPOINT-08"])(
    change_shown(GET, to=lambda state: nested(state, "checkpoint", thread_id=ELSEWHERE))
)

# Unknown checkpoints


def _refusal_becomes_newest(operation: str, status: int, when: When = always) -> Apply:
    """Answer with the current state of the thread where `status`, a refusal, is right."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(operation, when=when)
        def answer_with_newest(request: WireRequest, answer: WireAnswer) -> None:
            thread = stored_thread(broken, request.thread_id)
            if answer.status == status and thread is not None:
                answer.status, answer.body = 200, broken.store.states.state(request.thread_id)

    return apply


def _malformed_checkpoint(request: WireRequest) -> bool:
    return not is_uuid(last_part(request))


fault("unknown-checkpoint-gives-the-newest-state", breaks=["CHECKPOINT-09"])(
    _refusal_becomes_newest(GET, 404)
)


@fault("unknown-checkpoint-is-500", breaks=["CHECKPOINT-09"])
def unknown_checkpoint_is_500(broken: FaultyDeployment) -> None:
    @broken.wire.after(GET, status=404)
    def answer_500(request: WireRequest, answer: WireAnswer) -> None:
        if stored_thread(broken, request.thread_id) is not None:
            answer.status = 500


fault(
    "state-at-a-checkpoint-of-an-unknown-thread-is-empty",
    breaks=["CHECKPOINT-10", "DELETE-11"],
)(refusal_becomes(NOTHING, GET, when=lambda r: not malformed(r) and is_uuid(last_part(r))))
fault("state-at-a-checkpoint-of-a-malformed-id-is-500", breaks=["CHECKPOINT-11"])(
    with_status(500, GET, instead_of=422, when=malformed)
)
fault("state-at-a-checkpoint-of-a-malformed-id-is-empty", breaks=["CHECKPOINT-11"])(
    refusal_becomes(NOTHING, GET, status=422, when=malformed)
)
fault("malformed-checkpoint-gives-the-newest-state", breaks=["CHECKPOINT-12"])(
    _refusal_becomes_newest(GET, 422, _malformed_checkpoint)
)
fault("malformed-checkpoint-is-500", breaks=["CHECKPOINT-12"])(
    with_status(500, GET, instead_of=422, when=_malformed_checkpoint)
)


@fault("checkpoint-of-an-unknown-thread-is-found", breaks=["CHECKPOINT-10"])
def found_in_any_thread(broken: FaultyDeployment) -> None:
    @broken.wire.after(GET)
    def find_in_any_thread(request: WireRequest, answer: WireAnswer) -> None:
        if stored_thread(broken, request.thread_id) is not None or not is_uuid(request.thread_id):
            return
        for thread in broken.store.records.threads_by_id.values():
            for checkpoint in thread.checkpoints:
                if checkpoint.checkpoint_id == last_part(request):
                    answer.status, answer.body = (
                        200,
                        broken.store.views.state_view(thread, checkpoint),
                    )


# By POST


def _member_is(member: str, value: Any) -> Apply:
    return change_shown(POST, to=lambda state: {**state, member: value})


for _member, _value, *_also in (
    ("values", {}, "NESTED-04", "NESTED-15"),
    ("next", ["x"], "NESTED-04", "NESTED-15"),
    ("tasks", ["x"], "CHECKPOINT-POST-04"),
    ("metadata", {}),
    ("created_at", "2020-01-01T00:00:00+00:00"),
    ("parent_checkpoint", None),
):
    fault(
        f"post-state-at-a-checkpoint-differs-in-{_member.replace('_', '-')}",
        breaks=["CHECKPOINT-POST-01", *_also],
    )(_member_is(_member, _value))
fault(
    "post-state-at-a-checkpoint-is-that-of-the-thread",
    breaks=[
        "CHECKPOINT-POST-01",
        "CHECKPOINT-POST-03",
        "NESTED-04",
        "CHECKPOINT-POST-04",
        "NESTED-15",
    ],
)(_newest_in(POST, lambda state, newest: newest))
fault("post-state-at-a-checkpoint-names-the-newest", breaks=["CHECKPOINT-POST-03"])(
    _newest_in(POST, lambda state, newest: {**state, "checkpoint": newest["checkpoint"]})
)
fault("post-unknown-checkpoint-gives-the-newest-state", breaks=["CHECKPOINT-POST-02"])(
    _refusal_becomes_newest(POST, 404)
)
fault(
    "post-unknown-checkpoint-is-200-with-its-error",
    breaks=["CHECKPOINT-POST-02", "ERROR-UNKNOWN-03"],
)(with_status(200, POST, instead_of=404))


@fault("former-branch-shows-the-values-of-the-fork", breaks="STATE-UPDATE-11 CONDITION-05")
def former_branch_shows_the_fork(broken: FaultyDeployment) -> None:
    @broken.wire.answers(GET)
    def change_state(request: WireRequest, state: Json) -> Json:
        thread = stored_thread(broken, request.thread_id)
        if thread is None:
            return state
        parents = {each.checkpoint_id: each.parent_id for each in thread.checkpoints}
        on_the_way = newest = thread.latest.checkpoint_id if thread.latest else None
        while on_the_way and on_the_way != last_part(request):
            on_the_way = parents.get(on_the_way)
        if on_the_way or newest is None:
            return state
        return {**state, "values": broken.store.states.state(request.thread_id)["values"]}
