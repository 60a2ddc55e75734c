"""Commands in supersteps, and the task results that supersteps leave."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.channels import comparable_values
from conformance.checks.comparable_members import require_some
from conformance.checks.expect import assert_equal, assert_that
from conformance.checks.messages import items_sent_in, node_of_updates, type_and_content
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.views import History, State, items_of_followed_list
from conformance.deployment.settings import GraphSettings, numbered


@pytest.fixture
def given(given: ThreadsApi) -> ThreadsApi:
    """Return the API for prerequisites, which here must make a state from supersteps."""
    given.insists_on_supersteps = True
    return given


@requires("PREPOP-26")
def test_a_superstep_takes_the_update_of_a_command(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    update = numbered(graph.append, 2)
    added = items_sent_in(update, graph)
    if not added:
        raise Blocked("append of the settings appends nothing")
    by_values = given.state(given.prepopulated(more=[update]))
    made = threads.prepopulated(more=[_with_command(graph, update=update["values"])])
    shown, wanted = (
        type_and_content(items_of_followed_list(state, graph))
        for state in (given.state(made), by_values)
    )
    assert_equal(shown, wanted, "the messages, as by values")


@requires("PREPOP-27")
@pytest.mark.parametrize("beside", ["alone", "beside-update"])
@pytest.mark.parametrize("form", [str, list], ids=["text", "list"])
def test_a_superstep_goes_where_its_command_says(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings, form: type, beside: str
) -> None:
    update = numbered(graph.append, 2)
    node = _node_that_is_not_next(graph, given.state(given.prepopulated(more=[update])))
    command: dict[str, Any] = {"goto": node if form is str else [node]}
    if beside == "beside-update":
        command["update"] = update["values"]
    state = given.state(threads.prepopulated(more=[_with_command(graph, **command)]))
    after = state.get("next") or []
    assert_that(node in after, f"next with {node}", after)
    if beside == "beside-update":
        shown = type_and_content(items_of_followed_list(state, graph))
        added = items_sent_in(update, graph)
        assert_equal(shown[len(shown) - len(added) :], added, "the messages of the update")


@requires("PREPOP-30")
@pytest.mark.parametrize("null", ["command", "values"])
def test_a_null_beside_what_is_updated_means_nothing(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings, null: str
) -> None:
    update = numbered(graph.append, 2)
    if null == "values":
        # With a goto, since without one commands are judged by PREPOP-26.
        node = node_of_updates(graph)
        update = _with_command(graph, update=update["values"], goto=node)
    plain = [numbered(each, 1) for each in graph.supersteps] + [{"updates": [update]}]
    nulls = [{"updates": [{null: None, **each} for each in step["updates"]]} for step in plain]
    wanted = given.state(given.prepopulated(plain))
    require_some(items_of_followed_list(wanted, graph), "the state holds nothing that was appended")
    shown = threads.state(threads.prepopulated(nulls))
    # How a state shows a message is judged by others.
    shown_as, wanted_as = (
        [len(items_of_followed_list(state, graph)), state.get("next")] for state in (shown, wanted)
    )
    assert_equal(shown_as, wanted_as, f"the number of messages and what is next, as without {null}")


@requires("PREPOP-28")
def test_the_tasks_of_supersteps_have_results(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    first, *others = [numbered(each, 1) for each in graph.supersteps]
    if not others or any(len(step["updates"]) > 1 for step in others):
        raise Blocked("the supersteps of the settings are not a sequence of single updates")
    updated = given.prepopulated([first])
    for step in others:
        given.update_state(updated, **step["updates"][0])
    wanted = _results(given.history(updated, len(graph.supersteps)))
    if not any(any(results) for results in wanted):
        raise Blocked("state updates leave no results in the tasks of the states before them")
    made = threads.prepopulated([first, *others])
    shown = _results(threads.history(made, len(graph.supersteps)))
    assert_equal(shown, wanted, "the results of the tasks, newest state first")


def _results(history: History) -> list[list[Any]]:
    """Return the results of the tasks of each state."""
    return [
        [
            comparable_values(task["result"], task["result"])
            for task in state.get("tasks") or []
            if isinstance(task, dict) and isinstance(task.get("result"), dict)
        ]
        for state in history
    ]


def _with_command(graph: GraphSettings, **command: Any) -> dict[str, Any]:
    return {"command": command, "as_node": node_of_updates(graph)}


def _node_that_is_not_next(graph: GraphSettings, state: State) -> str:
    """Return a node of the supersteps that is neither the input nor next in a state."""
    updates = [update for step in graph.supersteps for update in step["updates"]]
    for update in (graph.append, *updates):
        node = update.get("as_node")
        if node not in (None, "__input__", "__start__", *(state.get("next") or [])):
            return str(node)
    raise Blocked("the settings name no node but those that are next anyway")
