"""Rules that hold for a thread in any condition.

Each rule is judged on a thread in a condition made by name. If the rule is also broken on the
simplest thread, another requirement judges that, and the check is blocked.
"""

from collections.abc import Callable
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.channels import thread_with_channels
from conformance.checks.comparable_members import shown_by_both
from conformance.checks.conditions import ANSWER, Maker, in_conditions, make, make_shown, states_of
from conformance.checks.expect import (
    assert_advances_timestamp,
    assert_equal,
    assert_identical_history,
    assert_is,
    assert_same_thread,
    assert_that,
    assert_untouched,
    kept_metadata,
    require_identical_history,
    same_thread,
    timestamp_or_blocked,
)
from conformance.checks.outcomes import Blocked, PromiseBroken, alone, requires
from conformance.checks.runs import NOT_ENDED, Runs
from conformance.checks.shown_interrupts import interrupts_by_key, interrupts_in
from conformance.checks.views import (
    Thread,
    checkpoint_id_of,
    checkpoint_named,
    has_data,
    id_of,
    parent_id_of,
)
from conformance.checks.ways import COMPARED_MEMBERS
from conformance.contract.api_constants import THREAD_STATUSES
from conformance.deployment.client import ThreadsClient
from conformance.json_differences import same_json
from conformance.waiting import wait_until

#: The runs that are cancelled as soon as they have made a state, by graph.
_CANCELLED_AS_THEY_WRITE: dict[str, list[dict[str, Any]]] = {
    "agent": [{}] * 30,
    "slow": [{"seconds": seconds} for seconds in (0.1, 0.2, 0.4, 0.8)],
}
#: Seconds between two reads of a state that is watched closely.
_PAUSE_S = 0.005
#: How many runs of other threads are begun with each of them.
_RUNS_BESIDE = 4

Rule = Callable[[ThreadsApi, Thread], None]


# Different ways to read a thread agree


