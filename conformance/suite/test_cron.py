"""Crons: runs on a schedule. Every cron is on a thread of the check, and deleted at the end."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import cycle
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import published_members
from conformance.checks.crons import EVERY_MINUTE, RARELY, Cron, Crons
from conformance.checks.expect import (
    assert_advances_timestamp,
    assert_equal,
    assert_is,
    assert_refused,
    assert_that,
    assert_valid,
    in_utc,
    timestamp_or_blocked,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import Run, Runs
from conformance.checks.views import id_of
from conformance.contract.schemas import load_schema
from conformance.deployment.client import ThreadsClient

#: A time zone that always differs from UTC and has no summer time, and its offset.
_ZONE, _OFFSET = "Asia/Tokyo", timezone(timedelta(hours=9))
_END, _LATER_END = "2100-01-01T00:00:00Z", "2101-01-01T00:00:00Z"
_FEBRUARY = "15 3 2 2 *"
_MOMENTS = ("created_at", "updated_at", "next_run_date", "end_time")


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
    # The cron that must not be found is made first, so that it is visible once the others are.
    given_crons.create(other)
    made = sorted(given_crons.create(thread)["cron_id"] for _ in range(2))
    found = _search_eventually(given, crons, made, thread_id=id_of(thread))
    assert_equal(found, made, "the crons found by the thread")


@requires("CRON-03")
def test_crons_are_counted_by_their_thread(
    given: ThreadsApi, given_crons: Crons, crons: Crons
) -> None:
    thread, other = given.empty(), given.empty()
    for each in (other, thread, thread):
        given_crons.create(each)
    assert_equal(
        _count_eventually(given, crons, 2, thread_id=id_of(thread)), 2, "the number of crons"
    )


def _count_eventually(given: ThreadsApi, crons: Crons, number: int, **filters: Any) -> Any:
    """Return the count of crons once it is `number`, or at the deadline."""
    return given.context.eventually(lambda: crons.count(**filters), lambda seen: seen == number)


def _search_eventually(
    given: ThreadsApi, crons: Crons, ids: list[str], **filters: Any
) -> list[str]:
    """Return the ids that a search for crons finds once they are `ids`, or at the deadline."""
    wanted = sorted(ids)
    return given.context.eventually(
        lambda: sorted(map(str, crons.search_ids(**filters))), lambda found: found == wanted
    )


@requires("CRON-04")
def test_a_cron_is_answered_by_its_id(given: ThreadsApi, given_crons: Crons, crons: Crons) -> None:
    made = _comparable(given_crons.create(given.empty()))
    shown = _comparable(crons.get(made))
    # Required members must be in both; of the others, those that both show are compared.
    names = made.keys() & (shown.keys() | set(load_schema("cron")["required"]))
    assert_equal(
        {name: shown.get(name) for name in names}, {name: made[name] for name in names}, "the cron"
    )


def _comparable(cron: Cron) -> Cron:
    """Return the published members of a cron, its timestamps in one notation."""
    known: Cron = published_members("cron", cron)
    return {
        name: in_utc(value, name) if name in _MOMENTS and value is not None else value
        for name, value in known.items()
    }


@requires("CRON-05")
@pytest.mark.parametrize("change", [{"schedule": "15 3 2 * *"}, {"enabled": False}], ids=str)
def test_a_cron_can_be_changed(
    given: ThreadsApi, given_crons: Crons, crons: Crons, change: dict[str, object]
) -> None:
    made = _comparable(given_crons.create(given.empty()))
    crons.update(made, **change)
    lasting = ("cron_id", "thread_id", "schedule", "enabled", "created_at")
    before = {name: made.get(name) for name in lasting}
    shown = _comparable(given_crons.get(made))
    after = {name: shown.get(name) for name in lasting}
    assert_equal(after, {**before, **change}, "the cron after the update")


@requires("CRON-06")
def test_a_deleted_cron_is_gone(
    given: ThreadsApi, given_crons: Crons, crons: Crons, client: ThreadsClient
) -> None:
    thread = given.empty()
    deleted, kept = given_crons.create(thread), given_crons.create(thread)
    ids, left = [deleted["cron_id"], kept["cron_id"]], [kept["cron_id"]]
    if _search_eventually(given, given_crons, ids, thread_id=id_of(thread)) != sorted(ids):
        raise Blocked("the crons are not found before one is deleted", by="CRON-02")
    crons.delete(deleted)
    assert_refused(client.crons.get(deleted["cron_id"]))
    found = _search_eventually(given, given_crons, left, thread_id=id_of(thread))
    assert_equal(found, left, "the crons left")


@requires("CRON-07")
@pytest.mark.parametrize("schedule", ["now and then", "99 99 * * *"])
def test_a_schedule_that_is_none_is_refused(
    given: ThreadsApi, given_crons: Crons, client: ThreadsClient, schedule: str
) -> None:
    thread = given.empty()
    given_crons.create(thread)
    assert_refused(client.crons.create(id_of(thread), given_crons.body(schedule)))
    # Once this later cron is counted, a cron made by the refused request would be counted as well.
    given_crons.create(thread)
    number = given.context.eventually(
        lambda: given_crons.count(thread_id=id_of(thread)), lambda number: number not in (0, 1)
    )
    if number in (0, 1):
        raise Blocked(f"{number} crons are counted where two were created", by="CRON-03")
    assert_equal(number, 2, "the number of crons")


@requires("CRON-08")
def test_a_cron_on_an_unknown_thread_is_refused(
    given: ThreadsApi, given_crons: Crons, client: ThreadsClient
) -> None:
    given_crons.create(given.empty())
    assert_refused(client.crons.create(client.ownership.absent_id(), given_crons.body()))


@requires("CRON-09")
def test_a_cron_tells_when_it_runs_next(given: ThreadsApi, crons: Crons) -> None:
    cron = crons.create(given.empty(), "0 0 1 1 *")
    made_at = timestamp_or_blocked(cron.get("created_at"), "created_at")
    next_run = timestamp_or_blocked(cron.get("next_run_date"), "next_run_date").astimezone(UTC)
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
    if _search_eventually(given, given_crons, [made], thread_id=id_of(thread)) != [made]:
        raise Blocked("the cron is not found while its thread is there", by="CRON-02")
    given.delete(thread)
    found, number = given.context.eventually(
        lambda: (crons.search_ids(thread_id=id_of(thread)), crons.count(thread_id=id_of(thread))),
        lambda seen: seen == ([], 0),
    )
    assert_is(found, [], "the crons found by the thread")
    assert_is(number, 0, "the number of crons")


@requires("CRON-12")
@pytest.mark.parametrize("filtered", ["metadata", "assistant_id", "enabled"])
def test_the_filters_of_a_search_apply_together(
    given: ThreadsApi, given_crons: Crons, crons: Crons, filtered: str
) -> None:
    filters, matching = _create_crons_differing_by(given, given_crons, filtered)
    assert_equal(
        _search_eventually(given, crons, [matching], **filters), [matching], "the crons found"
    )


@requires("CRON-13")
@pytest.mark.parametrize("filtered", ["metadata", "assistant_id"])
def test_the_filters_of_a_count_apply_together(
    given: ThreadsApi, given_crons: Crons, crons: Crons, filtered: str
) -> None:
    filters, _ = _create_crons_differing_by(given, given_crons, filtered)
    assert_equal(_count_eventually(given, crons, 1, **filters), 1, "the number of crons")


@requires("CRON-13")
def test_crons_are_counted_by_their_metadata_alone(
    given: ThreadsApi, given_crons: Crons, crons: Crons
) -> None:
    filters, _ = _create_crons_differing_by(given, given_crons, "metadata")
    number = _count_eventually(given, crons, 2, metadata=filters["metadata"])
    assert_equal(number, 2, "the number of crons")


def _create_crons_differing_by(
    given: ThreadsApi, crons: Crons, by: str
) -> tuple[dict[str, Any], str]:
    """Create three crons, of which only the last matches two filters: by thread and by `by`.

    Return the two filters and the id of that cron. Each of the others matches one filter only, and
    is visible once the last is.
    """
    thread, other = given.empty(), given.empty()
    differing: dict[str, Any] = {}
    mark: Any = False
    if by == "metadata":
        own = {"check": str(given.context.tag)}
        mark, differing = {**own, "colour": "red"}, {"metadata": {**own, "colour": "blue"}}
    elif by == "assistant_id":
        mark = given.context.other_graph("slow")
    unlike = crons.create(thread, **differing)
    crons.create(other, **{by: mark})
    matching = crons.create(thread, **{by: mark})
    # The answer has the id of the graph's assistant instead of the name that was sent.
    value = matching.get(by) if by == "assistant_id" else mark
    if by != "metadata" and (matching.get(by) != value or unlike.get(by) == value):
        raise Blocked(f"crons created with and without {by} {mark!r} do not differ in it")
    return {"thread_id": id_of(thread), by: value}, matching["cron_id"]


@requires("CRON-14")
def test_the_metadata_of_a_cron_is_merged(
    given: ThreadsApi, given_crons: Crons, crons: Crons
) -> None:
    made = given_crons.create(given.empty(), metadata={"kept": "as it was", "changed": "before"})
    if made.get("metadata") is None:
        raise Blocked("a cron shows no metadata")
    crons.update(made, metadata={"changed": "after", "added": "too"})
    shown = given_crons.get(made).get("metadata") or {}
    expected = {"kept": "as it was", "changed": "after", "added": "too"}
    assert_equal({name: shown.get(name) for name in expected}, expected, "the metadata")


@requires("CRON-15")
def test_a_schedule_is_read_in_its_time_zone(given: ThreadsApi, crons: Crons) -> None:
    cron = crons.create(given.empty(), RARELY, timezone=_ZONE)
    made_at = timestamp_or_blocked(cron.get("created_at"), "created_at")
    next_run = timestamp_or_blocked(cron.get("next_run_date"), "next_run_date").astimezone(_OFFSET)
    new_year = datetime(made_at.astimezone(_OFFSET).year + 1, 1, 1, tzinfo=_OFFSET)
    assert_equal(next_run.isoformat(), new_year.isoformat(), "next_run_date")


@requires("CRON-16")
@pytest.mark.parametrize(
    ("created", "change", "alike"),
    [
        ({"schedule": RARELY}, {"schedule": _FEBRUARY}, {"schedule": _FEBRUARY}),
        ({}, {"timezone": _ZONE}, {"timezone": _ZONE}),
        (
            {"timezone": _ZONE},
            {"schedule": _FEBRUARY},
            {"timezone": _ZONE, "schedule": _FEBRUARY},
        ),
        ({"enabled": False}, {"enabled": True}, {}),
    ],
    ids=["schedule", "timezone", "schedule in its timezone", "enabled again"],
)
def test_an_update_changes_when_a_cron_runs_next(
    given: ThreadsApi,
    given_crons: Crons,
    crons: Crons,
    created: dict[str, Any],
    change: dict[str, Any],
    alike: dict[str, Any],
) -> None:
    thread = given.empty()
    made = given_crons.create(thread, **created)
    expected = _next_run(given_crons.create(thread, **alike))
    if expected is None:
        raise Blocked("a cron does not show when it runs next", by="CRON-09")
    if "enabled" not in change and _next_run(made) == expected:
        raise Blocked(f"a cron is due at the same time with {alike} and {created}", by="CRON-15")
    crons.update(made, **change)
    assert_equal(_next_run(_get_changed(given_crons, made, change)), expected, "next_run_date")


def _get_changed(crons: Crons, made: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return the cron by GET; `Blocked` unless schedule and enabled are as in `change`."""
    shown = crons.get(made)
    for name in change.keys() & {"schedule", "enabled"}:
        if shown.get(name) != change[name]:
            raise Blocked(f"an updated cron shows {name} {shown.get(name)!r}", by="CRON-05")
    return shown


