"""Faults of the state of a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import STATES, change_shown, with_status, without
from conformance.faults.kit.state import malformed, nested, refusal_becomes, stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Thread
from conformance.model.views import Views
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer

ChangeState = Callable[[dict[str, Any]], Json]

ELSEWHERE = "00000000-0000-4000-8000-00000000dead"


def _state(change: ChangeState) -> Apply:
    return change_shown("state", to=change)


def _unfinished(change: ChangeState) -> Apply:
    """Change the current state of a thread where `next` is not empty."""
    return _state(lambda state: change(state) if state.get("next") else state)


def _messages(change: ChangeState) -> ChangeState:
    """Return a change of a state that changes each message in its values."""

    def changed(state: dict[str, Any]) -> Json:
        values = state.get("values") or {}
        return {
            **state,
            "values": {**values, "messages": [*map(change, values.get("messages", []))]},
        }

    return changed


def _of_thread(change: Callable[[Thread, dict[str, Any]], Json]) -> Apply:
    """Replace the current state of a thread that has one by `change(thread, state)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.answers("state")
        def change_state(request: WireRequest, state: Json) -> Json:
            thread = stored_thread(broken, request.thread_id)
            return change(thread, state) if thread and thread.checkpoints else state

    return apply


# values

fault("unfinished-state-shows-no-values", breaks=["STATE-01"])(
    _unfinished(lambda state: without(state, "values"))
)
fault(
    "unfinished-state-shows-the-oldest-values",
    breaks=(
        "RUN-29 STATE-01 STATE-10 INTERRUPT-13 INTERRUPT-14 RUN-CONTROL-16 CONDITION-04 "
        "CHECKPOINT-13 CHECKPOINT-POST-04 INTERRUPT-20 PREPOP-27"
    ),
)(
    _of_thread(
        lambda thread, state: (
            {**state, "values": thread.checkpoints[0].values} if state.get("next") else state
        )
    )
)
fault(
    "messages-of-an-unfinished-state-without-type",
    breaks=("STATE-01 STATE-10 STATE-15 CONDITION-01 CONDITION-04 PREPOP-27"),
)(_unfinished(_messages(lambda message: without(message, "type"))))
fault(
    "messages-of-an-unfinished-state-without-id",
    breaks="STATE-10 STATE-15 CONDITION-01 CONDITION-04",
)(_unfinished(_messages(lambda message: without(message, "id"))))

fault(
    "messages-of-an-unfinished-state-have-null-ids",
    breaks="STATE-10 STATE-15 CONDITION-01 CONDITION-04",
)(_unfinished(_messages(lambda message: {**message, "id": None})))

# next and tasks

fault(
    "nothing-next-is-null",
    breaks=(
        [
            "PREPOP-06",
            "STATE-02",
            "STATE-10",
            "STATE-14",
            "INTERRUPT-06",
            "SEQ-07",
        ]
    ),
)(_state(lambda state: {**state, "next": state.get("next") or None}))
fault(
    "next-is-a-text",
    breaks=(
        "STATE-02 STATE-10 INTERRUPT-02 INTERRUPT-13 INTERRUPT-14 INTERRUPT-20 "
        "INTERRUPT-21 CONDITION-04"
    ),
)(_unfinished(lambda state: {**state, "next": state["next"][0]}))
fault(
    "state-shows-no-tasks",
    breaks=("STATE-03 INTERRUPT-02 INTERRUPT-03 NESTED-01 NESTED-02 NESTED-03"),
)(_state(lambda state: without(state, "tasks")))
fault("tasks-without-name", breaks="STATE-03 STATE-10 INTERRUPT-02 CONDITION-04")(
    _state(
        lambda state: {
            **state,
            "tasks": [without(task, "name") for task in state.get("tasks") or []],
        }
    )
)

# checkpoint and parent_checkpoint

fault(
    "checkpoint-of-the-state-has-no-id",
    breaks=["STATE-04", "STATE-06", "STATE-10", "SEQ-07"],
)(_state(lambda state: nested(state, "checkpoint", checkpoint_id=None)))
fault("checkpoint-of-the-state-names-another-thread", breaks=["STATE-04", "STATE-10", "SEQ-07"])(
    _state(lambda state: nested(state, "checkpoint", thread_id=ELSEWHERE))
)
fault("parent-of-the-state-names-another-thread", breaks=["STATE-05", "STATE-10", "SEQ-07"])(
    _state(lambda state: nested(state, "parent_checkpoint", thread_id=ELSEWHERE))
)
fault("state-has-no-parent", breaks=["STATE-05", "STATE-07", "STATE-10", "SEQ-07"])(
    _state(lambda state: {**state, "parent_checkpoint": None})
)
fault("no-state-names-its-parent", breaks=["STATE-05", "STATE-07", "SEQ-05"])(
    change_shown(
        *STATES,
        to=lambda state: {
            name: None if name in ("parent_checkpoint", "parent_checkpoint_id") else value
            for name, value in state.items()
        },
    )
)
fault("state-shows-no-checkpoint-id", breaks=["STATE-06"])(
    _state(lambda state: without(state, "checkpoint_id"))
)
fault("parent-checkpoint-id-of-the-state-is-its-own", breaks=["STATE-07", "STATE-10", "SEQ-07"])(
    _state(lambda state: {**state, "parent_checkpoint_id": state.get("checkpoint_id")})
)


@fault("parents-skip-one", breaks="HISTORY-09 STATE-05 STATE-UPDATE-04 STATE-UPDATE-08 SEQ-05")
def parents_skip_one(broken: FaultyDeployment) -> None:
    @broken.override(Views.state_view)
    def state_view(
        right: Any, thread: Thread, checkpoint: Checkpoint, *others: Any, **named: Any
    ) -> Any:
        parents = {each.checkpoint_id: each.parent_id for each in thread.checkpoints}
        skipped = parents.get(checkpoint.parent_id or "")
        shown = replace(checkpoint, parent_id=skipped or checkpoint.parent_id)
        return right(thread, shown, *others, **named)


# select


def _selects(request: WireRequest) -> bool:
    return "select" in request.query


@fault("select-of-a-state-is-ignored", breaks=["STATE-17"])
def select_is_ignored(broken: FaultyDeployment) -> None:
    @broken.wire.before("state", when=_selects)
    def drop_select(request: WireRequest) -> None:
        request.query = without(request.query, "select")


@fault("select-of-one-value-gives-all-values", breaks=["STATE-17"])
def select_of_one_value_gives_all(broken: FaultyDeployment) -> None:
    @broken.wire.before("state", when=_selects)
    def select_all_values(request: WireRequest) -> None:
        if request.query["select"].startswith("values."):
            request.query = {**request.query, "select": "values"}


# created_at and metadata

fault("state-shows-a-time-without-offset", breaks=["STATE-08", "STATE-10", "SEQ-07"])(
    _state(
        lambda state: {**state, "created_at": str(state.get("created_at")).replace("+00:00", "")}
    )
)
fault("step-of-the-state-is-a-text", breaks=["PREPOP-07", "STATE-09", "STATE-10", "SEQ-07"])(
    _state(lambda state: nested(state, "metadata", step=str(state["metadata"].get("step"))))
)
fault("state-tells-no-parents", breaks=["PREPOP-08", "STATE-09", "SEQ-07"])(
    _state(lambda state: {**state, "metadata": without(state["metadata"], "parents")})
)
fault(
    "state-tells-no-source",
    breaks=["PREPOP-07", "STATE-09", "STATE-UPDATE-05", "SEQ-07"],
)(_state(lambda state: {**state, "metadata": without(state["metadata"], "source")}))
fault("source-of-a-run-is-run", breaks="STATE-16 SEQ-07 CONDITION-04 CONDITION-05")(
    change_shown(
        "history",
        to=lambda state: (
            nested(state, "metadata", source="run")
            if (state.get("metadata") or {}).get("source") == "loop"
            else state
        ),
    )
)

# Only the newest state


@fault(
    "unfinished-state-is-the-one-before",
    breaks=(
        "INTERRUPT-31 RUN-29 STATE-01 STATE-10 STATE-19 PREPOP-27 INTERRUPT-02 "
        "INTERRUPT-13 INTERRUPT-14 INTERRUPT-20 INTERRUPT-21 NESTED-01 NESTED-02 "
        "RUN-CONTROL-16 CONDITION-01 CONDITION-04"
    ),
)
def unfinished_state_lags(broken: FaultyDeployment) -> None:
    _of_thread(
        lambda thread, state: (
            broken.store.views.state_view(thread, thread.checkpoints[-2])
            if state.get("next") and len(thread.checkpoints) > 1
            else state
        )
    )(broken)


@fault(
    "state-is-shown-as-first-asked-for",
    breaks=(
        "CONDITION-02 RUN-08 STATE-UPDATE-03 STATE-UPDATE-06 STATE-UPDATE-15 CONCURRENT-08 "
        "INTERRUPT-12 STATE-UPDATE-20 INTERRUPT-15 MULTITASK-06 MULTITASK-07 "
        "RUN-CONTROL-16 SEQ-07 SEQ-10 SEQ-11 INTERRUPT-02 INTERRUPT-05 INTERRUPT-16 "
        "INTERRUPT-17 MULTITASK-11 RUN-15 RUN-16 RUN-17 INTERRUPT-27 NESTED-11 "
        "NESTED-12 CONDITION-01 THREAD-STREAM-28"
    ),
)
def state_is_cached(broken: FaultyDeployment) -> None:
    shown: dict[str, Json] = {}

    @broken.wire.answers("state")
    def show_first_state(request: WireRequest, state: Json) -> Json:
        return shown.setdefault(request.thread_id, state)


# Empty and unknown threads


def _no_state_without_checkpoint(status: int) -> Apply:
    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before("state")
        def refuse(request: WireRequest) -> WireAnswer | None:
            thread = stored_thread(broken, request.thread_id)
            if thread is None or thread.checkpoints:
                return None
            return json_answer(status, {"detail": "the thread has no state"})

    return apply


fault("state-of-an-empty-thread-is-404", breaks=["STATE-14"])(_no_state_without_checkpoint(404))
fault("state-of-an-empty-thread-is-409", breaks=["STATE-14"])(_no_state_without_checkpoint(409))
fault("state-of-an-empty-thread-has-null-values", breaks=["STATE-14"])(
    change_shown("state", to=lambda state: {**state, "values": state.get("values") or None})
)
fault(
    "state-of-an-unknown-thread-is-empty",
    breaks=["STATE-11", "DELETE-03", "CONCURRENT-07", "SEQ-18"],
)(refusal_becomes({"values": {}, "next": [], "tasks": []}, "state"))
fault("state-of-a-malformed-id-is-500", breaks=["STATE-12"])(
    with_status(500, "state", instead_of=422, when=malformed)
)
fault("state-of-a-malformed-id-is-200-with-its-error", breaks=["STATE-12"])(
    with_status(200, "state", instead_of=422, when=malformed)
)


# Errors of tasks


def _without_errors(state: dict[str, Any]) -> Json:
    tasks = state.get("tasks")
    return {**state, "tasks": [without(task, "error") for task in tasks]} if tasks else state


fault("history-by-post-shows-no-errors-of-tasks", breaks=["STATE-18"])(
    change_shown("post_history", to=_without_errors)
)
fault("states-show-no-errors-of-tasks", breaks=["STATE-19"])(
    change_shown(*STATES, to=_without_errors)
)
