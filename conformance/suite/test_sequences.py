"""Promises that must hold after any sequence of operations.

All checks drive the same state machine, each with a judge of one promise: before its `yield` the
judge reads the threads as they are, after it the result of the step.
"""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any, TypeVar

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import (
    lasting_members,
    published_members,
    require_some,
    shown_by_both,
)
from conformance.checks.expect import (
    assert_equal,
    assert_identical_history,
    assert_is,
    assert_page,
    assert_same_thread,
    assert_that,
    same_thread,
)
from conformance.checks.messages import type_and_content
from conformance.checks.outcomes import requires
from conformance.checks.sequences.machine import METADATA_KEYS, check_sequences
from conformance.checks.sequences.sequence_state import SequenceState, Step, StepResult
from conformance.checks.views import (
    State,
    Thread,
    checkpoint_id_of,
    id_of,
    items_of_followed_list,
    known_checkpoint_id,
    parent_id_of,
)
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.deployment.settings import GraphSettings
from conformance.json_differences import same_json
from conformance.model.containment import contains
from conformance.safe_text import excerpt

_T = TypeVar("_T")
Judging = Generator[None, StepResult, None]

_WRITES = "append fork run"
#: Members that are the same in the state at a checkpoint and in the history.
_AT_A_CHECKPOINT = frozenset({"values", "next", "tasks", "metadata", "created_at"})


@requires("SEQ-01")
def test_threads_that_are_not_related_stay_as_they_are(
    given: ThreadsApi, context: CheckContext
) -> None:
    settled = _UntilSettled(context)
    judged_operations = "delete create prepopulate copy append append fork update run"

    def judge(sequence: SequenceState, step: Step) -> Judging:
        return _judge_untouched(sequence, step, settled, related=False)

    check_sequences(given, judge, judged_operations, not_judged="")


@requires("SEQ-02")
def test_copies_and_sources_stay_as_they_are(given: ThreadsApi, context: CheckContext) -> None:
    settled = _UntilSettled(context)
    judged_operations = "delete copy copy append append append fork update run"

    def judge(sequence: SequenceState, step: Step) -> Judging:
        return _judge_untouched(sequence, step, settled, related=True)

    check_sequences(given, judge, judged_operations, not_judged="")


@requires("SEQ-03")
def test_a_copy_has_the_history_of_the_moment(given: ThreadsApi) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        source = sequence.history(sequence.subject(step))
        done = yield
        assert_identical_history(sequence.history(done.thread), source)
        require_some(source, "the source has no state", "HISTORY-01")

    check_sequences(given, judge, "copy")


@requires("SEQ-04")
def test_what_was_there_stays_below_what_is_added(given: ThreadsApi) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        before = sequence.history(sequence.subject(step)).states
        done = yield
        after = sequence.history(done.thread).states
        shown = after[len(after) - len(before) :] if len(after) >= len(before) else after
        assert_equal(lasting_members(shown), lasting_members(before), "the states that were there")
        require_some(before, "the thread had no state", "HISTORY-01")

    check_sequences(given, judge, f"{_WRITES} update")


@requires("SEQ-05")
def test_an_update_adds_one_state_after_its_base(given: ThreadsApi) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        before = sequence.history(sequence.subject(step)).checkpoint_ids()
        done = yield
        after = sequence.history(done.thread)
        # Whether the answer to an update names its checkpoint is judged by another check.
        added = _answered_checkpoint_id(done.answer) or next(iter(after.checkpoint_ids()), None)
        assert_equal(after.checkpoint_ids(), [added, *before], "the checkpoints")
        base = done.base or (before[0] if before else None)
        # A history need not show parents, while the documented state does.
        parent = parent_id_of(after.states[0]) or parent_id_of(given.state(done.thread))
        assert_equal(parent, base, "the parent of the new state")

    check_sequences(given, judge, "append fork")


@requires("SEQ-06")
def test_every_parent_is_in_the_history(given: ThreadsApi) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        done = yield
        history = sequence.history(done.thread)
        parents = {parent_id_of(each) for each in history} - {None}
        missing = sorted(map(str, parents - set(history.checkpoint_ids())))
        assert_is(missing, [], "the parents that are not in the history")
        require_some(parents, "no state names its parent")

    check_sequences(given, judge, "copy append fork run")