def _next_run(cron: dict[str, Any]) -> str | None:
    """Return the time of a cron's next run in one notation; None if the cron shows none."""
    if (shown := cron.get("next_run_date")) is None:
        return None
    return in_utc(shown, "next_run_date")


@requires("CRON-17")
@pytest.mark.parametrize(
    ("change", "end"),
    [({"end_time": _LATER_END}, _LATER_END), ({"schedule": _FEBRUARY}, _END)],
    ids=["another end_time", "no end_time"],
)
def test_a_cron_keeps_its_end_until_it_is_changed(
    given: ThreadsApi, given_crons: Crons, crons: Crons, change: dict[str, Any], end: str
) -> None:
    made = _with_end(given, given_crons)
    crons.update(made, **change)
    assert_equal(_end_of(given_crons.get(made)), end, "end_time")


@requires("CRON-17")
def test_the_end_of_a_cron_can_be_cleared(
    given: ThreadsApi, given_crons: Crons, crons: Crons
) -> None:
    made = _with_end(given, given_crons)
    endless = given_crons.get(given_crons.create(given.empty()))
    crons.update(made, end_time=None)
    assert_is(_end_of(given_crons.get(made)), _end_of(endless), "end_time of a cron without an end")


def _with_end(given: ThreadsApi, crons: Crons) -> dict[str, Any]:
    cron = crons.create(given.empty(), end_time=_END)
    if (shown := _end_of(crons.get(cron))) != _END:
        raise Blocked(f"a cron created with the end_time {_END} shows {shown}")
    return cron


