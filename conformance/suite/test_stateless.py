"""Runs without a thread of the caller's own."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.context import CheckContext
from conformance.checks.events import data_of, parse_events
from conformance.checks.expect import assert_equal, assert_is, assert_refused, assert_that
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import Runs, message_contents, run_in, run_of
from conformance.checks.views import Thread
from conformance.deployment.client import Answer, ThreadsClient
from conformance.excerpt import excerpt


def start_stateless(api: ThreadsApi, way: str, body: Any) -> Answer:
    """Start a stateless run, or a batch of them, with the tags of the check."""
    tags = {**api.client.tag, **api.context.tag}
    tagged = [{**each, "metadata": tags} for each in body] if way == "batch" else body
    if way != "batch":
        tagged = {**body, "metadata": tags}
    return api.ensure_success(api.client.runs.stateless(way, tagged))


@requires("STATELESS-01")
def test_a_stateless_run_is_answered(threads: ThreadsApi, given_runs: Runs) -> None:
    answer = start_stateless(threads, "wait", given_runs.body("slow", "first", seconds=0))
    said = message_contents({"values": answer.body})
    assert_equal(said[:1], ["first"], "the first message")
    assert_that(len(said) > 1, "messages beyond the input", said)


@requires("STATELESS-02")
@pytest.mark.parametrize("way", ["wait", "stream", "background", "batch"])
def test_a_stateless_run_leaves_no_thread(
    given: ThreadsApi, given_runs: Runs, context: CheckContext, client: ThreadsClient, way: str
) -> None:
    body = given_runs.body("agent")
    answer = start_stateless(given, way, [body] if way == "batch" else body)
    first = answer.body[0] if way == "batch" and answer.body else answer.body
    run = run_in(answer) or run_of(first)
    if run and way in ("background", "batch"):
        client.run_join(run.thread_id, run.run_id)

    def remaining_threads() -> list[str]:
        found = given.search_ids()
        stands = [run.thread_id] if run and client.get(run.thread_id).ok else []
        return found + stands

    left_behind = context.eventually(
        remaining_threads, lambda threads: not threads, context.settings.run_timeout_s
    )
    assert_is(left_behind, [], "the threads that are left")
    if run is None:
        # No member of the answer is published: without ids in it, no thread is known.
        raise Blocked("no search finds a thread of the run, and the answer names none")


@requires("STATELESS-03")
def test_the_thread_may_be_kept(
    given: ThreadsApi,
    threads: ThreadsApi,
    given_runs: Runs,
    context: CheckContext,
    client: ThreadsClient,
) -> None:
    body = given_runs.body("slow", "kept", seconds=0, on_completion="keep")
    thread = _thread_of(given, start_stateless(given, "background", body), context, client)
    assert_equal(message_contents(threads.state(thread))[:1], ["kept"], "the first message")
    assert_that(len(threads.history(thread)) > 0, "a history", "no state")


def _thread_of(
    given: ThreadsApi, answer: Answer, context: CheckContext, client: ThreadsClient
) -> Thread:
    """Return the thread of a stateless run that keeps it, once the run has ended.

    It is found by the ids in the answer or, since these are not published, by the run's tags.
    """
    if run := run_in(answer):
        client.run_join(run.thread_id, run.run_id)
        return {"thread_id": run.thread_id}
    found = context.eventually(
        lambda: [each for each in given.search() if each.get("status") == "idle"],
        bool,
        context.settings.run_timeout_s,
    )
    if not found:
        raise Blocked("the answer names no thread, and no search finds one by the run's metadata")
    return found[0]


@requires("STATELESS-04")
def test_stateless_runs_know_nothing_of_each_other(threads: ThreadsApi, given_runs: Runs) -> None:
    said = [
        message_contents(
            {"values": start_stateless(threads, "wait", given_runs.body("slow", text)).body}
        )
        for text in ("one", "other")
    ]
    assert_that("one" in said[0], "what the first run was told", said[0])
    assert_that("one" not in said[1] and "other" in said[1], "only the second's", said[1])


@requires("STATELESS-05")
def test_a_stateless_run_can_be_streamed(threads: ThreadsApi, given_runs: Runs) -> None:
    answer = start_stateless(threads, "stream", given_runs.body("agent"))
    kind = answer.headers.get("content-type", "")
    assert_that(kind.startswith("text/event-stream"), "text/event-stream", kind)
    values = data_of(parse_events(answer.text), "values")
    assert_that(bool(values), "values events", excerpt(answer.text, 300))


@requires("STATELESS-06")
def test_a_batch_begins_every_run(threads: ThreadsApi, given_runs: Runs) -> None:
    body = given_runs.body("agent")
    answer = start_stateless(threads, "batch", [body, body])
    runs = answer.body if isinstance(answer.body, list) else []
    # By the ids of the runs: the thread id is not published here.
    ids = [each["run_id"] for each in runs if isinstance(each, dict) and "run_id" in each]
    if not ids:
        # No member of the answer is published.
        raise Blocked(f"the answer names no run: {excerpt(answer.text, 300)}")
    assert_equal(len(set(ids)), 2, "the number of different runs")


@requires("STATELESS-07")
def test_an_unknown_assistant_is_refused(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    body = given_runs.body("agent")
    start_stateless(given, "wait", body)
    unknown = {**body, "assistant_id": "no-such-graph-of-threads-conformance"}
    assert_refused(client.runs.stateless("wait", unknown))
