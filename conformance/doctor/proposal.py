"""The proposal of a `[graph]` table, made from the published schemas of a graph and by trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conformance.checks.messages import type_and_content
from conformance.deployment.settings import numbered
from conformance.doctor.graph_description import Described
from conformance.doctor.inquiry import Inquiry, thread_id_in
from conformance.doctor.schema_samples import holds_messages, sample_message, sample_value
from conformance.json_differences import same_json

Table = dict[str, Any]
Values = dict[str, Any]

_START, _INPUT = "__start__", "__input__"
_NUMBERS = (1, 2)
_PAGE = 100


@dataclass(frozen=True)
class _Reducers:
    """The keys by their reducer (append, add or replace), learned from two updates."""

    appending: tuple[str, ...] = ()
    adding: tuple[str, ...] = ()
    replacing: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every key whose reducer is known."""
        return (*self.appending, *self.adding, *self.replacing)


def propose_table(inquiry: Inquiry, known: Described) -> Table | None:
    """Return a `[graph]` table for the graph; None if its schemas and a trial yield none.

    A run with sample values shows the nodes in their order; state updates as the last node show
    which keys add to what they hold and which replace it.
    """
    samples = {key: sample_value(schema, known.definitions) for key, schema in known.keys.items()}
    messages = [key for key in known.keys if holds_messages(known.keys[key], known.definitions)]
    of_input = {
        key: value for key, value in samples.items() if not known.input or key in known.input
    }
    for run_input in _inputs(of_input, messages):
        made = thread_id_in(inquiry.create("for a run with sample values"))
        if made is None:
            return None
        ran = inquiry.run(made, numbered(run_input, 1))
        if ran is not None and ran.ok and not _has_error(ran.body):
            break
    else:
        return None
    nodes = _executed_nodes(inquiry, made) or [each for each in known.nodes if each != _START]
    if not nodes:
        return None
    answers = {key: [sample_message("ai")] for key in messages}
    reducers, written = _learn_reducers(inquiry, made, nodes[-1], {**samples, **answers})
    main = next((key for key in messages if key in reducers.appending), None)
    main = main or next(iter(reducers.all), None)
    if main is None:
        return None
    at_first = {main: samples[main]} if main in of_input else {}
    steps: list[tuple[str, Values]] = [(_INPUT, {}), (_START, at_first)]
    steps += [(node, {}) for node in nodes[:-1]]
    steps.append((nodes[-1], {main: written[main]}))
    appending = sorted(reducers.appending, key=lambda key: key != main)
    return {
        "id": inquiry.graph_id,
        "appending": appending,
        "adding": [*reducers.adding],
        "replacing": [*reducers.replacing],
        "run_input": run_input,
        "append": {"as_node": nodes[-1], "values": {main: written[main]}},
        "channels": {key: written[key] for key in reducers.all if key != main},
        "supersteps": [
            {"updates": [{"as_node": node, "values": values}]} for node, values in steps
        ],
    }


def _inputs(samples: Values, messages: Sequence[str]) -> list[Values]:
    """Return the inputs to try: the messages alone if there are any, then all keys."""
    alone = {key: samples[key] for key in messages if key in samples}
    return [alone, samples] if alone and alone != samples else [samples]


def _has_error(body: Any) -> bool:
    return isinstance(body, dict) and "__error__" in body


def _executed_nodes(inquiry: Inquiry, thread_id: str) -> list[str]:
    """Return the nodes that a run executed, in order, as the states of its history name them."""
    answer = inquiry.send(
        "GET /threads/{thread_id}/history",
        lambda: inquiry.client.history(thread_id, limit=_PAGE),
        lambda body: f"{len(body)} states" if isinstance(body, list) else "",
    )
    states = answer.body if answer is not None and answer.ok else None
    found: list[str] = []
    for state in reversed(states) if isinstance(states, list) else ():
        following = state.get("next") if isinstance(state, dict) else None
        for node in following if isinstance(following, list) else ():
            if isinstance(node, str) and node != _START and node not in found:
                found.append(node)
    return found


def _learn_reducers(
    inquiry: Inquiry, thread_id: str, node: str, samples: Values
) -> tuple[_Reducers, Values]:
    """Send two updates as this node; return the keys by reducer, and the accepted values."""
    before = inquiry.state(thread_id)
    updates = [numbered(samples, number) for number in _NUMBERS]
    taken = all(
        (answer := inquiry.update(thread_id, {"as_node": node, "values": values})) is not None
        and answer.ok
        for values in updates
    )
    if not taken:
        # One of the sample values is refused: each is tried alone to find which.
        samples = {
            key: value
            for key, value in samples.items()
            if (answer := inquiry.update(thread_id, {"as_node": node, "values": {key: value}}))
            is not None
            and answer.ok
        }
        if not samples or len(samples) == len(updates[0]):
            return _Reducers(), {}
        return _learn_reducers(inquiry, thread_id, node, samples)
    after = inquiry.state(thread_id)
    found: dict[str, list[str]] = {"appending": [], "adding": [], "replacing": []}
    for key in samples:
        if key in after:
            reducer = _reducer_of_key(before.get(key), [each[key] for each in updates], after[key])
            if reducer:
                found[reducer].append(key)
    return _Reducers(**{name: tuple(keys) for name, keys in found.items()}), samples


def _reducer_of_key(before: Any, written: list[Any], after: Any) -> str | None:
    """Return how a key took two updates: it appended, added or replaced; None if none of these."""
    first, last = written
    if isinstance(after, list) and isinstance(first, list):
        if same_json(type_and_content(after), type_and_content([*(before or []), *first, *last])):
            return "appending"
        return "replacing" if same_json(type_and_content(after), type_and_content(last)) else None
    if _is_number(after) and _is_number(first) and same_json(after, (before or 0) + first + last):
        return "adding"
    return "replacing" if same_json(after, last) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
