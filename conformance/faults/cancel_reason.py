"""Faults of showing why a run was cancelled."""

from __future__ import annotations

from typing import Any

from conformance.faults.kit.http_changes import change_answer, without
from conformance.faults.registry import FaultyDeployment, fault
from conformance.model.entities import Run, Thread
from conformance.model.runs import Runs
from conformance.reference.wire import WireRequest


def _without_reason(broken: FaultyDeployment, reason: str) -> None:
    """Show an empty reason for runs that were cancelled for this reason."""

    @broken.override(Runs.with_reason)
    def with_reason(right: Any, thread: Thread, run: Run, given: str) -> Any:
        return right(thread, run, "" if reason in given else given)


@fault("a-run-cancelled-on-request-says-no-reason", breaks=["CANCEL-REASON-01"])
def says_no_reason(broken: FaultyDeployment) -> None:
    _without_reason(broken, "request")


@fault("a-superseded-run-says-no-reason", breaks=["CANCEL-REASON-01"])
def superseded_says_no_reason(broken: FaultyDeployment) -> None:
    _without_reason(broken, "superseded")


def _with_reason(_request: WireRequest, run: Any) -> Any:
    return {**run, "cancel_reason": run.get("cancel_reason") or "none"}


fault("every-run-has-a-cancel-reason", breaks=["CANCEL-REASON-02"])(
    change_answer("run_get", to=_with_reason)
)


def _selects_reason(request: WireRequest) -> bool:
    return request.query.get("select") == "cancel_reason"


fault("a-list-of-runs-cannot-select-the-cancel-reason", breaks=["CANCEL-REASON-03"])(
    change_answer(
        "run_list",
        to=lambda _, runs: [without(each, "cancel_reason") for each in runs],
        when=_selects_reason,
    )
)