def _end_of(cron: dict[str, Any]) -> str | None:
    """Return the end_time of a cron in one notation, or None."""
    if (shown := cron.get("end_time")) is None:
        return None
    return f"{timestamp_or_blocked(shown, 'end_time').astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@requires("CRON-18")
def test_a_cron_that_is_not_enabled_does_not_run(
    given: ThreadsApi, given_crons: Crons, crons: Crons, given_runs: Runs, runs: Runs
) -> None:
    never_enabled, disabled, running = given.empty(), given.empty(), given.empty()
    crons.create(never_enabled, EVERY_MINUTE, enabled=False)
    # The cron is disabled first, and only then set to every minute: it is never due while enabled.
    cron = given_crons.create(disabled, RARELY)
    crons.update(cron, enabled=False)
    crons.update(cron, schedule=EVERY_MINUTE)
    _get_changed(given_crons, cron, {"enabled": False, "schedule": EVERY_MINUTE})
    given_crons.create(running, EVERY_MINUTE, **_lasting_run(given_runs))
    started = given.context.eventually(
        lambda: given_runs.list_runs(running), bool, given.context.settings.cron_within_s
    )
    if not started:
        raise Blocked("a cron that is enabled starts no run", by="CRON-10")
    # Wait for the end of that run: runs of the other crons could begin a little later.
    given_runs.join(Run(id_of(running), str(started[-1].get("run_id"))))
    shown = [len(runs.list_runs(thread)) for thread in (never_enabled, disabled)]
    assert_is(shown, [0, 0], "the number of runs of crons that are not enabled")


