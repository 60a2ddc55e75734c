"""Choosing the members of what a search gives."""

import pytest

from conformance.deployment.client import ThreadsClient
from conformance.suite.asking import Asker
from conformance.suite.case import Case
from conformance.suite.expect import assert_equal, assert_same_thread, assert_that, same_thread
from conformance.suite.outcomes import Blocked, requires
from conformance.suite.shown import Thread

#: What may be selected, as published; all of it beyond these two is always there.
SELECTABLE = (
    "thread_id",
    "created_at",
    "updated_at",
    "state_updated_at",
    "metadata",
    "config",
    "status",
    "values",
    "interrupts",
)
REQUIRED = ("thread_id", "created_at", "updated_at", "metadata", "status")
_SELECTIONS = pytest.mark.parametrize(
    "selected",
    [["thread_id"], ["status"], ["thread_id", "metadata"], ["values", "thread_id"], list(REQUIRED)],
    ids="+".join,
)


@requires("SELECT-01")
@_SELECTIONS
def test_only_what_is_selected(
    given: Asker, threads: Asker, ask: ThreadsClient, case: Case, selected: list[str]
) -> None:
    found = _found(given, threads, ask, case, selected)
    unasked = sorted(found.keys() & set(SELECTABLE) - set(selected))
    assert_equal(unasked, [], "the members that were not selected")


@requires("SELECT-02")
@_SELECTIONS
def test_all_that_is_selected(
    given: Asker, threads: Asker, ask: ThreadsClient, case: Case, selected: list[str]
) -> None:
    found = _found(given, threads, ask, case, selected)
    assert_equal(sorted(found.keys() & set(selected)), sorted(selected), "the members selected")
    shown = given.get(given.search()[0])
    found = case.eventually(
        lambda: _selected(threads, ask, case, selected),
        lambda found: same_thread(_only(found, selected), shown),
    )
    assert_same_thread(_only(found, selected), shown, "the selected members")


@requires("SELECT-03")
def test_without_select_all_members(given: Asker, threads: Asker, case: Case) -> None:
    given.prepopulated()
    found = case.eventually(threads.search, bool)
    for name in REQUIRED:
        assert_that(bool(found) and name in found[0], f"a member {name}", found[:1])


def _only(thread: Thread, names: list[str]) -> Thread:
    return {name: thread[name] for name in names if name in thread}


def _found(
    given: Asker, threads: Asker, ask: ThreadsClient, case: Case, selected: list[str]
) -> Thread:
    """The only thread of the check, as a search with `selected` gives it."""
    given.prepopulated()
    if not case.eventually(given.search, bool):
        raise Blocked("search does not show the thread made")
    return _selected(threads, ask, case, selected)


def _selected(threads: Asker, ask: ThreadsClient, case: Case, selected: list[str]) -> Thread:
    answer = threads.granted(ask.search({"metadata": case.tag, "select": selected}))
    found = answer.body if isinstance(answer.body, list) else []
    assert_equal(len(found), 1, "the number of threads found")
    thread: Thread = found[0]
    return thread
