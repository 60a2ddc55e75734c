"""Isolation of threads: a request about one thread must neither read nor change another."""

from contextlib import suppress
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import require_some
from conformance.checks.expect import (
    assert_equal,
    assert_no_server_error,
    assert_that,
    assert_untouched,
)
from conformance.checks.messages import values_with_text
from conformance.checks.outcomes import Blocked, Unsupported, requires
from conformance.checks.runs import Runs
from conformance.checks.views import State, Thread, checkpoint_id_of, id_of
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import GraphSettings, numbered
from conformance.json_differences import same_json
from conformance.safe_text import excerpt

#: A text in the messages of the other thread and nowhere else.
SECRET = "only the other thread says this"


@pytest.fixture
def other(given: ThreadsApi, graph: GraphSettings) -> Thread:
    """Create a thread that must neither be read nor changed."""
    values = values_with_text(SECRET, graph)
    if not values:
        raise Blocked("append of the [graph] settings has no place for a text")
    return given.prepopulated(more=[{**graph.append, "values": values}])


@requires("ISOLATE-01")
@pytest.mark.parametrize("with_checkpoint", [True, False], ids=["checkpoint", "thread-id"])
def test_a_state_update_stays_on_its_thread(
    given: ThreadsApi, client: ThreadsClient, other: Thread, with_checkpoint: bool
) -> None:
    thread = given.prepopulated()
    given.append(thread, 2)
    body = {
        **numbered(given.context.graph().append, 3),
        "checkpoint": _checkpoint_of_other(given, other, with_checkpoint),
    }
    assert_untouched(given, other, lambda: client.update_state(id_of(thread), body))
    _assert_shows_no_secret(given, thread)


@requires("ISOLATE-02")
@pytest.mark.parametrize("where", ["checkpoint", "config"])
def test_a_run_stays_on_its_thread(
    given: ThreadsApi, client: ThreadsClient, other: Thread, where: str
) -> None:
    thread = given.prepopulated()
    given.run(thread)
    named: dict[str, Any] = {
        "checkpoint": {"checkpoint": _checkpoint_of_other(given, other, True)},
        "config": {"config": {"configurable": {"thread_id": id_of(other)}}},
    }
    body = given.run_body(**named[where])
    assert_untouched(given, other, lambda: client.run_wait(id_of(thread), body))
    _assert_shows_no_secret(given, thread)


@requires("ISOLATE-03")
@pytest.mark.parametrize("names_thread", [True, False], ids=["with-thread-id", "without"])
def test_a_state_at_a_checkpoint_stays_on_its_thread(
    given: ThreadsApi, client: ThreadsClient, other: Thread, names_thread: bool
) -> None:
    thread = given.prepopulated()
    own = {"checkpoint": _checkpoint_of_other(given, thread, True)}
    given.ensure_success(client.post_state_at_checkpoint(id_of(thread), own), thread)
    theirs = _checkpoint_of_other(given, other, True)
    if not names_thread:
        del theirs["thread_id"]
    answer = client.post_state_at_checkpoint(id_of(thread), {"checkpoint": theirs})
    assert_no_server_error(answer)
    assert_that(SECRET not in answer.text, "nothing of the other thread", excerpt(answer.text, 300))


@requires("ISOLATE-04")
@pytest.mark.parametrize("member", ["checkpoint", "before"])
def test_a_history_stays_on_its_thread(
    given: ThreadsApi, client: ThreadsClient, other: Thread, member: str
) -> None:
    thread = given.prepopulated()
    given.post_page(thread)
    body = {"limit": LONGEST_PAGE, member: _checkpoint_of_other(given, other, member == "before")}
    answer = client.post_history(id_of(thread), body)
    assert_that(SECRET not in answer.text, "nothing of the other thread", excerpt(answer.text, 300))


@requires("ISOLATE-05")
def test_anothers_checkpoint_is_not_readable(
    given: ThreadsApi, client: ThreadsClient, other: Thread
) -> None:
    thread = given.prepopulated()
    given.state_at(thread, checkpoint_id_of(given.state(thread)))
    newest = checkpoint_id_of(given.state(other))
    answer = client.state_at_checkpoint(id_of(thread), newest)
    assert_that(SECRET not in answer.text, "nothing of the other thread", excerpt(answer.text, 300))


@pytest.mark.parametrize(
    "method",
    [
        pytest.param("get", marks=requires("ISOLATE-09")),
        pytest.param("post", marks=requires("ISOLATE-10")),
    ],
)
def test_later_states_of_a_source_or_copy_are_not_readable(
    given: ThreadsApi, client: ThreadsClient, method: str
) -> None:
    source = given.with_state()
    copy = given.copy(source)
    if id_of(copy) == id_of(source):
        raise Blocked("the copy is its source", by="COPY-02")
    common = given.state(copy).get("values")
    for number, each in enumerate((source, copy), start=7):
        given.run(each, number)
    for one, other in ((source, copy), (copy, source)):
        later = given.state(other)
        require_some([not same_json(later["values"], common)], "a run changes no values")
        answer = _state_of_other(given, client, method, one, other, later)
        is_apart = not _shows_values_of(answer, later)
        if not is_apart:
            if checkpoint_id_of(later) in given.history(one).checkpoint_ids():
                by = "COPY-15" if one is source else "COPY-16"
                raise Blocked("the history of one thread holds a later state of the other", by=by)
            _require_checkpoints_of_strangers_apart(given, client, method)
        what = "not the values of the other thread, made after the copy"
        assert_that(is_apart, what, excerpt(answer.text, 300))


