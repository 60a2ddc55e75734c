"""Freedoms of the members of answers: further ones, and optional ones left out."""

from __future__ import annotations

from itertools import count
from typing import Any

from conformance.faults.kit.http_changes import STATES, change_shown, without
from conformance.freedoms.kit import (
    CRONS,
    THREADS,
    JsonObject,
    change_events,
    change_every_object,
    holds_values,
)
from conformance.freedoms.registry import freedom
from conformance.model.entities import Thread
from conformance.model.search import Searches
from conformance.model.views import Views
from conformance.reference.altered import Altered
from conformance.reference.wire import Json, WireRequest

_OPEN = "Rules of fairness: response schemas are open, unknown members never fail."
_EXTRA = {"x_vendor": {"region": "eu-1", "flags": [True, None]}}


def _is_checkpoint(value: JsonObject) -> bool:
    return "checkpoint_ns" in value


def _with_map(value: JsonObject) -> JsonObject:
    return {"checkpoint_map": {}, **value} if _is_checkpoint(value) else value


freedom("answers-have-more-members", allowed_by=_OPEN)(
    change_every_object(lambda each: each if _is_checkpoint(each) else {**each, **_EXTRA})
)
freedom(
    "checkpoints-have-more-members",
    allowed_by=f"{_OPEN} The published CheckpointConfig has a checkpoint_map.",
)(change_every_object(_with_map))


@freedom("threads-tell-when-they-were-shown", allowed_by=_OPEN)
def threads_tell_when_they_were_shown(altered: Altered) -> None:
    """Add a member that differs each time, and one that has a timestamp's name but holds none."""
    times = count(1)
    for operation in THREADS:
        change_shown(
            operation,
            to=lambda thread: {**thread, "served": next(times), "looked_at": "the home page"},
        )(altered)


@freedom(
    "states-show-the-metadata-of-their-thread",
    allowed_by="Rules of fairness: of a state's metadata source, step and parents are the "
    "contract; the rest may be what users wrote in that of the thread, as it is now.",
)
def states_show_the_metadata_of_their_thread(altered: Altered) -> None:
    @altered.override(Views.state_view)
    def state_view(right: Any, thread: Thread, *given: Any, **named: Any) -> JsonObject:
        state: JsonObject = right(thread, *given, **named)
        written = without(thread.metadata, "assistant_id", "graph_id")
        return {**state, "metadata": {**written, **state["metadata"]}}


@freedom("crons-tell-when-they-were-shown", allowed_by=_OPEN, profile="full")
def crons_tell_when_they_were_shown(altered: Altered) -> None:
    times = count(1)
    change_shown(*CRONS, to=lambda cron: {**cron, "served": next(times)})(altered)


def _more_in_event(data: Json) -> Json:
    return {**data, **_EXTRA} if isinstance(data, dict) else data


freedom("events-of-streams-have-more-members", allowed_by=_OPEN)(
    change_events(lambda name, data: data if holds_values(name) else _more_in_event(data))
)


@freedom("metadata-of-states-has-more-members", allowed_by=_OPEN)
def metadata_of_states_has_more_members(altered: Altered) -> None:
    @altered.override(Views.state_view)
    def state_view(right: Any, *given: Any, **named: Any) -> JsonObject:
        state: JsonObject = right(*given, **named)
        return {**state, "metadata": {**state["metadata"], "assistant_version": 3, "user": None}}


def _selecting_more(altered: Altered) -> None:
    required = ("thread_id", "created_at", "updated_at", "metadata", "status")

    @altered.override(Searches.selected)
    def selected(right: Any, view: JsonObject, select: Any, extract: Any) -> Any:
        more = None if select is None else [*select, *(n for n in required if n not in select)]
        return right(view, more, extract)


freedom(
    "states-have-configs-beside-checkpoints",
    allowed_by=f"{_OPEN} The SDK's reference prints parent_config in the state.",
)(
    change_shown(
        *STATES,
        to=lambda state: {
            **state,
            "config": {"configurable": state.get("checkpoint")},
            "parent_config": {"configurable": state.get("parent_checkpoint")},
        },
    )
)

freedom(
    "runs-beyond-threads-do-not-name-their-thread",
    allowed_by="The published response of POST /runs and /runs/batch is {}: no member is declared.",
    may_block="STATELESS-02 STATELESS-06",
    profile="full",
)(change_shown("stateless_background", "stateless_batch", to=lambda run: without(run, "thread_id")))

freedom(
    "threads-show-values-at-their-creation-alone",
    allowed_by="004 prints no values in its outputs of get and search; the published Thread does "
    "not require them.",
    may_block="COPY-08 PREPOP-21 SEQ-11 STATE-UPDATE-07 STATE-UPDATE-15 CONDITION-01",
)(change_shown("get", "update", "copy", to=lambda each: without(each, "values")))

freedom(
    "threads-show-null-values-after-their-creation",
    allowed_by="004 prints no values in its outputs of get and search; the SDK's type of a "
    "thread's values allows null.",
    may_block="COPY-08 PREPOP-21 SEQ-11 STATE-UPDATE-07 STATE-UPDATE-15 CONDITION-01 SELECT-02",
)(
    change_shown(
        "get",
        "update",
        "copy",
        "search",
        to=lambda each: {**each, "values": None} if "values" in each else each,
    )
)

freedom(
    "searches-show-no-values",
    allowed_by="004 prints threads without values as what a search finds; the published Thread "
    "does not require them.",
)(
    change_shown(
        "search",
        to=lambda each: without(each, "values", "config", "interrupts"),
        when=lambda request: "select" not in request.members,
    )
)
freedom(
    "values-of-fresh-threads-are-null",
    allowed_by="The SDK's type of a thread's values allows null; 003 prints {} for what create "
    "answers alone.",
)(
    change_shown(
        "get",
        "update",
        "copy",
        "search",
        to=lambda each: {**each, "values": each["values"] or None} if "values" in each else each,
    )
)
freedom(
    "threads-have-no-state-updated-at",
    allowed_by="No output of the documents shows it; the published Thread does not require it.",
    may_block="SORT-04 UPDATE-06 CONDITION-12",
)(
    change_shown(
        "create",
        "get",
        "update",
        "copy",
        to=lambda each: without(each, "state_updated_at", "config"),
    )
)
freedom(
    "selected-threads-keep-what-is-required",
    allowed_by="The published response of a search is a list of Thread, whose required members "
    "select does not take away.",
)(
    _selecting_more,
)


@freedom(
    "extracts-of-nothing-are-left-out",
    allowed_by="No source says what a path gives at which a thread has nothing.",
    profile="extended",
)
def extracts_of_nothing_are_left_out(altered: Altered) -> None:
    @altered.wire.answers("search", when=lambda request: "extract" in request.members)
    def leave_out(_request: WireRequest, found: Json) -> Json:
        return [
            {
                **each,
                "extracted": {
                    name: value
                    for name, value in each.get("extracted", {}).items()
                    if value is not None
                },
            }
            for each in found
        ]
