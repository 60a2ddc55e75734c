"""Faults of updating the state of a thread, and of forks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import (
    HISTORIES,
    change_request,
    change_shown,
    copies_of,
    refusing,
    without,
)
from conformance.faults.kit.runs import having
from conformance.faults.kit.state import (
    afterwards,
    messages,
    nested,
    refusal_becomes,
    stored_thread,
    with_latest,
)
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Thread
from conformance.model.states import States
from conformance.reference.wire import Json, When, WireAnswer, WireRequest, always

UPDATE = "update_state"
UNKNOWN = "1ef00000-"


def _named(request: WireRequest) -> Any:
    """Return the checkpoint id that an update names; None without one."""
    checkpoint = request.members.get("checkpoint")
    return checkpoint.get("checkpoint_id") if isinstance(checkpoint, dict) else None


def _forks(request: WireRequest) -> bool:
    return bool(_named(request))


def _continues(request: WireRequest) -> bool:
    return not _forks(request)


def _unknown(request: WireRequest) -> bool:
    return str(_named(request)).startswith(UNKNOWN)


def _as_unknown_node(request: WireRequest) -> bool:
    node = request.members.get("as_node")
    return isinstance(node, str) and node not in ("__start__", "call_model")


def _has_values(request: WireRequest) -> bool:
    return isinstance(request.members.get("values"), dict)


def _request_becomes(change: Callable[[dict[str, Any]], Json], when: When = always) -> Apply:
    """Change the body of a state update."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(UPDATE, when=lambda request: bool(request.members) and when(request))
        def change_body(request: WireRequest) -> None:
            request.body = change(request.members)

    return apply


def _answer_becomes(change: Callable[[dict[str, Any]], Json]) -> Apply:
    return change_shown(UPDATE, to=change)


# The answer

fault("state-update-answers-a-text-as-its-checkpoint", breaks=["STATE-UPDATE-01"])(
    _answer_becomes(lambda made: {"checkpoint": "made"})
)
fault("state-update-answers-nothing", breaks=["STATE-UPDATE-16"])(_answer_becomes(lambda made: {}))
fault("state-update-names-no-thread", breaks=["STATE-UPDATE-16"])(
    _answer_becomes(
        lambda made: {**made, "checkpoint": {"checkpoint_id": made.get("checkpoint_id")}}
    )
)


@fault("state-update-answers-the-parent", breaks=["STATE-UPDATE-02", "SEQ-05"])
def answers_the_parent(broken: FaultyDeployment) -> None:
    @broken.wire.answers(UPDATE)
    def name_the_parent(request: WireRequest, made: Json) -> Json:
        thread = stored_thread(broken, request.thread_id)
        parent = thread.latest.parent_id if thread and thread.latest else None
        if parent is None:
            return made
        return {**nested(made, "checkpoint", checkpoint_id=parent), "checkpoint_id": parent}


# The new state

fault(
    "values-of-a-state-update-are-lost",
    breaks=(
        "PREPOP-22 ERROR-ODD-04 ERROR-BIG-04 STATE-UPDATE-03 STATE-UPDATE-09 STATE-UPDATE-21 "
        "CONCURRENT-08 SEQ-10"
    ),
)(_request_becomes(lambda body: {**body, "values": {}}, _has_values))
fault(
    "values-of-a-state-update-are-taken-twice",
    breaks=("PREPOP-22 STATE-UPDATE-03 STATE-UPDATE-09 STATE-UPDATE-21 CONCURRENT-08 SEQ-10"),
)(_request_becomes(lambda body: {**body, "values": [body.get("values")] * 2}, _has_values))


def _values(change: Callable[[Checkpoint | None, Checkpoint | None], Any]) -> Any:
    """Return a change of the new state that sets its messages to `change(before, new)`."""
    return lambda before, now: with_latest(
        now, values={**now.values, "messages": change(before.latest, now.latest)}
    )