@requires("SEQ-07")
def test_the_state_is_the_newest_of_the_history(given: ThreadsApi) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        done = yield
        states = given.page(done.thread, limit=LONGEST_PAGE)
        require_some(states, "the thread has no state", "HISTORY-01")
        state = given.state(done.thread)
        _assert_same_members(state, states[0])

    check_sequences(given, judge, "copy append fork run")


@requires("SEQ-08")
def test_a_state_is_as_the_history_shows_it(given: ThreadsApi) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        done = yield
        states = sequence.history(done.thread).states
        require_some(states, "the thread has no state", "HISTORY-01")
        wanted = states[step.at % len(states)]
        shown = given.state_at(done.thread, checkpoint_id_of(wanted))
        missing = dict.fromkeys(_AT_A_CHECKPOINT)
        at_the_checkpoint = {name: wanted[name] for name in _AT_A_CHECKPOINT & wanted.keys()}
        _assert_same_members({**missing, **shown}, at_the_checkpoint)

    check_sequences(given, judge, "look")


@requires("SEQ-09")
def test_pages_of_the_history_make_the_whole(given: ThreadsApi) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        done = yield
        whole = sequence.history(done.thread).states
        require_some(whole, "the thread has no state", "HISTORY-01")
        start = step.at % len(whole)
        position, before = 0, {}
        if start:
            position, before = start, {"before": checkpoint_id_of(whole[start - 1])}
        while position < len(whole):
            page = given.page(done.thread, limit=step.limit, **before)
            rest = whole[position : position + step.limit]
            assert_page(page, rest, f"the states from number {position} on", step.limit)
            position += len(page)
            before = {"before": checkpoint_id_of(whole[position - 1])}

    # No forks: in a forked history, `before` may mean the states made earlier, or the ancestors.
    check_sequences(given, judge, "look", not_judged="delete append copy update create prepopulate")


@requires("SEQ-10")
def test_values_are_those_of_the_base_and_the_update(
    given: ThreadsApi, graph: GraphSettings
) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        states = {}
        if step.name != "prepopulate":
            there = sequence.history(sequence.subject(step))
            states = {checkpoint_id_of(each): each for each in there}
        done = yield
        newest = next(iter(states), None)
        base = items_of_followed_list(states.get(done.base or newest or "", {}), graph)
        shown = items_of_followed_list(given.state(done.thread), graph)
        assert_equal(shown[: len(base)], base, "the messages that were there")
        if step.name != "run":
            assert_equal(
                type_and_content(shown[len(base) :]), list(done.sent), "the messages of the update"
            )
        require_some([base, done.sent], "nothing was appended")

    check_sequences(given, judge, f"prepopulate {_WRITES}")


@requires("SEQ-11")
def test_the_thread_shows_the_values_of_its_state(given: ThreadsApi, context: CheckContext) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        done = yield

        def read() -> tuple[Any, Any]:
            return given.get(done.thread).get("values"), given.state(done.thread)["values"]

        shown, expected = context.eventually(
            read, lambda seen: seen[0] is None or same_json(seen[0], seen[1])
        )
        require_some([shown is not None], "GET shows no values")
        assert_equal(shown, expected, "values by GET")

    check_sequences(given, judge, "prepopulate append run")


@requires("SEQ-12")
def test_get_shows_what_was_answered(given: ThreadsApi, context: CheckContext) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        done = yield
        answered = _without_nulls(done.answer)
        reads: list[Thread] = []

        def read() -> Thread:
            reads.append(_without_nulls(given.get(done.thread)))
            return reads[-1]

        shown = context.eventually(read, lambda shown: same_thread(shown, answered))
        assert_same_thread(shown, answered, "the thread by GET")
        # Id and metadata must be shown at once; what a state or a run decides may follow later.
        metadata: Thread = {
            name: answered[name] for name in ("thread_id", "metadata") if name in answered
        }
        assert_same_thread(reads[0], metadata, "the thread by GET, asked at once")

    check_sequences(given, judge, "create prepopulate copy update")


@requires("SEQ-13")
def test_metadata_is_the_merge_of_all_updates(given: ThreadsApi) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        done = yield
        own = id_of(done.thread)
        shown = _own_metadata(given.get(done.thread))
        if step.name == "copy":
            # Whether a copy has the metadata of its source is judged by another check.
            sequence.memory[own] = shown
        elif step.name in ("create", "prepopulate", "update"):
            sequence.memory[own] = {**sequence.memory.get(own, {}), **dict(step.metadata)}
        assert_equal(shown, sequence.memory[own], "the metadata of this sequence")
        require_some([shown], "the thread was given no metadata")

    check_sequences(given, judge, "create prepopulate copy append fork update run")


