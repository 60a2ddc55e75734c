"""A second run on a thread while another one is in progress."""

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.events import data_of
from conformance.checks.expect import assert_equal, assert_refused, assert_that
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import NOT_ENDED, Run, Runs, message_contents
from conformance.checks.views import Thread, id_of
from conformance.deployment.client import Answer, ThreadsClient

#: The ways to make a second run that is answered at its end; the third way, in the background, is
#: judged by MULTITASK-01 to -07.
ANSWERED = pytest.mark.parametrize("way", ["wait", "stream"])
#: Seconds until a delayed run begins: more than any check lasts.
_DELAY_S = 600.0


@requires("MULTITASK-01")
def test_reject_refuses_the_second_run(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    run = given_runs.start_long(thread)
    answer = client.run_background(
        id_of(thread), given_runs.body("agent", multitask_strategy="reject")
    )
    if given_runs.status(run) != "running":
        raise Blocked("the first run did not go on for as long as it should")
    assert_refused(answer)


@requires("MULTITASK-02")
def test_reject_leaves_the_first_run_alone(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    run = given_runs.start(thread, "slow", "first", seconds=1)
    body = given_runs.body("slow", "second", seconds=0, multitask_strategy="reject")
    if client.run_background(id_of(thread), body).ok:
        raise Blocked("the second run was not rejected", by="MULTITASK-01")
    given_runs.join(run)
    assert_equal(runs.status_once_ended(run), "success", "the status of the first run")
    said = message_contents(given.state(thread))
    assert_that("second" not in said and "first" in said, "the first run's messages alone", said)
    assert_equal(len(runs.list_runs(thread)), 1, "the number of runs")


@requires("MULTITASK-03")
def test_enqueue_runs_one_after_the_other(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    texts = ["first", "second", "third"]
    started = [given_runs.start(thread, "slow", "first", seconds=1)]
    # Two runs wait: a single one would not show whether the oldest or the newest begins next.
    for text in texts[1:]:
        started.append(runs.enqueue(thread, "slow", text, seconds=0))
    for run in started[1:]:
        given_runs.join(run)
    said = message_contents(given.state(thread))
    statuses = [runs.status_once_ended(run) for run in started]
    assert_equal(statuses, ["success"] * len(texts), "the statuses of the runs")
    share = len(said) // len(texts)
    parts = [said[number * share : (number + 1) * share] for number in range(len(texts))]
    assert_equal([part[:1] for part in parts], [[text] for text in texts], "where each began")
    added = [part[1:] for part in parts]
    if added != [added[0]] * len(texts):
        # What a graph says may depend on what was said before.
        plain = given.empty()
        for text in texts:
            given_runs.run_to_end(plain, "slow", text, seconds=0)
        assert_equal(
            said, message_contents(given.state(plain)), "what runs say that are waited for"
        )


@requires("MULTITASK-04")
def test_enqueue_is_the_default(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    given_runs.start(thread, "slow", seconds=1)
    second = runs.start(thread, "agent")
    strategy = runs.get(second).get("multitask_strategy")
    assert_equal(strategy, "enqueue", "multitask_strategy")


@requires("MULTITASK-05")
def test_interrupt_stops_the_first_run(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    first = given_runs.start_long(thread)
    second = runs.start(thread, "agent", multitask_strategy="interrupt")
    given_runs.join(second)
    assert_equal(runs.status_once_ended(second), "success", "the status of the second run")
    status = runs.status_once_ended(first)
    assert_that(status not in (*NOT_ENDED, "success"), "the first run stopped", status)


@requires("MULTITASK-05")
def test_the_first_run_does_nothing_more(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    given_runs.start_long(thread, "first")
    second = runs.start(thread, "slow", "second", seconds=0, multitask_strategy="interrupt")
    given_runs.join(second)
    _assert_partial_before_second(given, given_runs, thread, by="RUN-17")


@requires("MULTITASK-06")
def test_interrupt_keeps_what_the_first_run_did(
    given: ThreadsApi, given_runs: Runs, runs: Runs
) -> None:
    thread = given.empty()
    given_runs.start_long(thread, "first")
    done = message_contents(given.state(thread))
    second = given_runs.start(thread, "slow", "second", seconds=0, multitask_strategy="interrupt")
    given_runs.join(second)
    said = message_contents(given.state(thread))
    assert_equal(said[: len(done)], done, "the first messages")
    assert_that("second" in said, "the message of the second run after them", said)


@requires("MULTITASK-07")
def test_rollback_undoes_the_first_run(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", "before", seconds=0)
    before = message_contents(given.state(thread))
    kept = set(given.history(thread).checkpoint_ids())
    first = given_runs.start_long(thread, "first")
    undone = set(given.history(thread).checkpoint_ids()) - kept
    second = given_runs.start(thread, "slow", "second", seconds=0, multitask_strategy="rollback")
    given_runs.join(second)
    said = message_contents(given.state(thread))
    assert_equal(said[: len(before) + 1], [*before, "second"], "the first messages")
    left = undone & set(given.history(thread).checkpoint_ids())
    assert_that(not left, "no state of the run that was rolled back", left)
    listed = given.context.eventually(
        lambda: [run.get("run_id") for run in runs.list_runs(thread)],
        lambda ids: first.run_id not in ids,
    )
    assert_that(first.run_id not in listed, "no run that was rolled back in the list", listed)
    assert_refused(client.runs.get(first.thread_id, first.run_id))


@requires("MULTITASK-08")
@ANSWERED
def test_reject_refuses_a_run_that_is_awaited(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient, way: str
) -> None:
    thread = given.empty()
    # The way must succeed first, so that the refusal is about the busy thread.
    given_runs.run_by(way, thread, given_runs.body("agent"))
    given_runs.start_long(thread)
    body = given_runs.body("agent", multitask_strategy="reject")
    assert_refused(_send_run(client, way, thread, body))


@requires("MULTITASK-09")
@ANSWERED
def test_an_awaited_run_stops_the_first(
    given: ThreadsApi, given_runs: Runs, runs: Runs, way: str
) -> None:
    thread = given.empty()
    first = given_runs.start_long(thread)
    runs.run_by(way, thread, runs.body("agent", multitask_strategy="interrupt"))
    status = runs.status_once_ended(first)
    assert_that(status not in (*NOT_ENDED, "success"), "the first run stopped", status)
    statuses = given.context.eventually(
        lambda: [
            run.get("status")
            for run in given_runs.list_runs(thread)
            if run.get("run_id") != first.run_id
        ],
        lambda shown: not set(map(str, shown)) & set(NOT_ENDED),
    )
    assert_equal(statuses, ["success"], "the status of the second run")


@requires("MULTITASK-09")
@ANSWERED
def test_the_first_run_does_nothing_more_before_an_awaited_run(
    given: ThreadsApi, given_runs: Runs, runs: Runs, way: str
) -> None:
    thread = given.empty()
    given_runs.start_long(thread, "first")
    runs.run_by(way, thread, runs.body("slow", "second", seconds=0, multitask_strategy="interrupt"))
    by = {"wait": "RUN-15", "stream": "RUN-16"}[way]
    _assert_partial_before_second(given, given_runs, thread, by)


@requires("MULTITASK-10")
@ANSWERED
def test_an_awaited_run_waits_for_the_first(
    given: ThreadsApi, given_runs: Runs, runs: Runs, way: str
) -> None:
    thread = given.empty()
    first = given_runs.start(thread, "slow", "first", seconds=1)
    body = runs.body("slow", "second", seconds=0, multitask_strategy="enqueue")
    runs.run_by(way, thread, body)
    assert_equal(runs.status_once_ended(first), "success", "the status of the first run")
    said = message_contents(given.state(thread))
    half = len(said) // 2
    assert_equal([said[:1], said[half : half + 1]], [["first"], ["second"]], "where each began")


@requires("MULTITASK-11")
@ANSWERED
def test_an_awaited_run_undoes_the_first(
    given: ThreadsApi, given_runs: Runs, runs: Runs, way: str
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", "before", seconds=0)
    before = message_contents(given.state(thread))
    given_runs.start_long(thread, "first")
    body = runs.body("slow", "second", seconds=0, multitask_strategy="rollback")
    runs.run_by(way, thread, body)
    said = message_contents(given.state(thread))
    assert_equal(said[: len(before) + 1], [*before, "second"], "the first messages")


@requires("MULTITASK-12")
@ANSWERED
def test_an_awaited_run_is_accepted_by_default(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, client: ThreadsClient, way: str
) -> None:
    thread = given.empty()
    first = given_runs.start(thread, "slow", seconds=1)
    _require_under_way(given_runs, first)
    threads.ensure_success(_send_run(client, way, thread, given_runs.body("agent")), thread)


@requires("MULTITASK-13")
def test_reject_refuses_a_run_while_another_waits(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    body = given_runs.body("agent", multitask_strategy="reject")
    # The run must be accepted where no run waits, so that the refusal is about the waiting run.
    given_runs.run_by("background", given.empty(), body)
    thread = given.empty()
    waiting = _start_delayed(given_runs, thread)
    answer = client.run_background(id_of(thread), body)
    if (shown := given_runs.status(waiting)) != "pending":
        raise Blocked(f"the run with after_seconds is {shown} meanwhile")
    assert_refused(answer)


@requires("MULTITASK-14")
@pytest.mark.parametrize("strategy", ["interrupt", "rollback"])
def test_a_run_does_not_wait_for_one_that_is_delayed(
    given: ThreadsApi, given_runs: Runs, runs: Runs, strategy: str
) -> None:
    thread = given.empty()
    _start_delayed(given_runs, thread)
    second = runs.start(thread, "agent", multitask_strategy=strategy)
    assert_equal(
        runs.status_once_ended_or_deleted(second), "success", "the status of the second run"
    )


@requires("MULTITASK-15")
@ANSWERED
def test_an_enqueued_run_is_answered_with_its_own_output(
    given: ThreadsApi, given_runs: Runs, runs: Runs, way: str
) -> None:
    thread = given.empty()
    first = given_runs.start(thread, "slow", "first", seconds=1)
    _require_under_way(given_runs, first)
    members = {"seconds": 0, "multitask_strategy": "enqueue"}
    if way == "wait":
        output = runs.run_to_end(thread, "slow", "second", **members)
    else:
        events = runs.events(thread, "slow", "second", stream_mode="values", **members)
        output = (data_of(events, "values") or [None])[-1]
    answered = message_contents({"values": output})
    if (shown := given_runs.status_once_ended(first)) in NOT_ENDED:
        raise Blocked(f"the first run is {shown} after the second", by="MULTITASK-10")
    if "second" not in (said := message_contents(given.state(thread))):
        raise Blocked(f"the second run left nothing in the state: {said}", by="MULTITASK-10")
    # Whether the answer is all that the state holds is judged by RUN-11 and STREAM-03.
    assert_that("second" in answered, "the message of the second run in the answer", answered)


@requires("MULTITASK-16")
def test_reject_accepts_a_run_after_a_failure_and_beside_a_question(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    given_runs.run_to_end(thread, "failing")
    # In turn after a failure, beside a question, and after a run that came to its end.
    for body in (
        given_runs.body("interrupter"),
        given_runs.without_input("interrupter", command={"resume": "yes"}),
        given_runs.body("slow", seconds=0),
    ):
        given.get_settled(thread)
        answer = client.run_wait(id_of(thread), {**body, "multitask_strategy": "reject"})
        if not answer.ok:
            # Blocked if the run is refused without the strategy too.
            given.ensure_success(client.run_wait(id_of(thread), body), thread)
        threads.ensure_success(answer, thread)


def _assert_partial_before_second(
    given: ThreadsApi, given_runs: Runs, thread: Thread, by: str
) -> None:
    """Assert that a slow run wrote fewer messages than a whole one before the message "second".

    The status of the run proves nothing: it may say "stopped" while the run continues. `Blocked` by
    the requirement `by`, which says that a second run adds its input, if that message is missing.
    """
    plain = given.empty()
    given_runs.run_to_end(plain, "slow", seconds=0)
    whole = len(message_contents(given.state(plain)))
    if whole < 2:
        raise Blocked(f"a whole run leaves {whole} messages", by="RUN-01")
    said = message_contents(given.state(thread))
    if "second" not in said:
        raise Blocked(f"the second run does not add its input: {said}", by=by)
    before = said.index("second")
    assert_that(before < whole, f"fewer than the {whole} messages of a whole run before it", said)


def _send_run(client: ThreadsClient, way: str, thread: Thread, body: dict[str, Any]) -> Answer:
    return {"wait": client.run_wait, "stream": client.run_stream}[way](id_of(thread), body)


def _require_under_way(given_runs: Runs, run: Run) -> None:
    if (shown := given_runs.status(run)) not in NOT_ENDED:
        raise Blocked(f"the first run, which takes a second, is {shown} already")


def _start_delayed(given_runs: Runs, thread: Thread) -> Run:
    """Start a run that does not begin while the check lasts; `Blocked` if it is not pending."""
    run = given_runs.start(thread, "agent", after_seconds=_DELAY_S)
    if (shown := given_runs.status(run)) != "pending":
        raise Blocked(f"a run with after_seconds is {shown}", by="RUN-CONTROL-15")
    return run
