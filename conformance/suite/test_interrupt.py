"""Graphs that stop and wait: by an interrupt of their own, or before or after a node."""

from typing import Any

import pytest

from conformance.deployment.client import ThreadsClient
from conformance.suite.asking import Asker
from conformance.suite.case import Case
from conformance.suite.expect import (
    assert_equal,
    assert_identical_history,
    assert_that,
    assert_untouched,
)
from conformance.suite.outcomes import Blocked, PromiseBroken, requires
from conformance.suite.runs import Runs, contents
from conformance.suite.shown import State, Thread, id_of


@pytest.fixture
def waiting(given: Asker, given_runs: Runs) -> Thread:
    """A thread whose graph has asked, and waits."""
    thread = given.empty()
    given_runs.ended(thread, "interrupter", "question")
    return thread


@requires("INTERRUPT-01")
def test_a_thread_shows_its_interrupts(threads: Asker, waiting: Thread) -> None:
    shown = threads.get(waiting).get("interrupts")
    asked = [each for task in _values(shown) for each in task]
    assert_that(len(asked) == 1 and "value" in asked[0], "one interrupt with its value", shown)


@requires("INTERRUPT-02")
def test_a_task_shows_its_interrupts(threads: Asker, waiting: Thread) -> None:
    state = threads.state(waiting)
    asking = [task for task in state.get("tasks") or [] if task.get("interrupts")]
    assert_that(len(asking) == 1, "one task that asked", state.get("tasks"))
    assert_that("value" in asking[0]["interrupts"][0], "the value asked", asking[0])
    assert_equal(state.get("next"), [asking[0].get("name")], "next")


@requires("INTERRUPT-03")
def test_a_state_shows_its_interrupts(threads: Asker, waiting: Thread) -> None:
    state = threads.state(waiting)
    assert_equal(state.get("interrupts"), _asked_in(state), "the interrupts of the state")


@requires("INTERRUPT-04")
def test_interrupts_are_told_by_task(given: Asker, threads: Asker, waiting: Thread) -> None:
    by_task = {
        task.get("id"): task.get("interrupts")
        for task in given.state(waiting).get("tasks") or []
        if task.get("interrupts")
    }
    assert_equal(threads.get(waiting).get("interrupts"), by_task, "the interrupts")


@requires("INTERRUPT-05")
@pytest.mark.parametrize("answer", ["by all means", {"sure": ["as", 1]}], ids=["text", "object"])
def test_the_answer_reaches_the_node(
    given: Asker, runs: Runs, waiting: Thread, answer: object
) -> None:
    runs.resumed(waiting, "interrupter", answer)
    _assert_answered(given.state(waiting), answer)


@requires("INTERRUPT-06")
def test_an_answered_interrupt_is_gone(
    threads: Asker, given_runs: Runs, waiting: Thread, case: Case
) -> None:
    given_runs.resumed(waiting, "interrupter", "yes")
    shown = case.eventually(
        lambda: threads.get(waiting).get("interrupts"), lambda interrupts: not interrupts
    )
    assert_that(not shown, "no interrupts on the thread", shown)
    state = threads.state(waiting)
    assert_equal([state.get("next"), _asked_in(state)], [[], []], "next, and the interrupts")


@requires("INTERRUPT-07")
def test_resuming_may_update_the_state(given: Asker, runs: Runs, waiting: Thread) -> None:
    update = {"messages": [{"type": "human", "content": "and note this"}]}
    runs.resumed(waiting, "interrupter", "yes", update=update)
    said = contents(given.state(waiting))
    assert_that("and note this" in said, "the message of the update", said)


@requires("INTERRUPT-08")
def test_a_copy_has_the_identical_history(given: Asker, threads: Asker, waiting: Thread) -> None:
    copy = threads.copy(waiting)
    assert_identical_history(threads.history(copy), given.history(waiting))


