"""The part of a requirement's `sources` that cites a published OpenAPI document.

A source is `published OpenAPI: PIECE; PIECE` for the pinned document, or
`published OpenAPI RELEASE: PIECE` for a newer one. A piece is `METHOD /path, detail` or
`Schema.member, keyword`; see CONTRIBUTING.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance.contract.published import COMPONENT, PINNED_VERSION
from conformance.json_text import as_json

PUBLISHED = "published OpenAPI"
_SOURCE = re.compile(rf"{PUBLISHED}(?: (?P<release>\d\S*))?(?:: (?P<pieces>.*))?$")
_OPERATION = re.compile(r"(?P<methods>[A-Z]+(?: and [A-Z]+)*) (?P<path>/\S*?)(?:,|$| )")
_SCHEMA = re.compile(r"(?P<schema>[A-Z]\w+)(?P<members>(?:\.\w+)*)(?:, (?P<keyword>\w+))?$")
_REFERENCE = re.compile(r'\{"\$ref": "#/components/schemas/(\w+)"\}')
#: Details of an operation that every published operation has.
_ALWAYS_THERE = ("declared statuses", "request body", "response", "ThreadState")


@dataclass(frozen=True)
class Citation:
    """What a source cites of a published document: the release, and pieces of it."""

    release: str
    pieces: tuple[str, ...]


def citation(source: str) -> Citation | None:
    """Return what a source cites of a published OpenAPI document; None for another source."""
    found = _SOURCE.match(source)
    if found is None:
        return None
    pieces = (found["pieces"] or "").split("; ")
    # A source may name a method of the SDK after the pieces of the document.
    pieces = [each.removeprefix("the operations on ") for each in pieces if each]
    kept = tuple(each for each in pieces if not each.startswith("SDK"))
    return Citation(found["release"] or PINNED_VERSION, kept)


def missing(facts: dict[str, Any], piece: str) -> list[str]:
    """Return what a piece of a source names that the facts of a document do not contain.

    `facts` are as `published.extract` makes them.
    """
    if operation := _OPERATION.match(piece):
        names = _names(operation)
        gone = [
            name
            for name in names
            if name not in facts["operations"] and name not in facts["other_operations"]
        ]
        return gone or _missing_detail(facts, names, piece[operation.end() :].strip())
    if schema := _SCHEMA.match(piece):
        return _missing_member(facts, schema)
    parts = [part for part in piece.split(", ") if part != piece]
    return [gone for part in parts for gone in missing(facts, part)] or (
        [piece] if ", " not in piece and not piece.startswith("/") else []
    )


def _missing_detail(facts: dict[str, Any], names: list[str], detail: str) -> list[str]:
    """Return the parameters, headers or tag that `detail` names and an operation does not have."""
    operations = [facts["operations"].get(name) for name in names]
    if not detail or not all(operations):
        return []
    if detail.startswith("tag "):
        return [] if all(detail[4:] in each["tags"] for each in operations if each) else [detail]
    if detail in _ALWAYS_THERE:
        return []
    detail = re.sub(r"^(parameters?|header) |, default$", "", detail)
    told = json.dumps([each["parameters"] for each in operations if each])
    return [name for name in re.split(r",? and ", detail) if f' {name}"' not in told]


def _missing_member(facts: dict[str, Any], named: re.Match[str]) -> list[str]:
    if named["schema"] not in facts["schemas"]:
        return [named["schema"]]
    found = [facts["schemas"][named["schema"]]]
    for member in named["members"].split(".")[1:]:
        found = [
            each["properties"][member]
            for schema in found
            for each in alternatives(facts, schema)
            if member in each.get("properties", {})
        ]
        if not found:
            return [f"{named['schema']}{named['members']}"]
    keyword = named["keyword"]
    if keyword and not any(keyword in each for one in found for each in alternatives(facts, one)):
        return [keyword]
    return []


def alternatives(facts: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a schema, and all schemas that it refers to or contains, as an alternative or item."""
    yield schema
    inner = [schema[name] for name in ("items", "additionalProperties") if name in schema]
    inner += [each for name in ("anyOf", "allOf", "oneOf") for each in schema.get(name, ())]
    if "$ref" in schema:
        inner.append(facts["schemas"].get(schema["$ref"].removeprefix(COMPONENT), {}))
    for one in inner:
        if isinstance(one, dict):
            yield from alternatives(facts, one)


def tags_of(facts: dict[str, Any], piece: str) -> list[str]:
    """Return the tags of the operations that a piece of a source names."""
    operation = _OPERATION.match(piece)
    if operation is None:
        return []
    found = [facts["operations"].get(name, {}) for name in _names(operation)]
    return [tag for each in found for tag in each.get("tags", ())]


def described(facts: dict[str, Any], piece: str) -> str:
    """Return what a document says of a piece that a source names, in one line.

    Of an operation it is the declared statuses or the named parameters, of a member its schema.
    """
    if operation := _OPERATION.match(piece):
        return _described_operation(facts, operation, piece)
    schema = _SCHEMA.match(piece)
    if schema is None or schema["schema"] not in facts["schemas"]:
        return piece
    found = facts["schemas"][schema["schema"]]
    for member in schema["members"].split(".")[1:]:
        found = next(
            (
                each["properties"][member]
                for each in alternatives(facts, found)
                if member in each.get("properties", {})
            ),
            {},
        )
    name = f"{schema['schema']}{schema['members']}"
    if "properties" in found:
        return f"{name}: an object with {', '.join(found['properties'])}"
    return f"{name}: {_as_text(found)}" if found else name


def _described_operation(facts: dict[str, Any], operation: re.Match[str], piece: str) -> str:
    names = _names(operation)
    found = facts["operations"].get(names[0])
    if found is None:
        return piece
    told = " and ".join(names)
    detail = re.sub(r"^(parameters?|header) |, default$", "", piece[operation.end() :].strip())
    wanted = re.split(r",? and ", detail)
    parameters = [
        f"{name} in the {where}: {_as_text(each.get('schema', each))}"
        for key, each in found["parameters"].items()
        for where, _, name in [key.partition(" ")]
        if name in wanted
    ]
    if parameters:
        return f"{told}, {'; '.join(parameters)}"
    return f"{told} answers {', '.join(found['responses'])}"


def _as_text(schema: dict[str, Any]) -> str:
    """Return a schema as JSON, with the names of the schemas that it refers to."""
    return _REFERENCE.sub(r"\1", as_json(schema))


def _names(operation: re.Match[str]) -> list[str]:
    return [f"{method} {operation['path']}" for method in operation["methods"].split(" and ")]
