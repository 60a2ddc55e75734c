"""The reason why a run was cancelled."""

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.expect import assert_equal, assert_is, assert_that
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import Run, Runs
from conformance.checks.views import Thread, id_of
from conformance.deployment.client import ThreadsClient

_WAYS = ("by its id", "with several", "by a newer run")


@requires("CANCEL-REASON-01")
@pytest.mark.parametrize("way", _WAYS)
def test_a_cancelled_run_says_why(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient, way: str
) -> None:
    run = _cancelled(given, given_runs, client, way)
    reason = runs.get(run).get("cancel_reason")
    assert_that(
        isinstance(reason, str) and bool(reason.strip()),
        "a text in cancel_reason of a run that was cancelled",
        reason,
    )


@requires("CANCEL-REASON-02")
def test_a_run_that_ended_by_itself_has_no_reason(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    run = given_runs.start(given.empty(), "agent")
    given_runs.join(run)
    assert_is(runs.get(run).get("cancel_reason"), None, "cancel_reason of a run that succeeded")


@requires("CANCEL-REASON-03")
def test_a_list_selects_the_reason(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    run = _cancelled(given, given_runs, client, "by its id")
    thread: Thread = {"thread_id": run.thread_id}
    shown = given_runs.get(run)
    if "cancel_reason" not in shown:
        raise Blocked("the run has no cancel_reason", by="CANCEL-REASON-01")
    listed = [each.get("cancel_reason") for each in runs.list_runs(thread, select="cancel_reason")]
    assert_equal(listed, [shown["cancel_reason"]], "the cancel_reason of the runs that are listed")


def _cancelled(given: ThreadsApi, given_runs: Runs, client: ThreadsClient, way: str) -> Run:
    """Return a run that was cancelled while in progress, by `way`: one of `_WAYS`."""
    thread = given.empty()
    run = given_runs.start_long(thread)
    if way == "by its id":
        given_runs.cancel(run, "interrupt")
    elif way == "with several":
        body = {"thread_id": id_of(thread), "run_ids": [run.run_id]}
        given.ensure_success(client.runs.cancel_many(body), thread)
    else:
        given_runs.start(thread, "agent", multitask_strategy="interrupt")
    given_runs.join(run)
    if (status := given_runs.status_once_ended(run)) != "interrupted":
        raise Blocked(f"the cancelled run is {status}", by="CANCEL-02")
    return run
