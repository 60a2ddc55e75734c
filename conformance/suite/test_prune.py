"""Removing threads, or their old checkpoints, by id."""

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import require_some
from conformance.checks.conditions import in_conditions, make
from conformance.checks.expect import (
    assert_equal,
    assert_identical_history,
    assert_is,
    assert_no_thread,
    assert_refused,
    assert_that,
    assert_untouched,
    require_identical_history,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.required_states import require_states
from conformance.checks.runs import Runs
from conformance.checks.shown_interrupts import interrupts_in
from conformance.checks.views import Thread, checkpoint_id_of, id_of
from conformance.checks.ways import get_caught_up
from conformance.deployment.client import ThreadsClient

LATEST = {"strategy": "keep_latest"}


@requires("PRUNE-01")
@pytest.mark.parametrize("body", [{}, {"strategy": "delete"}], ids=["default", "delete"])
def test_delete_removes_the_threads(
    given: ThreadsApi, threads: ThreadsApi, body: dict[str, str]
) -> None:
    made = [given.fullest(), given.empty()]
    threads.prune(*made, **body)
    for each in made:
        assert_no_thread(threads, id_of(each))


@requires("PRUNE-02")
def test_the_threads_pruned_are_counted(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient
) -> None:
    given.prune(given.empty())
    counted = threads.prune(given.empty(), given.empty()).get("pruned_count")
    assert_equal(counted, 2, "pruned_count")
    absent = client.ownership.absent_id()
    made = [id_of(given.empty()), id_of(given.empty())]
    _assert_counts_if_accepted(threads, [*made, absent], 2)
    _assert_counts_if_accepted(threads, [absent], 0)


@requires("PRUNE-02")
def test_a_thread_named_twice_counts_once(given: ThreadsApi, threads: ThreadsApi) -> None:
    made, other = id_of(given.empty()), given.empty()
    given.prune(other)
    _assert_counts_if_accepted(threads, [made, made], 1)


def _assert_counts_if_accepted(threads: ThreadsApi, ids: list[str], number: int) -> None:
    """Assert that a prune of these ids is refused, or answers `number` as pruned_count."""
    answer = threads.client.prune({"thread_ids": ids})
    if not answer.ok:
        assert_refused(answer)
        return
    assert_is(threads.object_of(answer).get("pruned_count"), number, "pruned_count")


@requires("PRUNE-03")
def test_keep_latest_keeps_the_newest_state(given: ThreadsApi, threads: ThreadsApi) -> None:
    _assert_keeps_the_newest_state(given, threads, given.long(5))


@requires("PRUNE-03")
def test_keep_latest_keeps_the_state_of_a_fork(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs
) -> None:
    _assert_keeps_the_newest_state(given, threads, make("forked", given, given_runs).thread)


@requires("PRUNE-03")
def test_keep_latest_keeps_a_thread_without_a_state(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.empty()
    threads.prune(made, **LATEST)
    answer = threads.client.get(id_of(made))
    assert_that(answer.ok, "the thread is still there", f"{answer.status} {answer.text}")


def _assert_keeps_the_newest_state(given: ThreadsApi, threads: ThreadsApi, made: Thread) -> None:
    before = given.state(made)
    require_some([before["values"]], "the values of the state")
    if checkpoint_id_of(before) != require_states(given.history(made)).checkpoint_ids()[0]:
        raise Blocked("the state is not the newest of the history", by="STATE-10")
    threads.prune(made, **LATEST)
    after = threads.state(made)
    for member in ("values", "next", "checkpoint_id"):
        assert_equal(after.get(member), before.get(member), member)


@requires("PRUNE-04")
def test_keep_latest_removes_the_old_states(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.long(5)
    newest = require_states(given.history(made)).checkpoint_ids()[0]
    threads.prune(made, **LATEST)
    left = [checkpoint_id_of(state) for state in threads.page(made, limit=100)]
    assert_equal(left, [newest], "the checkpoints in the history")


@requires("PRUNE-05")
@pytest.mark.parametrize("strategy", ["delete", "keep_latest"])
def test_pruning_leaves_the_other_threads(
    given: ThreadsApi, threads: ThreadsApi, strategy: str
) -> None:
    # One state is enough for a thread to be pruned.
    made, other = given.fullest(), given.fullest()
    assert_untouched(threads, other, lambda: given.prune(made, strategy=strategy))


@requires("PRUNE-20")
def test_pruned_threads_are_not_found(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    kept, gone = given.fullest(), given.fullest()
    both = sorted([id_of(kept), id_of(gone)])
    if context.eventually(lambda: sorted(given.search_ids()), lambda ids: ids == both) != both:
        raise Blocked("search does not show the threads that were made", by="CREATE-12")
    _prune_away(given, gone)
    found = context.eventually(threads.search_ids, lambda ids: ids == [id_of(kept)])
    assert_equal(found, [id_of(kept)], "the threads found")


@requires("PRUNE-21")
def test_pruned_threads_are_not_counted(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    _, gone = given.fullest(), given.fullest()
    if context.eventually(given.count, lambda number: number == 2) != 2:
        raise Blocked("count does not show the threads that were made", by="COUNT-01")
    _prune_away(given, gone)
    counted = context.eventually(threads.count, lambda number: number == 1)
    assert_equal(counted, 1, "the number of threads")


def _prune_away(given: ThreadsApi, thread: Thread) -> None:
    given.prune(thread)
    if given.client.get(id_of(thread)).ok:
        raise Blocked("GET shows a thread that was pruned", by="PRUNE-01")


@requires("PRUNE-22")
@in_conditions("pruned", "forked and pruned")
def test_a_copy_of_a_pruned_thread_is_whole(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    whole = given.prepopulated()
    require_identical_history(given.history(given.copy(whole)), given.history(whole))
    made = make(condition, given, given_runs).thread
    history = given.history(made)
    require_some(history, "the pruned thread has no state", by="PRUNE-03")
    assert_identical_history(threads.history(threads.copy(made)), history)


def _require_keep_latest(given: ThreadsApi) -> None:
    """Raise `Blocked` where keep_latest is refused, before the check makes a run."""
    given.prune(given.with_state(), **LATEST)


@requires("PRUNE-23")
@in_conditions("asking again", "asking in a subgraph")
def test_keep_latest_keeps_the_question(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    _require_keep_latest(given)
    made = make(condition, given, given_runs).thread
    before = given.state(made)
    require_some(interrupts_in(before), "no task of the state shows an interrupt", "INTERRUPT-02")
    given.prune(made, **LATEST)
    after = threads.state(made)
    assert_equal(after.get("next"), before.get("next"), "next")
    assert_equal(interrupts_in(after), interrupts_in(before), "the interrupts of the tasks")


@requires("PRUNE-24")
@in_conditions("prepopulated", "stopped midway", "failed", "asking again")
def test_keep_latest_leaves_what_the_thread_shows(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    _require_keep_latest(given)
    made = make(condition, given, given_runs).thread
    before = get_caught_up(given, made)
    given.prune(made, **LATEST)
    shown = threads.get(made)
    for name in ("status", "metadata", "values", "interrupts"):
        if name in before:
            assert_equal(shown.get(name), before[name], name)


@requires("PRUNE-25")
@pytest.mark.parametrize("strategy", ["delete", "keep_latest"])
def test_pruning_leaves_copies(given: ThreadsApi, threads: ThreadsApi, strategy: str) -> None:
    made = given.prepopulated()
    copy = given.copy(made)
    assert_untouched(threads, copy, lambda: given.prune(made, strategy=strategy))