fault(
    "state-update-puts-its-messages-first",
    breaks=["PREPOP-22", "STATE-UPDATE-03", "CONCURRENT-08", "SEQ-10", "STATE-UPDATE-20"],
)(
    afterwards(
        _values(
            lambda before, now: [
                *messages(now)[len(messages(before)) :],
                *messages(now)[: len(messages(before))],
            ]
        ),
        UPDATE,
        _continues,
    )
)
fault(
    "second-state-update-is-lost",
    breaks=(
        "STATE-UPDATE-06 STATE-UPDATE-21 STATE-UPDATE-23 CONCURRENT-08 CONDITION-09 CONDITION-11 "
        "SEQ-05 SEQ-10 STATE-UPDATE-04"
    ),
)(
    afterwards(
        lambda before, now: (
            before
            if before.latest
            and before.latest.metadata.get("source") == "update"
            and len(before.checkpoints) == 4
            else now
        ),
        UPDATE,
    )
)
fault(
    "state-update-replaces-the-newest-state",
    breaks=["STATE-UPDATE-04", "CONCURRENT-04", "SEQ-04", "SEQ-05", "SEQ-06"],
)(
    afterwards(
        lambda before, now: replace(
            now, checkpoints=(*now.checkpoints[:-2], *now.checkpoints[-1:])
        ),
        UPDATE,
        _continues,
    )
)


fault("source-of-a-state-update-after-a-run-is-loop", breaks=["STATE-UPDATE-05"])(
    afterwards(
        lambda before, now: (
            with_latest(now, metadata={**now.latest.metadata, "source": "loop"})
            if now.runs and now.latest
            else now
        ),
        UPDATE,
    )
)
fault("as-node-is-ignored", breaks=["STATE-UPDATE-06"])(
    _request_becomes(
        lambda body: {**body, "as_node": "call_model"},
        lambda request: request.members.get("as_node") == "__start__",
    )
)


def _get_shows(change: Callable[[Thread], Any]) -> Apply:
    """Let GET show `change(thread)` as the values, unless it is None."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.answers("get")
        def change_values(request: WireRequest, shown: Json) -> Json:
            thread = stored_thread(broken, request.thread_id)
            values = change(thread) if thread else None
            return shown if values is None else {**shown, "values": values}

    return apply


fault(
    "get-shows-the-values-before-the-last-update",
    breaks=["PREPOP-21", "STATE-UPDATE-07", "SEQ-11", "SEQ-12", "SEQ-17"],
)(
    _get_shows(
        lambda thread: (
            thread.checkpoints[-2].values
            if len(thread.checkpoints) > 3
            and thread.checkpoints[-1].metadata.get("source") == "update"
            else None
        )
    )
)

fault("get-shows-the-values-before-a-fork", breaks=["STATE-UPDATE-15"])(
    _get_shows(
        lambda thread: (
            thread.checkpoints[-2].values
            if len(thread.checkpoints) > 1
            and thread.checkpoints[-1].parent_id != thread.checkpoints[-2].checkpoint_id
            else None
        )
    )
)

# Forks


def _at_another(position: int, change: When = _forks) -> Apply:
    """Start a fork from another checkpoint than the one named, if there is one."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(UPDATE, when=change)
        def change_checkpoint(request: WireRequest) -> None:
            thread = stored_thread(broken, request.thread_id)
            named = request.members["checkpoint"]["checkpoint_id"]
            known = [each.checkpoint_id for each in thread.checkpoints] if thread else []
            if named in known:
                at = max(known.index(named) + position, 0)
                request.body = {**request.members, "checkpoint": {"checkpoint_id": known[at]}}

    return apply


fault(
    "fork-hangs-on-the-newest-state",
    breaks="ERROR-ANY-08 STATE-UPDATE-08 STATE-UPDATE-09 STATE-UPDATE-24 SEQ-05 SEQ-10",
)(
    _request_becomes(
        lambda body: {name: each for name, each in body.items() if name != "checkpoint"},
        lambda request: _forks(request) and not _unknown(request),
    )
)
fault(
    "fork-starts-one-state-earlier",
    breaks=["ERROR-ANY-08", "STATE-UPDATE-08", "STATE-UPDATE-09", "SEQ-05"],
)(_at_another(-1))
fault("update-at-a-plain-checkpoint-id-begins-anew", breaks=["STATE-UPDATE-25"])(
    afterwards(
        lambda _before, now: with_latest(now, parent_id=None), UPDATE, having("checkpoint_id")
    )
)
fault("fork-names-the-newest-state-as-its-parent", breaks=["STATE-UPDATE-08", "SEQ-05"])(
    afterwards(
        lambda before, now: with_latest(
            now, parent_id=before.latest.checkpoint_id if before.latest else None
        ),
        UPDATE,
        _forks,
    )
)
fault(
    "fork-is-not-the-state-of-the-thread", breaks=["STATE-UPDATE-10", "SEQ-04", "SEQ-05", "SEQ-10"]
)(
    afterwards(
        lambda before, now: replace(
            now, checkpoints=(*now.checkpoints[:-2], now.checkpoints[-1], now.checkpoints[-2])
        ),
        UPDATE,
        _forks,
    )
)


