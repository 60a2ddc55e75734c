"""Durability: what was acknowledged is still there after a stop or kill and a new start.

Each check makes its threads, reads them, restarts the deployment and reads them again.
"""

from functools import partial
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import lasting_members, published_members, require_some
from conformance.checks.crons import Crons
from conformance.checks.expect import (
    assert_equal,
    assert_is,
    assert_no_thread,
    assert_that,
    kept_metadata,
    timestamp_or_blocked,
)
from conformance.checks.kept_over_restart import (
    assert_same_states,
    assert_same_threads,
    make_in_conditions,
    published_history,
    settled_answer,
)
from conformance.checks.outcomes import Blocked, PromiseBroken, requires, restarts
from conformance.checks.restarts import STILL_THERE, Restart
from conformance.checks.runs import NOT_ENDED, Runs, message_contents
from conformance.checks.views import (
    Thread,
    checkpoint_id_of,
    id_of,
    known_checkpoint_id,
    parent_id_of,
)
from conformance.deployment.settings import GraphSettings
from conformance.json_differences import same_json

_METADATA: dict[str, Any] = {"colour": "red", "size": 3, "deep": {"er": [1, "é"]}}
#: The conditions that other requirements judge: if their threads differ, the check is blocked.
_BLOCKING_CONDITIONS = ("prepopulated", "run once")
#: The members of a thread that are compared; metadata, status and times are judged by others.
_COMPARED_MEMBERS = ("values", "interrupts")
_ANSWER = "an answer after the restart"


# Threads


@requires("DURABLE-01")
@restarts
def test_a_thread_is_still_there(given: ThreadsApi, threads: ThreadsApi, restart: Restart) -> None:
    empty, filled = given.empty(), given.fullest()
    witness = given.fullest()
    restart.without_request()
    restart.require_survivors(empty, filled, witness)
    for thread in (empty, filled):
        assert_equal(id_of(threads.get(thread)), id_of(thread), "thread_id after the restart")


@requires("DURABLE-02")
@restarts
def test_metadata_is_kept(given: ThreadsApi, threads: ThreadsApi, restart: Restart) -> None:
    thread = given.empty(metadata=_METADATA)
    before = kept_metadata(given.get(thread), _METADATA)
    restart(thread)
    assert_equal(kept_metadata(threads.get(thread), _METADATA), before, "metadata")


@requires("DURABLE-03")
@restarts
def test_the_status_is_kept(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, restart: Restart
) -> None:
    made = make_in_conditions(("prepopulated", "asking", "failed"), given, given_runs)
    before = {name: given.get_settled(each.thread).get("status") for name, each in made.items()}
    restart(*(each.thread for each in made.values()))
    after = {name: threads.get_settled(each.thread).get("status") for name, each in made.items()}
    assert_equal(after, before, "status in each condition")


@requires("DURABLE-04")
@restarts
def test_times_are_kept(given: ThreadsApi, threads: ThreadsApi, restart: Restart) -> None:
    thread = given.fullest()
    times = ("created_at", "updated_at")

    def moments(api: ThreadsApi) -> dict[str, str]:
        shown = api.get(thread)
        return {each: timestamp_or_blocked(shown.get(each), each).isoformat() for each in times}

    before = settled_answer(given, lambda: moments(given))
    restart(thread)
    assert_equal(moments(threads), before, "times of the thread")


@requires("DURABLE-12")
@restarts
def test_threads_are_found(given: ThreadsApi, threads: ThreadsApi, restart: Restart) -> None:
    filters = {"metadata": {"kept": "over a restart"}}
    made = [given.empty(**filters), given.fullest(**filters)]
    ids = sorted(map(id_of, made))
    if _found(given, ids, filters) != ids:
        raise Blocked("a search does not find the threads before the restart", by="SEARCH-02")
    restart(*made)
    assert_equal(_found(threads, ids, filters), ids, "what a search finds")


@requires("DURABLE-18")
@restarts
def test_threads_are_counted(given: ThreadsApi, threads: ThreadsApi, restart: Restart) -> None:
    filters = {"metadata": {"kept": "over a restart"}}
    made = [given.empty(**filters), given.fullest(**filters)]
    if _counted(given, len(made), filters) != len(made):
        raise Blocked("count does not count the threads before the restart", by="COUNT-01")
    restart(*made)
    assert_equal(_counted(threads, len(made), filters), len(made), "what count answers")


def _found(api: ThreadsApi, ids: list[str], filters: dict[str, Any]) -> list[str]:
    return api.context.eventually(
        lambda: sorted(api.search_ids(**filters)), lambda found: found == ids
    )


def _counted(api: ThreadsApi, number: int, filters: dict[str, Any]) -> int:
    return api.context.eventually(lambda: api.count(**filters), lambda counted: counted == number)


