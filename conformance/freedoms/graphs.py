"""Freedoms of the deployment's graph, with the settings that its user writes."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from conformance.deployment.settings import GraphSettings
from conformance.freedoms.kit import refuse_runs_that_failed
from conformance.freedoms.registry import freedom
from conformance.model.assistants import Assistants
from conformance.model.errors import InvalidError
from conformance.model.graphs import (
    INTERRUPTER,
    MESSAGES,
    SLOW,
    START,
    Channel,
    Graph,
    Node,
    assistant_message,
    call_model,
    chain,
    keep_last,
    record_answer,
)
from conformance.model.states import States
from conformance.model.views import Views
from conformance.reference.altered import Altered

_ANY_GRAPH = "Which nodes a graph has is the application's; the settings describe it."

_INTERRUPTER = "The settings want a graph that asks by an interrupt, and records the answer;"

_DOCUMENTED = GraphSettings()
#: Nothing is replaced in these graphs, and they have no second key to select.
_ONE_CHANNEL = "SCALE-01 HISTORY-SELECT-03 STATE-UPDATE-22 PREPOP-29 RUN-33 RUN-34"


@freedom(
    "graph-goes-on-after-the-node-of-append",
    allowed_by=_ANY_GRAPH,
    may_block=f"CONDITION-03 {_ONE_CHANNEL}",
    choice="graph of the deployment",
    settings={
        "graph": GraphSettings(
            supersteps=(
                *_DOCUMENTED.supersteps,
                {"updates": [{"values": {}, "as_node": "tidy"}]},
            ),
        )
    },
)
def graph_goes_on_after_the_node_of_append(altered: Altered) -> None:
    _offers(
        altered,
        chain("agent", MESSAGES, call_model=Node(run=call_model), tidy=Node(run=lambda _: {})),
    )


def _offers(altered: Altered, offered: Graph) -> None:
    altered.store.assistants.graphs[offered.graph_id] = offered

    @altered.override(Assistants.graph)
    def graph(right: Any, graph_id: Any) -> Any:
        return right(graph_id)


@freedom(
    "graph-has-a-node-before-its-model",
    allowed_by=f"{_ANY_GRAPH} Rules of fairness: what a run yields is learned from its answers.",
    may_block=_ONE_CHANNEL,
    choice="graph of the deployment",
)
def graph_has_a_node_before_its_model(altered: Altered) -> None:
    _offers(
        altered,
        chain("agent", MESSAGES, prepare=Node(run=lambda _: {}), call_model=Node(run=call_model)),
    )


class _ConditionalEntry(Graph):
    """A graph with a conditional edge at its entry, which depends on the number of messages.

    With fewer than two messages the edge skips the node `prepare`.
    """

    def applied(self, values: dict[str, Any], update: Any, new_id: Any) -> dict[str, Any]:
        made = super().applied(values, update, new_id)
        object.__setattr__(self, "said", len(made.get("messages") or ()))
        return made

    def after(self, name: str) -> tuple[str, ...]:
        first = getattr(self, "said", 0) < 2
        return ("call_model",) if name == START and first else super().after(name)


@freedom(
    "edges-look-at-the-whole-state",
    allowed_by=f"{_ANY_GRAPH} An edge may be conditional on anything in the state.",
    choice="graph of the deployment",
)
def edges_look_at_the_whole_state(altered: Altered) -> None:
    nodes = {"prepare": Node(run=lambda _: {}), "call_model": Node(run=call_model)}
    channels = altered.store.assistants.graphs["agent"].channels
    made = chain("agent", channels, **nodes)
    _offers(altered, _ConditionalEntry(made.graph_id, made.channels, made.nodes))


@freedom(
    "graph-has-more-channels",
    allowed_by="Values are application data; the published type is object.",
    may_block="SCALE-01 STATE-UPDATE-22 PREPOP-29 RUN-33 RUN-34",
    choice="graph of the deployment",
)
def graph_has_more_channels(altered: Altered) -> None:
    more = {
        "summary": Channel(default="", reduce=keep_last),
        "remaining_steps": Channel(default=25, reduce=keep_last),
        "ui": Channel(default=[], reduce=keep_last),
    }
    _offers(altered, chain("agent", {**MESSAGES, **more}, call_model=Node(run=call_model)))


def _with_plan(values: dict[str, Any]) -> dict[str, Any]:
    plan = {} if values.get("plan") else {"plan": ["the only step"]}
    return {**call_model(values), **plan}


@freedom(
    "graph-makes-a-plan-where-there-is-none",
    allowed_by="What a graph does in a run is the application's.",
    choice="graph of the deployment",
)
def graph_makes_a_plan_where_there_is_none(altered: Altered) -> None:
    channels = altered.store.assistants.graphs["agent"].channels
    _offers(altered, chain("agent", channels, call_model=Node(run=_with_plan)))


def _with_tools(values: dict[str, Any]) -> dict[str, Any]:
    calls = [{"name": "look", "args": {}, "id": "call_1", "type": "tool_call"}]
    return {
        "messages": [
            {"type": "ai", "content": "", "tool_calls": calls},
            {"type": "tool", "content": "nothing", "tool_call_id": "call_1"},
            *call_model(values)["messages"],
        ]
    }


@freedom(
    "runs-add-several-messages",
    allowed_by="What a graph does in a run is the application's.",
    may_block=_ONE_CHANNEL,
    choice="graph of the deployment",
)
def runs_add_several_messages(altered: Altered) -> None:
    _offers(altered, chain("agent", MESSAGES, call_model=Node(run=_with_tools)))


def _in_blocks(values: dict[str, Any]) -> dict[str, Any]:
    (message,) = call_model(values)["messages"]
    return {"messages": [{**message, "content": [{"type": "text", "text": message["content"]}]}]}


@freedom(
    "models-answer-in-blocks",
    allowed_by="The reviewed schema of a message allows content as a list of blocks.",
    may_block=_ONE_CHANNEL,
    choice="graph of the deployment",
)
def models_answer_in_blocks(altered: Altered) -> None:
    _offers(altered, chain("agent", MESSAGES, call_model=Node(run=_in_blocks)))


@freedom(
    "empty-channels-are-not-shown",
    allowed_by="003 and 004 print the values of a finished thread alone; no source says whether a "
    "channel is shown before anything was written.",
)
def empty_channels_are_not_shown(altered: Altered) -> None:
    @altered.override(Views.state_view)
    def state_view(right: Any, *given: Any, **named: Any) -> Any:
        state = right(*given, **named)
        return {**state, "values": _written_channels(state["values"])}

    @altered.override(Views.thread_view)
    def thread_view(right: Any, thread: Any) -> Any:
        view = right(thread)
        return {**view, "values": _written_channels(view["values"])}


def _written_channels(values: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in values.items() if each != []}


def _with_ids(supersteps: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Return the supersteps with an id in each message."""
    numbers = count(1)

    def update(given: dict[str, Any]) -> dict[str, Any]:
        values = given.get("values") or {}
        if not values.get("messages"):
            return given
        named = [{**each, "id": f"message-{next(numbers)}"} for each in values["messages"]]
        return {**given, "values": {**values, "messages": named}}

    return tuple({"updates": [update(each) for each in step["updates"]]} for step in supersteps)


