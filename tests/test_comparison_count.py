"""What counts as evidence that a check compared something."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.checks import comparison_count
from conformance.checks.outcomes import Blocked

CHECKPOINT = {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "c"}


@pytest.mark.parametrize(
    ("value", "values", "members"),
    [
        ({"a": 1, "b": {"c": "x", "d": None}}, 2, {"a", "b", "c"}),
        ([{"a": 0}, {"b": []}], 1, {"a"}),
        (({"a": 0.0}, [False]), 2, {"a"}),
        ({"values": {"n": 1}, "checkpoint": CHECKPOINT}, 1, {"values", "n"}),
        ("text", 1, set()),
        # A checkpoint consists of ids: comparing it is comparing them.
        (CHECKPOINT, 1, set()),
        ({**CHECKPOINT, "run_id": "r", "checkpoint": "c", "checkpoint_map": {}}, 1, set()),
    ],
    ids=["object", "list", "tuple", "state", "text", "checkpoint", "all-ids"],
)
def test_what_holds_something_is_counted(value: Any, values: int, members: set[str]) -> None:
    counted = comparison_count.begin()
    comparison_count.count_comparison(value)
    assert (counted.comparisons, counted.values, counted.members) == (1, values, members)
    assert not counted.saw_nothing


@pytest.mark.parametrize("value", [None, "", [], {}, {"a": None}, dict.fromkeys(CHECKPOINT)])
def test_nothing_is_no_evidence(value: Any) -> None:
    counted = comparison_count.begin()
    comparison_count.count_comparison(value, value)
    assert counted.saw_nothing


@pytest.mark.parametrize("value", [{**CHECKPOINT, "values": {}}, [{**CHECKPOINT, "next": []}]])
def test_a_state_that_shows_ids_alone_blocks(value: Any) -> None:
    comparison_count.begin()
    with pytest.raises(Blocked, match="nothing but ids"):
        comparison_count.count_comparison(value)


def test_the_comparisons_of_a_check_are_added_up() -> None:
    counted = comparison_count.begin()
    comparison_count.count_comparison({"a": 1}, [{"b": [False, "", {"c": 0}]}])
    comparison_count.count_comparison(None)
    comparison_count.count_judgement()
    assert (counted.comparisons, counted.values, counted.members) == (3, 4, {"a", "b", "c"})
    assert comparison_count.current() is counted
    assert comparison_count.begin() == comparison_count.ComparisonCount()
    assert comparison_count.current() is not counted


def test_what_was_not_compared_is_no_evidence_and_blocks_nothing() -> None:
    assert not comparison_count.begin().saw_nothing


@pytest.mark.parametrize(
    "values",
    [
        # One side that shows something is enough.
        ({**CHECKPOINT, "values": {}}, {**CHECKPOINT, "values": {"n": 1}}),
        # Ids alone, and members alone, are no thread and no state.
        (dict.fromkeys(CHECKPOINT), None),
        ({"values": {}}, [{"next": []}]),
    ],
)
def test_a_comparison_that_may_be_of_something_does_not_block(values: tuple[Any, ...]) -> None:
    comparison_count.begin()
    comparison_count.count_comparison(*values)


@pytest.mark.parametrize("nested", [[[{**CHECKPOINT, "values": {}}]], ({"run_id": "r", "a": ""},)])
def test_lists_are_searched_for_states(nested: Any) -> None:
    comparison_count.begin()
    with pytest.raises(Blocked, match="nothing but ids"):
        comparison_count.count_comparison([None, {}], nested)
