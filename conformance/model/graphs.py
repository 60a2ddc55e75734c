"""Graphs: channels with reducers, nodes, and what follows each node.

A node is a pure function of the values, so that a run gives the same answer
every time. New graphs join by an entry in the mapping that a store is given.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.model.errors import InvalidError
from conformance.model.messages import add_messages, text_of
from conformance.model.values import JsonObject, copied

#: Names that the documents' supersteps use: the input itself, and the entry node.
INPUT = "__input__"
START = "__start__"
END = "__end__"

GREETING = "Hello! How can I assist you today?"

_ASSISTANTS = uuid.uuid5(uuid.NAMESPACE_URL, "threads-conformance/assistants")

#: (current value, update, source of message ids) to the new value.
Reducer = Callable[[Any, Any, Callable[[], str]], Any]


@dataclass(frozen=True)
class Channel:
    """One member of the values: what it is at first, how an update changes it."""

    default: Any
    reduce: Reducer


@dataclass(frozen=True)
class Node:
    """A step: `run` takes the values (or its own input) and gives an update of them."""

    run: Callable[[Any], Any]
    then: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """A graph under its id, as `metadata.graph_id` and `assistant_id` name it."""

    graph_id: str
    channels: Mapping[str, Channel]
    nodes: Mapping[str, Node]

    @property
    def assistant_id(self) -> str:
        """The id of the graph's only assistant."""
        return str(uuid.uuid5(_ASSISTANTS, self.graph_id))

    def initial(self) -> JsonObject:
        """The values before anything was written."""
        return {name: copied(channel.default) for name, channel in self.channels.items()}

    def applied(self, values: JsonObject, update: Any, new_id: Callable[[], str]) -> JsonObject:
        """`values` after one update; what names no channel is left out, as LangGraph does.

        InvalidError if the update is no object (or list of objects) or a channel
        cannot take it.
        """
        changed = dict(values)
        for part in update if isinstance(update, list) else [update]:
            if part is None:
                continue
            if not isinstance(part, dict):
                raise InvalidError("the values of an update must be an object of channels")
            for name, value in part.items():
                if name in self.channels:
                    changed[name] = self.channels[name].reduce(changed[name], value, new_id)
        return changed

    def require_node(self, name: object) -> str:
        """`name` if it is a node; InvalidError otherwise."""
        if not isinstance(name, str) or name not in self.nodes:
            known = ", ".join(self.nodes)
            raise InvalidError(f"graph {self.graph_id!r} has no node {name!r}, only {known}")
        return name

    def after(self, name: str) -> tuple[str, ...]:
        """Names of the nodes that follow `name`."""
        return self.nodes[name].then


def call_model(values: JsonObject) -> JsonObject:
    """The stand-in for a model: says what it was told last, or greets."""
    human = [message for message in values["messages"] if message["type"] == "human"]
    content = f"You said: {text_of(human[-1])}" if human else GREETING
    return {"messages": [{"type": "ai", "content": content}]}


AGENT = Graph(
    graph_id="agent",
    channels={"messages": Channel(default=[], reduce=add_messages)},
    nodes={
        START: Node(run=lambda given: given, then=("call_model",)),
        "call_model": Node(run=call_model),
    },
)

GRAPHS: Mapping[str, Graph] = {graph.graph_id: graph for graph in (AGENT,)}
