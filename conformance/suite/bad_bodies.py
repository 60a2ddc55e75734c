"""Bodies that do not fit what is published, by operation."""

from __future__ import annotations

from typing import Any

from conformance.deployment.client import ThreadsClient

MALFORMED_JSON = (b"{", b'{"metadata": }', b"not json", b"\xff\xfe")

WRONG_TYPES: dict[str, tuple[Any, ...]] = {
    "create": ([], 5, {"metadata": 5}, {"metadata": []}, {"thread_id": 5}, {"if_exists": 5}),
    "search": (
        [],
        {"metadata": 5},
        {"limit": "ten"},
        {"limit": 1.5},
        {"offset": "x"},
        {"ids": "x"},
        {"values": []},
        {"select": "x"},
        {"extract": []},
    ),
    "count": ([], {"metadata": 5}, {"values": []}, {"status": 5}),
    "prune": ([], {}, {"thread_ids": "x"}, {"thread_ids": [5]}),
    "update": ([], {"metadata": 5}, {"metadata": []}, {"ttl": 5}),
    "update_state": ([], {"values": 5}, {"checkpoint": 5}, {"as_node": 5}),
    "post_state_at_checkpoint": ([], {}, {"checkpoint": 5}, {"checkpoint": None}),
    "post_history": ([], {"limit": "ten"}, {"metadata": 5}, {"before": 5}),
    "run_wait": ([], {}, {"assistant_id": 5}),
    "history": ("x",),
}

#: Stands for a malformed id, which is different each time.
MALFORMED_ID = "not-a-uuid"

OUT_OF_RANGE: dict[str, tuple[dict[str, Any], ...]] = {
    "create": ({"if_exists": "replace"}, {"thread_id": MALFORMED_ID}, {"ttl": {"strategy": "x"}}),
    "search": (
        {"limit": 0},
        {"limit": -1},
        {"limit": 1001},
        {"offset": -1},
        {"status": "asleep"},
        {"sort_by": "colour"},
        {"sort_order": "up"},
        {"select": ["colour"]},
        {"ids": [MALFORMED_ID]},
    ),
    "count": ({"status": "asleep"},),
    "prune": ({"strategy": "some"}, {"thread_ids": [MALFORMED_ID]}),
    "post_history": ({"limit": 0}, {"limit": -1}, {"limit": 1001}),
}

#: More members than an object may have.
TOO_MANY: dict[str, tuple[dict[str, Any], ...]] = {
    "search": ({"extract": {f"alias{number}": "metadata.colour" for number in range(11)}},),
}


def bad_bodies(operation: str) -> list[Any]:
    """Every body here that is JSON and does not fit the schema of the operation."""
    kinds = (WRONG_TYPES, OUT_OF_RANGE, TOO_MANY)
    return [body for kind in kinds for body in kind.get(operation, ())]


def with_own_malformed_ids(ask: ThreadsClient, body: Any) -> Any:
    """The body with ids of the run's own for those that are malformed, so that it may be sent."""
    if not isinstance(body, dict):
        return body
    own = dict(body)
    if body.get("thread_id") == MALFORMED_ID:
        own["thread_id"] = ask.ownership.malformed_id()
    if body.get("thread_ids") == [MALFORMED_ID]:
        own["thread_ids"] = [ask.ownership.malformed_id()]
    for each in (own.get("thread_id"), *(own.get("thread_ids") or ())):
        if isinstance(each, str) and not ask.ownership.may_use(each):
            ask.ownership.absent_id(each)
    return own
