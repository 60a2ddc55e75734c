"""Graphs that stop and wait: by their own interrupt, or before or after a node."""

from typing import Any, NamedTuple

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.breakpoints import nodes_of, slow_nodes
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import require_some
from conformance.checks.concurrency import repeat_together, run_together
from conformance.checks.expect import (
    assert_equal,
    assert_identical_history,
    assert_that,
    assert_untouched,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import WAYS, Runs, message_contents, run_by_way
from conformance.checks.shown_interrupts import (
    as_list,
    id_of_the_interrupt,
    interrupts_by_key,
    interrupts_in,
    members_of_both,
)
from conformance.checks.views import State, Thread, checkpoint_id_of, id_of
from conformance.deployment.client import ThreadsClient
from conformance.json_differences import same_json


@pytest.fixture
def interrupted(given: ThreadsApi, given_runs: Runs) -> Thread:
    """Create a thread whose graph was interrupted and waits for an answer."""
    thread = given.empty()
    given_runs.run_to_end(thread, "interrupter", "question")
    return thread


@pytest.fixture
def interrupted_again(given: ThreadsApi, given_runs: Runs, interrupted: Thread) -> Thread:
    """Return a thread whose interrupt was answered, and that a later run interrupts again."""
    given_runs.resume(interrupted, "interrupter", "the first answer")
    if (left := given.state(interrupted).get("next")) != []:
        raise Blocked(f"the thread that was answered goes on with {left}", by="INTERRUPT-06")
    given_runs.run_to_end(interrupted, "interrupter", "question again")
    return interrupted


@requires("INTERRUPT-01")
def test_a_thread_shows_its_interrupts(threads: ThreadsApi, interrupted: Thread) -> None:
    _assert_thread_is_interrupted(threads, interrupted)


@requires("INTERRUPT-01")
def test_a_thread_shows_its_second_interrupt(
    threads: ThreadsApi, interrupted_again: Thread
) -> None:
    _assert_thread_is_interrupted(threads, interrupted_again)


def _assert_thread_is_interrupted(threads: ThreadsApi, thread: Thread) -> None:
    # GET may show the interrupts, like the values, a little after the run.
    shown = threads.context.eventually(
        lambda: _require_interrupts(threads, thread), lambda shown: any(shown.values())
    )
    asked = [each for under in interrupts_by_key(shown).values() for each in under]
    assert_that(
        bool(asked) and all("value" in each for each in asked), "interrupts with their value", shown
    )


@requires("INTERRUPT-02")
def test_a_task_shows_its_interrupts(threads: ThreadsApi, interrupted: Thread) -> None:
    _assert_task_is_interrupted(threads.state(interrupted))


@requires("INTERRUPT-02")
def test_a_task_shows_its_second_interrupt(threads: ThreadsApi, interrupted_again: Thread) -> None:
    _assert_task_is_interrupted(threads.state(interrupted_again))


def _assert_task_is_interrupted(state: State) -> None:
    asking = [task for task in state.get("tasks") or [] if task.get("interrupts")]
    assert_that(len(asking) == 1, "one task that asked", state.get("tasks"))
    asked = interrupts_in(state)
    assert_that(bool(asked) and "value" in asked[0], "the value asked", asking[0])
    assert_equal(state.get("next"), [asking[0].get("name")], "next")


@requires("INTERRUPT-03")
@pytest.mark.parametrize("graph_name", ["interrupter", "nested"])
def test_a_state_shows_its_interrupts(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, graph_name: str
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, graph_name, "question")
    state = threads.state(thread)
    if state.get("interrupts") is None:
        raise Blocked("the state shows no interrupts beside those of its tasks")
    # The value of an interrupt is published; other members are compared if both show them.
    shown, asked = members_of_both(as_list(state["interrupts"]), interrupts_in(state))
    assert_equal(shown, asked, "the interrupts of the state")


@requires("INTERRUPT-04")
def test_interrupts_are_told_by_task(
    given: ThreadsApi, threads: ThreadsApi, interrupted: Thread
) -> None:
    _assert_grouped_by_task(given, threads, interrupted)


@requires("INTERRUPT-04")
def test_second_interrupts_are_told_by_task(
    given: ThreadsApi, threads: ThreadsApi, interrupted_again: Thread
) -> None:
    _assert_grouped_by_task(given, threads, interrupted_again)


def _assert_grouped_by_task(given: ThreadsApi, threads: ThreadsApi, interrupted: Thread) -> None:
    by_task = {
        str(task.get("id")): as_list(task["interrupts"])
        for task in given.state(interrupted).get("tasks") or []
        if task.get("interrupts")
    }
    require_some([by_task], "no task of the state shows an interrupt")

    def read() -> tuple[dict[str, Any], dict[str, Any]]:
        shown = interrupts_by_key(_require_interrupts(threads, interrupted))
        asked = {name: under for name, under in shown.items() if under}
        # The value of an interrupt is published; other members are compared if both show them.
        both = {name: members_of_both(asked.get(name, []), each) for name, each in by_task.items()}
        return (
            {name: both[name][0] if name in both else under for name, under in asked.items()},
            {name: under for name, (_, under) in both.items()},
        )

    assert_equal(*given.context.eventually(read, lambda both: same_json(*both)), "the interrupts")


@requires("INTERRUPT-05")
@pytest.mark.parametrize("answer", ["by all means", {"sure": ["as", 1]}], ids=["text", "object"])
def test_the_answer_reaches_the_node(
    given: ThreadsApi, runs: Runs, interrupted: Thread, answer: object
) -> None:
    runs.resume(interrupted, "interrupter", answer)
    _assert_answered(given.state(interrupted), answer)


@requires("INTERRUPT-05")
def test_the_answer_reaches_the_node_by_any_way(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    def answered(way: str) -> State:
        thread = given.empty()
        given_runs.run_to_end(thread, "interrupter", "question")
        body = runs.without_input("interrupter", command={"resume": "by all means"})
        run_by_way(way, given_runs, runs, thread, body)
        return given.state(thread)

    for state in run_together(lambda: answered("stream"), lambda: answered("background")):
        _assert_answered(state, "by all means")


@requires("INTERRUPT-05")
def test_answers_that_say_little_reach_the_node(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    # Each has a published type but is falsy: careless code takes such an answer for none.
    answers: list[object] = [False, 0, ""]

    def answered(answer: object) -> State:
        thread = given.empty()
        given_runs.run_to_end(thread, "interrupter", "question")
        runs.resume(thread, "interrupter", answer)
        return given.state(thread)

    states = repeat_together(len(answers), lambda number: answered(answers[number]))
    for state, answer in zip(states, answers, strict=True):
        _assert_answered(state, answer)


@requires("INTERRUPT-05")
def test_the_second_answer_reaches_the_node(
    given: ThreadsApi, runs: Runs, interrupted_again: Thread
) -> None:
    runs.resume(interrupted_again, "interrupter", "another answer")
    _assert_answered(given.state(interrupted_again), "another answer")


@requires("INTERRUPT-15")
def test_an_interrupt_is_answered_by_its_id(
    given: ThreadsApi, runs: Runs, interrupted: Thread
) -> None:
    asked = id_of_the_interrupt(given.state(interrupted))
    runs.resume(interrupted, "interrupter", {asked: "by its id"})
    state = given.state(interrupted)
    _assert_answered(state, "by its id")
    last = str(message_contents(state)[-1])
    assert_that(asked not in last, "the answer without the id of the interrupt", last)


@requires("INTERRUPT-06")
def test_an_answered_interrupt_is_gone(
    threads: ThreadsApi, given_runs: Runs, interrupted: Thread, context: CheckContext
) -> None:
    given_runs.resume(interrupted, "interrupter", "yes")
    shown = context.eventually(
        lambda: interrupts_by_key(threads.get(interrupted).get("interrupts")),
        lambda interrupts: not any(interrupts.values()),
    )
    assert_that(not any(shown.values()), "no interrupts on the thread", shown)
    state = threads.state(interrupted)
    assert_equal(interrupts_in(state), [], "the interrupts of the tasks")
    assert_equal(state.get("next"), [], "next")


@requires("INTERRUPT-07")
def test_resuming_may_update_the_state(given: ThreadsApi, runs: Runs, interrupted: Thread) -> None:
    update = {"messages": [{"type": "human", "content": "and note this"}]}
    runs.resume(interrupted, "interrupter", "yes", update=update)
    said = message_contents(given.state(interrupted))
    assert_that("and note this" in said, "the message of the update", said)


@requires("INTERRUPT-08")
def test_a_copy_has_the_identical_history(
    given: ThreadsApi, threads: ThreadsApi, interrupted: Thread
) -> None:
    copy = threads.copy(interrupted)
    assert_identical_history(threads.history(copy), given.history(interrupted))


@requires("INTERRUPT-09")
def test_a_copy_is_interrupted(given: ThreadsApi, threads: ThreadsApi, interrupted: Thread) -> None:
    copy = given.copy(interrupted)
    shown = given.context.eventually(
        lambda: threads.get(copy).get("status"), lambda status: status == "interrupted"
    )
    assert_equal(shown, "interrupted", "status")


@requires("INTERRUPT-10")
def test_a_copy_shows_the_interrupts(
    given: ThreadsApi, threads: ThreadsApi, interrupted: Thread
) -> None:
    expected = given.context.eventually(
        lambda: given.get(interrupted).get("interrupts"), lambda shown: shown is None or bool(shown)
    )
    require_some([expected], "the source shows no interrupts")
    copy = given.copy(interrupted)
    shown = given.context.eventually(
        lambda: threads.get(copy).get("interrupts"), lambda shown: same_json(shown, expected)
    )
    assert_equal(shown, expected, "the interrupts of the copy")


@requires("INTERRUPT-11")
def test_a_copy_resumes_on_its_own(given: ThreadsApi, runs: Runs, interrupted: Thread) -> None:
    copy = given.copy(interrupted)
    runs.resume(copy, "interrupter", "the copy's own")
    _assert_answered(given.state(copy), "the copy's own")


@requires("INTERRUPT-12")
def test_resuming_a_copy_leaves_the_original(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, runs: Runs, interrupted: Thread
) -> None:
    copy = given.copy(interrupted)
    assert_untouched(
        threads, interrupted, lambda: given_runs.resume(copy, "interrupter", "the copy's own")
    )
    runs.resume(interrupted, "interrupter", "the original's")
    _assert_answered(given.state(interrupted), "the original's")
    said = message_contents(given.state(interrupted))
    assert_that(not any("copy" in str(each) for each in said), "nothing of the copy", said)


@requires("INTERRUPT-13")
def test_a_run_can_stop_before_a_node(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    nodes = slow_nodes(given, given_runs)
    thread = given.empty()
    _run_and_wait(
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
    nodes = slow_nodes(given, given_runs)
    thread = given.empty()
    _run_and_wait(
        given, client, thread, given_runs.body("slow", seconds=0, interrupt_after=[nodes[0]])
    )
    state = given.state(thread)
    assert_equal(state.get("next"), [nodes[1]], "next")
    assert_that(len(message_contents(state)) > 1, "what the node said", message_contents(state))


@requires("INTERRUPT-16")
@pytest.mark.parametrize("way", WAYS)
def test_a_run_goes_on_before_the_node(
    given: ThreadsApi, given_runs: Runs, runs: Runs, way: str
) -> None:
    stopped = _stopped(given, given_runs, "interrupt_before")
    # A client that sends the same breakpoints with each run: the thread waits there already.
    again: dict[str, Any] = {"interrupt_before": [stopped.node]} if way == "stream" else {}
    run_by_way(way, given_runs, runs, stopped.thread, runs.without_input("slow", **again))
    _assert_continued(given.state(stopped.thread), stopped.said, stopped.whole)


@requires("INTERRUPT-17")
def test_a_run_goes_on_after_the_node(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    stopped = _stopped(given, given_runs, "interrupt_after")
    # An input of null is published, and the JavaScript SDK sends it.
    runs.run_by("wait", stopped.thread, runs.without_input("slow", input=None))
    _assert_continued(given.state(stopped.thread), stopped.said, stopped.whole)


@requires("INTERRUPT-18")
@pytest.mark.parametrize("way", WAYS)
def test_a_run_goes_on_from_a_checkpoint(
    given: ThreadsApi, given_runs: Runs, runs: Runs, way: str
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", seconds=0)
    history = given.history(thread)
    second = nodes_of(history)[1]
    middle = next(state for state in history if second in (state.get("next") or []))
    checkpoint = {"checkpoint_id": checkpoint_id_of(middle), "checkpoint_ns": ""}
    # An input of null is no input as well.
    none: dict[str, Any] = {"input": None} if way == "background" else {}
    body = runs.without_input("slow", checkpoint=checkpoint, **none)
    run_by_way(way, given_runs, runs, thread, body)
    state = given.state(thread)
    # The run makes the same values again, so only a new state shows that there was a run.
    made = checkpoint_id_of(state)
    assert_that(made not in history.checkpoint_ids(), "a state that the run made", made)
    whole = len(message_contents(history.states[0]))
    _assert_continued(state, message_contents(middle), whole)


@requires("INTERRUPT-19")
def test_breakpoints_hold_for_their_run_alone(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread = _stopped(given, given_runs, "interrupt_before", "interrupt_after").thread
    given_runs.run_by("wait", thread, given_runs.without_input("slow"))
    before = given.state(thread)
    if left := before.get("next"):
        raise Blocked(f"the run that should go on leaves {left} next", by="INTERRUPT-16")
    runs.run_to_end(thread, "slow", "again", seconds=0)
    state = given.state(thread)
    made = checkpoint_id_of(state)
    assert_that(made != checkpoint_id_of(before), "a state that the later run made", made)
    assert_that(not state.get("next"), "no node next", state.get("next"))


class _Stopped(NamedTuple):
    """A thread that waits before `node`; `said` are the contents of its messages.

    `whole` is the number of messages after a run that is not stopped.
    """

    thread: Thread
    node: str
    said: list[Any]
    whole: int


def _stopped(given: ThreadsApi, given_runs: Runs, *options: str) -> _Stopped:
    """Stop a run between the first two nodes of the slow graph, by breakpoints.

    `options` are interrupt_before, interrupt_after or both.
    """
    whole = given.empty()
    given_runs.run_to_end(whole, "slow", seconds=0)
    history = given.history(whole)
    first, second, *_ = nodes_of(history)
    names = {"interrupt_before": [second], "interrupt_after": [first]}
    stops: dict[str, Any] = {each: names[each] for each in options}
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", seconds=0, **stops)
    state = given.state(thread)
    if state.get("next") != [second]:
        by = "INTERRUPT-13" if "interrupt_before" in options else "INTERRUPT-14"
        raise Blocked(f"the run with {' and '.join(options)} leaves {state.get('next')}", by=by)
    return _Stopped(
        thread, second, message_contents(state), whole=len(message_contents(history.states[0]))
    )


def _assert_continued(state: State, before: list[Any], whole: int) -> None:
    """Assert that a state is that of a finished run that continued from the messages `before`.

    `whole` is the number of messages after a run that is not stopped: a run that begins again has
    more. Later messages are not compared, since a node may say something else each time.
    """
    if whole <= len(before):
        raise Blocked("the nodes that are left say nothing")
    said = message_contents(state)
    assert_equal(said[: len(before)], before, "the messages that were there")
    assert_that(len(said) == whole, f"{whole} messages, as of a run that is not stopped", said)


def _run_and_wait(
    given: ThreadsApi, client: ThreadsClient, thread: Thread, body: dict[str, Any]
) -> None:
    given.ensure_success(client.run_wait(id_of(thread), body), thread)


def _require_interrupts(threads: ThreadsApi, thread: Thread) -> Any:
    """Return the interrupts of a thread; `Blocked` if it lacks this member, which is optional."""
    shown = threads.get(thread).get("interrupts")
    if shown is None:
        raise Blocked("the thread shows no interrupts, which are an optional member")
    if not isinstance(shown, dict):
        raise Blocked("what the thread shows as interrupts is no object", by="GET-05")
    return shown


def _assert_answered(state: State, answer: object) -> None:
    """Assert that the graph continued, and that its last message holds the answer."""
    said = message_contents(state)
    last = str(said[-1]) if said and said[-1] != "question" else None
    if isinstance(answer, bool):  # False in Python, false in JavaScript
        answer, last = str(answer).lower(), last and last.lower()
    parts = ["sure", "as"] if isinstance(answer, dict) else [str(answer)]
    holds = last is not None and all(part in last for part in parts)
    assert_that(holds, f"a last message that holds the answer {answer!r}", said)
