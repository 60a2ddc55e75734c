"""Extracting values by paths in a search."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.context import CheckContext
from conformance.checks.expect import assert_equal, assert_refused, assert_that
from conformance.checks.outcomes import Blocked, requires
from conformance.deployment.client import ThreadsClient
from conformance.deployment.settings import GraphSettings

MOST_PATHS = 10


@requires("EXTRACT-01")
@pytest.mark.parametrize(
    ("path", "expected"),
    [("metadata.colour", "red"), ("metadata.deep.er", [1, {"a": 2}]), ("metadata.n", 7)],
)
def test_a_path_gives_its_value(
    given: ThreadsApi,
    threads: ThreadsApi,
    client: ThreadsClient,
    context: CheckContext,
    path: str,
    expected: Any,
) -> None:
    given.empty(metadata={"colour": "red", "deep": {"er": [1, {"a": 2}]}, "n": 7})
    _assert_extracted(given, threads, client, context, path, expected)


@requires("EXTRACT-01")
def test_ten_paths_are_answered(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, context: CheckContext
) -> None:
    given.empty(metadata={"colour": "red"})
    given.search()
    _require_extract(threads, client, context)


@requires("EXTRACT-06")
def test_a_path_leads_into_the_values(
    given: ThreadsApi,
    threads: ThreadsApi,
    client: ThreadsClient,
    context: CheckContext,
    graph: GraphSettings,
) -> None:
    values = given.state(given.with_state())["values"]
    if not values:
        raise Blocked("the thread has no values to extract from")
    key, expected = next(iter(values.items()))
    _assert_extracted(given, threads, client, context, f"values.{key}", expected)


@requires("EXTRACT-02")
@pytest.mark.parametrize(("index", "expected"), [(0, "first"), (-1, "last")])
def test_an_index_counts_from_both_ends(
    given: ThreadsApi,
    threads: ThreadsApi,
    client: ThreadsClient,
    context: CheckContext,
    index: int,
    expected: str,
) -> None:
    given.empty(metadata={"list": [{"is": "first"}, {"is": "second"}, {"is": "last"}]})
    _assert_extracted(given, threads, client, context, f"metadata.list[{index}].is", expected)


@requires("EXTRACT-03")
@pytest.mark.parametrize("path", ["metadata.absent", "values.absent[0].text"])
def test_a_path_to_nothing_is_no_error(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, context: CheckContext, path: str
) -> None:
    given.empty(metadata={"colour": "red"})
    if _extract(given, given, client, context, "metadata.colour") != "red":
        raise Blocked("nothing is extracted from a path to something", by="EXTRACT-01")
    extracted = _extract(given, threads, client, context, path)
    assert_that(extracted is None, "null or no member", repr(extracted))


@requires("EXTRACT-04")
def test_more_than_ten_paths_are_refused(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, context: CheckContext
) -> None:
    given.empty(metadata={"colour": "red"})
    paths = {f"p{number}": "metadata.colour" for number in range(MOST_PATHS + 1)}
    _require_extract(given, client, context)
    assert_refused(client.search({"metadata": context.tag, "extract": paths}))


@requires("EXTRACT-05")
@pytest.mark.parametrize("path", ["thread_id", "status.x", "nothing.of.this"])
def test_a_path_outside_the_columns_is_refused(
    given: ThreadsApi, client: ThreadsClient, context: CheckContext, path: str
) -> None:
    given.empty(metadata={"colour": "red"})
    _require_extract(given, client, context)
    assert_refused(client.search({"metadata": context.tag, "extract": {"alias": path}}))


def _require_extract(api: ThreadsApi, client: ThreadsClient, context: CheckContext) -> None:
    """Require that a search with ten paths, the most that are allowed, succeeds."""
    paths = {f"p{number}": "metadata.colour" for number in range(MOST_PATHS)}
    api.ensure_success(client.search({"metadata": context.tag, "extract": paths}))


def _assert_extracted(
    given: ThreadsApi,
    threads: ThreadsApi,
    client: ThreadsClient,
    context: CheckContext,
    path: str,
    expected: Any,
) -> None:
    """Assert that a search extracts this at the path, before the deadline."""
    extracted = context.eventually(
        lambda: _extract(given, threads, client, context, path),
        lambda value: bool(value == expected),
    )
    assert_equal(extracted, expected, path)


def _extract(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, context: CheckContext, path: str
) -> Any:
    """Return what a search extracts at a path from the only thread of the check."""
    if not context.eventually(given.search, bool):
        raise Blocked("search does not show the thread made", by="CREATE-12")
    body = {"metadata": context.tag, "extract": {"alias": path}}
    found = threads.ensure_success(client.search(body)).body
    extracted = found[0].get("extracted") if isinstance(found, list) and found else None
    return extracted.get("alias") if isinstance(extracted, dict) else None
