"""States and histories of other people's threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from conformance.checks.expect import parse_timestamp
from conformance.checks.outcomes import PromiseBroken, reads_only, requires
from conformance.checks.views import State, is_integer, is_newest_first, parent_id_of
from conformance.checks.visit_assertions import expect_fits, expect_same
from conformance.checks.visits import (
    STATES,
    Visited,
    Visits,
    expect_fact,
    promise_broken,
    require_checkpoint_id,
    undecided,
)
from conformance.contract.schemas import schema_members
from conformance.deployment.client import ThreadsClient
from conformance.deployment.ownership.proof import canonical

pytestmark = reads_only

_STATE = schema_members("state_at_checkpoint")
_DEFAULT_PAGE = 10
#: How many of the newest checkpoints of a thread are read.
_CHECKPOINTS = 3


# ---- the newest state ---------------------------------------------------------------


def _each_state(visits: Visits, judge: Callable[[Visited, State], None]) -> None:
    """Judge the state of every thread that has a history."""

    def judge_thread(thread: Visited) -> None:
        visits.states(thread)
        judge(thread, visits.state(thread))

    visits.judge_each(judge_thread)


def _expect_as_in_history(visits: Visits, members: Callable[[State, State], set[str]]) -> None:
    """Assert that the state and the newest entry of the history agree in these members."""

    def judge(state: State, newest: State) -> None:
        same = members(state, newest)
        expect_same(state, newest, same, "the state as shown and as the newest of the history")

    visits.judge_each(
        lambda thread: visits.judge_stable(
            lambda: visits.must.state(thread), lambda _: visits.states(thread)[0], judge
        )
    )


@requires("STATE-01")
def test_values_are_those_of_the_newest_checkpoint(visits: Visits) -> None:
    _expect_as_in_history(visits, lambda _state, _newest: {"values"})


@requires("STATE-10")
def test_the_state_is_the_newest_of_the_history(visits: Visits) -> None:
    _expect_as_in_history(visits, lambda state, newest: state.keys() & newest.keys() & _STATE)


@requires("STATE-02")
def test_next_is_a_list_of_names(visits: Visits) -> None:
    def judge(_: Visited, state: State) -> None:
        shown = state.get("next")
        names = isinstance(shown, list) and all(isinstance(each, str) for each in shown)
        expect_fact(names, "next is no list of texts")

    _each_state(visits, judge)


@requires("STATE-03")
def test_tasks_are_a_list(visits: Visits) -> None:
    def judge(_: Visited, state: State) -> None:
        tasks = state.get("tasks")
        named = isinstance(tasks, list) and all(
            isinstance(each, dict)
            and all(isinstance(each.get(member), str) for member in ("id", "name"))
            for each in tasks
        )
        expect_fact(named, "tasks are no list in which every task has an id and a name")

    _each_state(visits, judge)


@requires("STATE-04")
def test_checkpoint_names_the_checkpoint(visits: Visits) -> None:
    _each_state(visits, lambda thread, state: _expect_named(thread, state, "checkpoint"))


@requires("STATE-05")
def test_parent_checkpoint_names_the_one_before(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        visits.states(thread, least=2)
        _expect_named(thread, visits.state(thread), "parent_checkpoint")

    visits.judge_each(judge)


@requires("STATE-06")
def test_checkpoint_id_agrees(visits: Visits) -> None:
    _each_state(visits, lambda _, state: _expect_agrees(state, "checkpoint"))


@requires("STATE-07")
def test_parent_checkpoint_id_agrees(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        visits.states(thread, least=2)
        _expect_agrees(visits.state(thread), "parent_checkpoint")

    visits.judge_each(judge)


@requires("STATE-08")
def test_created_at_has_an_offset(visits: Visits) -> None:
    def judge(_: Visited, state: State) -> None:
        try:
            parse_timestamp(state.get("created_at"), "created_at")
        except PromiseBroken:
            raise promise_broken("created_at is not RFC 3339 with an offset") from None

    _each_state(visits, judge)


@requires("STATE-09")
@pytest.mark.parametrize(("member", "kind"), [("source", str), ("step", int), ("parents", dict)])
def test_metadata_tells_source_step_and_parents(visits: Visits, member: str, kind: type) -> None:
    def judge(_: Visited, state: State) -> None:
        shown = _metadata(state).get(member)
        right = isinstance(shown, kind) and not isinstance(shown, bool)
        expect_fact(right, f"metadata.{member} is not of type {kind.__name__}")

    _each_state(visits, judge)


@requires("STATE-16")
def test_source_is_a_known_one(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        for state in visits.states(thread):
            known = _metadata(state).get("source") in ("input", "loop", "update", "fork")
            expect_fact(known, "metadata.source is not input, loop, update or fork")

    visits.judge_each(judge)


# ---- the history --------------------------------------------------------------------


@requires("HISTORY-01")
def test_the_history_is_a_list_of_states(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        visits.must.page(thread, limit=1)
        for state in visits.states(thread):
            expect_fits("state_at_checkpoint", state)

    visits.judge_each(judge)


@requires("HISTORY-02")
def test_newest_first(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        states = visits.states(thread, least=2)
        ids = [require_checkpoint_id(each) for each in states]
        parents = [(own, parent_id_of(each)) for own, each in zip(ids, states, strict=True)]
        named = [(own, parent) for own, parent in parents if parent in ids]
        # Clocks of a deployment may differ: timestamps decide only where no parents are shown.
        after = all(ids.index(own) < ids.index(str(parent)) for own, parent in named)
        expect_fact(
            after if named else is_newest_first(states), "the states are not ordered newest first"
        )

    visits.judge_each(judge)


@requires("HISTORY-03")
def test_every_parent_is_in_the_history(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        states = visits.states(thread, least=2)
        ids = [require_checkpoint_id(each) for each in states]
        if visits.page(thread, limit=1, before=ids[-1]):
            # A state older than the page may be the parent of any state.
            states = [each for each in states if parent_id_of(each) in ids]
        if len(states) < 2:
            raise undecided("no parent is among the newest states: name another by --thread ID")
        # The parent of the oldest state may have been pruned, which is right.
        for parent in map(parent_id_of, states[:-1]):
            expect_fact(parent is None or parent in ids, "a parent is not in the history")

    visits.judge_each(judge)


@requires("HISTORY-04")
@pytest.mark.parametrize("limit", [1, 3])
def test_get_and_post_agree(visits: Visits, limit: int) -> None:
    def judge(by_get: list[State], by_post: list[State]) -> None:
        # Either page may hold fewer states than its limit.
        expect_fact(bool(by_post), f"GET gives {len(by_get)} states, POST none")
        for one, other in zip(by_get, by_post, strict=False):
            members = (one.keys() | other.keys()) & _STATE
            expect_same(other, one, members, "a state by POST and by GET")

    def judge_thread(thread: Visited) -> None:
        visits.states(thread)
        visits.judge_stable(
            lambda: visits.page(thread, limit=limit),
            lambda _: visits.must.post_page(thread, limit=limit),
            judge,
        )

    visits.judge_each(judge_thread)


@requires("HISTORY-08")
def test_checkpoint_ids_are_unique(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        ids = [require_checkpoint_id(each) for each in visits.states(thread, least=2)]
        again = len(ids) - len(set(ids))
        expect_fact(not again, f"{again} of {len(ids)} states have the checkpoint_id of another")

    visits.judge_each(judge)


@requires("HISTORY-09")
def test_steps_count_up(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        states = visits.states(thread, least=2)
        steps = {require_checkpoint_id(each): _metadata(each).get("step") for each in states}
        compared = 0
        for state in states:
            before = steps.get(parent_id_of(state) or "")
            if is_integer(before):
                compared += 1
                counts = _metadata(state).get("step") == before + 1
                expect_fact(counts, "metadata.step is not one more than that of the parent")
        if not compared:
            raise undecided("no parent with a step is among the newest states")

    visits.judge_each(judge)


def _expect_pages_before(visits: Visits, read: Callable[[Visited, str], list[State]]) -> None:
    """Assert that a page before a checkpoint, as `read` reads it, continues the history."""

    def judge(states: list[State], pages: tuple[list[State], list[State]]) -> None:
        older, oldest = pages
        known = {require_checkpoint_id(each) for each in states}
        again = sum(require_checkpoint_id(each) in known for each in oldest)
        expect_fact(
            not again, f"before the oldest of {len(states)} states gives {again} of them again"
        )
        shown = [require_checkpoint_id(each) for each in older]
        wanted = [require_checkpoint_id(each) for each in states[1:]]
        some = shown[: len(wanted)] == wanted[: len(shown)]
        expect_fact(bool(shown) and some, "before gives other states than those older than it")

    visits.judge_each(
        lambda thread: visits.judge_stable(
            lambda: visits.states(thread, least=2),
            lambda states: (
                read(thread, require_checkpoint_id(states[0])),
                read(thread, require_checkpoint_id(states[-1])),
            ),
            judge,
        )
    )


@requires("HISTORY-10")
def test_before_continues_a_page(visits: Visits) -> None:
    _expect_pages_before(
        visits, lambda thread, newest: visits.must.page(thread, limit=STATES, before=newest)
    )


@requires("HISTORY-FILTER-01")
def test_before_by_post_continues_a_page(visits: Visits) -> None:
    _expect_pages_before(
        visits,
        lambda thread, newest: visits.must.post_page(
            thread, limit=STATES, before={"checkpoint_id": newest, "checkpoint_ns": ""}
        ),
    )


@requires("HISTORY-11")
@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_limit_bounds_a_page(visits: Visits, limit: int, method: str) -> None:
    client = visits.must.page if method == "GET" else visits.must.post_page

    def judge(thread: Visited) -> None:
        visits.states(thread, least=limit + 1)
        number = len(client(thread, limit=limit))
        if not number:
            raise undecided(f"{method} with the limit {limit} gives no state")
        expect_fact(number <= limit, f"{method} with the limit {limit} gives {number} states")

    visits.judge_each(judge)


@requires("HISTORY-12")
def test_the_default_limit_is_ten(visits: Visits) -> None:
    def judge(ten: list[str], given: list[str]) -> None:
        difference = (
            f"a page without a limit holds {len(given)}, and one with the limit ten {len(ten)}"
        )
        expect_fact(given == ten, difference)

    def page_ids(thread: Visited, **limit: int) -> list[str]:
        return [require_checkpoint_id(each) for each in visits.must.page(thread, **limit)]

    def judge_thread(thread: Visited) -> None:
        visits.states(thread, least=2)
        visits.judge_stable(
            lambda: page_ids(thread, limit=_DEFAULT_PAGE), lambda _: page_ids(thread), judge
        )

    visits.judge_each(judge_thread)


@requires("HISTORY-FILTER-03")
def test_the_default_page_of_post_holds_one(visits: Visits) -> None:
    def judge(thread: Visited) -> None:
        visits.states(thread, least=2)
        given = len(visits.must.post_page(thread))
        expect_fact(given == 1, f"a page without a limit holds {given} and not 1")

    visits.judge_each(judge)


@requires("HISTORY-FILTER-02")
def test_metadata_chooses_states(visits: Visits, client: ThreadsClient) -> None:
    def judge_thread(thread: Visited) -> None:
        source = _metadata(visits.states(thread)[0]).get("source")
        if not isinstance(source, str):
            raise undecided("the newest state shows no metadata.source")
        none = {"threads_conformance": client.ownership.absent_id()}
        found = visits.must.post_page(thread, limit=STATES, metadata=none)
        expect_fact(not found, f"{len(found)} states are given by metadata that none has")

        def judge(states: list[State], found: list[State]) -> None:
            wanted = [
                require_checkpoint_id(each)
                for each in states
                if _metadata(each).get("source") == source
            ]
            shown = [require_checkpoint_id(each) for each in found]
            others = sum(_metadata(each).get("source") != source for each in found)
            expect_fact(not others, f"{others} of {len(found)} states do not have the metadata")
            first = shown[: len(wanted)] == wanted[: len(shown)]
            expect_fact(bool(shown) and first, "the newest states with the metadata are not given")

        visits.judge_stable(
            lambda: visits.states(thread),
            lambda _: visits.must.post_page(thread, limit=STATES, metadata={"source": source}),
            judge,
        )

    visits.judge_each(judge_thread)


@requires("HISTORY-FILTER-04")
def test_pages_are_complete(visits: Visits) -> None:
    def paged_ids(thread: Visited, number: int) -> list[str]:
        """Return `number` checkpoint ids, read by pages of one state each."""
        ids: list[str] = []
        page = visits.must.page(thread, limit=1)
        while page and len(ids) < number:
            ids += map(require_checkpoint_id, page)
            page = visits.must.page(thread, limit=1, before=ids[-1])
        return ids

    def judge(states: list[State], ids: list[str]) -> None:
        wanted = [require_checkpoint_id(each) for each in states[:_DEFAULT_PAGE]]
        expect_fact(ids == wanted, f"the pages of {len(wanted)} states hold {len(ids)}, or others")

    visits.judge_each(
        lambda thread: visits.judge_stable(
            lambda: visits.states(thread, least=2),
            lambda states: paged_ids(thread, min(len(states), _DEFAULT_PAGE)),
            judge,
        )
    )


# ---- the state at a checkpoint ------------------------------------------------------


def _at_each_checkpoint(
    visits: Visits,
    read: Callable[[Visited, str], State],
    judge: Callable[[Visited, State, State], None],
) -> None:
    """Judge what `read` gives for each of the newest checkpoints against its history entry."""

    def judge_thread(thread: Visited) -> None:
        def each(entries: list[State], states: list[State]) -> None:
            for entry, state in zip(entries, states, strict=True):
                judge(thread, entry, state)

        visits.judge_stable(
            lambda: visits.states(thread)[:_CHECKPOINTS],
            lambda entries: [read(thread, require_checkpoint_id(each)) for each in entries],
            each,
        )

    visits.judge_each(judge_thread)


@requires("CHECKPOINT-01")
def test_the_state_at_a_checkpoint_can_be_read(visits: Visits) -> None:
    _at_each_checkpoint(visits, visits.must.state_at, lambda _thread, _entry, _state: None)


@pytest.mark.parametrize(
    "member",
    [
        pytest.param("values", marks=requires("CHECKPOINT-02")),
        pytest.param("next", marks=requires("CHECKPOINT-03")),
        pytest.param("tasks", marks=requires("CHECKPOINT-04")),
        pytest.param("metadata", marks=requires("CHECKPOINT-05")),
        pytest.param("created_at", marks=requires("CHECKPOINT-06")),
    ],
)
def test_it_equals_the_entry_of_the_history(visits: Visits, member: str) -> None:
    _at_each_checkpoint(
        visits,
        visits.state_at,
        lambda _, entry, state: expect_same(state, entry, [member], "a state and its entry"),
    )


@requires("CHECKPOINT-07")
def test_its_parent_is_that_of_the_history(visits: Visits) -> None:
    def judge(_: Visited, entry: State, state: State) -> None:
        same = parent_id_of(state) == parent_id_of(entry)
        expect_fact(same, "the parent of a state is not that of its entry in the history")

    _at_each_checkpoint(visits, visits.state_at, judge)


@requires("CHECKPOINT-08")
def test_it_is_the_checkpoint_asked_for(visits: Visits) -> None:
    def judge(thread: Visited, entry: State, state: State) -> None:
        asked_for = require_checkpoint_id(entry)
        named = (state.get("checkpoint_id") or asked_for) == asked_for
        expect_fact(named, "checkpoint_id is not that of the checkpoint asked for")
        _expect_checkpoint(thread, entry, state)

    _at_each_checkpoint(visits, visits.state_at, judge)


@requires("CHECKPOINT-POST-01")
def test_post_agrees_with_get(visits: Visits) -> None:
    def judge_thread(thread: Visited) -> None:
        def judge(by_get: State, by_post: State) -> None:
            members = {"values", "next", "tasks", "metadata", "created_at"}
            members |= {"parent_checkpoint", "parent_checkpoint_id"}
            expect_same(by_post, by_get, members, "a state by POST and by GET")

        def by_post(checkpoint_id: str, _: State) -> State:
            return visits.must.post_state_at(thread, checkpoint_id)

        for entry in visits.states(thread)[:_CHECKPOINTS]:
            visits.judge_stable(
                partial(visits.state_at, thread, require_checkpoint_id(entry)),
                partial(by_post, require_checkpoint_id(entry)),
                judge,
            )

    visits.judge_each(judge_thread)


@requires("CHECKPOINT-POST-03")
def test_post_gives_the_checkpoint_asked_for(visits: Visits) -> None:
    _at_each_checkpoint(visits, visits.must.post_state_at, _expect_checkpoint)


def _expect_checkpoint(thread: Visited, entry: State, state: State) -> None:
    checkpoint = state.get("checkpoint")
    shown = checkpoint if isinstance(checkpoint, dict) else {}
    asked_for = (
        shown.get("checkpoint_id") == require_checkpoint_id(entry)
        and canonical(str(shown.get("thread_id"))) == thread.id
    )
    expect_fact(asked_for, "checkpoint does not name the checkpoint and the thread asked for")


def _expect_named(thread: Visited, state: State, where: str) -> None:
    named: Any = state.get(where)
    named = named if isinstance(named, dict) else {}
    wrong = [
        member
        for member, right in (
            ("checkpoint_id", isinstance(named.get("checkpoint_id"), str)),
            ("thread_id", canonical(str(named.get("thread_id"))) == thread.id),
            ("checkpoint_ns", named.get("checkpoint_ns") == ""),
        )
        if not right
    ]
    expect_fact(not wrong, f"{where} is wrong in {', '.join(wrong)}")


def _expect_agrees(state: State, where: str) -> None:
    nested = state.get(where)
    inner = nested.get("checkpoint_id") if isinstance(nested, dict) else None
    agrees = isinstance(inner, str) and state.get(f"{where}_id") == inner
    expect_fact(agrees, f"{where}_id is not that of {where}")


def _metadata(state: State) -> dict[str, Any]:
    metadata = state.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
