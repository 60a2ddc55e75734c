"""How a check can end: what is told as data, and what for people."""

from __future__ import annotations

import pytest

from conformance.checks.outcomes import (
    Blocked,
    PromiseBroken,
    SequenceBroken,
    Unsupported,
    kinds_of,
    requires,
)
from conformance.contract.causes import Cause
from conformance.json_differences import changes

MISSING = Cause.refused("copy", 404, "missing")


def test_a_broken_promise_holds_what_was_expected_and_what_came() -> None:
    broken = PromiseBroken(
        "4 states",
        "3 states",
        ("$[3]: missing",),
        facts="1 fewer",
        kinds=("length",),
        cause=MISSING,
    )
    assert (broken.expected, broken.actual, broken.diff) == (
        "4 states",
        "3 states",
        ("$[3]: missing",),
    )
    assert (broken.facts, broken.kinds, broken.cause) == ("1 fewer", ("length",), MISSING)
    assert str(broken) == "expected 4 states; got 3 states"
    bare = PromiseBroken("a", "b")
    assert (bare.diff, bare.facts, bare.kinds, bare.cause) == ((), "", (), None)


def test_of_a_difference_the_places_and_both_values_are_told() -> None:
    broken = SequenceBroken.by_difference({"a": None, "b": 1}, {"a": [], "b": 1}, "the values")
    assert isinstance(broken, SequenceBroken)
    assert broken.expected == 'the values to be {"a": null, "b": 1}'
    assert broken.actual == '{"a": [], "b": 1}'
    assert broken.diff == ("$.a: expected null, got []",)
    assert broken.kinds == ("$.a None list",)
    assert "null" in PromiseBroken.by_difference(None, 1, "").expected


def test_a_long_value_is_cut_and_the_message_shorter() -> None:
    broken = PromiseBroken.by_difference("a" * 10_000, "b", "")
    assert 1_990 < len(broken.expected) < 2_100
    assert str(broken).endswith('; got "b"')
    assert 270 < len(str(broken)) < 350


def test_kinds_say_nothing_of_numbers_of_items_and_ids() -> None:
    thread = "00000000-0000-4000-8000-00000000000a"
    one = {"items": [1, 2], thread: {"a": True}}
    other = {"items": ["1", "2"], thread: {}}
    assert kinds_of(changes(one, other)) == ("$.items[*] number str", "$['<id>'].a True absent")
    assert kinds_of(changes(one, one)) == ()


@pytest.mark.parametrize(
    ("by", "causes"),
    [
        ((), ()),
        ("COPY-03", (Cause.broken("COPY-03"),)),
        (MISSING, (MISSING,)),
        ((MISSING, Cause.broken("A-1")), (MISSING, Cause.broken("A-1"))),
    ],
)
def test_what_blocks_is_one_cause_or_several(
    by: str | Cause | tuple[Cause, ...], causes: tuple[Cause, ...]
) -> None:
    blocked = Blocked("no states", by=by, facts="none")
    assert (str(blocked), blocked.by, blocked.facts) == ("no states", causes, "none")
    assert (Blocked("").by, Blocked("").facts) == ((), "")


@pytest.mark.parametrize(
    ("broken", "by"),
    [
        (PromiseBroken("a", "b", cause=MISSING, kinds=("$.a",)), (MISSING,)),
        (PromiseBroken("a", "b", kinds=("$.a", "$.b")), (Cause.of_kinds(("$.a", "$.b")),)),
        (PromiseBroken("a", "b", facts="none"), ()),
    ],
)
def test_a_promise_that_another_check_judges_blocks(
    broken: PromiseBroken, by: tuple[Cause, ...]
) -> None:
    blocked = Blocked.because(broken)
    assert (str(blocked), blocked.by, blocked.facts) == (str(broken), by, broken.facts)


def test_what_is_not_offered_has_a_cause() -> None:
    unsupported = Unsupported("no prune", by=MISSING)
    assert (str(unsupported), unsupported.by) == ("no prune", (MISSING,))


def test_a_check_names_its_requirements_and_what_it_decides_the_presence_of() -> None:
    mark = requires("GET-01", "GET-02", offers="get copy").mark
    assert (mark.name, mark.args, mark.kwargs) == (
        "requires",
        ("GET-01", "GET-02"),
        {"offers": "get copy"},
    )
    assert requires("GET-01").mark.kwargs == {"offers": ""}
