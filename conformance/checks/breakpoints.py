"""The nodes of the slow graph, at which runs are stopped."""

from __future__ import annotations

from conformance.checks.api import ThreadsApi
from conformance.checks.outcomes import Blocked
from conformance.checks.runs import Runs
from conformance.checks.views import History, State


def slow_nodes(given: ThreadsApi, given_runs: Runs) -> list[str]:
    """Return the nodes of the slow graph, in the order in which they run."""
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", seconds=0)
    return nodes_of(given.history(thread))


def nodes_of(history: History) -> list[str]:
    """Return the nodes in the order in which they ran; `Blocked` if there are fewer than two.

    Also `Blocked` if one of the first two steps ran several nodes in parallel: no source says
    whether a breakpoint at one of them stops the others.
    """
    shown = [state.get("next") or [] for state in reversed(history.states)]
    steps = [step for step in shown if step and step != ["__start__"]]
    if any(len(step) > 1 for step in steps[:2]):
        raise Blocked(f"the first nodes of the slow graph run side by side: {steps[:2]}")
    nodes = [str(node) for step in steps for node in step]
    if len(nodes) < 2:
        raise Blocked(f"the slow graph has fewer than two steps: {nodes}")
    return nodes


def newest_with_a_node_next(history: History) -> State:
    """Return the newest state before a node; `Blocked` if no state of the history names one."""
    for state in history:
        if state.get("next"):
            return state
    raise Blocked("no state of the history has a node next")
