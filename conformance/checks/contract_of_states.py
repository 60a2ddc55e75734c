"""What of a state is the server's contract, and so must be the same at every look."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from conformance.checks.expect import published_members
from conformance.checks.views import State

#: The members of a state's metadata that sources tell of; others are the application's.
_METADATA = ("source", "step", "parents")


def contract_of(state: State) -> State:
    """Return the published members of a state, of its metadata source, step and parents."""
    shown: State = published_members("thread_state", state)
    metadata: Any = shown.get("metadata")
    if isinstance(metadata, dict):
        shown["metadata"] = {name: metadata[name] for name in _METADATA if name in metadata}
    return shown


def contract_of_each(states: Iterable[State]) -> list[State]:
    """Return the contract of each state."""
    return [contract_of(each) for each in states]
