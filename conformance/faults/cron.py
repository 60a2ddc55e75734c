"""Faults of crons."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.faults.kit.http_changes import change_answer, change_request, with_status, without
from conformance.faults.kit.runs import accepting, having, ignoring
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.crons import Crons
from conformance.model.entities import Cron
from conformance.model.schedule import parse_schedule
from conformance.model.threads import Threads
from conformance.reference.wire import Json, WireAnswer, WireRequest

# Creating

fault("cron-is-shown-without-its-payload", breaks=["CRON-01"])(
    change_answer("cron_create", to=lambda _, cron: without(cron, "payload"))
)

fault("schedule-is-shown-without-its-weekday", breaks=["CRON-01"])(
    change_answer(
        "cron_create", to=lambda _, cron: {**cron, "schedule": cron["schedule"][:-1] + "*"}
    )
)

# Finding and counting

_BY_THREAD = having("thread_id")

fault("search-for-crons-ignores-the-thread", breaks=["CRON-02", "CRON-12"])(
    ignoring("thread_id", "cron_search", when=_BY_THREAD)
)
fault("search-for-crons-finds-only-the-newest", breaks=["CRON-02"])(
    change_answer("cron_search", to=lambda _, crons: crons[:1])
)
fault("count-of-crons-ignores-the-thread", breaks=["CRON-03", "CRON-13"])(
    ignoring("thread_id", "cron_count", when=_BY_THREAD)
)
fault("count-of-crons-is-at-most-one", breaks=["CRON-03", "CRON-13"])(
    change_answer("cron_count", to=lambda _, number: min(number, 1))
)

# Getting, updating, deleting

fault("cron-is-shown-with-another-time", breaks=["CRON-04"])(
    change_answer("cron_get", to=lambda _, cron: {**cron, "updated_at": cron["next_run_date"]})
)
fault("cron-is-shown-without-its-input", breaks=["CRON-04"])(
    change_answer("cron_get", to=lambda _, cron: {**cron, "payload": {}})
)


def _forgetting(member: str) -> Apply:
    return ignoring(member, "cron_update")


fault("schedule-of-a-cron-cannot-be-changed", breaks=["CRON-05"])(_forgetting("schedule"))
fault("cron-cannot-be-disabled", breaks=["CRON-05"])(_forgetting("enabled"))


@fault("deleted-cron-is-still-found", breaks=["CRON-06"])
def deleted_cron_is_still_found(broken: FaultyDeployment) -> None:
    gone: list[Json] = []

    @broken.wire.before("cron_delete")
    def note(request: WireRequest) -> None:
        cron = broken.store.records.crons_by_id.get(request.path.rsplit("/", 1)[-1])
        gone.extend([broken.store.views.cron_view(cron)] if cron else [])

    @broken.wire.answers("cron_search")
    def add_deleted(request: WireRequest, crons: Json) -> Json:
        thread_id = request.members.get("thread_id")
        return [*crons, *(cron for cron in gone if cron["thread_id"] == thread_id)]


@fault("deleted-cron-is-still-answered", breaks=["CRON-06"])
def deleted_cron_is_still_answered(broken: FaultyDeployment) -> None:
    gone: dict[str, Json] = {}

    @broken.wire.before("cron_delete")
    def note(request: WireRequest) -> None:
        cron = broken.store.records.crons_by_id.get(request.path.rsplit("/", 1)[-1])
        if cron is not None:
            gone[cron.cron_id] = broken.store.views.cron_view(cron)

    @broken.wire.after("cron_get")
    def answered(request: WireRequest, answer: WireAnswer) -> None:
        cron = gone.get(request.path.rsplit("/", 1)[-1])
        if not answer.ok and cron is not None:
            answer.status, answer.body = 200, cron


# Refusals


def _rarely(field_count: int) -> Any:
    """Select schedules of that many fields, one of which is out of range or a word."""
    return lambda request: (
        len(fields := str(request.members.get("schedule", "")).split()) == field_count
        and not any(field == "*" for field in fields[:1])
        and ("and" in fields or "99" in fields)
    )


def _taken_for_yearly(count: int) -> Apply:
    return change_request(
        "cron_create", to=lambda body: {**body, "schedule": "0 0 1 1 *"}, when=_rarely(count)
    )


fault("schedule-in-words-is-accepted", breaks=["CRON-07"])(_taken_for_yearly(3))
fault("schedule-out-of-range-is-accepted", breaks=["CRON-07"])(_taken_for_yearly(5))


fault("cron-on-an-unknown-thread-is-accepted", breaks=["CRON-08"])(
    accepting("cron_create", {}, when=having("schedule", "0 0 1 1 *"))
)


@fault("cron-on-an-unknown-thread-makes-new-ones", breaks=["CRON-08"])
def cron_on_an_unknown_thread(broken: FaultyDeployment) -> None:
    @broken.override(Crons.create_cron)
    def create_cron(right: Any, request: Any, thread_id: str | None = None) -> Any:
        return right(
            request, thread_id if thread_id in broken.store.records.threads_by_id else None
        )


fault("unknown-cron-is-422", breaks=["CRON-19"])(with_status(422, "cron_get", instead_of=404))
fault("updating-an-unknown-cron-is-422", breaks=["CRON-19"])(
    with_status(422, "cron_update", instead_of=404)
)
fault("deleting-an-unknown-cron-is-204", breaks=["CRON-19"])(accepting("cron_delete", None, 204))


# Times of runs


def _due(shift: timedelta) -> Apply:
    """Shift the time of the next run in answers."""
    return change_answer(
        "cron_create",
        "cron_get",
        to=lambda _, cron: {
            **cron,
            "next_run_date": cron["next_run_date"]
            and (datetime.fromisoformat(cron["next_run_date"]) + shift).isoformat(),
        },
    )


fault("cron-is-due-an-hour-late", breaks=["CRON-09", "CRON-15"])(_due(timedelta(hours=1)))
fault("cron-is-due-a-minute-early", breaks=["CRON-09", "CRON-15"])(_due(timedelta(minutes=-1)))


@fault("cron-never-runs", breaks=["CRON-10"])
def cron_never_runs(broken: FaultyDeployment) -> None:
    @broken.override(Crons.fire_cron)
    def fire_cron(_right: Any, cron_id: str) -> None:
        cron = broken.store.records.cron(cron_id)
        broken.store.records.keep_cron(
            broken.store.crons.scheduled(cron, cron.due or broken.store.records.next_time())
        )


@fault("cron-runs-on-a-thread-of-its-own", breaks=["CRON-10"])
def cron_runs_elsewhere(broken: FaultyDeployment) -> None:
    @broken.override(Crons.fire_cron)
    def fire_cron(right: Any, cron_id: str) -> Any:
        cron = broken.store.records.cron(cron_id)
        broken.store.records.keep_cron(replace(cron, thread_id=None))
        begun = right(cron_id)
        broken.store.records.keep_cron(
            replace(broken.store.records.cron(cron_id), thread_id=cron.thread_id)
        )
        return begun


@fault("crons-outlive-their-thread", breaks=["CRON-11"])
def crons_outlive_their_thread(broken: FaultyDeployment) -> None:
    @broken.override(Threads.delete)
    def delete(right: Any, thread_id: str) -> None:
        kept = broken.store.crons.matching_crons({"thread_id": thread_id})
        right(thread_id)
        for cron in kept:
            broken.store.records.keep_cron(cron)


# Filters that apply together


fault("search-for-crons-of-a-thread-ignores-enabled", breaks=["CRON-12"])(
    change_request("cron_search", to=lambda body: without(body, "enabled"), when=_BY_THREAD)
)
fault("search-for-crons-of-a-thread-ignores-their-assistant", breaks=["CRON-12"])(
    change_request("cron_search", to=lambda body: without(body, "assistant_id"), when=_BY_THREAD)
)


def _by_one_pair(*operations: str) -> Apply:
    """Compare only the first pair of the metadata."""
    return change_request(
        *operations,
        to=lambda body: {**body, "metadata": dict([*body["metadata"].items()][:1])},
        when=having("metadata"),
    )


fault("search-for-crons-compares-one-pair-of-metadata", breaks=["CRON-12"])(
    _by_one_pair("cron_search")
)
fault("count-of-crons-compares-one-pair-of-metadata", breaks=["CRON-13"])(
    _by_one_pair("cron_count")
)
fault("count-of-crons-of-a-thread-ignores-their-assistant", breaks=["CRON-13"])(
    change_request("cron_count", to=lambda body: without(body, "assistant_id"), when=_BY_THREAD)
)

# What an update keeps, and what it changes


def _updating(change: Callable[[Cron, Cron, Json], Cron]) -> Apply:
    """Keep `change(before, after, changes)` as the cron after an update."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Crons.update_cron)
        def update_cron(right: Any, cron_id: str, changes: Json) -> Json:
            before = broken.store.records.cron(cron_id)
            shown = right(cron_id, changes)
            after = broken.store.records.cron(shown["cron_id"])
            kept = broken.store.records.keep_cron(change(before, after, changes))
            return broken.store.views.cron_view(kept)

    return apply


