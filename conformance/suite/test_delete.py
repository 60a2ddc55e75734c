"""Deleting a thread, and what must be gone afterwards."""

from collections.abc import Callable
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import require_some
from conformance.checks.expect import (
    assert_equal,
    assert_is,
    assert_no_thread,
    assert_refused,
    assert_that,
    kept_metadata,
)
from conformance.checks.messages import Message, items_sent_in, type_and_content
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import Runs
from conformance.checks.views import State, Thread, checkpoint_id_of, id_of, items_of_followed_list
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import GraphSettings, numbered


@requires("DELETE-01")
def test_a_thread_can_be_deleted(given: ThreadsApi, threads: ThreadsApi) -> None:
    for each in (given.empty(), given.fullest()):
        threads.delete(each)


@requires("DELETE-02")
def test_a_deleted_thread_is_404(given: ThreadsApi, client: ThreadsClient) -> None:
    _assert_404(client.get(id_of(_create_deleted(given))))


@requires("DELETE-03")
def test_a_deleted_thread_has_no_state(given: ThreadsApi, client: ThreadsClient) -> None:
    made = given.fullest()
    given.ensure_success(client.state(id_of(made)), made)
    given.delete(made)
    assert_refused(client.state(id_of(made)))


@requires("DELETE-11")
def test_a_deleted_thread_has_no_state_at_a_checkpoint(
    given: ThreadsApi, client: ThreadsClient
) -> None:
    made = given.with_state()
    checkpoint_id = checkpoint_id_of(given.state(made))
    given.state_at(made, checkpoint_id)
    given.delete(made)
    assert_refused(client.state_at_checkpoint(id_of(made), checkpoint_id))


@requires("DELETE-04")
def test_a_deleted_thread_has_no_history(given: ThreadsApi, client: ThreadsClient) -> None:
    made = given.fullest()
    given.page(made, limit=1)
    given.delete(made)
    assert_refused(client.history(id_of(made)))


@requires("DELETE-12")
def test_a_deleted_thread_has_no_history_by_post(given: ThreadsApi, client: ThreadsClient) -> None:
    made = given.fullest()
    given.post_page(made, limit=1)
    given.delete(made)
    assert_refused(client.post_history(id_of(made), {}))


@requires("DELETE-05")
@pytest.mark.parametrize("by", ["metadata", "status", "ids"])
def test_a_deleted_thread_is_not_found(given: ThreadsApi, context: CheckContext, by: str) -> None:
    kept, gone = id_of(given.empty()), given.empty()
    ids = [kept, id_of(gone)]
    filters: dict[str, Any] = {}
    if by != "metadata":
        filters[by] = ids if by == "ids" else "idle"
    # Only if a search finds the thread first, a later search shows that it is gone.
    seen = context.eventually(
        lambda: given.search_ids(**filters), lambda found: sorted(found) == sorted(ids)
    )
    if sorted(seen) != sorted(ids):
        raise Blocked("search does not show the threads that were made", by="CREATE-12")
    given.delete(gone)
    found = context.eventually(lambda: given.search_ids(**filters), lambda found: found == [kept])
    if kept not in found:
        raise Blocked("search does not show the thread that was not deleted", by="CREATE-12")
    assert_that(id_of(gone) not in found, "not the deleted thread", found)


