"""Creating a thread under a given id."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.expect import (
    assert_equal,
    assert_is,
    assert_that,
    assert_untouched,
    kept_metadata,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.shown_ttl import MINUTES, require_ttl, shown_ttl
from conformance.checks.views import Thread, id_of
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import numbered
from conformance.safe_text import excerpt

_WITH_SUPERSTEPS = pytest.mark.parametrize("supersteps", [False, True], ids=["plain", "supersteps"])


@requires("IDENTITY-01")
@pytest.mark.parametrize("version", ["4", "1", "7"])
def test_a_given_id_is_used(threads: ThreadsApi, version: str) -> None:
    chosen = threads.client.ownership.new_id_of_version(version)
    assert_equal(threads.empty(thread_id=chosen)["thread_id"], chosen, "thread_id")


@requires("IDENTITY-02")
@pytest.mark.parametrize("if_exists", [None, "raise"])
def test_a_second_creation_conflicts(
    given: ThreadsApi, client: ThreadsClient, if_exists: str | None
) -> None:
    made = given.empty(thread_id=given.generate_id())
    answer = _create_again(given, client, made, if_exists)
    assert_that(answer.status == 409, "409", f"{answer.status} {answer.text}")


@requires("IDENTITY-03")
@_WITH_SUPERSTEPS
def test_a_conflict_changes_nothing(
    given: ThreadsApi, client: ThreadsClient, supersteps: bool
) -> None:
    made = given.fullest(thread_id=given.generate_id())

    def create_again() -> None:
        answer = _create_again(given, client, made, "raise", supersteps)
        if not 400 <= answer.status < 500:
            raise Blocked(f"not refused: {answer.status} {excerpt(answer.text)}", by="IDENTITY-02")

    assert_untouched(given, made, create_again)


@requires("IDENTITY-04")
@_WITH_SUPERSTEPS
def test_do_nothing_answers_the_existing_thread(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, supersteps: bool
) -> None:
    made = given.fullest(thread_id=given.generate_id(), metadata={"first": True})
    sent = {**given.client.tag, **given.context.tag, "first": True}
    if kept_metadata(given.get(made), sent) != sent:
        raise Blocked("GET does not show the metadata of the creation", by="CREATE-11")
    answer = threads.ensure_success(_create_again(given, client, made, "do_nothing", supersteps))
    shown = answer.body if isinstance(answer.body, dict) else {}
    assert_equal(shown.get("thread_id"), id_of(made), "thread_id")
    assert_equal(kept_metadata(shown, {**sent, "second": True}), sent, "the metadata sent first")


@requires("IDENTITY-05")
def test_do_nothing_leaves_the_existing_thread(given: ThreadsApi, client: ThreadsClient) -> None:
    made = given.empty(thread_id=given.generate_id(), metadata={"first": True})
    given.ensure_success(_create_again(given, client, made, "do_nothing"))
    sent = {**given.client.tag, **given.context.tag, "first": True}
    assert_equal(
        kept_metadata(given.get(made), {**sent, "second": True}), sent, "the metadata sent"
    )


@requires("IDENTITY-06")
@pytest.mark.parametrize("existing", ["empty", "prepopulated"])
def test_do_nothing_applies_no_supersteps(
    given: ThreadsApi, client: ThreadsClient, existing: str
) -> None:
    graph = given.context.graph()
    chosen = given.generate_id()
    made = (
        given.empty(thread_id=chosen, metadata={"graph_id": graph.id})
        if existing == "empty"
        else given.fullest(thread_id=chosen)
    )
    assert_untouched(
        given,
        made,
        lambda: given.ensure_success(_create_again(given, client, made, "do_nothing", True)),
        ("state", "history"),
    )


@requires("IDENTITY-08")
@pytest.mark.parametrize("existing", [{}, {"ttl": {"ttl": MINUTES}}], ids=["without", "with-ttl"])
def test_do_nothing_leaves_the_time_to_live(
    given: ThreadsApi, client: ThreadsClient, existing: dict[str, Any]
) -> None:
    require_ttl(given, given.empty(ttl={"ttl": MINUTES}))
    made = given.empty(thread_id=given.generate_id(), **existing)
    before = shown_ttl(given, made)
    other = {"ttl": 2 * MINUTES, "strategy": "keep_latest"}
    given.ensure_success(_create_again(given, client, made, "do_nothing", ttl=other))
    assert_is(shown_ttl(given, made), before, "the ttl")


@requires("IDENTITY-07")
def test_do_nothing_creates_what_is_not_there(given: ThreadsApi, threads: ThreadsApi) -> None:
    # A creation must succeed first, so that a 404 means something.
    given.empty()
    chosen = given.generate_id()
    made = threads.empty(thread_id=chosen, if_exists="do_nothing", metadata={"first": "yes"})
    sent = {**given.client.tag, **given.context.tag, "first": "yes"}
    assert_equal(kept_metadata(threads.get(made), sent), sent, "the metadata sent")


def _create_again(
    given: ThreadsApi,
    client: ThreadsClient,
    made: Thread,
    if_exists: str | None,
    supersteps: bool = False,
    **more: Any,
) -> Answer:
    """Create a thread once more under the id of `made`, with other metadata."""
    graph = given.context.settings.graph
    body: dict[str, Any] = {
        "thread_id": id_of(made),
        "metadata": {**client.tag, **given.context.tag, "second": True},
        **more,
    }
    if if_exists:
        body["if_exists"] = if_exists
    if supersteps:
        body["metadata"]["graph_id"] = graph.id
        body["supersteps"] = [numbered(each, 9) for each in graph.supersteps]
    return client.create(body)
