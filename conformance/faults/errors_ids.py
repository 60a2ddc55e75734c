"""Faults of refusing requests for unknown threads and malformed ids."""

from __future__ import annotations

from typing import Any

from conformance.faults.errors_malformed_requests import accepting_bad
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import FaultyDeployment, fault
from conformance.model.states import States
from conformance.model.threads import Threads
from conformance.reference.wire import WireAnswer, WireRequest, json_answer


@fault("copy-of-an-unknown-thread-makes-an-empty-one", breaks=["DELETE-13", "ERROR-UNKNOWN-01"])
def copy_makes_an_empty_one(broken: FaultyDeployment) -> None:
    @broken.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        known = thread_id in broken.store.records.threads_by_id
        return right(thread_id) if known else broken.store.threads.create()


@fault("state-update-makes-an-unknown-thread", breaks=["DELETE-15", "ERROR-UNKNOWN-02"])
def state_update_makes_the_thread(broken: FaultyDeployment) -> None:
    @broken.override(States.update_state)
    def update_state(right: Any, thread_id: str, *values: Any, **named: Any) -> Any:
        if len(thread_id) == 36 and stored_thread(broken, thread_id) is None:
            broken.store.threads.create(thread_id=thread_id, metadata={"graph_id": "agent"})
        return right(thread_id, *values, **named)


@fault("post-state-of-an-unknown-thread-is-empty", breaks=["ERROR-UNKNOWN-03"])
def post_state_is_empty(broken: FaultyDeployment) -> None:
    @broken.wire.after("post_state_at_checkpoint")
    def answer_empty_state(request: WireRequest, answer: WireAnswer) -> None:
        if answer.status == 404 and request.thread_id not in broken.store.records.threads_by_id:
            empty = json_answer(200, {"values": {}, "next": []})
            answer.status, answer.raw = empty.status, empty.raw


def _malformed(request: WireRequest) -> bool:
    return len(request.thread_id) not in (32, 36)


for _number, (_operation, _status) in enumerate(
    (
        ("copy", 500),
        ("update", 200),
        ("delete", 200),
        ("update_state", 500),
        ("post_state_at_checkpoint", 200),
        ("run_wait", 500),
    ),
    1,
):
    fault(
        f"{_operation.replace('_', '-')}-of-a-malformed-id-is-{_status}",
        breaks=[f"ERROR-ID-{_number:02}"],
    )(accepting_bad(_operation, _malformed, _status))
