"""What a newer OpenAPI document adds, and whether a requirement or a left-out reason names it."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from conformance.commands.contract import contract_command
from conformance.contract.catalogue import LeftOut, load_catalogue
from conformance.contract.delta import Addition, additions, coverage
from conformance.contract.published import NEWER_VERSIONS, load_published

#: A small document of the published shape.
OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {"/threads/search": {"post": {"responses": {"200": {}}}}},
}


@pytest.fixture
def facts() -> dict[str, Any]:
    """Return a copy of the pinned facts."""
    return copy.deepcopy(load_published())


def test_a_document_adds_nothing_to_itself() -> None:
    assert additions(load_published(), load_published()) == []


def test_each_kind_of_addition_is_told_as_a_source_cites_it(facts: dict[str, Any]) -> None:
    operations, schemas = facts["operations"], facts["schemas"]
    facts["other_operations"].append("POST /threads/{thread_id}/archive")
    operations["POST /threads"]["parameters"]["query dry_run"] = {"schema": {}}
    operations["POST /threads"]["parameters"]["header X-Region"] = {"schema": {}}
    operations["POST /threads"]["responses"]["418"] = None
    schemas["Thread"]["properties"]["title"] = {"type": "string"}
    schemas["Thread"]["properties"]["status"]["enum"].append("archived")
    schemas["ThreadSearchRequest"]["properties"]["limit"]["maximum"] = 7
    schemas["Archive"] = {"type": "object"}
    assert set(map(str, additions(load_published(), facts))) == {
        "POST /threads/{thread_id}/archive",
        "POST /threads, parameter dry_run",
        "POST /threads, header X-Region",
        "POST /threads, declared statuses: 418",
        "Thread.title",
        "Thread.status, enum: archived",
        "ThreadSearchRequest.limit, maximum: 7",
        "Archive",
    }


def test_what_is_gone_is_no_addition(facts: dict[str, Any]) -> None:
    del facts["schemas"]["Thread"]["properties"]["values"]
    assert additions(load_published(), facts) == []


@pytest.mark.parametrize(
    ("source", "covered"),
    [
        ("published OpenAPI 0.99: Thread.title", True),
        ("published OpenAPI 0.99: Thread.title, type", True),
        ("published OpenAPI 0.99: Thread.name; Thread.title", True),
        ("published OpenAPI: Thread.title", False),
        ("published OpenAPI 0.99: Thread", False),
        ("published OpenAPI 0.99: Thread.titles", False),
    ],
)
def test_only_a_newer_source_that_names_it_covers_an_addition(source: str, covered: bool) -> None:
    catalogue = load_catalogue()
    requirement = replace(
        next(iter(catalogue.requirements.values())), id="NEW-01", sources=(source,)
    )
    (found,) = coverage(
        [Addition("Thread.title")], replace(catalogue, requirements={"NEW-01": requirement})
    )
    assert (found.cited_by, found.covered) == ((("NEW-01",), True) if covered else ((), False))


def test_a_reason_covers_an_addition() -> None:
    entry = LeftOut("a title", "published OpenAPI 0.99: Thread.title", "it is prose")
    (found,) = coverage([Addition("Thread.title")], replace(load_catalogue(), left_out=(entry,)))
    assert (found.left_out, found.covered) == ("it is prose", True)


@pytest.mark.parametrize("version", NEWER_VERSIONS)
def test_all_that_the_kept_releases_add_is_covered(version: str) -> None:
    found = coverage(additions(load_published(), load_published(version)), load_catalogue())
    assert found
    assert [str(each.addition) for each in found if not each.covered] == []


def delta(*arguments: str) -> Result:
    return CliRunner().invoke(contract_command, ["delta", *arguments])


def test_the_command_exits_1_where_something_is_not_covered(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(OPENAPI), encoding="utf-8")
    result = delta(str(file))
    assert (result.exit_code, result.output) == (0, "nothing beyond langgraph-api 0.16.7\n")

    more = copy.deepcopy(OPENAPI)
    more["paths"]["/threads/{thread_id}/archive"] = {"post": {"responses": {}}}
    file.write_text(json.dumps(more), encoding="utf-8")
    result = delta(str(file))
    assert result.exit_code == 1
    assert "POST /threads/{thread_id}/archive\n    NEITHER cited nor left out" in result.output
    told = json.loads(delta(str(file), "--format", "json").output)
    assert told == [
        {
            "addition": {"piece": "POST /threads/{thread_id}/archive", "detail": ""},
            "cited_by": [],
            "left_out": "",
        }
    ]


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"paths": {"/x": {"get": {}}}}'])
def test_what_is_no_document_is_told(text: str, tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(text, encoding="utf-8")
    result = delta(str(file))
    assert result.exit_code == 2
    assert str(file) in result.output
    assert "Traceback" not in result.output
