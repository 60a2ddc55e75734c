"""Removing threads, or their old checkpoints, by id."""

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable import require_some
from conformance.checks.expect import assert_equal, assert_no_thread, assert_untouched
from conformance.checks.outcomes import requires
from conformance.checks.views import checkpoint_id_of, id_of
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
    made = [given.empty(), given.empty()]
    absent = {"thread_id": client.ownership.absent_id()}
    assert_equal(threads.prune(*made, absent).get("pruned_count"), 2, "pruned_count")
    assert_equal(threads.prune(absent).get("pruned_count"), 0, "pruned_count")


@requires("PRUNE-03")
def test_keep_latest_keeps_the_newest_state(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.long(5)
    before = given.state(made)
    require_some([before["values"]], "the values of the state")
    threads.prune(made, **LATEST)
    after = threads.state(made)
    for member in ("values", "next", "checkpoint_id"):
        assert_equal(after.get(member), before.get(member), member)


@requires("PRUNE-04")
def test_keep_latest_removes_the_old_states(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.long(5)
    newest = given.history(made).checkpoint_ids()[0]
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
