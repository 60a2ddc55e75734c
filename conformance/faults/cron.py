"""Faults of crons."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from conformance.faults.kit.runs import accepting, having, ignoring
from conformance.faults.kit.wire import change_answer, change_request, without
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.crons import Crons
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

fault("search-for-crons-ignores-the-thread", breaks=["CRON-02"])(
    ignoring("thread_id", "cron_search", when=_BY_THREAD)
)
fault("search-for-crons-finds-only-the-newest", breaks=["CRON-02"])(
    change_answer("cron_search", to=lambda _, crons: crons[:1])
)
fault("count-of-crons-ignores-the-thread", breaks=["CRON-03"])(
    ignoring("thread_id", "cron_count", when=_BY_THREAD)
)
fault("count-of-crons-is-at-most-one", breaks=["CRON-03"])(
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
    """Select schedules of that many fields, of which one is out of range or a word."""
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


fault("cron-is-due-an-hour-late", breaks=["CRON-09"])(_due(timedelta(hours=1)))
fault("cron-is-due-a-minute-early", breaks=["CRON-09"])(_due(timedelta(minutes=-1)))


@fault("cron-never-runs", breaks=["CRON-10"])
def cron_never_runs(broken: FaultyDeployment) -> None:
    @broken.override(Crons.fire_cron)
    def fire_cron(_right: Any, cron_id: str) -> None:
        cron = broken.store.records.cron(cron_id)
        broken.store.records.keep_cron(
            broken.store.crons.scheduled(cron, cron.due or broken.store.records.moment())
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
