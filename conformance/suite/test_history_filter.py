"""Filtering the history."""

from collections.abc import Callable
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import require_some
from conformance.checks.expect import assert_equal, assert_page
from conformance.checks.outcomes import Blocked, PromiseBroken, requires
from conformance.checks.required_states import require_states
from conformance.checks.unknown_checkpoints import (
    UNKNOWN_CHECKPOINTS,
    assert_refused_or_some_states,
)
from conformance.checks.views import (
    State,
    Thread,
    checkpoint_id_of,
    checkpoint_to_send,
    id_of,
    parent_id_of,
)
from conformance.deployment.client import ThreadsClient

STATES = 12
FORKED = 6
#: Returns the checkpoint ids of a history, read in pages of a size.
ReadInPages = Callable[[ThreadsApi, Thread, int], list[str]]


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


@requires("HISTORY-FILTER-01")
def test_before_takes_the_checkpoint_of_a_state_as_it_is(
    given: ThreadsApi, threads: ThreadsApi
) -> None:
    made = given.long(STATES)
    states = require_states(given.history(made, STATES), STATES).states
    before = checkpoint_to_send(states[5])
    older = _checkpoint_ids(threads.post_page(made, limit=100, before=before))
    expected = _all_checkpoint_ids(given, made)[6:]
    assert_page(older, expected, "the checkpoints before number 5", 100)


@requires("HISTORY-FILTER-01")
@pytest.mark.parametrize("position", [0, 2])
def test_before_by_post_continues_a_page_of_a_forked_history(
    given: ThreadsApi, threads: ThreadsApi, position: int
) -> None:
    made = _forked(given)
    states = require_states(given.history(made, FORKED), FORKED).states
    ids = _checkpoint_ids(states)
    before = {"checkpoint_id": ids[position], "checkpoint_ns": ""}
    older = _checkpoint_ids(threads.post_page(made, limit=100, before=before))
    # No source says whether states of other branches are before a state.
    both = ids[position + 1 :]
    expected = both if older == both[: len(older)] else _ancestors(states, ids[position])
    assert_page(older, expected, f"the checkpoints before number {position}", 100)


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
    states = require_states(given.history(made, 5)).states
    wanted = {"step": (states[-1].get("metadata") or {}).get("step")}
    # The newest state with that step: several may have it, which HISTORY-09 alone judges.
    chosen = next(each for each in states if wanted.items() <= (each.get("metadata") or {}).items())
    if chosen is states[0]:
        raise Blocked(
            "all states may have one step: metadata would choose nothing", by="HISTORY-09"
        )
    found = threads.post_page(made, limit=1, metadata=wanted)
    assert_equal(
        _checkpoint_ids(found), [checkpoint_id_of(chosen)], f"the newest checkpoint with {wanted}"
    )


@requires("HISTORY-FILTER-03")
def test_the_default_page_of_post_holds_one(given: ThreadsApi, threads: ThreadsApi) -> None:
    page = threads.post_page(given.prepopulated())
    assert_equal(len(page), 1, "the number of states")


@requires("HISTORY-FILTER-04")
@pytest.mark.parametrize("size", [1, 5, STATES])
def test_pages_are_complete(given: ThreadsApi, threads: ThreadsApi, size: int) -> None:
    made = given.long(STATES)
    whole = given.history(made, STATES).checkpoint_ids()
    require_some([len(whole) > 1], "the history holds no two states")
    assert_equal(_read_in_pages(threads, made, size), whole, "the checkpoints of all pages")


@requires("HISTORY-FILTER-08")
def test_pages_of_a_forked_history_are_complete(given: ThreadsApi, threads: ThreadsApi) -> None:
    _assert_complete_pages_with_a_fork(given, threads, _read_in_pages, by="HISTORY-FILTER-04")


@requires("HISTORY-FILTER-09")
def test_pages_by_post_of_a_forked_history_are_complete(
    given: ThreadsApi, threads: ThreadsApi
) -> None:
    _assert_complete_pages_with_a_fork(given, threads, _post_in_pages, by="HISTORY-FILTER-01")


def _assert_complete_pages_with_a_fork(
    given: ThreadsApi, threads: ThreadsApi, read: ReadInPages, by: str
) -> None:
    """Assert that `read` finds each state; `Blocked` by `by` if it does not without a fork either.

    Pages hold one state: the second is asked for before the fork, whose branch is the shorter one.
    """
    made = _forked(given)
    whole = given.history(made, FORKED).checkpoint_ids()
    try:
        assert_equal(read(threads, made, 1), whole, "the checkpoints of all pages")
    except PromiseBroken:
        plain = given.long(FORKED)
        if read(given, plain, 1) != given.history(plain, FORKED).checkpoint_ids():
            raise Blocked("pages of a history without a fork are not complete", by=by) from None
        raise


@requires("HISTORY-FILTER-04")
def test_pages_of_a_copied_history_are_those_of_the_copy(
    given: ThreadsApi, threads: ThreadsApi
) -> None:
    source = given.long(FORKED)
    copy = given.copy(source)
    whole = given.history(copy, FORKED).checkpoint_ids()
    # A copy may have the checkpoint ids of its source, to which a state is now added.
    given.append(source, 7)
    if not _begins_as(given.page(copy, limit=1), whole):
        raise Blocked("a copy changes with its source", by="COPY-16")
    assert_equal(_read_in_pages(threads, copy, 2), whole, "the checkpoints of all pages")


