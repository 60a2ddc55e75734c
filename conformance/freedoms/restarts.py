"""Freedoms of restarts: what becomes of a run that was active when the deployment ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.freedoms.registry import freedom
from conformance.model.entities import Run, Thread
from conformance.model.persistence import StoreRestart
from conformance.reference.altered import Altered, Apply

_NO_SOURCE = "No source says what becomes of a run that was under way at a restart."


def _active_run_becomes(change: Callable[[Run, str], Run]) -> Apply:
    """Return a freedom that replaces each active run by `change(run, time of the restart)`."""

    def apply(altered: Altered) -> None:
        records = altered.store.records

        @altered.override(StoreRestart.thread)
        def thread(right: Any, kept: Thread) -> Thread:
            found: Thread = right(kept)
            if not any(each.active for each in found.runs):
                return found
            now = records.now()
            runs = tuple(change(each, now) if each.active else each for each in found.runs)
            return records.with_fresh_status_and_times(replace(found, runs=runs))

    return apply


freedom(
    "runs-under-way-fail-at-a-restart",
    allowed_by=_NO_SOURCE,
    choice="runs at a restart",
    profile="full",
)(
    _active_run_becomes(
        lambda run, now: replace(
            run,
            status="error",
            output={"__error__": {"error": "Restarted", "message": "the deployment was restarted"}},
            updated_at=now,
        )
    )
)
freedom(
    "runs-under-way-are-interrupted-by-a-restart",
    allowed_by=_NO_SOURCE,
    choice="runs at a restart",
    profile="full",
)(_active_run_becomes(lambda run, now: replace(run, status="interrupted", updated_at=now)))
freedom(
    "runs-under-way-begin-again-after-a-restart",
    allowed_by=_NO_SOURCE,
    choice="runs at a restart",
    profile="full",
)(
    _active_run_becomes(
        lambda run, now: replace(
            run, status="pending", started=False, position=None, updated_at=now
        )
    )
)


@freedom(
    "runs-under-way-are-deleted-by-a-restart",
    allowed_by=_NO_SOURCE,
    choice="runs at a restart",
    profile="full",
)
def deleted_by_a_restart(altered: Altered) -> None:
    records = altered.store.records

    @altered.override(StoreRestart.thread)
    def thread(right: Any, kept: Thread) -> Thread:
        found: Thread = right(kept)
        runs = tuple(each for each in found.runs if not each.active)
        return (
            found
            if runs == found.runs
            else records.with_fresh_status_and_times(replace(found, runs=runs))
        )
