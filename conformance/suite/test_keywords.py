"""Every keyword of the request schemas: a body that breaks one is refused, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.expect import (
    assert_untouched,
    require_refused,
)
from conformance.checks.generators.schema_keywords import BrokenKeyword, broken_keywords
from conformance.checks.generators.wrong_bodies import sendable_body
from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported, requires
from conformance.checks.refused_creations import RefusedCreations
from conformance.checks.valid_requests import (
    REQUESTS,
    newest_checkpoint_id,
    require_offered,
    thread_offering,
    thread_with_state,
)
from conformance.checks.views import Thread, id_of
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import Settings
from conformance.safe_text import excerpt


@dataclass(frozen=True)
class Bodied:
    """An operation of our OpenAPI document, its request schema, and a valid body with many members.

    `beyond` are the members of that body that not every deployment accepts.
    """

    operation_id: str
    schema: str
    valid_body: Callable[[ThreadsApi, Thread], dict[str, Any]]
    beyond: tuple[str, ...] = ()


def _prepopulation(given: ThreadsApi, thread: Thread) -> dict[str, Any]:
    """Return the body of a prepopulation."""
    graph = given.context.graph()
    right = REQUESTS["create"].valid_body(given, thread)
    right["metadata"]["graph_id"] = graph.id
    return {**right, "supersteps": list(graph.supersteps)}


def _checkpoint(given: ThreadsApi, thread: Thread) -> dict[str, Any]:
    return {
        "thread_id": id_of(thread),
        "checkpoint_ns": "",
        "checkpoint_id": newest_checkpoint_id(given, thread),
        "checkpoint_map": {},
    }


_ID = "thread_id"

BODIED = {
    "create": Bodied("create_thread", "thread_create", _prepopulation, ("supersteps",)),
    "search": Bodied("search_threads", "thread_search", REQUESTS["search"].valid_body),
    "count": Bodied("count_threads", "thread_count", REQUESTS["count"].valid_body),
    "prune": Bodied("prune_threads", "thread_prune", REQUESTS["prune"].valid_body),
    "update": Bodied("update_thread", "thread_patch", REQUESTS["update"].valid_body),
    "update_state": Bodied(
        "update_state",
        "state_update",
        lambda given, thread: {
            **REQUESTS["update_state"].valid_body(given, thread),
            "checkpoint": _checkpoint(given, thread),
        },
        ("checkpoint",),
    ),
    "post_state_at_checkpoint": Bodied(
        "post_state_at_checkpoint",
        "state_checkpoint",
        lambda given, thread: {"checkpoint": _checkpoint(given, thread)},
    ),
    "post_history": Bodied(
        "post_history",
        "history_search",
        lambda given, thread: {"limit": 1, "before": _checkpoint(given, thread)},
        ("before",),
    ),
}


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param("create", marks=requires("ERROR-ANY-01")),
        pytest.param("search", marks=requires("ERROR-ANY-02")),
        pytest.param("post_history", marks=requires("ERROR-ANY-03")),
        pytest.param("update", marks=requires("ERROR-ANY-04")),
        pytest.param("count", marks=requires("ERROR-ANY-06")),
        pytest.param("prune", marks=requires("ERROR-ANY-07")),
        pytest.param("update_state", marks=requires("ERROR-ANY-08")),
        pytest.param("post_state_at_checkpoint", marks=requires("ERROR-ANY-09")),
    ],
)
def test_whatever_breaks_a_keyword_is_refused(
    given: ThreadsApi, client: ThreadsClient, settings: Settings, operation: str
) -> None:
    thread = _thread_offering(given, operation)
    accepted = {}
    for broken in _broken_bodies(given, thread, settings, operation):
        answer = _send(client, thread, operation, broken.body)
        if not 400 <= answer.status < 500:
            accepted[broken.keyword] = f"{answer.status} to {json.dumps(broken.body)}"
    if accepted:
        raise PromiseBroken(
            "a refusal by 4xx of every body that breaks a keyword of the schema",
            excerpt("; ".join(accepted.values())),
            tuple(f"{keyword}: {excerpt(answered)}" for keyword, answered in accepted.items()),
        )


@requires("ERROR-SAFE-06")
def test_an_update_of_the_state_that_breaks_a_keyword_changes_nothing(
    given: ThreadsApi, client: ThreadsClient, settings: Settings
) -> None:
    thread = _thread_offering(given, "update_state")
    bodies = _broken_bodies(given, thread, settings, "update_state")
    assert_untouched(
        given, thread, lambda: _require_all_refused(client, thread, "update_state", bodies)
    )


@requires("ERROR-SAFE-07")
def test_a_creation_that_breaks_a_keyword_creates_nothing(
    given: ThreadsApi, client: ThreadsClient, settings: Settings
) -> None:
    thread = _thread_offering(given, "create")
    creations = RefusedCreations(given, client)
    # If the id itself is wrong, there is no id by which to look for a thread.
    for broken in _broken_bodies(given, thread, settings, "create"):
        if "/thread_id" not in broken.keyword and isinstance(broken.body, dict):
            creations.send(broken.body)
    creations.assert_none_made()


@requires("ERROR-SAFE-08")
def test_a_pruning_that_breaks_a_keyword_removes_nothing(
    given: ThreadsApi, client: ThreadsClient, settings: Settings
) -> None:
    thread = _thread_offering(given, "prune")
    bodies = [
        BrokenKeyword(each.keyword, _with_thread_id(thread, each.body))
        for each in _broken_bodies(given, thread, settings, "prune")
    ]
    assert_untouched(given, thread, lambda: _require_all_refused(client, thread, "prune", bodies))


def _with_thread_id(thread: Thread, body: Any) -> Any:
    """Return the body, with the thread first among the `thread_ids` that it names."""
    if not isinstance(body, dict) or not isinstance(named := body.get("thread_ids"), list):
        return body
    return {**body, "thread_ids": [id_of(thread), *named]}


def _thread_offering(given: ThreadsApi, operation: str) -> Thread:
    """Return a thread on which the operation succeeds.

    For post_history the thread has a state if possible, since the body names a checkpoint.
    """
    if operation != "post_history":
        return thread_offering(given, operation)
    try:
        thread = thread_with_state(given)
    except (Blocked, Unsupported):
        return thread_offering(given, operation)
    require_offered(given, thread, operation)
    return thread


def _require_all_refused(
    client: ThreadsClient, thread: Thread, operation: str, bodies: list[BrokenKeyword]
) -> None:
    """Send all bodies; `Blocked` if one is not refused, which another check judges."""
    for broken in bodies:
        require_refused(_send(client, thread, operation, broken.body))


def _broken_bodies(
    given: ThreadsApi, thread: Thread, settings: Settings, operation: str
) -> list[BrokenKeyword]:
    bodied = BODIED[operation]
    rich = _accepted_rich_body(given, thread, operation)
    right = rich or REQUESTS[operation].valid_body(given, thread)
    apart = set() if rich else set(bodied.beyond)
    if operation == "create" and given.client.ownership.ids_are_kept is False:
        apart.add(_ID)
    if apart:
        given.context.note(f"left as they are, since a right one does nothing: {', '.join(apart)}")

    def fresh_body() -> dict[str, Any]:
        # A creation under an id in use would be refused for that reason.
        fresh = {_ID: given.client.ownership.new_id()} if operation == "create" else {}
        return {**right, **fresh}

    listed = broken_keywords(bodied.operation_id, bodied.schema, fresh_body, settings)
    return [
        BrokenKeyword(each.keyword, sendable_body(given, operation, each.body))
        for each in listed
        if not any(each.keyword.startswith(f"/properties/{name}") for name in apart)
    ]


def _accepted_rich_body(given: ThreadsApi, thread: Thread, operation: str) -> dict[str, Any] | None:
    """Return the body with many members if it is accepted, or None if refused or ignored.

    A member that is refused or ignored when it is valid proves nothing when it is invalid: its
    effect is judged by requirements of its own.
    """
    rich_body = BODIED[operation].valid_body
    try:
        body = rich_body(given, thread)
        if operation == "update_state":
            # It forks: on some deployments GET does not show the values of a fork, and a check that
            # compares what GET shows would wait for them.
            another = _thread_offering(given, operation)
            answer = _send(given.client, another, operation, rich_body(given, another))
        else:
            answer = _send(given.client, thread, operation, body)
        if operation == "create" and not (answer.ok and answer.body.get("values")):
            newest_checkpoint_id(given, given.object_of(answer))
    except (Blocked, Unsupported):
        return None
    return body if answer.ok else None


def _send(client: ThreadsClient, thread: Thread, operation: str, body: Any) -> Answer:
    return REQUESTS[operation].send(client, id_of(thread), body)
