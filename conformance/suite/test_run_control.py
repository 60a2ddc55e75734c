"""Reading, delaying, joining and deleting runs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import require_some
from conformance.checks.expect import (
    assert_equal,
    assert_is,
    assert_refused,
    assert_that,
    assert_valid,
    timestamp_or_blocked,
)
from conformance.checks.outcomes import Blocked, PromiseBroken, requires
from conformance.checks.runs import LONG_S, NOT_ENDED, Runs, message_contents, run_error, run_of
from conformance.checks.views import Thread, checkpoint_id_of, checkpoint_named, id_of
from conformance.contract.api_constants import DEFAULT_LIST_OF_RUNS
from conformance.contract.schemas import schema_members
from conformance.deployment.client import Answer, ThreadsClient
from conformance.safe_text import excerpt

#: Seconds that a run is to wait before it begins.
DELAY_S = 2.0
#: Seconds of a run that is deleted with its thread before it has ended.
_SHORT_S = 1.5


@requires("RUN-CONTROL-01")
def test_a_run_is_shown(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    run = given_runs.start(given.empty(), "agent")
    shown = runs.get(run)
    assert_valid("run", shown)
    named = {"run_id": shown.get("run_id"), "thread_id": shown.get("thread_id")}
    assert_equal(named, {"run_id": run.run_id, "thread_id": run.thread_id}, "the run")


@requires("RUN-CONTROL-02")
def test_the_runs_of_a_thread_are_listed(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread, other = given.empty(), given.empty()
    made = {given_runs.enqueue(thread, "agent").run_id for _ in range(2)}
    given_runs.start(other, "agent")
    listed = runs.list_runs(thread)
    assert_equal(sorted(str(each.get("run_id")) for each in listed), sorted(made), "the runs")


@requires("RUN-CONTROL-03")
def test_runs_are_listed_by_status(
    given: ThreadsApi, given_runs: Runs, runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    for graph in ("agent", "failing"):
        given_runs.run_to_end(thread, graph)
    by_status = context.eventually(
        lambda: {str(each.get("status")): each for each in given_runs.list_runs(thread)},
        lambda shown: len(shown) == 2 and not shown.keys() & set(NOT_ENDED),
    )
    if len(by_status) != 2:
        shown = sorted(by_status)
        raise Blocked(
            f"a run that ended well and one that failed show {shown}", by="RUN-CONTROL-07"
        )
    for status, run in by_status.items():
        # A filter that is applied after the limit would not find an older run.
        for limit in ({}, {"limit": 1}):
            listed = [each.get("run_id") for each in runs.list_runs(thread, status=status, **limit)]
            assert_equal(listed, [run.get("run_id")], f"the runs with status {status}")
    assert_equal(runs.list_runs(thread, status="timeout"), [], "the runs with status timeout")


@requires("RUN-CONTROL-25")
def test_runs_under_way_waiting_and_cancelled_are_listed_by_status(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread = given.empty()
    first = given_runs.start_long(thread)
    second = given_runs.enqueue_behind(thread, "agent")
    for status, expected in (
        ("running", [first.run_id]),
        ("pending", [second.run_id]),
        ("success", []),
    ):
        listed = [str(each.get("run_id")) for each in runs.list_runs(thread, status=status)]
        shown = [given_runs.status(each) for each in (first, second)]
        if shown == ["running", "running"]:
            raise Blocked("two runs of one thread are under way", by="MULTITASK-03")
        if shown != ["running", "pending"]:
            raise Blocked(f"a run under way and one that waited are {shown} meanwhile")
        if listed != expected:
            _require_lists_by_status(given, given_runs)
        assert_equal(listed, expected, f"the runs with status {status}")
    for run in (second, first):
        given_runs.cancel(run, "interrupt", wait=False)
    for run in (second, first):
        if (shown := given_runs.status_once_ended_or_deleted(run)) in NOT_ENDED:
            raise Blocked(f"a run that was cancelled is {shown}", by="CANCEL-01")
    by_status: dict[str, list[str]] = {}
    # Which status it is, is judged by CANCEL-02; a deployment may have deleted the one that waited.
    for each in given_runs.list_runs(thread):
        by_status.setdefault(str(each.get("status")), []).append(str(each.get("run_id")))
    require_some(by_status, "no run that was cancelled is listed", "CANCEL-11")
    for status, ids in by_status.items():
        listed = [str(each.get("run_id")) for each in runs.list_runs(thread, status=status)]
        for run in (first, second):
            if run.run_id in {*listed} - {*ids} and given_runs.status(run) == status:
                raise Blocked("a list of all runs lacks one that is there", by="RUN-CONTROL-02")
        if sorted(listed) != sorted(ids):
            _require_lists_by_status(given, given_runs)
        assert_equal(sorted(listed), sorted(ids), f"the runs with status {status}")


def _require_lists_by_status(given: ThreadsApi, given_runs: Runs) -> None:
    """Raise `Blocked` if a list by status is not right of a single run that has ended either."""
    thread = given.empty()
    run = given_runs.start(thread, "agent")
    given_runs.join(run)
    ended = given_runs.status_once_ended(run)
    for status in ("success", "error"):
        listed = [each.get("run_id") for each in given_runs.list_runs(thread, status=status)]
        if listed != ([run.run_id] if status == ended else []):
            raise Blocked(f"of a run that is {ended}, {listed} is {status}", by="RUN-CONTROL-03")


@requires("RUN-CONTROL-04")
def test_runs_are_listed_in_pages(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    started = [given_runs.enqueue(thread, "agent") for _ in range(3)]
    # The order of the list is free, and may change while one of the runs is in progress.
    for run in started:
        given_runs.status_once_ended_or_deleted(run)
    made = {run.run_id for run in started}
    pages = [runs.list_runs(thread, limit=2, offset=offset) for offset in (0, 2)]
    listed = sorted(str(run.get("run_id")) for page in pages for run in page)
    assert_equal(listed, sorted(made), "the runs of both pages")


@requires("RUN-CONTROL-05")
def test_only_selected_members_are_listed(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    run = given_runs.start(thread, "agent")
    listed = runs.list_runs(thread, select=["run_id", "thread_id"])
    # A server may add members: only published ones can be selected.
    selectable = schema_members("run")
    shown = [{name: each[name] for name in each if name in selectable} for each in listed]
    assert_is(shown, [{"run_id": run.run_id, "thread_id": run.thread_id}], "the runs")


@requires("RUN-CONTROL-06")
def test_a_run_of_another_thread_is_refused(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread, other = given.empty(), given.empty()
    run = given_runs.start(other, "agent")
    given_runs.get(run)
    assert_refused(client.runs.get(id_of(thread), run.run_id))
    assert_refused(client.runs.get(id_of(thread), client.ownership.absent_id()))


@requires("RUN-CONTROL-07")
def test_a_run_ends_with_success_or_error(
    given: ThreadsApi, given_runs: Runs, runs: Runs, context: CheckContext
) -> None:
    ends = {}
    for graph in ("agent", "failing"):
        thread = given.empty()
        given_runs.run_to_end(thread, graph)
        ends[graph] = _statuses(runs, thread, context)
    assert_equal(ends, {"agent": ["success"], "failing": ["error"]}, "the statuses of the runs")


@requires("RUN-CONTROL-08")
def test_a_background_run_does_not_wait(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    run = given_runs.start(given.empty(), "slow", seconds=LONG_S)
    status = runs.status(run)
    assert_that(status in NOT_ENDED, "a run that is pending or running", status)


@requires("RUN-CONTROL-09")
@pytest.mark.parametrize("when", ["under way", "waiting"])
def test_joining_waits_for_the_end(
    given: ThreadsApi, given_runs: Runs, runs: Runs, when: str
) -> None:
    thread = given.empty()
    run = given_runs.start(thread, "slow", seconds=1)
    if when == "waiting":
        run = given_runs.enqueue(thread, "slow", seconds=0)
    runs.join(run)
    # Judged by the messages of the run: its status may follow its end a little later.
    said = message_contents(given.state(thread))
    if given_runs.status_once_ended(run, given.context.settings.run_timeout_s) in NOT_ENDED:
        raise Blocked("the run does not end")
    in_the_end = message_contents(given.state(thread))
    require_some([len(in_the_end) > 1], "the run said nothing")
    assert_equal(said, in_the_end, "the messages when join answers")


@requires("RUN-CONTROL-10")
def test_joining_answers_the_values(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    output = runs.join(given_runs.start(thread, "agent"))
    values = given.state(thread)["values"]
    require_some([values], "the state has no values", "STATE-01")
    assert_equal(output, values, "what join answers")


@requires("RUN-CONTROL-11")
def test_an_unknown_run_cannot_be_joined(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    given_runs.join(given_runs.start(thread, "agent"))
    assert_refused(client.run_join(id_of(thread), client.ownership.absent_id()))


@requires("RUN-CONTROL-12")
def test_a_deleted_run_is_gone(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    kept, deleted = (given_runs.enqueue(thread, "agent") for _ in range(2))
    given_runs.join(kept)
    given_runs.join(deleted)
    runs.delete(deleted)
    assert_refused(client.runs.get(id_of(thread), deleted.run_id))
    listed = [run.get("run_id") for run in runs.list_runs(thread)]
    assert_equal(listed, [kept.run_id], "the runs that are left")


@requires("RUN-CONTROL-13")
def test_a_run_shows_its_metadata(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    given_metadata = {"purpose": {"nested": ["list", 1, None]}}
    run = given_runs.start(given.empty(), "agent", metadata=given_metadata)
    shown = runs.get(run).get("metadata") or {}
    kept = {name: shown.get(name) for name in given_metadata}
    assert_equal(kept, given_metadata, "the metadata of the run")


@requires("RUN-CONTROL-14")
def test_a_run_may_create_its_thread(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient
) -> None:
    thread = {"thread_id": client.ownership.new_id()}
    tags = {**client.tag, **given.context.tag}
    threads.run(thread, if_not_exists="create", metadata=tags)
    assert_equal(threads.get(thread).get("thread_id"), id_of(thread), "the thread")
    assert_that(len(threads.history(thread)) > 0, "a history", "no state")


@requires("RUN-CONTROL-15")
def test_a_run_may_begin_later(given: ThreadsApi, given_runs: Runs) -> None:
    thread = given.empty()
    run = given_runs.start(thread, "agent", after_seconds=DELAY_S)
    given_runs.join(run)
    oldest = list(given.history(thread))[-1:]
    assert_that(len(oldest) == 1, "a history, once the run has ended", "no state")
    created_at = oldest[0].get("created_at")
    begun_at = timestamp_or_blocked(created_at, "created_at of the first state")
    if "." not in str(created_at):
        begun_at += timedelta(seconds=1)  # in whole seconds: the run may have begun later
    # Less than the whole delay, since the clocks of a deployment may differ a little. It is counted
    # from the creation of the thread, after which the run was requested.
    delay = timedelta(seconds=0.75 * DELAY_S)
    earliest = timestamp_or_blocked(thread.get("created_at"), "created_at") + delay
    assert_that(begun_at >= earliest, f"no state before {earliest}", f"one of {begun_at}")


@requires("RUN-CONTROL-16")
@pytest.mark.parametrize("way", ["wait", "stream", "background"])
def test_a_run_may_start_from_a_checkpoint(
    given: ThreadsApi, given_runs: Runs, runs: Runs, way: str
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "interrupter", "first")
    given_runs.resume(thread, "interrupter", "yes")
    earlier = given.state(thread)
    given_runs.run_to_end(thread, "interrupter", "second")
    checkpoint = {"checkpoint_id": checkpoint_id_of(earlier), "checkpoint_ns": ""}
    if way == "wait":
        runs.run_to_end(thread, "interrupter", "third", checkpoint=checkpoint)
    elif way == "stream":
        runs.stream(thread, "interrupter", "third", checkpoint=checkpoint)
    else:
        # Whether a run in the background can be followed is judged by RUN-03.
        given_runs.join(given_runs.start(thread, "interrupter", "third", checkpoint=checkpoint))
    expected = [*message_contents(earlier), "third"]
    assert_equal(message_contents(given.state(thread)), expected, "the messages after the run")


@requires("RUN-CONTROL-16")
def test_several_runs_may_start_from_one_checkpoint(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", "first", seconds=0)
    earlier = given.state(thread)
    checkpoint = checkpoint_named(earlier)
    # A message that is edited twice: both times the run begins before the message.
    for text in ("second", "third"):
        runs.run_to_end(thread, "slow", text, seconds=0, checkpoint=checkpoint)
    expected = [*message_contents(earlier), "third"]
    said = message_contents(given.state(thread))
    assert_equal(said[: len(expected)], expected, "the messages after the later run")


@requires("RUN-CONTROL-17")
def test_a_failing_run_says_so(given: ThreadsApi, given_runs: Runs, client: ThreadsClient) -> None:
    _assert_tells_error(client.run_wait(id_of(given.empty()), given_runs.body("failing")))


@requires("RUN-CONTROL-18")
@pytest.mark.parametrize("way", ["wait", "stream", "background"])
def test_a_run_of_an_unknown_thread_is_404(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient, way: str
) -> None:
    # Each way must succeed first, so that a refusal is about the thread.
    offered: dict[str, Callable[[], object]] = {
        "wait": lambda: given_runs.run_to_end(given.empty(), "agent"),
        "stream": lambda: given_runs.stream(given.empty(), "agent"),
        "background": lambda: given_runs.join(given_runs.start(given.empty(), "agent")),
    }
    offered[way]()
    start = {
        "wait": client.run_wait,
        "stream": client.run_stream,
        "background": client.run_background,
    }
    _assert_404(start[way](client.ownership.absent_id(), given_runs.body("agent")), "RUN-12")


@requires("RUN-CONTROL-19")
def test_joining_an_unknown_run_is_404(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    given_runs.join(given_runs.start(thread, "agent"))
    _assert_404(client.run_join(id_of(thread), client.ownership.absent_id()), "RUN-CONTROL-11")


@requires("RUN-CONTROL-20")
def test_deleting_an_unknown_run_is_404(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    run = given_runs.start(thread, "agent")
    given_runs.join(run)
    given_runs.delete(run)
    _assert_404(client.runs.delete(id_of(thread), client.ownership.absent_id()))


@requires("RUN-CONTROL-21")
def test_the_stream_of_an_unknown_run_is_404(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    run = given_runs.start(thread, "agent")
    given.ensure_success(client.runs.join_stream(run.thread_id, run.run_id), thread)
    _assert_404(client.runs.join_stream(id_of(thread), client.ownership.absent_id()))


@requires("RUN-CONTROL-22")
def test_ten_runs_are_listed_by_default(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    for _ in range(DEFAULT_LIST_OF_RUNS + 1):
        given_runs.enqueue(thread, "agent")
    there = len(given_runs.list_runs(thread, limit=2 * DEFAULT_LIST_OF_RUNS))
    if there <= DEFAULT_LIST_OF_RUNS:
        raise Blocked(f"of {DEFAULT_LIST_OF_RUNS + 1} runs {there} are listed", by="RUN-CONTROL-02")
    listed = len(runs.list_runs(thread))
    assert_that(
        0 < listed <= DEFAULT_LIST_OF_RUNS, f"1 to {DEFAULT_LIST_OF_RUNS} runs", f"{listed} runs"
    )


@requires("RUN-CONTROL-23")
@pytest.mark.parametrize("when", ["under way", "ended"])
def test_joining_a_failing_run_says_so(given: ThreadsApi, given_runs: Runs, when: str) -> None:
    run = given_runs.start(given.empty(), "failing")
    if when == "ended" and given_runs.status_once_ended_or_deleted(run) != "error":
        raise Blocked("a run whose graph raises does not end as an error", by="RUN-CONTROL-07")
    _assert_tells_error(given.client.run_join(run.thread_id, run.run_id))


@requires("RUN-CONTROL-24")
def test_runs_that_had_not_ended_are_deleted_with_their_thread(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread, other = given.empty(), given.empty()
    under_way = given_runs.start(thread, "slow", seconds=_SHORT_S)
    waiting = given_runs.enqueue(thread, "agent")
    shown = given_runs.wait_for_begin(under_way), given_runs.status(waiting)
    if shown != ("running", "pending"):
        raise Blocked(f"two runs of one thread are {shown}", by="MULTITASK-03")
    deleted = client.delete(id_of(thread))
    if not deleted.ok or client.get(id_of(thread)).ok:
        raise Blocked("a thread on which a run is under way is not deleted", by="DELETE-19")
    # A run that was not deleted would write at its end: wait for an equally long run begun later.
    given_runs.run_to_end(other, "slow", seconds=_SHORT_S)
    for run in (under_way, waiting):
        answer = client.runs.get(run.thread_id, run.run_id)
        assert_that(not answer.ok or run_of(answer.body) is None, "no run", answer.text)


def _statuses(runs: Runs, thread: Thread, context: CheckContext) -> list[Any]:
    """Return the statuses of a thread's runs, once none is pending or running."""
    return context.eventually(
        lambda: [run.get("status") for run in runs.list_runs(thread)],
        lambda shown: not set(map(str, shown)) & set(NOT_ENDED),
    )


def _assert_404(answer: Answer, refused: str = "") -> None:
    """Assert a 404; `Blocked` by the requirement `refused` if the request succeeds instead."""
    if answer.ok and refused:
        raise Blocked(f"it is answered with {answer.status}", by=refused)
    assert_equal(answer.status, 404, "status")


def _assert_tells_error(answer: Answer) -> None:
    if answer.ok and not run_error(answer):
        raise PromiseBroken("an __error__ that says why, or a refusal", excerpt(answer.text, 300))
