"""Runs as far as the documents use them: to give a thread a history."""

from collections.abc import Callable
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import lasting_members, require_some
from conformance.checks.expect import (
    assert_equal,
    assert_identical_history,
    assert_no_thread,
    assert_refused,
    assert_that,
)
from conformance.checks.messages import items_sent_in, type_and_content
from conformance.checks.outcomes import Blocked, PromiseBroken, requires
from conformance.checks.runs import STATES_REQUIREMENT_BY_WAY, Runs, message_contents
from conformance.checks.texts_like_escapes import assert_lookalikes_kept
from conformance.checks.views import Thread, id_of, items_of_followed_list, known_checkpoint_id
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import GraphSettings, numbered
from conformance.safe_text import excerpt

#: Ways to run a graph on a thread to its end.
Way = Callable[..., None]


def wait(api: ThreadsApi, thread: Thread, number: int = 1) -> None:
    """Run the graph, and wait for its end."""
    api.run(thread, number)


def stream(api: ThreadsApi, thread: Thread, number: int = 1) -> None:
    """Run the graph by stream, and read the stream to its end."""
    body = api.run_body(number, stream_mode=["values"])
    answer = api.ensure_success(api.client.run_stream(id_of(thread), body), thread)
    if "event: error" in answer.text:
        raise PromiseBroken("a stream without an error", answer.text[-300:])


def background(api: ThreadsApi, thread: Thread, number: int = 1) -> None:
    """Start a run in the background, and join it."""
    # The tag proves that the run is ours, so that its answers may be recorded.
    body = api.run_body(number, metadata=api.client.tag)
    answer = api.ensure_success(api.client.run_background(id_of(thread), body), thread)
    run_id = answer.body.get("run_id") if isinstance(answer.body, dict) else None
    assert_that(isinstance(run_id, str), "a run with run_id", excerpt(answer.text, 200))
    api.ensure_success(api.client.run_join(id_of(thread), str(run_id)))


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(wait, marks=requires("RUN-01", offers="run_wait")),
        pytest.param(stream, marks=requires("RUN-02", offers="run_stream")),
        pytest.param(background, marks=requires("RUN-03", offers="run_background run_join")),
    ],
)
def test_a_run_makes_history(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings, way: Way
) -> None:
    thread = given.empty()
    way(threads, thread)
    assert_that(len(threads.history(thread)) > 0, "a history", "no state")


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(wait, marks=requires("RUN-04")),
        pytest.param(stream, marks=requires("RUN-05")),
        pytest.param(background, marks=requires("RUN-06")),
    ],
)
def test_it_copies_identically(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings, way: Way
) -> None:
    thread = given.empty()
    _run_or_block(way, given, thread, 1)
    source = given.history(thread)
    if not len(source):
        raise Blocked("the run left no state in the history")
    copy = threads.copy(thread)
    assert_identical_history(threads.history(copy), source)


@requires("RUN-08")
def test_a_run_starts_from_the_state(given: ThreadsApi, graph: GraphSettings) -> None:
    thread = given.prepopulated()
    before = items_of_followed_list(given.state(thread), graph)
    given.run(thread, 5)
    after = items_of_followed_list(given.state(thread), graph)
    assert_equal(after[: len(before)], before, "the messages that were there")
    sent = items_sent_in({"values": numbered(graph.run_input, 5)}, graph)
    require_some([before, sent], "neither the supersteps nor the input append anything")
    added = type_and_content(after[len(before) :])
    assert_equal(added[: len(sent)], sent, "the messages of the input")


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(wait, marks=requires("RUN-15")),
        pytest.param(stream, marks=requires("RUN-16")),
        pytest.param(background, marks=requires("RUN-17")),
    ],
)
def test_two_runs_add_their_inputs(given: ThreadsApi, graph: GraphSettings, way: Way) -> None:
    thread = given.empty()
    first, second = (
        items_sent_in({"values": numbered(graph.run_input, number)}, graph) for number in (1, 2)
    )
    require_some([first, second], "the input appends nothing")
    _run_or_block(way, given, thread, 1)
    before = items_of_followed_list(given.state(thread), graph)
    require_some(
        [before], "the first run left no messages", STATES_REQUIREMENT_BY_WAY[way.__name__]
    )
    begun = type_and_content(before)
    assert_equal(begun[: len(first)], first, "the messages of the first input")
    _run_or_block(way, given, thread, 2)
    after = items_of_followed_list(given.state(thread), graph)
    assert_equal(after[: len(before)], before, "the messages after the first run")
    added = type_and_content(after[len(before) :])
    assert_equal(added[: len(second)], second, "the messages of the second input")


