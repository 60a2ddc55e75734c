"""Extracting values by paths in a search."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.expect import assert_equal, assert_is, assert_refused, assert_that
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.selectable_keys import selectable
from conformance.checks.views import id_of
from conformance.deployment.client import ThreadsClient
from conformance.deployment.settings import GraphSettings
from conformance.json_differences import same_json

MOST_PATHS = 10
#: Aliases of letters, digits and underscores, which all servers accept, and the members of metadata
#: that they name. Two exceed a column name's length and differ at the end, two differ in case only.
_ALIASES = {
    f"{'a' * 70}1": "colour",
    f"{'a' * 70}2": "size",
    "aliasOfMine": "colour",
    "aliasofmine": "size",
    "select": "colour",
    "_": "size",
}
#: The metadata of two threads.
_TWO = ({"colour": "red", "size": 1}, {"colour": "blue", "size": 2})


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


@requires("EXTRACT-01")
def test_each_thread_has_its_values_under_any_alias(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, context: CheckContext
) -> None:
    made = {id_of(given.empty(metadata=each)): each for each in _TWO}
    shown = context.eventually(given.search_ids, lambda found: len(found) == len(made))
    if len(shown) != len(made):
        raise Blocked("search does not show the threads that were made", by="CREATE-12")
    _require_extract(given, client, context)
    paths = {alias: f"metadata.{name}" for alias, name in _ALIASES.items()}
    found = threads.list_of(client.search({"metadata": context.tag, "extract": paths}))
    assert_equal(
        {id_of(each): each.get("extracted") for each in found},
        {
            thread: {alias: kept[name] for alias, name in _ALIASES.items()}
            for thread, kept in made.items()
        },
        "what is extracted",
    )


@requires("EXTRACT-07")
@pytest.mark.parametrize("selected", [["thread_id"], ["metadata", "status"]], ids="+".join)
def test_select_leaves_what_is_extracted(
    given: ThreadsApi,
    threads: ThreadsApi,
    client: ThreadsClient,
    context: CheckContext,
    selected: list[str],
) -> None:
    made = given.fullest(metadata={"colour": "red"})
    values = made.get("values")
    paths = {"colour": "metadata.colour"}
    if keys := selectable(values) if isinstance(values, dict) else []:
        paths["value"] = f"values.{keys[0]}"

    def read() -> tuple[dict[str, Any], dict[str, Any]]:
        # A search may show values late, so the two searches are sent one directly after the other.
        whole = _extract_all(given, given, client, context, paths)
        return whole, _extract_all(given, threads, client, context, paths, select=selected)

    whole, with_select = context.eventually(read, lambda both: same_json(*both))
    if whole.get("colour") != "red":
        raise Blocked("nothing is extracted from a path to something", by="EXTRACT-01")
    assert_equal(with_select, whole, "extracted")


@requires("EXTRACT-06")
def test_a_path_leads_into_the_values(
    given: ThreadsApi,
    threads: ThreadsApi,
    client: ThreadsClient,
    context: CheckContext,
    graph: GraphSettings,
) -> None:
    values = given.state(given.with_state())["values"]
    keys = selectable(values) if isinstance(values, dict) else []
    if not keys:
        raise Blocked("the thread has no values under a key that a path can name")
    _assert_extracted(given, threads, client, context, f"values.{keys[0]}", values[keys[0]])


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


@requires("EXTRACT-03")
@pytest.mark.parametrize("of", ["metadata", "values"])
def test_an_index_beyond_a_list_is_no_error(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, context: CheckContext, of: str
) -> None:
    if of == "metadata":
        given.empty(metadata={"list": ["first", "second"]})
        lists = {"metadata.list": 2}
    else:
        values = given.state(given.with_state())["values"]
        named = values.items() if isinstance(values, dict) else ()
        lists = {f"values.{key}": len(v) for key, v in named if isinstance(v, list) and v}
        if not lists:
            raise Blocked("the state of the graph holds no list")
    path, length = next(iter(lists.items()))
    within = {"within": f"{path}[0]"}
    seen = context.eventually(
        lambda: _extract_all(given, given, client, context, within).get("within"), bool
    )
    if seen is None:
        raise Blocked("the first element of a list is not extracted", by="EXTRACT-02")
    beyond = {f"p{n}": f"{path}[{index}]" for n, index in enumerate((length, -length - 1, 99, -99))}
    extracted = _extract_all(given, threads, client, context, beyond)
    given_back = [beyond[alias] for alias, value in extracted.items() if value is not None]
    assert_is(given_back, [], f"the paths beyond a list of {length} that have a value")


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
    """Assert that a search extracts `expected` at the path, before the deadline."""
    extracted = context.eventually(
        lambda: _extract(given, threads, client, context, path),
        lambda value: bool(value == expected),
    )
    assert_equal(extracted, expected, path)


def _extract(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, context: CheckContext, path: str
) -> Any:
    """Return what a search extracts at a path from the only thread of the check."""
    return _extract_all(given, threads, client, context, {"alias": path}).get("alias")


def _extract_all(
    given: ThreadsApi,
    threads: ThreadsApi,
    client: ThreadsClient,
    context: CheckContext,
    paths: dict[str, str],
    **more: Any,
) -> dict[str, Any]:
    """Return what a search extracts at these paths from the only thread of the check."""
    if not context.eventually(given.search, bool):
        raise Blocked("search does not show the thread made", by="CREATE-12")
    body = {"metadata": context.tag, "extract": paths, **more}
    found = threads.ensure_success(client.search(body)).body
    extracted = found[0].get("extracted") if isinstance(found, list) and found else None
    return extracted if isinstance(extracted, dict) else {}
