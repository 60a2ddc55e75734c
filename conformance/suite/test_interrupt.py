"""Graphs that stop and wait: by their own interrupt, or before or after a node."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable import require_some
from conformance.checks.context import CheckContext
from conformance.checks.expect import (
    assert_equal,
    assert_identical_history,
    assert_that,
    assert_untouched,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import Runs, message_contents
from conformance.checks.views import State, Thread, id_of
from conformance.deployment.client import ThreadsClient


@pytest.fixture
def waiting(given: ThreadsApi, given_runs: Runs) -> Thread:
    """Create a thread whose graph was interrupted and waits for an answer."""
    thread = given.empty()
    given_runs.run_to_end(thread, "interrupter", "question")
    return thread


@requires("INTERRUPT-01")
def test_a_thread_shows_its_interrupts(threads: ThreadsApi, waiting: Thread) -> None:
    shown = _require_interrupts(threads, waiting)
    asked = [each for under in _interrupts_by_key(shown).values() for each in under]
    assert_that(
        bool(asked) and all("value" in each for each in asked), "interrupts with their value", shown
    )


@requires("INTERRUPT-02")
def test_a_task_shows_its_interrupts(threads: ThreadsApi, waiting: Thread) -> None:
    state = threads.state(waiting)
    asking = [task for task in state.get("tasks") or [] if task.get("interrupts")]
    assert_that(len(asking) == 1, "one task that asked", state.get("tasks"))
    asked = _interrupts_in(state)
    assert_that(bool(asked) and "value" in asked[0], "the value asked", asking[0])
    assert_equal(state.get("next"), [asking[0].get("name")], "next")


@requires("INTERRUPT-03")
def test_a_state_shows_its_interrupts(threads: ThreadsApi, waiting: Thread) -> None:
    state = threads.state(waiting)
    if state.get("interrupts") is None:
        raise Blocked("the state shows no interrupts beside those of its tasks")
    assert_equal(state["interrupts"], _interrupts_in(state), "the interrupts of the state")


@requires("INTERRUPT-04")
def test_interrupts_are_told_by_task(
    given: ThreadsApi, threads: ThreadsApi, waiting: Thread
) -> None:
    by_task = {
        str(task.get("id")): _as_list(task["interrupts"])
        for task in given.state(waiting).get("tasks") or []
        if task.get("interrupts")
    }
    require_some([by_task], "no task of the state shows an interrupt")
    shown = _interrupts_by_key(_require_interrupts(threads, waiting))
    asked = {name: under for name, under in shown.items() if under}
    # Published of an interrupt is its value; of others those are compared that both show.
    both = {name: _members_of_both(asked.get(name, []), under) for name, under in by_task.items()}
    assert_equal(
        {name: both[name][0] if name in both else under for name, under in asked.items()},
        {name: under for name, (_, under) in both.items()},
        "the interrupts",
    )


@requires("INTERRUPT-05")
@pytest.mark.parametrize("answer", ["by all means", {"sure": ["as", 1]}], ids=["text", "object"])
def test_the_answer_reaches_the_node(
    given: ThreadsApi, runs: Runs, waiting: Thread, answer: object
) -> None:
    runs.resume(waiting, "interrupter", answer)
    _assert_answered(given.state(waiting), answer)


@requires("INTERRUPT-15")
def test_an_interrupt_is_answered_by_its_id(given: ThreadsApi, runs: Runs, waiting: Thread) -> None:
    asked = [each.get("id") for each in _interrupts_in(given.state(waiting))]
    if len(asked) != 1 or not isinstance(asked[0], str):
        raise Blocked(f"the tasks of the state show no one interrupt with an id: {asked}")
    runs.resume(waiting, "interrupter", {asked[0]: "by its id"})
    state = given.state(waiting)
    _assert_answered(state, "by its id")
    told = str(message_contents(state)[-1])
    assert_that(asked[0] not in told, "the answer without the id of the interrupt", told)


@requires("INTERRUPT-06")
def test_an_answered_interrupt_is_gone(
    threads: ThreadsApi, given_runs: Runs, waiting: Thread, context: CheckContext
) -> None:
    given_runs.resume(waiting, "interrupter", "yes")
    shown = context.eventually(
        lambda: _interrupts_by_key(threads.get(waiting).get("interrupts")),
        lambda interrupts: not any(interrupts.values()),
    )
    assert_that(not any(shown.values()), "no interrupts on the thread", shown)
    state = threads.state(waiting)
    assert_equal(_interrupts_in(state), [], "the interrupts of the tasks")
    assert_equal(state.get("next"), [], "next")


@requires("INTERRUPT-07")
def test_resuming_may_update_the_state(given: ThreadsApi, runs: Runs, waiting: Thread) -> None:
    update = {"messages": [{"type": "human", "content": "and note this"}]}
    runs.resume(waiting, "interrupter", "yes", update=update)
    said = message_contents(given.state(waiting))
    assert_that("and note this" in said, "the message of the update", said)


@requires("INTERRUPT-08")
def test_a_copy_has_the_identical_history(
    given: ThreadsApi, threads: ThreadsApi, waiting: Thread
) -> None:
    copy = threads.copy(waiting)
    assert_identical_history(threads.history(copy), given.history(waiting))


@requires("INTERRUPT-09")
def test_a_copy_is_interrupted(given: ThreadsApi, threads: ThreadsApi, waiting: Thread) -> None:
    copy = given.copy(waiting)
    assert_equal(threads.get(copy).get("status"), "interrupted", "status")


@requires("INTERRUPT-10")
def test_a_copy_shows_the_interrupts(
    given: ThreadsApi, threads: ThreadsApi, waiting: Thread
) -> None:
    expected = given.get(waiting).get("interrupts")
    require_some([expected], "the source shows no interrupts")
    copy = given.copy(waiting)
    assert_equal(threads.get(copy).get("interrupts"), expected, "the interrupts of the copy")


@requires("INTERRUPT-11")
def test_a_copy_resumes_on_its_own(given: ThreadsApi, runs: Runs, waiting: Thread) -> None:
    copy = given.copy(waiting)
    runs.resume(copy, "interrupter", "the copy's own")
    _assert_answered(given.state(copy), "the copy's own")


@requires("INTERRUPT-12")
def test_resuming_a_copy_leaves_the_original(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, runs: Runs, waiting: Thread
) -> None:
    copy = given.copy(waiting)
    assert_untouched(
        threads, waiting, lambda: given_runs.resume(copy, "interrupter", "the copy's own")
    )
    runs.resume(waiting, "interrupter", "the original's")
    _assert_answered(given.state(waiting), "the original's")
    said = message_contents(given.state(waiting))
    assert_that(not any("copy" in str(each) for each in said), "nothing of the copy", said)


@requires("INTERRUPT-13")
def test_a_run_can_stop_before_a_node(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    nodes = _slow_nodes(given, given_runs)
    thread = given.empty()
    _run_to_stop(
        given, client, thread, given_runs.body("slow", seconds=0, interrupt_before=[nodes[1]])
    )
    state = given.state(thread)
    assert_equal(state.get("next"), [nodes[1]], "next")
    assert_that(
        len(message_contents(state)) > 1, "what the node before it said", message_contents(state)
    )


@requires("INTERRUPT-14")
def test_a_run_can_stop_after_a_node(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    nodes = _slow_nodes(given, given_runs)
    thread = given.empty()
    _run_to_stop(
        given, client, thread, given_runs.body("slow", seconds=0, interrupt_after=[nodes[0]])
    )
    state = given.state(thread)
    assert_equal(state.get("next"), [nodes[1]], "next")
    assert_that(len(message_contents(state)) > 1, "what the node said", message_contents(state))


def _slow_nodes(given: ThreadsApi, given_runs: Runs) -> list[str]:
    """Return the nodes of the slow graph, in the order in which they run."""
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", seconds=0)
    oldest_first = reversed(list(given.history(thread)))
    nodes = [str(node) for state in oldest_first for node in state.get("next") or []]
    nodes = [node for node in nodes if node != "__start__"]
    if len(nodes) < 2:
        raise Blocked(f"the slow graph has fewer than two steps: {nodes}")
    return nodes


def _run_to_stop(
    given: ThreadsApi, client: ThreadsClient, thread: Thread, body: dict[str, Any]
) -> None:
    given.ensure_success(client.run_wait(id_of(thread), body), thread)


def _require_interrupts(threads: ThreadsApi, thread: Thread) -> Any:
    """Return the interrupts that a thread shows; `Blocked` if it shows none, as is allowed."""
    shown = threads.get(thread).get("interrupts")
    if shown is None:
        raise Blocked("the thread shows no interrupts, which are an optional member")
    if not isinstance(shown, dict):
        raise Blocked("what the thread shows as interrupts is no object", by="GET-05")
    return shown


def _interrupts_in(state: State) -> list[Any]:
    tasks = state.get("tasks") or []
    return [each for task in tasks for each in _as_list(task.get("interrupts"))]


def _interrupts_by_key(shown: Any) -> dict[str, list[Any]]:
    """Return the interrupts by key: published as an object, whose form is free."""
    members = shown.items() if isinstance(shown, dict) else ()
    return {name: _as_list(under) for name, under in members}


def _as_list(shown: Any) -> list[Any]:
    """Return interrupts as a list, whether shown in a list or alone."""
    return (
        [each for each in shown if isinstance(each, dict)]
        if isinstance(shown, list)
        else ([shown] if isinstance(shown, dict) else [])
    )


def _members_of_both(some: list[Any], others: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return two lists of as many interrupts, with their values and the members of both."""
    if len(some) != len(others):
        return some, others
    shared = [
        ["value", *sorted(one.keys() & other.keys() - {"value"})]
        for one, other in zip(some, others, strict=True)
    ]
    pairs = [
        ({name: one.get(name) for name in names}, {name: other.get(name) for name in names})
        for one, other, names in zip(some, others, shared, strict=True)
    ]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _assert_answered(state: State, answer: object) -> None:
    """Assert that the graph went on, and that its last message holds the answer."""
    said = message_contents(state)
    parts = [answer] if isinstance(answer, str) else ["sure", "as"]
    holds = bool(said) and all(str(part) in str(said[-1]) for part in parts)
    assert_that(holds, f"a last message that holds the answer {answer!r}", said)
