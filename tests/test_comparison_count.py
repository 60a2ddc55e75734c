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
        ({"values": {"n": 1}, "checkpoint": CHECKPOINT}, 1, {"values", "n"}),
        ("text", 1, set()),
        # A checkpoint consists of ids: comparing it is comparing them.
        (CHECKPOINT, 1, set()),
    ],
    ids=["object", "list", "state", "text", "checkpoint"],
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
