"""What is recorded of other people's threads: no id and no value, but still the requests."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.deployment.private_record import PrivateRecorder, with_variables
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.record.redaction import Redactor
from conformance.runner.judging import private_facts

THEIRS, OTHER, CHECKPOINT, GENERATED = (
    f"abcdef0{number}-2222-4333-8444-555555555555" for number in range(4)
)
BASE = "http://host/base"


def exchange(method: str, path: str, operation: str, body: Any = None) -> Exchange:
    raw = body if isinstance(body, str) or body is None else json.dumps(body)
    return Exchange(
        check="",
        operation=operation,
        method=method,
        url=BASE + path,
        request_headers=(("content-type", "application/json"),),
        request_body=raw,
        started_at="2026-01-01T00:00:00+00:00",
        elapsed_ms=1.0,
        status=200,
        response_headers=(("content-type", "application/json"), ("content-location", THEIRS)),
        response_body='{"secret": "sesame"}',
    )


def recorded(given: Exchange, *ids: str) -> Exchange:
    recorder = PrivateRecorder(None, Redactor(), ids or (THEIRS,), lambda each: each == GENERATED)
    with recorder.check("a check") as kept:
        recorder.add(given)
    return kept[0]


@pytest.mark.parametrize(
    ("path", "operation", "shown"),
    [
        (f"/threads/{THEIRS}", "get", "/threads/$THREAD"),
        (f"/threads/{THEIRS.upper()}/state", "state", "/threads/$THREAD/state"),
        (f"/threads/{GENERATED}", "get", f"/threads/{GENERATED}"),
        (f"/threads/{OTHER}", "get", "/threads/$THREAD"),
        (
            f"/threads/{THEIRS}/state/{CHECKPOINT}",
            "state_at_checkpoint",
            "/threads/$THREAD/state/$CHECKPOINT",
        ),
        (
            f"/threads/{THEIRS}/history?limit=3&before={CHECKPOINT}",
            "history",
            "/threads/$THREAD/history?limit=3&before=$CHECKPOINT",
        ),
        ("/info", "info", "/info"),
    ],
)
def test_no_id_of_theirs_stands_in_a_url(path: str, operation: str, shown: str) -> None:
    assert recorded(exchange("GET", path, operation)).url == BASE + shown


def test_several_threads_are_numbered() -> None:
    given = exchange("GET", f"/threads/{OTHER}", "get")
    assert recorded(given, THEIRS, OTHER).url == f"{BASE}/threads/$THREAD_2"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (
            {"metadata": {"owner": "sesame"}, "limit": 3},
            '{"metadata": $METADATA, "limit": 3}',
        ),
        ({"ids": [THEIRS], "offset": 1}, '{"ids": $IDS, "offset": 1}'),
        (
            {"before": {"checkpoint_id": CHECKPOINT, "checkpoint_ns": ""}},
            '{"before": {"checkpoint_id": "$CHECKPOINT", "checkpoint_ns": ""}}',
        ),
        (
            {"checkpoint": {"checkpoint_id": GENERATED, "checkpoint_ns": ""}},
            f'{{"checkpoint": {{"checkpoint_id": "{GENERATED}", "checkpoint_ns": ""}}}}',
        ),
        ({"before": CHECKPOINT}, '{"before": $CHECKPOINT}'),
        ({"select": ["thread_id", "status"]}, '{"select": ["thread_id", "status"]}'),
        # What is wrong with a bad body is seen.
        ({"metadata": 5}, '{"metadata": 5}'),
        ({"limit": "ten"}, '{"limit": "ten"}'),
        ({"metadata": {}}, '{"metadata": {}}'),
        ([], "[]"),
        ("{", "{"),
        ({"status": "sesame" * 100}, '{"status": $STATUS}'),
        ([{"owner": "sesame"}], "[not recorded: other people's threads]"),
        ('"sesame"', "[not recorded: other people's threads]"),
        ("{" + "sesame" * 100, "[not recorded: other people's threads]"),
    ],
)
def test_no_value_of_theirs_stands_in_a_body(body: Any, shown: str) -> None:
    assert recorded(exchange("POST", "/threads/search", "search", body)).request_body == shown


def test_of_an_answer_only_the_status_is_kept() -> None:
    kept = recorded(exchange("GET", f"/threads/{THEIRS}", "get"))
    assert kept.status == 200
    assert kept.response_headers == (("content-type", "application/json"),)
    assert kept.response_body == "[not recorded: other people's threads]"


def test_what_broke_is_not_told_in_the_words_of_the_deployment() -> None:
    told = replace(exchange("GET", "/info", "info"), status=None, error="illegal line: sesame")
    assert recorded(told).error == "the connection broke"


def test_the_shell_fills_in_what_is_not_told() -> None:
    curl = recorded(exchange("GET", f"/threads/{THEIRS}/state/{CHECKPOINT}", "x")).curl()
    assert "$" not in curl  # not an operation that is known: see below
    given = exchange("GET", f"/threads/{THEIRS}/state/{CHECKPOINT}", "state_at_checkpoint")
    shown = with_variables(recorded(given, THEIRS, OTHER).curl())
    assert "/threads/'\"$THREAD_1\"'/state/'\"$CHECKPOINT\"''" in shown


@pytest.mark.parametrize(
    "ended",
    [
        PromiseBroken("sesame", "sesame", ("$.sesame: sesame",)),
        Blocked("sesame"),
        KeyError("sesame"),
        httpx.RemoteProtocolError("illegal header line: sesame"),
        ExceptionGroup("sesame", [PromiseBroken("sesame", "sesame")]),
    ],
)
def test_what_ends_a_check_without_facts_tells_its_kind_only(ended: Exception) -> None:
    told = private_facts(ended)
    assert "sesame" not in told
    assert told.startswith(type(ended).__name__)


def test_facts_are_told() -> None:
    assert private_facts(PromiseBroken("sesame", "sesame", facts="it is 5")) == "it is 5"
    assert private_facts(Blocked("sesame", facts="it is 5")) == "it is 5"
