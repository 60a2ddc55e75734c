"""The benchmark that counts the keywords of request schemas that are met and broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import request_keywords
from benchmarks.request_keywords import BEYOND, Operation, Request, as_text, count, operations

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 3, "description": "an annotation"},
        "kind": {"enum": ["a", "b"]},
        "parts": {"type": "array", "items": {"type": "integer", "minimum": 1}},
        "one": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Deep"}]},
        "rest": {"type": "object", "additionalProperties": {"type": "string"}},
        "any": {"type": ["object", "null"]},
    },
}
_DEEP = {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}}}


def _operation() -> Operation:
    in_path = {"in": "path", "name": "it", "required": True, "schema": {"type": "string"}}
    in_query = {"in": "query", "name": "limit", "schema": {"type": "integer"}}
    return Operation("op", "post", "/op/{it}", [in_path, in_query], _SCHEMA, {"Deep": _DEEP})


def _counted(body: Any, query: dict[str, str] | None = None) -> Operation:
    counted = _operation()
    counted.add(Request("post", "/op/x", query or {}, body, has_body=True), {"it": "x"})
    return counted


def _places(places: set[tuple[str, ...]]) -> set[str]:
    return {" ".join(each) for each in places}


def test_keywords_are_listed_by_their_place() -> None:
    keywords = _operation().keywords
    assert _places(keywords.to_break) == {
        "query limit type",
        "body type",
        "body required",
        "body name type",
        "body name maxLength",
        "body kind enum",
        "body parts type",
        "body parts items type",
        "body parts items minimum",
        "body one anyOf",
        "body one anyOf 1 id type",
        "body one anyOf 1 id format",
        "body rest type",
        "body rest additionalProperties type",
        "body any type",
    }
    assert _places({*keywords.left_out}) == {
        "path it required",
        "path it type",
        "body one anyOf 0",
        "body one anyOf 1",
    }
    assert 'body kind enum "a"' in _places(keywords.to_meet)
    assert 'body any type "null"' in _places(keywords.to_meet)


def test_a_valid_request_meets_what_applies_to_it() -> None:
    body = {"name": "abc", "kind": "b", "parts": [1], "one": {"id": "no uuid"}}
    assert not _counted(body).keywords.met
    body["one"] = {"id": "1f0a5a36-0000-4000-8000-000000000001"}
    keywords = _counted(body, {"limit": "5"}).keywords
    assert keywords.met <= keywords.to_meet
    assert _places(keywords.to_meet - keywords.met) == {
        'body kind enum "a"',
        "body one anyOf 0",
        "body rest type",
        "body rest additionalProperties",
        "body rest additionalProperties type",
        'body any type "object"',
        'body any type "null"',
    }
    assert not keywords.broken


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "body required"),
        ([], "body type"),
        ({"name": "abcd"}, "body name maxLength"),
        ({"name": "a", "kind": "c"}, "body kind enum"),
        ({"name": "a", "parts": [0]}, "body parts items minimum"),
        ({"name": "a", "rest": {"x": 1}}, "body rest additionalProperties type"),
        ({"name": "a", "any": 1}, "body any type"),
    ],
)
def test_an_invalid_request_breaks_one_keyword_and_meets_none(body: Any, place: str) -> None:
    keywords = _counted(body).keywords
    assert _places(keywords.broken & keywords.to_break) == {place}
    assert not keywords.met


def test_what_is_broken_within_a_branch_is_counted_beside_its_anyof() -> None:
    keywords = _counted({"name": "a", "one": {"id": "no uuid"}}).keywords
    assert _places(keywords.broken & keywords.to_break) == {
        "body one anyOf",
        "body one anyOf 1 id format",
    }


def test_a_query_that_cannot_be_read_breaks_its_type() -> None:
    keywords = _counted({"name": "a"}, {"limit": "many"}).keywords
    assert _places(keywords.broken) == {"query limit type"}


def test_references_and_allof_are_taken_in() -> None:
    by_name = {each.name: each for each in operations()}
    assert {*BEYOND} < {*by_name}
    assert ("body", "limit", "maximum") in by_name["search_threads"].keywords.to_break
    assert ("body", "on_disconnect", "enum") in by_name["run_wait"].keywords.to_break
    place = ("body", "checkpoint", "checkpoint_id", "type")
    assert place in by_name["update_state"].keywords.to_break


def test_a_recorded_run_is_counted_by_operation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def entry(path: str, text: str) -> dict[str, Any]:
        sent = {"method": "POST", "url": f"http://x{path}", "queryString": []}
        return {"request": {**sent, "postData": {"text": text}}}

    entries = [entry("/threads/search", '{"limit": 0}'), entry("/threads/search", "no JSON")]
    har = tmp_path / "exchanges.har"
    har.write_text(json.dumps({"log": {"entries": entries}}), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["request_keywords", str(har), "--markdown"])
    request_keywords.main()
    told = capsys.readouterr().out
    assert "| search_threads | 0 of 42 (0.0%) | 1 of 23 (4.3%) |" in told
    found = count([Request("get", "/threads/x/state", {"subgraphs": "true"})])
    assert "get_state: " in as_text(found, markdown=False)


def test_a_file_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["request_keywords", str(tmp_path / "none.har")])
    with pytest.raises(SystemExit) as ended:
        request_keywords.main()
    assert ended.value.code == 2
    assert "there is no file" in capsys.readouterr().err
