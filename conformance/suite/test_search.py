"""Finding threads by status and metadata."""

from functools import partial
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.expect import (
    assert_equal,
    assert_is,
    assert_same_thread,
    assert_that,
    assert_thread,
    kept_metadata,
    same_thread,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.texts_like_escapes import LONG, NAMES_LIKE_PATHS
from conformance.checks.views import Thread, id_of
from conformance.contract.api_constants import THREAD_STATUSES
from conformance.deployment.client import ThreadsClient
from conformance.deployment.settings import GraphSettings

#: The published default of the limit.
DEFAULT_LIMIT = 10


@requires("SEARCH-01")
@pytest.mark.parametrize("status", THREAD_STATUSES)
def test_search_by_status(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, status: str
) -> None:
    made = [id_of(given.empty()) for _ in range(3)]
    given.search()
    expected = sorted(made) if status == "idle" else []
    _assert_found(threads, context, expected, status=status)


@requires("SEARCH-02")
@pytest.mark.parametrize(
    ("value", "others"),
    [
        ("red", ["blue", "Red", "redder"]),
        (7, ["7", 70]),
        (True, ["true", False]),
        ("ünï", ["uni"]),
        ("", ["blue"]),
    ],
    ids=repr,
)
def test_search_by_one_member(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, value: Any, others: list[Any]
) -> None:
    wanted = given.empty(metadata={"colour": value})
    for other in others:
        given.empty(metadata={"colour": other})
    given.empty()
    _assert_found(threads, context, [id_of(wanted)], metadata={"colour": value})
    _assert_found(threads, context, [id_of(wanted)], metadata={"colour": value}, limit=1)


@requires("SEARCH-17")
def test_search_by_null(given: ThreadsApi, threads: ThreadsApi, context: CheckContext) -> None:
    wanted = given.empty(metadata={"colour": None})
    for other in ("null", "", 0):
        given.empty(metadata={"colour": other})
    given.empty()
    _assert_found(threads, context, [id_of(wanted)], metadata={"colour": None})


@requires("SEARCH-16")
@pytest.mark.parametrize(("value", "other"), [(True, 1), (1, True), (False, 0), (0, False)])
def test_true_is_not_one(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, value: object, other: object
) -> None:
    made = {id_of(given.empty(metadata={"colour": each})): each for each in (value, other)}
    # Once a search shows both, only the filter can hide one.
    shown = context.eventually(given.search_ids, lambda found: made.keys() <= set(found))
    if not made.keys() <= set(shown):
        raise Blocked("search does not show the threads that were made", by="CREATE-12")
    found = [made.get(each) for each in threads.search_ids(metadata={"colour": value})]
    if not found:
        raise Blocked(f"no thread is found by {value!r}", by="SEARCH-02")
    mistaken = [each for each in found if type(each) is not type(value)]
    assert_that(not mistaken, f"a search for {value!r} not to find {other!r}", mistaken)


@requires("SEARCH-14")
def test_a_name_like_a_path_is_a_name(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    named = given.empty(metadata=dict.fromkeys(NAMES_LIKE_PATHS, "red"))
    by_path = given.empty(metadata={"a": {"b": "red"}})
    given.empty(metadata={"a": ["red"], "b": "red"})
    for name in NAMES_LIKE_PATHS:
        _assert_found(threads, context, [id_of(named)], metadata={name: "red"})
    _assert_found(threads, context, [id_of(by_path)], metadata={"a": {"b": "red"}})


@requires("SEARCH-14")
def test_a_long_text_is_compared_whole(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    wanted, *_ = [given.empty(metadata={"text": f"{LONG}{end}"}) for end in ("a", "b", "")]
    _assert_found(threads, context, [id_of(wanted)], metadata={"text": f"{LONG}a"})


@requires("SEARCH-03")
def test_search_by_several_members(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    wanted = given.empty(metadata={"colour": "red", "size": 1, "other": "x"})
    given.empty(metadata={"colour": "red", "size": 2})
    given.empty(metadata={"colour": "blue", "size": 1})
    given.empty(metadata={"colour": "red"})
    _assert_found(threads, context, [id_of(wanted)], metadata={"colour": "red", "size": 1})


@requires("SEARCH-04")
@pytest.mark.parametrize(
    "value", [{"in": {"side": 1}}, {"list": [1, 2]}, {"a": 1, "b": False}], ids=repr
)
def test_search_by_a_nested_member(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, value: dict[str, Any]
) -> None:
    wanted = given.empty(metadata={"nested": value})
    given.empty(metadata={"nested": dict.fromkeys(value, "different")})
    given.empty(metadata={"nested": {"other": True}})
    given.empty(metadata=value)
    _assert_found(threads, context, [id_of(wanted)], metadata={"nested": value})


@requires("SEARCH-05")
def test_no_match_gives_an_empty_list(given: ThreadsApi, threads: ThreadsApi) -> None:
    given.empty(metadata={"colour": "red"})
    given.search()
    assert_is(threads.search(metadata={"colour": "no such colour"}), [], "the threads found")


@requires("SEARCH-06")
def test_search_by_status_and_metadata(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    wanted = given.empty(metadata={"colour": "red"})
    given.empty(metadata={"colour": "blue"})
    _assert_found(threads, context, [id_of(wanted)], status="idle", metadata={"colour": "red"})
    found = threads.search_ids(status="error", metadata={"colour": "red"})
    assert_equal(found, [], "the threads in error")


@requires("SEARCH-07")
@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (3, 3), (4, 4), (5, 4)])
def test_limit_bounds_the_answer(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, limit: int, expected: int
) -> None:
    _create_threads(given, context, 4)
    found = context.eventually(
        lambda: len(threads.search(limit=limit)), lambda found: found == expected
    )
    assert_equal(found, expected, "the number of threads found")


@requires("SEARCH-08")
def test_what_is_found_is_what_get_shows(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    metadata = {"colour": "ünï", "nothing": None, "deep": {"er": [1, None]}}
    # Not by `given`, which requires all metadata to be kept: null is judged by CREATE-15.
    made = [given.fullest(), threads.empty(metadata=metadata)]

    def read() -> tuple[dict[str, Thread], dict[str, Thread]]:
        shown = {id_of(each): given.get(each) for each in made}
        return {id_of(each): each for each in threads.search() if id_of(each) in shown}, shown

    found, shown = context.eventually(
        read,
        lambda seen: (
            len(seen[0]) == len(made)
            and all(same_thread(each, seen[1][name]) for name, each in seen[0].items())
        ),
    )
    if len(found) < len(made):
        reason = f"search shows {len(found)} of the {len(made)} threads made"
        raise Blocked(reason, by="CREATE-12")
    for thread_id, thread in found.items():
        assert_same_thread(thread, shown[thread_id], f"the thread {thread_id} as found")


@requires("SEARCH-09")
def test_changed_metadata_moves_a_thread(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    thread = given.empty(metadata={"colour": "red"})
    made = id_of(thread)
    _assert_found(threads, context, [made], metadata={"colour": "red"})
    given.update(thread, metadata={"colour": "blue"})
    changed = {**given.client.tag, **context.tag, "colour": "blue"}
    if kept_metadata(given.get(thread), changed) != changed:
        raise Blocked("GET does not show the metadata as changed", by="UPDATE-07")
    _assert_found(threads, context, [made], metadata={"colour": "blue"})
    _assert_found(threads, context, [], metadata={"colour": "red"})


@requires("SEARCH-10")
def test_a_changed_status_moves_a_thread(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, graph: GraphSettings
) -> None:
    thread = given.empty()
    before = thread.get("status")
    _assert_found(threads, context, [id_of(thread)], status=before)
    given.run(thread, interrupt_before="*")
    during = _status_after_run(given, thread, before)
    if during in (before, "busy"):
        raise Blocked("no change of status could be brought about by a run with interrupt_before")
    _assert_found(threads, context, [id_of(thread)], status=during)
    _assert_found(threads, context, [], status=before)
    given.ensure_success(
        given.client.run_wait(id_of(thread), {"assistant_id": graph.id, "input": None})
    )
    after = _status_after_run(given, thread, during)
    if after in (during, "busy"):
        raise Blocked("no change of status could be brought about by a run to the end")
    _assert_found(threads, context, [id_of(thread)], status=after)
    _assert_found(threads, context, [], status=during)


@requires("SEARCH-11", offers="search")
def test_the_documented_search_by_status(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, context: CheckContext
) -> None:
    for _ in range(2):
        given.empty()
    found = _search_verbatim(threads, client, context, {"status": "idle", "limit": 1})
    assert_that(len(found) <= 1, "at most one thread", f"{len(found)} threads")
    assert_equal([each.get("status") for each in found], ["idle"] * len(found), "status")


@requires("SEARCH-12", offers="search")
def test_the_documented_search_by_metadata(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, context: CheckContext
) -> None:
    for _ in range(2):
        given.empty(metadata={"graph_id": "agent"})
    given.empty()  # the newest thread does not belong to that graph
    found = _search_verbatim(
        threads, client, context, {"metadata": {"graph_id": "agent"}, "limit": 1}
    )
    assert_that(len(found) <= 1, "at most one thread", f"{len(found)} threads")
    shown = [(each.get("metadata") or {}).get("graph_id") for each in found]
    assert_equal(shown, ["agent"] * len(found), "metadata.graph_id")


@requires("SEARCH-13")
def test_a_found_thread_has_every_documented_member(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    given.fullest()
    found = context.eventually(threads.search, bool)
    if not found:
        raise Blocked("search does not show the thread that was made", by="CREATE-12")
    for each in found:
        assert_thread(each)


@requires("SEARCH-15")
def test_the_default_limit_is_ten(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, context: CheckContext
) -> None:
    _create_threads(given, context, DEFAULT_LIMIT + 2)
    found = context.eventually(
        lambda: len(threads.list_of(client.search({"metadata": context.tag}))),
        lambda found: found == DEFAULT_LIMIT,
    )
    assert_equal(found, DEFAULT_LIMIT, "the number of threads found")


def _assert_found(
    threads: ThreadsApi, context: CheckContext, expected: list[str], **filters: Any
) -> None:
    """Assert that a search finds, before the deadline, exactly these threads, each once."""
    found = context.eventually(
        lambda: sorted(threads.search_ids(**filters)), lambda found: found == sorted(expected)
    )
    assert_is(found, sorted(expected), f"the threads found by {filters}")


def _status_after_run(given: ThreadsApi, thread: Thread, former: Any) -> Any:
    """Return the status of a thread after a run, once it is neither the former one nor busy."""
    return given.context.eventually(
        lambda: given.get(thread).get("status"), lambda status: status not in (former, "busy")
    )


def _create_threads(given: ThreadsApi, context: CheckContext, number: int) -> None:
    """Create so many threads, and wait until a search shows each of them."""
    for each in range(number):
        given.empty(metadata={"number": each})
    for each in range(number):
        if not context.eventually(partial(given.search_ids, metadata={"number": each}), bool):
            raise Blocked("search does not show a thread that was made", by="CREATE-12")


def _search_verbatim(
    threads: ThreadsApi, client: ThreadsClient, context: CheckContext, body: dict[str, Any]
) -> list[Thread]:
    """Send a documented search verbatim until it finds any threads, also other people's."""

    def read() -> list[Thread]:
        answer = threads.ensure_success(client.search(body, private=True))
        assert_that(isinstance(answer.body, list), "a list", type(answer.body).__name__)
        found: list[Thread] = answer.body
        return found

    found = context.eventually(read, bool)
    if not found:
        raise Blocked("the search finds no thread, though some were made that it should find")
    return found
