"""Runs that are interrupted: their output, unusual answers, and several interrupts at once."""

from functools import partial
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import require_some
from conformance.checks.concurrency import run_together
from conformance.checks.expect import assert_equal, assert_that
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.required_runs import require_runs_from_a_checkpoint
from conformance.checks.runs import Runs, message_contents
from conformance.checks.shown_interrupts import INTERRUPT, interrupts_answered, interrupts_in
from conformance.checks.views import State, Thread, checkpoint_named, id_of
from conformance.deployment.client import ThreadsClient

#: A text of the form of interrupt ids, which are hashes of 128 bits, that is no interrupt's id.
_LIKE_AN_ID = "0123456789abcdef0123456789abcdef"
#: A text that contains the name of the member: a server that searches texts for it finds it there.
_NAMING = f'only a text: {{"{INTERRUPT}": []}}'
#: Ways to get the output of a run as an answer, each with the requirement that says so.
_OUTPUT_REQUIREMENT_BY_WAY = {
    "wait": "RUN-11",
    "join": "RUN-CONTROL-10",
    "stateless": "STATELESS-01",
}


@pytest.fixture
def interrupted(given: ThreadsApi, given_runs: Runs) -> Thread:
    """Create a thread whose graph was interrupted and waits for an answer."""
    return _waiting(given, given_runs)


def _waiting(given: ThreadsApi, given_runs: Runs) -> Thread:
    thread = given.empty()
    given_runs.run_to_end(thread, "interrupter", "question")
    if not given.state(thread).get("next"):
        raise Blocked("the thread does not wait for an answer", by="INTERRUPT-02")
    return thread


@requires("INTERRUPT-23")
def test_waiting_shows_the_question(given: ThreadsApi, runs: Runs) -> None:
    thread = given.empty()
    answer = runs.run_to_end(thread, "interrupter", "question")
    _assert_asks(answer, given.state(thread))


@requires("INTERRUPT-24")
def test_joining_shows_the_question(given: ThreadsApi, given_runs: Runs, runs: Runs) -> None:
    thread = given.empty()
    run = given_runs.start(thread, "interrupter", "question")
    at_once = runs.join(run)
    if given_runs.status_once_ended(run) in ("pending", "running"):
        raise Blocked("join answers while the run is under way", by="RUN-CONTROL-09")
    state = given.state(thread)
    _assert_asks(at_once, state)
    _assert_asks(runs.join(run), state)


@requires("INTERRUPT-25")
def test_a_text_is_no_question(given: ThreadsApi, given_runs: Runs, client: ThreadsClient) -> None:
    outputs = run_together(
        *[
            partial(_output, given, given_runs, client, way, _NAMING)
            for way in _OUTPUT_REQUIREMENT_BY_WAY
        ]
    )
    for (answer, said), (way, by) in zip(outputs, _OUTPUT_REQUIREMENT_BY_WAY.items(), strict=True):
        require_some(said, "the run leaves no messages", "RUN-08")
        members = answer if isinstance(answer, dict) else {}
        if INTERRUPT not in members and message_contents({"values": members}) == said:
            assert_that(True, "the messages, and no interrupt", answer)
            continue
        plain, said_then = _output(given, given_runs, client, way, "a plain text")
        if message_contents({"values": plain}) != said_then:
            raise Blocked("a run is not answered with the values after it", by=by)
        assert_that(False, f"the messages {said}, as after another text, and no interrupt", answer)


@requires("INTERRUPT-26")
def test_a_run_without_an_answer_answers_nothing(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient, interrupted: Thread
) -> None:
    _answer_interrupt(given, given_runs, interrupted)
    given_runs.run_to_end(interrupted, "interrupter", "question again")
    before = given.state(interrupted)
    if not before.get("next"):
        raise Blocked("the thread does not ask again", by="INTERRUPT-02")
    answer = client.run_wait(id_of(interrupted), given_runs.without_input("interrupter"))
    if answer.status >= 500:
        given.ensure_success(answer, interrupted)
    after = given.state(interrupted)
    said = {"next": after.get("next"), "messages": message_contents(after)}
    assert_equal(
        said,
        {"next": before.get("next"), "messages": message_contents(before)},
        "what the thread waits for, and says",
    )


@requires("INTERRUPT-27")
def test_an_object_of_hexadecimal_keys_arrives_whole(
    given: ThreadsApi, runs: Runs, interrupted: Thread
) -> None:
    runs.resume(interrupted, "interrupter", {_LIKE_AN_ID: "under a hash"})
    said = message_contents(given.state(interrupted))
    last = str(said[-1]) if said else ""
    holds = _LIKE_AN_ID in last and "under a hash" in last
    assert_that(holds, f"a last message with {_LIKE_AN_ID!r} and its value", said)


