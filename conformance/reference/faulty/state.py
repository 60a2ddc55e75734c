"""Faults of the state of a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.reference.faults import Apply, Broken, fault
from conformance.reference.faulty.parts import STATES, without
from conformance.reference.faulty.pieces import (
    kept,
    malformed,
    nested,
    refusal_becomes,
    state_becomes,
    status_becomes,
)
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer

ELSEWHERE = "00000000-0000-4000-8000-00000000dead"


def _each_message(change: Callable[[dict[str, Any]], Json], *operations: str) -> Apply:
    """Change each message in the values of the states shown."""

    def changed(state: dict[str, Any]) -> Json:
        values = state.get("values") or {}
        if "messages" not in values:
            return state
        return {**state, "values": {**values, "messages": [*map(change, values["messages"])]}}

    return state_becomes(changed, *operations)


def _each_metadata(change: Callable[[dict[str, Any]], Json], *operations: str) -> Apply:
    """Change the metadata of the states shown."""
    return state_becomes(
        lambda state: {**state, "metadata": state.get("metadata") and change(state["metadata"])},
        *operations,
    )


# values

fault("state-shows-no-values", breaks=["STATE-01", "STATE-14"])(
    state_becomes(lambda state: without(state, "values"), "state")
)
fault("messages-of-states-without-type", breaks=["STATE-01", "STATE-15"])(
    _each_message(lambda message: without(message, "type"), *STATES)
)
fault("messages-of-states-without-id", breaks=["STATE-15"])(
    _each_message(lambda message: without(message, "id"), *STATES)
)


@fault("state-shows-the-oldest-values", breaks=["STATE-01", "STATE-10"])
def oldest_values(broken: Broken) -> None:
    @broken.wire.answers("state")
    def _(request: WireRequest, state: Json) -> Json:
        thread = kept(broken, request.thread_id)
        if thread is None or not thread.checkpoints:
            return state
        return {**state, "values": thread.checkpoints[0].values}


# next and tasks

fault("nothing-next-is-null", breaks=["STATE-02", "PREPOP-06"])(
    state_becomes(lambda state: {**state, "next": state.get("next") or None}, "state")
)
fault("next-is-a-text", breaks=["STATE-02"])(
    state_becomes(
        lambda state: {**state, "next": state["next"][0] if state.get("next") else []}, *STATES
    )
)
fault("state-shows-nothing-next", breaks=["STATE-10", "STATE-UPDATE-06"])(
    state_becomes(lambda state: {**state, "next": []}, "state")
)
fault("state-shows-no-member-tasks", breaks=["STATE-03"])(
    state_becomes(lambda state: without(state, "tasks"), "state")
)
fault("tasks-without-name", breaks=["STATE-03"])(
    state_becomes(
        lambda state: {
            **state,
            "tasks": [without(task, "name") for task in state.get("tasks") or []],
        },
        *STATES,
    )
)

# checkpoint and parent_checkpoint


def _member(where: str, name: str, value: Any) -> Apply:
    return state_becomes(lambda state: nested(state, where, **{name: value}), *STATES)


fault("checkpoints-have-no-id", breaks=["STATE-04", "STATE-06", "CHECKPOINT-08"])(
    _member("checkpoint", "checkpoint_id", None)
)
fault("checkpoints-name-another-thread", breaks=["STATE-04", "CHECKPOINT-08"])(
    _member("checkpoint", "thread_id", ELSEWHERE)
)
fault("namespace-of-checkpoints-is-null", breaks=["STATE-04"])(
    _member("checkpoint", "checkpoint_ns", None)
)
fault("parents-name-another-thread", breaks=["STATE-05"])(
    _member("parent_checkpoint", "thread_id", ELSEWHERE)
)
fault("state-has-no-parent", breaks=["STATE-05", "STATE-07", "STATE-10"])(
    state_becomes(lambda state: {**state, "parent_checkpoint": None}, "state")
)
fault("state-is-its-own-parent", breaks=["STATE-05", "STATE-10"])(
    state_becomes(
        lambda state: {
            **state,
            "parent_checkpoint": state.get("checkpoint"),
            "parent_checkpoint_id": state.get("checkpoint_id"),
        },
        "state",
    )
)
fault("state-shows-no-checkpoint-id", breaks=["STATE-06"])(
    state_becomes(lambda state: without(state, "checkpoint_id"), "state")
)
fault("parent-checkpoint-id-of-the-state-is-its-own", breaks=["STATE-07", "STATE-10"])(
    state_becomes(
        lambda state: {**state, "parent_checkpoint_id": state.get("checkpoint_id")}, "state"
    )
)


@fault("parents-skip-one", breaks=["STATE-05"])
def parents_skip_one(broken: Broken) -> None:
    @broken.instead("state_view")
    def state_view(right: Any, thread: Any, checkpoint: Any) -> Any:
        parent = next(
            (each for each in thread.checkpoints if each.checkpoint_id == checkpoint.parent_id),
            None,
        )
        skipped = parent.parent_id if parent is not None else None
        return right(thread, replace(checkpoint, parent_id=skipped or checkpoint.parent_id))


# created_at and metadata

fault("state-shows-a-time-without-offset", breaks=["STATE-08", "STATE-10"])(
    state_becomes(
        lambda state: {**state, "created_at": str(state.get("created_at")).replace("+00:00", "")},
        "state",
    )
)
fault("steps-are-texts", breaks=["STATE-09"])(
    _each_metadata(lambda metadata: {**metadata, "step": str(metadata.get("step"))}, *STATES)
)
fault("states-tell-no-parents", breaks=["PREPOP-08", "STATE-09"])(
    _each_metadata(lambda metadata: without(metadata, "parents"), *STATES)
)
fault("states-tell-no-source", breaks=["PREPOP-07", "STATE-09", "STATE-UPDATE-05"])(
    _each_metadata(lambda metadata: without(metadata, "source"), *STATES)
)
fault("source-of-a-run-is-run", breaks=["STATE-16"])(
    _each_metadata(
        lambda metadata: {
            **metadata,
            "source": "run" if metadata.get("source") == "loop" else metadata.get("source"),
        },
        *STATES,
    )
)


@fault("state-was-made-when-its-thread-was", breaks=["STATE-10"])
def made_with_the_thread(broken: Broken) -> None:
    @broken.wire.answers("state")
    def _(request: WireRequest, state: Json) -> Json:
        thread = kept(broken, request.thread_id)
        return {**state, "created_at": thread.created_at} if thread else state


# The newest state, and no other


def _lags(unfinished: bool) -> Apply:
    def apply(broken: Broken) -> None:
        @broken.wire.answers("state")
        def _(request: WireRequest, state: Json) -> Json:
            thread = kept(broken, request.thread_id)
            if thread is None or len(thread.checkpoints) < 2:
                return state
            if unfinished and not state.get("next"):
                return state
            return broken.store.state_view(thread, thread.checkpoints[-2])

    return apply


fault("state-is-the-one-before", breaks=["STATE-01", "STATE-10"])(_lags(unfinished=False))
fault("state-that-is-unfinished-is-the-one-before", breaks=["STATE-10"])(_lags(unfinished=True))


@fault("state-is-shown-as-first-asked-for", breaks=["STATE-UPDATE-02"])
def state_is_cached(broken: Broken) -> None:
    shown: dict[str, Json] = {}

    @broken.wire.answers("state")
    def _(request: WireRequest, state: Json) -> Json:
        return shown.setdefault(request.thread_id, state)


# Threads that are empty, or are not there


@fault("state-of-an-empty-thread-is-404", breaks=["STATE-14"])
def empty_thread_has_no_state(broken: Broken) -> None:
    @broken.wire.before("state")
    def _(request: WireRequest) -> WireAnswer | None:
        thread = kept(broken, request.thread_id)
        if thread is None or thread.checkpoints:
            return None
        return json_answer(404, {"detail": "the thread has no state"})


fault("state-of-an-empty-thread-has-null-values", breaks=["STATE-14"])(
    state_becomes(lambda state: {**state, "values": state.get("values") or None}, "state")
)
fault("state-of-an-empty-thread-has-its-start-next", breaks=["STATE-14"])(
    state_becomes(
        lambda state: state if state.get("checkpoint_id") else {**state, "next": ["__start__"]},
        "state",
    )
)
fault("state-of-an-unknown-thread-is-empty", breaks=["STATE-11", "DELETE-03"])(
    refusal_becomes({"values": {}, "next": [], "tasks": []}, "state")
)
fault("state-of-a-malformed-id-is-500", breaks=["STATE-12"])(
    status_becomes(422, 500, "state", when=malformed)
)
fault("state-of-a-malformed-id-is-200-with-its-error", breaks=["STATE-12"])(
    status_becomes(422, 200, "state", when=malformed)
)
