"""Updating the state of a thread, and forking it."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.channels import (
    append_update,
    channels_before_and_after,
    comparable_values,
    emptied_channels,
    keys_kept_by_last_update,
    predicted_values,
    thread_with_channels,
    values_of,
    what_is_left,
)
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import lasting_members, require_some
from conformance.checks.expect import (
    assert_advances_timestamp,
    assert_equal,
    assert_identical_history,
    assert_is,
    assert_refused,
    assert_that,
    require_identical_history,
)
from conformance.checks.messages import (
    followed_key,
    items_sent_in,
    node_of_updates,
    type_and_content,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.required_states import require_states
from conformance.checks.texts_like_escapes import assert_lookalikes_kept
from conformance.checks.unknown_checkpoints import UNKNOWN_CHECKPOINT
from conformance.checks.views import (
    State,
    Thread,
    checkpoint_id_of,
    checkpoint_named,
    checkpoint_to_send,
    id_of,
    items_of_followed_list,
    parent_id_of,
)
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import GraphSettings, numbered
from conformance.json_differences import same_json


@requires("STATE-UPDATE-01")
def test_an_update_is_answered(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.prepopulated()
    checkpoint = threads.append(made, 2).get("checkpoint", {})
    assert_that(isinstance(checkpoint, dict), "checkpoint: an object", checkpoint)


@requires("STATE-UPDATE-16")
def test_an_update_answers_its_checkpoint(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.prepopulated()
    shown = threads.append(made, 2).get("checkpoint", {})
    if not isinstance(shown, dict):
        raise Blocked("the update answers a checkpoint that is no object", by="STATE-UPDATE-01")
    assert_equal(shown.get("thread_id"), id_of(made), "checkpoint.thread_id")
    named = isinstance(shown.get("checkpoint_id"), str)
    assert_that(named, "checkpoint.checkpoint_id: a text", shown)


@requires("STATE-UPDATE-02")
def test_the_checkpoint_is_the_newest_state(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.prepopulated()
    answered = threads.append(made, 2).get("checkpoint")
    if not isinstance(answered, dict) or not answered.get("checkpoint_id"):
        raise Blocked("the update answers no checkpoint_id", by="STATE-UPDATE-16")
    newest = checkpoint_id_of(given.state(made))
    assert_equal(answered["checkpoint_id"], newest, "checkpoint.checkpoint_id")


@requires("STATE-UPDATE-03")
def test_the_values_are_in_the_state(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    require_some(_messages_of_update(graph, 2), "append of the settings appends nothing")
    made = given.prepopulated()
    before = items_of_followed_list(given.state(made), graph)
    threads.append(made, 2)
    after = items_of_followed_list(given.state(made), graph)
    assert_equal(after[: len(before)], before, "the messages that were there")
    assert_equal(
        type_and_content(after[len(before) :]),
        _messages_of_update(graph, 2),
        "the messages of the update",
    )


@requires("STATE-UPDATE-04")
@pytest.mark.parametrize("of", ["supersteps", "run", "copy"])
def test_an_update_adds_one_checkpoint(given: ThreadsApi, threads: ThreadsApi, of: str) -> None:
    made = given.prepopulated()
    if of == "run":
        given.run(made)
    elif of == "copy":
        made = given.copy(made)
        given.append(made, 1)
    before = given.history(made)
    threads.append(made, 2)
    after = threads.history(made)
    require_some(before, "the history holds no state", "HISTORY-01")
    assert_equal(
        lasting_members(after.states[1:]), lasting_members(before), "the states that were there"
    )
    parent = _parent_of(given, made, after.states[0])
    assert_equal(parent, before.checkpoint_ids()[0], "the parent of the new state")


def _parent_of(given: ThreadsApi, thread: Thread, new: State) -> str | None:
    """Return the parent of a new state; `Blocked` where states never name one.

    A history and a state at a checkpoint need not show the parent, while the documented state does.
    """
    parent = parent_id_of(new) or parent_id_of(given.state(thread))
    if parent is None:
        plain = given.prepopulated()
        if not any(map(parent_id_of, [given.state(plain), *given.page(plain, limit=10)])):
            raise Blocked("no state names its parent", by="STATE-05")
    return parent


@requires("STATE-UPDATE-05")
def test_the_state_tells_of_an_update(given: ThreadsApi) -> None:
    made = given.empty()
    given.run(made)
    given.get_settled(made)
    given.append(made, 2)
    metadata = given.state(made).get("metadata") or {}
    assert_equal(metadata.get("source"), "update", "metadata.source")


@requires("STATE-UPDATE-06")
def test_as_node_decides_what_is_next(given: ThreadsApi, threads: ThreadsApi) -> None:
    base, predicted = _supersteps(given, 1), []
    for step in _single_update_supersteps(given):
        base.append(step)
        predicted.append((step["updates"][0], _next_after(given, base)))
    _require_differences(predicted)
    made = given.prepopulated()
    for update, names in predicted:
        threads.update_state(made, **update)
        _assert_next(given.state(made), names, f"next after {update['as_node']}")


@requires("STATE-UPDATE-06")
def test_as_node_decides_what_is_next_in_a_fork(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.long(5)
    at = {"checkpoint_id": require_states(given.history(made), 3).checkpoint_ids()[2]}
    steps, append = _supersteps(given, 1), given.context.graph().append
    appended = [{"updates": [numbered(append, number)]} for number in range(2, 7 - len(steps))]
    base = [*steps, *appended][:-2]
    predicted = [
        (step["updates"][0], _next_after(given, [*base, step]))
        for step in _single_update_supersteps(given)
    ]
    _require_differences(predicted)
    for update, names in predicted:
        act = partial(threads.update_state, made, **update, checkpoint=at)
        fork, state = _only_new_state(given, made, act), given.state(made)
        if checkpoint_id_of(state) != fork:
            raise Blocked("the state of the thread is not that of the fork", by="STATE-UPDATE-10")
        _assert_next(state, names, f"next after {update['as_node']} in a fork")


def _supersteps(given: ThreadsApi, number: int) -> list[dict[str, Any]]:
    return [numbered(each, number) for each in given.context.graph().supersteps]


def _single_update_supersteps(given: ThreadsApi) -> list[dict[str, Any]]:
    """Return the supersteps that are one update as a node, and so can be sent as state updates."""
    return [
        step
        for step in _supersteps(given, 2)
        if len(step["updates"]) == 1
        and step["updates"][0].get("as_node") not in (None, "__input__")
    ]


def _next_after(given: ThreadsApi, supersteps: list[dict[str, Any]]) -> Any:
    """Return what is next after all these supersteps, since an edge may depend on each of them."""
    return given.state(given.prepopulated(supersteps)).get("next")


def _require_differences(predicted: list[tuple[dict[str, Any], Any]]) -> None:
    """Block the check unless two updates differ in what follows them."""
    if len({str(names) for _, names in predicted}) < 2:
        raise Blocked("no two nodes of the supersteps differ in what follows them")


def _assert_next(state: State, names: Any, what: str) -> None:
    """Assert that these nodes are next, in whichever order."""
    shown = state.get("next")
    if isinstance(shown, list) and isinstance(names, list):
        shown, names = sorted(map(str, shown)), sorted(map(str, names))
    assert_equal(shown, names, what)


@requires("STATE-UPDATE-24")
def test_a_fork_without_as_node_is_as_an_update_of_a_thread_that_ends_there(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    steps = _supersteps(given, 1)
    if len(steps) < 2:
        raise Blocked("the settings have one superstep alone")
    shorter, longer = given.prepopulated(steps[:-1]), given.prepopulated(steps)
    older, ended = require_states(given.history(longer), 2).states[1], given.state(shorter)
    if older.get("next") != ended.get("next"):
        raise Blocked("a superstep makes more states than one", by="PREPOP-09")
    update = {name: each for name, each in numbered(graph.append, 2).items() if name != "as_node"}
    given.update_state(shorter, **update)
    names = given.state(shorter).get("next")
    act = partial(threads.update_state, longer, **update, checkpoint=checkpoint_named(older))
    fork, state = _only_new_state(given, longer, act), given.state(longer)
    if checkpoint_id_of(state) != fork:
        raise Blocked("the state of the thread is not that of the fork", by="STATE-UPDATE-10")
    _assert_next(state, names, "next after an update without as_node in a fork")


@requires("STATE-UPDATE-07")
def test_the_thread_shows_the_new_values(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    made = given.prepopulated()
    threads.append(made, 2)
    assert_equal(*_values_by_get(given, threads, context, made), "values by GET")


@requires("STATE-UPDATE-08")
@pytest.mark.parametrize("position", [1, 3])
def test_an_older_checkpoint_forks(given: ThreadsApi, threads: ThreadsApi, position: int) -> None:
    made = given.long(5)
    older = require_states(given.history(made), position + 1).checkpoint_ids()[position]
    new = _new_states(given, made, lambda: _update_at(threads, made, older))
    assert_that(bool(new), "a new state in the history", "no new state")
    parent = _parent_of(given, made, given.state_at(made, new[0]))
    assert_equal(parent, older, "the parent of the fork")


@requires("STATE-UPDATE-08")
def test_the_checkpoint_of_a_state_forks_as_it_is(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.long(5)
    older = require_states(given.history(made), 3).states[2]
    named = checkpoint_to_send(older)
    new = _new_states(given, made, lambda: threads.append(made, 7, checkpoint=named))
    assert_that(bool(new), "a new state in the history", "no new state")
    parent = _parent_of(given, made, given.state_at(made, new[0]))
    assert_equal(parent, checkpoint_id_of(older), "the parent of the fork")


@requires("STATE-UPDATE-08")
def test_a_copied_checkpoint_forks_the_copy(given: ThreadsApi, threads: ThreadsApi) -> None:
    copy = given.copy(given.long(5))
    given.append(copy, 6)
    # A copy may have the checkpoint ids of its source: the copy must be forked, not the source.
    older = require_states(given.history(copy), 3).checkpoint_ids()[2]
    new = _new_states(given, copy, lambda: _update_at(threads, copy, older))
    assert_that(bool(new), "a new state in the history of the copy", "no new state")


@requires("STATE-UPDATE-25")
def test_a_plain_checkpoint_id_forks(
    given: ThreadsApi, client: ThreadsClient, graph: GraphSettings
) -> None:
    made = given.long(5)
    older = require_states(given.history(made), 3).checkpoint_ids()[2]
    by_checkpoint = _fork(given, given, made, older)
    body = {**numbered(graph.append, 8), "checkpoint_id": older}
    answers: list[Answer] = []
    new = _new_states(given, made, lambda: answers.append(client.update_state(id_of(made), body)))
    if not answers[0].ok:
        assert_refused(answers[0])
        return
    assert_that(bool(new), "a new state in the history, or a refusal by 4xx", "no new state")
    parent = _parent_of(given, made, given.state_at(made, new[0]))
    if parent != older:
        of_fork = _parent_of(given, made, given.state_at(made, by_checkpoint))
        if of_fork != older:
            raise Blocked(f"the parent of a fork at {older} is {of_fork}", by="STATE-UPDATE-08")
    assert_equal(parent, older, "the parent of the new state")


@requires("STATE-UPDATE-09")
def test_a_fork_starts_from_its_checkpoint(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    require_some(_messages_of_update(graph, 7), "append of the settings appends nothing")
    made = given.long(5)
    entry = require_states(given.history(made), 3).states[2]
    older, kept = checkpoint_id_of(entry), items_of_followed_list(entry, graph)
    if items_of_followed_list(given.state_at(made, older), graph) != kept:
        raise Blocked("the state at the checkpoint is not that of the history")
    shown = items_of_followed_list(given.state_at(made, _fork(given, threads, made, older)), graph)
    assert_equal(shown[: len(kept)], kept, "the messages at the checkpoint")
    assert_equal(
        type_and_content(shown[len(kept) :]),
        _messages_of_update(graph, 7),
        "the messages of the update",
    )


@requires("STATE-UPDATE-10")
def test_a_fork_is_the_state_of_the_thread(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.long(5)
    older = require_states(given.history(made), 3).checkpoint_ids()[2]
    fork = _fork(given, threads, made, older)
    assert_equal(checkpoint_id_of(threads.state(made)), fork, "the checkpoint of the state")


@requires("STATE-UPDATE-11")
def test_a_fork_keeps_the_former_branch(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.long(5)
    before = require_states(given.history(made), 3)
    _fork(given, threads, made, before.checkpoint_ids()[2])
    after = {checkpoint_id_of(state): state for state in threads.history(made)}
    there = [after[each] for each in before.checkpoint_ids() if each in after]
    assert_equal(lasting_members(there), lasting_members(before), "the states that were there")


@requires("STATE-UPDATE-11")
def test_a_fork_keeps_each_state_of_the_former_branch(
    given: ThreadsApi, threads: ThreadsApi
) -> None:
    made = given.long(5)
    history = require_states(given.history(made), 3)
    ids = history.checkpoint_ids()
    before = [given.state_at(made, each).get("values") for each in ids]
    if not same_json(before, [state.get("values") for state in history]):
        raise Blocked("the states at checkpoints are not those of the history", by="CHECKPOINT-02")
    _fork(given, threads, made, ids[2])
    after = [threads.state_at(made, each).get("values") for each in ids]
    assert_equal(after, before, "the values at the checkpoints that were there")


@requires("STATE-UPDATE-12")
def test_an_unknown_node_is_refused(
    given: ThreadsApi, client: ThreadsClient, graph: GraphSettings
) -> None:
    made = given.prepopulated()
    given.append(made, 2)
    body = {**numbered(graph.append, 3), "as_node": "no_such_node"}
    assert_refused(client.update_state(id_of(made), body))


@requires("STATE-UPDATE-13")
def test_at_an_unknown_checkpoint_no_other_is_updated(
    given: ThreadsApi, client: ThreadsClient, graph: GraphSettings
) -> None:
    made = given.prepopulated()
    given.append(made, 2)
    there = items_of_followed_list(given.state(made), graph)
    require_some(there, "the state holds nothing that was appended")
    body = {**numbered(graph.append, 3), "checkpoint": {"checkpoint_id": UNKNOWN_CHECKPOINT}}
    answer = client.update_state(id_of(made), body)
    if not answer.ok:
        assert_refused(answer)
        return
    # An update that is accepted must not be applied at another checkpoint.
    after = items_of_followed_list(given.state(made), graph)
    alone = type_and_content(after) == _messages_of_update(graph, 3)
    assert_that(alone, "a refusal by 4xx, or a state of the update alone", after)


@requires("STATE-UPDATE-14")
def test_a_forked_history_copies_identically(given: ThreadsApi, threads: ThreadsApi) -> None:
    # Another thread, since a second copy of one thread is COPY-14.
    plain, made = given.long(5), given.long(5)
    require_identical_history(given.history(given.copy(plain), 5), given.history(plain, 5))
    _fork(given, given, made, require_states(given.history(made), 3).checkpoint_ids()[2])
    given.append(made, 8)
    copy = threads.copy(made)
    assert_identical_history(threads.history(copy, 7), given.history(made, 7))


@requires("STATE-UPDATE-15")
def test_the_thread_shows_the_values_of_a_fork(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    made = given.long(5)
    older = require_states(given.history(made), 3).checkpoint_ids()[2]
    given.append(made, 6)
    shown, expected = _values_by_get(given, threads, context, made)
    if not same_json(shown, expected):
        raise Blocked("GET does not show the values of an update", by="STATE-UPDATE-07")
    _fork(given, given, made, older)
    assert_equal(*_values_by_get(given, threads, context, made), "values by GET")


def _values_by_get(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, thread: Thread
) -> tuple[Any, Any]:
    """Return the values by GET, once equal to the state's or at the deadline, and the state's."""
    if threads.get(thread).get("values") is None:
        raise Blocked("GET shows no values, as in the documented output")
    expected = given.state(thread)["values"]
    require_some([expected], "the state has no values", "STATE-01")
    shown = context.eventually(
        lambda: threads.get(thread).get("values"), lambda values: same_json(values, expected)
    )
    return shown, expected


def _fork(given: ThreadsApi, api: ThreadsApi, thread: Thread, checkpoint_id: str) -> str:
    """Fork at a checkpoint; return the id that is new in the history, whatever the answer says."""
    return _only_new_state(given, thread, lambda: _update_at(api, thread, checkpoint_id))


def _only_new_state(given: ThreadsApi, thread: Thread, act: Callable[[], object]) -> str:
    """Return the one checkpoint id that `act`, a fork, adds to the history; else `Blocked`."""
    new = _new_states(given, thread, act)
    if not new:
        raise Blocked("a fork made no state", by="STATE-UPDATE-08")
    if len(new) > 1:
        raise Blocked(f"a fork made {len(new)} states")
    return new[0]


def _update_at(api: ThreadsApi, thread: Thread, checkpoint_id: str) -> None:
    api.append(thread, 7, checkpoint={"checkpoint_id": checkpoint_id})


def _new_states(given: ThreadsApi, thread: Thread, act: Callable[[], object]) -> list[str]:
    """Return the checkpoint ids that are new in the history after `act`, newest first."""

    def checkpoint_ids() -> list[str]:
        return [checkpoint_id_of(state) for state in given.page(thread, limit=LONGEST_PAGE)]

    before = checkpoint_ids()
    act()
    return [each for each in checkpoint_ids() if each not in before]


def _messages_of_update(graph: GraphSettings, number: int) -> list[dict[str, Any]]:
    return items_sent_in(numbered(graph.append, number), graph)


@requires("STATE-UPDATE-03")
def test_an_update_leaves_the_channels_that_it_does_not_name(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    made = thread_with_channels(given)
    before = given.state(made)["values"]
    threads.append(made, 7)
    _assert_unwritten_kept(before, given.state(made), graph)


@requires("STATE-UPDATE-03")
def test_an_update_writes_every_channel(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    made = thread_with_channels(given)
    states = given.history(made).states
    kept = keys_kept_by_last_update(states, graph)
    update = append_update(
        graph, 7, {key: graph.channels[key] for key in kept if key in graph.channels}
    )
    threads.update_state(made, **update)
    wanted = predicted_values([update], graph, values_of(states[0]))
    shown = comparable_values(given.state(made)["values"], kept)
    assert_equal(shown, comparable_values(wanted, kept), "the values")
    if emptied := emptied_channels(graph, kept):
        threads.update_state(made, **append_update(graph, 8, emptied))
        left = what_is_left(given.state(made), emptied)
        assert_is(left, {}, "what is left in the channels that were emptied")


@requires("STATE-UPDATE-09")
def test_a_fork_has_every_channel_of_its_checkpoint(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    made = thread_with_channels(given)
    entry = require_states(given.history(made), 2).states[1]
    older, before = checkpoint_id_of(entry), values_of(entry)
    if values_of(given.state_at(made, older)) != before:
        raise Blocked("the state at the checkpoint is not that of the history", by="CHECKPOINT-02")
    fork = _fork(given, threads, made, older)
    _assert_unwritten_kept(before, given.state_at(made, fork), graph)


def _assert_unwritten_kept(before: dict[str, Any], state: State, graph: GraphSettings) -> None:
    """Assert that what the settings' `append` update does not write is as it was."""
    had, shown = channels_before_and_after(before, values_of(state), graph)
    written = (graph.append.get("values") or {}).keys() - {followed_key(graph)}
    left = [key for key in had if key not in written]
    assert_equal(
        {key: shown.get(key) for key in left},
        {key: had[key] for key in left},
        "what the update does not write",
    )