@requires("SEQ-14")
def test_a_search_finds_what_satisfies_it(given: ThreadsApi, context: CheckContext) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        yield
        filters = sequence.filters(step)

        def read() -> tuple[list[str], list[str]]:
            # Read the threads each time, since one may become idle between two reads.
            views = sequence.views()
            expected = sorted(
                name for name, view in views.items() if _satisfies(view, filters, context)
            )
            return sorted(set(given.search_ids(**filters)) - sequence.unresolved), expected

        found, expected = context.eventually(read, lambda seen: seen[0] == seen[1])
        assert_equal(found, expected, f"the threads found by {filters}")

    check_sequences(given, judge, "look")


@requires("SEQ-15")
def test_a_count_is_the_length_of_the_search(given: ThreadsApi, context: CheckContext) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        yield
        filters = sequence.filters(step)
        filters.pop("ids", None)
        found, count = context.eventually(
            lambda: (len(given.search_ids(**filters)), given.count(**filters)),
            lambda seen: seen[0] == seen[1],
        )
        assert_equal(count, found, f"the count by {filters}")
        require_some([found], "no thread is found")

    check_sequences(given, judge, "look")


@requires("SEQ-16")
def test_pages_of_a_search_make_the_whole(given: ThreadsApi, context: CheckContext) -> None:
    eventually = _UntilSettled(context)

    def judge(sequence: SequenceState, step: Step) -> Judging:
        yield
        # In both directions: one of them may happen to be the order of creation.
        for direction in ("asc", "desc"):
            order = {"metadata": sequence.mark, "sort_by": "thread_id", "sort_order": direction}
            whole, paged = eventually(
                partial(_whole_and_paged, given, order, step.limit),
                # Two empty answers agree, and prove nothing.
                is_settled=lambda seen: bool(seen[0]) or not sequence.alive,
                holds=lambda seen: seen[0] == seen[1],
            )
            assert_equal(paged, whole, f"the threads of all pages of {step.limit}")
            require_some(whole, "no thread is found")
            if len(whole) <= step.limit:
                break  # all fit in one page, whatever the order

    check_sequences(given, judge, "look")


def _any_satisfies(sequence: SequenceState, filters: dict[str, Any], context: CheckContext) -> bool:
    return any(_satisfies(sequence.api.get(each), filters, context) for each in sequence.alive)


def _whole_and_paged(
    given: ThreadsApi, order: dict[str, Any], limit: int
) -> tuple[list[str], list[str]]:
    """Return the ids that a search finds at once, and those of all its pages."""
    whole = given.search_ids(**order)
    pages = range(0, len(whole) + 1, limit)
    return whole, [
        each for offset in pages for each in given.search_ids(**order, limit=limit, offset=offset)
    ]


@requires("SEQ-17")
def test_what_is_found_is_what_get_shows(given: ThreadsApi, context: CheckContext) -> None:
    eventually = _UntilSettled(context)

    def judge(sequence: SequenceState, step: Step) -> Judging:
        yield
        filters = sequence.filters(step)

        def read() -> list[tuple[Thread, Thread]]:
            found = {id_of(each): each for each in given.search(**filters)}
            return [
                (_without_nulls(found[id_of(each)]), _without_nulls(given.get(each)))
                for each in _found_among(found, sequence.alive)
            ]

        pairs = eventually(
            read,
            # Whether a thread must be found is tried only if none is: it takes a GET per thread.
            is_settled=lambda pairs: bool(pairs) or not _any_satisfies(sequence, filters, context),
            holds=lambda pairs: all(same_thread(*each) for each in pairs),
        )
        require_some(pairs, "no thread is found")
        for found, shown in pairs:
            assert_same_thread(found, shown, f"the thread {id_of(shown)} in the search")

    check_sequences(given, judge, "look")


@requires("SEQ-18")
def test_a_deleted_thread_stays_gone(given: ThreadsApi, context: CheckContext) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        if not sequence.deleted and step.name != "delete":
            return
        yield
        own = id_of(sequence.deleted[-1])
        for answer in (
            given.client.get(own),
            given.client.state(own),
            given.client.history(own, limit=LONGEST_PAGE),
        ):
            told_of = f"{answer.status} {excerpt(answer.text, 200)}"
            assert_that(not answer.ok, f"{answer.operation} of it refused", told_of)
        found = context.eventually(
            lambda: given.search_ids(metadata=sequence.mark), lambda found: own not in found
        )
        assert_that(own not in found, f"a search without {own}", found)

    check_sequences(given, judge, "delete copy update")


