"""The interrupts that states and answers show, in whichever of the published forms."""

from __future__ import annotations

from typing import Any

from conformance.checks.outcomes import Blocked
from conformance.checks.views import State

#: The member that holds the interrupts of a run in the answers of wait and join.
INTERRUPT = "__interrupt__"


def interrupts_in(state: State) -> list[Any]:
    """Return the interrupts of the tasks of a state."""
    tasks = state.get("tasks") or []
    return [each for task in tasks for each in as_list(task.get("interrupts"))]


def id_of_the_interrupt(state: State) -> str:
    """Return the id of the only interrupt of a state; `Blocked` if it has more, none or no id."""
    found = [each.get("id") for each in interrupts_in(state)]
    if len(found) != 1 or not isinstance(found[0], str):
        raise Blocked(f"the tasks of the state show no one interrupt with an id: {found}")
    return found[0]


def interrupts_by_key(shown: Any) -> dict[str, list[Any]]:
    """Return the interrupts that an object shows, by key; no source fixes the form of a value."""
    members = shown.items() if isinstance(shown, dict) else ()
    return {name: as_list(under) for name, under in members}


def as_list(shown: Any) -> list[Any]:
    """Return interrupts as a list, whether shown in a list or alone."""
    return (
        [each for each in shown if isinstance(each, dict)]
        if isinstance(shown, list)
        else ([shown] if isinstance(shown, dict) else [])
    )


def members_of_both(some: list[Any], others: list[Any]) -> tuple[list[Any], list[Any]]:
    """Pair two lists of interrupts by position; reduce each pair to what both show, and `value`.

    Lists of different lengths are returned as they are.
    """
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


def interrupts_answered(answer: Any) -> list[Any]:
    """Return the interrupts in the body that wait or join answers."""
    return as_list(answer.get(INTERRUPT)) if isinstance(answer, dict) else []