fault("update-of-a-cron-leaves-updated-at", breaks=["CRON-20"])(
    _updating(lambda before, after, _: replace(after, updated_at=before.updated_at))
)
fault("metadata-of-a-cron-cannot-be-changed", breaks=["CRON-14"])(_forgetting("metadata"))
fault("metadata-of-a-cron-is-replaced-by-an-update", breaks=["CRON-14"])(
    _updating(
        lambda _, after, changes: (
            replace(after, metadata=changes["metadata"]) if "metadata" in changes else after
        )
    )
)


@fault("time-zones-of-crons-are-taken-with-the-wrong-sign", breaks=["CRON-15"])
def wrong_sign(broken: FaultyDeployment) -> None:
    @broken.override(Crons.scheduled)
    def scheduled(right: Any, cron: Cron, moment: datetime) -> Cron:
        mirrored = "Etc/GMT+9" if cron.timezone == "Asia/Tokyo" else cron.timezone
        made: Cron = right(replace(cron, timezone=mirrored), moment)
        return replace(made, timezone=cron.timezone)


fault("updated-cron-is-due-as-before", breaks=["CRON-16"])(
    _updating(
        lambda before, after, _: (
            replace(after, due=before.due or after.due) if after.enabled else after
        )
    )
)
fault("cron-that-is-enabled-again-waits-for-ever", breaks=["CRON-16"])(
    _updating(lambda before, after, _: replace(after, due=after.due if before.enabled else None))
)


