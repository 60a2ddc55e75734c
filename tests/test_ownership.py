"""Ownership: proved by a generated id or by a GET; an id in an answer proves nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest

from conformance.contract.operations import BY_NAME
from conformance.deployment.ownership.clock import ServerClock
from conformance.deployment.ownership.proof import RUN_TAG, SUITE_TAG, GetAnswer, Ownership, is_uuid
from conformance.deployment.ownership.strangers import facts_of_strangers

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAMED = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def ours() -> Ownership:
    return Ownership(str(uuid4()), clock=ServerClock(BEGAN))


def thread(ours: Ownership, **members: Any) -> dict[str, Any]:
    created_at = (BEGAN + timedelta(seconds=5)).isoformat()
    return {"thread_id": NAMED, "created_at": created_at, "metadata": ours.tag, **members}


def test_every_thread_carries_the_tag_of_the_run_and_that_of_the_suite(ours: Ownership) -> None:
    assert ours.tag == {**SUITE_TAG, RUN_TAG: ours.run_id}


def test_what_is_drawn_is_ours_and_never_the_same(ours: Ownership) -> None:
    generated = [ours.new_id(), ours.absent_id(), ours.malformed_id(), ours.new_id_of_version("7")]
    assert len(set(generated)) == 4
    assert all(map(ours.is_ours, generated))
    assert all(map(ours.is_generated, generated))
    assert [is_uuid(each) for each in generated] == [True, True, False, True]
    assert ours.is_ours(generated[0].upper())
    assert Ownership(ours.run_id).new_id() not in generated


def test_a_thread_with_the_tag_that_is_new_is_taken(ours: Ownership) -> None:
    assert not ours.is_ours(NAMED)
    assert ours.own_thread_if_proved(GetAnswer(NAMED, 200, thread(ours))) == ""
    assert ours.is_ours(NAMED)
    assert not ours.is_generated(NAMED)


@pytest.mark.parametrize(
    ("status", "changes", "reason"),
    [
        (404, {}, "answers 404"),
        (503, {}, "answers 503"),
        (200, {"thread_id": str(uuid4())}, "another id"),
        (200, {"thread_id": 5}, "another id"),
        (200, {"metadata": {}}, "tag"),
        (200, {"metadata": None}, "tag"),
        (200, {"metadata": {RUN_TAG: str(uuid4())}}, "tag"),
        (200, {"metadata": SUITE_TAG}, "tag"),
        (200, {"metadata": {"deep": "TAG"}}, "tag"),
        (200, {"created_at": None}, "created_at"),
        (200, {"created_at": "yesterday"}, "created_at"),
        (200, {"created_at": (BEGAN - timedelta(seconds=2)).isoformat()}, "before this run"),
        (200, {"created_at": "2020-01-01T00:00:00Z"}, "before this run"),
    ],
)
def test_anything_less_proves_nothing(
    status: int, changes: dict[str, Any], reason: str, ours: Ownership
) -> None:
    if changes.get("metadata") == {"deep": "TAG"}:
        changes = {"metadata": {"deep": ours.tag}}
    assert reason in ours.own_thread_if_proved(GetAnswer(NAMED, status, thread(ours, **changes)))
    assert not ours.is_ours(NAMED)


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_what_is_no_object_proves_nothing(body: Any, ours: Ownership) -> None:
    assert ours.own_thread_if_proved(GetAnswer(NAMED, 200, body))
    assert not ours.is_ours(NAMED)


def test_on_a_disposable_deployment_a_creation_needs_no_tag(ours: Ownership) -> None:
    disposable = Ownership(str(uuid4()), clock=ServerClock(BEGAN), disposable=True)
    untagged = thread(ours, metadata={})
    assert disposable.own_thread_if_proved(GetAnswer(NAMED, 200, untagged))
    assert (
        disposable.own_thread_if_proved(GetAnswer(NAMED, 200, untagged), named_by_creation=True)
        == ""
    )
    assert ours.own_thread_if_proved(GetAnswer(NAMED, 200, untagged), named_by_creation=True)


RUN = "99999999-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    ("changes", "on_own_thread", "reason"),
    [
        ({}, True, ""),
        ({}, False, "its thread"),
        ({"thread_id": NAMED}, True, "another thread"),
        ({"run_id": NAMED}, True, "another id"),
        ({"metadata": {}}, True, "tag"),
        ({"created_at": "2020-01-01T00:00:00Z"}, True, "before this run"),
    ],
)
def test_a_run_is_proved_like_a_thread(
    changes: dict[str, Any], on_own_thread: bool, reason: str, ours: Ownership
) -> None:
    own = ours.new_id() if on_own_thread else str(uuid4())
    shown = {**thread(ours), "thread_id": own, "run_id": RUN, **changes}
    said = ours.own_run_if_proved(GetAnswer(RUN, 200, shown, own))
    assert reason in said
    assert ours.is_our_run(RUN) is (said == "") is (reason == "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"metadata": {}, "payload": {"metadata": "TAG"}}, ""),
        ({"metadata": {}}, "tag"),
        ({"thread_id": NAMED}, "no thread"),
        ({"thread_id": None}, "no thread"),
        ({"cron_id": NAMED}, "another id"),
    ],
)
def test_a_cron_is_proved_like_a_thread(
    changes: dict[str, Any], reason: str, ours: Ownership
) -> None:
    if "payload" in changes:
        changes = {**changes, "payload": {"metadata": ours.tag}}
    shown = {**thread(ours), "thread_id": ours.new_id(), "cron_id": RUN, **changes}
    said = ours.own_cron_if_proved(GetAnswer(RUN, 200, shown))
    assert reason in said
    assert ours.is_our_cron(RUN) is (said == "") is (reason == "")


# ---- the server's clock -----------------------------------------------------------------


@pytest.mark.parametrize("ahead", [timedelta(hours=-3), timedelta(0), timedelta(hours=3)])
def test_the_clock_is_the_servers(ahead: timedelta) -> None:
    ours = Ownership(str(uuid4()), clock=ServerClock(BEGAN))
    received_at = BEGAN + timedelta(seconds=1)
    ours.clock.learn_from_date(format_datetime(received_at + ahead, usegmt=True), received_at)
    old = (BEGAN + ahead - timedelta(seconds=2)).isoformat()
    new = (BEGAN + ahead + timedelta(seconds=2)).isoformat()
    assert "before" in ours.own_thread_if_proved(
        GetAnswer(NAMED, 200, thread(ours, created_at=old))
    )
    assert ours.own_thread_if_proved(GetAnswer(NAMED, 200, thread(ours, created_at=new))) == ""


def test_the_clock_that_stamps_threads_counts_more_than_that_of_the_gateway() -> None:
    clock = ServerClock(BEGAN)
    clock.learn_from_date(format_datetime(BEGAN + timedelta(hours=1), usegmt=True), BEGAN)
    assert clock.learn_from_creation(BEGAN - timedelta(hours=1), BEGAN)
    assert not clock.learn_from_creation(BEGAN + timedelta(hours=9), BEGAN)
    assert clock.first_request_at() == BEGAN - timedelta(hours=1, seconds=1)
    assert ServerClock(BEGAN, clock.offset).first_request_at() == clock.first_request_at()


def test_the_closest_date_counts() -> None:
    clock = ServerClock(BEGAN)
    for seconds in (0, 5, 2):  # how long each answer took to come
        sent = format_datetime(BEGAN, usegmt=True)
        clock.learn_from_date(sent, BEGAN + timedelta(seconds=seconds))
    assert clock.first_request_at() == BEGAN - timedelta(seconds=1)


@pytest.mark.parametrize("header", [None, "", "some day", "2026-01-01"])
def test_a_date_that_is_none_says_nothing(header: str | None) -> None:
    clock = ServerClock(BEGAN)
    clock.learn_from_date(header, BEGAN)
    assert clock.first_request_at() == BEGAN - timedelta(seconds=1)


def test_on_a_deployment_of_its_own_nothing_is_other_peoples() -> None:
    body = b'[{"thread_id": "8c0ffee0-0000-4000-8000-000000000000", "metadata": {}}]'
    shared, alone = (Ownership(str(uuid4()), launched_for_run=each) for each in (False, True))
    search = BY_NAME["search"]
    assert facts_of_strangers(search, "/threads/search", body, alone) is None
    assert "not proved to be this run's" in str(
        facts_of_strangers(search, "/threads/search", body, shared)
    )
    # It may be shown, and is not the run's for all that: nothing is written to it.
    stranger = "8c0ffee0-0000-4000-8000-000000000000"
    assert (alone.may_be_shown(stranger), alone.is_ours(stranger)) == (True, False)
