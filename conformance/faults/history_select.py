"""Faults of choosing the members of states that a history shows."""

from __future__ import annotations

from typing import Any

from conformance.faults.kit.http_changes import change_answer, change_request, without
from conformance.faults.registry import FaultyDeployment, fault
from conformance.reference.wire import WireRequest


def _selects(request: WireRequest) -> bool:
    return "select" in request.query or "select" in request.members


def _selects_a_key(request: WireRequest) -> bool:
    """Return whether a POST selects one key of the values."""
    return any(str(each).startswith("values.") for each in request.members.get("select") or ())


@fault("select-of-get-history-is-ignored", breaks=["HISTORY-SELECT-01", "HISTORY-SELECT-03"])
def get_ignores_select(broken: FaultyDeployment) -> None:
    @broken.wire.before("history", when=_selects)
    def drop_select(request: WireRequest) -> None:
        request.query = without(request.query, "select")


fault(
    "select-of-post-history-is-ignored",
    breaks=["HISTORY-SELECT-02", "HISTORY-SELECT-03", "HISTORY-SELECT-04"],
)(change_request("post_history", to=lambda body: without(body, "select"), when=_selects))

fault("post-history-selects-all-values-for-one-key", breaks=["HISTORY-SELECT-03"])(
    change_request(
        "post_history",
        to=lambda body: {
            **body,
            "select": [str(each).partition(".")[0] for each in body["select"]],
        },
        when=_selects_a_key,
    )
)

fault("a-wrong-select-of-a-history-selects-nothing", breaks=["HISTORY-SELECT-04"])(
    change_request(
        "post_history",
        to=lambda body: {
            **body,
            "select": [
                each for each in body["select"] if "no_such" not in each and each != "next.values"
            ],
        },
        when=_selects,
    )
)


def _with_the_newest_values(request: WireRequest, states: Any) -> Any:
    """Return states with the values of the newest state, if they show values at all."""
    if not isinstance(states, list) or not states or "values" not in states[0]:
        return states
    return [{**each, "values": states[0]["values"]} for each in states]


fault(
    "selected-values-of-a-history-are-the-newest",
    breaks=["HISTORY-SELECT-01", "HISTORY-SELECT-02", "HISTORY-SELECT-03"],
)(change_answer("history", "post_history", to=_with_the_newest_values, when=_selects))
