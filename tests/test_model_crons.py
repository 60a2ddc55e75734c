"""Schedules and crons in the model."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from conformance.model.errors import InvalidError, NotFoundError
from conformance.model.schedule import parse_schedule
from conformance.model.store import ThreadStore
from tests.model_examples import NOON, contents, message, new_store

SATURDAY = datetime(2026, 11, 21, 14, 49, 53, tzinfo=UTC)
UNKNOWN = "ffffffff-0000-4000-8000-000000000000"


def cron(schedule: str = "* * * * *", **members: Any) -> dict[str, Any]:
    given = {"messages": [message("human", "hi")]}
    return {"assistant_id": "agent", "schedule": schedule, "input": given, **members}


@pytest.fixture
def store() -> ThreadStore:
    return new_store()


@pytest.mark.parametrize(
    ("text", "zone", "due"),
    [
        ("* * * * *", None, "2026-11-21T14:50"),
        ("15,45 * * * *", None, "2026-11-21T15:15"),
        ("*/20 * * * *", None, "2026-11-21T15:00"),
        ("5/20 16-18 * * *", None, "2026-11-21T16:05"),
        ("0 0 1 1 *", None, "2027-01-01T00:00"),
        ("0 0 29 2 *", None, "2028-02-29T00:00"),
        ("0 9 * * 1-5", None, "2026-11-23T09:00"),
        ("0 9 * * 7", None, "2026-11-22T09:00"),
        ("0 9 13 * 5", None, "2026-11-27T09:00"),
        ("0 9 * * 1-5", "America/New_York", "2026-11-23T14:00"),
        ("0 0 * * *", "Asia/Kolkata", "2026-11-21T18:30"),
    ],
)
def test_when_a_schedule_is_due(text: str, zone: str | None, due: str) -> None:
    found = parse_schedule(text, zone).after(SATURDAY)
    assert found is not None
    assert found.isoformat(timespec="minutes") == f"{due}+00:00"


def test_a_minute_that_is_due_is_not_due_again() -> None:
    due = datetime(2026, 11, 21, 14, 50, tzinfo=UTC)
    assert parse_schedule("50 * * * *").after(due) == due + timedelta(hours=1)


def test_a_day_that_never_comes_is_never_due() -> None:
    assert parse_schedule("0 0 30 2 *").after(SATURDAY) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *"),
        *("*/0 * * * *", "a * * * *", "* * * * 8", "-1 * * * *", "1,,2 * * * *"),
    ],
)
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_schedule(text)


def test_a_cron_runs_on_its_thread(store: ThreadStore) -> None:
    thread_id = store.threads.create()["thread_id"]
    made = store.crons.create_cron(cron(metadata={"own": 1}), thread_id)
    assert made["thread_id"] == thread_id
    assert made["next_run_date"] == "2025-05-12T12:01:00.000000+00:00"
    for _ in range(2):
        fired = store.crons.fire_cron(made["cron_id"])
        assert fired is not None
        while store.executor.advance(thread_id) is not None:
            pass
    assert contents(store.threads.get(thread_id)["values"]) == ["hi", "You said: hi"] * 2
    assert store.runs.list_runs(thread_id)[0]["metadata"]["own"] == 1
    assert (
        store.crons.get_cron(made["cron_id"])["next_run_date"] == "2025-05-12T12:03:00.000000+00:00"
    )


@pytest.mark.parametrize(("completed", "left"), [("delete", 0), ("keep", 1)])
def test_a_cron_without_a_thread(store: ThreadStore, completed: str, left: int) -> None:
    made = store.crons.create_cron(cron(on_run_completed=completed))
    fired = store.crons.fire_cron(made["cron_id"])
    assert fired is not None
    while store.executor.advance(fired[0]) is not None and store.searches.count():
        pass
    assert store.searches.count() == left


def test_a_cron_that_cannot_run_is_due_again(store: ThreadStore) -> None:
    thread_id = store.threads.create()["thread_id"]
    made = store.crons.create_cron(cron(multitask_strategy="reject"), thread_id)
    store.runs.begin_run(thread_id, {"assistant_id": "agent", "input": {}})
    assert store.crons.fire_cron(made["cron_id"]) is None
    assert store.records.cron(made["cron_id"]).due == NOON + timedelta(minutes=2)


def test_a_cron_that_is_late_does_not_catch_up() -> None:
    now, numbers = [NOON], count(1)
    store = ThreadStore(lambda: now[0], lambda: uuid.UUID(int=next(numbers)))
    made = store.crons.create_cron(cron())
    now[0] += timedelta(hours=1, seconds=30)
    store.crons.fire_cron(made["cron_id"])
    assert store.records.cron(made["cron_id"]).due == NOON + timedelta(hours=1, minutes=1)


def test_search_and_count(store: ThreadStore) -> None:
    thread_id = store.threads.create()["thread_id"]
    first = store.crons.create_cron(cron(metadata={"own": 1}), thread_id)
    second = store.crons.create_cron(cron(assistant_id="slow", enabled=False, metadata={"own": 1}))
    assert store.crons.search_crons({}) == [second, first]
    assert store.crons.search_crons({}, sort_order="asc", limit=1) == [first]
    assert store.crons.search_crons({}, offset=1, select=["cron_id"]) == [
        {"cron_id": first["cron_id"]}
    ]
    for filters, found in (
        ({"metadata": {"own": 1}}, 2),
        ({"metadata": {"own": 2}}, 0),
        ({"thread_id": thread_id}, 1),
        ({"assistant_id": second["assistant_id"]}, 1),
        ({"enabled": True}, 1),
        ({"enabled": False, "thread_id": thread_id}, 0),
    ):
        assert store.crons.count_crons(filters) == len(store.crons.search_crons(filters)) == found
    with pytest.raises(InvalidError):
        store.crons.count_crons({"thread_id": "nope"})


def test_update(store: ThreadStore) -> None:
    made = store.crons.create_cron(cron(metadata={"a": 1}))
    changed = store.crons.update_cron(
        made["cron_id"], {"schedule": "0 0 * * *", "metadata": {"b": 2}}
    )
    assert changed["metadata"] == {"a": 1, "b": 2}
    assert changed["next_run_date"] == "2025-05-13T00:00:00.000000+00:00"
    assert store.crons.update_cron(made["cron_id"], {"enabled": False})["next_run_date"] is None
    ended = {"enabled": True, "end_time": "2025-05-12T23:59:00Z"}
    assert store.crons.update_cron(made["cron_id"], ended)["next_run_date"] is None


def test_what_is_deleted_is_gone(store: ThreadStore) -> None:
    thread_id = store.threads.create()["thread_id"]
    first, second = store.crons.create_cron(cron(), thread_id), store.crons.create_cron(cron())
    store.threads.delete(thread_id)
    assert store.crons.search_crons({}) == [second]
    with pytest.raises(NotFoundError):
        store.crons.fire_cron(first["cron_id"])
    store.crons.delete_cron(second["cron_id"])
    with pytest.raises(NotFoundError):
        store.crons.get_cron(second["cron_id"])


@pytest.mark.parametrize(
    ("members", "thread_id", "problem"),
    [
        ({"assistant_id": "nope"}, None, InvalidError),
        ({"schedule": "now"}, None, InvalidError),
        ({"schedule": "0 0 30 2 *"}, None, InvalidError),
        ({"timezone": "Mars/Olympus"}, None, InvalidError),
        ({"end_time": "soon"}, None, InvalidError),
        ({}, UNKNOWN, NotFoundError),
    ],
)
def test_a_cron_that_cannot_be_is_refused(
    store: ThreadStore, members: Any, thread_id: str | None, problem: type[Exception]
) -> None:
    with pytest.raises(problem):
        store.crons.create_cron(cron(**members), thread_id)
    assert store.crons.count_crons({}) == 0
