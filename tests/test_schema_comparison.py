"""A deployment's own OpenAPI document, compared with the contract and with its answers."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from conformance.data import schemas_dir
from conformance.deployment.record.exchange import Exchange
from conformance.report.run.html import html_report
from conformance.report.run.markdown import markdown_report
from conformance.report.schema.markdown import comparison_report
from conformance.report.schema.model import Difference, SchemaComparison, compare_schema
from conformance.report.schema.terminal import comparison_line
from tests.conftest import answering, as_json, command
from tests.report_examples import CONFORMANT, REQUIREMENTS

CONTRACT: dict[str, Any] = json.loads((schemas_dir() / "openapi.json").read_text())
URL = "http://server/openapi.json"
THREAD = {
    "thread_id": "6e9f2d3c-8a4b-4c1d-9e0f-1a2b3c4d5e6f",
    "created_at": "2025-01-01T00:00:00Z",
    "updated_at": "2025-01-01T00:00:00Z",
    "metadata": {"colour": "red"},
    "status": "idle",
    "values": {},
}


def exchange(
    operation: str,
    method: str,
    path: str,
    body: Any,
    *,
    status: int = 200,
    sent: Any = None,
    check: str = "one",
) -> Exchange:
    return Exchange(
        check=check,
        operation=operation,
        method=method,
        url=f"http://server{path}",
        request_headers=(),
        request_body=None if sent is None else json.dumps(sent),
        started_at="2025-01-01T00:00:00Z",
        elapsed_ms=1.0,
        status=status,
        response_body=body if isinstance(body, str) else json.dumps(body),
    )


def found(document: dict[str, Any], *exchanges: Exchange) -> list[tuple[str, str, str, str, str]]:
    compared = compare_schema(document, CONTRACT, exchanges, URL)
    return [
        (each.kind, each.operation, each.where, each.declared, each.found)
        for each in compared.differences
    ]


@pytest.fixture
def document() -> dict[str, Any]:
    """The contract's own document, to be tampered with."""
    return copy.deepcopy(CONTRACT)


# ---- document against contract ------------------------------------------------------


def test_the_contract_differs_in_nothing_from_itself(document: dict[str, Any]) -> None:
    assert found(document) == []


def test_paths_may_name_their_parameters_as_they_like(document: dict[str, Any]) -> None:
    document["paths"]["/threads/{id}/copy"] = document["paths"].pop("/threads/{thread_id}/copy")
    assert found(document) == []


def test_an_operation_that_is_not_declared(document: dict[str, Any]) -> None:
    del document["paths"]["/threads/count"]
    assert found(document) == [
        ("undeclared_operation", "POST /threads/count", "", "nothing", "in the contract")
    ]


