"""Sample values for a JSON Schema, whose texts contain `{n}`; whether a schema holds messages."""

from __future__ import annotations

import json
from typing import Any

from conformance.deployment.settings import NUMBER

_DEEPEST = 4
_MEMBERS = 5


def holds_messages(schema: Any, definitions: dict[str, Any]) -> bool:
    """Return whether a schema describes a list of messages, judged by the names in it."""
    schema = _resolved(schema, definitions)
    items = schema.get("items") if isinstance(schema, dict) else None
    return "Message" in json.dumps(items)


def sample_message(kind: str = "human") -> dict[str, Any]:
    """Return a sample message whose text contains `{n}`."""
    return {"type": kind, "content": f"{kind} says {NUMBER}"}


def sample_value(schema: Any, definitions: dict[str, Any], depth: int = 0) -> Any:
    """Return a value that fits the schema's types, enums and required members."""
    schema = _resolved(schema, definitions)
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    match _type_of(schema):
        case "array":
            if holds_messages(schema, definitions):
                return [sample_message()]
            return (
                [sample_value(schema.get("items"), definitions, depth + 1)]
                if depth < _DEEPEST
                else []
            )
        case "object":
            return _sample_object(schema, definitions, depth)
        case "integer" | "number":
            return 2
        case "boolean":
            return True
        case _:
            return f"text {NUMBER}"


def _sample_object(
    schema: dict[str, Any], definitions: dict[str, Any], depth: int
) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, dict) or depth >= _DEEPEST:
        return {"name": f"text {NUMBER}", "of": {"tags": ["a", 1]}} if depth == 0 else {}
    required = schema.get("required")
    names = required if isinstance(required, list) and required else [*properties][:_MEMBERS]
    return {
        name: sample_value(properties[name], definitions, depth + 1)
        for name in names
        if name in properties
    }


def _resolved(schema: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its reference followed, or its first alternative that is not null."""
    for _ in range(_DEEPEST * 2):
        if not isinstance(schema, dict):
            return {}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            schema = definitions.get(reference.rpartition("/")[2])
            continue
        for name in ("anyOf", "oneOf", "allOf"):
            if isinstance(schema.get(name), list):
                others = [each for each in schema[name] if each != {"type": "null"}]
                schema = others[0] if others else {}
                break
        else:
            return schema
    return {}


def _type_of(schema: dict[str, Any]) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), None)
    if kind is None:
        kind = "array" if "items" in schema else "object" if "properties" in schema else None
    return kind
