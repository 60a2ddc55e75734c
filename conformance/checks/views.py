"""Threads, states and histories as a deployment shows them, and what they hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from conformance.checks.messages import Message, followed_key, items_in, message_keys
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.deployment.settings import GraphSettings
from conformance.json_text import as_json
from conformance.safe_text import excerpt

Thread = dict[str, Any]
State = dict[str, Any]


class Page(list[State]):
    """The states of one page of a history; `text` is the JSON of exactly these states, if known."""

    def __init__(self, states: Iterable[State], text: str | None = None) -> None:
        super().__init__(states)
        self.text = text


@dataclass(frozen=True)
class History:
    """All states of one thread, newest first."""

    thread_id: str
    states: list[State]

    def checkpoint_ids(self) -> list[str]:
        """Return the checkpoint ids, newest first; `PromiseBroken` if one is missing."""
        return [checkpoint_id_of(state) for state in self.states]

    def pages(self) -> Iterator[Page]:
        """Yield all states as one page; nothing if there are none."""
        if self.states:
            yield Page(self.states)

    def __len__(self) -> int:
        return len(self.states)

    def __iter__(self) -> Iterator[State]:
        return iter(self.states)


def id_of(thread: Thread) -> str:
    """Return the id of a thread; `PromiseBroken` if it shows none."""
    thread_id = thread.get("thread_id")
    if not isinstance(thread_id, str):
        raise PromiseBroken("a thread with thread_id", excerpt(as_json(thread), 200))
    return thread_id


def checkpoint_id_of(state: State) -> str:
    """Return the checkpoint id of a state, at its top or in `checkpoint`, else `PromiseBroken`."""
    found = known_checkpoint_id(state)
    if not isinstance(found, str):
        raise PromiseBroken("a state with checkpoint_id", excerpt(json.dumps(state), 200))
    return found


def checkpoint_to_send(state: State) -> dict[str, Any]:
    """Return the `checkpoint` of a state as a request may name it; `Blocked` if it shows no id."""
    shown = state.get("checkpoint")
    if not isinstance(shown, dict) or "checkpoint_id" not in shown:
        raise Blocked("the states of the history do not show their checkpoint", by="STATE-04")
    return without_null_members(shown)


def checkpoint_named(state: State) -> dict[str, Any]:
    """Return a `checkpoint` that names a state by its id alone; `Blocked` if it shows no id."""
    found = known_checkpoint_id(state)
    if not isinstance(found, str):
        raise Blocked("a state shows no checkpoint_id", by="STATE-04")
    return {"checkpoint_id": found, "checkpoint_ns": ""}


def without_null_members(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint without members that are null: they may be shown, but not be sent."""
    return {name: value for name, value in checkpoint.items() if value is not None}


def known_checkpoint_id(state: State) -> Any:
    """Return the checkpoint id of a state, at its top or in `checkpoint`; None without one."""
    checkpoint = state.get("checkpoint")
    inner = checkpoint.get("checkpoint_id") if isinstance(checkpoint, dict) else None
    return state.get("checkpoint_id") or inner


def parent_id_of(state: State) -> str | None:
    """Return the parent checkpoint id of a state, at its top or in `parent_checkpoint`, or None."""
    parent = state.get("parent_checkpoint")
    inner = parent.get("checkpoint_id") if isinstance(parent, dict) else None
    found: str | None = state.get("parent_checkpoint_id") or inner
    return found


def is_integer(value: Any) -> TypeGuard[float]:
    """Return whether a JSON value is an integer as JSON Schema has it: 2.0 is one, true is not."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and value.is_integer()
    )


def has_data(values: Any) -> bool:
    """Return whether values hold data; an empty thread may show members that are all empty."""
    return isinstance(values, dict) and any(values.values())


def items_of_followed_list(holder: dict[str, Any], graph: GraphSettings) -> list[Message]:
    """Return the items of the followed list in the values of a thread or state."""
    return items_in(holder.get("values"), followed_key(graph))


def messages_of(holder: dict[str, Any], graph: GraphSettings) -> list[Message]:
    """Return the items of all lists of a thread or state that hold messages.

    `Blocked` if the settings' graph has no such list.
    """
    keys = message_keys(graph)
    if not keys:
        raise Blocked(
            "the [graph] settings send no messages: no key of appending has items with "
            "type and content"
        )
    return [item for key in keys for item in items_in(holder.get("values"), key)]


def member_of(message: Message, name: str) -> Any:
    """Return a member of a message, or None; an item that is no object has no members."""
    return message.get(name) if isinstance(message, dict) else None


def is_newest_first(states: list[State]) -> bool:
    """Return whether `created_at` never rises; true if a timestamp is missing or malformed."""
    try:
        timestamps = [datetime.fromisoformat(state["created_at"]) for state in states]
        return timestamps == sorted(timestamps, reverse=True)
    except (KeyError, TypeError, ValueError):
        return True
