"""A store with a fixed clock and counted ids, and examples of what tests put into it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count

from conformance.model.graphs import GRAPHS, Graph
from conformance.model.ids_and_times import JsonObject
from conformance.model.store import ThreadStore

NOON = datetime(2025, 5, 12, 12, tzinfo=UTC)


def new_store(graphs: Mapping[str, Graph] = GRAPHS) -> ThreadStore:
    """Return a store whose clock stands still and whose ids count from 1."""
    numbers = count(1)
    return ThreadStore(lambda: NOON, lambda: uuid.UUID(int=next(numbers)), graphs)


def message(kind: str, content: str) -> JsonObject:
    return {"type": kind, "content": content}


def superstep(as_node: str, *messages: JsonObject) -> JsonObject:
    values = {"messages": list(messages)} if messages else {}
    return {"updates": [{"values": values, "as_node": as_node}]}


DOCUMENTED = [
    superstep("__input__"),
    superstep("__start__", message("human", "hello")),
    superstep("call_model", message("ai", "Hello! How can I assist you today?")),
]
ON_AGENT = {"graph_id": "agent"}


def contents(values: JsonObject) -> list[str]:
    return [one["content"] for one in values.get("messages", [])]


def masked(thread_id: str, states: list[JsonObject]) -> str:
    """Return states as text, with the thread's own id replaced."""
    return repr(states).replace(thread_id, "<own>")
