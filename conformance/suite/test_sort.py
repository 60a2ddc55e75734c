"""Sorting the results of a search."""

from itertools import pairwise
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.expect import assert_equal, assert_that, timestamp_or_blocked
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.views import Thread, id_of

_ORDERS = pytest.mark.parametrize("order", ["asc", "desc"])
THREADS = 5
#: The order in which threads are made, by the rank of their ids: neither rising nor falling.
_MIXED = (2, 0, 4, 1, 3)


@_ORDERS
@pytest.mark.parametrize(
    "member",
    [
        pytest.param("thread_id", marks=requires("SORT-01")),
        pytest.param("created_at", marks=requires("SORT-02")),
        pytest.param("updated_at", marks=requires("SORT-03")),
        pytest.param("state_updated_at", marks=requires("SORT-04")),
    ],
)
def test_sort_by(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, member: str, order: str
) -> None:
    _create_threads(given, context, member)

    def read() -> list[Any]:
        found = threads.search(sort_by=member, sort_order=order)
        assert_equal(len(found), THREADS, "the number of threads found")
        return [_sort_key(given, each, member) for each in found]

    # A search may sort by values that are a little out of date.
    keys = context.eventually(read, lambda keys: keys == sorted(keys, reverse=order == "desc"))
    expected = sorted(keys, reverse=order == "desc")
    assert_equal(list(map(str, keys)), list(map(str, expected)), f"{member}, {order}")


@requires("SORT-05")
@_ORDERS
def test_sort_by_status(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, order: str
) -> None:
    graph = context.graph()
    for position in range(4):
        thread = given.empty()
        if position % 2:
            given.run(thread, interrupt_before="*")
    shown = context.eventually(
        lambda: _statuses(given.search()), lambda found: len(found) == 4 and len(set(found)) == 2
    )
    if len(shown) != 4 or len(set(shown)) == 1:
        raise Blocked(f"no threads of two statuses could be made with the graph {graph.id}")
    statuses = context.eventually(
        lambda: _statuses(threads.search(sort_by="status", sort_order=order)),
        lambda found: len(found) == len(shown),
    )
    assert_equal(len(statuses), len(shown), "the number of threads found")
    changes = sum(one != other for one, other in pairwise(statuses))
    assert_that(changes == len(set(statuses)) - 1, "threads of one status together", statuses)


@requires("SORT-06")
@_ORDERS
def test_sorting_comes_before_the_limit(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, order: str
) -> None:
    _create_threads(given, context, "thread_id")
    every = threads.search_ids(sort_by="thread_id", sort_order=order)
    first = threads.search_ids(sort_by="thread_id", sort_order=order, limit=2)
    assert_equal(first, sorted(every, reverse=order == "desc")[:2], "the first two threads")


@requires("SORT-07")
def test_the_order_alone_turns_the_threads_round(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    made = [given.empty() for _ in range(3)]
    shown = context.eventually(given.search, lambda found: len(found) == len(made))
    if len(shown) != len(made):
        raise Blocked(f"search shows {len(shown)} of the {len(made)} threads made", by="CREATE-12")
    for member in ("created_at", "updated_at"):
        moments = {timestamp_or_blocked(each.get(member), member) for each in shown}
        if len(moments) < len(made):
            raise Blocked(f"nothing tells the threads apart: they have the same {member}")
    rising, falling = (threads.search_ids(sort_order=order) for order in ("asc", "desc"))
    assert_equal(rising, falling[::-1], "the threads with asc, and those with desc backwards")


def _statuses(found: list[Thread]) -> list[Any]:
    return [each.get("status") for each in found]


def _create_threads(given: ThreadsApi, context: CheckContext, member: str) -> None:
    """Create threads, change the oldest of them last, and wait until a search shows all.

    No timestamp but `member` gives the order that `member` gives.
    """
    # A deployment may assign the ids itself: the order is judged by what a search returns.
    ids = sorted(given.client.ownership.new_id() for _ in range(THREADS))
    made = [
        given.prepopulated(thread_id=ids[place])
        if member == "state_updated_at"
        else given.empty(thread_id=ids[place])
        for place in _MIXED
    ]
    if member == "state_updated_at":
        for each in reversed(made[:2]):
            given.append(each, 2)
        given.update(made[2], metadata={"touched": True})
    elif member != "thread_id":
        for each in reversed(made[:2]):
            given.update(each, metadata={"touched": True})
    shown = context.eventually(given.search_ids, lambda found: len(found) == len(made))
    if len(shown) != len(made):
        raise Blocked(f"search shows {len(shown)} of the {len(made)} threads made", by="CREATE-12")


def _sort_key(given: ThreadsApi, thread: Thread, member: str) -> Any:
    if member == "thread_id":
        return id_of(thread)
    if member not in thread:
        raise Blocked(f"threads have no {member} by which the order could be seen")
    return timestamp_or_blocked(thread[member], member)
