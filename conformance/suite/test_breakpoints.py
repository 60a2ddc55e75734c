"""Breakpoints before and after every node, at several nodes, and in a run that continues."""

from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.breakpoints import slow_nodes
from conformance.checks.comparable_members import require_some
from conformance.checks.concurrency import run_together
from conformance.checks.expect import assert_equal, assert_that
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import STATES_REQUIREMENT_BY_WAY, Runs, message_contents, run_by_way
from conformance.checks.views import State, Thread


@requires("INTERRUPT-20")
def test_every_node_can_be_a_breakpoint(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    slow_nodes(given, given_runs)
    before, after = run_together(
        lambda: _stopped("stream", given, given_runs, runs, interrupt_before="*")[1],
        lambda: _stopped("wait", given, given_runs, runs, interrupt_after="*")[1],
    )
    for state in (before, after):
        assert_that(len(state.get("next") or []) == 1, "one node next", state.get("next"))
    assert_equal(message_contents(before), ["go on"], "the messages before any node")
    said = message_contents(after)
    assert_that(len(said) > 1, "what the first node said", said)


@requires("INTERRUPT-21")
def test_several_nodes_can_be_breakpoints(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    first, second, *_ = slow_nodes(given, given_runs)
    # Both orders of the list: a deployment that reads only one node takes the first or the last.
    before, after = run_together(
        lambda: _stopped("wait", given, given_runs, runs, interrupt_before=[second, first])[1],
        lambda: _stopped("background", given, given_runs, runs, interrupt_after=[first, second])[1],
    )
    assert_equal(before.get("next"), [first], "next, with interrupt_before")
    assert_equal(after.get("next"), [second], "next, with interrupt_after")


@requires("INTERRUPT-22")
def test_a_run_that_goes_on_stops_again(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    first, second, *_ = slow_nodes(given, given_runs)

    def stopped_again(way: str, **stops: Any) -> State:
        thread, before = _stopped("wait", given, given_runs, given_runs, interrupt_before=[first])
        if before.get("next") != [first]:
            raise Blocked(f"the run does not stop before {first}", by="INTERRUPT-13")
        run_by_way(way, given_runs, runs, thread, runs.without_input("slow", **stops))
        state = given.state(thread)
        if message_contents(state) == message_contents(before):
            raise Blocked(f"the run without an input does not execute {first}", by="INTERRUPT-16")
        return state

    before, after = run_together(
        lambda: stopped_again("stream", interrupt_before=[second]),
        lambda: stopped_again("wait", interrupt_after=[first]),
    )
    assert_equal(before.get("next"), [second], "next, with interrupt_before")
    assert_equal(after.get("next"), [second], "next, with interrupt_after")


def _stopped(
    way: str, given: ThreadsApi, given_runs: Runs, runs: Runs, **stops: Any
) -> tuple[Thread, State]:
    """Run the slow graph with these breakpoints; return the thread and its state."""
    thread = given.empty()
    run_by_way(way, given_runs, runs, thread, given_runs.body("slow", seconds=0, **stops))
    state = given.state(thread)
    left = (state.get("next"), message_contents(state))
    require_some(left, "the run leaves no state", STATES_REQUIREMENT_BY_WAY[way])
    return thread, state
