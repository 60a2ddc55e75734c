"""Finding threads by ids and values."""

from functools import partial
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.expect import assert_equal, assert_that
from conformance.checks.filterable_values import values_to_find
from conformance.checks.messages import server_generates_message_ids
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.views import State, checkpoint_id_of, id_of, items_of_followed_list
from conformance.deployment.client import ThreadsClient
from conformance.deployment.settings import GraphSettings
from conformance.json_differences import same_json


@requires("FILTER-01")
def test_search_by_ids(given: ThreadsApi, threads: ThreadsApi, context: CheckContext) -> None:
    made = [id_of(given.empty()) for _ in range(4)]
    for wanted in (made[:1], made[1:3], made):
        _assert_found(threads, context, wanted, ids=wanted)
    _assert_found(threads, context, made[:1], ids=made[:1], limit=1)


@requires("FILTER-02")
def test_unknown_ids_find_nothing(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, context: CheckContext
) -> None:
    made = id_of(given.empty())
    given.empty()
    given.search()
    absent = [client.ownership.absent_id() for _ in range(2)]
    _assert_found(threads, context, [made], ids=[absent[0], made, absent[1]])
    _assert_found(threads, context, [], ids=absent)


@requires("FILTER-03")
def test_search_by_values(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, graph: GraphSettings
) -> None:
    wanted = given.with_state()
    values = values_to_find(given, wanted)
    if server_generates_message_ids(graph):
        # A thread with the same messages under other ids must not match. Items that are no messages
        # have no ids, so a thread with the same ones would match.
        if same_json(values_to_find(given, given.with_state()), values):
            raise Blocked("two threads have the same values, by the same supersteps")
        given.append(given.with_state(), 5)
    given.empty()
    _assert_found(threads, context, [id_of(wanted)], values=values)
    _assert_found(threads, context, [id_of(wanted)], values=values, limit=1)


@requires("FILTER-03")
def test_search_by_one_member_of_the_values(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, graph: GraphSettings
) -> None:
    made = given.with_state()
    wanted, values = id_of(made), values_to_find(given, made)
    for name, value in values.items():
        found = context.eventually(
            partial(threads.search_ids, values={name: value}), lambda found: wanted in found
        )
        assert_that(wanted in found, f"the thread {wanted} by its {name} alone", found)


@requires("FILTER-04")
def test_search_by_ids_and_metadata(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    red = id_of(given.empty(metadata={"colour": "red"}))
    blue = id_of(given.empty(metadata={"colour": "blue"}))
    given.empty(metadata={"colour": "red"})
    _assert_found(threads, context, [red], ids=[red, blue], metadata={"colour": "red"})


@requires("FILTER-05")
def test_an_empty_list_of_ids(given: ThreadsApi, threads: ThreadsApi) -> None:
    given.empty()
    assert_that(threads.search_ids(ids=[]) == [], "no thread", "threads")


@requires("FILTER-06")
def test_values_are_those_of_now(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, graph: GraphSettings
) -> None:
    made = given.prepopulated()
    before = given.state(made)["values"]
    # Fork the thread, so that its former last message is no longer in its values.
    older = next(
        (state for state in given.history(made) if _lacks_any_of(state, before, graph)), None
    )
    if older is None:
        raise Blocked("every state of the history holds all that is there now")
    given.append(made, 2, checkpoint={"checkpoint_id": checkpoint_id_of(older)})
    after = context.eventually(
        lambda: given.get(made).get("values") or given.state(made)["values"],
        lambda values: bool(values != before),
    )
    if not _lacks_any_of({"values": after}, before, graph):
        raise Blocked("the values after the fork hold all that was there before")
    _assert_found(threads, context, [id_of(made)], values=after)
    _assert_found(threads, context, [], values=before)


def _lacks_any_of(state: State, values: Any, graph: GraphSettings) -> bool:
    """Return whether a state lacks a message of `values`, or differs if these have no messages."""
    messages = items_of_followed_list({"values": values}, graph)
    if not messages:
        return bool(state.get("values") != values)
    there = items_of_followed_list(state, graph)
    return not all(each in there for each in messages)


def _assert_found(
    threads: ThreadsApi, context: CheckContext, expected: list[str], **filters: Any
) -> None:
    found = context.eventually(
        lambda: sorted(threads.search_ids(**filters)), lambda found: found == sorted(expected)
    )
    assert_equal(found, sorted(expected), f"the threads found by {filters}")
