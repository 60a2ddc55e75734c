"""What is told of other people's threads, runs and crons in an answer: counts, and no content."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from conformance.contract.operations import BY_NAME
from conformance.deployment.ownership.guard import UnprovedId
from conformance.deployment.ownership.proof import GetAnswer, Ownership
from conformance.deployment.ownership.strangers import facts_of_strangers, unproved_in_list
from conformance.json_text import JsonTooLargeError, parse_json

STRANGER, RUN, CRON = (f"{digit}1111111-2222-4333-8444-555555555555" for digit in "123")
LATER = "2999-01-01T00:00:00+00:00"


@pytest.fixture
def ours() -> Ownership:
    return Ownership(str(uuid4()))


def facts(operation: str | None, path: str, body: Any, ours: Ownership) -> str | None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return facts_of_strangers(BY_NAME[operation] if operation else None, path, raw, ours)


def prove(ours: Ownership, own: str, *, run: str = "", cron: str = "") -> None:
    body = {"thread_id": own, "created_at": LATER, "metadata": ours.tag}
    if run:
        assert not ours.own_run_if_proved(GetAnswer(run, 200, {**body, "run_id": run}, own))
    if cron:
        assert not ours.own_cron_if_proved(GetAnswer(cron, 200, {**body, "cron_id": cron}))


# Requests about something of a stranger's


@pytest.mark.parametrize(
    ("operation", "path", "kind"),
    [
        ("get", f"/threads/{STRANGER}", "thread"),
        ("history", f"/threads/{STRANGER}/history", "thread"),
        ("run_get", f"/threads/{{own}}/runs/{RUN}", "run"),
        ("cron_get", f"/runs/crons/{CRON}", "cron"),
        # A list of runs is about a thread as well.
        ("run_list", f"/threads/{STRANGER}/runs", "thread"),
    ],
)
def test_the_kind_of_what_a_request_is_about_is_told(
    operation: str, path: str, kind: str, ours: Ownership
) -> None:
    told = facts(operation, path.format(own=ours.new_id()), {}, ours)
    assert told is not None
    assert f"a {kind} that is not proved" in told


def test_of_what_is_the_runs_nothing_need_be_told(ours: Ownership) -> None:
    own = ours.new_id()
    prove(ours, own, run=RUN, cron=CRON)
    body = {"thread_id": own, "run_id": RUN}
    assert facts("get", f"/threads/{own}", body, ours) is None
    assert facts("run_get", f"/threads/{own}/runs/{RUN}", body, ours) is None
    assert facts("cron_get", f"/runs/crons/{CRON}", body, ours) is None
    assert facts(None, "/openapi.json", {}, ours) is None


# Answers that name strangers


@pytest.mark.parametrize("operation", [None, "info", "create"])
@pytest.mark.parametrize(
    ("body", "number"),
    [
        ({"thread_id": STRANGER}, 1),
        ({"a": [{"thread_id": STRANGER}, {"thread_id": STRANGER}, {"thread_id": RUN}]}, 2),
        (b'{"thread_id" :\n"1\\u0031", "cut off', 1),
        (b'{"thread_id": "a\\"b"}, {"thread_id": "a\\"c"}', 2),
        # What cannot be read is told by its bytes.
        (b'{"thread_id": "\\x"}', 1),
        (b'{"thread_id": "\xff"}', 1),
    ],
)
def test_the_threads_that_an_answer_names_are_counted(
    operation: str | None, body: Any, number: int, ours: Ownership
) -> None:
    told = facts(operation, "/info", body, ours)
    assert told is not None
    assert f" {number} thread" in told
    assert STRANGER not in told


@pytest.mark.parametrize("body", [{}, {"thread_id": None}, {"thread": STRANGER}, b"", b"no JSON"])
def test_an_answer_that_names_no_thread_tells_nothing(body: Any, ours: Ownership) -> None:
    assert facts("info", "/info", body, ours) is None


def test_threads_of_the_runs_may_be_named(ours: Ownership) -> None:
    own = ours.new_id()
    assert facts("create", "/threads", {"thread_id": own.upper()}, ours) is None
    escaped = f'{{"thread_id": "\\u{ord(own[0]):04x}{own[1:]}"}}'.encode()
    assert facts("create", "/threads", escaped, ours) is None


# Lists


def test_of_a_list_numbers_and_published_members_are_told(ours: Ownership) -> None:
    own = {"thread_id": ours.new_id(), "config": {}}
    hits = [own, {"thread_id": STRANGER, "values": {"secret": 1}, "served_by": 1, "of": 2}, own]
    told = facts("search", "/threads/search", hits, ours)
    assert told is not None
    assert "3 in the list, 1 not proved" in told
    assert told.endswith("the members thread_id, values and 2 more")


@pytest.mark.parametrize(
    ("hits", "numbers", "members"),
    [
        ([5, "a"], "2 in the list, 2 not", "none"),
        ([{"served_by": 1}], "1 in the list, 1 not", " and 1 more"),
        ([{"thread_id": 5, "status": "idle"}], "1 in the list, 1 not", "status, thread_id"),
    ],
)
def test_a_hit_without_an_id_is_a_strangers(
    hits: list[Any], numbers: str, members: str, ours: Ownership
) -> None:
    told = facts("search", "/threads/search", hits, ours)
    assert told is not None
    assert told.startswith(numbers)
    assert told.endswith(f"members {members}")


@pytest.mark.parametrize("body", [[], {}, {"thread_id": STRANGER}, 5, b"[", b""])
def test_what_is_no_list_of_hits_tells_nothing(body: Any, ours: Ownership) -> None:
    assert facts("search", "/threads/search", body, ours) is None


def test_a_list_that_is_too_large_is_told_by_its_size(ours: Ownership) -> None:
    body = b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(JsonTooLargeError) as beyond:
        parse_json(body)
    assert facts("search", "/threads/search", body, ours) == str(beyond.value)


@pytest.mark.parametrize(("operation", "kind"), [("run_list", "run"), ("cron_search", "cron")])
def test_a_run_or_cron_on_a_thread_of_the_runs_is_proved_before_it_is_shown(
    operation: str, kind: str, ours: Ownership
) -> None:
    own = ours.new_id()
    path = f"/threads/{own}/runs" if kind == "run" else "/runs/crons/search"
    hits = [{"thread_id": own, f"{kind}_id": RUN}]
    told = facts(operation, path, hits, ours)
    assert told is not None
    assert "1 in the list, 1 not proved" in told
    raw = json.dumps(hits).encode()
    assert unproved_in_list(BY_NAME[operation], raw, ours) == (UnprovedId(kind, RUN, own),)
    prove(ours, own, **{kind: RUN})
    assert facts(operation, path, hits, ours) is None
    assert unproved_in_list(BY_NAME[operation], raw, ours) == ()


def test_a_proved_run_is_no_proved_cron(ours: Ownership) -> None:
    own = ours.new_id()
    prove(ours, own, run=RUN)
    raw = json.dumps([{"thread_id": own, "cron_id": RUN}]).encode()
    assert unproved_in_list(BY_NAME["cron_search"], raw, ours) == (UnprovedId("cron", RUN, own),)


@pytest.mark.parametrize(
    "hit",
    [
        5,
        {"run_id": RUN},
        {"run_id": RUN, "thread_id": STRANGER},
        {"run_id": 5, "thread_id": "OWN"},
        {"thread_id": "OWN"},
    ],
)
def test_only_runs_on_threads_of_the_runs_can_be_proved(hit: Any, ours: Ownership) -> None:
    raw = json.dumps([hit]).replace("OWN", ours.new_id()).encode()
    assert unproved_in_list(BY_NAME["run_list"], raw, ours) == ()
    assert facts("run_list", f"/threads/{ours.new_id()}/runs", raw, ours) is not None


@pytest.mark.parametrize("body", [b"", b"[", b"{}", b"5"])
def test_what_is_no_list_holds_nothing_to_prove(body: bytes, ours: Ownership) -> None:
    assert unproved_in_list(BY_NAME["run_list"], body, ours) == ()


def test_hits_of_a_search_for_threads_are_not_proved_one_by_one(ours: Ownership) -> None:
    raw = json.dumps([{"thread_id": ours.new_id(), "run_id": RUN}]).encode()
    assert unproved_in_list(BY_NAME["search"], raw, ours) == ()


def test_a_visit_proves_nothing_and_shows_what_is_on_the_threads_it_visits() -> None:
    visit = Ownership(str(uuid4()), visits=[STRANGER])
    hits = [{"thread_id": STRANGER, "run_id": RUN}]
    raw = json.dumps(hits).encode()
    assert unproved_in_list(BY_NAME["run_list"], raw, visit) == ()
    assert facts("run_list", f"/threads/{STRANGER}/runs", hits, visit) is None
    assert facts("search", "/threads/search", [*hits, {"thread_id": CRON}], visit) is not None


def test_on_a_deployment_started_for_the_run_nothing_is_a_strangers() -> None:
    alone = Ownership(str(uuid4()), launched_for_run=True)
    assert facts("get", f"/threads/{STRANGER}", {"thread_id": STRANGER}, alone) is None
    assert facts(None, "/", {"thread_id": STRANGER}, alone) is None