def test_members_of_a_request(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["thread_search"]["properties"]
    del properties["ids"]
    properties["colour"] = {"type": "string"}
    key = "POST /threads/search"
    assert found(document) == [
        (
            "request_member_not_declared",
            key,
            "ids",
            "nothing",
            '{"type": "array", "items": {"type": "string", "format": "uuid"}}',
        ),
        ("request_member_beyond", key, "colour", '{"type": "string"}', "not in the contract"),
    ]


def test_queries_are_members_of_a_request(document: dict[str, Any]) -> None:
    parameters = document["paths"]["/threads/{thread_id}/history"]["get"]["parameters"]
    parameters[:] = [each for each in parameters if each["name"] != "before"]
    assert [each[:3] for each in found(document)] == [
        ("request_member_not_declared", "GET /threads/{}/history", "query before")
    ]


def test_enums_and_defaults(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    schemas["thread_search"]["properties"]["status"]["enum"].remove("busy")
    schemas["thread_search"]["properties"]["select"]["items"]["enum"].append("colour")
    schemas["history_search"]["properties"]["limit"]["default"] = 5
    differences = found(document)
    assert [each[:3] for each in differences] == [
        ("enum_differs", "POST /threads/search", "select[]"),
        ("enum_differs", "POST /threads/search", "status"),
        ("default_differs", "POST /threads/{}/history", "limit"),
    ]
    assert differences[1][3:] == (
        '["error", "idle", "interrupted"]',
        '["busy", "error", "idle", "interrupted"]',
    )
    assert differences[2][3:] == ("5", "1")


def test_references_are_followed_wherever_they_lead(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    schemas["Renamed"] = schemas.pop("thread_search")
    body = document["paths"]["/threads/search"]["post"]["requestBody"]
    document["components"]["requestBodies"] = {"Search": body}
    document["paths"]["/threads/search"]["post"]["requestBody"] = {
        "$ref": "#/components/requestBodies/Search"
    }
    body["content"]["application/json"]["schema"] = {
        "allOf": [{"$ref": "#/components/schemas/Renamed"}, {"type": "object"}]
    }
    assert found(document) == []


@pytest.mark.parametrize(
    "reference",
    [
        "#/components/schemas/nowhere",
        "#/components/schemas/itself",
        "other.json",
        "#/paths/~1threads/post/0/x",
        "#nowhere",
    ],
)
def test_references_that_lead_nowhere_declare_nothing(
    document: dict[str, Any], reference: str
) -> None:
    document["components"]["schemas"]["itself"] = {"$ref": "#/components/schemas/itself"}
    document["components"]["schemas"]["thread_count"] = {"$ref": reference}
    asked = exchange("count", "POST", "/threads/count", 1, sent={})
    assert {each[:2] for each in found(document, asked)} == {
        ("request_member_not_declared", "POST /threads/count")
    }


@pytest.mark.parametrize(
    "paths",
    [
        {},
        {"/threads": None},
        {"/threads": {"post": None}},
        {"/threads": {"post": {}}},
        {"/threads": {"post": {"parameters": 5, "requestBody": [], "responses": []}}},
        {"/threads": {"post": {"parameters": [5], "responses": {"200": None}}}},
        {"/threads": {"post": {"responses": {"200": {"content": {"application/json": 5}}}}}},
        {
            "/threads": {
                "post": {
                    "responses": {
                        "200": {"content": {"application/json": {"schema": {"type": "colour"}}}}
                    }
                }
            }
        },
    ],
)
def test_damaged_documents_are_compared_as_far_as_they_go(paths: dict[str, Any]) -> None:
    compare_schema(
        {"paths": paths}, CONTRACT, [exchange("create", "POST", "/threads", THREAD)], URL
    )


# ---- document against what was done -------------------------------------------------


def test_a_status_that_is_not_declared(document: dict[str, Any]) -> None:
    responses = document["paths"]["/threads"]["post"]["responses"]
    responses["200"] = responses.pop("2XX")
    made = [exchange("create", "POST", "/threads", THREAD, status=each) for each in (200, 201)]
    assert found(document, *made) == [("undeclared_status", "POST /threads", "", "200, 4XX", "201")]


def test_a_default_response_declares_every_status(document: dict[str, Any]) -> None:
    responses = document["paths"]["/threads"]["post"]["responses"]
    responses["default"] = responses.pop("2XX")
    assert found(document, exchange("create", "POST", "/threads", THREAD, status=201)) == []


def test_an_operation_that_is_declared_and_missing(document: dict[str, Any]) -> None:
    refusal = {"detail": "Not Found"}
    missing = exchange("count", "POST", "/threads/count", refusal, status=404)
    assert found(document, missing) == [
        ("missing_operation", "POST /threads/count", "", "declared", "answers 404")
    ]
    assert found(document, missing, exchange("count", "POST", "/threads/count", 3)) == []


def test_members_of_an_answer_that_are_not_declared(document: dict[str, Any]) -> None:
    shown = {**THREAD, "colour": None, "metadata": {"anything": 1}}
    got = exchange("get", "GET", "/threads/x", shown)
    again = exchange("get", "GET", "/threads/x", {**shown, "colour": "red"})
    listed = exchange("search", "POST", "/threads/search", [THREAD, shown], sent={})
    assert found(document, got, again, got, listed) == [
        ("undocumented_member", "GET /threads/{}", "200 $.colour", "nothing", "null or a text"),
        ("undocumented_member", "POST /threads/search", "200 $[].colour", "nothing", "null"),
    ]


def test_an_answer_unlike_its_declaration(document: dict[str, Any]) -> None:
    shown = {**THREAD, "status": "asleep"}
    assert [each[:3] for each in found(document, exchange("get", "GET", "/threads/x", shown))] == [
        ("unlike_declared", "GET /threads/{}", "200 $.status")
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [(1, "1 of at least 3"), (10, None), (3, None), (11, "11 of at least 11")],
)
def test_a_default_limit(document: dict[str, Any], given: int, told: str | None) -> None:
    loose = document["components"]["schemas"]["thread_history"]
    loose["items"] = {}
    asked = [
        exchange("history", "GET", "/threads/x/history?limit=1000", [1, 2, 3]),
        exchange("history", "GET", "/threads/y/history?limit=1000", list(range(30))),
        exchange("history", "GET", "/threads/x/history", list(range(given))),
    ]
    expected = [("default_not_kept", "GET /threads/{}/history", "limit", "10", told)]
    assert found(document, *asked) == (expected if told else [])


def test_a_default_limit_in_a_body(document: dict[str, Any]) -> None:
    three = [THREAD] * 3
    asked = [
        exchange("search", "POST", "/threads/search", three, sent={"ids": [], "limit": 50}),
        exchange("search", "POST", "/threads/search", three[:2], sent={"ids": []}),
        # Another question, and another check.
        exchange("search", "POST", "/threads/search", [], sent={"status": "idle"}),
        exchange("search", "POST", "/threads/search", [], sent={"ids": []}, check="two"),
    ]
    assert found(document, *asked) == [
        ("default_not_kept", "POST /threads/search", "limit", "10", "2 of at least 3")
    ]


@pytest.mark.parametrize("body", ["", "no JSON", "[1, 2… (70000 characters in all)"])
def test_what_was_not_recorded_whole_is_not_judged(document: dict[str, Any], body: str) -> None:
    assert found(document, exchange("get", "GET", "/threads/x", body)) == []


# ---- what is told -------------------------------------------------------------------

TOLD = SchemaComparison(
    url=URL,
    title="A server",
    version="1",
    operations=("POST /threads",),
    differences=(
        Difference("undeclared_status", "POST /threads", "", "200", "201", "curl 'http://server'"),
        Difference("undocumented_member", "POST /threads", "200 $.<b>|`x`", "nothing", "null"),
    ),
)


def test_the_file_tells_every_difference_and_how_to_see_it() -> None:
    text = comparison_report(TOLD)
    assert "2 differences in 1 operation" in text
    assert "declared `200`, found `201`\n\n```sh\ncurl 'http://server'\n```" in text
    assert "## A member of an answer that is not declared" in text


def test_the_reports_have_a_section() -> None:
    text = markdown_report(CONFORMANT, REQUIREMENTS, TOLD)
    assert "## Schema comparison" in text
    assert "| `POST /threads` | - | `200` | `201` |" in text
    page = html_report(CONFORMANT, REQUIREMENTS, TOLD)
    assert '<h2 id="schema-comparison">' in page
    assert "200 $.&lt;b&gt;|`x`" in page
    assert "Schema comparison" not in markdown_report(CONFORMANT, REQUIREMENTS)
    assert "schema-comparison" not in html_report(CONFORMANT, REQUIREMENTS)


def test_the_line_of_the_terminal() -> None:
    assert comparison_line(TOLD).endswith("1 undeclared status, 1 undocumented member")


@pytest.mark.slow
def test_a_run_compares_the_reference_with_itself(tmp_path: Path) -> None:
    one = ("--profile", "extended", "--effort", "quick", "--capability", "state")
    ended = command(tmp_path, "run", *one, "--schema-url", "--report-dir", "here")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "/openapi.json: nothing differs" in ended.stdout
    compared = json.loads((tmp_path / "here" / "schema-comparison.json").read_text())
    assert compared["format"] == "threads-conformance-schema-comparison/1"
    assert compared["differences"] == []
    assert len(compared["operations"]) == len(
        [method for methods in CONTRACT["paths"].values() for method in methods]
    )
    assert "Nothing differs" in (tmp_path / "here" / "report.html").read_text()


@pytest.mark.slow
def test_differences_change_no_verdict(tmp_path: Path, reference: str) -> None:
    tampered = copy.deepcopy(CONTRACT)
    responses = tampered["paths"]["/threads"]["post"]["responses"]
    responses["201"] = responses.pop("2XX")
    with answering(lambda *_: as_json(tampered)) as url:
        ended = command(
            tmp_path, "run", "--url", reference, "-k", "copy_is_answered", "--schema-url", url
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 undeclared status" in ended.stdout
    written = (tmp_path / "reports" / "selection" / "schema-comparison.md").read_text()
    assert "declared `201, 4XX`, found `200`" in written


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema_url", "status", "said"),
    [
        ("nonsense", 2, "is not a URL"),
        ("http://127.0.0.1:1/openapi.json", 3, "no answer from"),
        ("REFERENCE/nowhere", 2, "answers 404"),
    ],
)
def test_one_sentence_where_there_is_no_document(
    schema_url: str, status: int, said: str, tmp_path: Path, reference: str
) -> None:
    given = schema_url.replace("REFERENCE", reference)
    ended = command(tmp_path, "run", "--url", reference, "--schema-url", given)
    assert ended.returncode == status
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