@requires("INTERRUPT-09")
def test_a_copy_is_interrupted(given: Asker, threads: Asker, waiting: Thread) -> None:
    copy = given.copy(waiting)
    assert_equal(threads.get(copy).get("status"), "interrupted", "status")


@requires("INTERRUPT-10")
def test_a_copy_shows_the_interrupts(given: Asker, threads: Asker, waiting: Thread) -> None:
    expected = given.get(waiting).get("interrupts")
    copy = given.copy(waiting)
    assert_equal(threads.get(copy).get("interrupts"), expected, "the interrupts of the copy")


@requires("INTERRUPT-11")
def test_a_copy_resumes_on_its_own(given: Asker, runs: Runs, waiting: Thread) -> None:
    copy = given.copy(waiting)
    runs.resumed(copy, "interrupter", "the copy's own")
    _assert_answered(given.state(copy), "the copy's own")


@requires("INTERRUPT-12")
def test_resuming_a_copy_leaves_the_original(
    given: Asker, threads: Asker, given_runs: Runs, runs: Runs, waiting: Thread
) -> None:
    copy = given.copy(waiting)
    assert_untouched(
        threads, waiting, lambda: given_runs.resumed(copy, "interrupter", "the copy's own")
    )
    runs.resumed(waiting, "interrupter", "the original's")
    _assert_answered(given.state(waiting), "the original's")
    said = contents(given.state(waiting))
    assert_that(not any("copy" in str(each) for each in said), "nothing of the copy", said)


@requires("INTERRUPT-13")
def test_a_run_can_stop_before_a_node(given: Asker, given_runs: Runs, ask: ThreadsClient) -> None:
    nodes = _nodes(given, given_runs)
    thread = given.empty()
    _stopped(given, ask, thread, given_runs.body("slow", seconds=0, interrupt_before=[nodes[1]]))
    state = given.state(thread)
    assert_equal(state.get("next"), [nodes[1]], "next")
    assert_that(len(contents(state)) > 1, "what the node before it said", contents(state))


@requires("INTERRUPT-14")
def test_a_run_can_stop_after_a_node(given: Asker, given_runs: Runs, ask: ThreadsClient) -> None:
    nodes = _nodes(given, given_runs)
    thread = given.empty()
    _stopped(given, ask, thread, given_runs.body("slow", seconds=0, interrupt_after=[nodes[0]]))
    state = given.state(thread)
    assert_equal(state.get("next"), [nodes[1]], "next")
    assert_that(len(contents(state)) > 1, "what the node said", contents(state))


def _nodes(given: Asker, given_runs: Runs) -> list[str]:
    """The nodes of the slow graph, in the order in which they run."""
    thread = given.empty()
    given_runs.ended(thread, "slow", seconds=0)
    oldest_first = reversed(list(given.history(thread)))
    nodes = [str(node) for state in oldest_first for node in state.get("next") or []]
    nodes = [node for node in nodes if node != "__start__"]
    if len(nodes) < 2:
        raise Blocked(f"the slow graph has fewer than two steps: {nodes}")
    return nodes


def _stopped(given: Asker, ask: ThreadsClient, thread: Thread, body: dict[str, Any]) -> None:
    given.granted(ask.run_wait(id_of(thread), body), thread)


def _asked_in(state: State) -> list[Any]:
    tasks = state.get("tasks") or []
    return [interrupt for task in tasks for interrupt in task.get("interrupts") or []]


def _values(shown: Any) -> list[Any]:
    if not isinstance(shown, dict) or not all(isinstance(each, list) for each in shown.values()):
        raise PromiseBroken("interrupts by task", str(shown))
    return list(shown.values())


def _assert_answered(state: State, answer: object) -> None:
    """The graph went on, and its last message holds the answer."""
    said = contents(state)
    parts = [answer] if isinstance(answer, str) else ["sure", "as"]
    holds = bool(said) and all(str(part) in str(said[-1]) for part in parts)
    assert_that(holds, f"a last message that holds the answer {answer!r}", said)
    assert_equal(state.get("next"), [], "next")
