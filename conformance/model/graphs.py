"""Graphs: channels with reducers, nodes, and what follows each node.

A node is a pure function of the values, so that a run gives the same answer
every time. Those at the end have the ids that DESIGN.md pins; each does what its
namesake in `fixtures/deployments/langgraph-python` does. New graphs join by an entry
in the mapping that a store is given.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from conformance.model.errors import InvalidError
from conformance.model.messages import add_messages, all_normalised, text_of
from conformance.model.values import JsonObject, copied

#: Names that the documents' supersteps use: the input itself, and the entry node.
INPUT = "__input__"
START = "__start__"
END = "__end__"

#: The default of a channel that is no member of the values until it is written.
UNSET: Any = object()

GREETING = "Hello! How can I assist you today?"
QUESTION = {"question": "Shall I go on?"}

_ASSISTANTS = uuid.uuid5(uuid.NAMESPACE_URL, "threads-conformance/assistants")

#: (current value, update, source of message ids) to the new value.
Reducer = Callable[[Any, Any, Callable[[], str]], Any]
#: (update of a node, source of message ids) to the update as its task shows it.
Prepare = Callable[[Any, Callable[[], str]], Any]


def replaced(_current: Any, update: Any, _new_id: Callable[[], str]) -> Any:
    """The reducer of a channel that holds what was written last."""
    return update


def unchanged(given: Any) -> Any:
    """A node that passes on what it is given."""
    return given


@dataclass(frozen=True)
class Channel:
    """One member of the values: what it is at first, how an update changes it.

    `schema` is what is published of it.
    """

    default: Any
    reduce: Reducer
    prepare: Prepare | None = None
    schema: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A step: `run` takes the values (or its own input) and gives an update of them.

    `asks` is what it asks first; `run` then takes the answer as well. `seconds` tells
    from the values how long it takes; whoever drives the store waits that long. With a
    `subgraph` the update are the values with which that graph ends.
    """

    run: Callable[..., Any] = unchanged
    then: tuple[str, ...] = ()
    asks: JsonObject | None = None
    seconds: Callable[[Any], float] | None = None
    subgraph: Graph | None = None


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

    def schemas(self) -> JsonObject:
        """What is published of the graph: of its input, its output and its state."""
        described = {
            "type": "object",
            "properties": {k: c.schema for k, c in self.channels.items()},
        }
        names = ("input_schema", "output_schema", "state_schema")
        return {"graph_id": self.graph_id, **dict.fromkeys(names, described), "config_schema": {}}

    def drawing(self) -> JsonObject:
        """The nodes and the edges of the graph."""
        edges = [(name, then) for name, node in self.nodes.items() for then in node.then or (END,)]
        return {
            "nodes": [{"id": name, "type": "runnable"} for name in (*self.nodes, END)],
            "edges": [{"source": source, "target": target} for source, target in edges],
        }

    def initial(self) -> JsonObject:
        """The values before anything was written."""
        return {
            name: copied(channel.default)
            for name, channel in self.channels.items()
            if channel.default is not UNSET
        }

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
                    current = changed.get(name)
                    changed[name] = self.channels[name].reduce(current, value, new_id)
        return changed

    def prepared(self, update: Any, new_id: Callable[[], str]) -> Any:
        """What a node gave, brought to the form in which the values will hold it."""
        if not isinstance(update, dict):
            return update
        channels = self.channels
        return {
            name: prepare(value, new_id)
            if name in channels and (prepare := channels[name].prepare)
            else value
            for name, value in update.items()
        }

    def require_node(self, name: object) -> str:
        """`name` if it is a node; InvalidError otherwise."""
        if not isinstance(name, str) or name not in self.nodes:
            known = ", ".join(self.nodes)
            raise InvalidError(f"graph {self.graph_id!r} has no node {name!r}, only {known}")
        return name

    def after(self, name: str) -> tuple[str, ...]:
        """Names of the nodes that follow `name`."""
        return self.nodes[name].then


def chain(graph_id: str, channels: Mapping[str, Channel], **nodes: Node) -> Graph:
    """A graph whose nodes follow each other in the order given, behind the entry node."""
    names = [*nodes]
    entry = Node(then=tuple(names[:1]))
    return Graph(
        graph_id,
        channels,
        {START: entry}
        | {
            name: replace(node, then=tuple(names[position : position + 1]))
            for position, (name, node) in enumerate(nodes.items(), start=1)
        },
    )


def added_up(current: Any, update: Any, _new_id: Callable[[], str]) -> Any:
    """The reducer of a counter, which is no member of the values until it is written."""
    if isinstance(update, bool) or not isinstance(update, int | float):
        raise InvalidError(f"a counter takes a number, not {update!r}")
    return (current or 0) + update


_MESSAGE = {
    "title": "Message",
    "type": "object",
    "properties": {"type": {"type": "string"}, "content": {"type": "string"}},
}
MESSAGES = {
    "messages": Channel(
        default=[],
        reduce=add_messages,
        prepare=all_normalised,
        schema={"type": "array", "items": _MESSAGE},
    )
}


def saying(content: str) -> JsonObject:
    """The update that adds one message of the assistant."""
    return {"messages": [{"type": "ai", "content": content}]}


def call_model(values: JsonObject) -> JsonObject:
    """The stand-in for a model: says what it was told last, or greets."""
    human = [message for message in values["messages"] if message["type"] == "human"]
    return saying(f"You said: {text_of(human[-1])}" if human else GREETING)


def answered(_values: JsonObject, answer: Any) -> JsonObject:
    """Record what the run was resumed with."""
    return saying(f"You answered: {answer}")


def fail(_values: JsonObject) -> JsonObject:
    """Raise, whatever the input."""
    raise ValueError("this graph always fails")


def half_of_seconds(values: JsonObject) -> float:
    """How long one half of the slow graph takes."""
    return max(0.0, float(values.get("seconds") or 0)) / 2


def first_half(values: JsonObject) -> JsonObject:
    """Say so after one half of the time; raises if `seconds` is no number."""
    half_of_seconds(values)
    return saying("First half done")


def second_half(values: JsonObject) -> JsonObject:
    """Say so after the other half; raises if `seconds` is no number."""
    half_of_seconds(values)
    return saying("Second half done")


#: Nobody sees of these what nobody wrote: the documents show messages alone.
OTHER_CHANNELS = {
    "turns": Channel(default=UNSET, reduce=added_up, schema={"type": "integer"}),
    "profile": Channel(default=UNSET, reduce=replaced, schema={"type": "object"}),
    "plan": Channel(default=UNSET, reduce=replaced, schema={"type": "array", "items": {}}),
}

AGENT = chain("agent", {**MESSAGES, **OTHER_CHANNELS}, call_model=Node(run=call_model))
INTERRUPTER = chain("interrupter", MESSAGES, ask=Node(run=answered, asks=QUESTION))
FAILING = chain("failing", MESSAGES, fail=Node(run=fail))
SLOW = chain(
    "slow",
    {
        **MESSAGES,
        "seconds": Channel(default=UNSET, reduce=replaced, schema={"type": "number"}),
    },
    first_half=Node(run=first_half, seconds=half_of_seconds),
    second_half=Node(run=second_half, seconds=half_of_seconds),
)
NESTED = chain("nested", MESSAGES, inner=Node(subgraph=INTERRUPTER))

GRAPHS: Mapping[str, Graph] = {
    graph.graph_id: graph for graph in (AGENT, INTERRUPTER, FAILING, SLOW, NESTED)
}
