"""Reading the state at a checkpoint."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.channels import thread_with_channels
from conformance.checks.comparable_members import (
    assert_refused_or_empty,
    parent_ids,
    require_some,
    shown_by_both,
)
from conformance.checks.expect import assert_equal, assert_refused
from conformance.checks.outcomes import Blocked, Unsupported, requires
from conformance.checks.required_states import done_after_a_look, require_states
from conformance.checks.unknown_checkpoints import UNKNOWN_CHECKPOINT
from conformance.checks.views import Thread, checkpoint_id_of, id_of
from conformance.deployment.client import ThreadsClient
from conformance.json_differences import same_json


@pytest.fixture
def thread(given: ThreadsApi) -> Thread:
    """Create a thread with a history by supersteps and, where that is offered, an update."""
    made = given.prepopulated()
    with suppress(Unsupported):
        given.append(made, 2)
    return made


@requires("CHECKPOINT-01", offers="state_at_checkpoint")
def test_the_state_at_a_checkpoint_can_be_read(
    given: ThreadsApi, threads: ThreadsApi, thread: Thread
) -> None:
    ids = require_states(given.history(thread)).checkpoint_ids()
    # Twice, since a deployment could answer a state the first time only.
    for checkpoint_id in ids * 2:
        threads.state_at(thread, checkpoint_id)


@pytest.mark.parametrize(
    "member",
    [
        pytest.param("values", marks=requires("CHECKPOINT-02")),
        pytest.param("next", marks=requires("CHECKPOINT-03")),
        pytest.param("tasks", marks=requires("CHECKPOINT-04")),
        pytest.param("metadata", marks=requires("CHECKPOINT-05")),
        pytest.param("created_at", marks=requires("CHECKPOINT-06")),
    ],
)
def test_it_equals_the_entry_of_the_history(given: ThreadsApi, thread: Thread, member: str) -> None:
    history = given.history(thread)
    require_some((each.get(member) for each in history), f"no state of the history has {member}")
    for entry in history:
        state = given.state_at(thread, checkpoint_id_of(entry))
        if member in entry:
            shown, wanted = shown_by_both({member: None, **state}, entry)
            assert_equal(shown[member], wanted[member], member)


@requires("CHECKPOINT-14")
def test_its_tasks_are_those_of_the_history_once_they_are_done(given: ThreadsApi) -> None:
    # A state that was read before its tasks were done must not be answered from memory.
    shown, wanted = _tasks_once_they_are_done(given, given.state_at)
    if not same_json(shown, wanted) and not same_json(*_tasks_once_they_are_done(given)):
        raise Blocked("the tasks also differ where nothing was read before", by="CHECKPOINT-04")
    assert_equal(shown, wanted, "tasks")


def _tasks_once_they_are_done(
    given: ThreadsApi, look: Callable[[Thread, str], object] | None = None
) -> tuple[Any, Any]:
    """Return the tasks of a state at its checkpoint and in the history, after they were done.

    `look` reads the state before that.
    """
    made, checkpoint_id = done_after_a_look(given, look)
    entries = [each for each in given.history(made) if checkpoint_id_of(each) == checkpoint_id]
    require_some([each.get("tasks") for each in entries], "the history shows no tasks of the state")
    state = given.state_at(made, checkpoint_id)
    shown, wanted = shown_by_both({"tasks": None, **state}, entries[0])
    return shown["tasks"], wanted["tasks"]


@requires("CHECKPOINT-07")
def test_its_parent_is_that_of_the_history(given: ThreadsApi, thread: Thread) -> None:
    history = given.history(thread)
    require_some(map(parent_ids, history), "no state of the history names its parent")
    for entry in history:
        state = given.state_at(thread, checkpoint_id_of(entry))
        shown, wanted = sorted(parent_ids(state)), sorted(parent_ids(entry))
        assert_equal(shown, wanted, "the parent's checkpoint id")


@requires("CHECKPOINT-08")
def test_it_is_the_checkpoint_asked_for(given: ThreadsApi, thread: Thread) -> None:
    ids = given.history(thread).checkpoint_ids()
    require_some(ids, "the history holds no state", "HISTORY-01")
    for checkpoint_id in ids:
        state = given.state_at(thread, checkpoint_id)
        checkpoint: Any = state.get("checkpoint")
        named = checkpoint if isinstance(checkpoint, dict) else {}
        shown = [named.get("checkpoint_id"), named.get("thread_id")]
        assert_equal(shown, [checkpoint_id, id_of(thread)], "checkpoint")
        # The documents print no output of this operation: the id at the top is optional.
        at_top = state.get("checkpoint_id") or checkpoint_id
        assert_equal(at_top, checkpoint_id, "checkpoint_id")


@requires("CHECKPOINT-09")
def test_an_unknown_checkpoint_is_no_other(
    given: ThreadsApi, client: ThreadsClient, thread: Thread
) -> None:
    _readable_checkpoint_id(given, thread)
    answer = client.state_at_checkpoint(id_of(thread), UNKNOWN_CHECKPOINT)
    assert_refused_or_empty(answer, given.initial_values)


@requires("CHECKPOINT-10")
def test_an_unknown_thread_is_refused(
    given: ThreadsApi, client: ThreadsClient, thread: Thread
) -> None:
    checkpoint_id = _readable_checkpoint_id(given, thread)
    assert_refused(client.state_at_checkpoint(client.ownership.absent_id(), checkpoint_id))


@requires("CHECKPOINT-11")
def test_a_malformed_thread_id_is_refused(
    given: ThreadsApi, client: ThreadsClient, thread: Thread
) -> None:
    checkpoint_id = _readable_checkpoint_id(given, thread)
    malformed = client.ownership.malformed_id()
    assert_refused(client.state_at_checkpoint(malformed, checkpoint_id))


@requires("CHECKPOINT-12")
def test_a_malformed_checkpoint_id_is_refused(
    given: ThreadsApi, client: ThreadsClient, thread: Thread
) -> None:
    _readable_checkpoint_id(given, thread)
    assert_refused(client.state_at_checkpoint(id_of(thread), "not-a-uuid"))


def _readable_checkpoint_id(given: ThreadsApi, thread: Thread) -> str:
    """Return the id of a checkpoint that can be read."""
    checkpoint_id = require_states(given.history(thread)).checkpoint_ids()[0]
    given.state_at(thread, checkpoint_id)
    return checkpoint_id


@requires("CHECKPOINT-02")
def test_it_has_every_channel_of_the_history(given: ThreadsApi) -> None:
    made = thread_with_channels(given)
    history = given.history(made)
    require_some((each.get("values") for each in history), "no state of the history has values")
    for entry in history:
        state = given.state_at(made, checkpoint_id_of(entry))
        assert_equal(state.get("values"), entry.get("values"), "values")
