"""Faults of showing threads that were created with a state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import (
    STATES,
    change_shown,
    get_shows_status_of_finished,
    prepopulates,
    requests_ten_or_fewer,
    without,
)
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.states import States
from conformance.reference.wire import When, WireRequest, always

Messages = list[dict[str, Any]]


def change_messages(
    change: Callable[[Messages], Messages], *operations: str, when: When = always
) -> Apply:
    """Change the messages in the values of each thread or state shown."""

    def changed(holder: dict[str, Any]) -> dict[str, Any]:
        values = holder.get("values") or {}
        if not values.get("messages"):
            return holder
        return {**holder, "values": {**values, "messages": change(values["messages"])}}

    return change_shown(*operations, to=changed, when=when)


def change_message_ids(prefix: str, *operations: str, when: When = always) -> Apply:
    """Show each message under another id, always the same one."""
    return change_messages(
        lambda all_: [{**each, "id": f"{prefix}-{each['id']}"} for each in all_],
        *operations,
        when=when,
    )


def metadata_of_states(
    change: Callable[[dict[str, Any]], dict[str, Any]], *operations: str
) -> Apply:
    """Change the metadata of each existing state shown."""

    def changed(state: dict[str, Any]) -> dict[str, Any]:
        metadata = state.get("metadata")
        return {**state, "metadata": change(metadata)} if metadata else state

    return change_shown(*operations, to=changed)


def _filters_by_graph(request: WireRequest) -> bool:
    metadata = request.members.get("metadata")
    return isinstance(metadata, dict) and "graph_id" in metadata and len(metadata) > 1


fault(
    "create-answers-without-the-last-message",
    breaks=["PREPOP-02", "PREPOP-21", "SEQ-12"],
)(change_messages(lambda all_: all_[:-1], "create", when=prepopulates))
fault("create-answers-messages-reversed", breaks=["PREPOP-02", "PREPOP-21", "SEQ-12"])(
    change_messages(lambda all_: all_[::-1], "create", when=prepopulates)
)
fault(
    "create-answers-message-ids-as-null", breaks=["PREPOP-03", "PREPOP-12", "PREPOP-21", "SEQ-12"]
)(
    change_messages(
        lambda all_: [{**each, "id": None} for each in all_], "create", when=prepopulates
    )
)
fault(
    "create-answers-one-id-for-all-messages",
    breaks=["PREPOP-03", "PREPOP-12", "PREPOP-21", "SEQ-12"],
)(
    change_messages(
        lambda all_: [{**each, "id": all_[0]["id"]} for each in all_], "create", when=prepopulates
    )
)
fault(
    "get-loses-the-graph-id",
    breaks="PREPOP-04 SEARCH-08 LINK-01 SELECT-02 SEQ-12 SEQ-17",
)(
    change_shown(
        "get", to=lambda thread: {**thread, "metadata": without(thread["metadata"], "graph_id")}
    )
)
fault("create-answers-another-graph-id", breaks=["PREPOP-04", "SEQ-12"])(
    change_shown(
        "create",
        to=lambda thread: {**thread, "metadata": {**thread["metadata"], "graph_id": "Agent"}},
        when=prepopulates,
    )
)


fault(
    "prepopulated-thread-is-interrupted",
    breaks=["PREPOP-05", "SEARCH-08", "SELECT-02", "SEQ-12", "SEQ-17"],
)(get_shows_status_of_finished("interrupted"))
fault(
    "state-says-what-is-next-at-the-end",
    breaks="PREPOP-06 STATE-10 INTERRUPT-06 CANCEL-13 SEQ-07 THREAD-STREAM-28",
)(
    change_shown(
        "state",
        to=lambda state: (
            {**state, "next": state["next"] or ["call_model"]}
            if state.get("checkpoint_id")
            else state
        ),
    )
)
fault("source-of-an-update-is-loop", breaks=["PREPOP-07", "STATE-10", "STATE-UPDATE-05", "SEQ-07"])(
    metadata_of_states(
        lambda data: {**data, "source": "loop"} if data["source"] == "update" else data, "state"
    )
)


fault("steps-start-at-zero", breaks=["PREPOP-07", "STATE-10", "SEQ-07"])(
    metadata_of_states(lambda data: {**data, "step": data["step"] + 1}, "state")
)
fault("parents-is-null", breaks=["HISTORY-01", "PREPOP-08", "STATE-09"])(
    metadata_of_states(lambda data: {**data, "parents": None}, *STATES)
)
fault("parents-name-the-state-before", breaks=["PREPOP-08", "STATE-10", "SEQ-07"])(
    metadata_of_states(lambda data: {**data, "parents": {"": str(data["step"] - 1)}}, "state")
)
fault(
    "get-gives-messages-other-ids",
    breaks=(
        "PREPOP-12 PREPOP-21 SEARCH-08 FILTER-06 SELECT-02 STATE-UPDATE-07 SEQ-11 SEQ-12 SEQ-17"
    ),
)(change_message_ids("get", "get"))
fault("short-history-gives-messages-other-ids", breaks=["HISTORY-04", "SEQ-09"])(
    change_message_ids("history", "history", when=requests_ten_or_fewer)
)
fault("search-finds-nothing-by-graph", breaks=["PREPOP-19"])(
    lambda broken: broken.wire.answers("search", when=_filters_by_graph)(lambda _request, _: [])
)


fault("prepopulated-updated-at-without-offset", breaks=["PREPOP-20"])(
    change_shown(
        "create",
        to=lambda thread: {**thread, "updated_at": thread["updated_at"][:-6]},
        when=prepopulates,
    )
)
fault(
    "get-shows-no-values",
    breaks=("PREPOP-21 SEARCH-08 SELECT-02 STATE-UPDATE-07 SEQ-11 SEQ-12 SEQ-17"),
)(change_shown("get", to=lambda thread: {**thread, "values": {}}))
fault(
    "get-shows-values-without-the-last-message",
    breaks="PREPOP-21 SEARCH-08 SELECT-02 STATE-UPDATE-07 SEQ-11 SEQ-12 SEQ-17",
)(change_messages(lambda all_: all_[:-1], "get"))


@fault(
    "update-puts-its-message-first",
    breaks=[
        "PREPOP-22",
        "STATE-UPDATE-03",
        "STATE-UPDATE-09",
        "CONCURRENT-08",
        "SEQ-10",
        "STATE-UPDATE-19",
        "STATE-UPDATE-20",
        "STATE-UPDATE-21",
    ],
)
def update_puts_its_message_first(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.override(States.update_state)
    def update_state(right: Any, thread_id: str, *values: Any, **members: Any) -> Any:
        answered = right(thread_id, *values, **members)
        thread = store.records.thread(thread_id)
        made = thread.checkpoints[-1]
        told = made.values["messages"]
        turned = replace(made, values={**made.values, "messages": told[-1:] + told[:-1]})
        store.records.keep(store.records.with_replaced(thread, turned))
        return answered
