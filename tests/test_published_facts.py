"""The published facts can be extracted again, and a newer server's changes are shown."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conformance.contract import published
from conformance.contract.published import (
    OPERATIONS,
    PublishedError,
    changes,
    extract,
    load_published,
    main,
    read_openapi,
    without_prose,
)

#: A small document of the published shape.
OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/threads": {
            "post": {
                "operationId": "create",
                "description": "prose",
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/ThreadCreate"}
                        }
                    }
                },
                "responses": {"200": {"description": "prose"}},
            },
        },
        "/threads/{thread_id}": {
            "get": {
                "operationId": "get",
                "parameters": [
                    {"name": "include", "in": "query", "schema": {"type": "string", "title": "I"}}
                ],
                "responses": {
                    "200": {
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    }
                },
            }
        },
        "/ok": {"get": {"responses": {}}},
    },
    "components": {
        "schemas": {
            "ThreadCreate": {
                "title": "prose",
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "ttl": {"$ref": "#/components/schemas/T"},
                },
            },
            "T": {"type": "number", "minimum": 0},
            "Unused": {"type": "string"},
        }
    },
}


@pytest.fixture
def own_fixtures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(published, "fixtures_dir", lambda: tmp_path)
    load_published.cache_clear()
    yield tmp_path
    load_published.cache_clear()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(OPENAPI))
    return file


def test_the_pinned_facts_hold_every_operation() -> None:
    facts = load_published()
    assert facts["server"] == {"name": "langgraph-api", "version": "0.16.7"}
    assert tuple(facts["operations"]) == OPERATIONS
    assert facts["digest"].startswith("sha256:")


def test_the_pinned_facts_hold_no_prose() -> None:
    for schema in load_published()["schemas"].values():
        assert without_prose(schema) == schema


def test_extract_keeps_facts_and_leaves_prose() -> None:
    facts = extract(OPENAPI, "9.9")
    assert facts["server"]["version"] == "9.9"
    assert facts["schemas"] == {
        "T": {"type": "number", "minimum": 0},
        "ThreadCreate": {
            "type": "object",
            "properties": {"title": {"type": "string"}, "ttl": {"$ref": "#/components/schemas/T"}},
        },
    }
    assert facts["operations"]["GET /threads/{thread_id}"]["parameters"] == {
        "query include": {"required": False, "schema": {"type": "string"}}
    }
    assert facts["operations"]["POST /threads"]["responses"] == {"200": None}
    assert facts["other_operations"] == ["GET /ok"]


def test_the_digest_is_of_the_content_alone() -> None:
    reordered = dict(reversed(OPENAPI.items()))
    assert extract(reordered, "1")["digest"] == extract(OPENAPI, "1")["digest"]
    changed = {**OPENAPI, "openapi": "3.1.1"}
    assert extract(changed, "1")["digest"] != extract(OPENAPI, "1")["digest"]


def test_changes_name_the_path_first() -> None:
    newer = copy.deepcopy(OPENAPI)
    newer["components"]["schemas"]["T"]["minimum"] = 1
    newer["paths"]["/threads"]["post"]["responses"]["409"] = {}
    del newer["paths"]["/threads/{thread_id}"]
    lines = changes(extract(OPENAPI, "1"), extract(newer, "1"))
    assert [line.split(": ")[0] for line in lines] == [
        "digest",
        "operations.GET /threads/{thread_id}",
        "operations.POST /threads.responses.409",
        "schemas.T.minimum",
    ]
    assert lines[1].split(": ")[1].startswith("removed {")
    assert lines[2:] == [
        "operations.POST /threads.responses.409: added null",
        "schemas.T.minimum: 0 -> 1",
    ]


def test_the_command_writes_and_compares(own_fixtures: Path, document: Path) -> None:
    runner = CliRunner()
    written = runner.invoke(main, [str(document), "--version", "0.16.7", "--write"])
    assert written.exit_code == 0, written.output
    facts = json.loads((own_fixtures / "published" / "langgraph-api-0.16.7.json").read_text())
    assert facts == extract(OPENAPI, "0.16.7")
    same = runner.invoke(main, [str(document), "--version", "0.16.7"])
    assert (same.exit_code, same.output) == (0, "nothing differs from the pinned facts\n")
    newer = runner.invoke(main, [str(document), "--version", "0.17.0", "--diff"])
    assert (newer.exit_code, newer.output) == (1, 'server.version: "0.16.7" -> "0.17.0"\n')


@pytest.mark.parametrize("text", ["{", "[]", '{"openapi": "3.1.0"}'])
def test_what_is_no_openapi_document_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(text)
    with pytest.raises(PublishedError, match=r"openapi\.json"):
        read_openapi(str(file))
    assert CliRunner().invoke(main, [str(file), "--version", "1"]).exit_code == 2


def test_the_graphs_beside_agent_change_no_digest() -> None:
    def document(*graphs: str) -> dict[str, Any]:
        named = {"properties": {"graph_id": {"type": "string", "enum": list(graphs)}}}
        return {"openapi": "3.1.0", "paths": {}, "components": {"schemas": {"Assistant": named}}}

    alone = extract(document("agent"), "1")["digest"]
    assert extract(document("agent", "slow"), "1")["digest"] == alone
    assert extract(document("another"), "1")["digest"] != alone