@requires("DELETE-06")
def test_a_deleted_thread_is_not_counted(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    given.empty()
    gone = given.empty()
    before = context.eventually(given.count, lambda count: count == 2)
    if before != 2:
        raise Blocked(f"count gives {before} for two threads", by="COUNT-01")
    given.delete(gone)
    assert_equal(context.eventually(threads.count, lambda count: count == 1), 1, "the count")


@requires("DELETE-07")
def test_a_thread_anew_has_no_trace(given: ThreadsApi, threads: ThreadsApi) -> None:
    gone = given.fullest(metadata={"old": True})
    old = _checkpoint_ids(given, gone)
    given.delete(gone)
    twin = given.empty()
    recreated = _create_again(given, gone, metadata={"new": True})
    sent = {**given.client.tag, **given.context.tag, "new": True}
    shown = threads.get(recreated)
    assert_equal(kept_metadata(shown, {**sent, "old": True}), sent, "the metadata of old and new")
    # Another empty thread shows which values an empty thread has.
    assert_equal(shown.get("values"), given.get(twin).get("values"), "values, as of a new thread")
    # Whether a thread without a checkpoint has a state is judged by STATE-14.
    fresh = given.client.state(id_of(twin))
    if fresh.ok:
        expected = given.object_of(fresh, twin).get("values")
        values = threads.state(recreated).get("values")
        assert_equal(values, expected, "the state's values, as of a new thread")
    else:
        expected = None
        assert_refused(threads.client.state(id_of(recreated)))
    if not old:
        return  # no history is offered in which old states could be left
    left = _checkpoint_ids(threads, recreated)
    assert_that(not set(left) & set(old), "no state of the old history", left)
    at_checkpoint = given.client.state_at_checkpoint(id_of(recreated), old[0])
    values = at_checkpoint.body.get("values") if isinstance(at_checkpoint.body, dict) else None
    empty = values in (None, expected)
    assert_that(empty, "nothing at the old checkpoint", at_checkpoint.text)


@pytest.mark.parametrize(
    "way",
    [
        pytest.param("delete", marks=requires("DELETE-20")),
        pytest.param("prune", marks=requires("DELETE-21")),
    ],
)
def test_the_id_of_a_deleted_thread_can_be_used_again(
    given: ThreadsApi, threads: ThreadsApi, way: str
) -> None:
    gone = given.empty(thread_id=given.generate_id())
    if way == "delete":
        given.delete(gone)
    else:
        given.prune(gone, strategy="delete")
    if given.client.get(id_of(gone)).ok:
        raise Blocked("the thread is there", by="DELETE-02" if way == "delete" else "PRUNE-01")
    threads.empty(thread_id=id_of(gone))
    answer = threads.client.get(id_of(gone))
    assert_that(answer.ok, "the thread that was made anew", f"{answer.status} {answer.text}")


@requires("DELETE-07")
def test_a_run_on_a_thread_anew_begins_with_nothing(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    gone = given.empty()
    given.run(gone, 1)
    old = _checkpoint_ids(given, gone)
    given.delete(gone)
    recreated = _create_again(given, gone)
    twin = given.empty()
    for thread in (recreated, twin):
        given.run(thread, 2)
    left = _checkpoint_ids(threads, recreated) if old else []
    assert_that(not set(left) & set(old), "no state of the old history", left)
    expected = _input_messages(given.state(twin), graph)
    require_some(expected, "what the inputs said is in no state")
    assert_equal(_input_messages(threads.state(recreated), graph), expected, "what the inputs said")


@requires("DELETE-08")
def test_deleting_twice_is_404(given: ThreadsApi, client: ThreadsClient) -> None:
    _assert_404(client.delete(id_of(_create_deleted(given))))


@requires("DELETE-09")
def test_deleting_an_unknown_thread_is_404(given: ThreadsApi, client: ThreadsClient) -> None:
    _create_deleted(given)
    _assert_404(client.delete(client.ownership.absent_id()))


@pytest.mark.parametrize(
    "use",
    [
        pytest.param("run", marks=requires("DELETE-10")),
        pytest.param("copy", marks=requires("DELETE-13")),
        pytest.param("update", marks=requires("DELETE-14")),
        pytest.param("update_state", marks=requires("DELETE-15")),
    ],
)
def test_a_deleted_thread_cannot_be_used(
    given: ThreadsApi, client: ThreadsClient, use: str
) -> None:
    make = given.with_state if use == "update_state" else given.empty
    made, other = make(), make()
    gone = id_of(made)
    uses: dict[str, Callable[[str], Answer]] = {
        "run": lambda thread_id: client.run_wait(thread_id, given.run_body()),
        "copy": client.copy,
        "update": lambda thread_id: client.update(thread_id, {"metadata": {"colour": "red"}}),
        "update_state": lambda thread_id: client.update_state(
            thread_id, numbered(given.context.graph().append, 2)
        ),
    }
    # The operation must succeed on an existing thread, so that a refusal means something.
    given.ensure_success(uses[use](id_of(other)), other)
    given.delete(made)
    shown = client.get(gone).ok
    assert_refused(uses[use](gone))
    if not shown:
        assert_no_thread(given, gone)


@requires("DELETE-16")
def test_the_runs_of_a_deleted_thread_are_gone(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    run = given_runs.start(thread, "agent")
    given_runs.join(run)
    shown = given_runs.list_runs(thread)
    if run.run_id not in [each.get("run_id") for each in shown]:
        raise Blocked("the run is not listed while its thread is there", by="RUN-CONTROL-02")
    given_runs.get(run)
    given.delete(thread)
    assert_refused(client.runs.get(run.thread_id, run.run_id))
    listed = client.runs.list(run.thread_id)
    assert_that(not listed.ok or listed.body == [], "no runs, or a refusal", listed.text)


@pytest.mark.parametrize(
    "way",
    [
        pytest.param("delete", marks=requires("DELETE-17")),
        pytest.param("prune", marks=requires("DELETE-18")),
    ],
)
def test_a_thread_anew_has_no_run(
    given: ThreadsApi, given_runs: Runs, runs: Runs, client: ThreadsClient, way: str
) -> None:
    gone = given.empty()
    run = given_runs.start(gone, "agent")
    given_runs.join(run)
    if run.run_id not in [each.get("run_id") for each in given_runs.list_runs(gone)]:
        raise Blocked("the run is not listed while its thread is there", by="RUN-CONTROL-02")
    given_runs.get(run)
    if way == "delete":
        given.delete(gone)
    else:
        given.prune(gone, strategy="delete")
    if client.get(id_of(gone)).ok:
        raise Blocked("the thread is still there", by={"delete": "DELETE-02"}.get(way, "PRUNE-01"))
    if client.runs.get(run.thread_id, run.run_id).ok:
        raise Blocked("the run is shown while there is no thread", by="DELETE-16")
    recreated = _create_again(given, gone)
    left = [each.get("run_id") for each in runs.list_runs(recreated)]
    assert_is(left, [], "the runs of a thread that was never run")
    assert_refused(client.runs.get(id_of(recreated), run.run_id))


@requires("DELETE-19")
def test_a_busy_thread_is_deleted_for_good_or_not_at_all(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    busy, idle, other = given.empty(), given.empty(), given.empty()
    given.delete(idle)
    if client.get(id_of(idle)).ok:
        raise Blocked("a deleted thread is still shown", by="DELETE-02")
    run = given_runs.start(busy, "slow", seconds=1)
    if (shown := given_runs.wait_for_begin(run)) != "running":
        raise Blocked(f"a slow run is {shown}, and not seen under way")
    answer = client.delete(id_of(busy))
    if not answer.ok:
        assert_refused(answer)
        assert_that(client.get(id_of(busy)).ok, "the thread, which was not deleted", "no thread")
        return
    # When this run of equal length ends, the run of the deleted thread would have ended as well.
    given_runs.join(given_runs.start(other, "slow", seconds=1))
    assert_no_thread(given, id_of(busy))


def _create_deleted(given: ThreadsApi) -> Thread:
    """Create a thread, delete it, and return it."""
    made = given.fullest()
    given.delete(made)
    return made


def _checkpoint_ids(api: ThreadsApi, thread: Thread) -> list[str]:
    """Return the newest checkpoint ids of a thread; empty where no history is offered."""
    answer = api.client.history(id_of(thread), limit=LONGEST_PAGE)
    if api.lacks(answer, thread):
        return []
    return [checkpoint_id_of(state) for state in api.list_of(answer, thread)]


def _create_again(given: ThreadsApi, gone: Thread, **members: Any) -> Thread:
    """Create a thread under the id of a deleted one; `Blocked` if that id is not used."""
    recreated = given.empty(thread_id=id_of(gone), **members)
    if id_of(recreated) != id_of(gone):
        raise Blocked("the deployment chooses the ids of threads itself", by="IDENTITY-01")
    return recreated


def _assert_404(answer: Answer) -> None:
    assert_that(answer.status == 404, "404", f"{answer.status} {answer.text}")


def _input_messages(state: State, graph: GraphSettings) -> list[Message]:
    """Return the messages of a state that inputs sent: the graph's answers may differ by run."""
    inputs = [{"values": numbered(graph.run_input, number)} for number in (1, 2)]
    sent = [item for each in inputs for item in items_sent_in(each, graph)]
    return [each for each in type_and_content(items_of_followed_list(state, graph)) if each in sent]
