"""The effect of the values of a state update, or of an update in a superstep."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.channels import values_of
from conformance.checks.comparable_members import require_some
from conformance.checks.concurrency import repeat_together
from conformance.checks.expect import assert_equal, assert_is, assert_refused
from conformance.checks.messages import (
    items_in,
    items_sent_in,
    message_keys,
    node_of_updates,
    type_and_content,
)
from conformance.checks.outcomes import Blocked, Unsupported, requires
from conformance.checks.views import State, id_of, items_of_followed_list
from conformance.contract.causes import Cause
from conformance.deployment.client import ThreadsClient
from conformance.deployment.settings import GraphSettings, numbered
from conformance.json_differences import same_json

#: `Put` makes the values of an update that hold an object; `Read` finds that object in a state.
Put = Callable[[Any], dict[str, Any]]
Read = Callable[[State], Any]

#: The id of a message to which a later update refers.
_ID = "a-message-with-an-id"
#: How many updates of one thread are sent at once.
_MANY = 6
#: Null as a member: of an object, of an object in it, and of an object in a list.
_WITH_NULLS = {"none": None, "inner": {"none": None, "some": 1}, "items": [{"none": None}, None]}
#: The same with 1 in the place of each null.
_WITHOUT_NULLS = {"none": 1, "inner": {"none": 1, "some": 1}, "items": [{"none": 1}, 1]}


@requires("STATE-UPDATE-21")
@pytest.mark.parametrize(
    "second",
    [
        {"type": "remove", "content": ""},
        {"type": "ai", "content": "said in its place"},
        {"type": "human", "content": "said in its place"},
    ],
    ids=["removal", "replacement", "another-type"],
)
def test_an_update_of_a_message_is_as_by_a_superstep(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings, second: dict[str, Any]
) -> None:
    key = next(iter(message_keys(graph)), None)
    if key is None:
        raise Blocked("the [graph] settings send no messages")
    node = node_of_updates(graph)
    first, changed = (
        {"values": {key: [{**message, "id": _ID}]}, "as_node": node}
        for message in ({"type": "ai", "content": "said at first"}, second)
    )
    given.insists_on_supersteps = True
    by_supersteps = given.state(given.prepopulated(more=[first, changed]))
    made = given.prepopulated(more=[first])
    threads.update_state(made, **changed)
    shown, wanted = (
        [(each.get("id") == _ID, *type_and_content([each])) for each in items_in(values, key)]
        for values in (given.state(made)["values"], by_supersteps["values"])
    )
    assert_equal(list(map(list, shown)), list(map(list, wanted)), "the messages")


@requires("STATE-UPDATE-22")
def test_nulls_inside_the_values_of_an_update_are_kept(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    node = node_of_updates(graph)

    def update(api: ThreadsApi, values: dict[str, Any]) -> State:
        made = given.with_state()
        api.update_state(made, values=values, as_node=node)
        return given.state(made)

    _assert_nulls_kept(given, threads, update)


@requires("PREPOP-29")
def test_nulls_inside_the_values_of_a_superstep_are_kept(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    given.insists_on_supersteps = True
    given.prepopulated()  # blocks the check where no supersteps are applied
    node = node_of_updates(graph)

    def prepopulate(api: ThreadsApi, values: dict[str, Any]) -> State:
        return given.state(api.prepopulated(more=[{"values": values, "as_node": node}]))

    _assert_nulls_kept(given, threads, prepopulate)


@requires("STATE-UPDATE-23")
def test_updates_at_once_are_all_kept(
    given: ThreadsApi, client: ThreadsClient, graph: GraphSettings
) -> None:
    updates = [numbered(graph.append, number) for number in range(2, _MANY + 2)]
    sent = [items_sent_in(update, graph) for update in updates]
    require_some(sent, "append of the settings appends nothing")
    made = given.with_state()
    answers = repeat_together(
        _MANY, lambda number: client.update_state(id_of(made), updates[number])
    )
    for answer in answers:
        # An update may be refused because another one is in progress.
        if not answer.ok:
            assert_refused(answer)
    written = [
        message
        for answer, messages in zip(answers, sent, strict=True)
        for message in messages
        if answer.ok
    ]
    kept = type_and_content(items_of_followed_list(given.state(made), graph))
    lost = [message for message in written if message not in kept]
    if len(lost) == len(written):
        raise Blocked("no update was written at all", by="STATE-UPDATE-03")
    assert_is(lost, [], "what was written and is not in the state")


def _assert_nulls_kept(
    given: ThreadsApi, threads: ThreadsApi, write: Callable[[ThreadsApi, dict[str, Any]], State]
) -> None:
    """Assert that an object with nulls is kept where the graph keeps the same without nulls."""
    for put, read in _places(given.context.graph()):
        try:
            kept = same_json(read(write(given, put(_WITHOUT_NULLS))), _WITHOUT_NULLS)
        except Blocked:
            continue  # the graph refuses this place
        if kept:
            shown = read(write(threads, put(_WITH_NULLS)))
            assert_equal(shown, _WITH_NULLS, "the object with nulls")
            return
    # Whether a channel keeps an object without nulls is judged by other checks.
    raise Unsupported(
        "the graph has no channel that the settings say is replaced and that keeps an object",
        by=Cause.at("graph: replacing"),
    )


def _places(graph: GraphSettings) -> Iterator[tuple[Put, Read]]:
    """Yield the places where a state keeps an object as it is: channels that are replaced.

    Messages are left out, since the further members of a message belong to the application.
    """
    for key in graph.replacing:
        if isinstance(graph.channels.get(key), dict):
            yield partial(_in_channel, key), partial(_of_channel, key)


def _in_channel(key: str, value: Any) -> dict[str, Any]:
    return {key: value}


def _of_channel(key: str, state: State) -> Any:
    return values_of(state).get(key)
