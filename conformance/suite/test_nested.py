"""Graphs with subgraphs."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable import require_some
from conformance.checks.events import OF_THE_STREAM, Event, events_or_blocked
from conformance.checks.expect import (
    assert_equal,
    assert_identical_history,
    assert_that,
    assert_untouched,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import Runs, message_contents
from conformance.checks.views import State, Thread, checkpoint_id_of, id_of, mask_copied
from conformance.deployment.client import ThreadsClient
from conformance.model.history import mask_thread_id


@pytest.fixture
def waiting(given: ThreadsApi, given_runs: Runs) -> Thread:
    """Create a thread whose subgraph was interrupted and waits for an answer."""
    thread = given.empty()
    given_runs.run_to_end(thread, "nested", "question")
    return thread


@requires("NESTED-01")
def test_the_interrupt_reaches_the_thread(threads: ThreadsApi, waiting: Thread) -> None:
    shown = threads.get(waiting).get("interrupts")
    # An optional member, as published.
    assert_that(shown is None or bool(shown), "interrupts on the thread", shown)
    asking = [task for task in _tasks(threads.state(waiting)) if task.get("interrupts")]
    assert_equal(len(asking), 1, "the number of tasks that asked")


@requires("NESTED-02")
def test_the_state_may_include_the_subgraph(threads: ThreadsApi, waiting: Thread) -> None:
    inner = _subgraph_state(threads.state(waiting, subgraphs="true"))
    assert_that(isinstance(inner, dict), "the state of the subgraph in its task", inner)
    assert_equal(message_contents(inner), ["question"], "the messages in the subgraph")
    asking = [task for task in _tasks(inner) if task.get("interrupts")]
    assert_equal(inner.get("next"), [task.get("name") for task in asking], "next in the subgraph")


@requires("NESTED-03")
def test_the_subgraph_is_left_out_unless_asked_for(threads: ThreadsApi, waiting: Thread) -> None:
    tasks = _tasks(threads.state(waiting))
    assert_that(bool(tasks) and not any(task.get("state") for task in tasks), "no state", tasks)


@requires("NESTED-04")
def test_a_subgraph_has_a_state_of_its_own(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, waiting: Thread
) -> None:
    expected = _require_subgraph_state(given, waiting)
    answer = client.post_state_at_checkpoint(
        id_of(waiting), {"checkpoint": _subgraph_checkpoint(given, waiting)}
    )
    shown = threads.object_of(answer, waiting)
    parts = ("values", "next")
    assert_equal(
        {name: shown.get(name) for name in parts},
        {name: expected.get(name) for name in parts},
        "the state of the subgraph",
    )


@requires("NESTED-05")
def test_a_subgraph_has_a_history_of_its_own(
    given: ThreadsApi, threads: ThreadsApi, waiting: Thread
) -> None:
    expected = _require_subgraph_state(given, waiting)
    page = threads.post_page(waiting, checkpoint=_subgraph_checkpoint(given, waiting), limit=1000)
    newest = [state.get("next") for state in page[:1]]
    assert_equal(newest, [expected.get("next")], "next in the newest state of the subgraph")
    outer = set(given.history(waiting).checkpoint_ids())
    ids = [checkpoint_id_of(state) for state in page]
    assert_that(not outer.intersection(ids), "no state of the graph around it", ids)


@requires("NESTED-06")
def test_the_answer_reaches_the_subgraph(given: ThreadsApi, runs: Runs, waiting: Thread) -> None:
    runs.resume(waiting, "nested", "by all means")
    _assert_answered(given.state(waiting), "by all means")


@requires("NESTED-07")
def test_a_copy_has_the_identical_history(
    given: ThreadsApi, threads: ThreadsApi, waiting: Thread
) -> None:
    copy = threads.copy(waiting)
    assert_identical_history(threads.history(copy), given.history(waiting))


@requires("NESTED-08")
def test_a_copy_has_the_state_of_the_subgraph(
    given: ThreadsApi, threads: ThreadsApi, waiting: Thread
) -> None:
    source = given.state(waiting, subgraphs="true")
    _require_subgraph_state(given, waiting)
    copy = given.copy(waiting)
    shown = mask_copied(threads.state(copy, subgraphs="true"), id_of(copy), id_of(waiting))
    assert_equal(shown, mask_thread_id(source, id_of(waiting)), "the state of the copy")


@requires("NESTED-09")
def test_a_copy_resumes_its_own_subgraph(
    given: ThreadsApi, threads: ThreadsApi, runs: Runs, waiting: Thread
) -> None:
    copy = given.copy(waiting)
    assert_untouched(threads, waiting, lambda: runs.resume(copy, "nested", "the copy's own"))
    _assert_answered(given.state(copy), "the copy's own")


@requires("NESTED-10")
def test_subgraphs_are_streamed_on_demand(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    without = _graph_event_names(runs.events(given.empty(), "nested", stream_mode=["values"]))
    require_some(without, "a stream without events of the graph")
    within = _graph_event_names(
        runs.events(given.empty(), "nested", stream_mode=["values"], stream_subgraphs=True)
    )
    # No source says how an event names its subgraph.
    more = len(within) > len(without)
    assert_that(more, f"more than the events {without}, which come without it", within)


@requires("NESTED-10")
def test_a_stream_of_updates_may_include_the_subgraph(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    names = []
    for included in (False, True):
        thread = given.empty()
        given_runs.run_to_end(thread, "nested", "question")
        # Once it is answered, the node of the subgraph has an output.
        body = given_runs.without_input(
            "nested",
            command={"resume": "yes"},
            stream_mode=["updates"],
            stream_subgraphs=included,
        )
        answer = client.run_stream(id_of(thread), body)
        (threads if included else given).ensure_success(answer, thread)
        said = message_contents(given.state(thread))
        if not said or "yes" not in str(said[-1]):
            raise Blocked(f"the answer did not reach the subgraph: {said}", by="NESTED-06")
        names.append(_graph_event_names(events_or_blocked(answer.text)))
    without, within = names
    assert_that(
        len(within) > len(without),
        f"more than the events {without}, which come without stream_subgraphs",
        within,
    )


def _graph_event_names(events: list[Event]) -> list[str]:
    """Return the names of the events that are about the graph."""
    return [event.name for event in events if event.name not in OF_THE_STREAM]


def _tasks(state: State | None) -> list[Any]:
    return [task for task in (state or {}).get("tasks") or [] if isinstance(task, dict)]


def _subgraph_state(state: State) -> Any:
    """Return the state of the subgraph that the only task of a state shows."""
    tasks = _tasks(state)
    return tasks[0].get("state") if tasks else None


def _require_subgraph_state(given: ThreadsApi, thread: Thread) -> State:
    inner = _subgraph_state(given.state(thread, subgraphs="true"))
    if not isinstance(inner, dict):
        raise Blocked("the state does not include that of its subgraph", by="NESTED-02")
    return inner


def _subgraph_checkpoint(given: ThreadsApi, thread: Thread) -> dict[str, Any]:
    """Return the checkpoint of the subgraph, as the task of the thread's state names it."""
    tasks = _tasks(given.state(thread))
    checkpoint = tasks[0].get("checkpoint") if tasks else None
    if not isinstance(checkpoint, dict):
        raise Blocked(f"the task of the subgraph names no checkpoint: {tasks}")
    return checkpoint


def _assert_answered(state: State, answer: str) -> None:
    said = message_contents(state)
    assert_that(bool(said) and answer in str(said[-1]), f"a message with {answer!r} last", said)
