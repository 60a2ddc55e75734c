"""Faults of selecting the members that a search shows."""

from __future__ import annotations

from conformance.faults.kit.http_changes import change_request, without
from conformance.faults.registry import fault
from conformance.reference.wire import WireRequest

_SELECTABLE = (
    "thread_id",
    "created_at",
    "updated_at",
    "state_updated_at",
    "metadata",
    "config",
    "status",
    "values",
    "interrupts",
)


def _selecting(request: WireRequest) -> bool:
    select = request.members.get("select")
    return isinstance(select, list) and all(name in _SELECTABLE for name in select)


fault("select-is-ignored", breaks=["SELECT-01"])(
    change_request("search", to=lambda body: without(body, "select"), when=_selecting)
)
fault("select-adds-the-values", breaks=["SELECT-01"])(
    change_request(
        "search", to=lambda body: {**body, "select": [*body["select"], "values"]}, when=_selecting
    )
)
fault("select-shows-the-first-member-only", breaks=["SELECT-02"])(
    change_request(
        "search", to=lambda body: {**body, "select": body["select"][:1]}, when=_selecting
    )
)


fault(
    "without-select-only-ids-are-shown",
    breaks=["SEARCH-11", "SEARCH-12", "SEARCH-13", "SELECT-03"],
)(
    change_request(
        "search",
        to=lambda body: {**body, "select": ["thread_id"]},
        when=lambda request: "select" not in request.members,
    )
)
