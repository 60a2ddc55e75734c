"""What is compared before and after a restart, and what is made for it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conformance.checks import conditions
from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.conditions import ThreadInCondition
from conformance.checks.kept_over_restart import (
    assert_same_states,
    assert_same_threads,
    make_in_conditions,
    settled_answer,
)
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.runs import Runs
from conformance.deployment.connect import connect
from conformance.deployment.ownership.guard import NotOursRefusal
from conformance.deployment.settings import Settings

MakeSettings = Callable[..., Settings]
STATES: list[dict[str, Any]] = [
    {"checkpoint_id": "b", "values": {"n": [2]}},
    {"checkpoint_id": "a", "values": {"n": [1]}},
]


@pytest.fixture
def given(reference: str, settings_for: MakeSettings) -> Iterator[ThreadsApi]:
    settings = settings_for(reference, disposable=True)
    with connect(settings) as connection:
        yield ThreadsApi(connection.client, CheckContext(settings, {}), arranging=True)


def test_the_same_states_are_the_same() -> None:
    assert_same_states([dict(each) for each in STATES], STATES)


@pytest.mark.parametrize(
    ("after", "kinds"),
    [
        (STATES[:1], ("length",)),
        ([STATES[1], STATES[0]], None),
        ([{**STATES[0], "values": {"n": [3]}}, STATES[1]], ("$[*].values.n[*] number number",)),
    ],
)
def test_a_difference_is_told_by_its_place(
    after: list[dict[str, Any]], kinds: tuple[str, ...] | None
) -> None:
    with pytest.raises(PromiseBroken) as broken:
        assert_same_states(after, STATES)
    assert kinds is None or broken.value.kinds == kinds


def test_states_without_values_decide_nothing() -> None:
    bare = [{**each, "values": {}} for each in STATES]
    with pytest.raises(Blocked):
        assert_same_states(bare, bare)


def test_threads_that_changed_are_named_by_their_condition() -> None:
    before: dict[str, Any] = {"pruned": {"values": 1}, "forked": {"values": [1, 2]}}
    assert_same_threads(copy.deepcopy(before), before)
    with pytest.raises(PromiseBroken) as broken:
        assert_same_threads({"pruned": {"values": 1}, "forked": "no thread"}, before)
    assert broken.value.actual == "another one in the condition forked"
    assert broken.value.kinds == ("$.forked dict str",)


@pytest.mark.slow
def test_what_changes_by_itself_cannot_be_compared(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(given.context.settings, visible_within_s=0.01)
    monkeypatch.setattr(given.context, "settings", settings)
    looks = iter(range(10**6))
    with pytest.raises(Blocked, match="nothing was done"):
        settled_answer(given, lambda: next(looks))


def test_what_settles_can_be_compared(given: ThreadsApi) -> None:
    settling = iter([1, 2, 3, 3, 4])
    assert settled_answer(given, lambda: next(settling)) == 3


@pytest.mark.parametrize(
    "refusal", [Blocked("no"), PromiseBroken("a state", "none"), NotOursRefusal("not ours")]
)
def test_a_condition_that_cannot_be_made_is_left_out_and_named(
    refusal: Exception, given: ThreadsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_maker: object) -> ThreadInCondition:
        raise refusal

    monkeypatch.setitem(conditions.MAKERS, "pruned", refused)
    with Runs(given) as runs:
        made = make_in_conditions(("empty", "pruned"), given, runs)
        assert list(made) == ["empty"]
        assert "left out: pruned" in given.context.notes
        with pytest.raises((Blocked, NotOursRefusal)):
            make_in_conditions(("pruned",), given, runs)
