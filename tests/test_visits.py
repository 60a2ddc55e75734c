"""How a check of a read-only run reads: between two equal reads, and every thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from conformance.checks.check_context import CheckContext
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.visits import Visited, Visits, expect_fact, promise_broken, undecided
from conformance.deployment.connect import connect
from conformance.deployment.settings import Settings

MakeSettings = Callable[..., Settings]
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def made(settings_for: MakeSettings) -> Iterator[Callable[..., Visits]]:
    """Makes the visits of a check; nothing is asked of a deployment."""
    opened = []

    def make(threads: int = 1, within: float = 0.0) -> Visits:
        ids = tuple(str(uuid4()) for _ in range(threads))
        settings = settings_for(NOWHERE, read_only=True, thread_ids=ids, visible_within_s=within)
        context = connect(settings, record=False)
        opened.append(context)
        return Visits(context.__enter__().client, CheckContext(settings, {}))

    yield make
    for each in opened:
        each.__exit__(None, None, None)


def judged(_before: Any, seen: bool) -> None:
    expect_fact(seen, "it does not hold")


def test_what_holds_is_looked_at_once(made: Callable[..., Visits]) -> None:
    looks: list[int] = []

    def look(_: int) -> bool:
        looks.append(1)
        return True

    made().judge_stable(lambda: 1, look, judged)
    assert looks == [1]


def test_what_stays_so_is_broken(made: Callable[..., Visits]) -> None:
    with pytest.raises(PromiseBroken) as failed:
        made().judge_stable(lambda: 1, lambda _: False, judged)
    assert failed.value.facts == "it does not hold"


def test_what_is_late_is_waited_for(made: Callable[..., Visits]) -> None:
    looks = iter([False, False, True])
    made(within=30.0).judge_stable(lambda: 1, lambda _: next(looks), judged)
    assert next(looks, None) is None


def test_what_changes_all_the_time_is_blocked(made: Callable[..., Visits]) -> None:
    moments = iter(range(1000))
    with pytest.raises(Blocked, match="changes all the time") as blocked:
        made().judge_stable(lambda: next(moments), lambda _: False, judged)
    assert blocked.value.facts == str(blocked.value)


def test_what_changed_between_two_tries_is_waited_for_anew(made: Callable[..., Visits]) -> None:
    """Equal around each look, another at each try: never judged as broken."""
    looks = iter([value for value in range(100) for _ in range(2)])
    with pytest.raises(Blocked, match="changes all the time"):
        made(within=1e-9).judge_stable(lambda: next(looks), lambda _: False, judged)


def test_true_is_no_change_from_one_only_in_python(made: Callable[..., Visits]) -> None:
    looks = iter([True, 1] * 100)
    with pytest.raises(Blocked):
        made().judge_stable(lambda: next(looks), lambda _: False, judged)


def test_a_failure_names_its_thread_by_number(made: Callable[..., Visits]) -> None:
    visits = made(3)

    def judge(thread: Visited) -> None:
        if thread is visits.threads[1]:
            raise promise_broken("it is wrong")

    with pytest.raises(PromiseBroken) as failed:
        visits.judge_each(judge)
    assert failed.value.facts == "thread 2 of 3: it is wrong"


def test_threads_that_cannot_be_judged_are_told(made: Callable[..., Visits]) -> None:
    visits = made(3)
    seen = []

    def judge(thread: Visited) -> None:
        if thread is not visits.threads[2]:
            raise undecided("it is too short")
        seen.append(thread)

    visits.judge_each(judge)
    assert seen == [visits.threads[2]]
    assert visits._context.notes == ["judged on 1 of 3 threads: it is too short"]


def test_where_no_thread_can_be_judged_the_check_is_blocked(made: Callable[..., Visits]) -> None:
    def judge(_: Visited) -> None:
        raise undecided("it is too short")

    with pytest.raises(Blocked) as blocked:
        made(2).judge_each(judge)
    assert blocked.value.facts == "it is too short"


def test_without_a_thread_the_check_says_what_to_do(made: Callable[..., Visits]) -> None:
    for ask in (made(0).judge_each, made(0).first_usable):
        with pytest.raises(Blocked, match="name one with --thread ID"):
            ask(lambda _: None)