@requires("CONDITION-01")
@in_conditions(
    "updated with null",
    "run and updated",
    "failed",
    "asking in a subgraph",
    "asking again",
    "answered by an update",
    "cancelled",
    "rolled back",
    "with a run deleted",
)
def test_a_thread_shows_the_values_of_its_state(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    _judge(_assert_values_agree, given, threads, given_runs, condition)


@alone
@requires("CANCEL-22")
@pytest.mark.parametrize("graph", list(_CANCELLED_AS_THEY_WRITE))
def test_a_run_cancelled_as_it_writes_leaves_the_values_of_its_state(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, graph: str
) -> None:
    # Which write a cancellation meets depends on the moment: hence many runs, with others beside.
    others = [given.empty() for _ in range(_RUNS_BESIDE)]
    for members in _CANCELLED_AS_THEY_WRITE[graph]:
        thread = given.with_state()
        before = given.state(thread)["values"]
        for other in others:
            given_runs.start(other, "agent")
        run = given_runs.start(thread, graph, **members)
        _wait_for_other_values(given, thread, before)
        # Refused if the run has ended by now; then there is nothing to be judged either.
        given.client.runs.cancel(run.thread_id, run.run_id, action="interrupt")
        if (status := given_runs.status_once_ended(run)) in NOT_ENDED:
            raise Blocked(f"a run that was cancelled is {status}", by="CANCEL-01")
        _judge_thread(_assert_values_agree, given, threads, thread)


def _wait_for_other_values(given: ThreadsApi, thread: Thread, values: Any) -> None:
    """Wait until the state of the thread has other values, at most as long as for a run.

    It is asked for in quick succession, since what follows must come soon after the write.
    """
    wait_until(
        lambda: given.state(thread)["values"],
        lambda shown: not same_json(shown, values),
        within_s=given.context.settings.run_timeout_s,
        pause_s=_PAUSE_S,
    )


@requires("CONDITION-02")
@in_conditions("failed", "asking in a subgraph", "answered by an update")
def test_a_thread_shows_the_interrupts_of_its_state(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    thread = make(condition, given, given_runs).thread
    _judge_interrupts(given, threads, given_runs, thread)


@requires("CONDITION-02")
def test_a_thread_shows_no_interrupts_of_a_branch_that_was_left(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs
) -> None:
    thread = make("asking", given, given_runs).thread
    oldest = states_of(given, thread)[-1]
    _answer_by_an_update(Maker(given, given_runs), thread, checkpoint=checkpoint_named(oldest))
    _judge_interrupts(given, threads, given_runs, thread)


@requires("CONDITION-03")
@in_conditions(
    "with a ttl",
    "stopped midway",
    "updated with null",
    "failed",
    "asking",
    "asking in a subgraph",
    "running with a run waiting",
    "with a run to come",
    "a copy of a copy (empty)",
    "a copy (asking)",
)
def test_a_thread_is_found_as_get_shows_it(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    _judge_shown(_assert_found_as_shown, given, threads, given_runs, condition)


@requires("CONDITION-04")
@in_conditions(
    "updated with null",
    "run and forked",
    "failed",
    "asking in a subgraph",
    "cancelled",
    "rolled back",
    "with a run deleted",
    "a copy of a copy (asking)",
)
def test_the_state_is_the_newest_of_the_history(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    _judge(_assert_newest_agrees, given, threads, given_runs, condition)


@requires("CONDITION-05")
@in_conditions(
    "run and forked", "asking in a subgraph", "asking again", "a copy of a copy (forked)"
)
def test_older_states_are_as_in_the_history(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    _judge(_assert_older_agree, given, threads, given_runs, condition)


# Threads are found by what they show


@requires("CONDITION-06")
@in_conditions(
    "with metadata",
    "stopped midway",
    "failed",
    "asking in a subgraph",
    "answered by an update",
    "stopped before a node",
    "cancelled",
    "rolled back",
    "running with a run waiting",
    "with a run to come",
    "a copy (empty)",
    "a copy (asking)",
    "a copy (failed)",
    "a copy (running)",
)
def test_a_thread_is_found_by_the_status_that_it_shows(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    _judge_shown(_assert_found_by_status, given, threads, given_runs, condition)


@requires("CONDITION-07")
@in_conditions("stopped midway", "failed", "with a run to come", "a copy (asking)")
def test_threads_are_counted_by_the_status_that_they_show(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    # The plain thread is judged first, since a count includes all threads of the check.
    _require_on_a_plain_thread(_assert_counted_by_status, given)
    _assert_counted_by_status(threads, make_shown(condition, given, given_runs).thread)


# Copies


@requires("CONDITION-08")
@in_conditions(
    "a copy (empty)",
    "stopped midway",
    "updated with null",
    "failed and recovered",
    "asking in a subgraph",
    "answered by an update",
    "cancelled",
    "rolled back",
)
def test_copies_have_the_identical_history(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    _judge(_assert_copies_are_identical, given, threads, given_runs, condition)


@requires("CONDITION-09")
@in_conditions("a copy (prepopulated)", "a copy of a copy (forked)")
def test_a_copy_can_be_forked(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    _require_on_a_plain_thread(_assert_forks, given)
    copy = make(condition, given, given_runs).thread
    # Whether a copy can be updated at all, even if it lacks its metadata, is judged elsewhere.
    given.append(copy, 6)
    _assert_forks(threads, copy)


@requires("CONDITION-10")
def test_a_copy_of_a_failed_thread_has_its_status(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs
) -> None:
    source = make("failed", given, given_runs).thread
    if (status := given.get(source).get("status")) != "error":
        raise Blocked(f"the failed thread is {status}", by="STATUS-02")
    copy = given.copy(source)
    require_identical_history(given.history(copy), given.history(source))
    assert_equal(threads.get_settled(copy).get("status"), status, "status")


# Times


Act = Callable[[Maker, Thread], object]


def _answer_by_an_update(maker: Maker, thread: Thread, **at: Any) -> None:
    asking = maker.given.state(thread).get("next") or ["ask"]
    maker.given.update_state(thread, values=ANSWER, as_node=asking[0], **at)


def _fork(maker: Maker, thread: Thread) -> None:
    oldest = checkpoint_id_of(states_of(maker.given, thread)[-1])
    checkpoint = {"checkpoint_id": oldest, "checkpoint_ns": ""}
    maker.given.append(thread, 7, checkpoint=checkpoint)


def _append(maker: Maker, thread: Thread) -> None:
    maker.given.append(thread, 7)


def _update(maker: Maker, thread: Thread) -> None:
    maker.given.update(thread, metadata={"colour": "blue"})


def _run(maker: Maker, thread: Thread) -> None:
    maker.given.run(thread)


def _fail(maker: Maker, thread: Thread) -> None:
    maker.runs.run_to_end(thread, "failing")


def _resume_nested(maker: Maker, thread: Thread) -> None:
    maker.runs.resume(thread, "nested", "yes")


def _resume(maker: Maker, thread: Thread) -> None:
    maker.runs.resume(thread, "interrupter", "yes")


@requires("CONDITION-11")
@pytest.mark.parametrize(
    ("condition", "change"),
    [
        pytest.param("prepopulated", _fork, id="a fork"),
        pytest.param("asking", _answer_by_an_update, id="an update past a question"),
        pytest.param("asking", _resume, id="an answer"),
        pytest.param("failed", _run, id="a run after a failure"),
        pytest.param("prepopulated", _fail, id="a run that fails"),
        pytest.param("failed", _update, id="an update of metadata after a failure"),
        pytest.param("asking", _update, id="an update of metadata beside a question"),
        pytest.param("failed and recovered", _append, id="a state update after a recovery"),
        pytest.param("a copy (forked)", _append, id="a state update of a copy"),
    ],
)
def test_updated_at_moves_with_every_change(
    given: ThreadsApi, given_runs: Runs, condition: str, change: Act
) -> None:
    _assert_moves("updated_at", given, given_runs, condition, change)


@requires("CONDITION-12")
@pytest.mark.parametrize(
    ("condition", "change"),
    [
        pytest.param("prepopulated", _fork, id="a fork"),
        pytest.param("asking", _answer_by_an_update, id="an update past a question"),
        pytest.param("prepopulated", _run, id="a run"),
    ],
)
def test_state_updated_at_moves_with_every_change_of_the_state(
    given: ThreadsApi, given_runs: Runs, condition: str, change: Act
) -> None:
    _assert_moves("state_updated_at", given, given_runs, condition, change)


@requires("CONDITION-13")
@in_conditions("prepopulated", "asking")
def test_reading_moves_no_time(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, given_runs: Runs, condition: str
) -> None:
    thread = make(condition, given, given_runs).thread
    before = given.get(thread)
    newest = states_of(given, thread)[0]
    given.post_page(thread, limit=2)
    given.state(thread)
    given.state_at(thread, checkpoint_id_of(newest))
    given.search()
    client.count({"metadata": given.context.tag})
    client.runs.list(id_of(thread))
    after = threads.get(thread)
    for name in ("updated_at", "state_updated_at"):
        if name in before:
            assert_equal(
                timestamp_or_blocked(after.get(name), name).isoformat(),
                timestamp_or_blocked(before.get(name), name).isoformat(),
                name,
            )


@requires("CONDITION-14")
def test_an_update_during_a_run_outlives_the_run(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs
) -> None:
    thread = given.empty(metadata={"colour": "red", "size": 1})
    # Long enough for the run to be still in progress when the update is answered.
    run = given_runs.start(thread, "slow", seconds=2)
    if (status := given_runs.wait_for_begin(run)) != "running":
        raise Blocked(f"the run is {status} where it should be under way")
    given.update(thread, metadata={"colour": "blue", "more": True})
    wanted = {"colour": "blue", "more": True, "size": 1}
    if kept_metadata(given.get(thread), wanted) != wanted:
        raise Blocked("GET does not show the metadata of the update", by="UPDATE-07")
    if (status := given_runs.status(run)) != "running":
        raise Blocked(f"the run is {status} where it should still be under way")
    given_runs.join(run)
    given.get_settled(thread)
    assert_equal(kept_metadata(threads.get(thread), wanted), wanted, "the metadata")


# Changes to a source or a copy leave the other unchanged


@requires("CONDITION-15")
@pytest.mark.parametrize(
    ("condition", "change", "changed"),
    [
        pytest.param("asking", _answer_by_an_update, "source", id="an update past a question"),
        pytest.param("asking", _answer_by_an_update, "copy", id="an update past its question"),
        pytest.param("asking in a subgraph", _resume_nested, "source", id="an answer"),
        pytest.param("failed", _run, "source", id="a run after a failure"),
    ],
)
def test_changes_of_one_leave_the_other(
    given: ThreadsApi,
    threads: ThreadsApi,
    given_runs: Runs,
    condition: str,
    change: Act,
    changed: str,
) -> None:
    maker = Maker(given, given_runs)
    source = make(condition, given, given_runs).thread
    copy = given.copy(source)
    one, other = (source, copy) if changed == "source" else (copy, source)
    assert_untouched(threads, other, lambda: change(maker, one))


@requires("CONDITION-15")
@pytest.mark.parametrize("action", ["interrupt", "rollback"])
def test_a_cancellation_leaves_copies(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, action: str
) -> None:
    made = make("running", given, given_runs)
    copy = given.copy(made.thread)

    def cancel() -> None:
        assert made.run is not None
        given_runs.cancel(made.run, action, wait=False)
        if (status := given_runs.status_once_ended_or_deleted(made.run)) in NOT_ENDED:
            raise Blocked(f"a run that was cancelled is {status}", by="CANCEL-01")

    assert_untouched(threads, copy, cancel)


# The rules


def _judge(rule: Rule, given: ThreadsApi, threads: ThreadsApi, runs: Runs, condition: str) -> None:
    """Judge a rule on a thread in a condition; `Blocked` if it is broken on a plain thread too."""
    _judge_thread(rule, given, threads, make(condition, given, runs).thread)


def _judge_shown(
    rule: Rule, given: ThreadsApi, threads: ThreadsApi, runs: Runs, condition: str
) -> None:
    """Judge a rule like `_judge`; `Blocked` also if GET does not show the condition's status."""
    _judge_thread(rule, given, threads, make_shown(condition, given, runs).thread)


def _judge_thread(rule: Rule, given: ThreadsApi, threads: ThreadsApi, thread: Thread) -> None:
    try:
        rule(threads, thread)
    except PromiseBroken:
        # The plain thread is tried only now, to save requests: rules nearly always hold.
        _require_on_a_plain_thread(rule, given)
        raise


def _judge_interrupts(given: ThreadsApi, threads: ThreadsApi, runs: Runs, thread: Thread) -> None:
    """Judge that interrupts agree; `Blocked` if they do not on a thread that asks, either.

    A thread that never asked is no measure: a deployment may show no interrupts of it at all.
    """
    try:
        _assert_interrupts_agree(threads, thread)
    except PromiseBroken:
        _require(_assert_interrupts_agree, given, make("asking", given, runs).thread)
        raise


def _require_on_a_plain_thread(rule: Rule, given: ThreadsApi) -> None:
    _require(rule, given, thread_with_channels(given))


def _require(rule: Rule, given: ThreadsApi, thread: Thread) -> None:
    try:
        rule(given, thread)
    except PromiseBroken as broken:
        raise Blocked.because(broken) from None


def _assert_values_agree(api: ThreadsApi, thread: Thread) -> None:
    wanted = api.state(thread).get("values")
    if not has_data(wanted):
        raise Blocked("the state shows no values")
    shown = api.context.eventually(
        lambda: api.get(thread).get("values"),
        lambda values: values is None or same_json(values, wanted),
    )
    if shown is None:
        raise Blocked("GET shows no values, which are an optional member")
    assert_equal(shown, wanted, "the values of the thread")


def _assert_interrupts_agree(api: ThreadsApi, thread: Thread) -> None:
    wanted = [each.get("value") for each in interrupts_in(api.state(thread))]

    def read() -> Any:
        shown = api.get(thread).get("interrupts")
        if not isinstance(shown, dict):
            return None
        by_key = interrupts_by_key(shown).values()
        return [each.get("value") for under in by_key for each in under]

    asked = api.context.eventually(read, lambda asked: asked is None or same_json(asked, wanted))
    if asked is None:
        raise Blocked("the thread shows no interrupts, which are an optional member")
    assert_is(asked, wanted, "the values of the interrupts of the thread")


def _assert_found_as_shown(api: ThreadsApi, thread: Thread) -> None:
    def read() -> tuple[Thread | None, Thread]:
        return _found(api, thread), api.get(thread)

    found, shown = api.context.eventually(
        read, lambda both: both[0] is not None and same_thread(both[0], both[1])
    )
    if found is None:
        raise Blocked("a search by its id does not find the thread", by="FILTER-01")
    assert_same_thread(found, shown, "the thread found")


def _assert_newest_agrees(api: ThreadsApi, thread: Thread) -> None:
    newest = api.page(thread, limit=5)
    if not newest:
        raise Blocked("the history shows no state")
    assert_equal(*shown_by_both(api.state(thread), newest[0]), "the state of the thread")


def _assert_older_agree(api: ThreadsApi, thread: Thread) -> None:
    for entry in api.history(thread):
        state = api.state_at(thread, checkpoint_id_of(entry))
        both = [each for each in COMPARED_MEMBERS if each in entry and each in state]
        shown, wanted = ({name: each[name] for name in both} for each in (state, entry))
        assert_equal(*shown_by_both(shown, wanted), "the state at a checkpoint")


def _assert_found_by_status(api: ThreadsApi, thread: Thread) -> None:
    def read() -> tuple[Any, list[str]]:
        shown = api.get(thread).get("status")
        return shown, [each for each in THREAD_STATUSES if _found(api, thread, status=each)]

    shown, found = api.context.eventually(read, lambda both: both[1] == [both[0]])
    assert_equal(found, [shown], "the statuses by which a search finds the thread")


def _assert_counted_by_status(api: ThreadsApi, _thread: Thread) -> None:
    def read() -> tuple[list[int], list[int]]:
        shown = [each.get("status") for each in api.search()]
        return (
            [api.count(status=each) for each in THREAD_STATUSES],
            [shown.count(each) for each in THREAD_STATUSES],
        )

    counted, shown = api.context.eventually(read, lambda both: both[0] == both[1])
    by_status = dict(zip(THREAD_STATUSES, shown, strict=True))
    assert_equal(dict(zip(THREAD_STATUSES, counted, strict=True)), by_status, "the counts")


def _assert_copies_are_identical(api: ThreadsApi, thread: Thread) -> None:
    history = api.history(thread)
    copy = api.copy(thread)
    for each in (copy, api.copy(copy)):
        if len(history):
            assert_identical_history(api.history(each), history)
        else:
            assert_is(len(api.history(each)), 0, "the number of states of the copy")


def _assert_forks(api: ThreadsApi, thread: Thread) -> None:
    before = [checkpoint_id_of(each) for each in states_of(api, thread)]
    checkpoint = {"checkpoint_id": before[-1], "checkpoint_ns": ""}
    api.append(thread, 7, checkpoint=checkpoint)
    fresh = [each for each in api.history(thread) if checkpoint_id_of(each) not in before]
    assert_equal(len(fresh), 1, "the number of new states")
    # An entry of the history need not show its parent, while the documented state does.
    parent = parent_id_of(fresh[0]) or parent_id_of(api.state(thread))
    assert_equal(parent, before[-1], "the parent of the new state")


def _found(api: ThreadsApi, thread: Thread, **filters: Any) -> Thread | None:
    """Return the thread as a search by its id and these filters shows it; None if not found."""
    body = {"ids": [id_of(thread)], **filters}
    found = api.list_of(api.client.search(body))
    return next((each for each in found if each.get("thread_id") == id_of(thread)), None)


def _assert_moves(member: str, given: ThreadsApi, runs: Runs, condition: str, change: Act) -> None:
    """Assert that the timestamp `member` of a thread is later after a change.

    Timestamps may be in whole seconds, so the change is repeated on new threads until one shows a
    later time, or the deadline. `Blocked` if a change of a plain thread shows no later time either.
    """
    maker = Maker(given, runs)

    def change_new_thread() -> tuple[Any, Any]:
        thread = make(condition, given, runs).thread
        before = given.get(thread).get(member)
        if before is None:
            raise Blocked(f"GET shows no {member}")
        change(maker, thread)
        return before, given.get_settled(thread).get(member)

    def moved(times: tuple[Any, Any]) -> bool:
        before, after = (timestamp_or_blocked(each, member) for each in times)
        return after > before

    times = given.context.eventually(change_new_thread, moved)
    if not moved(times) and "." not in str(times[1]):
        raise Blocked(f"{member} is told in whole seconds, which are longer than was waited")
    if not moved(times):
        plain = given.prepopulated()
        on_a_plain_thread = change if change in (_update, _append) else _append
        try:
            assert_advances_timestamp(
                given, lambda: given.get(plain), lambda: on_a_plain_thread(maker, plain), member
            )
        except PromiseBroken as broken:
            raise Blocked.because(broken) from None
    assert_that(moved(times), f"{member} after {times[0]}", times[1])
