"""Graphs: channels with reducers, nodes, and the nodes that follow each node.

A node is a pure function of the values, so that a run always gives the same answer. The graphs
at the end have fixed ids, which reports mention; each behaves as its namesake in
`fixtures/deployments/langgraph-python`. To add a graph, add an entry to the mapping that a
store is created with.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from conformance.model.errors import InvalidError
from conformance.model.ids_and_times import JsonObject, deep_copy
from conformance.model.messages import add_messages, normalise_all, text_of

#: Node names in the documents' supersteps: the input itself, and the entry node.
INPUT = "__input__"
START = "__start__"
END = "__end__"
#: The `as_node` with which LangGraph copies a checkpoint; it is no node, and no source names it.
COPY = "__copy__"

#: The default of a channel that is absent from the values until it is written.
UNSET: Any = object()

GREETING = "Hello! How can I assist you today?"
QUESTION = {"question": "Shall I go on?"}

_ASSISTANTS = uuid.uuid5(uuid.NAMESPACE_URL, "threads-conformance/assistants")

#: Maps (current value, update, source of message ids) to the new value.
Reducer = Callable[[Any, Any, Callable[[], str]], Any]
#: Maps (update of a node, source of message ids) to the update as the task shows it.
Prepare = Callable[[Any, Callable[[], str]], Any]


def keep_last(_current: Any, update: Any, _new_id: Callable[[], str]) -> Any:
    """Return `update`: the reducer of a channel that keeps the last value written."""
    return update


def pass_on(given: Any) -> Any:
    """Return the input: a node that passes it on."""
    return given


@dataclass(frozen=True)
class Channel:
    """One member of the values: its initial value and its reducer.

    `schema` is its JSON Schema in the published schemas of the graph.
    """

    default: Any
    reduce: Reducer
    prepare: Prepare | None = None
    schema: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A step of a graph: `run` maps the values, or the node's own input, to an update.

    A node with an `interrupt_value` interrupts with that value first, and `run` then takes the
    answer as well. `seconds` computes the node's duration from the values; the driver of the
    store waits that long. With a `subgraph` the update is the final values of that graph.
    """

    run: Callable[..., Any] = pass_on
    then: tuple[str, ...] = ()
    interrupt_value: JsonObject | None = None
    seconds: Callable[[Any], float] | None = None
    subgraph: Graph | None = None


@dataclass(frozen=True)
class Graph:
    """A graph with its id, which `metadata.graph_id` and `assistant_id` refer to."""

    graph_id: str
    channels: Mapping[str, Channel]
    nodes: Mapping[str, Node]

    @property
    def assistant_id(self) -> str:
        """The id of the graph's only assistant."""
        return str(uuid.uuid5(_ASSISTANTS, self.graph_id))

    def schemas(self) -> JsonObject:
        """Return the published schemas of the graph's input, output and state."""
        described = {
            "type": "object",
            "properties": {k: c.schema for k, c in self.channels.items()},
        }
        names = ("input_schema", "output_schema", "state_schema")
        return {"graph_id": self.graph_id, **dict.fromkeys(names, described), "config_schema": {}}

    def structure(self) -> JsonObject:
        """Return the nodes and edges of the graph, as `/assistants/{id}/graph` shows them."""
        edges = [(name, then) for name, node in self.nodes.items() for then in node.then or (END,)]
        return {
            "nodes": [{"id": name, "type": "runnable"} for name in (*self.nodes, END)],
            "edges": [{"source": source, "target": target} for source, target in edges],
        }

    def initial(self) -> JsonObject:
        """Return the values that the channels have before anything is written."""
        return {
            name: deep_copy(channel.default)
            for name, channel in self.channels.items()
            if channel.default is not UNSET
        }

    def applied(self, values: JsonObject, update: Any, new_id: Callable[[], str]) -> JsonObject:
        """Return `values` after one update; unknown channels are ignored, as in LangGraph.

        InvalidError if the update is neither an object nor a list of objects, or if a channel
        refuses it.
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
        """Return a node's update in the form in which the values will hold it."""
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
        """Return `name` if it is a node; InvalidError otherwise."""
        if not isinstance(name, str) or name not in self.nodes:
            known = ", ".join(self.nodes)
            raise InvalidError(f"graph {self.graph_id!r} has no node {name!r}, only {known}")
        return name

    def after(self, name: str) -> tuple[str, ...]:
        """Return the names of the nodes that follow `name`."""
        return self.nodes[name].then


def chain(graph_id: str, channels: Mapping[str, Channel], **nodes: Node) -> Graph:
    """Return a graph whose nodes run in the order given, after the entry node."""
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


def add_up(current: Any, update: Any, _new_id: Callable[[], str]) -> Any:
    """Return the sum: the reducer of a counter, which is absent until it is written."""
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
        prepare=normalise_all,
        schema={"type": "array", "items": _MESSAGE},
    )
}


def assistant_message(content: str) -> JsonObject:
    """Return an update that adds one message of the assistant."""
    return {"messages": [{"type": "ai", "content": content}]}


def call_model(values: JsonObject) -> JsonObject:
    """Stand in for a model: repeat the last human message, or greet."""
    human = [message for message in values["messages"] if message["type"] == "human"]
    return assistant_message(f"You said: {text_of(human[-1])}" if human else GREETING)


def record_answer(_values: JsonObject, answer: Any) -> JsonObject:
    """Record the value with which the run was resumed."""
    return assistant_message(f"You answered: {answer}")


def fail(_values: JsonObject) -> JsonObject:
    """Raise ValueError, whatever the input."""
    raise ValueError("this graph always fails")


def half_of_seconds(values: JsonObject) -> float:
    """Return the seconds that one half of the slow graph takes."""
    return max(0.0, float(values.get("seconds") or 0)) / 2


def first_half(values: JsonObject) -> JsonObject:
    """Report the first half as done; ValueError if `seconds` is no number."""
    half_of_seconds(values)
    return assistant_message("First half done")


def second_half(values: JsonObject) -> JsonObject:
    """Report the second half as done; ValueError if `seconds` is no number."""
    half_of_seconds(values)
    return assistant_message("Second half done")


#: Absent until written, since the documents show `messages` alone.
OTHER_CHANNELS = {
    "turns": Channel(default=UNSET, reduce=add_up, schema={"type": "integer"}),
    "profile": Channel(default=UNSET, reduce=keep_last, schema={"type": "object"}),
    "plan": Channel(default=UNSET, reduce=keep_last, schema={"type": "array", "items": {}}),
}

AGENT = chain("agent", {**MESSAGES, **OTHER_CHANNELS}, call_model=Node(run=call_model))
INTERRUPTER = chain("interrupter", MESSAGES, ask=Node(run=record_answer, interrupt_value=QUESTION))
FAILING = chain("failing", MESSAGES, fail=Node(run=fail))
SLOW = chain(
    "slow",
    {
        **MESSAGES,
        "seconds": Channel(default=UNSET, reduce=keep_last, schema={"type": "number"}),
    },
    first_half=Node(run=first_half, seconds=half_of_seconds),
    second_half=Node(run=second_half, seconds=half_of_seconds),
)
NESTED = chain("nested", MESSAGES, inner=Node(subgraph=INTERRUPTER))

GRAPHS: Mapping[str, Graph] = {
    graph.graph_id: graph for graph in (AGENT, INTERRUPTER, FAILING, SLOW, NESTED)
}
