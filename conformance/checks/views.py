"""What a deployment shows: threads, states and histories, and what stands in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conformance.checks.messages import Message, followed, items_in, message_keys
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.deployment.settings import GraphSettings
from conformance.excerpt import excerpt
from conformance.model.history import mask_thread_id

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


def messages_of(holder: dict[str, Any], graph: GraphSettings) -> list[Message]:
    """The messages, or other items, of the list followed, in the values of a thread or state."""
    return items_in(holder.get("values"), followed(graph))


def real_messages_of(holder: dict[str, Any], graph: GraphSettings) -> list[Message]:
    """The items of those lists of a thread or state that hold messages.

    `Blocked` where the state of the settings' graph has no such list.
    """
    keys = message_keys(graph)
    if not keys:
        raise Blocked(
            "the [graph] settings send no messages: no key of appending has items with "
            "type and content"
        )
    return [item for key in keys for item in items_in(holder.get("values"), key)]


def member_of(message: Message, name: str) -> Any:
    """A member of a message; None where what stands for a message has no members."""
    return message.get(name) if isinstance(message, dict) else None


def newest_first(states: list[State]) -> bool:
    """Whether `created_at` falls; moments that cannot be read are another check's question."""
    try:
        moments = [datetime.fromisoformat(state["created_at"]) for state in states]
        return moments == sorted(moments, reverse=True)
    except (KeyError, TypeError, ValueError):
        return True
