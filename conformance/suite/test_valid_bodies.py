"""Whatever fits a request schema is done or refused with a reason, never a 5xx."""

from __future__ import annotations

from typing import Any

from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import Settings
from conformance.suite.asking import Asker
from conformance.suite.expect import (
    assert_equal,
    assert_no_server_error,
    assert_no_thread,
    assert_says_why,
    assert_untouched,
    assert_valid,
)
from conformance.suite.generated import for_all, valid_bodies
from conformance.suite.generated_keywords import met_keywords, with_own_ids
from conformance.suite.outcomes import requires
from conformance.suite.right_requests import offered, tags
from conformance.suite.shown import id_of


@requires("ERROR-ANY-10")
def test_every_valid_update_of_the_state_is_done_or_refused(
    given: Asker, ask: ThreadsClient, settings: Settings
) -> None:
    thread = given.prepopulated()
    offered(given, thread, "update_state")

    def done_or_refused(body: dict[str, Any]) -> None:
        answer = ask.update_state(id_of(thread), with_own_ids(body, ask.ownership))
        _assert_done_or_refused(answer, "state_update_response")

    for body in met_keywords("update_state", "state_update", (), settings):
        done_or_refused(body)
    for_all(valid_bodies("update_state", "state_update"), done_or_refused, settings)


@requires("ERROR-ANY-11")
def test_all_valid_supersteps_are_done_or_refused(
    given: Asker, ask: ThreadsClient, settings: Settings
) -> None:
    graph_id = given.case.graph().id
    offered(given, given.prepopulated(), "create")

    def done_or_refused(body: dict[str, Any]) -> None:
        answer = ask.create(
            {
                **body,
                "thread_id": ask.ownership.new_id(),
                "metadata": {**tags(given), "graph_id": graph_id},
            }
        )
        # What a thread without a checkpoint shows in values is a question of its own.
        _assert_done_or_refused(answer, "thread", "values")

    for body in met_keywords("create_thread", "thread_create", _OTHERS, settings):
        done_or_refused(body)


@requires("ERROR-ANY-12")
def test_every_valid_pruning_prunes_what_it_names(
    given: Asker, threads: Asker, ask: ThreadsClient, settings: Settings
) -> None:
    kept = given.empty()
    offered(given, kept, "prune")

    def pruned(body: dict[str, Any]) -> None:
        named = [id_of(given.empty()), id_of(given.empty())]
        absent = [ask.ownership.absent_id() for _ in body["thread_ids"]]
        sent = {**body, "thread_ids": [*named, *absent]}
        answer = threads.granted(ask.prune(sent))
        assert_valid("prune_response", answer.body)
        assert_equal(answer.body["pruned_count"], len(named), "pruned_count")
        for each in named:
            assert_no_thread(threads, each)

    # Some deployments cannot keep the latest state: that is a requirement of its own.
    bodies = met_keywords("prune_threads", "thread_prune", ("strategy",), settings)

    def prune_all() -> None:
        for body in bodies:
            pruned(body)
            pruned({**body, "strategy": "delete"})

    assert_untouched(given, kept, prune_all)


@requires("ERROR-ANY-13")
def test_every_valid_question_for_a_checkpoint_is_answered_or_refused(
    given: Asker, ask: ThreadsClient, settings: Settings
) -> None:
    thread = given.prepopulated()
    offered(given, thread, "post_state_at_checkpoint")

    def answered_or_refused(body: dict[str, Any]) -> None:
        sent = with_own_ids(body, ask.ownership)
        answer = ask.post_state_at_checkpoint(id_of(thread), sent)
        # Which state is answered for a checkpoint that is not there has its own requirement.
        assert_no_server_error(answer)
        if not answer.ok:
            assert_says_why(answer)

    for body in met_keywords("post_state_at_checkpoint", "state_checkpoint", (), settings):
        answered_or_refused(body)


#: Members of a creation that have requirements of their own.
_OTHERS = ("thread_id", "metadata", "if_exists", "ttl")


def _assert_done_or_refused(answer: Answer, schema: str, *aside: str) -> None:
    """A 2xx with what the schema says, `aside` left out, or a 4xx that says why."""
    assert_no_server_error(answer)
    if not answer.ok:
        assert_says_why(answer)
        return
    body = answer.body
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in aside}
    assert_valid(schema, body)
