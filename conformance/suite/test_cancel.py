"""Cancelling runs."""

from conformance.checks.api import ThreadsApi
from conformance.checks.context import CheckContext
from conformance.checks.expect import assert_equal, assert_refused, assert_that
from conformance.checks.outcomes import requires
from conformance.checks.runs import UNDER_WAY, Runs, message_contents
from conformance.checks.views import id_of
from conformance.deployment.client import ThreadsClient


@requires("CANCEL-01")
def test_a_cancelled_run_ends(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    run = given_runs.start_long(thread)
    halfway = message_contents(given.state(thread))
    runs.cancel(run, "interrupt")
    given_runs.join(run)
    status = given_runs.final_status(run)
    assert_that(status not in (*UNDER_WAY, "success"), "a run that was stopped", status)
    assert_equal(
        message_contents(given.state(thread)), halfway, "the messages, as the run left them"
    )


@requires("CANCEL-02")
def test_a_cancelled_run_is_interrupted(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    run = given_runs.start_long(given.empty())
    given_runs.cancel(run, "interrupt")
    given_runs.join(run)
    assert_equal(runs.final_status(run), "interrupted", "the status of the run")


@requires("CANCEL-03")
def test_an_interrupted_run_leaves_what_it_did(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs
) -> None:
    thread = given.empty()
    run = given_runs.start_long(thread, "keep this")
    done = given.history(thread).checkpoint_ids()
    given_runs.cancel(run, "interrupt")
    left = threads.history(thread).checkpoint_ids()
    assert_equal(left[-len(done) :], done, "the checkpoints that the run had made")


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
    before = list(given.history(thread))
    run = given_runs.start_long(thread)
    given_runs.cancel(run, "rollback")
    after = context.eventually(
        lambda: list(threads.history(thread)), lambda states: len(states) <= len(before)
    )
    assert_equal(after, before, "the history")


@requires("CANCEL-06")
def test_cancelling_may_wait_for_the_end(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    run = given_runs.start_long(given.empty())
    runs.cancel(run, "interrupt", wait=True)
    status = given_runs.status(run)
    assert_that(status not in UNDER_WAY, "a run that has ended", status)


@requires("CANCEL-07")
def test_a_run_of_another_thread_is_not_cancelled(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    thread, other = given.empty(), given.empty()
    run = given_runs.start(other, "slow", seconds=1)
    # Once GET shows it, it is proved to be ours, on whatever thread it is cancelled.
    given_runs.get(run)
    answer = client.runs.cancel(id_of(thread), run.run_id)
    given_runs.join(run)
    assert_refused(answer)
    assert_equal(runs.final_status(run), "success", "the status of the run")


@requires("CANCEL-08")
def test_runs_are_cancelled_by_their_ids(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    under_way = given_runs.start_long(thread)
    queued = given_runs.start(thread, "agent")
    ids = [under_way.run_id, queued.run_id]
    threads.ensure_success(
        client.runs.cancel_many({"thread_id": id_of(thread), "run_ids": ids}), thread
    )
    for run in (under_way, queued):
        given_runs.join(run)
        status = runs.final_status(run)
        assert_that(status not in (*UNDER_WAY, "success"), "a run that was stopped", status)


@requires("CANCEL-09")
def test_only_the_runs_named_are_cancelled(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    under_way = given_runs.start_long(thread)
    queued = given_runs.start(thread, "agent")
    body = {"thread_id": id_of(thread), "run_ids": [under_way.run_id]}
    given.ensure_success(client.runs.cancel_many(body), thread)
    given_runs.join(queued)
    assert_equal(runs.final_status(queued), "success", "the status of the run that was not named")
