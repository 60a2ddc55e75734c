"""Other people's threads, as GET, search and count show them."""

from collections.abc import Callable
from typing import Any

import pytest

from conformance.checks.expect import (
    OPTIONAL_OF_A_THREAD,
    REQUIRED_OF_A_THREAD,
    same_thread,
)
from conformance.checks.outcomes import Blocked, reads_only, requires
from conformance.checks.views import Thread, is_newest_first
from conformance.checks.visit_assertions import (
    expect_fits,
    expect_same,
    texts_in_metadata,
)
from conformance.checks.visits import PAGE, Visited, Visits, expect_fact, promise_broken, undecided
from conformance.contract.schemas import schema_members
from conformance.deployment.client import ThreadsClient

pytestmark = reads_only

_DEFAULT_PAGE = 10
_THREAD = schema_members("thread")
_REQUIRED = REQUIRED_OF_A_THREAD


# ---- GET ----------------------------------------------------------------------------


@requires("GET-01")
def test_a_thread_has_every_documented_member(visits: Visits) -> None:
    visits.judge_each(lambda thread: _expect_thread(visits.must.get(thread)))


@requires("GET-05")
def test_the_other_members_are_of_the_published_types(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        shown = visits.get(thread)
        others = {name: shown.get(name) for name in OPTIONAL_OF_A_THREAD}
        there = {name: value for name, value in others.items() if value is not None}
        if not there:
            raise undecided(f"GET shows none of {', '.join(OPTIONAL_OF_A_THREAD)}")
        expect_fits("thread_selected", there)

    visits.judge_each(judge)


@requires("GET-04")
def test_get_answers_the_thread_asked_for(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        shown = visits.get(thread).get("thread_id")
        same = isinstance(shown, str) and shown.lower() == thread.id
        expect_fact(same, "GET shows another thread_id than the one asked for")

    visits.judge_each(judge)


# ---- what a search gives ------------------------------------------------------------


@requires("SEARCH-08")
def test_what_is_found_is_what_get_shows(visits: Visits) -> None:
    def judge(shown: Thread, found: Thread) -> None:
        if not same_thread(found, shown):
            both = found.keys() & shown.keys() & _THREAD
            moments = {each for each in both if each.endswith("_at")}
            # Timestamps may be in two notations, so they are parsed to be compared.
            expect_same(found, shown, both - moments, "the thread as found and as GET shows it")
            raise promise_broken(
                "the thread as found differs in a moment, or an unpublished member"
            )

    visits.judge_each(
        lambda thread: visits.judge_stable(
            lambda: visits.get(thread), lambda _: _find(visits, thread), judge
        )
    )


@requires("SEARCH-13")
def test_a_found_thread_has_every_documented_member(visits: Visits) -> None:
    for each in _require_some(visits.must.search(limit=PAGE)):
        _expect_thread(each)


@requires("SEARCH-07")
@pytest.mark.parametrize("limit", [1, 3])
def test_limit_bounds_the_answer(visits: Visits, limit: int) -> None:
    _expect_as_many(visits, limit, limit=limit)


@requires("SEARCH-15")
def test_the_default_limit_is_ten(visits: Visits) -> None:
    _expect_as_many(visits, _DEFAULT_PAGE)


@requires("SEARCH-11")
def test_the_documented_search_by_status(visits: Visits) -> None:
    found = visits.must.search(status="idle", limit=1)
    expect_fact(len(found) <= 1, f"a search for one thread gives {len(found)}")
    expect_fact(_all_match(found, {"status": "idle"}), "a thread is found that is not idle")


@requires("SEARCH-12")
def test_the_documented_search_by_metadata(visits: Visits) -> None:
    found = visits.must.search(metadata={"graph_id": "agent"}, limit=1)
    expect_fact(len(found) <= 1, f"a search for one thread gives {len(found)}")
    holds = _all_match(found, {"metadata": {"graph_id": "agent"}})
    expect_fact(holds, "a thread is found that has another graph_id, or none")


@requires("SEARCH-05")
def test_no_match_gives_an_empty_list(visits: Visits, client: ThreadsClient) -> None:
    visits.search(limit=1)
    found = visits.must.search(metadata={"threads_conformance": client.ownership.absent_id()})
    expect_fact(not found, f"{len(found)} threads are found by metadata that none has")


# ---- whether filters hold -----------------------------------------------------------


def _by_status(shown: Thread) -> dict[str, Any]:
    return {"status": shown.get("status")}


def _by_one_text(shown: Thread) -> dict[str, Any]:
    return {"metadata": texts_in_metadata(shown.get("metadata"), _portable)}


def _by_two_texts(shown: Thread) -> dict[str, Any]:
    return {"metadata": texts_in_metadata(shown.get("metadata"), _portable, 2)}


_FILTERS: dict[str, Callable[[Thread], dict[str, Any]]] = {
    "status": _by_status,
    "metadata": _by_one_text,
    "two members": _by_two_texts,
    "both": lambda shown: {**_by_status(shown), **_by_one_text(shown)},
}


@pytest.mark.parametrize(
    "by",
    [
        pytest.param("status", marks=requires("SEARCH-01")),
        pytest.param("metadata", marks=requires("SEARCH-02")),
        pytest.param("two members", marks=requires("SEARCH-03")),
        pytest.param("both", marks=requires("SEARCH-06")),
    ],
)
def test_a_filter_holds_for_each_hit(visits: Visits, by: str) -> None:
    filters_of = _FILTERS[by]

    def judge(shown: Thread, found: list[Thread]) -> None:
        expect_fact(bool(found), f"a search by {by} of the thread finds nothing")
        others = sum(not _all_match([each], filters_of(shown)) for each in found)
        expect_fact(not others, f"{others} of {len(found)} threads found by {by} do not have it")

    visits.judge_each(
        lambda thread: visits.judge_stable(
            lambda: visits.get(thread),
            lambda shown: visits.must.search(limit=PAGE, **filters_of(shown)),
            judge,
        )
    )


@pytest.mark.parametrize(
    "by",
    [
        pytest.param("metadata", marks=requires("COUNT-01")),
        pytest.param("status", marks=requires("COUNT-02")),
    ],
)
def test_count_agrees_with_search(visits: Visits, by: str) -> None:
    def judge(count: int, found: list[Thread]) -> None:
        agrees = count == len(found) if len(found) < PAGE else count >= PAGE
        seen = f"{len(found)}" if len(found) < PAGE else f"at least {PAGE}"
        expect_fact(agrees, f"a count by {by} gives {count}, and a search {seen}")

    def judge_thread(thread: Visited) -> None:
        filters = _FILTERS[by](visits.get(thread))
        visits.judge_stable(
            lambda: visits.must.count(**filters),
            lambda _: visits.search(limit=PAGE, **filters),
            judge,
        )

    visits.judge_each(judge_thread)


@requires("COUNT-05")
def test_no_match_counts_zero(visits: Visits, client: ThreadsClient) -> None:
    visits.ensure_success(client.count({}))
    count = visits.must.count(metadata={"threads_conformance": client.ownership.absent_id()})
    expect_fact(count == 0, f"metadata that no thread has is counted {count} times")


@requires("FILTER-01")
def test_search_by_ids(visits: Visits) -> None:
    _expect_found_by_ids(visits, [])

    def judge(thread: Visited) -> None:
        visits.judge_stable(
            lambda: bool(visits.get(thread)),
            lambda _: visits.must.search(ids=[thread.id]),
            lambda _, found: expect_fact(
                [str(each.get("thread_id")).lower() for each in found] == [thread.id],
                f"a search by the id of one thread finds {len(found)}, or another",
            ),
        )

    visits.judge_each(judge)


@requires("FILTER-02")
def test_unknown_ids_find_nothing(visits: Visits, client: ThreadsClient) -> None:
    absent = [client.ownership.absent_id() for _ in range(2)]
    visits.search(limit=1)
    found = visits.must.search(ids=absent)
    expect_fact(not found, f"{len(found)} threads are found by ids under which none stands")
    _expect_found_by_ids(visits, absent)


@requires("FILTER-04")
def test_search_by_ids_and_metadata(visits: Visits) -> None:
    ids = [each.id for each in visits.threads]

    def judge(shown: Thread, found: list[Thread]) -> None:
        filters = _by_one_text(shown)
        expect_fact(bool(found), "a search by ids and metadata of the thread finds nothing")
        both = _all_match(found, filters) and all(each.get("thread_id") in ids for each in found)
        expect_fact(both, "a thread is found that does not satisfy ids and metadata")

    visits.judge_each(
        lambda thread: visits.judge_stable(
            lambda: visits.get(thread),
            lambda shown: visits.search(ids=ids, limit=len(ids), **_by_one_text(shown)),
            judge,
        )
    )


# ---- what a search shows of a thread, and in which order ------------------------------


@requires("SELECT-01")
def test_only_what_is_selected(visits: Visits) -> None:
    for selected in ({"thread_id", "status"}, {"status"}):
        found = _require_some(visits.must.search(select=sorted(selected), limit=PAGE))
        optional = set(OPTIONAL_OF_A_THREAD) - selected
        unasked = sorted(
            {name for name in optional for each in found if each.get(name) is not None}
        )
        expect_fact(not unasked, f"members that were not selected are shown: {', '.join(unasked)}")


@requires("SELECT-02")
def test_all_that_is_selected(visits: Visits) -> None:
    def judge(shown: Thread, found: Thread) -> None:
        missing = [each for each in _REQUIRED if each not in found]
        expect_fact(not missing, f"members that were selected are missing: {', '.join(missing)}")
        expect_fact(same_thread(found, shown), "a selected member is not as GET shows it")

    visits.judge_each(
        lambda thread: visits.judge_stable(
            lambda: visits.get(thread),
            lambda _: _find(visits, thread, select=[*_REQUIRED, "values"]),
            judge,
        )
    )


@requires("SELECT-03")
def test_without_select_all_members(visits: Visits) -> None:
    for each in _require_some(visits.must.search(limit=PAGE)):
        missing = [name for name in _REQUIRED if name not in each]
        expect_fact(not missing, f"missing without select: {', '.join(missing)}")


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    "member",
    [
        pytest.param("thread_id", marks=requires("SORT-01")),
        pytest.param("created_at", marks=requires("SORT-02")),
        pytest.param("updated_at", marks=requires("SORT-03")),
        pytest.param("state_updated_at", marks=requires("SORT-04")),
    ],
)
def test_sort_by(visits: Visits, member: str, order: str) -> None:
    def judge(found: list[Thread]) -> None:
        keys = [each.get(member) for each in found]
        texts = [str(key) for key in keys]
        if len(set(texts)) < 2 or None in keys:
            raise undecided(f"a search shows no two threads of which one comes first by {member}")
        falling = list(reversed(keys)) if order == "asc" else keys
        if member == "thread_id":
            ordered = [str(key) for key in falling] == sorted(texts, reverse=True)
        else:
            ordered = is_newest_first([{"created_at": key} for key in falling])
        expect_fact(ordered, f"the threads are not in the order of {member}, {order}")

    visits.judge_eventually(
        lambda: visits.must.search(sort_by=member, sort_order=order, limit=PAGE), judge
    )


@requires("EXTRACT-01")
def test_a_path_gives_its_value(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        wanted = texts_in_metadata(
            visits.get(thread).get("metadata"),
            lambda name, value: name.isidentifier() and name.isascii() and _portable(name, value),
        )
        (name,) = wanted
        body = {"metadata": wanted, "limit": PAGE, "extract": {"alias": f"metadata.{name}"}}
        for each in _require_some(visits.must.search(**body)):
            extracted, metadata = each.get("extracted"), each.get("metadata")
            got = extracted.get("alias") if isinstance(extracted, dict) else None
            has = metadata.get(name) if isinstance(metadata, dict) else None
            expect_fact(got == has, "extracted is not what stands at the path in the same hit")

    visits.judge_each(judge)


@requires("PAGE-02")
def test_pages_are_complete(visits: Visits) -> None:
    ids = sorted(each.id for each in visits.threads)
    visits.require_threads()
    if len(ids) < 2:
        raise undecided("it takes two threads to see pages: name more with --thread ID")
    order = {"ids": ids, "sort_by": "thread_id", "sort_order": "asc", "limit": 2}

    def judge(there: list[str], found: list[Any]) -> None:
        same = sorted(str(each).lower() for each in found) == there
        expect_fact(same, f"the pages of {len(there)} threads hold {len(found)}, or others")

    visits.judge_stable(
        lambda: _existing_ids(visits),
        lambda _: [
            each.get("thread_id")
            for offset in range(0, len(ids), 2)
            for each in visits.search(**order, offset=offset)
        ],
        judge,
    )


@requires("PAGE-03")
def test_beyond_the_end_is_nothing(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        _find(visits, thread)
        found = visits.must.search(ids=[thread.id], offset=1)
        expect_fact(not found, f"{len(found)} threads are found beyond the end")

    visits.judge_each(judge)


def _expect_thread(thread: Thread) -> None:
    expect_fits("thread", {name: thread[name] for name in _REQUIRED if name in thread})


def _expect_as_many(visits: Visits, most: int, **body: Any) -> None:
    """Assert that a search finds as many threads as match, at most `most`."""

    def judge(there: int, found: int) -> None:
        if not there:
            raise undecided("no search shows a thread: run this where there are some")
        expect_fact(found == min(most, there), f"{found} threads are found, where {most} may be")

    visits.judge_stable(
        lambda: len(visits.search(limit=most + 1)),
        lambda _: len(visits.must.search(**body)),
        judge,
    )


def _expect_found_by_ids(visits: Visits, absent: list[str]) -> None:
    """Assert that a search by the ids of all threads and absent ones finds exactly the former."""
    ids = [each.id for each in visits.threads]

    def judge(there: list[str], found: list[Thread]) -> None:
        shown = sorted(str(each.get("thread_id")).lower() for each in found)
        same = shown == there
        expect_fact(
            same, f"a search by the ids of {len(there)} threads finds {len(shown)}, or others"
        )

    visits.require_threads()
    visits.judge_stable(
        lambda: _existing_ids(visits),
        lambda _: visits.search(ids=[*absent, *ids], limit=len(ids) + len(absent)),
        judge,
    )


def _existing_ids(visits: Visits) -> list[str]:
    """Return the ids of the threads that GET shows, in order."""
    return sorted(each.id for each in visits.threads if visits.client.get(each.id).ok)


def _find(visits: Visits, thread: Visited, **body: Any) -> Thread:
    """Return the thread as a search by its id shows it, or else a search without a filter."""
    for filters in ({"ids": [thread.id], "limit": 1}, {"limit": PAGE}):
        try:
            found = visits.search(**filters, **body)
        except Blocked:
            continue
        for each in found:
            if str(each.get("thread_id")).lower() == thread.id:
                return each
    raise undecided("no search shows the thread")


def _require_some(found: list[Thread]) -> list[Thread]:
    """Return what was found; blocked if it is empty, since nothing would be compared."""
    if not found:
        raise undecided("no search shows a thread: run this where there are some")
    return found


def _all_match(found: list[Thread], filters: dict[str, Any]) -> bool:
    """Return whether all threads show the status and metadata of the filters."""
    for each in found:
        if "status" in filters and each.get("status") != filters["status"]:
            return False
        metadata = each.get("metadata")
        for name, value in filters.get("metadata", {}).items():
            if not isinstance(metadata, dict) or metadata.get(name) != value:
                return False
    return True


def _portable(name: str, value: str) -> bool:
    """Return whether any server can search for the text: no NUL, no lone surrogate, not long."""
    return bool(name) and len(value) <= 200 and "\0" not in value and f"{name}{value}".isprintable()
