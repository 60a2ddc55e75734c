"""Reading the newest state of a thread."""

from contextlib import suppress
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.channels import (
    expected_values,
    keys_as_predicted,
    shown_values,
    thread_with_channels,
    thread_with_channels_by_supersteps,
    values_of,
)
from conformance.checks.comparable_members import holds_no_data, require_some, shown_by_both
from conformance.checks.expect import (
    assert_equal,
    assert_is,
    assert_refused,
    assert_that,
    parse_timestamp,
)
from conformance.checks.messages import items_sent, type_and_content
from conformance.checks.offered_operations import require_operation, try_with_history
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.required_states import require_states
from conformance.checks.runs import Runs
from conformance.checks.views import (
    State,
    Thread,
    id_of,
    is_integer,
    items_of_followed_list,
    messages_of,
)
from conformance.contract.schemas import schema_members
from conformance.deployment.client import ThreadsClient
from conformance.deployment.settings import GraphSettings, numbered
from conformance.json_differences import same_json

#: Where a state names its checkpoint and its parent: in an object, and at its top.
_CHECKPOINTS = {"checkpoint": "checkpoint_id", "parent_checkpoint": "parent_checkpoint_id"}


@requires("STATE-01", offers="state")
def test_values_hold_the_state(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    steps = [numbered(each, 1) for each in graph.supersteps]
    require_some(items_sent(steps, graph), "the supersteps of the settings append nothing")
    for made in (steps, steps[:-1]):
        state = threads.state(given.prepopulated(made))
        sent = items_sent(made, graph)
        assert_equal(
            type_and_content(items_of_followed_list(state, graph)),
            sent,
            "the messages in the values",
        )


@requires("STATE-02")
def test_next_is_a_list_of_names(given: ThreadsApi, threads: ThreadsApi) -> None:
    for thread in _threads_with_states(given):
        shown = threads.state(thread).get("next")
        names = isinstance(shown, list) and all(isinstance(each, str) for each in shown)
        assert_that(names, "next: a list of texts", repr(shown))


@requires("STATE-03")
def test_tasks_are_a_list(given: ThreadsApi, threads: ThreadsApi) -> None:
    for thread in _threads_with_states(given):
        tasks = threads.state(thread).get("tasks")
        assert_that(isinstance(tasks, list), "tasks: a list", repr(tasks))
        for task in tasks or []:
            named = isinstance(task, dict) and all(
                isinstance(task.get(member), str) for member in ("id", "name")
            )
            assert_that(named, "a task with id and name", repr(task))


@requires("STATE-04")
@pytest.mark.parametrize("member", ["checkpoint_id", "thread_id", "checkpoint_ns"])
def test_checkpoint_names_the_checkpoint(
    given: ThreadsApi, threads: ThreadsApi, member: str
) -> None:
    _assert_names(threads, given.prepopulated(), "checkpoint", member)


@requires("STATE-05")
@pytest.mark.parametrize("member", ["checkpoint_id", "thread_id", "checkpoint_ns"])
def test_parent_checkpoint_names_the_one_before(
    given: ThreadsApi, threads: ThreadsApi, member: str
) -> None:
    made = given.long(2)
    _assert_names(threads, made, "parent_checkpoint", member)
    if member == "checkpoint_id":
        before = require_states(given.history(made), 2).checkpoint_ids()[1]
        shown = threads.state(made)["parent_checkpoint"]["checkpoint_id"]
        assert_equal(shown, before, "parent_checkpoint.checkpoint_id")


@requires("STATE-06")
def test_checkpoint_id_agrees(given: ThreadsApi, threads: ThreadsApi) -> None:
    _assert_agrees(threads.state(given.prepopulated()), "checkpoint")


@requires("STATE-07")
def test_parent_checkpoint_id_agrees(given: ThreadsApi, threads: ThreadsApi) -> None:
    _assert_agrees(threads.state(given.long(2)), "parent_checkpoint")


@requires("STATE-08")
def test_created_at_has_an_offset(given: ThreadsApi, threads: ThreadsApi) -> None:
    parse_timestamp(threads.state(given.prepopulated()).get("created_at"), "created_at")


@requires("STATE-09")
@pytest.mark.parametrize(("member", "kind"), [("source", str), ("step", int), ("parents", dict)])
def test_metadata_tells_source_step_and_parents(
    given: ThreadsApi, threads: ThreadsApi, member: str, kind: type
) -> None:
    metadata = threads.state(given.prepopulated()).get("metadata")
    shown = metadata.get(member) if isinstance(metadata, dict) else None
    right = is_integer(shown) if kind is int else isinstance(shown, kind)
    assert_that(right, f"metadata.{member} of type {kind.__name__}", repr(shown))


@requires("STATE-10")
def test_the_state_is_the_newest_of_the_history(given: ThreadsApi, threads: ThreadsApi) -> None:
    for made in _threads_with_states(given):
        state, newest = threads.state(made), require_states(given.history(made)).states[0]
        assert_equal(*shown_by_both(state, newest), "the state of the thread")


@requires("STATE-18")
@pytest.mark.parametrize("stopped", ["failing", "interrupter"])
def test_the_history_shows_why_a_run_stopped(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, stopped: str
) -> None:
    made = given.empty()
    given_runs.run_to_end(made, stopped)
    given.get_settled(made)
    state = given.state(made)
    require_some(
        _errors_and_interrupts(state), "the state shows neither errors nor interrupts of tasks"
    )
    for page in (threads.page(made, limit=1), threads.post_page(made, limit=1)):
        require_some(page, "an empty page")
        if not isinstance(page[0].get("tasks"), list):
            raise Blocked("the history shows no tasks")
        assert_equal(
            _errors_and_interrupts(page[0]),
            _errors_and_interrupts(state),
            "the errors and interrupts of tasks",
        )


def _errors_and_interrupts(state: State) -> list[dict[str, Any]]:
    """Return the error and the interrupts of each task of a state that shows any of them."""
    tasks = [task for task in state.get("tasks") or [] if isinstance(task, dict)]
    shown = [{name: task.get(name) or None for name in ("error", "interrupts")} for task in tasks]
    return [each for each in shown if any(each.values())]


@requires("STATE-19")
def test_a_task_that_failed_shows_its_error(given: ThreadsApi, given_runs: Runs) -> None:
    made = given.empty()
    given_runs.run_to_end(made, "failing")
    given.get_settled(made)
    tasks = given.state(made).get("tasks")
    if not isinstance(tasks, list):
        raise Blocked("the state shows no list of tasks", by="STATE-03")
    errors = [task.get("error") for task in tasks if isinstance(task, dict)]
    has_error = any(isinstance(error, str) and error for error in errors)
    assert_that(has_error, "a task with an error: a text", tasks)


@requires("STATE-11")
def test_an_unknown_thread_is_refused(given: ThreadsApi, client: ThreadsClient) -> None:
    require_operation(given, given.state)
    assert_refused(client.state(client.ownership.absent_id()))


@requires("STATE-12")
def test_a_malformed_id_is_refused(given: ThreadsApi, client: ThreadsClient) -> None:
    require_operation(given, given.state)
    assert_refused(client.state(client.ownership.malformed_id()))


@requires("STATE-13")
@pytest.mark.parametrize("member", ["thread_id", "checkpoint_id", "graph_id", "writes"])
def test_application_members_of_the_metadata(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings, member: str
) -> None:
    steps = [numbered(each, 1) for each in graph.supersteps]
    metadata = threads.state(given.prepopulated(steps)).get("metadata") or {}
    assert_that(member in metadata, f"metadata.{member}", f"only {', '.join(sorted(metadata))}")


@requires("STATE-14")
def test_the_state_of_a_fresh_thread_is_empty(given: ThreadsApi, threads: ThreadsApi) -> None:
    try_with_history(given, given.state)
    state = threads.state(given.empty())
    values = state.get("values")
    # A channel of a graph may have a default, which the state of each new thread holds.
    is_empty = holds_no_data(values) or (
        isinstance(values, dict)
        and not items_of_followed_list(state, given.context.settings.graph)
        and same_json(values, given.state(given.empty()).get("values"))
    )
    assert_that(is_empty, "values that hold nothing but defaults", state)
    assert_equal(state.get("next"), [], "next")


@requires("STATE-15")
@pytest.mark.parametrize("member", ["type", "content", "id"])
def test_messages_have_type_content_and_id(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings, member: str
) -> None:
    messages = messages_of(threads.state(given.prepopulated()), graph)
    assert_that(bool(messages), "messages in the values", "none")
    for message in messages + messages_of(threads.state(_unfinished_thread(given)), graph):
        has = isinstance(message, dict) and member in message
        if has and member == "id":
            has = isinstance(message["id"], str)
        assert_that(has, f"a message with {member}", repr(message))


@requires("STATE-16")
def test_source_is_a_known_one(given: ThreadsApi, threads: ThreadsApi) -> None:
    thread = given.prepopulated()
    given.run(thread)
    states = threads.history(thread)
    require_some(states, "the history holds no state", "HISTORY-01")
    for state in states:
        source = (state.get("metadata") or {}).get("source")
        known = source in ("input", "loop", "update", "fork")
        assert_that(known, "metadata.source input, loop, update or fork", repr(source))


@requires("STATE-17")
def test_only_selected_members_are_shown(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.prepopulated()
    whole = given.state(made)
    members = ["values", "next"]
    shown = _select(given, threads, made, *members)
    assert_equal(shown, {name: whole.get(name) for name in members}, f"the state with {members}")


@requires("STATE-17")
def test_one_value_is_selected(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = thread_with_channels(given)
    values = given.state(made)["values"]
    require_some([values], "the state has no values", "STATE-01")
    for name, value in values.items():
        shown = _select(given, threads, made, f"values.{name}")
        assert_equal(shown, {"values": {name: value}}, f"the state with values.{name} alone")


def _select(given: ThreadsApi, threads: ThreadsApi, thread: Thread, *members: str) -> State:
    """Return the state with these members; `Blocked` if the undeclared parameter is refused."""
    answer = given.client.state(id_of(thread), select=[*members])
    if 400 <= answer.status < 500:
        raise Blocked("select is refused: the published document does not declare it")
    shown = threads.object_of(answer, thread)
    # A server may add members: only published ones can be selected.
    return {name: shown[name] for name in shown if name in schema_members("thread_state")}


def _threads_with_states(given: ThreadsApi) -> list[Thread]:
    """Return a thread with states and, if it can be made, one whose graph has a next node."""
    made = [given.prepopulated()]
    with suppress(Blocked):
        made.append(_unfinished_thread(given))
    return made


def _unfinished_thread(given: ThreadsApi) -> Thread:
    """Return a thread prepopulated with all supersteps but the last: its graph has a next node."""
    return given.prepopulated([numbered(each, 1) for each in given.context.graph().supersteps[:-1]])


def _assert_names(threads: ThreadsApi, thread: Thread, where: str, member: str) -> None:
    shown: Any = threads.state(thread).get(where)
    value = shown.get(member) if isinstance(shown, dict) else None
    expected: dict[str, Any] = {"thread_id": id_of(thread), "checkpoint_ns": ""}
    if member in expected:
        assert_is(value, expected[member], f"{where}.{member}")
    else:
        named = isinstance(value, str) and bool(value)
        assert_that(named, f"{where}.{member}: a text", repr(shown))


def _assert_agrees(state: State, where: str) -> None:
    nested = state.get(where)
    expected = nested.get("checkpoint_id") if isinstance(nested, dict) else None
    assert_that(isinstance(expected, str), f"{where} with checkpoint_id", repr(nested))
    assert_equal(state.get(_CHECKPOINTS[where]), expected, _CHECKPOINTS[where])


@requires("STATE-01")
def test_values_hold_every_channel(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    made, steps = thread_with_channels_by_supersteps(given)
    kept = keys_as_predicted(values_of(made), expected_values(steps, graph))
    assert_equal(
        shown_values(threads.state(made), graph, kept),
        expected_values(steps, graph, kept),
        "the values",
    )
