"""Creating a thread with a state, from supersteps."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.channels import (
    append_update,
    channels_kept_by_runs,
    emptied_channels,
    expected_values,
    keys_as_predicted,
    shown_values,
    supersteps_with_channels,
    thread_with_channels,
    thread_with_channels_by_supersteps,
    what_is_left,
)
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import contract_members_of_each, require_some
from conformance.checks.expect import (
    assert_equal,
    assert_is,
    assert_no_thread,
    assert_refused,
    assert_that,
    kept_metadata,
    parse_timestamp,
)
from conformance.checks.messages import (
    items_sent,
    items_sent_in,
    node_of_updates,
    type_and_content,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.required_states import require_states
from conformance.checks.texts_like_escapes import assert_lookalikes_kept
from conformance.checks.views import Thread, id_of, items_of_followed_list, member_of, messages_of
from conformance.deployment.client import ThreadsClient
from conformance.deployment.settings import (
    GraphSettings,
    documented_prepopulation,
    numbered,
)
from conformance.json_differences import same_json


@pytest.fixture
def given(given: ThreadsApi) -> ThreadsApi:
    """Return the API for prerequisites, which here must make a state from supersteps."""
    given.insists_on_supersteps = True
    return given


@requires("PREPOP-01", offers="create")
def test_the_documented_request_creates_a_thread(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    given.empty()
    if graph == GraphSettings():
        threads.create_documented(documented_prepopulation())
    else:
        threads.prepopulated()


@requires("PREPOP-02")
def test_the_values_are_what_was_sent(threads: ThreadsApi, graph: GraphSettings) -> None:
    made = threads.prepopulated()
    assert_equal(
        type_and_content(items_of_followed_list(made, graph)), _items_sent(graph), "the messages"
    )


@requires("PREPOP-03")
def test_messages_get_ids(given: ThreadsApi, graph: GraphSettings) -> None:
    ids = _ids(given.prepopulated(), graph)
    require_some([ids], "the creation shows no messages", "PREPOP-02")
    assert_that(all(isinstance(each, str) and each for each in ids), "an id per message", ids)
    assert_equal(len(set(ids)), len(ids), "the number of different message ids")


@requires("PREPOP-04")
def test_the_graph_id_is_kept(given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings) -> None:
    # The state is not read: whether supersteps are applied is not judged here.
    made = given.create(_creation(given, graph.supersteps))
    for shown in (made, threads.get(made)):
        assert_equal(
            kept_metadata(shown, {"graph_id": 0}), {"graph_id": graph.id}, "metadata.graph_id"
        )


@requires("PREPOP-05")
def test_a_finished_prepopulation_is_idle(given: ThreadsApi) -> None:
    assert_equal(given.get(given.prepopulated()).get("status"), "idle", "status")


@requires("PREPOP-06")
def test_nothing_is_next(given: ThreadsApi) -> None:
    assert_is(given.state(given.prepopulated()).get("next"), [], "next")


@requires("PREPOP-07")
def test_the_newest_state_tells_of_an_update(given: ThreadsApi, graph: GraphSettings) -> None:
    if graph.supersteps[0]["updates"][0].get("as_node") != "__input__":
        raise Blocked("the supersteps of the settings do not begin with an input")
    metadata = given.state(given.prepopulated()).get("metadata") or {}
    shown = {name: metadata.get(name) for name in ("source", "step")}
    step = len(graph.supersteps) - 2
    assert_equal(shown, {"source": "update", "step": step}, "source and step")


@requires("PREPOP-08")
def test_a_prepopulated_state_has_no_parents(given: ThreadsApi) -> None:
    metadata = given.state(given.prepopulated()).get("metadata") or {}
    assert_is(metadata.get("parents"), {}, "metadata.parents")


@requires("PREPOP-09")
@pytest.mark.parametrize("states", [3, 12, 105])
def test_one_checkpoint_per_superstep(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings, states: int
) -> None:
    made = given.long(max(states, len(graph.supersteps)))
    expected = max(states, len(graph.supersteps))
    assert_equal(len(threads.history(made, expected)), expected, "the number of states")


@requires("PREPOP-10")
@pytest.mark.parametrize("more", [2, 10])
def test_every_superstep_adds_its_messages(
    given: ThreadsApi, graph: GraphSettings, more: int
) -> None:
    steps = [numbered(each, 1) for each in graph.supersteps]
    steps += [{"updates": [numbered(graph.append, number)]} for number in range(2, more + 2)]
    history = given.history(given.prepopulated(steps), len(steps))
    if len(history) != len(steps):
        raise Blocked(f"{len(steps)} supersteps made {len(history)} states", by="PREPOP-09")
    shown = [
        type_and_content(items_of_followed_list(state, graph)) for state in reversed(list(history))
    ]
    expected = [items_sent(steps[: position + 1], graph) for position in range(len(steps))]
    assert_equal(shown, expected, "the messages after each superstep, oldest first")


@requires("PREPOP-11")
def test_several_updates_make_one_superstep(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    steps = [numbered(each, 1) for each in graph.supersteps]
    without = given.history(given.prepopulated(steps), len(steps))
    # As the last node: where another node follows, a graph may take only one update per step.
    last = steps[-1]["updates"][-1].get("as_node", graph.append.get("as_node"))
    update = _of_combined_keys(graph)
    several = [{**numbered(update, number), "as_node": last} for number in (2, 3, 4)]
    steps.append({"updates": several})
    made = threads.prepopulated(steps)
    shown = type_and_content(items_of_followed_list(given.state(made), graph))
    assert_equal(shown, items_sent(steps, graph), "the messages")
    more = len(given.history(made, len(steps))) - len(without)
    assert_equal(more, 1, "the number of states that the superstep added")


@requires("PREPOP-12")
def test_message_ids_are_stable(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    made = given.prepopulated()
    holders = {
        "state": threads.state(made),
        "history": require_states(given.history(made)).states[0],
    }
    values = _values_by_get(threads, made)
    if values is not None:
        holders["get"] = {"values": values}
    sent = type_and_content(items_of_followed_list(made, graph))
    for name, holder in holders.items():
        if type_and_content(items_of_followed_list(holder, graph)) != sent:
            raise Blocked(f"{name} does not show the messages that were created")
    shown = {name: _ids(holder, graph) for name, holder in holders.items()}
    assert_equal(shown, dict.fromkeys(shown, _ids(made, graph)), "the ids of the messages")


@requires("PREPOP-13")
def test_an_unknown_graph_is_refused(
    given: ThreadsApi, client: ThreadsClient, graph: GraphSettings
) -> None:
    given.prepopulated()
    metadata = {"graph_id": "no-such-graph-of-threads-conformance"}
    assert_refused(client.create(_creation(given, graph.supersteps, metadata)))


@requires("PREPOP-14")
@pytest.mark.parametrize("position", ["first", "beside", "last"])
def test_an_unknown_node_is_refused(
    given: ThreadsApi, client: ThreadsClient, graph: GraphSettings, position: str
) -> None:
    given.prepopulated()
    assert_refused(client.create(_creation(given, _with_unknown_node(graph, position))))


@requires("PREPOP-15")
@pytest.mark.parametrize(
    "supersteps",
    [
        5,
        [{}],
        [{"updates": 5}],
        [{"updates": [{"values": {}}]}],
        [{"updates": [{"values": 5, "as_node": "__input__"}]}],
        [{"updates": [{"values": {}, "as_node": 5}]}],
    ],
    ids=["no-list", "no-updates", "updates-no-list", "no-as_node", "values-number", "node-number"],
)
def test_a_malformed_update_is_refused(
    given: ThreadsApi, client: ThreadsClient, graph: GraphSettings, supersteps: Any
) -> None:
    given.prepopulated()
    assert_refused(client.create(_creation(given, supersteps)))


@requires("PREPOP-16")
def test_a_refused_prepopulation_leaves_nothing(
    given: ThreadsApi, client: ThreadsClient, graph: GraphSettings
) -> None:
    # `generate_id` blocks the check if given ids are ignored: then no thread would be found under
    # it.
    body = {**_creation(given, _with_unknown_node(graph, "last")), "thread_id": given.generate_id()}
    if client.create(body).ok:
        raise Blocked("a prepopulation as an unknown node was accepted", by="PREPOP-14")
    assert_no_thread(given, body["thread_id"])


@requires("PREPOP-17")
def test_a_prepopulated_thread_can_be_run(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    made = given.prepopulated()
    before = given.history(made, len(graph.supersteps))
    threads.run(made)
    after = given.history(made)
    oldest = contract_members_of_each(after)[-len(before) :]
    assert_equal(oldest, contract_members_of_each(before), "the oldest states after the run")
    assert_that(len(after) > len(before), f"more than {len(before)} states", len(after))


@requires("PREPOP-18")
def test_a_prepopulated_thread_can_be_copied(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    made = given.prepopulated()
    copy = threads.copy(made)
    assert_equal(threads.state(copy).get("values"), given.state(made)["values"], "values")


@requires("PREPOP-19")
def test_a_prepopulated_thread_is_found(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, graph: GraphSettings
) -> None:
    made = id_of(given.prepopulated())
    found = context.eventually(
        lambda: threads.search_ids(metadata={"graph_id": graph.id}), lambda found: made in found
    )
    assert_equal(found, [made], "the threads found by graph_id")


@requires("PREPOP-20")
def test_its_moments_have_an_offset(given: ThreadsApi) -> None:
    made = given.prepopulated()
    created = parse_timestamp(made.get("created_at"), "created_at")
    updated = parse_timestamp(made.get("updated_at"), "updated_at")
    assert_that(created <= updated, f"updated_at not before {created}", updated)


@requires("PREPOP-21")
def test_get_shows_what_was_answered(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.prepopulated()
    shown = _values_by_get(threads, made)
    if shown is None:
        raise Blocked("GET shows no values, as in the documented output: nothing to compare")
    assert_equal(shown, made.get("values"), "values as GET shows them")


@requires("PREPOP-22")
def test_a_prepopulated_thread_can_be_continued(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    made = given.prepopulated()
    threads.append(made, 2)
    expected = _items_sent(graph) + items_sent_in(numbered(graph.append, 2), graph)
    assert_equal(
        type_and_content(items_of_followed_list(given.state(made), graph)), expected, "the messages"
    )


def _creation(given: ThreadsApi, supersteps: Any, metadata: Any = None) -> dict[str, Any]:
    """Return the body of a creation under a new id."""
    return {
        "thread_id": given.client.ownership.new_id(),
        "metadata": {
            **given.client.tag,
            "graph_id": given.context.graph().id,
            **(metadata or {}),
        },
        "supersteps": supersteps,
    }


def _with_unknown_node(graph: GraphSettings, position: str) -> list[dict[str, Any]]:
    right = numbered(graph.append, 1)
    wrong = {**right, "as_node": "no_such_node"}
    unknown = {"updates": [right, wrong] if position == "beside" else [wrong]}
    steps = [numbered(each, 1) for each in graph.supersteps]
    return [unknown, *steps] if position == "first" else [*steps, unknown]


def _of_combined_keys(graph: GraphSettings) -> dict[str, Any]:
    """Return `append` with only the keys that several updates of one superstep may write.

    A channel that keeps its last value may refuse a second value in the same step.
    """
    values = graph.append.get("values")
    written = values if isinstance(values, dict) else {}
    combined = {
        key: value for key, value in written.items() if key in (*graph.appending, *graph.adding)
    }
    if not combined:
        raise Blocked("append of the settings writes no key of appending or adding")
    return {**graph.append, "values": combined}


def _items_sent(graph: GraphSettings) -> list[dict[str, Any]]:
    return items_sent([numbered(each, 1) for each in graph.supersteps], graph)


def _ids(holder: Thread, graph: GraphSettings) -> list[Any]:
    return [member_of(message, "id") for message in messages_of(holder, graph)]


@requires("PREPOP-02")
def test_the_values_of_every_channel_are_what_was_sent(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, graph: GraphSettings
) -> None:
    channels = channels_kept_by_runs(given)
    if missing := graph.channels.keys() - channels.keys():
        context.note(f"not kept by runs, and so not judged: {', '.join(sorted(missing))}")
    steps = supersteps_with_channels(graph, channels)
    made = threads.prepopulated(steps)
    assert_equal(
        shown_values(made, graph, channels), expected_values(steps, graph, channels), "the values"
    )
    if emptied := emptied_channels(graph, channels):
        steps.append({"updates": [append_update(graph, 4, emptied)]})
        left = what_is_left(threads.prepopulated(steps), emptied)
        assert_is(left, {}, "what is left in the channels that were emptied")


@requires("PREPOP-10")
def test_every_superstep_writes_its_channels(given: ThreadsApi, graph: GraphSettings) -> None:
    made, steps = thread_with_channels_by_supersteps(given)
    kept = keys_as_predicted(given.state(made)["values"], expected_values(steps, graph))
    history = given.history(made, len(steps))
    if len(history) != len(steps):
        raise Blocked(f"{len(steps)} supersteps made {len(history)} states")
    expected = [
        expected_values(steps[: position + 1], graph, kept) for position in range(len(steps))
    ]
    # A graph may show a channel with a default value before it is written.
    states = zip(reversed(list(history)), expected, strict=True)
    shown = [shown_values(state, graph, wanted) for state, wanted in states]
    assert_equal(shown, expected, "the channels after each superstep, oldest first")


@requires("PREPOP-21")
def test_get_shows_every_channel_that_was_answered(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = thread_with_channels(given)
    shown = _values_by_get(threads, made)
    if shown is None:
        raise Blocked("GET shows no values, as in the documented output")
    assert_equal(shown, made.get("values"), "values as GET shows them")


def _values_by_get(threads: ThreadsApi, made: Thread) -> Any:
    """Return the values of a thread by GET, once equal to those answered or at the deadline."""
    return threads.context.eventually(
        lambda: threads.get(made).get("values"),
        lambda shown: shown is None or same_json(shown, made.get("values")),
    )


@requires("PREPOP-23")
def test_texts_that_look_like_escapes_are_kept(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    def prepopulate(api: ThreadsApi, values: dict[str, Any]) -> Any:
        made = api.prepopulated(more=[{**graph.append, "values": values}])
        return given.state(made)["values"]

    assert_lookalikes_kept(given, threads, prepopulate, graph.append.get("values") or {})


@requires("PREPOP-24")
def test_a_superstep_takes_a_list_of_values(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    updates = [numbered(graph.append, number) for number in (2, 3)]
    require_some(_added_by(updates, graph), "append of the settings appends nothing")
    before = items_of_followed_list(given.state(given.prepopulated()), graph)
    listed = {**updates[0], "values": [update["values"] for update in updates]}
    made = threads.prepopulated(more=[listed])
    shown = type_and_content(items_of_followed_list(given.state(made), graph))
    wanted = [*type_and_content(before), *_added_by(updates, graph)]
    assert_equal(shown, wanted, "the messages")


@requires("PREPOP-25")
@pytest.mark.parametrize(
    "values", [{"values": None}, {}, {"values": {}}], ids=["null", "left-out", "empty"]
)
def test_a_superstep_without_values_makes_a_state(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings, values: dict[str, Any]
) -> None:
    steps = len(graph.supersteps) + 1
    like = given.prepopulated(more=[numbered(graph.append, 2)])
    with_values = require_states(given.history(like, steps), 2)
    made = threads.prepopulated(more=[{**values, "as_node": node_of_updates(graph)}])
    states = given.history(made, steps).states
    require_some([state.get("values") for state in with_values], "no state shows values")
    assert_equal(len(states), len(with_values), "the number of states, as with values")
    assert_equal(states[0].get("values"), states[1].get("values"), "the values")


def _added_by(updates: list[dict[str, Any]], graph: GraphSettings) -> list[Any]:
    return [message for update in updates for message in items_sent_in(update, graph)]
