"""Runs that stop at a node: the nodes of the slow graph, and the ways to run it."""

from __future__ import annotations

from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.outcomes import Blocked
from conformance.checks.runs import Runs
from conformance.checks.views import History, Thread


def slow_nodes(given: ThreadsApi, given_runs: Runs) -> list[str]:
    """Return the nodes of the slow graph, in the order in which they run."""
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", seconds=0)
    return nodes_of(given.history(thread))


def nodes_of(history: History) -> list[str]:
    """Return the nodes that ran, one after another; `Blocked` if fewer than two, or side by side.

    What is next beside a node at which a run stops, no source says.
    """
    for state in history:
        if len(state.get("next") or []) > 1:
            raise Blocked(f"nodes of the slow graph run side by side: {state['next']}")
    nodes = [str(node) for state in reversed(history.states) for node in state.get("next") or []]
    nodes = [node for node in nodes if node != "__start__"]
    if len(nodes) < 2:
        raise Blocked(f"the slow graph has fewer than two steps: {nodes}")
    return nodes


def run_by_way(
    way: str, given_runs: Runs, runs: Runs, thread: Thread, body: dict[str, Any]
) -> None:
    """Run to the end by that way; a refusal breaks the promise of `runs`.

    Whether a run in the background can be followed is judged by RUN-03.
    """
    (given_runs if way == "background" else runs).run_by(way, thread, body)
