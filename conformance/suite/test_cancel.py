"""Cancelling runs."""

import os
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import (
    contract_members_of_each,
    lasting_members,
    require_some,
)
from conformance.checks.expect import (
    assert_equal,
    assert_parents_in_history,
    assert_refused,
    assert_that,
)
from conformance.checks.outcomes import Blocked, NotRun, PromiseBroken, requires
from conformance.checks.runs import LONG_S, NOT_ENDED, Run, Runs, message_contents
from conformance.checks.views import Thread, id_of
from conformance.deployment.client import ThreadsClient

#: Seconds until a delayed run begins: more than any check lasts.
_DELAY_S = 600.0
#: Seconds of a run that ends by itself while another run waits for its end.
_SHORT_S = 2.0

#: Seconds of a run that is to be stopped when its client leaves, and of one that is to continue.
_STOPPED_RUN_S, _CONTINUED_RUN_S = 60.0, 3.0
#: Seconds within which a deployment, or a proxy before it, notices that a client has left: some
#: notice only when they send something to keep the connection alive, every 15 seconds.
_NOTICED_WITHIN_S = 20.0


@requires("CANCEL-01")
def test_a_cancelled_run_ends(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    run = given_runs.start_long(thread)
    halfway = message_contents(given.state(thread))
    runs.cancel(run, "interrupt")
    given_runs.join(run)
    status = given_runs.status_once_ended(run)
    assert_that(status not in (*NOT_ENDED, "success"), "a run that was stopped", status)
    assert_equal(
        message_contents(given.state(thread)), halfway, "the messages, as the run left them"
    )


@requires("CANCEL-01")
def test_a_cancelled_run_does_not_begin(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    first = given_runs.start(thread, "slow", "first", seconds=1)
    second = given_runs.enqueue_behind(thread, "slow", "second", seconds=0)
    runs.cancel(second, "interrupt", wait=False)
    given_runs.join(first)
    status = runs.status_once_ended_or_deleted(second)
    assert_that(status not in (*NOT_ENDED, "success"), "a run that was stopped", status)
    said = message_contents(given.state(thread))
    assert_that("second" not in said and "first" in said, "the first run's messages alone", said)


@requires("CANCEL-02")
def test_a_cancelled_run_is_interrupted(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    run = given_runs.start_long(given.empty())
    given_runs.cancel(run, "interrupt")
    given_runs.join(run)
    assert_equal(runs.status_once_ended(run), "interrupted", "the status of the run")


@requires("CANCEL-03")
def test_an_interrupted_run_leaves_what_it_did(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs
) -> None:
    thread = given.empty()
    run = given_runs.start_long(thread, "keep this")
    done = lasting_members(given.history(thread))
    given_runs.cancel(run, "interrupt")
    left = lasting_members(threads.history(thread))
    assert_equal(left[-len(done) :], done, "the states that the run had made")


@requires("CANCEL-04")
def test_a_run_rolled_back_is_deleted(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient, context: CheckContext
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "agent")
    kept = [run.get("run_id") for run in given_runs.list_runs(thread)]
    run = given_runs.start_long(thread)
    given_runs.cancel(run, "rollback")
    listed = context.eventually(
        lambda: [each.get("run_id") for each in runs.list_runs(thread)], lambda ids: ids == kept
    )
    assert_equal(listed, kept, "the runs that are left")
    assert_refused(client.runs.get(id_of(thread), run.run_id))


@requires("CANCEL-05")
def test_rollback_deletes_the_checkpoints_of_the_run(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", seconds=0)
    before = contract_members_of_each(given.history(thread))
    run = given_runs.start_long(thread)
    given_runs.cancel(run, "rollback")
    after = context.eventually(
        lambda: contract_members_of_each(threads.history(thread)),
        lambda states: len(states) <= len(before),
    )
    assert_equal(after, before, "the history")


@requires("CANCEL-06")
def test_cancelling_may_wait_for_the_end(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    run = given_runs.start_long(given.empty())
    runs.cancel(run, "interrupt", wait=True)
    status = given_runs.status(run)
    assert_that(status not in NOT_ENDED, "a run that has ended", status)


@requires("CANCEL-07")
def test_a_run_of_another_thread_is_not_cancelled(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    thread, other = given.empty(), given.empty()
    run = given_runs.start(other, "slow", seconds=1)
    # GET proves that the run is ours, so that it may be cancelled, whichever thread is named.
    given_runs.get(run)
    answer = client.runs.cancel(id_of(thread), run.run_id)
    given_runs.join(run)
    assert_refused(answer)
    assert_equal(runs.status_once_ended(run), "success", "the status of the run")


@requires("CANCEL-08")
def test_runs_are_cancelled_by_their_ids(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    under_way = given_runs.start_long(thread)
    queued = given_runs.enqueue_behind(thread, "agent")
    ids = [under_way.run_id, queued.run_id]
    threads.ensure_success(
        client.runs.cancel_many({"thread_id": id_of(thread), "run_ids": ids}), thread
    )
    for run in (under_way, queued):
        given_runs.join(run)
        status = runs.status_once_ended(run)
        assert_that(status not in (*NOT_ENDED, "success"), "a run that was stopped", status)


@requires("CANCEL-08")
def test_a_run_cancelled_with_others_does_not_begin(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    under_way = given_runs.start_long(thread, "under way")
    queued = given_runs.enqueue_behind(thread, "slow", "queued", seconds=0)
    ids = [under_way.run_id, queued.run_id]
    threads.ensure_success(
        client.runs.cancel_many({"thread_id": id_of(thread), "run_ids": ids}), thread
    )
    for run in (under_way, queued):
        _require_end(given_runs, run)
    said = message_contents(given.state(thread))
    require_some(said, "the run under way left no messages", "CANCEL-18")
    assert_that("queued" not in said, "nothing of the run that waited", said)


@requires("CANCEL-09")
def test_only_the_runs_named_are_cancelled(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    under_way = given_runs.start_long(thread)
    queued = given_runs.enqueue(thread, "agent")
    body = {"thread_id": id_of(thread), "run_ids": [under_way.run_id]}
    given.ensure_success(client.runs.cancel_many(body), thread)
    given_runs.join(queued)
    assert_equal(
        runs.status_once_ended(queued), "success", "the status of the run that was not named"
    )


@requires("CANCEL-10")
@pytest.mark.parametrize(
    "params",
    [{}, {"wait": "true"}, {"action": "interrupt"}],
    ids=["neither", "wait alone", "action alone"],
)
def test_a_run_is_cancelled_without_parameters(
    given: ThreadsApi,
    threads: ThreadsApi,
    given_runs: Runs,
    client: ThreadsClient,
    params: dict[str, str],
) -> None:
    thread = given.empty()
    run = given_runs.start_long(thread)
    threads.ensure_success(client.runs.cancel(run.thread_id, run.run_id, **params), thread)
    # What remains of the run is judged by CANCEL-11.
    status = given_runs.status_once_ended_or_deleted(run)
    assert_that(status not in (*NOT_ENDED, "success"), "a run that was stopped", status)


@requires("CANCEL-11")
def test_a_run_is_cancelled_by_interrupt_by_default(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    run = given_runs.start_long(thread)
    done = lasting_members(given.history(thread))
    given.ensure_success(client.runs.cancel(run.thread_id, run.run_id), thread)
    _assert_interrupted(threads, given_runs, run, done, by="CANCEL-10")


def _assert_interrupted(
    threads: ThreadsApi, given_runs: Runs, run: Run, done: list[dict[str, Any]], by: str
) -> None:
    """Assert that a cancelled run is still there, with the states that it had made: `done`.

    `Blocked` by the requirement `by` if the run is not stopped.
    """
    if (status := given_runs.status_once_ended_or_deleted(run)) in (*NOT_ENDED, "success"):
        raise Blocked(f"the run is not stopped, but {status}", by=by)
    left = lasting_members(threads.history({"thread_id": run.thread_id}))
    assert_that(status is not None, "a run that is still there", "none under its id")
    assert_equal(left[-len(done) :], done, "the states that the run had made")


@requires("CANCEL-12")
@pytest.mark.parametrize("action", ["interrupt", "rollback"])
@pytest.mark.parametrize("when", ["under way", "waiting", "ended"])
def test_a_thread_is_not_busy_after_a_cancellation(
    given: ThreadsApi,
    threads: ThreadsApi,
    given_runs: Runs,
    client: ThreadsClient,
    when: str,
    action: str,
) -> None:
    thread = given.empty()
    if when == "ended":
        run = given_runs.start(thread, "agent")
        given_runs.join(run)
        # A server may accept or refuse to cancel a run that has ended.
        client.runs.cancel(run.thread_id, run.run_id, action=action)
    else:
        _start_and_cancel(given, given_runs, thread, when, action)
    _assert_not_busy(threads, thread)


@requires("CANCEL-12")
@pytest.mark.parametrize("action", ["interrupt", "rollback"])
def test_a_thread_is_not_busy_after_the_last_of_its_runs(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, action: str
) -> None:
    thread = given.empty()
    first, second = _start_run_and_waiting_run(given_runs, thread, seconds=LONG_S)
    for run in (second, first):
        given_runs.cancel(run, action, wait=False)
        _require_end(given_runs, run)
    _assert_not_busy(threads, thread)


@requires("CANCEL-12")
def test_a_thread_is_not_busy_after_its_runs_were_cancelled_together(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    runs = _start_run_and_waiting_run(given_runs, thread, seconds=LONG_S)
    body = {"thread_id": id_of(thread), "run_ids": [run.run_id for run in runs]}
    given.ensure_success(client.runs.cancel_many(body), thread)
    for run in runs:
        _require_end(given_runs, run)
    _assert_not_busy(threads, thread)


@requires("CANCEL-13")
@pytest.mark.parametrize("action", ["interrupt", "rollback"])
@pytest.mark.parametrize("when", ["under way", "waiting"])
def test_a_thread_runs_again_after_a_cancellation(
    given: ThreadsApi, given_runs: Runs, runs: Runs, when: str, action: str
) -> None:
    thread = given.empty()
    _start_and_cancel(given, given_runs, thread, when, action)
    # In the background: if a request waited for it, a run that never begins would look like a lost
    # answer.
    run = runs.start(thread, "slow", "once more", seconds=0)
    status = given_runs.status_once_ended_or_deleted(run)
    state = given.state(thread)
    said = message_contents(state)
    ran = "once more" in said[:-1] and not state.get("next")
    assert_that(ran, "a state with what the next run made", f"a run that is {status}: {said}")


@requires("CANCEL-20")
def test_the_next_run_does_nothing_of_a_cancelled_run(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    plain, thread = given.empty(), given.empty()
    given_runs.run_to_end(plain, "slow", "once more", seconds=0)
    whole = message_contents(given.state(plain))
    if whole[:1] != ["once more"]:
        raise Blocked(f"a run leaves a new thread without its input: {whole}", by="RUN-01")
    cancelled = given_runs.start_long(thread)
    given_runs.cancel(cancelled, "interrupt")
    _require_end(given_runs, cancelled)
    newest = given.page(thread, limit=1)
    require_some(newest, "the history holds no state of a run that was cancelled", "CANCEL-03")
    if len(done := message_contents(newest[0])) >= len(whole):
        raise Blocked(f"a run that was cancelled left nothing undone: {done}", by="CANCEL-01")
    runs.run_to_end(thread, "slow", "once more", seconds=0)
    said = message_contents(given.state(thread))
    if "once more" not in said:
        raise Blocked(f"the next run does not add its input: {said}", by="CANCEL-13")
    if said != [*done, *whole]:
        _require_a_second_run_that_says_the_same(given, given_runs, plain, whole)
    assert_equal(said, [*done, *whole], "what the cancelled run left, and then a whole run")


def _require_a_second_run_that_says_the_same(
    given: ThreadsApi, given_runs: Runs, plain: Thread, whole: list[Any]
) -> None:
    """Raise `Blocked` if a second run does not add `whole`, what the first one said, to a thread.

    What a graph says may depend on what was said before.
    """
    given_runs.run_to_end(plain, "slow", "once more", seconds=0)
    said = message_contents(given.state(plain))
    if said[: len(whole)] != whole:
        raise Blocked(f"a second run does not start from {whole}, but leaves {said}", by="RUN-15")
    if said != [*whole, *whole]:
        raise Blocked(f"the slow graph says something else in a second run: {said}")


@requires("CANCEL-21")
def test_the_parents_of_a_run_after_a_rollback_are_in_the_history(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs
) -> None:
    thread = given.empty()
    run = given_runs.start_long(thread)
    given_runs.cancel(run, "rollback")
    if (status := given_runs.status_once_ended_or_deleted(run)) in NOT_ENDED:
        raise Blocked(f"a run that was rolled back is {status}", by="CANCEL-04")
    given_runs.run_to_end(thread, "slow", seconds=0)
    try:
        assert_parents_in_history(threads.history(thread))
    except PromiseBroken:
        _require_parents_without_rollback(given, given_runs)
        raise


def _require_parents_without_rollback(given: ThreadsApi, given_runs: Runs) -> None:
    """Block the check if the parents of a single run are not in the history either."""
    plain = given.empty()
    given_runs.run_to_end(plain, "slow", seconds=0)
    try:
        assert_parents_in_history(given.history(plain))
    except PromiseBroken as broken:
        raise Blocked.because(broken) from None


@requires("CANCEL-14")
@pytest.mark.parametrize("action", ["interrupt", "rollback"])
@pytest.mark.parametrize("cancelled", ["under way", "waiting"])
def test_other_runs_are_not_cancelled(
    given: ThreadsApi, given_runs: Runs, runs: Runs, cancelled: str, action: str
) -> None:
    thread = given.empty()
    long_enough = LONG_S if cancelled == "under way" else _SHORT_S
    first, second = _start_run_and_waiting_run(given_runs, thread, seconds=long_enough)
    stopped, other = (first, second) if cancelled == "under way" else (second, first)
    given_runs.cancel(stopped, action, wait=False)
    _require_end(given_runs, stopped)
    assert_equal(runs.status_once_ended_or_deleted(other), "success", "the status of the other run")


@requires("CANCEL-15")
@pytest.mark.parametrize("way", ["wait", "stream"])
def test_a_run_is_stopped_when_its_client_leaves(
    given: ThreadsApi, given_runs: Runs, runs: Runs, way: str
) -> None:
    run = given_runs.start_and_disconnect(
        given.empty(), way, _STOPPED_RUN_S, on_disconnect="cancel"
    )
    status = runs.status_once_ended_or_deleted(run, _NOTICED_WITHIN_S)
    assert_that(status not in (*NOT_ENDED, "success"), "a run that was stopped", status)


@requires("CANCEL-16")
@pytest.mark.parametrize("way", ["wait", "stream"])
@pytest.mark.parametrize(
    "members", [{}, {"on_disconnect": "continue"}], ids=["by default", "as asked"]
)
def test_a_run_goes_on_when_its_client_leaves(
    given: ThreadsApi, given_runs: Runs, runs: Runs, way: str, members: dict[str, str]
) -> None:
    run = given_runs.start_and_disconnect(given.empty(), way, _CONTINUED_RUN_S, **members)
    assert_equal(runs.status_once_ended_or_deleted(run), "success", "the status of the run")


@requires("CANCEL-17")
def test_runs_cancelled_together_are_rolled_back(
    given: ThreadsApi,
    threads: ThreadsApi,
    given_runs: Runs,
    runs: Runs,
    client: ThreadsClient,
    context: CheckContext,
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", seconds=0)
    kept = [run.get("run_id") for run in given_runs.list_runs(thread)]
    before = contract_members_of_each(given.history(thread))
    cancelled = [given_runs.start_long(thread), given_runs.enqueue_behind(thread, "agent")]
    body = {"thread_id": id_of(thread), "run_ids": [run.run_id for run in cancelled]}
    threads.ensure_success(client.runs.cancel_many(body, action="rollback"), thread)
    listed = context.eventually(
        lambda: [each.get("run_id") for each in runs.list_runs(thread)], lambda ids: ids == kept
    )
    assert_equal(listed, kept, "the runs that are left")
    for run in cancelled:
        assert_refused(client.runs.get(run.thread_id, run.run_id))
    after = context.eventually(
        lambda: contract_members_of_each(threads.history(thread)),
        lambda states: len(states) <= len(before),
    )
    assert_equal(after, before, "the history")


@requires("CANCEL-18")
def test_runs_cancelled_together_are_interrupted_by_default(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    run = given_runs.start_long(thread)
    done = lasting_members(given.history(thread))
    body = {"thread_id": id_of(thread), "run_ids": [run.run_id]}
    given.ensure_success(client.runs.cancel_many(body), thread)
    _assert_interrupted(threads, given_runs, run, done, by="CANCEL-08")


@requires("CANCEL-19")
def test_runs_are_cancelled_by_status(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    _require_no_concurrent_check()
    thread, other = given.empty(), given.empty()
    under_way = given_runs.start_long(thread)
    queued = given_runs.enqueue_behind(thread, "agent")
    threads.ensure_success(client.runs.cancel_many({"status": "pending"}))
    status = runs.status_once_ended_or_deleted(queued)
    assert_that(status not in (*NOT_ENDED, "success"), "the pending run stopped", status)
    assert_equal(runs.status(under_way), "running", "the status of the run under way")
    delayed = given_runs.start(other, "agent", after_seconds=_DELAY_S)
    if (shown := given_runs.status(delayed)) != "pending":
        raise Blocked(f"a run with after_seconds is {shown}", by="RUN-CONTROL-15")
    threads.ensure_success(client.runs.cancel_many({"status": "running"}))
    status = runs.status_once_ended_or_deleted(under_way)
    assert_that(status not in (*NOT_ENDED, "success"), "the run under way stopped", status)
    assert_equal(runs.status(delayed), "pending", "the status of the run that waits")


def _require_no_concurrent_check() -> None:
    """Raise `NotRun` where other processes run checks on the deployment at the same time."""
    if os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1") != "1":
        raise NotRun("it would stop the runs of the checks beside: sent by a single process only")


def _start_and_cancel(
    given: ThreadsApi, runs: Runs, thread: Thread, when: str, action: str
) -> None:
    """Start a run of the thread, cancel it, and wait for its end.

    `when` says when the run is cancelled: "under way" (in progress) or "waiting" (pending).
    """
    if when == "under way":
        run = runs.start_long(thread)
    else:
        run = runs.start(thread, "agent", after_seconds=_DELAY_S)
        if (status := runs.status(run)) != "pending":
            raise Blocked(f"a run with after_seconds is {status}", by="RUN-CONTROL-15")
    runs.cancel(run, action, wait=False)
    _require_end(runs, run)


def _start_run_and_waiting_run(runs: Runs, thread: Thread, seconds: float) -> tuple[Run, Run]:
    """Start two runs; return them once the first is in progress and the second waits for it."""
    first = runs.start(thread, "slow", seconds=seconds)
    second = runs.enqueue(thread, "agent")
    shown = runs.wait_for_begin(first), runs.status(second)
    if shown != ("running", "pending"):
        raise Blocked(f"two runs of one thread are {shown}", by="MULTITASK-03")
    return first, second


def _require_end(runs: Runs, run: Run) -> None:
    if (status := runs.status_once_ended_or_deleted(run)) in NOT_ENDED:
        raise Blocked(f"a run that was cancelled is {status}", by="CANCEL-01")


def _assert_not_busy(threads: ThreadsApi, thread: Thread) -> None:
    status = threads.get_settled(thread).get("status")
    assert_that(status != "busy", "a thread that is not busy", status)