def _lasting_run(runs: Runs) -> dict[str, Any]:
    """Return the body of a run that takes two seconds; {} if there is no slow graph."""
    try:
        return runs.body("slow", seconds=2)
    except Blocked:
        return {}


@requires("CRON-19")
@pytest.mark.parametrize("operation", ["get", "update", "delete"])
def test_an_unknown_cron_is_404(
    given: ThreadsApi, given_crons: Crons, client: ThreadsClient, operation: str
) -> None:
    send = {
        "get": client.crons.get,
        "update": lambda cron_id: client.crons.update(cron_id, {"enabled": False}),
        "delete": client.crons.delete,
    }[operation]
    given.ensure_success(send(given_crons.create(given.empty())["cron_id"]))
    assert_equal(send(client.ownership.absent_id()).status, 404, "status")


@requires("CRON-20")
def test_an_update_moves_updated_at_of_a_cron(
    given: ThreadsApi, given_crons: Crons, crons: Crons
) -> None:
    made = given_crons.create(given.empty())
    # Each update changes something: one that does not may leave updated_at as it is.
    changes = cycle([{"enabled": False}, {"enabled": True}])

    def update() -> None:
        change = next(changes)
        crons.update(made, **change)
        _get_changed(given_crons, made, change)

    assert_advances_timestamp(given, lambda: given_crons.get(made), update)
