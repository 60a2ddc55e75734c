"""Reading the state at a checkpoint by POST."""

from functools import partial
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import (
    assert_refused_or_empty,
    parent_ids,
    require_some,
    shown_by_both,
)
from conformance.checks.expect import assert_equal, assert_is
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.required_states import done_after_a_look
from conformance.checks.unknown_checkpoints import UNKNOWN_CHECKPOINT
from conformance.checks.views import State, Thread, checkpoint_id_of, id_of
from conformance.deployment.client import ThreadsClient
from conformance.json_differences import same_json

_PARENTS = {"parent_checkpoint", "parent_checkpoint_id"}


@requires("CHECKPOINT-POST-01")
@pytest.mark.parametrize("member", ["values", "next", "tasks", "metadata", "created_at", "parent"])
def test_post_agrees_with_get(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, member: str
) -> None:
    made = given.prepopulated()
    compared: list[Any] = []
    for checkpoint_id in given.history(made).checkpoint_ids():
        by_get = given.state_at(made, checkpoint_id)
        by_post = _post(threads, client, made, checkpoint_id)
        if member == "parent":
            # A state may name its parent in `parent_checkpoint`, at the top, or in both.
            shown, wanted = (sorted(parent_ids(each)) for each in (by_post, by_get))
            assert_equal(shown, wanted, "the parent's checkpoint id")
            for name in _PARENTS & by_post.keys() & by_get.keys():
                assert_equal(by_post[name], by_get[name], name)
        else:
            # A member that only one of the two states has is a difference as well.
            views = shown_by_both({member: None, **by_post}, {member: None, **by_get})
            wanted = views[1][member]
            assert_equal(views[0][member], wanted, member)
        compared.append(wanted)
    require_some(compared, f"no state by GET has {member}")


@requires("CHECKPOINT-POST-05")
def test_post_agrees_with_get_once_the_tasks_are_done(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient
) -> None:
    # A state that was read before its tasks were done must not be answered from memory.
    looked_at = done_after_a_look(given, partial(_post, given, client))
    shown, wanted = _tasks_by_post_and_get(given, threads, client, *looked_at)
    if not same_json(shown, wanted):
        unseen = done_after_a_look(given)
        if not same_json(*_tasks_by_post_and_get(given, given, client, *unseen)):
            raise Blocked(
                "the tasks also differ where nothing was read before", by="CHECKPOINT-POST-01"
            )
    assert_equal(shown, wanted, "tasks")


def _tasks_by_post_and_get(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, made: Thread, checkpoint_id: str
) -> tuple[Any, Any]:
    by_get = given.state_at(made, checkpoint_id)
    require_some([by_get.get("tasks")], "no state by GET has tasks")
    by_post = _post(threads, client, made, checkpoint_id)
    shown, wanted = shown_by_both({"tasks": None, **by_post}, by_get)
    return shown["tasks"], wanted["tasks"]


@requires("CHECKPOINT-POST-02")
def test_an_unknown_checkpoint_is_no_other(given: ThreadsApi, client: ThreadsClient) -> None:
    made = given.prepopulated()
    _post(given, client, made, checkpoint_id_of(given.state(made)))
    body = {"checkpoint": {"checkpoint_id": UNKNOWN_CHECKPOINT, "checkpoint_ns": ""}}
    assert_refused_or_empty(
        client.post_state_at_checkpoint(id_of(made), body), given.initial_values
    )


@requires("CHECKPOINT-POST-03")
def test_it_is_the_checkpoint_asked_for(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient
) -> None:
    made = given.prepopulated()
    ids = given.history(made).checkpoint_ids()
    require_some(ids, "the history holds no state", "HISTORY-01")
    for checkpoint_id in ids:
        checkpoint = _post(threads, client, made, checkpoint_id).get("checkpoint") or {}
        shown = {name: checkpoint.get(name) for name in ("checkpoint_id", "thread_id")}
        expected = {"checkpoint_id": checkpoint_id, "thread_id": id_of(made)}
        assert_is(shown, expected, "the checkpoint")


def _post(api: ThreadsApi, client: ThreadsClient, thread: Thread, checkpoint_id: str) -> State:
    body = {"checkpoint": {"checkpoint_id": checkpoint_id, "checkpoint_ns": ""}}
    answer: Any = api.ensure_success(
        client.post_state_at_checkpoint(id_of(thread), body), thread
    ).body
    return answer if isinstance(answer, dict) else {}
