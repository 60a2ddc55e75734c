"""Every source that a requirement names is there: a section, an operation, a member."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from conformance.contract.catalogue import load_catalogue
from conformance.contract.documents import load_fixtures, load_index
from conformance.contract.published import load_published

SOURCES = sorted(
    (requirement.id, source)
    for requirement in load_catalogue().requirements.values()
    for source in requirement.sources
)
OPERATION = re.compile(r"(?P<methods>[A-Z]+(?: and [A-Z]+)*) (?P<path>/\S*?)(?:,|$| )")
SCHEMA = re.compile(r"(?P<schema>[A-Z]\w+)(?P<members>(?:\.\w+)*)(?:, (?P<keyword>\w+))?$")
#: Not kept as facts: the SDK by method only (tests/test_sdk_reference.py), pages by their name.
ELSEWHERE = ("SDK reference", "linked page")
#: What the texts say before their first heading of a second level.
INTRODUCTION = "intro"
#: The document of code pieces has no headings: it is cited by what its pieces do.
PIECES = "004_4e718f7a4aeda1c5.txt"


@pytest.mark.parametrize(("requirement", "source"), SOURCES)
def test_a_source_exists(requirement: str, source: str) -> None:
    assert missing(source) == [], (
        f"{requirement}: the facts in fixtures/ do not hold this; how a source is written is in "
        "CONTRIBUTING.md, step 1"
    )


@pytest.mark.parametrize(
    ("source", "gone"),
    [
        ("003_a519280589421030.txt: Full thread, output", "Full thread"),
        ("004_4e718f7a4aeda1c5.txt: prune", "prune"),
        ("005_no.txt: intro", "005_no.txt"),
        ("published OpenAPI: POST /thread", "POST /thread"),
        ("published OpenAPI: GET /threads/{thread_id}/history, parameter after", "after"),
        ("published OpenAPI: Thread.name", "Thread.name"),
        ("published OpenAPI: Threat", "Threat"),
        ("published OpenAPI: ThreadSearchRequest.ids, default", "default"),
        ("published OpenAPI: ThreadSearchRequest.limit, multipleOf", "multipleOf"),
        ("published OpenAPI: ThreadCreate.strategy", "ThreadCreate.strategy"),
        ("published OpenAPI: ThreadCreate.object", "ThreadCreate.object"),
        ("published OpenAPI: ThreadCreate.ttl, minimum", "minimum"),
        ("published OpenAPI: POST /runs/wait, tag Runs", "tag Runs"),
        ("hearsay: a blog", "hearsay"),
    ],
)
def test_a_source_that_is_not_there_is_noticed(source: str, gone: str) -> None:
    assert missing(source) == [gone]


def test_a_member_of_a_member_can_be_cited() -> None:
    assert missing("published OpenAPI: ThreadCreate.ttl.strategy, default") == []


def missing(source: str) -> list[str]:
    """What a source names that does not exist."""
    kind, _, rest = source.partition(": ")
    if kind in ELSEWHERE:
        return []
    if kind.endswith(".txt"):
        return _missing_section(kind, rest)
    if kind != "published OpenAPI":
        return [kind]
    pieces = [piece.removeprefix("the operations on ") for piece in rest.split("; ")]
    return [gone for piece in pieces if not piece.startswith("SDK") for gone in _missing(piece)]


def _missing_section(file: str, place: str) -> list[str]:
    documents = {document["file"]: document for document in load_index()["documents"]}
    if file not in documents:
        return [file]
    section = place.partition(",")[0]
    if file == PIECES:
        cases = {
            fixture["case"].replace("_", " ")
            for fixture in load_fixtures().values()
            if fixture["provenance"]["document"] == PIECES
        }
        known = any(case.startswith(section.replace(" a ", " ")) for case in cases)
    else:
        known = section == INTRODUCTION or any(
            entry["section"] == section
            for kind in ("blocks", "outputs", "sentences")
            for entry in documents[file][kind]
        )
    return [] if known else [section]


def _missing(piece: str) -> list[str]:
    published = load_published()
    if operation := OPERATION.match(piece):
        names = [f"{method} {operation['path']}" for method in operation["methods"].split(" and ")]
        gone = [name for name in names if name not in published["operations"]]
        gone = [name for name in gone if name not in published["other_operations"]]
        return gone or _missing_detail(names, piece[operation.end() :].strip())
    if schema := SCHEMA.match(piece):
        return _missing_member(schema)
    return [gone for part in piece.split(", ") if part != piece for gone in _missing(part)] or (
        [piece] if ", " not in piece and not piece.startswith("/") else []
    )


def _missing_detail(names: list[str], detail: str) -> list[str]:
    """Of an operation: a parameter, a header, a declared status, the tag that it is under."""
    facts = [load_published()["operations"].get(name) for name in names]
    if not detail or not all(facts):
        return []
    if detail.startswith("tag "):
        return [] if all(detail[4:] in fact["tags"] for fact in facts if fact) else [detail]
    if detail in ("declared statuses", "request body", "response", "ThreadState"):
        return []
    detail = re.sub(r"^(parameters?|header) |, default$", "", detail)
    told = json.dumps([fact["parameters"] for fact in facts if fact])
    return [name for name in re.split(r",? and ", detail) if f' {name}"' not in told]


def _missing_member(named: re.Match[str]) -> list[str]:
    schemas = load_published()["schemas"]
    if named["schema"] not in schemas:
        return [named["schema"]]
    found = [schemas[named["schema"]]]
    for member in named["members"].split(".")[1:]:
        found = [
            each["properties"][member]
            for schema in found
            for each in _alternatives(schema)
            if member in each.get("properties", {})
        ]
        if not found:
            return [f"{named['schema']}{named['members']}"]
    keyword = named["keyword"]
    if keyword and not any(keyword in each for one in found for each in _alternatives(one)):
        return [keyword]
    return []


def _alternatives(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schema, and those that it refers to or is made of: of an object, or of a list's items."""
    inner = [schema[name] for name in ("items", "additionalProperties") if name in schema]
    inner += [each for name in ("anyOf", "allOf", "oneOf") for each in schema.get(name, ())]
    if "$ref" in schema:
        inner.append(load_published()["schemas"].get(schema["$ref"].rsplit("/", 1)[-1], {}))
    return [
        schema,
        *(each for one in inner if isinstance(one, dict) for each in _alternatives(one)),
    ]
