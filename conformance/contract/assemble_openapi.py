"""`schemas/openapi.json`: the Threads operations as one self-contained OpenAPI 3.1 document."""

from __future__ import annotations

import copy
from typing import Any

from conformance.contract.operations import load_operations
from conformance.contract.published import load_published

_COMPONENTS = "#/components/schemas/"

#: Where a linked request finds its ids in the exchange before it (OpenAPI links).
_LINKED = {"thread_id": "$response.body#/thread_id"}
_LINKED_CHECKPOINT = {
    "thread_id": "$request.path.thread_id",
    "checkpoint_id": "$response.body#/checkpoint/checkpoint_id",
}


def assemble(schemas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the OpenAPI document of all operations, with the given schemas by name."""
    paths: dict[str, dict[str, Any]] = {}
    for operation_id, entry in load_operations().items():
        method, path = entry["operation"].split(" ", 1)
        paths.setdefault(path, {})[method.lower()] = _operation(operation_id, entry)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LangGraph Server: Threads",
            "version": load_published()["server"]["version"],
            "description": "Assembled from the schemas of threads-conformance.",
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "components": {"schemas": _components(schemas, paths)},
    }


def _operation(operation_id: str, entry: dict[str, Any]) -> dict[str, Any]:
    facts = load_published()["operations"][entry["operation"]]
    made: dict[str, Any] = {
        "operationId": operation_id,
        "summary": entry["summary"],
        "tags": ["threads"],
        "x-profile": entry["profile"],
    }
    if facts["parameters"]:
        made["parameters"] = [_parameter(*each) for each in facts["parameters"].items()]
    if "request" in entry:
        made["requestBody"] = {
            "required": True,
            "content": _json_content(_ref(entry["request"])),
        }
    # Any 2xx counts as success, any 4xx as refusal: no source fixes the exact status.
    success: dict[str, Any] = {"description": "Done"}
    responses = [_ref(name) for name in entry["response"]]
    if responses:
        body = responses[0] if len(responses) == 1 else {"anyOf": responses}
        success["content"] = _json_content(body)
    if "links" in entry:
        success["links"] = {each: _link(each) for each in entry["links"]}
    refusal = {"description": "Refused", "content": _json_content(_ref("error"))}
    made["responses"] = {"2XX": success, "4XX": refusal}
    return made


def _parameter(key: str, fact: dict[str, Any]) -> dict[str, Any]:
    place, name = key.split(" ", 1)
    return {"name": name, "in": place, **copy.deepcopy(fact)}


def _link(operation_id: str) -> dict[str, Any]:
    at_checkpoint = operation_id == "get_state_at_checkpoint"
    parameters = _LINKED_CHECKPOINT if at_checkpoint else _LINKED
    return {"operationId": operation_id, "parameters": dict(parameters)}


def _json_content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"{_COMPONENTS}{name}"}


def _components(schemas: dict[str, dict[str, Any]], paths: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas that the operations use, their `$defs` as components of their own."""
    components: dict[str, Any] = {}
    wanted = _referenced_names(paths)
    while wanted:
        name = wanted.pop()
        if name in components:
            continue
        schema = {
            key: value
            for key, value in schemas[name].items()
            if key not in ("$schema", "$id", "$defs", "x-reviewed")
        }
        definitions = schemas[name].get("$defs", {})
        for each, body in [(name, schema), *definitions.items()]:
            components[each] = _relocate(body)
        wanted |= _referenced_names(components[name])
        wanted -= components.keys()
    return dict(sorted(components.items()))


def _relocate(node: Any) -> Any:
    """Return the node with references to files and `$defs` pointing into the components."""
    if isinstance(node, list):
        return [_relocate(each) for each in node]
    if not isinstance(node, dict):
        return node
    moved = {key: _relocate(value) for key, value in node.items()}
    if isinstance(node.get("$ref"), str):
        name = node["$ref"].removeprefix("#/$defs/").removesuffix(".json")
        moved["$ref"] = f"{_COMPONENTS}{name}"
    return moved


def _referenced_names(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for each in node for name in _referenced_names(each)}
    if not isinstance(node, dict):
        return set()
    own = node.get("$ref")
    found = {own.removeprefix(_COMPONENTS)} if isinstance(own, str) else set()
    return found | {name for value in node.values() for name in _referenced_names(value)}
