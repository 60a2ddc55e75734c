"""The status of a thread, and searches by it."""

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.conditions import ANSWER, FAR_S, SHOWN_BY, make, states_of
from conformance.checks.expect import assert_equal, assert_that
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import LONG_S, Runs
from conformance.checks.views import Thread, checkpoint_named, id_of
from conformance.contract.api_constants import THREAD_STATUSES
from conformance.deployment.settings import numbered


@requires("STATUS-01")
def test_a_thread_that_waits_is_interrupted(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "interrupter")
    _assert_status(threads, thread, "interrupted", context)


@requires("STATUS-01")
def test_a_thread_that_waits_again_is_interrupted(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "interrupter")
    given_runs.resume(thread, "interrupter", "yes")
    # Wait for idle in between: the status of the first interrupt must not count for the second.
    _status(given, thread, "idle", context)
    given_runs.run_to_end(thread, "interrupter")
    _assert_status(threads, thread, "interrupted", context)


@requires("STATUS-01")
def test_a_thread_whose_subgraph_waits_is_interrupted(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = make("asking in a subgraph", given, given_runs).thread
    _assert_status(threads, thread, "interrupted", context)


@requires("STATUS-02")
def test_a_thread_whose_run_failed_is_in_error(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "failing")
    _assert_status(threads, thread, "error", context)


@requires("STATUS-02")
def test_a_thread_whose_later_run_failed_is_in_error(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "agent")
    given_runs.run_to_end(thread, "failing")
    _assert_status(threads, thread, "error", context)


@requires("STATUS-03")
def test_a_thread_with_a_run_is_busy(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    given_runs.start_long(thread)
    _assert_status(threads, thread, "busy", context)


@requires("STATUS-03")
@pytest.mark.parametrize("graph", ["interrupter", "failing"])
def test_a_thread_that_stood_still_is_busy_again(
    given: ThreadsApi,
    threads: ThreadsApi,
    given_runs: Runs,
    context: CheckContext,
    graph: str,
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, graph)
    given_runs.start_long(thread)
    _assert_status(threads, thread, "busy", context)


@requires("STATUS-04")
def test_a_thread_that_was_resumed_is_idle(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "interrupter")
    given_runs.resume(thread, "interrupter", "yes")
    _assert_status(threads, thread, "idle", context)


@requires("STATUS-05")
def test_a_thread_in_error_recovers(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "failing")
    given_runs.run_to_end(thread, "agent")
    _assert_status(threads, thread, "idle", context)


@requires("STATUS-08")
def test_a_thread_is_busy_until_its_last_run_has_ended(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    first = given_runs.start(thread, "slow", seconds=1)
    second = given_runs.enqueue(thread, "slow", seconds=LONG_S)
    given_runs.join(first)
    if (begun := given_runs.wait_for_begin(second)) != "running":
        raise Blocked(f"the second run is {begun} where it should be under way")
    _assert_status(threads, thread, "busy", context)


@requires("STATUS-09")
@pytest.mark.parametrize("strategy", ["enqueue", "interrupt", "rollback"])
def test_a_thread_is_idle_once_all_runs_have_ended(
    given: ThreadsApi,
    threads: ThreadsApi,
    given_runs: Runs,
    context: CheckContext,
    strategy: str,
) -> None:
    thread = given.empty()
    waits = strategy == "enqueue"
    first = given_runs.start(thread, "slow", seconds=1) if waits else given_runs.start_long(thread)
    given_runs.join(given_runs.start(thread, "agent", multitask_strategy=strategy))
    if waits:
        given_runs.join(first)
    _assert_status(threads, thread, "idle", context)


@requires("STATUS-10")
def test_a_copy_of_a_busy_thread_is_not_busy(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    given_runs.start_long(thread)
    copy = given.copy(thread)
    if running := given_runs.list_runs(copy):
        raise Blocked(f"the copy has runs of its own: {len(running)}")
    shown = context.eventually(
        lambda: threads.get(copy).get("status"), lambda status: status != "busy"
    )
    assert_that(shown != "busy", "another status than busy, since no run is under way", shown)


@requires("STATUS-11")
def test_a_state_update_leaves_a_finished_thread_idle(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    thread = given.prepopulated()
    if (before := given.get_settled(thread).get("status")) != "idle":
        raise Blocked(f"the finished thread is {before} already", by="CREATE-09")
    # After the last update of the settings, no node is next.
    given.update_state(thread, **numbered(context.graph().supersteps[-1]["updates"][-1], 2))
    if left := given.state(thread).get("next"):
        raise Blocked(f"after the update {left} is next")
    _assert_status(threads, thread, "idle", context)


@requires("STATUS-12")
def test_a_thread_that_was_answered_by_an_update_does_not_wait(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    _answer_by_an_update(given, given_runs, context, thread)
    _assert_status(threads, thread, "idle", context)


@requires("STATUS-12")
def test_a_thread_whose_question_was_left_by_a_fork_does_not_wait(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    _answer_by_an_update(given, given_runs, context, thread, forks=True)
    _assert_status(threads, thread, "idle", context)


def _answer_by_an_update(
    given: ThreadsApi,
    given_runs: Runs,
    context: CheckContext,
    thread: Thread,
    *,
    forks: bool = False,
) -> None:
    """Let a graph ask, and update the state as its node so that no node is next.

    The update is one of the state that asks or, as a fork, of the thread's oldest state.
    """
    given_runs.run_to_end(thread, "interrupter")
    asking = given.state(thread).get("next") or []
    if len(asking) != 1 or _status(given, thread, "interrupted", context) != "interrupted":
        raise Blocked("the thread does not wait as interrupted", by="STATUS-01")
    at = {"checkpoint": checkpoint_named(states_of(given, thread)[-1])} if forks else {}
    given.update_state(thread, values=ANSWER, as_node=asking[0], **at)
    if left := given.state(thread).get("next"):
        raise Blocked(f"after the update as {asking[0]} {left} is next")


@requires("STATUS-13")
@pytest.mark.parametrize(
    ("graph", "status"), [("interrupter", "interrupted"), ("failing", "error")]
)
def test_an_update_of_metadata_leaves_the_status(
    given: ThreadsApi,
    threads: ThreadsApi,
    given_runs: Runs,
    context: CheckContext,
    graph: str,
    status: str,
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, graph)
    if (shown := _status(given, thread, status, context)) != status:
        raise Blocked(f"the thread that should be {status} is {shown}", by=SHOWN_BY[status])
    given.update(thread, metadata={"colour": "red"})
    assert_equal(threads.get(thread).get("status"), status, "status")


@requires("STATUS-14")
def test_a_thread_is_not_busy_after_its_run_was_deleted(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, context: CheckContext
) -> None:
    under_way, to_come = given.empty(), given.empty()
    # A short run, since some deployments execute a deleted run to its end.
    running = given_runs.start(under_way, "slow", seconds=2)
    waiting = given_runs.start(to_come, "agent", after_seconds=FAR_S)
    shown = given_runs.wait_for_begin(running), given_runs.status(waiting)
    if shown != ("running", "pending"):
        raise Blocked(f"the runs to be deleted are {shown}")
    for thread, run in ((under_way, running), (to_come, waiting)):
        given_runs.delete(run)
        if any(each.get("run_id") == run.run_id for each in given_runs.list_runs(thread)):
            raise Blocked("a run that was deleted is still listed", by="RUN-CONTROL-12")
    # Both are read each time, so that one wait is enough for both.
    statuses = context.eventually(
        lambda: [threads.get(each).get("status") for each in (under_way, to_come)],
        lambda statuses: "busy" not in statuses,
    )
    assert_that("busy" not in statuses, "threads that are not busy", statuses)


@requires("STATUS-15")
@pytest.mark.parametrize("condition", ["stopped before a node", "stopped after a node"])
def test_a_thread_that_a_breakpoint_stopped_is_interrupted(
    given: ThreadsApi,
    threads: ThreadsApi,
    given_runs: Runs,
    context: CheckContext,
    condition: str,
) -> None:
    thread = make(condition, given, given_runs).thread
    _assert_status(threads, thread, "interrupted", context)


@pytest.fixture
def by_status(given: ThreadsApi, given_runs: Runs, context: CheckContext) -> dict[str, Thread]:
    """Return one thread of each status."""
    made = {status: given.empty() for status in THREAD_STATUSES}
    given_runs.run_to_end(made["interrupted"], "interrupter")
    given_runs.run_to_end(made["error"], "failing")
    given_runs.start_long(made["busy"])
    for status, thread in made.items():
        shown = _status(given, thread, status, context)
        if shown != status:
            raise Blocked(f"the thread that should be {status} is {shown}", by=SHOWN_BY[status])
    return made


@requires("STATUS-06")
def test_a_search_by_status_finds_exactly_its_threads(
    threads: ThreadsApi, context: CheckContext, by_status: dict[str, Thread]
) -> None:
    wanted = {status: [id_of(thread)] for status, thread in by_status.items()}
    found = context.eventually(
        lambda: {status: threads.search_ids(status=status) for status in wanted},
        lambda found: found == wanted,
    )
    assert_equal(found, wanted, "the threads found by each status")
    # The limit must count only threads that satisfy the filter.
    at_most_one = {status: threads.search_ids(status=status, limit=1) for status in wanted}
    assert_equal(at_most_one, wanted, "the threads found by each status, with limit 1")


@requires("STATUS-06")
@pytest.mark.parametrize("was", ["interrupted", "error"])
def test_a_search_by_status_follows_a_thread(
    given: ThreadsApi, given_runs: Runs, context: CheckContext, was: str
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "interrupter" if was == "interrupted" else "failing")
    if (shown := _status(given, thread, was, context)) != was:
        raise Blocked(f"the thread that should be {was} is {shown}", by=SHOWN_BY[was])
    context.eventually(lambda: given.search_ids(status=was), bool)
    if was == "interrupted":
        given_runs.resume(thread, "interrupter", "go on")
    else:
        given_runs.run_to_end(thread, "agent")
    if (shown := _status(given, thread, "idle", context)) != "idle":
        by = "STATUS-04" if was == "interrupted" else "STATUS-05"
        raise Blocked(f"the thread that should be idle again is {shown}", by=by)
    # What a search without a match answers is judged elsewhere.
    wanted = {was: [], "idle": [id_of(thread)]}
    found = context.eventually(
        lambda: {status: given.search_ids(status=status) for status in wanted},
        lambda found: found == wanted,
    )
    assert_equal(found, wanted, "the threads found by each status")


@requires("STATUS-07")
def test_a_count_by_status_counts_exactly_its_threads(
    threads: ThreadsApi, context: CheckContext, by_status: dict[str, Thread]
) -> None:
    wanted = dict.fromkeys(by_status, 1)
    counted = context.eventually(
        lambda: {status: threads.count(status=status) for status in wanted},
        lambda counted: counted == wanted,
    )
    assert_equal(counted, wanted, "the number of threads of each status")


def _assert_status(api: ThreadsApi, thread: Thread, status: str, context: CheckContext) -> None:
    assert_equal(_status(api, thread, status, context), status, "status")


def _status(api: ThreadsApi, thread: Thread, status: str, context: CheckContext) -> object:
    return context.eventually(lambda: api.get(thread).get("status"), lambda shown: shown == status)