@freedom(
    "settings-name-the-ids-of-messages",
    allowed_by="A message may be sent with an id, and then keeps it: two threads of the same "
    "supersteps have the same values.",
    choice="graph of the deployment",
    settings={"graph": GraphSettings(supersteps=_with_ids(_DOCUMENTED.supersteps))},
)
def settings_name_the_ids_of_messages(altered: Altered) -> None:
    _offers(altered, altered.store.assistants.graphs["agent"])


@freedom(
    "last-values-are-written-once-in-a-superstep",
    allowed_by="LangGraph refuses two values of one step for a channel that keeps the last: "
    "INVALID_CONCURRENT_GRAPH_UPDATE. No source says that a superstep may write it twice.",
    choice="graph of the deployment",
    settings={
        "graph": GraphSettings(
            append={
                "values": {
                    "messages": [{"type": "ai", "content": "answer {n}"}],
                    "plan": ["step {n}"],
                },
                "as_node": "call_model",
            }
        )
    },
)
def last_values_are_written_once_in_a_superstep(altered: Altered) -> None:
    @altered.override(States.with_superstep)
    def with_superstep(right: Any, thread: Any, base: Any, updates: Any) -> Any:
        written = [key for each in updates for key in _written(each.get("values"))]
        twice = {key for key in written if written.count(key) > 1} - _COMBINED
        if twice:
            raise InvalidError(f"{', '.join(sorted(twice))}: one value per step")
        return right(thread, base, updates)


