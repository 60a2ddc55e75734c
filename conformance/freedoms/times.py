"""Freedoms of times: their format, and which of them move."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from conformance.faults.kit.http_changes import STATES, change_shown
from conformance.freedoms.kit import CRONS, is_timestamp, times_as
from conformance.freedoms.registry import freedom
from conformance.json_differences import same_json
from conformance.model.crons import Crons
from conformance.model.entities import Thread
from conformance.model.ids_and_times import timestamp
from conformance.model.records import Records
from conformance.model.runs import Runs
from conformance.model.schedule import parse_schedule
from conformance.model.threads import Threads
from conformance.reference.altered import Altered

_FORMS = (
    "003 prints Z and milliseconds beside +00:00 and microseconds; published is date-time, which "
    "is RFC 3339."
)
_FORM = "form of moments"


def _z(text: str) -> str:
    return text.replace("+00:00", "Z")


def _milliseconds(text: str) -> str:
    return _z(datetime.fromisoformat(text).isoformat(timespec="milliseconds"))


def _elsewhere(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(timezone(timedelta(hours=5.5))).isoformat()


def _seconds(text: str) -> str:
    return _z(datetime.fromisoformat(text).isoformat(timespec="seconds"))


def _nanoseconds(text: str) -> str:
    return datetime.fromisoformat(text).isoformat(timespec="microseconds").replace("+", "123+")


freedom("times-end-in-z", allowed_by=_FORMS, choice=_FORM)(times_as(_z))
freedom("times-in-milliseconds", allowed_by=_FORMS, choice=_FORM)(times_as(_milliseconds))
freedom("times-with-another-offset", allowed_by=_FORMS, choice=_FORM)(times_as(_elsewhere))
freedom(
    "times-in-whole-seconds",
    allowed_by="Published is date-time, RFC 3339, where the fraction of a second is optional.",
    choice=_FORM,
    # Threads that were made in one second cannot be told apart by their times.
    may_block="CONDITION-11 CONDITION-12 SORT-07",
)(times_as(_seconds))
freedom(
    "times-in-nanoseconds",
    allowed_by="Published is date-time, RFC 3339, where a fraction may have any number of digits.",
    choice=_FORM,
)(times_as(_nanoseconds))


def _changed(each: dict[str, Any]) -> dict[str, Any]:
    return {n: _z(value) if is_timestamp(n, value) else value for n, value in each.items()}


freedom(
    "times-change-form-between-operations",
    allowed_by="003 prints the same members with Z and with +00:00.",
    choice=_FORM,
)(change_shown("create", "copy", "update", "run_background", "cron_create", to=_changed))


def _shown_all_the_same(cron: dict[str, Any]) -> dict[str, Any]:
    if cron.get("enabled") is not False:
        return cron
    due = parse_schedule(cron["schedule"], cron["timezone"]).after(datetime.now(UTC))
    return {**cron, "next_run_date": due and due.isoformat()}


freedom(
    "crons-that-are-not-enabled-show-when-they-would-run",
    allowed_by="The published next_run_date may be null; no source says what a cron shows there "
    "that is not enabled.",
    profile="full",
)(change_shown(*CRONS, to=_shown_all_the_same))

_MOVES = "Published are updated_at and state_updated_at; no source says which of them what changes."


@freedom(
    "only-updates-of-a-thread-move-updated-at",
    allowed_by=_MOVES,
    breaks="STATE-UPDATE-17",
    may_block="CONDITION-11",
)
def only_updates_of_a_thread_move_updated_at(altered: Altered) -> None:
    @altered.override(Records.with_fresh_status_and_times)
    def with_fresh_status_and_times(right: Any, thread: Thread, **named: Any) -> Thread:
        fresh: Thread = right(thread, **named)
        return replace(fresh, updated_at=thread.updated_at)


@freedom("updates-that-change-nothing-move-no-time", allowed_by=_MOVES)
def updates_that_change_nothing_move_no_time(altered: Altered) -> None:
    @altered.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Any = None, ttl: Any = None) -> Any:
        thread = altered.store.records.thread(thread_id)
        if ttl is None and same_json(thread.metadata, thread.metadata | (metadata or {})):
            return altered.store.views.thread_view(thread)
        return right(thread_id, metadata, ttl)


@freedom(
    "updates-that-change-nothing-move-no-time-of-a-cron",
    allowed_by="Published is the updated_at of a cron; no source says that an update to what it "
    "is already moves it.",
    profile="full",
)
def updates_that_change_nothing_move_no_time_of_a_cron(altered: Altered) -> None:
    @altered.override(Crons.update_cron)
    def update_cron(right: Any, cron_id: str, changes: dict[str, Any]) -> Any:
        cron = altered.store.records.cron(cron_id)
        own = {
            name: getattr(cron, name) for name in ("schedule", "timezone", "end_time", "enabled")
        }
        metadata = cron.metadata | (changes.get("metadata") or {})
        before = {**cron.payload, **own, "metadata": cron.metadata}
        if same_json(before, {**before, **changes, "metadata": metadata}):
            return altered.store.views.cron_view(cron)
        return right(cron_id, changes)


@freedom("everything-moves-updated-at", allowed_by=_MOVES)
def everything_moves_updated_at(altered: Altered) -> None:
    @altered.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: Any) -> Any:
        begun = right(thread_id, request)
        store = altered.store
        thread = store.records.thread(thread_id)
        now = store.records.now()
        store.records.keep(replace(thread, updated_at=now, state_updated_at=now))
        return begun


@freedom(
    "updated-a-moment-after-created",
    allowed_by="004 Get thread prints an updated_at eight microseconds after created_at; no source "
    "says that they are equal.",
    choice="updated_at of a new thread",
)
def updated_a_moment_after_created(altered: Altered) -> None:
    @altered.override(Threads.new_thread)
    def new_thread(right: Any, *given: Any) -> Thread:
        made: Thread = right(*given)
        later = datetime.fromisoformat(made.created_at) + timedelta(milliseconds=2)
        return replace(made, updated_at=timestamp(later), state_updated_at=timestamp(later))


@freedom(
    "copies-keep-the-times-of-their-source",
    allowed_by="No source says when a copy was created.",
)
def copies_keep_the_times_of_their_source(altered: Altered) -> None:
    @altered.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        store = altered.store
        source = store.records.thread(thread_id)
        made = store.records.thread(right(thread_id)["thread_id"])
        times = {name: getattr(source, name) for name in ("created_at", "updated_at")}
        return store.views.thread_view(store.records.keep(replace(made, **times)))


freedom(
    "states-are-dated-in-whole-seconds",
    allowed_by="Published is the created_at of a ThreadState as a string of no format; 003 prints "
    "the same members in different forms.",
    choice=_FORM,
)(
    change_shown(
        *STATES,
        to=lambda state: (
            {**state, "created_at": _seconds(state["created_at"])}
            if "created_at" in state
            else state
        ),
    )
)
