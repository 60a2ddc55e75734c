"""What may be compared of states, and whether there was anything to compare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from conformance.checks.evidence import judged
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.views import State, checkpoint_id_of, parent_id_of
from conformance.deployment.client import Answer
from conformance.excerpt import excerpt

#: What a state keeps when something is added after it. Its tasks get their results, and
#: what is next in it changes with them.
_LASTING = ("values", "metadata", "created_at")


def require_some(shown: Iterable[object], what: str, by: str = "") -> None:
    """Block the check where nothing of this was there to be compared.

    `by` is the requirement that something be there, if there is one.
    """
    if not any(shown):
        raise Blocked(f"nothing to compare: {what}", by=by or ())


def lasting(states: Iterable[State]) -> list[dict[str, Any]]:
    """What states keep, each by the checkpoint that it names, when something is added."""
    return [
        {
            "checkpoint_id": checkpoint_id_of(state),
            "parent_checkpoint_id": parent_id_of(state),
            **{name: state.get(name) for name in _LASTING},
        }
        for state in states
    ]


def named_parents(state: State) -> set[str]:
    """The ids by which a state names the checkpoint before: in `parent_checkpoint`, at its top."""
    parent = state.get("parent_checkpoint")
    inner = parent.get("checkpoint_id") if isinstance(parent, dict) else None
    named = (inner, state.get("parent_checkpoint_id"))
    return {each for each in named if isinstance(each, str)}


def holds_nothing(values: Any) -> bool:
    """Whether values hold nothing that was written: they have no members, or empty ones."""
    members = values.values() if isinstance(values, dict) else values
    return isinstance(values, dict | list) and not any(members)


def is_empty_state(answer: Answer) -> bool:
    """Whether an answer is a state whose values hold nothing."""
    state = answer.body if answer.ok else None
    return isinstance(state, dict) and "values" in state and holds_nothing(state["values"])


def assert_refused_or_empty(answer: Answer) -> None:
    """What is not there is refused by a 4xx, or answered by a state that holds nothing."""
    judged()
    if not (is_empty_state(answer) or 400 <= answer.status < 500):
        told = f"{answer.status} {excerpt(answer.text)}"
        raise PromiseBroken("a refusal by 4xx, or a state without values", told)