@requires("DURABLE-10")
@restarts
def test_a_deleted_thread_stays_deleted(
    given: ThreadsApi, threads: ThreadsApi, restart: Restart
) -> None:
    kept, deleted = given.fullest(), given.fullest()
    given.delete(deleted)
    try:
        restart(kept)
    except PromiseBroken as nothing:
        # Where nothing is kept, the absence of a deleted thread proves nothing.
        raise Blocked(str(nothing), by=STILL_THERE) from None
    assert_no_thread(threads, id_of(deleted))


# States


@requires("DURABLE-05")
@restarts
def test_the_state_is_kept(given: ThreadsApi, threads: ThreadsApi, restart: Restart) -> None:
    made = [given.with_state(), *given.unfinished()]

    def shown(api: ThreadsApi) -> list[dict[str, Any]]:
        states = map(api.state, made)
        return [{name: state.get(name) for name in ("values", "next")} for state in states]

    before = settled_answer(given, lambda: shown(given))
    restart(*made)
    assert_equal(shown(threads), before, "the states")


@requires("DURABLE-06")
@restarts
def test_the_history_is_kept(given: ThreadsApi, threads: ThreadsApi, restart: Restart) -> None:
    thread = given.long(6)
    before = settled_answer(given, lambda: published_history(given, thread))
    restart(thread)
    assert_same_states(published_history(threads, thread), before)


@requires("DURABLE-07")
@restarts
def test_a_copy_keeps_its_history(given: ThreadsApi, threads: ThreadsApi, restart: Restart) -> None:
    source = given.prepopulated()
    copy = given.copy(source)
    before = settled_answer(
        given, lambda: [published_history(given, each) for each in (source, copy)]
    )
    restart(source, copy)
    try:
        assert_same_states(published_history(given, source), before[0])
    except PromiseBroken as lost:
        raise Blocked(f"the history of the source: {lost}", by="DURABLE-06") from None
    assert_same_states(published_history(threads, copy), before[1])


@requires("DURABLE-16")
@restarts
def test_a_thread_goes_on(
    given: ThreadsApi, threads: ThreadsApi, restart: Restart, graph: GraphSettings
) -> None:
    thread = given.prepopulated()
    before = settled_answer(given, lambda: published_history(given, thread))
    require_some(before, "the history shows no state")
    restart(thread)
    state = given.state(thread)
    if checkpoint_id_of(state) != checkpoint_id_of(before[0]) or not same_json(
        state["values"], before[0]["values"]
    ):
        raise Blocked("the state is another one after the restart", by="DURABLE-05")
    threads.append(thread, 2)
    newest, *older = published_history(threads, thread)
    assert_equal(
        [known_checkpoint_id(each) for each in older[:1]],
        [checkpoint_id_of(before[0])],
        "the state before the new one",
    )
    if parent := parent_id_of(newest):
        assert_equal(parent, checkpoint_id_of(before[0]), "the parent of the new state")
    for key in graph.appending:
        held = before[0]["values"].get(key) or []
        added = newest["values"].get(key) or []
        lost = [item for item in held if not any(same_json(item, each) for each in added)]
        assert_is(lost, [], f"the items of {key} that the new state has lost")
        assert_that(len(added) > len(held), f"more than {len(held)} items of {key}", len(added))


@requires("DURABLE-15")
@restarts
@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param(
            (
                "with a ttl",
                "stopped midway",
                "updated",
                "updated with null",
                "forked",
                "forked and pruned",
                "pruned",
                "deleted and made again",
            ),
            id="without a run",
        ),
        pytest.param(
            ("run twice", "run and updated", "run and forked", "failed", "failed and recovered"),
            id="run to the end",
        ),
        pytest.param(
            (
                "asking",
                "asking again",
                "asking in a subgraph",
                "asking and pruned",
                "answered",
                "answered by an update",
                "stopped before a node",
                "stopped after a node",
            ),
            id="standing still",
        ),
        pytest.param(("cancelled", "rolled back", "with a run deleted"), id="ended"),
        pytest.param(
            ("a copy (forked)", "a copy (failed)", "a copy (asking)", "a copy of a copy (forked)"),
            id="copies",
        ),
    ],
)
def test_a_thread_in_any_condition_is_kept(
    given: ThreadsApi,
    threads: ThreadsApi,
    given_runs: Runs,
    restart: Restart,
    conditions: tuple[str, ...],
) -> None:
    plain = make_in_conditions(_BLOCKING_CONDITIONS, given, given_runs)
    made = make_in_conditions(conditions, given, given_runs)
    before = {
        name: settled_answer(given, partial(_shown_of, given, each.thread))
        for name, each in {**plain, **made}.items()
    }
    restart(*(each.thread for each in plain.values()))
    for name, each in plain.items():
        if not same_json(_shown_of(given, each.thread), before[name]):
            raise Blocked(f"{name}: not as before the restart", by="DURABLE-06")
    after = {
        name: "no thread" if restart.gone(each.thread) else _shown_of(threads, each.thread)
        for name, each in made.items()
    }
    assert_same_threads(after, {name: before[name] for name in made})


def _shown_of(api: ThreadsApi, thread: Thread) -> dict[str, Any]:
    shown = api.get(thread)
    return {
        **{name: shown.get(name) for name in _COMPARED_MEMBERS},
        "state": published_members("thread_state", api.state(thread)),
        "history": published_history(api, thread),
    }


