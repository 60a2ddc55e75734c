"""Paging through the results of a search."""

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.expect import assert_equal, assert_is
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.sort_members import refused_orders
from conformance.checks.views import id_of

THREADS = 7
_ORDER = {"sort_by": "thread_id", "sort_order": "asc"}
#: Members in which empty threads may be alike, so that nothing in them says which comes first.
_ALIKE_IN = ("status", "state_updated_at")
#: The size of pages that are also read in the order of these members.
_SIZE_OF_ALIKE = 3


@requires("PAGE-01")
@pytest.mark.parametrize("offset", [0, 1, 3, 6])
def test_offset_leaves_out_the_first(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, offset: int
) -> None:
    _create_threads(given, context)
    # Whether the order is right is judged by SORT-01.
    every = given.search_ids(**_ORDER)
    found = threads.search_ids(**_ORDER, offset=offset)
    assert_equal(found, every[offset:], f"the threads from number {offset} on")


@requires("PAGE-02")
@pytest.mark.parametrize("size", [1, 3, 7, 10])
def test_pages_are_complete(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, size: int
) -> None:
    made = _create_threads(given, context)
    orders = [_ORDER]
    if size == _SIZE_OF_ALIKE:
        refused = refused_orders(given.client, context, _ALIKE_IN)
        orders += [{"sort_by": each} for each in _ALIKE_IN if each not in refused]
    for order in orders:
        pages = [
            threads.search_ids(**order, limit=size, offset=offset)
            for offset in range(0, THREADS, size)
        ]
        found = sorted(each for page in pages for each in page)
        assert_equal(found, made, f"the threads of all pages, by {order['sort_by']}")


@requires("PAGE-03")
@pytest.mark.parametrize("offset", [THREADS, THREADS + 1, 1000])
def test_beyond_the_end_is_nothing(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, offset: int
) -> None:
    _create_threads(given, context)
    assert_is(threads.search_ids(**_ORDER, offset=offset), [], "the threads found")


def _create_threads(given: ThreadsApi, context: CheckContext) -> list[str]:
    """Create threads, wait until a search shows all, and return their ids in order."""
    # Sorted, since a deployment may assign the ids itself.
    ids = sorted(given.client.ownership.new_id() for _ in range(THREADS))
    made = sorted(id_of(given.empty(thread_id=each)) for each in ids)
    shown = context.eventually(lambda: sorted(given.search_ids()), lambda found: found == made)
    if shown != made:
        raise Blocked(f"search shows {len(shown)} of the {len(made)} threads made", by="CREATE-12")
    return made