def _state_of_other(
    given: ThreadsApi, client: ThreadsClient, method: str, one: Thread, other: Thread, state: State
) -> Answer:
    """Ask, under the id of `one`, for the state at the checkpoint of a state of `other`.

    `Blocked` if it is not answered under the id of `other`.
    """
    checkpoint_id = checkpoint_id_of(state)
    if method == "get":
        given.state_at(other, checkpoint_id)
        return client.state_at_checkpoint(id_of(one), checkpoint_id)
    body = {"checkpoint": {"checkpoint_id": checkpoint_id, "checkpoint_ns": ""}}
    given.ensure_success(client.post_state_at_checkpoint(id_of(other), body), other)
    return client.post_state_at_checkpoint(id_of(one), body)


def _shows_values_of(answer: Answer, state: State) -> bool:
    shown = answer.body.get("values") if isinstance(answer.body, dict) else None
    return same_json(shown, state["values"])


def _require_checkpoints_of_strangers_apart(
    given: ThreadsApi, client: ThreadsClient, method: str
) -> None:
    """Raise `Blocked` if the state of a thread is answered under the id of any other as well."""
    one, other = given.with_state(), given.with_state()
    given.run(other, 9)
    state = given.state(other)
    if _shows_values_of(_state_of_other(given, client, method, one, other, state), state):
        by = {"get": "ISOLATE-05", "post": "ISOLATE-03"}[method]
        raise Blocked("the state of a thread that is no copy is answered as well", by=by)


@requires("ISOLATE-06")
def test_working_on_one_thread_leaves_the_others(given: ThreadsApi, other: Thread) -> None:
    def work() -> None:
        thread = given.prepopulated()
        given.copy(thread)
        given.run(thread)
        # Operations that no document shows may be missing; a missing one changes nothing.
        for beyond in (
            lambda: given.update(thread, metadata={"changed": True}),
            lambda: given.append(thread, 3),
            lambda: given.delete(thread),
        ):
            with suppress(Unsupported):
                beyond()

    assert_untouched(given, other, work)


@requires("ISOLATE-07")
@pytest.mark.parametrize("way", ["join once it ended", "join under way", "stream"])
def test_anothers_run_is_not_joined(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient, way: str
) -> None:
    thread, theirs = given.empty(), given.empty()
    ended = way == "join once it ended"
    # Some streams show nothing once their run has ended.
    run = given_runs.start(theirs, "slow", SECRET, seconds=0 if ended else 1)
    join = client.runs.join_stream if way == "stream" else client.run_join
    if ended:
        given_runs.join(run)
    else:
        # A server may find a run under any thread once it is under way, and none that waits.
        given_runs.wait_for_begin(run)
    answer = join(id_of(thread), run.run_id)
    own = given.ensure_success(join(run.thread_id, run.run_id), theirs)
    assert_that(SECRET not in answer.text, "nothing of the other thread", excerpt(answer.text, 300))
    if SECRET not in own.text:
        raise Blocked("the run's own thread is not answered what the run was told either")


@requires("ISOLATE-08")
def test_anothers_run_is_not_deleted(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient
) -> None:
    thread, theirs = given.empty(), given.empty()
    kept, deleted = (given_runs.enqueue(theirs, "agent") for _ in range(2))
    for run in (kept, deleted):
        given_runs.join(run)
    client.runs.delete(id_of(thread), kept.run_id)
    assert_equal(runs.get(kept).get("run_id"), kept.run_id, "the run")
    # The check proves something only if the deletion of runs is offered.
    given_runs.delete(deleted)


def _checkpoint_of_other(given: ThreadsApi, other: Thread, with_checkpoint: bool) -> dict[str, Any]:
    named = {"thread_id": id_of(other), "checkpoint_ns": ""}
    if with_checkpoint:
        named["checkpoint_id"] = checkpoint_id_of(given.state(other))
    return named


def _assert_shows_no_secret(given: ThreadsApi, thread: Thread) -> None:
    """Assert that a thread shows nothing of the other thread."""
    for answer in (
        given.client.state(id_of(thread)),
        given.client.history(id_of(thread), limit=LONGEST_PAGE),
    ):
        assert_that(
            SECRET not in given.ensure_success(answer, thread).text,
            "nothing of the other thread",
            excerpt(answer.text, 300),
        )