@requires("RUN-18")
@pytest.mark.parametrize("way", ["wait", "stream", "background"])
def test_a_checkpoint_counts_for_its_run_alone(
    given: ThreadsApi, given_runs: Runs, way: str
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", "first", seconds=0)
    checkpoint_id = known_checkpoint_id(given.state(thread))
    require_some([checkpoint_id], "the state after a run names no checkpoint", "RUN-01")
    checkpoint = {"checkpoint_id": checkpoint_id, "checkpoint_ns": ""}
    body = given_runs.body("slow", "second", seconds=0, checkpoint=checkpoint)
    given_runs.run_by(way, thread, body)
    before = message_contents(given.state(thread))
    if "second" not in before:
        raise Blocked("the run from a checkpoint did not add its input", by="RUN-CONTROL-16")
    given_runs.run_to_end(thread, "slow", "third", seconds=0)
    after = message_contents(given.state(thread))
    assert_equal(after[: len(before) + 1], [*before, "third"], "the messages, oldest first")


@requires("RUN-09")
def test_a_run_keeps_the_history(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    thread = given.long(12)
    before = given.history(thread, 12)
    given.run(thread)
    after = threads.history(thread)
    require_some(before, "the history holds no state", "HISTORY-01")
    there = lasting_members(after)[-len(before) :]
    assert_equal(there, lasting_members(before), "the states that were there")


@requires("RUN-10")
def test_a_thread_is_idle_after_its_run(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, graph: GraphSettings
) -> None:
    thread = given.empty()
    given.run(thread)
    shown = context.eventually(
        lambda: threads.get(thread).get("status"), lambda status: status == "idle"
    )
    assert_equal(shown, "idle", "status")


@requires("RUN-11")
def test_a_waited_run_answers_the_values(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    thread = given.empty()
    output = threads.run(thread)
    values = given.state(thread)["values"]
    require_some([values], "the state has no values", "STATE-01")
    assert_equal(output, values, "the final output")


@requires("RUN-12")
@pytest.mark.parametrize("way", ["wait", "stream", "background"])
def test_an_unknown_thread_is_refused(
    given: ThreadsApi, client: ThreadsClient, graph: GraphSettings, way: str
) -> None:
    _require_runs(given, way)
    absent = client.ownership.absent_id()
    assert_refused(_start(client, way, absent, given.run_body()))
    assert_no_thread(given, absent)


@requires("RUN-13")
@pytest.mark.parametrize("way", ["wait", "stream", "background"])
def test_an_unknown_assistant_is_refused(
    given: ThreadsApi, client: ThreadsClient, graph: GraphSettings, way: str
) -> None:
    _require_runs(given, way)
    body = {**given.run_body(), "assistant_id": "no-such-graph-of-threads-conformance"}
    assert_refused(_start(client, way, id_of(given.empty()), body))


@requires("RUN-14")
def test_a_background_run_is_answered_as_a_run(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, graph: GraphSettings
) -> None:
    thread = given.empty()
    answer = threads.ensure_success(client.run_background(id_of(thread), given.run_body()), thread)
    run = answer.body if isinstance(answer.body, dict) else {}
    assert_that(isinstance(run.get("run_id"), str), "a run with run_id", excerpt(answer.text, 200))
    assert_equal(run.get("thread_id"), id_of(thread), "thread_id of the run")
    given.ensure_success(client.run_join(id_of(thread), run["run_id"]))


@requires("RUN-20")
def test_texts_that_look_like_escapes_are_kept(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    def run(api: ThreadsApi, values: dict[str, Any]) -> Any:
        thread = given.empty()
        api.run(thread, input=values)
        return given.state(thread)["values"]

    like = graph.run_input if isinstance(graph.run_input, dict) else {}
    assert_lookalikes_kept(given, threads, run, like)


def _run_or_block(way: Way, given: ThreadsApi, thread: Thread, number: int) -> None:
    """Run the graph; `Blocked` if the run breaks a promise, which is judged elsewhere."""
    try:
        way(given, thread, number)
    except PromiseBroken as broken:
        raise Blocked.because(broken) from None


def _require_runs(given: ThreadsApi, way: str) -> None:
    """Block the check unless a run of the graph is accepted: a refusal would prove nothing."""
    run = {"wait": wait, "stream": stream, "background": background}[way]
    _run_or_block(run, given, given.empty(), 1)


def _start(client: ThreadsClient, way: str, thread_id: str, body: dict[str, object]) -> Answer:
    start = {
        "wait": client.run_wait,
        "stream": client.run_stream,
        "background": client.run_background,
    }
    return start[way](thread_id, body)
