"""Selecting the members of threads in a search."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import require_some
from conformance.checks.expect import (
    OPTIONAL_OF_A_THREAD,
    REQUIRED_OF_A_THREAD,
    assert_equal,
    assert_is,
    assert_same_thread,
    assert_that,
    same_thread,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.views import Thread
from conformance.deployment.client import ThreadsClient

#: The published values of `select`.
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
    given: ThreadsApi,
    threads: ThreadsApi,
    client: ThreadsClient,
    context: CheckContext,
    selected: list[str],
) -> None:
    found = _create_and_select(given, threads, client, context, selected)
    # The members that every published thread requires may be there as well.
    others = set(OPTIONAL_OF_A_THREAD) - set(selected)
    unasked = sorted(each for each in others if found.get(each) is not None)
    assert_is(unasked, [], "the members that were not selected")


@requires("SELECT-01")
def test_only_what_is_selected_beside_what_is_extracted(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, context: CheckContext
) -> None:
    given.fullest()
    if not context.eventually(given.search, bool):
        raise Blocked("search does not show the thread made", by="CREATE-12")
    extract = {"marked": "metadata.threads_conformance"}
    given.ensure_success(client.search({"metadata": context.tag, "extract": extract}))
    found = _search_selected(threads, client, context, ["thread_id"], extract=extract)
    unasked = sorted(each for each in OPTIONAL_OF_A_THREAD if found.get(each) is not None)
    assert_is(unasked, [], "the members that were not selected")


@requires("SELECT-02")
@_SELECTIONS
def test_all_that_is_selected(
    given: ThreadsApi,
    threads: ThreadsApi,
    client: ThreadsClient,
    context: CheckContext,
    selected: list[str],
) -> None:
    _create_and_select(given, threads, client, context, selected)
    made = given.search()[0]

    def read() -> tuple[Thread, Thread]:
        return _search_selected(threads, client, context, selected), given.get(made)

    def missing(found: Thread, shown: Thread) -> list[str]:
        return sorted(
            each for each in selected if each not in found and shown.get(each) is not None
        )

    found, shown = context.eventually(
        read,
        lambda seen: (
            not missing(*seen) and same_thread(_select_members(seen[0], selected), seen[1])
        ),
    )
    what = "the members selected that GET shows, and the search does not"
    assert_is(missing(found, shown), [], what)
    require_some((shown.get(each) for each in selected), f"GET shows nothing of {selected}")
    assert_same_thread(_select_members(found, selected), shown, "the selected members")


@requires("SELECT-03")
def test_without_select_all_members(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    given.empty()
    found = context.eventually(threads.search, bool)
    if not found:
        raise Blocked("search does not show the thread made", by="CREATE-12")
    for name in REQUIRED_OF_A_THREAD:
        assert_that(name in found[0], f"a member {name}", found[:1])


def _select_members(thread: Thread, names: list[str]) -> Thread:
    return {name: thread[name] for name in names if name in thread}


def _create_and_select(
    given: ThreadsApi,
    threads: ThreadsApi,
    client: ThreadsClient,
    context: CheckContext,
    selected: list[str],
) -> Thread:
    """Return the only thread of the check as a search with `selected` shows it."""
    given.fullest()
    if not context.eventually(given.search, bool):
        raise Blocked("search does not show the thread made", by="CREATE-12")
    return _search_selected(threads, client, context, selected)


def _search_selected(
    threads: ThreadsApi,
    client: ThreadsClient,
    context: CheckContext,
    selected: list[str],
    **more: Any,
) -> Thread:
    answer = client.search({"metadata": context.tag, "select": selected, **more})
    if 400 <= answer.status < 500:
        raise Blocked(f"select with {', '.join(selected)} is refused", by="ERROR-ANY-05")
    threads.ensure_success(answer)
    found = answer.body if isinstance(answer.body, list) else []
    assert_equal(len(found), 1, "the number of threads found")
    thread: Thread = found[0]
    return thread
