"""Faults of the history of a thread: its order, its entries, its thread."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import (
    HISTORIES,
    change_shown,
    requests_ten_or_fewer,
    with_status,
    without,
)
from conformance.faults.kit.state import (
    Page,
    before_of,
    malformed,
    nested,
    page_becomes,
    refusal_becomes,
    stored_thread,
)
from conformance.faults.registry import FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Thread
from conformance.model.records import Records
from conformance.reference.wire import Json, WireRequest

GET, POST = ("history",), ("post_history",)
#: The number of steps after which a wrong server begins again with step -1.
_STEPS = 3
NO_CHECKPOINT = "1ef00000-0000-6000-8000-00000000dead"

# The order

fault("history-oldest-first", breaks=["HISTORY-02", "NESTED-05", "SEQ-07"])(
    page_becomes(lambda page: page[::-1])
)
fault("long-history-begins-with-the-older-half", breaks=["HISTORY-02", "SEQ-07"])(
    page_becomes(lambda page: page if len(page) <= 10 else page[10:] + page[:10])
)

# Entries

fault("long-history-by-post-leaves-out-a-state", breaks=["HISTORY-04"])(
    page_becomes(
        lambda page: page if len(page) <= 10 else [*page[:1], *page[2:]],
        POST,
        lambda request: before_of(request) is None,
    )
)
fault("history-by-get-shows-no-tasks", breaks=["HISTORY-04"])(
    change_shown(*GET, to=lambda state: without(state, "tasks"))
)


@fault(
    "long-history-forgets-the-oldest-state",
    breaks=["HISTORY-03", "PREPOP-09", "CONCURRENT-04", "SEQ-06"],
)
def long_history_forgets_the_oldest(broken: FaultyDeployment) -> None:
    @broken.wire.answers(*HISTORIES)
    def drop_the_oldest(request: WireRequest, page: Page) -> Json:
        thread = stored_thread(broken, request.thread_id)
        if thread is None or len(thread.checkpoints) <= 10:
            return page
        return [state for state in page if state.get("parent_checkpoint")]


@fault(
    "history-shows-the-newest-values-everywhere",
    breaks=(
        "CHECKPOINT-02 COPY-17 PREPOP-10 PREPOP-17 RUN-09 STATE-UPDATE-04 "
        "STATE-UPDATE-11 CONCURRENT-04 CONCURRENT-05 SEQ-04 SEQ-08 SEQ-10 NESTED-15 "
        "HISTORY-SELECT-03"
    ),
)
def newest_values_everywhere(broken: FaultyDeployment) -> None:
    @broken.wire.answers(*HISTORIES)
    def show_newest_values(request: WireRequest, page: Page) -> Json:
        thread = stored_thread(broken, request.thread_id)
        return [{**state, "values": thread.values} for state in page] if thread else page


fault(
    "oldest-state-of-a-history-without-next",
    breaks="HISTORY-01 HISTORY-SELECT-01 HISTORY-SELECT-02",
)(
    change_shown(
        *HISTORIES,
        to=lambda state: state if state.get("parent_checkpoint") else without(state, "next"),
    )
)
fault(
    "history-shows-times-without-offset",
    breaks="CHECKPOINT-06 HISTORY-01 STATE-10 SEQ-07 SEQ-08",
)(
    change_shown(
        *HISTORIES,
        to=lambda state: {
            **state,
            "created_at": str(state.get("created_at")).replace("+00:00", ""),
        },
    )
)
fault("long-history-gives-the-oldest-state-twice", breaks=["HISTORY-08", "PREPOP-09"])(
    page_becomes(lambda page: page + page[-1:] if len(page) > 20 else page)
)

# Parents and steps


def _dangling(state: dict[str, Any]) -> Json:
    return nested(state, "parent_checkpoint", checkpoint_id=NO_CHECKPOINT)


fault(
    "parents-in-a-history-are-not-there",
    breaks=["CHECKPOINT-07", "HISTORY-03", "STATE-10", "SEQ-07"],
)(change_shown(*HISTORIES, to=_dangling))


@fault("steps-begin-anew-after-the-third", breaks=["HISTORY-09"])
def steps_begin_anew(broken: FaultyDeployment) -> None:
    def counted_anew(made: Checkpoint) -> Checkpoint:
        return replace(made, metadata={**made.metadata, "step": (made.step + 1) % _STEPS - 1})

    @broken.override(Records.keep)
    def keep(right: Any, thread: Thread) -> Any:
        return right(replace(thread, checkpoints=tuple(map(counted_anew, thread.checkpoints))))


@fault(
    "steps-of-runs-start-anew",
    breaks="HISTORY-09 HISTORY-FILTER-02 SEQ-07 CONDITION-04 CONDITION-05 CONDITION-16",
)
def steps_of_runs_start_anew(broken: FaultyDeployment) -> None:
    change_shown(
        *GET,
        to=lambda state: (
            nested(state, "metadata", step=-1)
            if "run_id" in (state.get("metadata") or {})
            else state
        ),
    )(broken)


# Empty and unknown threads


@fault("history-of-an-empty-thread-holds-its-state", breaks=["HISTORY-07"])
def empty_thread_has_a_state(broken: FaultyDeployment) -> None:
    @broken.wire.answers("history", when=requests_ten_or_fewer)
    def add_empty_state(request: WireRequest, page: Page) -> Json:
        thread = stored_thread(broken, request.thread_id)
        empty = thread is not None and not thread.checkpoints
        return [broken.store.states.state(request.thread_id)] if empty else page


fault(
    "history-of-an-unknown-thread-is-empty",
    breaks=["HISTORY-05", "DELETE-04", "LINK-01", "CONCURRENT-07", "SEQ-18"],
)(refusal_becomes([], *GET))
fault("history-by-post-of-an-unknown-thread-is-empty", breaks=["HISTORY-05", "DELETE-12"])(
    refusal_becomes([], *POST)
)
fault("history-of-a-malformed-id-is-500", breaks=["HISTORY-06"])(
    with_status(500, *GET, instead_of=422, when=malformed)
)
fault("history-by-post-of-a-malformed-id-is-empty", breaks=["HISTORY-06"])(
    refusal_becomes([], *POST, status=422, when=malformed)
)