@requires("INTERRUPT-28")
def test_each_of_several_questions_is_answered(
    given: ThreadsApi, given_runs: Runs, runs: Runs, interrupted: Thread
) -> None:
    ids = _interrupt_two_tasks(given, given_runs, interrupted)
    assert_that(len(set(ids)) == len(ids), "ids that differ", ids)
    runs.resume(interrupted, "interrupter", {ids[0]: "answer one", ids[1]: "answer two"})
    _assert_both_answered(given.state(interrupted), ids)


@requires("INTERRUPT-29")
def test_several_questions_are_answered_one_by_one(
    given: ThreadsApi, given_runs: Runs, runs: Runs, interrupted: Thread
) -> None:
    ids = _interrupt_two_tasks(given, given_runs, interrupted)
    if len(set(ids)) < len(ids):
        raise Blocked("both questions have the same id", by="INTERRUPT-28")
    # The later interrupt is answered first, so that answers come in another order than interrupts.
    left = interrupts_answered(runs.resume(interrupted, "interrupter", {ids[1]: "answer one"}))
    assert_equal([each.get("id") for each in left], [ids[0]], "the interrupts that are left")
    runs.resume(interrupted, "interrupter", {ids[0]: "answer two"})
    _assert_both_answered(given.state(interrupted), ids)


def _assert_asks(answer: Any, state: State) -> None:
    asked = [each.get("value") for each in interrupts_in(state)]
    if not asked:
        raise Blocked("no task of the state shows an interrupt", by="INTERRUPT-02")
    shown = [each.get("value") for each in interrupts_answered(answer)]
    assert_equal(shown, asked, f"the values under {INTERRUPT}")


@requires("INTERRUPT-30")
@pytest.mark.parametrize("way", ["wait", "stream", "background"])
def test_a_command_updates_and_goes_on(
    given: ThreadsApi, runs: Runs, given_runs: Runs, way: str
) -> None:
    alone, with_update = _waiting(given, given_runs), _waiting(given, given_runs)
    node = _answer_interrupt(given, given_runs, alone)
    given_runs.run_by(way, alone, given_runs.without_input("interrupter", command={"goto": node}))
    if not _answer_resumes_again(given, given_runs, alone):
        raise Blocked("goto alone does not lead to the node that asks")
    _answer_interrupt(given, given_runs, with_update)
    update = {"messages": [{"type": "human", "content": "note this before"}]}
    command = {"goto": node, "update": update}
    runs.run_by(way, with_update, runs.without_input("interrupter", command=command))
    asked = _answer_resumes_again(given, given_runs, with_update)
    said = message_contents(given.state(with_update))
    assert_that(asked, "the node of goto to ask", said)
    assert_that("note this before" in said, "the message of the update", said)


@requires("INTERRUPT-31")
def test_an_older_question_is_answered_at_its_checkpoint(
    given: ThreadsApi, given_runs: Runs, runs: Runs, interrupted: Thread
) -> None:
    asked = given.state(interrupted)
    given_runs.run_to_end(interrupted, "interrupter", "a later message")
    left = given.state(interrupted)
    if not left.get("next") or message_contents(left) == message_contents(asked):
        raise Blocked("a run with an input where the thread asks does not ask again", by="RUN-29")
    answer = "of the older question"
    body = runs.without_input(
        "interrupter", checkpoint=checkpoint_named(asked), command={"resume": answer}
    )
    runs.run_by("wait", interrupted, body)
    before = message_contents(asked)
    added = _messages_of_an_answer(given, given_runs, answer)
    said = message_contents(given.state(interrupted))
    held = len(said) == len(before) + added and answer in str(said[-1])
    if said[: len(before)] != before or not held:
        require_runs_from_a_checkpoint(given, given_runs)
    assert_equal(said[: len(before)], before, "the messages at the checkpoint")
    assert_that(held, f"{added} more, the last of which holds the answer", said)


def _messages_of_an_answer(given: ThreadsApi, given_runs: Runs, answer: str) -> int:
    """Return how many messages the graph adds once it is answered where no later message was."""
    thread = _waiting(given, given_runs)
    before = message_contents(given.state(thread))
    given_runs.resume(thread, "interrupter", answer)
    added = message_contents(given.state(thread))[len(before) :]
    if answer not in str(added[-1:]):
        raise Blocked(f"the answer to the newest question leaves {added}", by="INTERRUPT-05")
    return len(added)


