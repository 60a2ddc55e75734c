"""Which members of states can be compared, and whether there is anything to compare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from conformance.checks.comparison_count import count_judgement
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.views import State, checkpoint_id_of, parent_id_of
from conformance.deployment.client import Answer
from conformance.excerpt import excerpt

#: Members that stay the same when a state is added after this one; `tasks` get their results
#: then, and `next` changes with them.
_LASTING = ("values", "metadata", "created_at")


def require_some(shown: Iterable[object], what: str, by: str = "") -> None:
    """Block the check unless something in `shown` is not empty: nothing would be compared.

    `what` says in words what is missing; `by` is the requirement that demands it, if any.
    """
    if not any(shown):
        raise Blocked(f"nothing to compare: {what}", by=by or ())


def lasting_members(states: Iterable[State]) -> list[dict[str, Any]]:
    """Return the members of each state that must stay the same when a state is added after it."""
    return [
        {
            "checkpoint_id": checkpoint_id_of(state),
            "parent_checkpoint_id": parent_id_of(state),
            **{name: state.get(name) for name in _LASTING},
        }
        for state in states
    ]


def shown_by_both(one: State, other: State) -> tuple[State, State]:
    """Return two states with the members that both show, and so their metadata."""
    both = one.keys() & other.keys()
    shown = [{name: state[name] for name in both} for state in (one, other)]
    first, second = (each.get("metadata") for each in shown)
    if isinstance(first, dict) and isinstance(second, dict):
        for state, metadata in zip(shown, (first, second), strict=True):
            state["metadata"] = {name: metadata[name] for name in first.keys() & second.keys()}
    return shown[0], shown[1]


def parent_ids(state: State) -> set[str]:
    """Return the parent checkpoint ids of a state: in `parent_checkpoint`, and at its top."""
    parent = state.get("parent_checkpoint")
    inner = parent.get("checkpoint_id") if isinstance(parent, dict) else None
    named = (inner, state.get("parent_checkpoint_id"))
    return {each for each in named if isinstance(each, str)}


def holds_no_data(values: Any) -> bool:
    """Return whether values hold no data: no members, or only empty ones."""
    members = values.values() if isinstance(values, dict) else values
    return isinstance(values, dict | list) and not any(members)


def is_empty_state(answer: Answer) -> bool:
    """Return whether an answer is a state whose values hold no data."""
    state = answer.body if answer.ok else None
    return isinstance(state, dict) and "values" in state and holds_no_data(state["values"])


def assert_refused_or_empty(answer: Answer) -> None:
    """Assert that an answer is a 4xx, or a state whose values hold no data."""
    count_judgement()
    if not (is_empty_state(answer) or 400 <= answer.status < 500):
        told = f"{answer.status} {excerpt(answer.text)}"
        raise PromiseBroken("a refusal by 4xx, or a state without values", told)
