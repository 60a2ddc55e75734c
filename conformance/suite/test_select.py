"""Choosing the members of what a search gives."""

import pytest

from conformance.deployment.client import ThreadsClient
from conformance.suite.asking import Asker
from conformance.suite.case import Case
from conformance.suite.compared import require_some
from conformance.suite.expect import (
    OPTIONAL_OF_A_THREAD,
    REQUIRED_OF_A_THREAD,
    assert_equal,
    assert_is,
    assert_same_thread,
    assert_that,
    same_thread,
)
from conformance.suite.outcomes import Blocked, requires
from conformance.suite.shown import Thread

#: What may be selected, as published.
SELECTABLE = (*REQUIRED_OF_A_THREAD, *OPTIONAL_OF_A_THREAD)
_SELECTIONS = pytest.mark.parametrize(
    "selected",
    [
        ["thread_id"],
        ["status"],
        ["thread_id", "metadata"],
        ["values", "thread_id"],
        list(REQUIRED_OF_A_THREAD),
        list(SELECTABLE),
    ],
    ids="+".join,
)


@requires("SELECT-01")
@_SELECTIONS
def test_only_what_is_selected(
    given: Asker, threads: Asker, ask: ThreadsClient, case: Case, selected: list[str]
) -> None:
    found = _found(given, threads, ask, case, selected)
    # What every published thread must have may be there all the same.
    others = set(OPTIONAL_OF_A_THREAD) - set(selected)
    unasked = sorted(each for each in others if found.get(each) is not None)
    assert_is(unasked, [], "the members that were not selected")


@requires("SELECT-02")
@_SELECTIONS
def test_all_that_is_selected(
    given: Asker, threads: Asker, ask: ThreadsClient, case: Case, selected: list[str]
) -> None:
    found = _found(given, threads, ask, case, selected)
    shown = given.get(given.search()[0])
    expected = {each for each in selected if shown.get(each) is not None}
    missing = sorted(expected - found.keys())
    assert_is(missing, [], "the members selected that GET shows, and the search does not")
    found = case.eventually(
        lambda: _selected(threads, ask, case, selected),
        lambda found: same_thread(_only(found, selected), shown),
    )
    require_some((shown.get(each) for each in selected), f"GET shows nothing of {selected}")
    assert_same_thread(_only(found, selected), shown, "the selected members")


@requires("SELECT-03")
def test_without_select_all_members(given: Asker, threads: Asker, case: Case) -> None:
    given.empty()
    found = case.eventually(threads.search, bool)
    if not found:
        raise Blocked("search does not show the thread made", by="CREATE-12")
    for name in REQUIRED_OF_A_THREAD:
        assert_that(name in found[0], f"a member {name}", found[:1])


def _only(thread: Thread, names: list[str]) -> Thread:
    return {name: thread[name] for name in names if name in thread}


def _found(
    given: Asker, threads: Asker, ask: ThreadsClient, case: Case, selected: list[str]
) -> Thread:
    """The only thread of the check, as a search with `selected` gives it."""
    given.fullest()
    if not case.eventually(given.search, bool):
        raise Blocked("search does not show the thread made", by="CREATE-12")
    return _selected(threads, ask, case, selected)


def _selected(threads: Asker, ask: ThreadsClient, case: Case, selected: list[str]) -> Thread:
    answer = threads.granted(ask.search({"metadata": case.tag, "select": selected}))
    found = answer.body if isinstance(answer.body, list) else []
    assert_equal(len(found), 1, "the number of threads found")
    thread: Thread = found[0]
    return thread
