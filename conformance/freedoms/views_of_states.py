"""Freedoms of how different operations, or successive requests, show one state or thread."""

from __future__ import annotations

from itertools import count
from typing import Any

from conformance.faults.kit.http_changes import HISTORIES, STATES, change_shown, without
from conformance.freedoms.kit import REQUIRED_OF_STATES, JsonObject, change_member
from conformance.freedoms.registry import freedom
from conformance.model.threads import Threads
from conformance.reference.altered import Altered
from conformance.reference.wire import Json, WireRequest

_NO_HISTORY = "No output of a history is printed; "
#: After how many requests GET shows the result of a run.
_GETS_UNTIL_SHOWN = 2


@freedom("states-tell-when-they-were-shown", allowed_by="Unknown members never fail.")
def states_tell_when_they_were_shown(altered: Altered) -> None:
    """Add a member that differs each time, and one that has the thread's id within a text."""
    times = count(1)

    def tell(request: WireRequest, body: Json) -> Json:
        url = f"/threads/{request.thread_id}/state"
        if isinstance(body, list):
            return [{**each, "served": next(times), "url": url} for each in body]
        return {**body, "served": next(times), "url": url}

    altered.wire.answers(*STATES)(tell)


def _of_the_contract(metadata: JsonObject) -> JsonObject:
    return {name: each for name, each in metadata.items() if name in ("source", "step", "parents")}


def _without_empty_members(tasks: list[JsonObject]) -> list[JsonObject]:
    return [{name: each for name, each in task.items() if each} for task in tasks]


freedom(
    "metadata-of-histories-is-lean",
    allowed_by=f"{_NO_HISTORY}of a state's metadata source, step and parents are the contract.",
)(change_shown(*HISTORIES, to=change_member("metadata", _of_the_contract)))
freedom(
    "tasks-of-histories-are-lean",
    allowed_by=f"{_NO_HISTORY}the published task requires id and name.",
    choice="members of tasks",
)(change_shown(*HISTORIES, to=change_member("tasks", _without_empty_members)))
freedom(
    "states-of-a-history-are-lean",
    allowed_by="No output of a history or of a state at a checkpoint is printed, so the published "
    "ThreadState decides what is required: values, next, checkpoint, metadata, created_at.",
    # Tasks and parents are left out.
    may_block="CANCEL-21 CHECKPOINT-04 CHECKPOINT-07 CHECKPOINT-13 CHECKPOINT-14 "
    "CHECKPOINT-POST-01 CHECKPOINT-POST-04 CHECKPOINT-POST-05 HISTORY-03 HISTORY-09 NESTED-14 "
    "PREPOP-28 RUN-28 SEQ-06 STATE-18",
)(
    change_shown(
        "history",
        "post_history",
        "state_at_checkpoint",
        "post_state_at_checkpoint",
        to=lambda state: {name: each for name, each in state.items() if name in REQUIRED_OF_STATES},
    )
)
freedom(
    "states-by-post-name-their-parent-once",
    allowed_by="The published ThreadState has no parent_checkpoint_id; 004 prints it of GET state.",
)(change_shown("post_state_at_checkpoint", to=lambda state: without(state, "parent_checkpoint_id")))


@freedom(
    "pages-by-get-and-by-post-differ-in-length",
    allowed_by="Published with 0.17: a page can hold fewer states than its limit.",
)
def pages_differ_in_length(altered: Altered) -> None:
    def at_most(number: int) -> Any:
        return lambda _request, body: body[:number]

    altered.wire.answers("history")(at_most(5))
    altered.wire.answers("post_history")(at_most(3))


@freedom(
    "states-of-copies-name-the-source-in-metadata",
    allowed_by="001 deletes metadata.thread_id on both sides before it compares.",
)
def states_of_copies_name_their_source(altered: Altered) -> None:
    sources: dict[str, str] = {}

    @altered.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        made = right(thread_id)
        sources[made["thread_id"]] = sources.get(thread_id, thread_id)
        return made

    @altered.wire.answers(*STATES)
    def name_the_source(request: WireRequest, body: Json) -> Json:
        def named(state: JsonObject) -> JsonObject:
            metadata = {**state["metadata"], "thread_id": sources[request.thread_id]}
            return {**state, "metadata": metadata}

        if request.thread_id not in sources:
            return body
        return [named(each) for each in body] if isinstance(body, list) else named(body)


freedom(
    "threads-by-get-have-an-empty-configurable",
    allowed_by="004 prints config as {} and as {'configurable': {}}.",
)(
    change_shown(
        "get",
        to=lambda thread: (
            {**thread, "config": {"configurable": {}}} if thread.get("config") == {} else thread
        ),
    )
)


@freedom(
    "get-shows-a-run-at-the-third-look",
    allowed_by="004 prints no values in its output of get; that they follow the state within the "
    "declared deadline is all that is asked of them.",
)
def get_shows_a_run_at_the_third_look(altered: Altered) -> None:
    settled: dict[str, tuple[int, JsonObject]] = {}
    looks: dict[tuple[str, int], int] = {}

    @altered.wire.answers("get")
    def show(request: WireRequest, view: Json) -> Json:
        thread = altered.store.records.thread(request.thread_id)
        ended = sum(run.status != "pending" and run.status != "running" for run in thread.runs)
        known, values = settled.get(thread.thread_id, (0, {}))
        look = looks[thread.thread_id, ended] = looks.get((thread.thread_id, ended), 0) + 1
        if ended > known and look <= _GETS_UNTIL_SHOWN:
            return {**view, "values": values}
        settled[thread.thread_id] = (ended, view["values"])
        return view