@requires("HISTORY-FILTER-02")
def test_zero_chooses_states_and_so_in_a_copy(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.prepopulated()
    for thread in (made, given.copy(made)):
        states = given.history(thread, 3).states
        for wanted in ({"step": 0}, {"source": "input"}):
            expected = [
                each for each in states if wanted.items() <= (each.get("metadata") or {}).items()
            ]
            found = threads.post_page(thread, limit=100, metadata=wanted)
            what = f"the checkpoints with {wanted}"
            assert_page(_checkpoint_ids(found), _checkpoint_ids(expected), what, 100)


@requires("HISTORY-FILTER-06")
def test_before_and_metadata_choose_together(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.long(STATES)
    states = given.history(made, STATES).states
    ids = _all_checkpoint_ids(given, made)
    before = {"checkpoint_id": ids[5], "checkpoint_ns": ""}
    if not _begins_as(given.post_page(made, limit=100, before=before), ids[6:]):
        raise Blocked("before alone does not give the older states", by="HISTORY-FILTER-01")
    for position in (8, 2):
        wanted = {"step": (states[position].get("metadata") or {}).get("step")}
        if not _begins_as(given.post_page(made, limit=100, metadata=wanted), [ids[position]]):
            raise Blocked("metadata alone does not select states", by="HISTORY-FILTER-02")
        found = threads.post_page(made, limit=100, before=before, metadata=wanted)
        older = [each for each in ids[6:] if each == ids[position]]
        assert_page(_checkpoint_ids(found), older, f"the older checkpoints with {wanted}", 100)


@requires("HISTORY-FILTER-07")
@pytest.mark.parametrize("unknown", UNKNOWN_CHECKPOINTS)
def test_before_an_unknown_checkpoint_is_no_server_error(
    given: ThreadsApi, client: ThreadsClient, unknown: str
) -> None:
    made = given.prepopulated()
    ids = require_states(given.history(made)).checkpoint_ids()
    older = given.post_page(made, limit=100, before={"checkpoint_id": ids[0]})
    require_some(older, "an empty page", "HISTORY-FILTER-01")
    body = {"limit": 100, "before": {"checkpoint_id": unknown}}
    assert_refused_or_some_states(given, client.post_history(id_of(made), body), ids)


@requires("HISTORY-FILTER-05")
def test_before_by_post_takes_a_checkpoint_id(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.long(STATES)
    ids = _all_checkpoint_ids(given, made)
    older = _checkpoint_ids(threads.post_page(made, limit=100, before=ids[4]))
    assert_page(older, ids[5:], "the checkpoints before number 4", 100)


def _begins_as(page: list[State], expected: list[str]) -> bool:
    """Return whether a page is not empty, and its checkpoint ids are the first of `expected`."""
    shown = _checkpoint_ids(page)
    return bool(shown) and shown == expected[: len(shown)]


def _read_in_pages(threads: ThreadsApi, thread: Thread, size: int) -> list[str]:
    """Return the checkpoint ids of a history that is read by GET in pages of this size."""
    paged: list[str] = []
    page = threads.page(thread, limit=size)
    while page and len(paged) <= STATES:
        paged += _checkpoint_ids(page)
        page = threads.page(thread, limit=size, before=checkpoint_id_of(page[-1]))
    return paged


def _post_in_pages(threads: ThreadsApi, thread: Thread, size: int) -> list[str]:
    """Return the checkpoint ids of a history that is read by POST in pages of this size."""
    paged: list[str] = []
    page = threads.post_page(thread, limit=size)
    while page and len(paged) <= STATES:
        paged += _checkpoint_ids(page)
        before = {"checkpoint_id": checkpoint_id_of(page[-1]), "checkpoint_ns": ""}
        page = threads.post_page(thread, limit=size, before=before)
    return paged


def _forked(given: ThreadsApi) -> Thread:
    """Return a thread of `FORKED` states with a fork that is newer than states of later steps."""
    made = given.long(FORKED - 1)
    older = require_states(given.history(made, FORKED - 1), 3).checkpoint_ids()[2]
    given.append(made, 7, checkpoint={"checkpoint_id": older})
    if len(given.history(made, FORKED)) < FORKED:
        raise Blocked("a fork made no state", by="STATE-UPDATE-08")
    return made


def _ancestors(states: list[State], checkpoint_id: str) -> list[str]:
    """Return the checkpoint ids of the states from which a state was made, the newest first."""
    parents = {checkpoint_id_of(each): parent_id_of(each) for each in states}
    found: list[str] = []
    while (parent := parents.get(checkpoint_id)) and parent not in found:
        found.append(parent)
        checkpoint_id = parent
    return found


def _all_checkpoint_ids(given: ThreadsApi, thread: Thread) -> list[str]:
    """Return the checkpoint ids of the thread's whole history, read by GET."""
    ids = given.history(thread, STATES).checkpoint_ids()
    if len(ids) < STATES:
        raise Blocked(f"the history of {STATES} states shows {len(ids)}", by="PREPOP-09")
    return ids


def _checkpoint_ids(states: list[State]) -> list[str]:
    return [checkpoint_id_of(state) for state in states]
