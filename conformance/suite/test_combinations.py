"""Combined filters: search and count must return exactly what satisfies all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import strategies as st

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.expect import assert_equal, assert_that
from conformance.checks.filterable_values import values_to_find
from conformance.checks.generators.for_all import for_all
from conformance.checks.generators.schema_bodies import valid_bodies
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import Runs
from conformance.checks.sort_members import refused_orders
from conformance.checks.views import Thread, id_of
from conformance.deployment.settings import Settings
from conformance.json_differences import same_json

_COLOURS = ("red", "green")
_Filters = dict[str, Any]
#: Examples tried before the generated ones: each filter combined with others, with and without a
#: match. An example is a body, the metadata, and the indexes of the made threads that `ids` names.
_FIXED_EXAMPLES: tuple[tuple[_Filters, _Filters, tuple[int, ...]], ...] = (
    ({}, {"colour": "red"}, ()),
    ({}, {"colour": "red", "size": 2}, ()),
    ({"status": "idle"}, {"size": 1}, ()),
    ({"status": "idle"}, {"colour": "blue"}, ()),
    ({"status": "busy"}, {"colour": "red"}, ()),
    ({"status": "busy"}, {}, ()),
    ({"status": "busy"}, {}, (0, 3)),
    ({"limit": 1}, {"colour": "green"}, ()),
    ({"limit": 1}, {"colour": "red"}, ()),
    ({"limit": 2, "offset": 1}, {}, ()),
    ({"offset": 3}, {}, ()),
    ({"offset": 5}, {}, ()),
    ({}, {"colour": "red"}, (0, 3)),
    ({"status": "idle"}, {"size": 2}, (1, 2, 3)),
)
#: Members that the body of a search may have and that of a count may not.
_PAGING_MEMBERS = frozenset({"limit", "offset"})


@pytest.fixture
def made(given: ThreadsApi, context: CheckContext) -> list[Thread]:
    """Create four threads, one for each combination of two colours and two sizes in metadata."""
    threads = [
        given.empty(metadata={"colour": colour, "size": size})
        for colour in _COLOURS
        for size in (1, 2)
    ]
    shown = context.eventually(lambda: len(given.search_ids()), lambda found: found == len(threads))
    if shown != len(threads):
        raise Blocked(f"search shows {shown} of the {len(threads)} threads made", by="CREATE-12")
    return threads


@requires("FILTER-07")
def test_what_is_found_satisfies_every_filter(
    made: list[Thread],
    given: ThreadsApi,
    threads: ThreadsApi,
    context: CheckContext,
    settings: Settings,
) -> None:
    refused = refused_orders(given.client, context)

    def assert_found_exactly(example: tuple[dict[str, Any], dict[str, Any], list[str]]) -> None:
        body, metadata, ids = example
        sent = {**body, "metadata": metadata, **({"ids": ids} if ids else {})}
        if sent.get("sort_by") in refused:
            return  # judged by SORT-01 to SORT-05
        matching = [id_of(each) for each in made if _satisfies(each, sent)]
        page = len(matching[sent.get("offset", 0) :][: sent.get("limit", len(made))])
        found = context.eventually(
            lambda: threads.search_ids(**sent),
            lambda found: len(found) == page and set(found) <= set(matching),
        )
        assert_that(
            set(found) <= set(matching), f"only threads that satisfy {sent}: {matching}", found
        )
        assert_equal(len(found), page, f"how many are found by {sent}")
        assert_equal(len(set(found)), len(found), "how many of them differ")

    # Ids and metadata are taken from the threads, so that most filters match something.
    shapes = valid_bodies(
        "search_threads", "thread_search", ("ids", "metadata", "values", "select", "extract")
    ).map(_with_small_offset)
    known = [id_of(each) for each in made]
    for body, metadata, places in _FIXED_EXAMPLES:
        assert_found_exactly((body, metadata, [known[place] for place in places]))
    ids = st.lists(st.sampled_from(known), max_size=4, unique=True)
    for_all(
        st.tuples(shapes, _metadata(), ids),
        assert_found_exactly,
        settings,
        at_once=context.at_once,
    )


@requires("COUNT-07")
def test_what_is_counted_satisfies_every_filter(
    made: list[Thread], threads: ThreadsApi, context: CheckContext, settings: Settings
) -> None:
    def assert_counted_exactly(example: tuple[dict[str, Any], dict[str, Any]]) -> None:
        sent = {**example[0], "metadata": example[1]}
        wanted = sum(_satisfies(each, sent) for each in made)
        count = context.eventually(lambda: threads.count(**sent), lambda count: count == wanted)
        assert_equal(count, wanted, f"the count by {sent}")

    shapes = valid_bodies("count_threads", "thread_count", ("metadata", "values"))
    for body, metadata, ids in _FIXED_EXAMPLES:
        if not (body.keys() & _PAGING_MEMBERS or ids):
            assert_counted_exactly((body, metadata))
    for_all(
        st.tuples(shapes, _metadata()), assert_counted_exactly, settings, at_once=context.at_once
    )


@dataclass(frozen=True)
class _WithValues:
    """The values of one thread, and cases: filters, and the ids to be found by them.

    The filters of each case are combined with the values before they are sent.
    """

    values: dict[str, Any]
    cases: list[tuple[_Filters, list[str]]]


@pytest.fixture
def with_values(given: ThreadsApi) -> _WithValues:
    """Create a red thread with values, and a red and a green thread with other values.

    All threads have values where that is possible: whether a thread without values disturbs a
    filter by values is judged by COUNT-08 and FILTER-03.
    """
    wanted = given.with_state(metadata={"colour": "red"})
    red, green = (given.with_other_values(metadata={"colour": each}) for each in _COLOURS)
    values = values_to_find(given, wanted)
    # The status as a search shows it: whether GET shows the same is judged by SEARCH-08.
    found = given.context.eventually(
        lambda: {id_of(each): each.get("status") for each in given.search()},
        lambda shown: len(shown) == 3,
    )
    if len(found) != 3:
        raise Blocked(f"search shows {len(found)} of the 3 threads made", by="CREATE-12")
    status = found[id_of(wanted)]
    if status not in ("idle", "interrupted"):
        raise Blocked(f"a search shows a thread on which nothing runs as {status}", by="SEARCH-13")
    own, with_own = [id_of(wanted)], [id_of(wanted), id_of(red)]
    right: _Filters = {"ids": with_own, "status": status, "metadata": {"colour": "red"}}
    wrong: _Filters = {
        "ids": [id_of(red), id_of(green)],
        "status": "error",
        "metadata": {"colour": "green"},
    }
    cases = [({name: each}, own) for name, each in right.items()]
    cases += [({name: each}, []) for name, each in wrong.items()]
    cases += [(right, own), *(({**right, name: each}, []) for name, each in wrong.items())]
    cases += [({"status": status, "metadata": right["metadata"]}, own)]
    return _WithValues(values, cases)


@requires("FILTER-09")
def test_values_are_searched_for_beside_every_other_filter(
    with_values: _WithValues, threads: ThreadsApi, context: CheckContext
) -> None:
    for filters, wanted in with_values.cases:
        sent = {"values": with_values.values, **filters}
        found = context.eventually(partial(_sorted_ids, threads, sent), partial(same_json, wanted))
        assert_equal(found, wanted, f"the threads found by {sent}")


@requires("COUNT-10")
def test_values_are_counted_beside_every_other_filter(
    with_values: _WithValues, threads: ThreadsApi, context: CheckContext
) -> None:
    for filters, wanted in with_values.cases:
        if "ids" in filters:
            continue  # a count has no ids
        sent = {"values": with_values.values, **filters}
        number = len(wanted)
        count = context.eventually(partial(threads.count, **sent), partial(same_json, number))
        assert_equal(count, number, f"the count by {sent}")


@pytest.fixture
def threads_by_condition(
    given: ThreadsApi, given_runs: Runs, context: CheckContext
) -> dict[str, Thread]:
    """Create a thread in each condition; return them by condition, the finished ones with values.

    All threads have values: whether a thread without values disturbs a filter by values is judged
    by COUNT-08 and FILTER-03.
    """
    made = {"finished": given.with_state(metadata={"colour": "red"})}
    made |= {f"midway {number}": each for number, each in enumerate(given.unfinished())}
    try:
        with_ttl = given.with_state(ttl={"ttl": 60}, metadata={"colour": "green"})
        made["with ttl"] = {
            **given.get(with_ttl),
            "thread_id": id_of(with_ttl),
            "values": given.state(with_ttl)["values"],
        }
    except Blocked as refused:
        context.note(f"judged without a ttl: {refused}")
    for status, graph in (("interrupted", "interrupter"), ("error", "failing")):
        thread = given.empty(metadata={"colour": "red"})
        given_runs.run_to_end(thread, graph)
        made[status] = thread
    values = values_to_find(given, made["finished"])
    return {**made, "finished": {**made["finished"], "values": values}}


@requires("FILTER-08")
def test_threads_in_any_condition_do_not_disturb_a_search(
    threads_by_condition: dict[str, Thread], threads: ThreadsApi, context: CheckContext
) -> None:
    for filters, wanted in _filters_and_matches(threads_by_condition):
        found = context.eventually(
            partial(_sorted_ids, threads, filters), partial(same_json, wanted)
        )
        assert_equal(found, wanted, f"the threads found by {filters}")


@requires("COUNT-09")
def test_threads_in_any_condition_do_not_disturb_a_count(
    threads_by_condition: dict[str, Thread], threads: ThreadsApi, context: CheckContext
) -> None:
    for filters, wanted in _filters_and_matches(threads_by_condition):
        count = context.eventually(
            partial(threads.count, **filters), partial(same_json, len(wanted))
        )
        assert_equal(count, len(wanted), f"the count by {filters}")


def _filters_and_matches(made: dict[str, Thread]) -> Iterator[tuple[_Filters, list[str]]]:
    """Yield filters by metadata and by values, and the ids of the threads that satisfy them."""
    for colour in _COLOURS:
        metadata = {"colour": colour}
        matching = [
            id_of(each) for each in made.values() if _satisfies(each, {"metadata": metadata})
        ]
        if matching:
            yield {"metadata": metadata}, sorted(matching)
    values = made["finished"]["values"]
    # Where all values come from the settings, the thread with a ttl has the same values.
    alike = [each for each in made.values() if same_json(each.get("values"), values)]
    yield {"values": values}, sorted(map(id_of, alike))


def _sorted_ids(threads: ThreadsApi, filters: _Filters) -> list[str]:
    return sorted(threads.search_ids(**filters))


def _metadata() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={"colour": st.sampled_from([*_COLOURS, "blue"]), "size": st.sampled_from([1, 2])},
    )


def _with_small_offset(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body with its offset reduced to less than 6, so that threads may be found."""
    return {**body, "offset": body["offset"] % 6} if "offset" in body else body


def _satisfies(thread: Thread, sent: dict[str, Any]) -> bool:
    return (
        id_of(thread) in sent.get("ids", [id_of(thread)])
        and thread.get("status") == sent.get("status", thread.get("status"))
        and all(thread["metadata"].get(name) == value for name, value in sent["metadata"].items())
    )
