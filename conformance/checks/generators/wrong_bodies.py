"""Bodies that break the published request schemas, by operation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.generators.schema_keywords import with_own_ids
from conformance.checks.valid_requests import tags

MALFORMED_JSON = (b"{", b'{"metadata": }', b"not json", b"\xff\xfe")

#: Wrong types in the body of a run, on a thread or without one.
RUN_TYPES: tuple[Any, ...] = (
    [],
    {},
    {"assistant_id": 5},
    {"metadata": 5},
    {"config": "x"},
    {"command": 5},
    {"stream_mode": 5},
    {"stream_subgraphs": "perhaps"},
    {"after_seconds": "soon"},
)

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
    "run_wait": (*RUN_TYPES, {"multitask_strategy": 5}, {"interrupt_before": 5}),
    "history": ("x",),
}

#: Placeholder for a malformed id, which `sendable_body` generates for each request.
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
    """Return every JSON body of this module that breaks the schema of the operation."""
    kinds = (WRONG_TYPES, OUT_OF_RANGE, TOO_MANY)
    return [body for kind in kinds for body in kind.get(operation, ())]


def bodies_to_refuse(given: ThreadsApi, operation: str, bodies: Iterable[Any]) -> list[Any]:
    """Return those of the bodies that the deployment must refuse.

    A deployment that assigns thread ids itself need not read the id in a creation. IDENTITY-01
    judges that it does not use the id.
    """
    if operation != "create" or given.client.ownership.ids_are_kept is not False:
        return list(bodies)
    given.context.note(
        "the deployment draws the ids of threads itself: no wrong thread_id was sent"
    )
    return [each for each in bodies if not (isinstance(each, dict) and "thread_id" in each)]


def sendable_body(given: ThreadsApi, operation: str, body: Any) -> Any:
    """Return the body in a form that is safe to send: all ids in it are ids of this run.

    `with_own_ids` replaces the ids. A creation without an id gets one, and its metadata gets the
    tags: if the deployment creates a thread after all, it can be recognised.
    """
    if not isinstance(body, dict):
        return body
    ownership = given.client.ownership
    own = with_own_ids(body, ownership)
    if operation == "create":
        own = {"thread_id": ownership.new_id(), "metadata": {}, **own}
        if isinstance(own["metadata"], dict):
            own["metadata"] = {**tags(given), **own["metadata"]}
    return own
