"""Deleting a thread, and what must then be gone."""

from typing import Any

import pytest

from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import GraphSettings, numbered
from conformance.suite.asking import Asker
from conformance.suite.case import Case
from conformance.suite.expect import (
    assert_equal,
    assert_no_thread,
    assert_refused,
    assert_that,
    kept,
)
from conformance.suite.messages import Message, messages_sent_in, told
from conformance.suite.outcomes import Blocked, requires
from conformance.suite.shown import State, Thread, id_of, messages_of


@requires("DELETE-01")
def test_a_thread_can_be_deleted(given: Asker, threads: Asker) -> None:
    threads.delete(given.prepopulated())


@requires("DELETE-02")
def test_a_deleted_thread_is_404(given: Asker, ask: ThreadsClient) -> None:
    _assert_404(ask.get(id_of(_deleted(given))))


@requires("DELETE-03")
def test_a_deleted_thread_has_no_state(given: Asker, ask: ThreadsClient) -> None:
    made = given.prepopulated()
    checkpoint_id = given.history(made).checkpoint_ids()[0]
    given.delete(made)
    assert_refused(ask.state(id_of(made)))
    assert_refused(ask.state_at_checkpoint(id_of(made), checkpoint_id))


@requires("DELETE-04")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_deleted_thread_has_no_history(given: Asker, ask: ThreadsClient, method: str) -> None:
    gone = id_of(_deleted(given))
    assert_refused(ask.history(gone) if method == "GET" else ask.post_history(gone, {}))


@requires("DELETE-05")
@pytest.mark.parametrize("by", ["metadata", "status", "ids"])
def test_a_deleted_thread_is_not_found(given: Asker, case: Case, by: str) -> None:
    kept, gone = id_of(given.empty()), given.empty()
    given.delete(gone)
    ids = [kept, id_of(gone)]
    filters: dict[str, Any] = {}
    if by != "metadata":
        filters[by] = ids if by == "ids" else "idle"
    found = case.eventually(lambda: given.found(**filters), lambda found: found == [kept])
    if kept not in found:
        raise Blocked("search does not show the thread that was not deleted")
    assert_that(id_of(gone) not in found, "not the deleted thread", found)


@requires("DELETE-06")
def test_a_deleted_thread_is_not_counted(given: Asker, threads: Asker, case: Case) -> None:
    given.empty()
    gone = given.empty()
    before = case.eventually(given.count, lambda count: count == 2)
    if before != 2:
        raise Blocked(f"count gives {before} for two threads")
    given.delete(gone)
    assert_equal(case.eventually(threads.count, lambda count: count == 1), 1, "the count")


@requires("DELETE-07")
def test_a_thread_anew_has_no_trace(given: Asker, threads: Asker) -> None:
    gone = given.prepopulated(metadata={"old": True})
    old = given.history(gone).checkpoint_ids()
    given.delete(gone)
    anew = given.empty(thread_id=id_of(gone), metadata={"new": True})
    sent = {**given.client.tag, **given.case.tag, "new": True}
    shown = threads.get(anew)
    assert_equal(kept(shown, {**sent, "old": True}), sent, "the metadata of old and new")
    assert_that(not threads.get(anew).get("values"), "no values", threads.get(anew).get("values"))
    assert_that(not threads.state(anew).get("values"), "an empty state", threads.state(anew))
    left = [state.get("checkpoint_id") for state in threads.page(anew, limit=10)]
    assert_that(not set(left) & set(old), "no state of the old history", left)
    at_checkpoint = given.client.state_at_checkpoint(id_of(anew), old[0])
    values = at_checkpoint.body.get("values") if isinstance(at_checkpoint.body, dict) else None
    assert_that(not values, "nothing at the old checkpoint", at_checkpoint.text)


@requires("DELETE-07")
def test_a_run_on_a_thread_anew_begins_with_nothing(
    given: Asker, threads: Asker, graph: GraphSettings
) -> None:
    gone = given.empty()
    given.run(gone, 1)
    old = given.history(gone).checkpoint_ids()
    given.delete(gone)
    anew = given.empty(thread_id=id_of(gone))
    twin = given.empty()
    for thread in (anew, twin):
        given.run(thread, 2)
    left = [state.get("checkpoint_id") for state in threads.page(anew, limit=100)]
    assert_that(not set(left) & set(old), "no state of the old history", left)
    expected = _asked(given.state(twin), graph)
    assert_equal(_asked(threads.state(anew), graph), expected, "what the inputs said")


@requires("DELETE-08")
def test_deleting_twice_is_404(given: Asker, ask: ThreadsClient) -> None:
    _assert_404(ask.delete(id_of(_deleted(given))))


@requires("DELETE-09")
def test_deleting_an_unknown_thread_is_404(given: Asker, ask: ThreadsClient) -> None:
    _deleted(given)
    _assert_404(ask.delete(ask.ownership.absent_id()))


@requires("DELETE-10")
@pytest.mark.parametrize("use", ["copy", "update", "run", "update_state"])
def test_a_deleted_thread_cannot_be_used(given: Asker, ask: ThreadsClient, use: str) -> None:
    gone = id_of(_deleted(given))
    shown = ask.get(gone).ok
    answers = {
        "copy": lambda: ask.copy(gone),
        "update": lambda: ask.update(gone, {"metadata": {"colour": "red"}}),
        "run": lambda: ask.run_wait(gone, given.run_body()),
        "update_state": lambda: ask.update_state(gone, given.case.graph().append),
    }
    assert_refused(answers[use]())
    if not shown:
        assert_no_thread(given, gone)


def _deleted(given: Asker) -> Thread:
    """A thread that was there, and is deleted."""
    made = given.prepopulated()
    given.delete(made)
    return made


def _assert_404(answer: Answer) -> None:
    assert_that(answer.status == 404, "404", f"{answer.status} {answer.text}")


def _asked(state: State, graph: GraphSettings) -> list[Message]:
    """What the inputs said: what a graph answers may differ from run to run."""
    inputs = [{"values": numbered(graph.run_input, number)} for number in (1, 2)]
    sent = [item for each in inputs for item in messages_sent_in(each, graph)]
    return [each for each in told(messages_of(state, graph)) if each in sent]
