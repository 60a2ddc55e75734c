"""Crons: runs on a schedule. Every cron is on a thread of the check, and deleted in the end."""

from datetime import UTC, datetime

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.context import CheckContext
from conformance.checks.crons import EVERY_MINUTE, Crons
from conformance.checks.expect import (
    assert_equal,
    assert_is,
    assert_refused,
    assert_that,
    assert_valid,
    moment_or_blocked,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.views import id_of
from conformance.contract.schemas import load_schema
from conformance.deployment.client import ThreadsClient


@requires("CRON-01")
def test_a_cron_is_created(given: ThreadsApi, crons: Crons) -> None:
    thread = given.empty()
    cron = crons.create(thread, "30 4 * * 1")
    assert_valid("cron", cron)
    shown = [cron.get("thread_id"), cron.get("schedule")]
    assert_equal(shown, [id_of(thread), "30 4 * * 1"], "thread_id and schedule")


@requires("CRON-02")
def test_a_cron_is_found_by_its_thread(given: ThreadsApi, given_crons: Crons, crons: Crons) -> None:
    thread, other = given.empty(), given.empty()
    made = {given_crons.create(thread)["cron_id"] for _ in range(2)}
    given_crons.create(other)
    found = crons.search_ids(thread_id=id_of(thread))
    assert_equal(sorted(map(str, found)), sorted(made), "the crons found by the thread")


@requires("CRON-03")
def test_crons_are_counted_by_their_thread(
    given: ThreadsApi, given_crons: Crons, crons: Crons
) -> None:
    thread, other = given.empty(), given.empty()
    for each in (thread, thread, other):
        given_crons.create(each)
    assert_equal(crons.count(thread_id=id_of(thread)), 2, "the number of crons")


@requires("CRON-04")
def test_a_cron_is_answered_by_its_id(given: ThreadsApi, given_crons: Crons, crons: Crons) -> None:
    made = given_crons.create(given.empty())
    shown = crons.get(made)
    # Required members must be in both; of the others, those that both show are compared.
    names = made.keys() & (shown.keys() | set(load_schema("cron")["required"]))
    assert_equal(
        {name: shown.get(name) for name in names}, {name: made[name] for name in names}, "the cron"
    )


@requires("CRON-05")
@pytest.mark.parametrize("change", [{"schedule": "15 3 2 * *"}, {"enabled": False}], ids=str)
def test_a_cron_can_be_changed(
    given: ThreadsApi, given_crons: Crons, crons: Crons, change: dict[str, object]
) -> None:
    made = given_crons.create(given.empty())
    crons.update(made, **change)
    lasting = ("cron_id", "thread_id", "schedule", "enabled", "created_at")
    before = {name: made.get(name) for name in lasting}
    shown = given_crons.get(made)
    after = {name: shown.get(name) for name in lasting}
    assert_equal(after, {**before, **change}, "the cron after the update")


@requires("CRON-06")
def test_a_deleted_cron_is_gone(
    given: ThreadsApi, given_crons: Crons, crons: Crons, client: ThreadsClient
) -> None:
    thread = given.empty()
    deleted, kept = given_crons.create(thread), given_crons.create(thread)
    crons.delete(deleted)
    assert_refused(client.crons.get(deleted["cron_id"]))
    assert_equal(
        given_crons.search_ids(thread_id=id_of(thread)), [kept["cron_id"]], "the crons left"
    )


@requires("CRON-07")
@pytest.mark.parametrize("schedule", ["now and then", "99 99 * * *"])
def test_a_schedule_that_is_none_is_refused(
    given: ThreadsApi, given_crons: Crons, client: ThreadsClient, schedule: str
) -> None:
    thread = given.empty()
    given_crons.create(thread)
    assert_refused(client.crons.create(id_of(thread), given_crons.body(schedule)))
    assert_equal(given_crons.count(thread_id=id_of(thread)), 1, "the number of crons")


@requires("CRON-08")
def test_a_cron_on_an_unknown_thread_is_refused(
    given: ThreadsApi, given_crons: Crons, client: ThreadsClient
) -> None:
    given_crons.create(given.empty())
    assert_refused(client.crons.create(client.ownership.absent_id(), given_crons.body()))


@requires("CRON-09")
def test_a_cron_tells_when_it_runs_next(given: ThreadsApi, crons: Crons) -> None:
    cron = crons.create(given.empty(), "0 0 1 1 *")
    made_at = moment_or_blocked(cron.get("created_at"), "created_at")
    next_run = moment_or_blocked(cron.get("next_run_date"), "next_run_date").astimezone(UTC)
    new_year = datetime(made_at.astimezone(UTC).year + 1, 1, 1, tzinfo=UTC)
    assert_equal(next_run.isoformat(), new_year.isoformat(), "next_run_date")


@requires("CRON-10")
def test_a_scheduled_run_makes_history(
    given: ThreadsApi, threads: ThreadsApi, given_crons: Crons, context: CheckContext
) -> None:
    thread = given.empty()
    given_crons.create(thread, EVERY_MINUTE)
    within_s = context.settings.cron_within_s
    history = context.eventually(
        lambda: threads.history(thread), lambda history: len(history) > 0, within_s
    )
    assert_that(len(history) > 0, "a history", f"no state after {within_s:.0f} s")


@requires("CRON-11")
def test_the_crons_of_a_deleted_thread_are_gone(
    given: ThreadsApi, given_crons: Crons, crons: Crons
) -> None:
    thread = given.empty()
    made = given_crons.create(thread)["cron_id"]
    if given_crons.search_ids(thread_id=id_of(thread)) != [made]:
        raise Blocked("the cron is not found while its thread is there", by="CRON-02")
    given.delete(thread)
    found, number = given.context.eventually(
        lambda: (crons.search_ids(thread_id=id_of(thread)), crons.count(thread_id=id_of(thread))),
        lambda seen: seen == ([], 0),
    )
    assert_is(found, [], "the crons found by the thread")
    assert_is(number, 0, "the number of crons")
