"""Bodies that fit a request schema: done, or refused with a reason; never answered by a 5xx."""

from __future__ import annotations

from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.expect import (
    assert_equal,
    assert_no_server_error,
    assert_no_thread,
    assert_untouched,
)
from conformance.checks.generators.for_all import for_all
from conformance.checks.generators.schema_bodies import valid_bodies
from conformance.checks.generators.schema_keywords import met_keywords, with_own_ids
from conformance.checks.outcomes import requires
from conformance.checks.valid_requests import tags, thread_offering
from conformance.checks.views import id_of
from conformance.deployment.client import ThreadsClient
from conformance.deployment.settings import GraphSettings, Settings


@requires("ERROR-ANY-10")
def test_every_valid_update_of_the_state_is_done_or_refused(
    given: ThreadsApi, client: ThreadsClient, settings: Settings
) -> None:
    thread = thread_offering(given, "update_state")

    def assert_no_5xx(body: dict[str, Any]) -> None:
        sent = with_own_ids(body, client.ownership)
        assert_no_server_error(client.update_state(id_of(thread), sent))

    for update in _updates_a_graph_may_refuse(given.context.graph()):
        assert_no_5xx(update)
    for body in met_keywords("update_state", "state_update", (), settings):
        assert_no_5xx(body)
    bodies = valid_bodies("update_state", "state_update")
    for_all(bodies, assert_no_5xx, settings, "valid updates of a state")


@requires("ERROR-ANY-11")
def test_all_valid_supersteps_are_done_or_refused(
    given: ThreadsApi, client: ThreadsClient, settings: Settings
) -> None:
    graph = given.context.graph()
    thread_offering(given, "create")
    refused_by_the_graph = [
        {"supersteps": [{"updates": [update]}]} for update in _updates_a_graph_may_refuse(graph)
    ]
    valid = met_keywords("create_thread", "thread_create", _JUDGED_ELSEWHERE, settings)
    for body in [*refused_by_the_graph, *valid]:
        metadata = {**tags(given), "graph_id": graph.id}
        sent = {**body, "thread_id": client.ownership.new_id(), "metadata": metadata}
        assert_no_server_error(client.create(sent))


def _updates_a_graph_may_refuse(graph: GraphSettings) -> list[dict[str, Any]]:
    """Return updates that fit the schema, but that a graph may refuse for its channels.

    Their values are a number instead of a list, a list with a number, and a list of values.
    """
    listed = [{**graph.append, "values": [graph.append.get("values") or {}]}]
    return listed + [
        {**graph.append, "values": {key: value}} for key in graph.appending for value in (5, [5])
    ]


@requires("ERROR-ANY-12")
def test_every_valid_pruning_prunes_what_it_names(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, settings: Settings
) -> None:
    kept = thread_offering(given, "prune")

    def prune_and_check(body: dict[str, Any]) -> None:
        # Whether an id without a thread is counted is judged by PRUNE-02.
        named = [id_of(given.empty()) for _ in ("one", "more", *body["thread_ids"])]
        answer = threads.object_of(client.prune({**body, "thread_ids": named}))
        assert_equal(answer.get("pruned_count"), len(named), "pruned_count")
        for each in named:
            assert_no_thread(threads, each)

    # Without `strategy`: keeping the latest state has a requirement of its own.
    bodies = met_keywords("prune_threads", "thread_prune", ("strategy",), settings)

    def prune_all() -> None:
        for body in bodies:
            prune_and_check(body)
            prune_and_check({**body, "strategy": "delete"})

    assert_untouched(given, kept, prune_all)


@requires("ERROR-ANY-13")
def test_every_valid_question_for_a_checkpoint_is_answered_or_refused(
    given: ThreadsApi, client: ThreadsClient, settings: Settings
) -> None:
    thread = thread_offering(given, "post_state_at_checkpoint")
    # The answer for a checkpoint that does not exist has its own requirement.
    for body in met_keywords("post_state_at_checkpoint", "state_checkpoint", (), settings):
        sent = with_own_ids(body, client.ownership)
        assert_no_server_error(client.post_state_at_checkpoint(id_of(thread), sent))


#: Members of a creation that have requirements of their own.
_JUDGED_ELSEWHERE = ("thread_id", "metadata", "if_exists", "ttl")
