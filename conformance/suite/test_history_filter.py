"""Filtering the history."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable import require_some
from conformance.checks.expect import assert_equal, assert_page
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.views import State, Thread, checkpoint_id_of

STATES = 12


@requires("HISTORY-FILTER-01")
@pytest.mark.parametrize("position", [0, 5, STATES - 2, STATES - 1])
def test_before_by_post_continues_a_page(
    given: ThreadsApi, threads: ThreadsApi, position: int
) -> None:
    made = given.long(STATES)
    ids = _all_checkpoint_ids(given, made)
    before = {"checkpoint_id": ids[position], "checkpoint_ns": ""}
    older = _checkpoint_ids(threads.post_page(made, limit=100, before=before))
    assert_page(older, ids[position + 1 :], f"the checkpoints before number {position}", 100)


@requires("HISTORY-FILTER-02")
@pytest.mark.parametrize(
    "wanted",
    [
        {"step": 1},
        {"source": "input"},
        {"source": "no such"},
        {"no such member": 1},
        {"source": "input", "step": -1},
        {"source": "update", "step": -1},
    ],
    ids=repr,
)
def test_metadata_chooses_states(
    given: ThreadsApi, threads: ThreadsApi, wanted: dict[str, Any]
) -> None:
    made = given.prepopulated()
    given.run(made)
    states = given.history(made, 3).states
    expected = [each for each in states if wanted.items() <= (each.get("metadata") or {}).items()]
    found = threads.post_page(made, limit=100, metadata=wanted)
    require_some(states, "the history holds no state", "HISTORY-01")
    assert_page(
        _checkpoint_ids(found), _checkpoint_ids(expected), f"the checkpoints with {wanted}", 100
    )


@requires("HISTORY-FILTER-02")
def test_metadata_chooses_before_the_limit(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.long(5)
    oldest = given.history(made, 5).states[-1]
    wanted = {"step": (oldest.get("metadata") or {}).get("step")}
    found = threads.post_page(made, limit=1, metadata=wanted)
    assert_equal(
        _checkpoint_ids(found), [checkpoint_id_of(oldest)], f"the one checkpoint with {wanted}"
    )


@requires("HISTORY-FILTER-03")
def test_the_default_page_of_post_holds_one(given: ThreadsApi, threads: ThreadsApi) -> None:
    page = threads.post_page(given.prepopulated())
    assert_equal(len(page), 1, "the number of states")


@requires("HISTORY-FILTER-04")
@pytest.mark.parametrize("size", [1, 5, STATES])
def test_pages_are_complete(given: ThreadsApi, threads: ThreadsApi, size: int) -> None:
    made = given.long(STATES)
    paged: list[State] = []
    page = threads.page(made, limit=size)
    while page and len(paged) <= STATES:
        paged += page
        page = threads.page(made, limit=size, before=checkpoint_id_of(page[-1]))
    whole = given.history(made, STATES).checkpoint_ids()
    require_some([len(whole) > 1], "the history holds no two states")
    assert_equal(_checkpoint_ids(paged), whole, "the checkpoints of all pages")


@requires("HISTORY-FILTER-05")
def test_before_by_post_takes_a_checkpoint_id(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.long(STATES)
    ids = _all_checkpoint_ids(given, made)
    older = _checkpoint_ids(threads.post_page(made, limit=100, before=ids[4]))
    assert_page(older, ids[5:], "the checkpoints before number 4", 100)


def _all_checkpoint_ids(given: ThreadsApi, thread: Thread) -> list[str]:
    """Return the checkpoint ids of the thread's whole history, read by GET."""
    ids = given.history(thread, STATES).checkpoint_ids()
    if len(ids) < STATES:
        raise Blocked(f"the history of {STATES} states shows {len(ids)}", by="PREPOP-09")
    return ids


def _checkpoint_ids(states: list[State]) -> list[str]:
    return [checkpoint_id_of(state) for state in states]
