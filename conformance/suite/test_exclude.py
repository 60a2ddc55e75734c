"""Leaving threads out of a search and a count by metadata."""

from functools import partial
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.expect import assert_equal, assert_refused, assert_that
from conformance.checks.outcomes import requires
from conformance.checks.views import id_of
from conformance.deployment.client import ThreadsClient

#: The threads of a check: their metadata by name.
THREADS: dict[str, dict[str, Any]] = {
    "red": {"colour": "red"},
    "large red": {"colour": "red", "size": "large"},
    "large": {"size": "large"},
    "blue": {"colour": "blue"},
    "nested": {"kind": {"colour": "red", "of": "wood"}},
    "plain": {},
}


@requires("EXCLUDE-01")
@pytest.mark.parametrize(
    ("excluded", "left_out"),
    [
        pytest.param({"colour": "red"}, {"red", "large red"}, id="some"),
        pytest.param({"kind": {"colour": "red"}}, {"nested"}, id="by a part of a member"),
        pytest.param({"colour": "no such"}, set(), id="none"),
    ],
)
def test_a_search_leaves_out_what_an_object_describes(
    given: ThreadsApi,
    threads: ThreadsApi,
    context: CheckContext,
    excluded: dict[str, Any],
    left_out: set[str],
) -> None:
    _assert_found(given, threads, context, THREADS.keys() - left_out, excluded)


@requires("EXCLUDE-02")
def test_a_search_leaves_out_what_a_list_describes(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    excluded = [{"colour": "blue"}, {"colour": "red", "size": "large"}]
    _assert_found(given, threads, context, THREADS.keys() - {"blue", "large red"}, excluded)


@requires("EXCLUDE-03")
@pytest.mark.parametrize(
    "excluded", [{"colour": "red", "size": "large"}, [{"colour": "red", "size": "large"}]], ids=repr
)
def test_an_object_excludes_where_all_of_it_matches(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, excluded: Any
) -> None:
    names = _made(given)
    wanted = THREADS.keys() - {"large red"}
    found = context.eventually(
        lambda: {names.get(each) for each in threads.search_ids(exclude_metadata=excluded)},
        lambda found: wanted <= found,
    )
    assert_that(
        wanted <= found, f"all but the thread that is large and red, without {excluded}", found
    )


@requires("EXCLUDE-04")
@pytest.mark.parametrize(
    "excluded",
    [{"colour": "red"}, [{"colour": "red"}, {"size": "large"}], {"kind": {"of": "wood"}}],
    ids=repr,
)
def test_a_count_leaves_out_what_a_search_does(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, excluded: Any
) -> None:
    made = _made(given)
    found = context.eventually(
        lambda: given.search_ids(exclude_metadata=excluded), lambda found: len(found) < len(made)
    )
    count = context.eventually(
        lambda: threads.count(exclude_metadata=excluded), lambda count: count == len(found)
    )
    assert_equal(count, len(found), f"the count without {excluded}, as many as are found")


@requires("EXCLUDE-05")
@pytest.mark.parametrize("excluded", [{}, [], [{}], [{"colour": "red"}, {}]], ids=repr)
def test_an_empty_exclusion_is_refused(
    given: ThreadsApi, client: ThreadsClient, context: CheckContext, excluded: Any
) -> None:
    given.search(exclude_metadata={"colour": "red"})
    assert_refused(client.search({"metadata": context.tag, "exclude_metadata": excluded}))


@requires("EXCLUDE-06")
def test_pages_leave_out_the_same_threads(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    kept = len(_made(given)) - 2
    # In both orders: one of them may be the order in which the threads were made.
    for order in ("asc", "desc"):
        filters = {
            "exclude_metadata": {"colour": "red"},
            "sort_by": "thread_id",
            "sort_order": order,
        }
        whole = context.eventually(
            partial(given.search_ids, **filters), lambda found: len(found) == kept
        )
        pages = [
            threads.search_ids(**filters, limit=2, offset=offset)
            for offset in range(0, len(whole), 2)
        ]
        assert_equal([each for page in pages for each in page], whole, "the pages of two, together")


def _assert_found(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, wanted: set[str], excluded: Any
) -> None:
    """Assert that a search with an exclusion finds exactly the `wanted` ones of `THREADS`."""
    names = _made(given)
    found = context.eventually(
        lambda: {names.get(each) for each in threads.search_ids(exclude_metadata=excluded)},
        lambda found: found == wanted,
    )
    assert_equal(sorted(map(str, found)), sorted(wanted), f"the threads without {excluded}")


def _made(given: ThreadsApi) -> dict[str, str]:
    """Make the threads of `THREADS`, and return their names by id."""
    names = {id_of(given.empty(metadata=each)): name for name, each in THREADS.items()}
    given.context.eventually(given.search_ids, lambda found: len(found) == len(names))
    return names
