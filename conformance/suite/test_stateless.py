"""Runs without a thread of the caller's own."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import require_some
from conformance.checks.events import assert_names_and_json_data, names_of_events
from conformance.checks.expect import assert_equal, assert_is, assert_refused, assert_that
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import Run, Runs, message_contents, run_in, run_of
from conformance.checks.views import Thread, id_of
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.wire.stream_reading import is_event_stream
from conformance.safe_text import excerpt


def start_stateless(api: ThreadsApi, way: str, body: Any) -> Answer:
    """Start a stateless run, or a batch of them, with the tags of the check."""
    return api.ensure_success(api.client.runs.stateless(way, _tagged(api, body)))


def _tagged(api: ThreadsApi, body: Any) -> Any:
    """Return the body of a stateless run, or of a batch, with the tags of the check."""
    if isinstance(body, list):
        return [_tagged(api, each) for each in body]
    tags = {**api.client.tag, **api.context.tag}
    return {**body, "metadata": {**body.get("metadata", {}), **tags}}


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
    _assert_no_thread_left(given, run)


@requires("STATELESS-08")
@pytest.mark.parametrize("way", ["wait", "background"])
def test_a_stateless_run_that_fails_leaves_no_thread(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient, way: str
) -> None:
    body = given_runs.body("failing")
    answer = client.runs.stateless(way, _tagged(given, body))
    if way == "background" or answer.status in (404, 405, 501):
        # A request that waits for a run that fails may be answered in any way.
        given.ensure_success(answer)
    run = run_in(answer)
    if run and way == "background":
        client.run_join(run.thread_id, run.run_id)
    _assert_no_thread_left(given, run)


def _assert_no_thread_left(given: ThreadsApi, run: Run | None) -> None:
    """Assert that in the end neither the thread of a run nor another one of the check is left."""

    def remaining_threads() -> list[str]:
        found = given.search_ids()
        stands = [run.thread_id] if run and given.client.get(run.thread_id).ok else []
        return found + stands

    left_behind = given.context.eventually(
        remaining_threads, lambda threads: not threads, given.context.settings.run_timeout_s
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


@requires("STATELESS-09")
def test_the_thread_of_a_run_that_fails_may_be_kept(
    given: ThreadsApi, given_runs: Runs, context: CheckContext, client: ThreadsClient
) -> None:
    body = given_runs.body("failing", on_completion="keep")
    thread = _thread_of(given, start_stateless(given, "background", body), context, client)
    answer = client.get(id_of(thread))
    if not answer.ok:
        # Blocked if the thread of a run that succeeds is not kept either: STATELESS-03 judges that.
        well = given_runs.body("slow", seconds=0, on_completion="keep")
        given.get(_thread_of(given, start_stateless(given, "background", well), context, client))
    assert_that(answer.ok, "the thread", f"{answer.status} {answer.text}")


def _thread_of(
    given: ThreadsApi, answer: Answer, context: CheckContext, client: ThreadsClient
) -> Thread:
    """Return the thread of a stateless run that keeps it, once the run has ended.

    The thread is found by the ids in the answer or, since these are not published, by the tags.
    """
    if run := run_in(answer):
        client.run_join(run.thread_id, run.run_id)
        return {"thread_id": run.thread_id}
    found = context.eventually(
        lambda: [each for each in given.search() if each.get("status") in ("idle", "error")],
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
    assert_that(is_event_stream(kind), "text/event-stream", kind)
    names = names_of_events(answer.text)
    assert_that("values" in names, "values events", excerpt(answer.text, 300))


@requires("STATELESS-12")
def test_the_events_of_a_stateless_run_have_names_and_json_data(
    threads: ThreadsApi, given_runs: Runs
) -> None:
    answer = start_stateless(threads, "stream", given_runs.body("agent"))
    assert_names_and_json_data(answer.text, by="STATELESS-05")


@requires("STATELESS-06")
def test_a_batch_begins_every_run(threads: ThreadsApi, given_runs: Runs) -> None:
    body = given_runs.body("agent")
    answer = start_stateless(threads, "batch", [body, body])
    runs = answer.body if isinstance(answer.body, list) else []
    # The runs are counted by their ids: the thread id is not published here.
    ids = [each["run_id"] for each in runs if isinstance(each, dict) and "run_id" in each]
    if not ids:
        # No member of the answer is published.
        raise Blocked(f"the answer names no run: {excerpt(answer.text, 300)}")
    assert_equal(len(set(ids)), 2, "the number of different runs")


@requires("STATELESS-10")
def test_each_run_of_a_batch_has_its_metadata(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    shown = [_member_of(runs, each) for each in _batch(given, given_runs)]
    assert_equal(sorted(shown), sorted(_MEMBERS), "metadata.member of the runs")


@requires("STATELESS-11")
def test_each_run_of_a_batch_has_its_input(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs
) -> None:
    said = {}
    batch = _batch(given, given_runs)
    for run in batch:
        given_runs.join(run)
        said[run] = message_contents(threads.state({"thread_id": run.thread_id}))[:1]
    members = {run: _member_of(given_runs, run) for run in batch}
    # If the metadata does not identify the runs, only the texts are compared.
    identified = sorted(members.values()) == sorted(_MEMBERS)
    shown = sorted([members[run] if identified else "", *said[run]] for run in batch)
    expected = sorted([each if identified else "", each] for each in _MEMBERS)
    assert_equal(shown, expected, "metadata.member and first message of the runs")


def _member_of(runs: Runs, run: Run) -> str:
    """Return `metadata.member` of a run, which says which member of the batch it is."""
    metadata = runs.get(run).get("metadata")
    return str(metadata.get("member")) if isinstance(metadata, dict) else ""


#: The texts of the runs of a batch, which are also their `metadata.member`.
_MEMBERS = ("one", "two", "three")


def _batch(given: ThreadsApi, given_runs: Runs) -> list[Run]:
    """Start a batch of different runs that keep their threads, and return the runs."""
    bodies = [
        given_runs.body("slow", each, seconds=0, on_completion="keep", metadata={"member": each})
        for each in _MEMBERS
    ]
    answer = start_stateless(given, "batch", bodies)
    named = answer.body if isinstance(answer.body, list) else []
    found = [run for run in map(run_of, named) if run]
    if not found:
        # No member of the answer is published: then the threads are found by the run's tags.
        made = given.context.eventually(
            given.search,
            lambda made: len(made) == len(_MEMBERS),
            given.context.settings.run_timeout_s,
        )
        found = [given_runs.only_run(each) for each in made]
    if len(set(found)) != len(_MEMBERS):
        raise Blocked(f"of {len(_MEMBERS)} runs {len(set(found))} are found", by="STATELESS-06")
    return found


@requires("STATELESS-07")
def test_an_unknown_assistant_is_refused(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    body = given_runs.body("agent")
    start_stateless(given, "wait", body)
    unknown = {**body, "assistant_id": "no-such-graph-of-threads-conformance"}
    assert_refused(client.runs.stateless("wait", unknown))


@requires("STATELESS-13")
def test_a_batch_that_is_refused_starts_no_run(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    def body(member: str) -> dict[str, Any]:
        return given_runs.body("slow", seconds=0, on_completion="keep", metadata={"member": member})

    unknown = {**body("unknown"), "assistant_id": "no-such-graph-of-threads-conformance"}
    answer = client.runs.stateless("batch", _tagged(given, [body("refused"), unknown]))
    start_stateless(given, "batch", [body("accepted")])
    if answer.ok:
        raise Blocked("a batch with a graph that is not there is accepted")

    # Begun after the other batch: once its thread is found, one of the other would be found too.
    found = given.context.eventually(
        given.search,
        lambda seen: "accepted" in map(_member_shown_by, seen),
        given.context.settings.run_timeout_s,
    )
    named = [each for each in found if _member_shown_by(each)]
    require_some(named, "no search finds the thread of a run by the run's metadata")
    # A refusal may leave threads behind, as a creation that is refused may: runs are what counts.
    others = [each for each in named if _member_shown_by(each) != "accepted"]
    started = [_member_shown_by(each) for each in others if given_runs.list_runs(each)]
    assert_is(started, [], "the runs that were started")


def _member_shown_by(thread: Thread) -> Any:
    metadata = thread.get("metadata")
    return metadata.get("member") if isinstance(metadata, dict) else None
