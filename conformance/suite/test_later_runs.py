"""Later runs of a thread: what earlier runs leave for them, and the list of all runs."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.breakpoints import newest_with_a_node_next
from conformance.checks.channels import (
    Values,
    emptied_channels,
    keys_as_predicted,
    values_of,
    what_is_left,
)
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import require_some
from conformance.checks.expect import assert_equal, assert_is, assert_that, kept_metadata
from conformance.checks.messages import items_in
from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported, requires
from conformance.checks.required_runs import require_runs_from_a_checkpoint
from conformance.checks.runs import (
    NOT_ENDED,
    STATES_REQUIREMENT_BY_WAY,
    WAYS,
    Runs,
    message_contents,
    run_by_way,
    run_error,
)
from conformance.checks.views import (
    History,
    Thread,
    checkpoint_id_of,
    checkpoint_named,
    id_of,
    member_of,
    parent_id_of,
)
from conformance.contract.causes import Cause
from conformance.contract.schemas import schema_members
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import GraphSettings, numbered
from conformance.json_differences import same_json

_NO_CHANNEL = Cause.at("graph: replacing")
#: The member by which a run creates its thread where there is none.
CREATING = {"if_not_exists": "create"}
MESSAGE_ID = "the-only-message-with-this-id"


@requires("RUN-21")
def test_create_runs_on_the_thread_that_exists(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread = _created_by_a_run(given, given_runs)
    before = message_contents(given.state(thread))
    require_some([before], "the run that creates the thread leaves no messages", "RUN-CONTROL-14")
    runs.run_to_end(thread, "slow", "second", seconds=0, **CREATING)
    after = message_contents(given.state(thread))[: len(before) + 1]
    if after != [*before, "second"]:
        _require_runs_add_input(given, given_runs, thread)
    assert_equal(after, [*before, "second"], "the messages, oldest first")


@requires("RUN-22")
def test_create_is_accepted_while_the_creating_run_is_under_way(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = {"thread_id": client.ownership.new_id()}
    first = given_runs.start(thread, "slow", seconds=2, metadata=given.context.tag, **CREATING)
    shown = given_runs.status(first)
    if shown not in NOT_ENDED:
        raise Blocked(f"a slow run is {shown} right after its creation", by="RUN-CONTROL-08")
    body = given_runs.body("slow", "second", seconds=0, metadata=client.tag)
    second = client.run_background(id_of(thread), {**body, **CREATING})
    if not second.ok:
        # If any run is refused on a busy thread, which MULTITASK-04 judges, the check is blocked.
        given_runs.start(thread, "slow", seconds=0)
    threads.ensure_success(second, thread)
    assert_that(second.ok, "success", second.text)


@requires("RUN-23")
def test_a_run_shows_no_metadata_of_another(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    first = given_runs.start(thread, "agent", metadata={"first": "one"})
    given_runs.join(first)
    # Without any metadata, not even the tag.
    given_runs.run_by("wait", thread, given.run_body())
    third = given_runs.start(thread, "agent", metadata={"third": "three"})
    given_runs.join(third)
    named = {first.run_id: "the first", third.run_id: "the third"}
    shown = {
        named.get(str(run.get("run_id")), "the second"): _own(run.get("metadata"))
        for run in runs.list_runs(thread)
    }
    if len(shown) != 3:
        raise Blocked(f"of three runs {len(shown)} are listed", by="RUN-CONTROL-02")
    if "first" not in shown["the first"] or "third" not in shown["the third"]:
        raise Blocked("a run does not show its own metadata", by="RUN-CONTROL-13")
    expected = {"the first": {"first": "one"}, "the second": {}, "the third": {"third": "three"}}
    assert_equal(shown, expected, "the metadata of the runs")


def _own(metadata: Any) -> dict[str, Any]:
    """Return the members that the check has sent: a server may add others."""
    known = metadata if isinstance(metadata, dict) else {}
    return {name: known[name] for name in ("first", "third") if name in known}


@requires("RUN-24")
def test_pages_are_of_the_runs_with_the_status(
    given: ThreadsApi, given_runs: Runs, runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    # In either order of the list, runs of one status come after a run of the other: an offset that
    # is applied before the filter by status then skips a run of the wrong status.
    made = {given_runs.enqueue(thread, "agent").run_id for _ in range(2)}
    given_runs.run_to_end(
        thread, "failing", metadata=given.client.tag, multitask_strategy="enqueue"
    )
    _await_statuses(given_runs, thread, context, ["error", "success", "success"])
    if len({each for offset in range(3) for each in _ids(given_runs, thread, offset)}) != 3:
        raise Blocked("pages of one run do not show three runs", by="RUN-CONTROL-04")
    firsts = {each: _ids(given_runs, thread, status=each) for each in ("success", "error")}
    if len(made.intersection(firsts["success"])) != 1 or len(firsts["error"]) != 1:
        raise Blocked("runs are not listed by status", by="RUN-CONTROL-03")
    paged = [*firsts["success"], *_ids(runs, thread, 1, status="success")]
    assert_equal(sorted(paged), sorted(made), "the runs of both pages")
    rest = _ids(runs, thread, 1, status="error")
    assert_is(rest, [], "the runs with status error but the first")


@requires("RUN-25")
def test_selected_members_are_listed_by_status(
    given: ThreadsApi, given_runs: Runs, runs: Runs, context: CheckContext
) -> None:
    thread = given.empty()
    run = given_runs.start(thread, "agent")
    _await_statuses(given_runs, thread, context, ["success"])
    expected = [{"run_id": run.run_id}]
    if not same_json(_selected(given_runs, thread), expected):
        raise Blocked("select alone does not show the selected members", by="RUN-CONTROL-05")
    for page in ({}, {"limit": 1, "offset": 0}):
        shown = _selected(runs, thread, status="success", **page)
        assert_is(shown, expected, "the runs")


def _selected(runs: Runs, thread: Thread, **params: Any) -> list[dict[str, Any]]:
    """Return the published members of the runs in a list with `select`."""
    selectable = schema_members("run")
    listed = runs.list_runs(thread, select=["run_id"], **params)
    return [{name: each[name] for name in each if name in selectable} for each in listed]


@requires("RUN-26")
def test_a_thread_is_run_again_after_a_failure(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "failing", "first")
    runs.run_to_end(thread, "slow", "second", seconds=0)
    said = message_contents(given.state(thread))
    if "second" not in said:
        _require_runs_add_input(given, given_runs, thread)
    assert_that("second" in said, "the input of the run after the one that failed", said)


@requires("RUN-27")
def test_a_message_of_a_known_id_keeps_the_id(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread = given.empty()
    given_runs.run_by("wait", thread, _with_id(given_runs, "former"))
    if _under_the_id(given, thread)[-1:] != ["former"]:
        raise Blocked("the graph does not keep the id of a message of its input")
    runs.run_by("wait", thread, _with_id(given_runs, "latter"))
    # Whether the former message is still there is up to the graph.
    shown = _under_the_id(given, thread)
    if shown[-1:] != ["latter"]:
        _require_runs_add_input(given, given_runs, thread)
    assert_equal(shown[-1:], ["latter"], "the content of the message sent last under its id")


@requires("RUN-27")
def test_a_message_of_an_id_of_another_branch_is_kept(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", "first", seconds=0)
    checkpoint = checkpoint_named(given.state(thread))
    given_runs.run_by("wait", thread, _with_id(given_runs, "former"))
    if _under_the_id(given, thread)[-1:] != ["former"]:
        raise Blocked("the graph does not keep the id of a message of its input")
    # The message is edited: the state at the checkpoint does not have it yet.
    runs.run_by("wait", thread, _with_id(runs, "latter", checkpoint=checkpoint))
    shown = _under_the_id(given, thread)
    if shown != ["latter"]:
        _require_runs_from_a_checkpoint(given, given_runs, thread, checkpoint)
    assert_equal(shown, ["latter"], "the content under the id, on the branch of the later run")


@requires("RUN-28")
def test_a_run_from_a_checkpoint_follows_it(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", "first", seconds=0)
    history = given.history(thread)
    middle = newest_with_a_node_next(history)
    known = history.checkpoint_ids()
    # At each of the two, the newest state of the thread is another one.
    for state, body in (
        (middle, runs.without_input("slow")),
        (history.states[0], runs.body("slow", "second", seconds=0)),
    ):
        runs.run_by("wait", thread, {**body, "checkpoint": checkpoint_named(state)})
        after = given.history(thread)
        parent = _parent_of_the_new(after, known)
        if parent != checkpoint_id_of(state):
            _require_parents_in_order(history)
            require_runs_from_a_checkpoint(given, given_runs)
        assert_equal(parent, checkpoint_id_of(state), "the parent of the first state of the run")
        known = after.checkpoint_ids()


def _require_parents_in_order(history: History) -> None:
    """Raise `Blocked` if in a history without a fork a state names another parent than the next."""
    older = history.checkpoint_ids()[1:]
    for state, before in zip(history, older, strict=False):
        if (parent := parent_id_of(state)) not in (None, before):
            raise Blocked(f"{parent} is shown as the parent after {before}", by="STATE-05")


def _parent_of_the_new(history: History, known: list[str]) -> str | None:
    """Return the parent of the oldest ancestor of the newest state that is not `known`."""
    new = {each: state for state in history if (each := checkpoint_id_of(state)) not in known}
    parent = next(iter(new), None)
    if parent is None:
        raise Blocked("a run from a checkpoint leaves no state", by="RUN-CONTROL-16")
    while (state := new.pop(str(parent), None)) is not None:
        parent = parent_id_of(state)
    if parent is None and not any(map(parent_id_of, history)):
        raise Blocked("no state of the history names its parent")
    return parent


@requires("RUN-29")
@pytest.mark.parametrize(
    "graph",
    [
        pytest.param("interrupter", id="asking"),
        pytest.param("nested", id="asking in a subgraph"),
        pytest.param("slow", id="stopped"),
    ],
)
def test_an_input_is_added_where_the_thread_waits(
    given: ThreadsApi, given_runs: Runs, runs: Runs, graph: str
) -> None:
    thread = given.empty()
    members, stops = ({"seconds": 0}, {"interrupt_before": "*"}) if graph == "slow" else ({}, {})
    given_runs.run_to_end(thread, graph, "first", **members, **stops)
    before = given.state(thread)
    if not before.get("next"):
        by = "INTERRUPT-20" if graph == "slow" else "INTERRUPT-02"
        raise Blocked("the thread does not wait", by=by)
    runs.run_to_end(thread, graph, "instead of an answer", **members)
    expected = [*message_contents(before), "instead of an answer"]
    said = message_contents(given.state(thread))[: len(expected)]
    if said != expected:
        _require_second_runs_add_input(given, given_runs)
    assert_equal(said, expected, "the messages, oldest first")


@requires("RUN-30")
def test_a_run_without_an_input_executes_the_failed_node(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "failing")
    failed = given.state(thread).get("next")
    require_some([failed], "the state of a thread in error names no next node")
    answer = client.run_wait(id_of(thread), given_runs.without_input("failing"))
    # The node fails each time, so that a run that ends well has passed it over.
    told = _tells_a_failure(answer)
    if not told:
        first = client.run_wait(id_of(given.empty()), given_runs.body("failing"))
        if not _tells_a_failure(first):
            raise Blocked("a waited run does not tell that its graph failed", by="RUN-CONTROL-17")
    assert_that(told, "an __error__, or a refusal", answer.text)
    assert_equal(given.state(thread).get("next"), failed, "next")


def _tells_a_failure(answer: Answer) -> bool:
    return not answer.ok or bool(run_error(answer))


@requires("RUN-31")
def test_an_empty_input_begins_the_graph(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", seconds=0)
    before = message_contents(given.state(thread))
    if len(before) < 2:
        raise Blocked("the nodes of the slow graph say nothing")
    body = {**given_runs.without_input("slow"), "input": {}}
    answer = threads.ensure_success(client.run_wait(id_of(thread), body), thread)
    if run_error(answer):
        raise Blocked("the slow graph cannot be run with an empty input")
    after = message_contents(given.state(thread))
    if after[: len(before)] != before or len(after) == len(before):
        _require_second_runs_add_input(given, given_runs)
    assert_equal(after[: len(before)], before, "the messages that were there")
    assert_that(len(after) > len(before), "more messages, of the nodes of the graph", after)


@requires("RUN-32")
def test_a_run_does_not_change_the_metadata_of_its_thread(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs
) -> None:
    own = {"colour": "red", "deep": {"er": [1]}}
    thread = given.empty(metadata=own)
    if kept_metadata(given.get(thread), own) != own:
        raise Blocked("GET does not show the metadata of the thread", by="CREATE-11")
    others = {"colour": "blue", "deep": {"er": [2]}, "further": True}
    for way, more in (("wait", {}), ("stream", CREATING), ("background", {})):
        given_runs.run_by(way, thread, given_runs.body("agent", metadata=others, **more))
    assert_equal(kept_metadata(threads.get(thread), own), own, "the metadata of the thread")


@requires("RUN-33")
@pytest.mark.parametrize("way", WAYS)
def test_empty_values_of_the_input_are_written(
    given: ThreadsApi, given_runs: Runs, runs: Runs, graph: GraphSettings, way: str
) -> None:
    thread = given.empty()
    filled = _channels_that_runs_fill(given, thread)
    emptied = emptied_channels(graph, filled)
    body = runs.body("agent", input={**numbered(graph.run_input, 3), **emptied})
    try:
        run_by_way(way, given_runs, runs, thread, body)
    except PromiseBroken:
        # No source says what is answered for a run whose graph raised.
        _require_no_error(given, thread)
        raise
    left = what_is_left(given.state(thread), emptied)
    if left:
        _require_no_error(given, thread)
        _require_runs_replace(given, given_runs, thread, filled, way)
    assert_is(left, {}, "what is left in the channels for which the input has an empty value")


@requires("RUN-34")
def test_each_way_to_run_writes_the_same_channels(
    given: ThreadsApi, given_runs: Runs, runs: Runs, graph: GraphSettings
) -> None:
    channels = {key: graph.channels[key] for key in graph.replacing if key in graph.channels}
    if not (channels and isinstance(graph.run_input, dict)):
        raise Unsupported("the settings name no channel that an input replaces", by=_NO_CHANNEL)
    sent = numbered(channels, 2)
    written: dict[str, tuple[str, ...]] = {}
    for way in WAYS:
        thread = given.empty()
        body = runs.body("agent", input={**numbered(graph.run_input, 2), **sent})
        run_by_way(way, given_runs, runs, thread, body)
        shown = values_of(given.state(thread))
        if not shown:
            raise Blocked(f"a run by {way} leaves no values", by=STATES_REQUIREMENT_BY_WAY[way])
        written[way] = keys_as_predicted(shown, sent)
    every = tuple(key for key in sent if any(key in keys for keys in written.values()))
    if not every:
        raise Unsupported("the graph keeps no channel of its input as it is", by=_NO_CHANNEL)
    for way, keys in written.items():
        assert_equal(keys, every, f"the channels that a run by {way} writes")


def _channels_that_runs_fill(given: ThreadsApi, thread: Thread) -> Values:
    """Run the graph until the channels that an input replaces are full, and return these channels.

    Those that the graph itself fills are left out. `Unsupported` if there is none.
    """
    graph = given.context.graph()
    channels: Values = {}
    if isinstance(graph.run_input, dict):
        given.run(thread)
        emptied = emptied_channels(graph, graph.replacing)
        by_graph = what_is_left(given.state(thread), emptied)
        channels = {key: graph.channels[key] for key in emptied.keys() - by_graph.keys()}
    if channels:
        sent = numbered(channels, 2)
        given.run(thread, input={**numbered(graph.run_input, 2), **sent})
        shown = what_is_left(given.state(thread), channels)
        channels = {key: channels[key] for key in keys_as_predicted(shown, sent)}
    if not channels:
        raise Unsupported(
            "the graph has no channel that the settings say is replaced and that a run fills",
            by=_NO_CHANNEL,
        )
    return channels


def _require_no_error(given: ThreadsApi, thread: Thread) -> None:
    if given.get_settled(thread).get("status") == "error":
        raise Blocked("the graph fails where its channels are empty")


def _require_runs_replace(
    given: ThreadsApi, given_runs: Runs, thread: Thread, channels: Values, way: str
) -> None:
    """Raise `Blocked` if a run of this kind does not replace channels by other full values."""
    sent = numbered(channels, 4)
    run_input = {**numbered(given.context.graph().run_input, 4), **sent}
    given_runs.run_by(way, thread, given_runs.body("agent", input=run_input))
    if keys_as_predicted(values_of(given.state(thread)), sent) != tuple(sent):
        raise Blocked("a run does not replace the channels that its input names")


def _with_id(runs: Runs, text: str, **members: Any) -> dict[str, Any]:
    """Return the body of a run whose message has always the same id."""
    body = runs.body("slow", text, seconds=0, **members)
    messages = [{**each, "id": MESSAGE_ID} for each in body["input"]["messages"]]
    return {**body, "input": {**body["input"], "messages": messages}}


def _under_the_id(given: ThreadsApi, thread: Thread) -> list[Any]:
    """Return the contents of the messages of a thread with the id `MESSAGE_ID`, oldest first."""
    values = given.state(thread)["values"]
    found = [each for each in items_in(values, "messages") if member_of(each, "id") == MESSAGE_ID]
    return [each.get("content") for each in found]


def _require_runs_add_input(given: ThreadsApi, given_runs: Runs, thread: Thread) -> None:
    """Raise `Blocked` if an ordinary run of the thread does not add its input to the messages.

    Called only where another run has not done so: if no run does, another requirement judges it.
    """
    before = message_contents(given.state(thread))
    given_runs.run_to_end(thread, "slow", "ordinary", seconds=0)
    after = message_contents(given.state(thread))
    if after[: len(before) + 1] != [*before, "ordinary"]:
        raise Blocked("a second run does not add its input to the messages", by="RUN-15")


def _require_second_runs_add_input(given: ThreadsApi, given_runs: Runs) -> None:
    """Raise `Blocked` if a run on a plain thread that has come to its end loses messages."""
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", seconds=0)
    _require_runs_add_input(given, given_runs, thread)


def _require_runs_from_a_checkpoint(
    given: ThreadsApi, given_runs: Runs, thread: Thread, checkpoint: dict[str, Any]
) -> None:
    """Raise `Blocked` if an ordinary run from the checkpoint does not begin there."""
    given_runs.run_to_end(thread, "slow", "ordinary", seconds=0, checkpoint=checkpoint)
    said = message_contents(given.state(thread))
    before = message_contents(given.state_at(thread, checkpoint["checkpoint_id"]))
    if said[: len(before) + 1] != [*before, "ordinary"]:
        raise Blocked("a run from a checkpoint does not begin there", by="RUN-CONTROL-16")


def _created_by_a_run(given: ThreadsApi, given_runs: Runs) -> Thread:
    """Return a thread that a run has created, once that run has ended."""
    thread = {"thread_id": given.client.ownership.new_id()}
    tags = {**given.client.tag, **given.context.tag}
    given_runs.run_to_end(thread, "slow", "first", seconds=0, metadata=tags, **CREATING)
    return thread


def _await_statuses(
    given_runs: Runs, thread: Thread, context: CheckContext, expected: list[str]
) -> None:
    """Wait until the runs of a thread have these statuses, sorted; `Blocked` if they do not."""
    shown = context.eventually(
        lambda: sorted(str(run.get("status")) for run in given_runs.list_runs(thread)),
        lambda shown: not set(shown) & set(NOT_ENDED),
        context.settings.run_timeout_s,
    )
    if shown != expected:
        raise Blocked(f"the runs are {shown}, not {expected}", by="RUN-CONTROL-07")


def _ids(runs: Runs, thread: Thread, offset: int = 0, **params: Any) -> list[str]:
    """Return the ids on a page of one run."""
    page = runs.list_runs(thread, limit=1, offset=offset, **params)
    return [str(run.get("run_id")) for run in page]
