"""Every operation on a thread in every condition.

The acts are those of `conformance/checks/acts.py`, the conditions those of
`conformance/checks/conditions.py`. If a rule is also broken on the simplest thread, or in the
condition without the act, another requirement judges that, and the check is blocked. This is tried
only after a rule was found broken, since rules nearly always hold.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest

from conformance.checks.acts import (
    BUSY,
    CHANGING,
    DELETION,
    JUDGED_LATER,
    NOT_CHANGING,
    REFUSED,
    STOPPING,
    ActContext,
    Send,
    stop,
    subject_of,
)
from conformance.checks.api import ThreadsApi
from conformance.checks.channels import thread_with_channels
from conformance.checks.comparable_members import shows_its_state
from conformance.checks.comparison_count import count_judgement
from conformance.checks.conditions import (
    PRUNED,
    UNPRUNED,
    UNSETTLED,
    ThreadInCondition,
    in_conditions,
    make,
    names,
    settled,
)
from conformance.checks.expect import assert_untouched
from conformance.checks.following import FACTS, facts_broken_by_acts
from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported, requires
from conformance.checks.runs import Runs
from conformance.checks.views import id_of
from conformance.checks.ways import (
    Shown,
    answers_that_disagree,
    assert_as_before,
    assert_gone,
    assert_ways_agree,
    read_all_ways,
    shown_of,
)
from conformance.deployment.client import Answer
from conformance.json_differences import same_json

Sends = tuple[tuple[str, Send], ...]

#: Those that look come last, so that what they show is also what refused ones have left.
_ALL: Sends = (*REFUSED.items(), *NOT_CHANGING.items())
_REMOVAL = next(name for name, acts in CHANGING.items() if DELETION in acts)


@requires("CONDITION-16")
@in_conditions(*(each for each in names() if each not in PRUNED))
def test_what_looks_or_is_refused_leaves_a_thread(
    given: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    _judge_requests_that_leave(given, given_runs, condition)


@requires("PRUNE-27")
@in_conditions(*PRUNED)
def test_what_looks_or_is_refused_leaves_a_pruned_thread(
    given: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    _judge_requests_that_leave(given, given_runs, condition)


@requires("CONDITION-17")
@in_conditions(*(each for each in settled() if each not in PRUNED))
@pytest.mark.parametrize("acts", [pytest.param(each) for each in CHANGING])
def test_the_ways_to_ask_agree_after_each_operation(
    given: ThreadsApi, given_runs: Runs, condition: str, acts: str
) -> None:
    _judge_acts(given, given_runs, condition, acts)


@requires("PRUNE-26")
@in_conditions(*PRUNED)
@pytest.mark.parametrize("acts", [pytest.param(each) for each in CHANGING])
def test_the_ways_to_ask_agree_after_each_operation_on_a_pruned_thread(
    given: ThreadsApi, given_runs: Runs, condition: str, acts: str
) -> None:
    _judge_acts(given, given_runs, condition, acts)


@requires("CONDITION-17")
@in_conditions(*UNSETTLED)
@pytest.mark.parametrize("way", [pytest.param(each) for each in STOPPING])
def test_the_ways_to_ask_agree_once_runs_are_stopped(
    given: ThreadsApi, given_runs: Runs, condition: str, way: str
) -> None:
    def stop_them(*, busy: bool) -> None:
        on = ActContext(given, given_runs, make(condition, given, given_runs))
        for act in BUSY.values() if busy else ():
            with suppress(Unsupported, Blocked):
                act(on)
        stop(way, on)
        assert_ways_agree(given, on.made.thread)

    try:
        stop_them(busy=True)
    except PromiseBroken as broken:
        _block_if_broken(lambda: stop_them(busy=False))
        for acts in CHANGING:
            on = ActContext(given, given_runs, _plain(given))
            _block_if_broken(partial(_apply_acts, on, acts))
        raise broken


@requires("CONDITION-17")
@in_conditions(*UNSETTLED)
def test_a_thread_deleted_beside_a_run_is_gone(
    given: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    thread = make(condition, given, given_runs).thread
    answer = given.client.delete(id_of(thread))
    if 400 <= answer.status < 500:
        # Deletion may be refused during a run: that the thread then stays is judged by DELETE-19.
        count_judgement()
        return
    given.ensure_success(answer, thread)
    try:
        assert_gone(given, thread)
    except PromiseBroken as broken:
        if given.client.get(id_of(thread)).ok:
            raise Blocked("a thread deleted beside a run is there", by="DELETE-19") from None
        on = ActContext(given, given_runs, _plain(given))
        _block_if_broken(lambda: _apply_acts(on, _REMOVAL))
        raise broken


@requires("CONDITION-18")
@in_conditions(*(each for each in settled() if each not in PRUNED))
def test_get_follows_every_operation(given: ThreadsApi, given_runs: Runs, condition: str) -> None:
    _judge_following(given, given_runs, condition)


@requires("PRUNE-28")
@in_conditions(*PRUNED)
def test_get_follows_every_operation_on_a_pruned_thread(
    given: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    _judge_following(given, given_runs, condition)


# Changes to a source or a copy leave the other unchanged


@requires("CONDITION-15")
@in_conditions("a copy (forked)", "a copy (failed)", "a copy (asking)", "a copy of a copy (asking)")
def test_what_a_copy_undergoes_leaves_its_source(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    def undergo(copy: ThreadInCondition) -> None:
        assert copy.source is not None
        assert_untouched(threads, copy.source, lambda: _apply_all_acts(given, given_runs, copy))

    def of_a_plain_thread() -> None:
        source = _plain(given).thread
        undergo(ThreadInCondition(given.copy(source), source=source))

    try:
        undergo(make(condition, given, given_runs))
    except PromiseBroken as broken:
        _block_if_broken(of_a_plain_thread)
        raise broken


@requires("CONDITION-15")
@in_conditions("run and forked", "failed", "asking again", "stopped before a node", "cancelled")
def test_what_a_thread_undergoes_leaves_its_copy(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs, condition: str
) -> None:
    def undergo(made: ThreadInCondition) -> None:
        copy = given.copy(made.thread)
        assert_untouched(threads, copy, lambda: _apply_all_acts(given, given_runs, made))

    try:
        undergo(make(condition, given, given_runs))
    except PromiseBroken as broken:
        _block_if_broken(lambda: undergo(_plain(given)))
        raise broken


# The rules


def _plain(given: ThreadsApi) -> ThreadInCondition:
    """Make a plain thread and read it in all ways, as the judged thread is read."""
    thread = thread_with_channels(given)
    read_all_ways(given, thread)
    return ThreadInCondition(thread)


def _simpler_threads(given: ThreadsApi, condition: str) -> Iterator[ThreadInCondition]:
    """Yield simpler threads: if a rule is broken on one of them, another requirement judges it."""
    yield _plain(given)
    if condition.startswith("a copy"):
        source = _plain(given).thread
        yield ThreadInCondition(given.copy(source), source=source)


def _uncount(given: ThreadsApi, made: ThreadInCondition) -> None:
    """Delete a thread in which a rule is broken: a count counts all threads of the check."""
    given.client.delete(id_of(made.thread))


def _block_if_broken(story: Callable[[], object]) -> None:
    """Call `story`; raise `Blocked` if it breaks a promise, since other requirements judge it."""
    try:
        story()
    except PromiseBroken as simple:
        raise Blocked.because(simple) from None


def _judge_requests_that_leave(given: ThreadsApi, runs: Runs, condition: str) -> None:
    def leave(made: ThreadInCondition, sends: Sends) -> dict[str, PromiseBroken]:
        return _disagreeing(given, made, sends, settles=condition not in UNSETTLED)

    made = make(condition, given, runs)
    try:
        disagreeing = leave(made, _ALL)
    except PromiseBroken as broken:
        _uncount(given, made)
        for simpler in _simpler_threads(given, condition):
            _block_if_broken(partial(leave, simpler, _ALL))
        if condition in UNPRUNED:
            _block_if_broken(partial(leave, make(UNPRUNED[condition], given, runs), _ALL))
        # Send each request alone, so that the failure names the one that changes the thread.
        for each in _ALL:
            leave(make(condition, given, runs), (each,))
        raise broken
    if disagreeing:
        _uncount(given, made)
        _raise_unless_left_out(given, runs, condition, disagreeing, lambda each: leave(each, _ALL))


def _judge_acts(given: ThreadsApi, runs: Runs, condition: str, acts: str) -> None:
    def undergo(made: ThreadInCondition) -> None:
        _apply_acts(ActContext(given, runs, made), acts)

    made = make(condition, given, runs)
    try:
        undergo(made)
    except PromiseBroken as broken:
        _uncount(given, made)
        for simpler in _simpler_threads(given, condition):
            _block_if_broken(partial(undergo, simpler))
        if condition in UNPRUNED:
            _block_if_broken(partial(undergo, make(UNPRUNED[condition], given, runs)))
        made = make(condition, given, runs)
        _block_if_broken(lambda: assert_ways_agree(given, made.thread))
        raise broken


def _judge_following(given: ThreadsApi, runs: Runs, condition: str) -> None:
    """Judge each fact; leave out, with a note, those that are broken on a simpler thread too."""

    def broken_on(made: ThreadInCondition) -> dict[str, PromiseBroken]:
        return facts_broken_by_acts(ActContext(given, runs, made))

    broken = broken_on(make(condition, given, runs))
    left_out = _raise_unless_left_out(given, runs, condition, broken, broken_on) if broken else {}
    if left_out.keys() == {*FACTS}:
        raise Blocked.because(next(iter(left_out.values())))


def _raise_unless_left_out(
    given: ThreadsApi,
    runs: Runs,
    condition: str,
    broken: dict[str, PromiseBroken],
    broken_on: Callable[[ThreadInCondition], dict[str, PromiseBroken]],
) -> dict[str, PromiseBroken]:
    """Raise the first failure of a fact that holds on all simpler threads.

    Facts that are broken there too are left out, with a note, and returned: others judge them.
    `Blocked` if any fact is broken on a thread in the condition before the pruning.
    """
    left_out: dict[str, PromiseBroken] = {}
    for simpler in _simpler_threads(given, condition):
        left_out |= broken_on(simpler)
    if condition in UNPRUNED and (before := broken_on(make(UNPRUNED[condition], given, runs))):
        raise Blocked.because(next(iter(before.values())))
    for fact in left_out:
        given.context.note(f"left out, as it is broken on a simpler thread: {fact}")
    for fact, how in broken.items():
        if fact not in left_out:
            raise how
    return left_out


def _disagreeing(
    api: ThreadsApi, made: ThreadInCondition, sends: Sends, *, settles: bool
) -> dict[str, PromiseBroken]:
    """Assert that requests leave a thread; return how those that look answer otherwise, by fact."""

    def read() -> Shown:
        return shown_of(api, made.thread, times=settles)

    before = api.context.eventually(read, _is_settled) if settles else read()
    subject = subject_of(api, made, before)
    answers: dict[str, Answer] = {}
    for name, send in sends:
        answer = send(subject)
        if REFUSED.get(name) is not send:
            answers[name] = answer
        elif not _is_refused(answer):
            # An accepted request may change the thread; others judge that it was not refused.
            api.context.note(f"not refused: {name}")
            before = read()
    try:
        assert_as_before(before, read, ", ".join(name for name, _ in sends))
    except PromiseBroken:
        if not settles and not same_json(before["run_list"], read()["run_list"]):
            raise Blocked("a run has begun or ended meanwhile") from None
        raise
    # A run under way may change what two requests show.
    return answers_that_disagree(api, made.thread, before, answers) if settles else {}


def _is_settled(seen: Shown) -> bool:
    """Return whether GET shows what the state shows: after a run, GET may follow later."""
    return shows_its_state(seen["get"][1], seen["state"][1])


def _is_refused(answer: Answer) -> bool:
    """Return whether an answer is a refusal: of a command, it may be a 200 with `type: error`."""
    body = answer.body
    return not answer.ok or (isinstance(body, dict) and body.get("type") == "error")


def _apply_all_acts(given: ThreadsApi, runs: Runs, made: ThreadInCondition) -> None:
    """Apply every kind of change to a thread, deletion last; skip what is refused or missing."""
    changes = {name: act for acts in CHANGING.values() for name, act in acts.items()}
    for name in ("update", "prune", "update_state", "run_wait", DELETION):
        with suppress(Unsupported, Blocked):
            changes[name](ActContext(given, runs, made))


def _apply_acts(on: ActContext, acts: str) -> None:
    """Apply these acts to a thread; assert that all ways to read the thread agree after them.

    An act that the deployment refuses or does not offer is skipped. If all are, raise the
    `Blocked` or `Unsupported` of the last one.
    """
    refused: Blocked | Unsupported | None = None
    accepted, to_be_judged = False, False
    for name, act in CHANGING[acts].items():
        try:
            act(on)
        except (Blocked, Unsupported) as outcome:
            refused = outcome
            on.api.context.note(f"left out: {name}")
        else:
            accepted = True
            if name == DELETION:
                assert_gone(on.api, on.made.thread)
                return
            to_be_judged = True
        if to_be_judged and name not in JUDGED_LATER:
            assert_ways_agree(on.api, on.made.thread)
            to_be_judged = False
    if not accepted and refused is not None:
        raise refused