@requires("INTERRUPT-32")
def test_a_second_answer_changes_nothing(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient, interrupted: Thread
) -> None:
    asked = interrupts_in(given.state(interrupted))
    given_runs.resume(interrupted, "interrupter", "the first answer")
    before = given.state(interrupted)
    said = message_contents(before)
    if before.get("next"):
        raise Blocked("the thread that was answered goes on", by="INTERRUPT-06")
    if "the first answer" not in str(said[-1:]):
        raise Blocked("the first answer does not reach its node", by="INTERRUPT-05")
    # Somebody who answers as well, from a screen that still shows the question.
    answers: list[Any] = ["the second answer"]
    answers += [{str(each["id"]): "the third answer"} for each in asked[:1] if each.get("id")]
    for answer in answers:
        body = given_runs.without_input("interrupter", command={"resume": answer})
        refused = client.run_wait(id_of(interrupted), body)
        if refused.status >= 500:
            given.ensure_success(refused, interrupted)
    after = given.state(interrupted)
    assert_equal(message_contents(after), said, "the messages, which hold the first answer")
    assert_that(not after.get("next"), "nothing next", after.get("next"))
    runs.run_to_end(interrupted, "interrupter", "question again")
    asking = given.state(interrupted)
    if not asking.get("next"):
        _require_another_question(given, given_runs)
    assert_that(bool(asking.get("next")), "a node that waits for its own answer", asking)


def _require_another_question(given: ThreadsApi, given_runs: Runs) -> None:
    """Raise `Blocked` if a thread whose question was answered once is never asked again."""
    thread = _waiting(given, given_runs)
    given_runs.resume(thread, "interrupter", "the only answer")
    given_runs.run_to_end(thread, "interrupter", "question again")
    if not given.state(thread).get("next"):
        raise Blocked("a thread that was answered does not ask again", by="INTERRUPT-02")


def _answer_resumes_again(given: ThreadsApi, given_runs: Runs, thread: Thread) -> bool:
    """Answer once more; return whether a node wrote the answer, and so had been interrupted.

    The state is not read for that: no source says whether the node of a goto is next in it.
    """
    given_runs.resume(thread, "interrupter", "the second answer")
    return any("the second answer" in str(each) for each in message_contents(given.state(thread)))


def _output(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient, way: str, text: str
) -> tuple[Any, list[Any]]:
    """Run the slow graph with `text`; return the answer, and the messages after the run.

    A stateless run has no thread to read: its first message is known to be the text, and the
    others are taken from the answer.
    """
    if way == "stateless":
        body = given_runs.body("slow", text, seconds=0, metadata=client.tag)
        output = given.ensure_success(client.runs.stateless("wait", body)).body
        return output, [text, *message_contents({"values": output})[1:]]
    thread = given.empty()
    if way == "wait":
        output = given_runs.run_to_end(thread, "slow", text, seconds=0)
    else:
        output = given_runs.join(given_runs.start(thread, "slow", text, seconds=0))
    return output, message_contents(given.state(thread))


def _answer_interrupt(given: ThreadsApi, given_runs: Runs, interrupted: Thread) -> str:
    """Answer the interrupt of a thread, and return the node that was interrupted."""
    asking = given.state(interrupted).get("next") or []
    given_runs.resume(interrupted, "interrupter", "the first answer")
    if (left := given.state(interrupted).get("next")) != []:
        raise Blocked(f"the thread that was answered goes on with {left}", by="INTERRUPT-06")
    if len(asking) != 1:
        raise Blocked(f"the thread that asks has the nodes {asking} next", by="INTERRUPT-02")
    return str(asking[0])


def _interrupt_two_tasks(given: ThreadsApi, given_runs: Runs, interrupted: Thread) -> list[str]:
    """Interrupt two tasks of the interrupting node at the same time; return both interrupt ids.

    The ids are taken from the answer of wait: no source says whether the state shows the tasks
    that a command sends before they end.
    """
    node = _answer_interrupt(given, given_runs, interrupted)
    sent = [
        {"node": node, "input": {"messages": [{"type": "human", "content": text}]}}
        for text in ("question one", "question two")
    ]
    body = given_runs.without_input("interrupter", command={"goto": sent})
    answer = given.ensure_success(given.client.run_wait(id_of(interrupted), body), interrupted).body
    asked = [each.get("id") for each in interrupts_answered(answer)]
    if len(asked) != 2 or not all(isinstance(each, str) for each in asked):
        raise Blocked(f"wait answers no two interrupts with ids, but {asked}")
    return [str(each) for each in asked]


def _assert_both_answered(state: State, ids: list[str]) -> None:
    said = [str(each) for each in message_contents(state)]
    for answer in ("answer one", "answer two"):
        holding = [each for each in said if answer in each]
        assert_that(len(holding) == 1, f"one message with {answer!r}", said)
        clean = not any(each in holding[0] for each in ids)
        assert_that(clean, "the answer without the id of the interrupt", holding)