# Runs and crons


@requires("DURABLE-08")
@restarts
def test_ended_runs_are_kept(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, runs: Runs, restart: Restart
) -> None:
    thread = given.empty()
    for graph in ("agent", "interrupter"):
        given_runs.join(given_runs.start(thread, graph))
    before = settled_answer(given, lambda: _runs_of(given_runs, thread))
    restart(thread)
    assert_equal(_runs_of(runs, thread), before, "status by the id of the run")


def _runs_of(runs: Runs, thread: Thread) -> dict[str, Any]:
    return {str(each.get("run_id")): each.get("status") for each in runs.list_runs(thread)}


@requires("DURABLE-09")
@restarts
def test_a_thread_that_asks_can_be_resumed(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, runs: Runs, restart: Restart
) -> None:
    thread, answered = given.empty(), given.empty()
    for each in (thread, answered):
        given_runs.run_to_end(each, "interrupter", "question")
    if not given.state(answered).get("next") or _missing_after_resume(given_runs, given, answered):
        raise Blocked("a thread cannot be resumed before the restart either", by="INTERRUPT-06")
    asks = settled_answer(given, lambda: given.state(thread).get("next"))
    if not asks:
        raise Blocked("the thread does not ask before the restart", by="INTERRUPT-02")
    restart(thread)
    if given.state(thread).get("next") != asks:
        raise Blocked("another node is next after the restart", by="DURABLE-05")
    assert_is(_missing_after_resume(runs, threads, thread), [], "what is missing after the answer")


def _missing_after_resume(runs: Runs, api: ThreadsApi, thread: Thread) -> list[str]:
    """Answer the interrupt of a thread; return what is missing if the thread did not continue."""
    runs.resume(thread, "interrupter", _ANSWER)
    state = api.state(thread)
    heard = any(_ANSWER in str(each) for each in message_contents(state))
    return [
        *(["an end of the graph"] if state.get("next") else []),
        *([] if heard else ["a message with the answer"]),
    ]


@requires("DURABLE-11")
@restarts
def test_crons_are_kept(
    given: ThreadsApi, given_crons: Crons, crons: Crons, restart: Restart
) -> None:
    thread = given.empty()
    made = given_crons.create(thread)

    def shown(crons: Crons) -> list[list[Any]]:
        found = crons.search(thread_id=id_of(thread))
        return [[each.get(name) for name in ("cron_id", "thread_id", "schedule")] for each in found]

    given.context.eventually(lambda: shown(given_crons), bool)
    before = settled_answer(given, lambda: shown(given_crons))
    if [each[0] for each in before] != [made["cron_id"]]:
        raise Blocked("a search does not find the cron before the restart", by="CRON-02")
    restart(thread)
    after = given.context.eventually(lambda: shown(crons), lambda seen: seen == before)
    assert_equal(after, before, "the crons of the thread")


@requires("DURABLE-14")
@restarts
def test_the_states_of_a_run_under_way_are_kept(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, restart: Restart
) -> None:
    thread = given.empty()
    given_runs.start_long(thread)
    before = published_history(given, thread)
    restart(thread)
    known = {known_checkpoint_id(state) for state in before}
    after = published_history(threads, thread)
    after = [each for each in after if known_checkpoint_id(each) in known]
    assert_equal(lasting_members(after), lasting_members(before), "the states of before")


@requires("DURABLE-17")
@restarts
def test_a_run_under_way_ends(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, runs: Runs, restart: Restart
) -> None:
    thread = given.empty()
    run = given_runs.start(thread, "slow", seconds=2)
    if (status := given_runs.wait_for_begin(run)) != "running":
        raise Blocked(f"a slow run is {status} before the restart")
    restart(thread)
    status = runs.status_once_ended_or_deleted(run)
    assert_that(status not in NOT_ENDED, "a run that is not under way", status)
    assert_that(
        threads.get_settled(thread).get("status") != "busy", "a thread that is not busy", "busy"
    )


# The last requests before a restart


@requires("DURABLE-13")
@restarts
def test_what_was_acknowledged_last_is_there(
    given: ThreadsApi, threads: ThreadsApi, restart: Restart
) -> None:
    updated, continued = given.empty(), given.with_state()
    given.update(updated, metadata={"last": "word"})
    checkpoint_id = known_checkpoint_id(given.append(continued, 2))
    made = given.empty(metadata={"last": "thread"})
    restart.without_request()
    restart.require_survivors(updated, continued, made)
    assert_equal(kept_metadata(threads.get(made), {"last": ""}), {"last": "thread"}, "metadata")
    assert_equal(kept_metadata(threads.get(updated), {"last": ""}), {"last": "word"}, "metadata")
    if checkpoint_id is None:
        raise Blocked("an update of the state does not answer its checkpoint")
    assert_equal(
        checkpoint_id_of(threads.state(continued)), checkpoint_id, "the checkpoint of the state"
    )