#: Channels of the graph `agent` that combine several values of one step.
_COMBINED = {"messages", "turns"}


def _written(values: Any) -> set[str]:
    """Return the keys that the values of an update write, alone or in a list."""
    several = values if isinstance(values, list) else [values]
    return {key for each in several if isinstance(each, dict) for key in each}


@freedom(
    "slow-graph-begins-with-two-nodes-at-once",
    allowed_by="The settings want of the slow graph at least two steps, each with a message; "
    "how many nodes a step has is the application's.",
    may_block="CONDITION-06 CONDITION-15 CONDITION-16 CONDITION-17 INTERRUPT-13 INTERRUPT-14 "
    "INTERRUPT-16 INTERRUPT-17 INTERRUPT-18 INTERRUPT-19 INTERRUPT-20 INTERRUPT-21 INTERRUPT-22 "
    "STATUS-15",
    profile="full",
)
def slow_graph_begins_with_two_nodes_at_once(altered: Altered) -> None:
    beside = Node(run=lambda _: {})
    nodes = {**SLOW.nodes, START: Node(then=("first_half", "beside")), "beside": beside}
    _offers(altered, replace(SLOW, nodes=nodes))


def _two_messages(values: dict[str, Any], answer: Any) -> dict[str, Any]:
    noted = assistant_message("Let me see.")["messages"]
    return {"messages": [*noted, *record_answer(values, answer)["messages"]]}


@freedom(
    "interrupter-records-an-answer-in-two-messages",
    allowed_by=f"{_INTERRUPTER} how many messages its node writes then is the application's.",
    profile="full",
)
def interrupter_records_an_answer_in_two_messages(altered: Altered) -> None:
    ask = replace(INTERRUPTER.nodes["ask"], run=_two_messages)
    _offers(altered, replace(INTERRUPTER, nodes={**INTERRUPTER.nodes, "ask": ask}))


def _counting(node: Node) -> Node:
    def run(values: dict[str, Any]) -> dict[str, Any]:
        (message,) = node.run(values)["messages"]
        content = f"{message['content']}, after {len(values['messages'])} messages"
        return {"messages": [{**message, "content": content}]}

    return replace(node, run=run)


@freedom(
    "slow-graph-tells-how-much-was-said",
    allowed_by="The settings want of the slow graph at least two steps, each with a message; what "
    "its messages say is the application's.",
    may_block="CANCEL-20",
    profile="full",
)
def slow_graph_tells_how_much_was_said(altered: Altered) -> None:
    halves = {name: _counting(SLOW.nodes[name]) for name in ("first_half", "second_half")}
    _offers(altered, replace(SLOW, nodes={**SLOW.nodes, **halves}))


def _wanting_a_plan(values: dict[str, Any]) -> dict[str, Any]:
    if values.get("plan") == []:
        raise ValueError("there is no plan")
    return call_model(values)


@freedom(
    "graph-fails-where-its-plan-is-empty",
    allowed_by="What a graph does in a run is the application's; the published response of a "
    "waited run is {}, and no source says what is answered for one whose graph raised.",
    may_block="RUN-33",
    choice="graph of the deployment",
    profile="full",
)
def graph_fails_where_its_plan_is_empty(altered: Altered) -> None:
    channels = altered.store.assistants.graphs["agent"].channels
    _offers(altered, chain("agent", channels, call_model=Node(run=_wanting_a_plan)))
    refuse_runs_that_failed(altered)
