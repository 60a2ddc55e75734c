"""Comparison of what threads show before and after a restart of the deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from conformance.checks import conditions
from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import published_members
from conformance.checks.comparison_count import count_comparison
from conformance.checks.conditions import ThreadInCondition
from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported, kinds_of
from conformance.checks.runs import Runs
from conformance.checks.views import History, State, Thread, has_data
from conformance.checks.ways import get_caught_up
from conformance.deployment.ownership.guard import NotOursRefusal
from conformance.json_differences import (
    ItemDifferences,
    changes,
    differences,
    lines_of,
    same_json,
)

_T = TypeVar("_T")


def settled_answer(api: ThreadsApi, read: Callable[[], _T]) -> _T:
    """Read until two answers in a row are equal, and return that answer; `Blocked` if none are."""
    seen = [read()]

    def read_again() -> bool:
        seen.append(read())
        return same_json(seen[-1], seen[-2])

    if not api.context.eventually(read_again, bool):
        raise Blocked("two answers to the same question differ, though nothing was done")
    return seen[-1]


def published_history(api: ThreadsApi, thread: Thread) -> list[State]:
    """Return the whole history, each state with its published members; newest first."""
    history: History = api.history(thread)
    states: list[State] = published_members("thread_state", history.states)
    return states


def assert_same_states(after: list[State], before: list[State]) -> None:
    """Assert that a history is as it was, state by state; `Blocked` if no state has values."""
    count_comparison([state.get("values") for state in before])
    if not any(has_data(state.get("values")) for state in before):
        raise Blocked("no state of the history shows values")
    if len(after) != len(before):
        raise PromiseBroken(
            f"a history of {len(before)} states, as before the restart",
            f"{len(after)} states",
            differences(_ids(before), _ids(after)),
            kinds=("length",),
        )
    found = ItemDifferences()
    for one, other in zip(before, after, strict=True):
        found.add(one, other)
    if found.differing:
        changed = found.changes()
        raise PromiseBroken(
            "every state as before the restart",
            f"{len(before)} states, which differ",
            found.lines(changed),
            kinds=kinds_of(changed),
        )


def assert_same_threads(after: dict[str, Any], before: dict[str, Any]) -> None:
    """Assert that threads show the same as before; both dicts are keyed by their condition."""
    count_comparison(before)
    changed = [name for name, shown in before.items() if not same_json(shown, after[name])]
    if changed:
        before, after = ({name: each[name] for name in changed} for each in (before, after))
        found = changes(before, after)
        raise PromiseBroken(
            "every thread as before the restart",
            f"another one in the condition {', '.join(changed)}",
            lines_of(found),
            kinds=kinds_of(found),
        )


def make_in_conditions(
    names: Iterable[str], given: ThreadsApi, runs: Runs
) -> dict[str, ThreadInCondition]:
    """Make a thread in each condition that the deployment can make; a note names the others.

    If none can be made, raise the last refusal.
    """
    made: dict[str, ThreadInCondition] = {}
    refused: Exception | None = None
    for name in names:
        try:
            one = conditions.make(name, given, runs)
            # No run is in progress in these conditions, but GET may show the last one later.
            get_caught_up(given, one.thread)
            made[name] = one
        except (Blocked, Unsupported, PromiseBroken, NotOursRefusal) as refusal:
            refused = refusal
            given.context.note(f"left out: {name}")
    if not made and refused is not None:
        raise Blocked.because(refused) if isinstance(refused, PromiseBroken) else refused
    return made


def _ids(states: list[State]) -> list[Any]:
    return [state.get("checkpoint_id") for state in states]