@fault("update-of-a-cron-forgets-its-time-zone", breaks=["CRON-16"])
def forgets_its_time_zone(broken: FaultyDeployment) -> None:
    @broken.override(Crons.update_cron)
    def update_cron(right: Any, cron_id: str, changes: Json) -> Json:
        return right(cron_id, {"timezone": None, **changes})


fault("update-of-a-cron-forgets-its-end", breaks=["CRON-17"])(
    change_request("cron_update", to=lambda body: {"end_time": None, **body})
)
fault("end-of-a-cron-cannot-be-changed", breaks=["CRON-17"])(
    change_request("cron_update", to=lambda body: without(body, "end_time"))
)
fault("end-of-a-cron-is-not-cleared", breaks=["CRON-17"])(
    change_request(
        "cron_update",
        to=lambda body: without(body, "end_time"),
        when=lambda request: request.members.get("end_time", "") is None,
    )
)


@fault("cron-that-was-created-paused-runs", breaks=["CRON-18"])
def created_paused_runs(broken: FaultyDeployment) -> None:
    @broken.override(Crons.create_cron)
    def create_cron(right: Any, request: Any, thread_id: str | None = None) -> Json:
        made = right({**request, "enabled": True}, thread_id)
        cron = broken.store.records.cron(made["cron_id"])
        kept = broken.store.records.keep_cron(replace(cron, enabled=request.get("enabled", True)))
        return broken.store.views.cron_view(kept)


@fault("paused-crons-run-a-second-after-the-others", breaks=["CRON-18"])
def paused_crons_run_later(broken: FaultyDeployment) -> None:
    #: Real seconds: a little more than one second of the faster clock of a fault matrix.
    late_s = 0.3
    crons, runs = broken.store.records.crons_by_id, broken.store.runs

    def run_paused() -> None:
        for cron in crons.values():
            if not cron.enabled and cron.thread_id and cron.schedule == "* * * * *":
                runs.begin_run(cron.thread_id, {"assistant_id": cron.assistant_id, "input": {}})

    @broken.override(Crons.fire_cron)
    def fire_cron(right: Any, cron_id: str) -> Any:
        asyncio.get_running_loop().call_later(late_s, run_paused)
        return right(cron_id)


fault("cron-that-was-paused-by-an-update-runs", breaks=["CRON-18"])(
    _updating(
        lambda _before, after, _: replace(
            after, due=parse_schedule(after.schedule, after.timezone).after(datetime.now(UTC))
        )
    )
)