@requires("SEQ-19")
def test_a_thread_anew_has_no_trace_of_the_old(given: ThreadsApi) -> None:
    def judge(sequence: SequenceState, step: Step) -> Judging:
        done = yield
        shown = given.get(done.thread)
        assert_equal(_own_metadata(shown), dict(step.metadata), "the metadata of this sequence")
        assert_that(not shown.get("values"), "no values", shown.get("values"))
        assert_equal(given.page(done.thread, limit=LONGEST_PAGE), [], "the history")

    check_sequences(given, judge, "renew")


class _UntilSettled:
    """A wait until an answer holds and is settled: answers may lag behind the steps.

    After one wait in vain for settled answers, later waits end as soon as an answer holds: that
    nothing is found, or that values lag behind, is judged by other requirements.
    """

    def __init__(self, context: CheckContext) -> None:
        self._context = context
        self._in_vain = False

    def __call__(
        self,
        read: Callable[[], _T],
        is_settled: Callable[[_T], bool],
        holds: Callable[[_T], bool] = lambda _: True,
    ) -> _T:
        """Return the last answer of `read`; at the deadline, it may neither hold nor be settled."""
        settled = True

        def is_accepted(seen: _T) -> bool:
            nonlocal settled
            if not holds(seen):
                return False
            settled = self._in_vain or is_settled(seen)
            return settled

        seen = self._context.eventually(read, is_accepted)
        self._in_vain = self._in_vain or not settled
        return seen


def _values_are_settled(seen: dict[str, Any]) -> bool:
    """Return whether a thread shows the values of its newest state, where both show any."""
    shown = seen["thread"].get("values")
    newest = seen["history"][0].get("values") if seen["history"] else None
    return not shown or newest is None or same_json(shown, newest)


def _judge_untouched(
    sequence: SequenceState, step: Step, settled: _UntilSettled, *, related: bool
) -> Judging:
    """Judge that a step leaves the other threads as they were: those related by copying, or not."""
    acts = step.name not in ("create", "prepopulate")
    subject = sequence.subject(step) if acts else None
    others = sequence.others(subject, related=related)
    if subject is not None and step.name == "copy":
        others += [subject] if related else []
    elif subject is not None:
        sequence.memory.pop(id_of(subject), None)
    for each in others:
        if id_of(each) not in sequence.memory:
            sequence.memory[id_of(each)] = settled(
                partial(_snapshot, sequence, each), _values_are_settled
            )
    yield
    for each in others:
        what = f"the thread {id_of(each)}, another one, after the step {step.name}"
        assert_equal(_snapshot(sequence, each), sequence.memory[id_of(each)], what)
    require_some(others, "there is no other thread")


def _snapshot(sequence: SequenceState, thread: Thread) -> dict[str, Any]:
    api = sequence.api
    return {
        "thread": published_members("thread", api.get(thread)),
        "history": published_members("thread_state", api.page(thread, limit=LONGEST_PAGE)),
    }


def _own_metadata(thread: Thread) -> dict[str, Any]:
    """Return the metadata that steps wrote: a server may add to it when a graph is run."""
    metadata = thread.get("metadata") or {}
    return {name: metadata[name] for name in METADATA_KEYS if name in metadata}


def _answered_checkpoint_id(answer: Any) -> Any:
    """Return the checkpoint id that an update answers, or None."""
    checkpoint = answer.get("checkpoint") if isinstance(answer, dict) else None
    return checkpoint.get("checkpoint_id") if isinstance(checkpoint, dict) else None


def _assert_same_members(shown: State, wanted: State) -> None:
    assert_equal(*shown_by_both(shown, wanted), f"the state at {known_checkpoint_id(shown)}")


def _satisfies(view: Thread, filters: dict[str, Any], context: CheckContext) -> bool:
    return (
        ("ids" not in filters or id_of(view) in filters["ids"])
        and ("status" not in filters or same_json(view.get("status"), filters["status"]))
        and contains(view.get("metadata"), {**filters["metadata"], **context.tag})
    )


def _without_nulls(thread: Thread) -> Thread:
    """Return a thread without null members, which count as not shown."""
    return {name: value for name, value in thread.items() if value is not None}


def _found_among(found: dict[str, Thread], threads: list[Thread]) -> list[Thread]:
    return [each for each in threads if id_of(each) in found]
