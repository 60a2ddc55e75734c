"""Graphs with subgraphs."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import masked_state, require_some
from conformance.checks.events import Event, events_of_the_graph, events_or_blocked
from conformance.checks.expect import (
    assert_equal,
    assert_identical_history,
    assert_that,
    assert_untouched,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import Runs, message_contents
from conformance.checks.shown_interrupts import id_of_the_interrupt
from conformance.checks.views import (
    State,
    Thread,
    checkpoint_id_of,
    id_of,
    without_null_members,
)
from conformance.deployment.client import ThreadsClient


@pytest.fixture
def interrupted(given: ThreadsApi, given_runs: Runs) -> Thread:
    """Create a thread whose subgraph was interrupted and waits for an answer."""
    thread = given.empty()
    given_runs.run_to_end(thread, "nested", "question")
    return thread


@requires("NESTED-01")
def test_the_interrupt_reaches_the_thread(threads: ThreadsApi, interrupted: Thread) -> None:
    # `interrupts` is optional, as published, and may be shown a little after the run.
    shown = threads.context.eventually(
        lambda: threads.get(interrupted).get("interrupts"),
        lambda shown: shown is None or bool(shown),
    )
    assert_that(shown is None or bool(shown), "interrupts on the thread", shown)
    asking = [task for task in _tasks(threads.state(interrupted)) if task.get("interrupts")]
    assert_equal(len(asking), 1, "the number of tasks that asked")


@requires("NESTED-02")
def test_the_state_may_include_the_subgraph(threads: ThreadsApi, interrupted: Thread) -> None:
    state = threads.state(interrupted, subgraphs="true")
    _assert_includes_the_subgraph(state, ["question"])


def _assert_includes_the_subgraph(state: State, said: list[Any]) -> None:
    """Assert that a state includes that of the subgraph, which waits with the messages `said`."""
    inner = _subgraph_state(state)
    assert_that(isinstance(inner, dict), "the state of the subgraph in its task", inner)
    assert_equal(message_contents(inner), said, "the messages in the subgraph")
    waits_at = inner.get("next")
    assert_that(bool(waits_at), "a next node in the subgraph", waits_at)
    # The published schema of a state does not require tasks.
    if "tasks" in inner:
        asking = [task.get("name") for task in _tasks(inner) if task.get("interrupts")]
        assert_equal(waits_at, asking, "next in the subgraph")


@requires("CHECKPOINT-13")
def test_the_state_at_a_checkpoint_may_include_the_subgraph(
    given: ThreadsApi, threads: ThreadsApi, interrupted: Thread
) -> None:
    newest = _newest_state(given, interrupted)
    state = threads.state_at(interrupted, checkpoint_id_of(newest), subgraphs="true")
    _require_tasks(state)
    _assert_includes_the_subgraph(state, message_contents(newest))


@requires("CHECKPOINT-POST-04")
def test_the_state_posted_for_may_include_the_subgraph(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, interrupted: Thread
) -> None:
    newest = _newest_state(given, interrupted)
    checkpoint = {"checkpoint_id": checkpoint_id_of(newest), "checkpoint_ns": ""}
    body = {"checkpoint": checkpoint, "subgraphs": True}
    answer = client.post_state_at_checkpoint(id_of(interrupted), body)
    state = threads.object_of(answer, interrupted)
    _require_tasks(state)
    _assert_includes_the_subgraph(state, message_contents(newest))


def _require_tasks(state: State) -> None:
    if "tasks" not in state:
        raise Blocked("the state at a checkpoint shows no tasks, which are no required member")


def _newest_state(given: ThreadsApi, thread: Thread) -> State:
    """Return the newest state of a waiting thread; `Blocked` if it shows no interrupt."""
    state = given.state(thread)
    if not any(task.get("interrupts") for task in _tasks(state)):
        raise Blocked("no task of the thread's state shows an interrupt", by="NESTED-01")
    return state


@requires("NESTED-03")
def test_the_subgraph_is_left_out_unless_asked_for(
    threads: ThreadsApi, interrupted: Thread
) -> None:
    tasks = _tasks(threads.state(interrupted))
    assert_that(bool(tasks) and not any(task.get("state") for task in tasks), "no state", tasks)


@requires("NESTED-04")
def test_a_subgraph_has_a_state_of_its_own(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, interrupted: Thread
) -> None:
    expected = _require_subgraph_state(given, interrupted)
    answer = client.post_state_at_checkpoint(
        id_of(interrupted), {"checkpoint": _subgraph_checkpoint(given, interrupted)}
    )
    shown = threads.object_of(answer, interrupted)
    parts = ("values", "next")
    assert_equal(
        {name: shown.get(name) for name in parts},
        {name: expected.get(name) for name in parts},
        "the state of the subgraph",
    )


@requires("NESTED-05")
def test_a_subgraph_has_a_history_of_its_own(
    given: ThreadsApi, threads: ThreadsApi, interrupted: Thread
) -> None:
    expected = _require_subgraph_state(given, interrupted)
    page = threads.post_page(
        interrupted, checkpoint=_subgraph_checkpoint(given, interrupted), limit=1000
    )
    newest = [state.get("next") for state in page[:1]]
    assert_equal(newest, [expected.get("next")], "next in the newest state of the subgraph")
    outer = set(given.history(interrupted).checkpoint_ids())
    ids = [checkpoint_id_of(state) for state in page]
    assert_that(not outer.intersection(ids), "no state of the graph around it", ids)


@requires("NESTED-06")
def test_the_answer_reaches_the_subgraph(
    given: ThreadsApi, runs: Runs, interrupted: Thread
) -> None:
    runs.resume(interrupted, "nested", "by all means")
    _assert_answered(given.state(interrupted), "by all means")


@requires("NESTED-07")
def test_a_copy_has_the_identical_history(
    given: ThreadsApi, threads: ThreadsApi, interrupted: Thread
) -> None:
    copy = threads.copy(interrupted)
    assert_identical_history(threads.history(copy), given.history(interrupted))


@requires("NESTED-08")
def test_a_copy_has_the_state_of_the_subgraph(
    given: ThreadsApi, threads: ThreadsApi, interrupted: Thread
) -> None:
    source = given.state(interrupted, subgraphs="true")
    _require_subgraph_state(given, interrupted)
    copy = given.copy(interrupted)
    shown = masked_state(threads.state(copy, subgraphs="true"), id_of(copy), id_of(interrupted))
    assert_equal(shown, masked_state(source, id_of(interrupted)), "the state of the copy")


@requires("NESTED-09")
def test_a_copy_resumes_its_own_subgraph(
    given: ThreadsApi, threads: ThreadsApi, runs: Runs, interrupted: Thread
) -> None:
    copy = given.copy(interrupted)
    assert_untouched(threads, interrupted, lambda: runs.resume(copy, "nested", "the copy's own"))
    _assert_answered(given.state(copy), "the copy's own")


@requires("NESTED-11")
def test_an_interrupt_is_answered_by_its_id(
    given: ThreadsApi, runs: Runs, interrupted: Thread
) -> None:
    asked = id_of_the_interrupt(given.state(interrupted))
    runs.resume(interrupted, "nested", {asked: "by its id"})
    state = given.state(interrupted)
    _assert_answered(state, "by its id")
    last = str(message_contents(state)[-1])
    assert_that(asked not in last, "the answer without the id of the interrupt", last)


@requires("NESTED-12")
def test_a_subgraph_is_resumed_at_the_newest_checkpoint(
    given: ThreadsApi, runs: Runs, interrupted: Thread
) -> None:
    newest_id = checkpoint_id_of(_newest_state(given, interrupted))
    newest = {"checkpoint_id": newest_id, "checkpoint_ns": ""}
    body = runs.without_input("nested", command={"resume": "by all means"}, checkpoint=newest)
    runs.run_by("wait", interrupted, body)
    _assert_answered(given.state(interrupted), "by all means")


@requires("NESTED-13")
def test_a_finished_subgraph_keeps_its_history(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, interrupted: Thread
) -> None:
    checkpoint = _subgraph_checkpoint(given, interrupted)
    before = _subgraph_ids(given, interrupted, checkpoint)
    given_runs.resume(interrupted, "nested", "by all means")
    end = given.state(interrupted)
    last = message_contents(end)[-1:]
    if end.get("next") != [] or len(message_contents(end)) < 2:
        raise Blocked("the thread does not go on to its end", by="NESTED-06")
    page = threads.post_page(interrupted, checkpoint=checkpoint, limit=1000)
    ids = [checkpoint_id_of(state) for state in page]
    assert_that(before <= set(ids), f"the states {sorted(before)}, which were there before", ids)
    said = [message_contents(state)[-1:] for state in page]
    assert_that(last in said, f"a state with {last} last, as in that of the thread", said)
    # Another visit of the subgraph leaves what the first one did.
    given_runs.run_to_end(interrupted, "nested", "another question")
    second = _subgraph_checkpoint(given, interrupted)
    after = threads.post_page(interrupted, checkpoint=checkpoint, limit=1000)
    later = {checkpoint_id_of(state) for state in after}
    assert_that(set(ids) <= later, f"the states {sorted(ids)} after another visit", sorted(later))
    # A subgraph that remembers its visits has one namespace for all of them.
    if second.get("checkpoint_ns") != checkpoint.get("checkpoint_ns"):
        of_second = _subgraph_ids(given, interrupted, second)
        assert_that(not of_second & later, "other states than of the second visit", sorted(later))


@requires("NESTED-14")
def test_parents_are_in_the_subgraph(
    given: ThreadsApi, threads: ThreadsApi, interrupted: Thread
) -> None:
    checkpoint = _subgraph_checkpoint(given, interrupted)
    _subgraph_ids(given, interrupted, checkpoint)
    page = threads.post_page(interrupted, checkpoint=checkpoint, limit=1000)
    parents = [state.get("parent_checkpoint") for state in page]
    shown = [
        parent["checkpoint_ns"]
        for parent in parents
        if isinstance(parent, dict) and isinstance(parent.get("checkpoint_ns"), str)
    ]
    require_some([shown], "no state of the subgraph names the namespace of its parent")
    expected = [checkpoint.get("checkpoint_ns")] * len(shown)
    assert_equal(shown, expected, "checkpoint_ns of the parents")


@requires("NESTED-15")
def test_each_state_of_a_subgraph_can_be_read(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, interrupted: Thread
) -> None:
    checkpoint = _subgraph_checkpoint(given, interrupted)
    page = given.post_page(interrupted, checkpoint=checkpoint, limit=1000)
    if len(page) < 2:
        raise Blocked("the history of the subgraph holds fewer than two states", by="NESTED-05")
    newest = client.post_state_at_checkpoint(id_of(interrupted), {"checkpoint": checkpoint})
    given.ensure_success(newest, interrupted)
    for entry in page:
        body = {"checkpoint": {**checkpoint, "checkpoint_id": checkpoint_id_of(entry)}}
        answer = client.post_state_at_checkpoint(id_of(interrupted), body)
        state = threads.object_of(answer, interrupted)
        for name in ("values", "next"):
            if name in entry:
                assert_equal(state.get(name), entry[name], name)


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
        # The node of the subgraph has an output only once its interrupt is answered.
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
    return [event.name for event in events_of_the_graph(events)]


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
    return without_null_members(checkpoint)


def _subgraph_ids(given: ThreadsApi, thread: Thread, checkpoint: dict[str, Any]) -> set[str]:
    """Return the checkpoint ids in the history of a subgraph; `Blocked` if there are none."""
    page = given.post_page(thread, checkpoint=checkpoint, limit=1000)
    require_some(page, "the history of the subgraph holds no state", "NESTED-05")
    return {checkpoint_id_of(state) for state in page}


def _assert_answered(state: State, answer: str) -> None:
    said = message_contents(state)
    assert_that(bool(said) and answer in str(said[-1]), f"a message with {answer!r} last", said)