@requires("STATE-UPDATE-17")
def test_a_state_update_moves_updated_at(given: ThreadsApi) -> None:
    made = given.prepopulated()
    numbers = count(2)
    assert_advances_timestamp(
        given, lambda: given.get(made), lambda: given.append(made, next(numbers))
    )


@requires("STATE-UPDATE-18")
def test_texts_that_look_like_escapes_are_kept(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    made = given.with_state()

    def update(api: ThreadsApi, values: dict[str, Any]) -> Any:
        api.update_state(made, **{**graph.append, "values": values})
        return given.state(made)["values"]

    assert_lookalikes_kept(given, threads, update, graph.append.get("values") or {})


@requires("STATE-UPDATE-19")
@pytest.mark.parametrize(
    "values", [{"values": None}, {}, {"values": {}}], ids=["null", "left-out", "empty"]
)
def test_an_update_without_values_adds_a_state(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings, values: dict[str, Any]
) -> None:
    made = given.prepopulated()
    before = given.state(made)["values"]
    require_some([before], "the state shows no values", "STATE-01")
    node = node_of_updates(graph)
    new = _new_states(given, made, lambda: threads.update_state(made, as_node=node, **values))
    assert_equal(len(new), 1, "the number of new states in the history")
    assert_equal(given.state(made)["values"], before, "the values")


@requires("STATE-UPDATE-20")
def test_an_update_takes_a_list_of_values(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    updates = [numbered(graph.append, number) for number in (2, 3)]
    sent = [*_messages_of_update(graph, 2), *_messages_of_update(graph, 3)]
    require_some(sent, "append of the settings appends nothing")
    made = given.with_state()
    before = items_of_followed_list(given.state(made), graph)
    listed = [update["values"] for update in updates]
    threads.update_state(made, **{**updates[0], "values": listed})
    after = items_of_followed_list(given.state(made), graph)
    assert_equal(after[: len(before)], before, "the messages that were there")
    assert_equal(type_and_content(after[len(before) :]), sent, "the messages of the update")
