"""Faults of refusals: what they change although they are refusals, and their bodies."""

from __future__ import annotations

from dataclasses import replace

from conformance.faults.errors_malformed_requests import names_what_is_no_id
from conformance.faults.kit.state import (
    leaving_behind,
    refusal_leaves_busy,
    refusal_moves_updated_at,
    stored_thread,
)
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.reference.wire import When, WireAnswer, WireRequest, always

# Side effects


@fault("refused-creation-is-made", breaks=["ERROR-SAFE-01", "ERROR-SAFE-07"])
def refused_creation_is_made(broken: FaultyDeployment) -> None:
    @broken.wire.after("create", when=lambda request: "if_exists" in request.members)
    def make(request: WireRequest, answer: WireAnswer) -> None:
        own = request.members.get("thread_id")
        if (
            answer.status == 422
            and isinstance(own, str)
            and own not in broken.store.records.threads_by_id
        ):
            broken.store.threads.create(thread_id=own)


fault("refused-update-moves-updated-at", breaks=["ERROR-SAFE-02", "ERROR-SAFE-05"])(
    refusal_moves_updated_at("update")
)
fault("refused-state-update-loses-the-newest-state", breaks=["ERROR-SAFE-03"])(
    leaving_behind(
        "update_state",
        lambda request: not isinstance(request.members.get("as_node", ""), str),
        lambda _, thread: replace(thread, checkpoints=thread.checkpoints[:-1]),
    )
)
fault("refused-run-leaves-the-thread-busy", breaks=["ERROR-SAFE-04"])(
    refusal_leaves_busy("run_wait")
)


@fault("refused-prune-touches-its-threads", breaks=["ERROR-SAFE-08"])
def refused_prune_touches_its_threads(broken: FaultyDeployment) -> None:
    @broken.wire.after("prune", when=names_what_is_no_id)
    def touch(request: WireRequest, answer: WireAnswer) -> None:
        for thread in [stored_thread(broken, str(e)) for e in request.members["thread_ids"]]:
            if answer.status == 422 and thread is not None:
                broken.store.records.keep(replace(thread, updated_at=broken.store.records.now()))


@fault("refused-state-update-touches-its-thread", breaks=["ERROR-SAFE-03", "ERROR-SAFE-06"])
def refused_state_update_touches_its_thread(broken: FaultyDeployment) -> None:
    @broken.wire.after("update_state")
    def touch(request: WireRequest, answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        if answer.status == 422 and thread is not None:
            broken.store.records.keep(replace(thread, updated_at=broken.store.records.now()))


# Bodies of refusals


def _saying(body: bytes, operation: str, when: When = always) -> Apply:
    """Replace the body of refusals."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(operation, when=when)
        def change_refusal(_request: WireRequest, answer: WireAnswer) -> None:
            if 400 <= answer.status < 500:
                answer.raw = body

    return apply


def _of(status: int, raw: bytes, *operations: str) -> Apply:
    """Replace the body of answers with that status."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(*operations, status=status)
        def change_body(_request: WireRequest, answer: WireAnswer) -> None:
            answer.raw = raw

    return apply


fault("refused-search-says-nothing", breaks=["ERROR-BODY-01", "ERROR-BODY-02"])(
    _saying(b"", "search")
)
fault("refused-copy-says-why-in-plain-text", breaks=["ERROR-BODY-01", "ERROR-BODY-02"])(
    _saying(b"Not Found", "copy")
)
fault("conflict-is-told-in-plain-text", breaks=["ERROR-BODY-01"])(_of(409, b"Conflict", "create"))
fault("refusal-at-an-unknown-checkpoint-says-nothing", breaks=["ERROR-BODY-01"])(
    _of(404, b"", "update_state", "post_state_at_checkpoint")
)
fault("refused-history-says-error-for-detail", breaks=["ERROR-BODY-02"])(
    _saying(b'{"error": "wrong"}', "post_history")
)