@fault(
    "state-follows-the-longest-branch",
    breaks=(
        "STATE-UPDATE-10 STATE-UPDATE-15 NESTED-02 RUN-CONTROL-16 SEQ-07 SEQ-10 "
        "INTERRUPT-18 CONDITION-04 CONDITION-02"
    ),
)
def state_follows_the_longest_branch(broken: FaultyDeployment) -> None:
    @broken.wire.answers("state")
    def show_longest_branch(request: WireRequest, state: Json) -> Json:
        thread = stored_thread(broken, request.thread_id)
        if thread is None or not thread.checkpoints:
            return state
        return broken.store.views.state_view(
            thread, max(thread.checkpoints, key=lambda each: each.step)
        )


@fault("fork-is-not-in-the-history", breaks="STATE-UPDATE-08 SEQ-05 SEQ-07 CONDITION-04")
def fork_is_not_in_the_history(broken: FaultyDeployment) -> None:
    forks: set[str] = set()

    @broken.wire.after(UPDATE, when=_forks)
    def note(request: WireRequest, answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        if answer.ok and thread and thread.latest:
            forks.add(thread.latest.checkpoint_id)

    @broken.wire.answers(*HISTORIES)
    def hide(_request: WireRequest, page: Json) -> Json:
        # A page with `select` need not show the checkpoints.
        named = [(state, state.get("checkpoint") or {}) for state in page]
        return [state for state, named_by in named if named_by.get("checkpoint_id") not in forks]


@fault(
    "update-at-a-checkpoint-makes-no-state",
    breaks="STATE-UPDATE-08 SEQ-05 SEQ-10 CONDITION-11 CONDITION-12",
)
def update_at_a_checkpoint_makes_no_state(broken: FaultyDeployment) -> None:
    afterwards(lambda before, now: before, UPDATE, _forks)(broken)


fault("fork-drops-the-former-branch", breaks=["STATE-UPDATE-11", "SEQ-04", "SEQ-05"])(
    afterwards(
        lambda before, now: replace(
            now,
            checkpoints=tuple(
                each
                for each in now.checkpoints
                if each is now.latest
                or (now.latest and each.checkpoint_id <= str(now.latest.parent_id))
            ),
        ),
        UPDATE,
        _forks,
    )
)
fault("fork-hangs-the-former-branch-below-itself", breaks=["STATE-UPDATE-11", "SEQ-04"])(
    afterwards(
        lambda before, now: replace(
            now,
            checkpoints=tuple(
                replace(each, parent_id=now.checkpoints[-1].checkpoint_id)
                if each is not now.latest and each.parent_id == now.checkpoints[-1].parent_id
                else each
                for each in now.checkpoints
            ),
        ),
        UPDATE,
        _forks,
    )
)

# Refusals


fault("state-update-as-an-unknown-node-is-taken", breaks=["STATE-UPDATE-12"])(
    _request_becomes(
        lambda body: {**body, "as_node": "call_model"},
        _as_unknown_node,
    )
)
fault("state-update-at-an-unknown-checkpoint-is-200", breaks=["STATE-UPDATE-13"])(
    refusal_becomes({"detail": "no checkpoint"}, UPDATE, when=_unknown)
)
fault("state-update-at-an-unknown-checkpoint-takes-the-newest", breaks=["STATE-UPDATE-13"])(
    _request_becomes(
        lambda body: {name: each for name, each in body.items() if name != "checkpoint"}, _unknown
    )
)


@fault("state-update-keeps-updated-at", breaks=["STATE-UPDATE-17"])
def state_update_keeps_updated_at(broken: FaultyDeployment) -> None:
    @broken.override(States.update_state)
    def update_state(right: Any, thread_id: str, *given: Any, **named: Any) -> Any:
        before = broken.store.records.thread(thread_id).updated_at
        answer = right(thread_id, *given, **named)
        broken.store.records.keep(
            replace(broken.store.records.thread(thread_id), updated_at=before)
        )
        return answer


# Updates without values, and with a list of them


def _as_node_with(values: Json) -> When:
    return lambda request: (
        "as_node" in request.members and request.members.get("values", "left out") == values
    )


fault("state-update-with-null-makes-no-state", breaks=["STATE-UPDATE-19"])(
    afterwards(lambda before, now: before, UPDATE, _as_node_with(None))
)
fault("state-update-without-values-makes-no-state", breaks=["STATE-UPDATE-19"])(
    afterwards(lambda before, now: before, UPDATE, _as_node_with("left out"))
)
fault("state-update-with-empty-values-makes-no-state", breaks=["STATE-UPDATE-19"])(
    afterwards(lambda before, now: before, UPDATE, _as_node_with({}))
)
fault("state-update-with-null-empties-the-values", breaks=["STATE-UPDATE-19"])(
    afterwards(
        lambda before, now: with_latest(now, values={"messages": []}), UPDATE, _as_node_with(None)
    )
)


def _has_list(request: WireRequest) -> bool:
    return isinstance(request.members.get("values"), list)


fault("state-update-with-a-list-of-values-is-refused", breaks=["STATE-UPDATE-20"])(
    refusing(UPDATE, _has_list, status=400)
)
fault("state-update-takes-the-last-of-a-list", breaks=["STATE-UPDATE-20"])(
    change_request(UPDATE, to=lambda body: {**body, "values": body["values"][-1:]}, when=_has_list)
)
fault("state-update-with-a-list-of-values-does-nothing", breaks=["STATE-UPDATE-20"])(
    change_request(UPDATE, to=lambda body: {**body, "values": []}, when=_has_list)
)


# Updates after something else than supersteps


fault("state-update-after-a-run-hangs-on-the-first-state", breaks=["STATE-UPDATE-04"])(
    afterwards(
        lambda before, now: (
            with_latest(now, parent_id=now.checkpoints[0].checkpoint_id) if now.runs else now
        ),
        UPDATE,
        _continues,
    )
)


@fault("state-update-of-a-copy-has-no-parent", breaks="STATE-UPDATE-04 CONDITION-09")
def update_of_a_copy_has_no_parent(broken: FaultyDeployment) -> None:
    sources = copies_of(broken)
    afterwards(
        lambda before, now: with_latest(now, parent_id=None),
        UPDATE,
        lambda request: request.thread_id in sources,
    )(broken)


fault("fork-has-what-is-next-in-the-newest-state", breaks="STATE-UPDATE-06 STATE-UPDATE-24")(
    afterwards(
        lambda before, now: with_latest(now, tasks=before.latest.tasks if before.latest else ()),
        UPDATE,
        lambda request: _forks(request) and not _unknown(request),
    )
)


def _named_with_its_thread(request: WireRequest) -> bool:
    checkpoint = request.members.get("checkpoint")
    return isinstance(checkpoint, dict) and checkpoint.get("thread_id") == request.thread_id


fault("fork-at-a-whole-checkpoint-is-of-the-newest-state", breaks="STATE-UPDATE-08 ERROR-ANY-08")(
    change_request(UPDATE, to=lambda body: without(body, "checkpoint"), when=_named_with_its_thread)
)


@fault("fork-without-as-node-is-made-as-the-node-that-is-next", breaks="STATE-UPDATE-24")
def made_as_the_node_that_is_next(broken: FaultyDeployment) -> None:
    @broken.override(States.update_state)
    def update_state(
        right: Any,
        thread_id: str,
        values: object = None,
        *,
        as_node: str | None = None,
        checkpoint: dict[str, Any] | None = None,
    ) -> Json:
        thread = stored_thread(broken, thread_id)
        named = (checkpoint or {}).get("checkpoint_id")
        states = thread.checkpoints if thread else ()
        base = next((each for each in states if each.checkpoint_id == named), None)
        if as_node is None and base is not None and base.next:
            as_node = base.next[0]
        return right(thread_id, values, as_node=as_node, checkpoint=checkpoint)
