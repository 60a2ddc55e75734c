"""Details of what proves that a thread, run or cron is this run's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest

from conformance.deployment.ownership.clock import ServerClock
from conformance.deployment.ownership.proof import (
    RUN_TAG,
    GetAnswer,
    Ownership,
    canonical,
    has_tag,
    is_uuid,
    parse_timestamp,
)

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAMED, RUN = "1a1a1a1a-2222-4333-8444-555555555555", "9b9b9b9b-2222-4333-8444-555555555555"


@pytest.fixture
def ours() -> Ownership:
    return Ownership(str(uuid4()), clock=ServerClock(BEGAN))


def shown(ours: Ownership, **members: Any) -> dict[str, Any]:
    return {
        "thread_id": NAMED,
        "created_at": BEGAN.isoformat(),
        "metadata": ours.tag,
        **members,
    }


# Ids


def test_an_id_of_a_version_is_a_uuid_of_it(ours: Ownership) -> None:
    for version in "14567":
        made = ours.new_id_of_version(version)
        assert made[14] == version
        assert str(UUID(made)) == made
        assert ours.is_generated(made)


def test_a_malformed_id_begins_as_it_is_to_and_cannot_be_anybody_elses(ours: Ownership) -> None:
    assert ours.malformed_id().startswith("not-a-uuid-")
    made = ours.malformed_id("123")
    assert made.startswith("123-")
    assert len(made) >= 20
    assert not is_uuid(made)
    assert ours.is_generated(made.upper())


def test_ids_of_the_ledger_are_the_runs() -> None:
    again = Ownership("a-run", generated=[NAMED.upper(), "Not-A-UUID"])
    assert again.is_generated(NAMED)
    assert again.is_generated("not-a-uuid")
    assert not again.is_generated(RUN)


def test_a_generated_id_may_be_that_of_a_thread_run_or_cron(ours: Ownership) -> None:
    made = ours.absent_id().upper()
    assert ours.is_ours(made)
    assert ours.is_our_run(made)
    assert ours.is_our_cron(made)
    for knows in (ours.is_ours, ours.is_our_run, ours.is_our_cron):
        assert not knows(NAMED)


@pytest.mark.parametrize(
    ("text", "form"),
    [(NAMED.upper(), NAMED), (NAMED.replace("-", ""), NAMED), ("Not-A-UUID", "not-a-uuid")],
)
def test_an_id_has_one_canonical_form(text: str, form: str) -> None:
    assert canonical(text) == form


def test_a_new_ownership_knows_nothing_and_is_careful() -> None:
    before = datetime.now(UTC)
    careful = Ownership("a-run")
    assert careful.run_id == "a-run"
    assert careful.ids_are_kept is None
    assert careful.visits is None
    assert (careful.disposable, careful.launched_for_run) == (False, False)
    began = careful.clock.first_request_at()
    assert before - timedelta(seconds=1) <= began <= datetime.now(UTC)


def test_what_is_visited_may_be_shown_and_is_not_the_runs() -> None:
    visit = Ownership("a-run", visits=[NAMED.upper()])
    assert visit.visits == frozenset({NAMED})
    assert (visit.may_be_shown(NAMED), visit.is_ours(NAMED)) == (True, False)
    assert not visit.may_be_shown(RUN)
    assert visit.may_be_shown(visit.new_id())
    assert not Ownership("a-run").may_be_shown(NAMED)


# Answers


@pytest.mark.parametrize(
    ("status", "proves"), [(199, False), (200, True), (299, True), (300, False)]
)
def test_only_a_success_proves(status: int, proves: bool, ours: Ownership) -> None:
    reason = ours.own_thread_if_proved(GetAnswer(NAMED, status, shown(ours)))
    assert (reason == "") is proves
    assert ours.is_ours(NAMED) is proves
    if not proves:
        assert str(status) in reason


def test_an_id_proves_in_any_spelling(ours: Ownership) -> None:
    answer = GetAnswer(NAMED.upper(), 200, shown(ours, thread_id=NAMED.replace("-", "")))
    assert ours.own_thread_if_proved(answer) == ""
    assert ours.is_ours(NAMED)


@pytest.mark.parametrize(
    ("seconds", "proves"), [(-1.001, False), (-1, True), (0, True), (3600, True)]
)
def test_a_thread_as_old_as_the_run_proves_within_a_second(
    seconds: float, proves: bool, ours: Ownership
) -> None:
    moment = (BEGAN + timedelta(seconds=seconds)).isoformat()
    reason = ours.own_thread_if_proved(GetAnswer(NAMED, 200, shown(ours, created_at=moment)))
    assert (reason == "") is proves


def test_the_tag_of_a_thread_is_in_its_metadata_and_nowhere_else(ours: Ownership) -> None:
    elsewhere = shown(ours, metadata={}, values=ours.tag, **ours.tag)
    assert "tag" in ours.own_thread_if_proved(GetAnswer(NAMED, 200, elsewhere))
    deeper = shown(ours, metadata={"of": [ours.tag], "in": {"deep": ours.tag}})
    assert "tag" in ours.own_thread_if_proved(GetAnswer(NAMED, 200, deeper))


def test_on_a_disposable_deployment_all_else_is_still_demanded() -> None:
    disposable = Ownership("a-run", clock=ServerClock(BEGAN), disposable=True)
    for wrong in ({"thread_id": RUN}, {"created_at": None}, {"created_at": "2020-01-01T00:00:00Z"}):
        answer = GetAnswer(NAMED, 200, shown(disposable, **wrong))
        assert disposable.own_thread_if_proved(answer, named_by_creation=True)
    assert not disposable.is_ours(NAMED)


def test_a_run_is_proved_on_its_thread_alone(ours: Ownership) -> None:
    own, other = ours.new_id(), ours.new_id()
    body = shown(ours, thread_id=own.upper(), run_id=RUN, metadata={}, kwargs={"config": ours.tag})
    assert "its thread" in ours.own_run_if_proved(GetAnswer(RUN, 200, body))
    assert "another thread" in ours.own_run_if_proved(GetAnswer(RUN, 200, body, other))
    assert not ours.is_our_run(RUN)
    assert ours.own_run_if_proved(GetAnswer(RUN.upper(), 200, body, own)) == ""
    assert ours.is_our_run(RUN)
    # It is no thread and no cron for all that.
    assert not ours.is_ours(RUN)
    assert not ours.is_our_cron(RUN)


@pytest.mark.parametrize("body", [None, [], "text", {"cron_id": RUN}])
def test_a_cron_on_no_thread_of_the_runs_proves_nothing(body: Any, ours: Ownership) -> None:
    assert "no thread" in ours.own_cron_if_proved(GetAnswer(RUN, 200, body))
    assert not ours.is_our_cron(RUN)


def test_a_cron_is_proved_in_any_spelling_and_is_no_run(ours: Ownership) -> None:
    body = shown(ours, thread_id=ours.new_id(), cron_id=RUN, metadata=None, payload=ours.tag)
    assert ours.own_cron_if_proved(GetAnswer(RUN.upper(), 200, body)) == ""
    assert ours.is_our_cron(RUN)
    assert not ours.is_our_run(RUN)


# Tags and times


@pytest.mark.parametrize(
    ("value", "shallow", "deep"),
    [
        ({RUN_TAG: "r"}, True, True),
        ({RUN_TAG: "another"}, False, False),
        ({"a": 1, "b": {"c": {RUN_TAG: "r"}}, "d": {}}, False, True),
        ({RUN_TAG: "another", "in": {RUN_TAG: "r"}, "last": 1}, False, True),
        # Tags are in objects, never in a list of them.
        ([{RUN_TAG: "r"}], False, False),
        (None, False, False),
        ("r", False, False),
    ],
)
def test_the_tag_is_looked_for_in_objects(value: Any, shallow: bool, deep: bool) -> None:
    assert has_tag(value, "r") is shallow
    assert has_tag(value, "r", deep=True) is deep


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-01T12:00:00Z", BEGAN),
        ("2026-01-01T14:00:00+02:00", BEGAN),
        ("2026-01-01T12:00:00", BEGAN),
        ("soon", None),
        (None, None),
        (5, None),
    ],
)
def test_a_time_without_an_offset_is_one_in_utc(value: Any, moment: datetime | None) -> None:
    assert parse_timestamp(value) == moment


# The server's clock


@pytest.mark.parametrize(
    "header",
    [
        "Thu, 01 Jan 2026 13:00:00 GMT",
        "Thu, 01 Jan 2026 13:00:00 -0000",
        "Thu, 01 Jan 2026 15:00:00 +0200",
    ],
)
def test_a_date_is_one_in_utc_unless_it_has_an_offset(header: str) -> None:
    clock = ServerClock(BEGAN)
    clock.learn_from_date(header, BEGAN)
    assert clock.first_request_at() == BEGAN + timedelta(minutes=59, seconds=59)


def test_of_several_dates_the_latest_for_its_arrival_counts() -> None:
    clock = ServerClock(BEGAN)
    for minutes in (0, 30, 10):
        moment = BEGAN + timedelta(minutes=minutes)
        clock.learn_from_date(moment.strftime("%a, %d %b %Y %H:%M:%S GMT"), BEGAN)
    assert clock.first_request_at() == BEGAN + timedelta(minutes=29, seconds=59)
    assert clock.offset is None


def test_a_creation_counts_more_than_any_date_before_or_after_it() -> None:
    clock = ServerClock(BEGAN)
    assert clock.learn_from_creation(BEGAN + timedelta(hours=2), BEGAN)
    clock.learn_from_date("Thu, 01 Jan 2026 13:00:00 GMT", BEGAN)
    assert clock.offset == timedelta(hours=2)
    assert clock.first_request_at() == BEGAN + timedelta(hours=2, seconds=-1)


@pytest.mark.parametrize("offset", [None, timedelta(hours=5), timedelta(hours=-5)])
def test_now_is_the_time_of_the_server(offset: timedelta | None) -> None:
    before = datetime.now(UTC)
    now = ServerClock(BEGAN, offset).now() - (offset or timedelta(0))
    assert before <= now <= datetime.now(UTC)


def test_a_creation_in_another_zone_is_compared_by_its_moment() -> None:
    clock = ServerClock(BEGAN)
    zone = timezone(timedelta(hours=9))
    assert clock.learn_from_creation((BEGAN + timedelta(minutes=1)).astimezone(zone), BEGAN)
    assert clock.offset == timedelta(minutes=1)
