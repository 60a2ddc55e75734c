"""Freedoms of choosing the members of states that a history shows."""

from __future__ import annotations

from typing import Any

from conformance.freedoms.kit import REQUIRED_OF_STATES
from conformance.freedoms.registry import freedom
from conformance.reference.altered import Altered
from conformance.reference.wire import WireAnswer, WireRequest, json_answer


@freedom(
    "selected-states-keep-what-is-required",
    allowed_by="The published response of a history with select is a list of ThreadState, whose "
    "required members select does not take away.",
    profile="extended",
)
def selected_states_keep_what_is_required(altered: Altered) -> None:
    @altered.wire.before("history", "post_history", when=_selects_what_is_required)
    def ask_for_more(request: WireRequest) -> None:
        more = [*_selected(request), *REQUIRED_OF_STATES]
        if any(each.startswith("values.") for each in more):
            more.remove("values")
        if request.operation == "history":
            request.select = more
        else:
            request.body = {**request.members, "select": more}


def _selected(request: WireRequest) -> list[Any]:
    selected = request.select or request.members.get("select")
    return selected if isinstance(selected, list) else []


def _selects_what_is_required(request: WireRequest) -> bool:
    """Return whether nothing but members of all states, and keys of the values, is selected."""
    selected = _selected(request)
    return bool(selected) and all(
        each in REQUIRED_OF_STATES or str(each).startswith("values.") for each in selected
    )


@freedom(
    "select-of-get-history-is-neither-offered-nor-declared",
    allowed_by="Only newer documents state it, and of GET and POST each by itself.",
    may_block="HISTORY-SELECT-01 HISTORY-SELECT-03",
    choice="openapi.json",
    profile="extended",
)
def select_of_get_history_is_neither_offered_nor_declared(altered: Altered) -> None:
    @altered.wire.before("history", when=lambda request: "select" in request.query)
    def refuse(_request: WireRequest) -> WireAnswer:
        return json_answer(422, {"detail": "select: no such parameter"})

    @altered.wire.answers("openapi")
    def leave_out(_request: WireRequest, document: Any) -> Any:
        operation = document["paths"]["/threads/{thread_id}/history"]["get"]
        operation["parameters"] = [
            each for each in operation["parameters"] if each.get("name") != "select"
        ]
        return document
