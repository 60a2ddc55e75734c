"""Counting threads: a count must agree with a complete search."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.expect import assert_equal
from conformance.checks.filterable_values import values_to_find
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.texts_like_escapes import LONG

#: One more than the default page of search.
MORE_THAN_A_PAGE = 11


@requires("COUNT-01")
@pytest.mark.parametrize(
    ("colour", "expected"), [(None, 4), ("red", 2), ("ünï", 1), ({"r": 1}, 1)], ids=repr
)
def test_count_by_metadata(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, colour: Any, expected: int
) -> None:
    for each in ("red", "red", "ünï", {"r": 1}):
        given.empty(metadata={"colour": each})
    metadata = {"colour": colour} if colour else {}
    _assert_agrees(given, threads, context, expected, metadata=metadata)


@requires("COUNT-01")
def test_count_follows_what_is_made(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    for number in (1, 2):
        given.empty(metadata={"colour": "red"})
        _assert_agrees(given, threads, context, number, metadata={"colour": "red"})


@requires("COUNT-01")
@pytest.mark.parametrize(
    ("wanted", "other"),
    [({"a.b": "red"}, {"a": {"b": "red"}}), ({"text": f"{LONG}a"}, {"text": f"{LONG}b"})],
    ids=["dot", "long"],
)
def test_names_and_texts_are_compared_whole(
    given: ThreadsApi,
    threads: ThreadsApi,
    context: CheckContext,
    wanted: dict[str, Any],
    other: dict[str, Any],
) -> None:
    for each in (wanted, other):
        given.empty(metadata=each)
    _assert_agrees(given, threads, context, 1, metadata=wanted)


@requires("COUNT-02")
@pytest.mark.parametrize("status", ["idle", "busy", "interrupted", "error"])
def test_count_by_status(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, status: str
) -> None:
    for _ in range(2):
        given.empty()
    _require_count(given)
    _assert_agrees(given, threads, context, 2 if status == "idle" else 0, status=status)


@requires("COUNT-03")
def test_count_by_values(given: ThreadsApi, threads: ThreadsApi, context: CheckContext) -> None:
    values = values_to_find(given, given.with_state())
    given.with_other_values()
    _assert_agrees(given, threads, context, 1, values=values)


@requires("COUNT-08")
def test_count_by_values_beside_a_thread_without_values(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    values = values_to_find(given, given.with_state())
    given.empty()
    # Not compared with a search: whether the empty thread disturbs a search is FILTER-03.
    count = context.eventually(lambda: threads.count(values=values), lambda count: count == 1)
    assert_equal(count, 1, "the count by the values of one of two threads")


@requires("COUNT-04")
def test_count_by_all_together(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    values = values_to_find(given, given.with_state(metadata={"colour": "red"}))
    given.with_other_values(metadata={"colour": "red"})
    filters = {"values": values, "status": "idle"}
    _assert_agrees(given, threads, context, 1, metadata={"colour": "red"}, **filters)
    _assert_agrees(given, threads, context, 0, metadata={"colour": "blue"}, **filters)
    wrong = {"metadata": {"colour": "red"}, "values": values, "status": "error"}
    _assert_agrees(given, threads, context, 0, **wrong)


@requires("COUNT-05")
def test_no_match_counts_zero(given: ThreadsApi, threads: ThreadsApi) -> None:
    given.empty(metadata={"colour": "red"})
    _require_count(given)
    assert_equal(threads.count(metadata={"colour": "no such colour"}), 0, "the count")


@requires("COUNT-06")
def test_count_is_not_bounded_by_a_page(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    for _ in range(MORE_THAN_A_PAGE):
        given.empty()
    _assert_agrees(given, threads, context, MORE_THAN_A_PAGE)


def _require_count(given: ThreadsApi) -> None:
    """Require that count succeeds, so that a later refusal is due to its filters."""
    given.ensure_success(given.client.count({"metadata": given.context.tag}))


def _assert_agrees(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, expected: int, **filters: Any
) -> None:
    """Assert that count and search agree; `Blocked` unless the search finds `expected` threads."""
    found = context.eventually(
        lambda: len(given.search(**filters)), lambda found: found == expected
    )
    if found != expected:
        raise Blocked(f"search with {filters} gives {found} threads instead of {expected}")
    count = context.eventually(lambda: threads.count(**filters), lambda count: count == found)
    assert_equal(count, found, f"the count by {filters}")
