"""What the deployment publishes about a graph: whether it exists, its keys, its nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conformance.doctor.inquiry import Inquiry

_MOST = 100


@dataclass(frozen=True)
class Described:
    """What the deployment publishes about a graph; members are empty where it publishes nothing.

    `graphs` are the ids of all graphs, `state` and `input` the properties of the graph's schemas,
    `definitions` what these refer to, `nodes` the names of its nodes.
    """

    graphs: tuple[str, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)
    input: dict[str, Any] = field(default_factory=dict)
    definitions: dict[str, Any] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()

    @property
    def keys(self) -> dict[str, Any]:
        """The keys that updates and inputs may have."""
        return {**self.input, **self.state}


def describe_graph(inquiry: Inquiry) -> Described:
    """Request what the deployment publishes about the graph, and return it."""
    client, graph_id = inquiry.client, inquiry.graph_id
    listed = inquiry.send(
        "POST /assistants/search",
        lambda: client.assistants({"limit": _MOST}),
        lambda body: f"graphs: {', '.join(_graph_ids(body)) or 'none'}",
    )
    listing = listed.body if listed is not None and listed.ok else None
    assistant = _assistant_id(listing, graph_id) or graph_id
    schemas = inquiry.send(
        "GET /assistants/{assistant_id}/schemas",
        lambda: client.assistant_schemas(assistant),
        lambda body: f"state: {', '.join(_properties(body, 'state_schema')) or 'nothing'}",
    )
    graph_answer = inquiry.send(
        "GET /assistants/{assistant_id}/graph",
        lambda: client.assistant_graph(assistant),
        lambda body: f"nodes: {', '.join(_node_names(body)) or 'none'}",
    )
    body = schemas.body if schemas is not None and schemas.ok else None
    return Described(
        graphs=_graph_ids(listing),
        state=_properties(body, "state_schema"),
        input=_properties(body, "input_schema"),
        definitions=_all_definitions(body),
        nodes=_node_names(graph_answer.body)
        if graph_answer is not None and graph_answer.ok
        else (),
    )


def _graph_ids(body: Any) -> tuple[str, ...]:
    found = (each.get("graph_id") for each in _objects(body))
    return tuple(dict.fromkeys(each for each in found if isinstance(each, str)))


def _assistant_id(body: Any, graph_id: str) -> str | None:
    """Return the id of an assistant of the graph: some servers give schemas only by that id."""
    for each in _objects(body):
        found = each.get("assistant_id")
        if each.get("graph_id") == graph_id and isinstance(found, str):
            return found
    return None


def _node_names(body: Any) -> tuple[str, ...]:
    found = (
        each.get("id") for each in _objects(body.get("nodes") if isinstance(body, dict) else 0)
    )
    return tuple(str(each) for each in found if each != "__end__")


def _objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a JSON list; empty if it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _properties(body: Any, schema: str) -> dict[str, Any]:
    described = body.get(schema) if isinstance(body, dict) else None
    resolved = _resolved(described)
    found = resolved.get("properties")
    return found if isinstance(found, dict) else {}


def _resolved(schema: Any) -> dict[str, Any]:
    """Return a schema, or the one that its `$ref` names, as JavaScript servers write it."""
    if not isinstance(schema, dict):
        return {}
    reference = schema.get("$ref")
    if "properties" not in schema and isinstance(reference, str):
        found = _definitions_in(schema).get(reference.rpartition("/")[2])
        return found if isinstance(found, dict) else {}
    return schema


def _definitions_in(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("$defs", "definitions"):
        inner = schema.get(name)
        found |= inner if isinstance(inner, dict) else {}
    return found


def _all_definitions(body: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for schema in body.values() if isinstance(body, dict) else ():
        found |= _definitions_in(schema) if isinstance(schema, dict) else {}
    return found
