"""What a deployment shows: threads, states and histories, and what stands in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conformance.deployment.settings import GraphSettings
from conformance.excerpt import excerpt
from conformance.model.history import mask_thread_id
from conformance.suite.outcomes import PromiseBroken

Thread = dict[str, Any]
State = dict[str, Any]


@dataclass(frozen=True)
class History:
    """All states of one thread, newest first."""

    thread_id: str
    states: list[State]

    def masked(self) -> list[State]:
        """The states with the thread's own id masked wherever it stands."""
        masked: list[State] = mask_thread_id(self.states, self.thread_id)
        return masked

    def checkpoint_ids(self) -> list[str]:
        """The checkpoint ids, newest first; `PromiseBroken` where one is missing."""
        return [checkpoint_id_of(state) for state in self.states]

    def __len__(self) -> int:
        return len(self.states)

    def __iter__(self) -> Iterator[State]:
        return iter(self.states)


def id_of(thread: Thread) -> str:
    """The id of a thread, by which it is asked about."""
    thread_id = thread.get("thread_id")
    if not isinstance(thread_id, str):
        raise PromiseBroken("a thread with thread_id", excerpt(repr(thread), 200))
    return thread_id


def checkpoint_id_of(state: State) -> str:
    """The id of the checkpoint that a state shows, at its top or in `checkpoint`."""
    checkpoint = state.get("checkpoint")
    found = state.get("checkpoint_id") or (
        checkpoint.get("checkpoint_id") if isinstance(checkpoint, dict) else None
    )
    if not isinstance(found, str):
        raise PromiseBroken("a state with checkpoint_id", excerpt(json.dumps(state), 200))
    return found


def parent_id_of(state: State) -> str | None:
    """The id of the checkpoint before, shown at the top of the state or in `parent_checkpoint`."""
    parent = state.get("parent_checkpoint")
    inner = parent.get("checkpoint_id") if isinstance(parent, dict) else None
    found: str | None = state.get("parent_checkpoint_id") or inner
    return found


def says_something(values: Any) -> bool:
    """Whether values hold anything: an empty thread may show its members, each of them empty."""
    return isinstance(values, dict) and any(values.values())


def messages_of(holder: dict[str, Any], graph: GraphSettings) -> list[dict[str, Any]]:
    """The messages in the values of a thread or state: of all appending keys."""
    values = holder.get("values")
    if not isinstance(values, dict):
        return []
    return [
        message
        for key in graph.appending
        for message in (values.get(key) or [])
        if isinstance(message, dict)
    ]


def newest_first(states: list[State]) -> bool:
    """Whether `created_at` falls; moments that cannot be read are another check's question."""
    try:
        moments = [datetime.fromisoformat(state["created_at"]) for state in states]
        return moments == sorted(moments, reverse=True)
    except (KeyError, TypeError, ValueError):
        return True
