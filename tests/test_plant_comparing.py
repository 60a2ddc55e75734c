"""What counts as lost, and what is only told."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.plant.comparing import Difference, compared
from conformance.plant.questions import Question, Recorded

NOW = "2026-11-21T17:00:00.123000+00:00"


def recorded(operation: str, answer: Any, status: int = 200) -> Recorded:
    return Recorded(Question(operation, "run"), status, answer)


def found(before: Any, now: Any, operation: str = "get") -> list[tuple[str, str]]:
    differences = compared(recorded(operation, before), recorded(operation, now))
    return [(each.kind.value, each.path) for each in differences]


@pytest.mark.parametrize(
    ("before", "now", "kind", "path"),
    [
        ({"values": {"a": 1}}, {}, "missing", "$.values"),
        ({"values": {"a": 1}}, {"values": None}, "changed", "$.values"),
        ({"values": {"a": []}}, {"values": {}}, "missing", "$.values.a"),
        ({"values": {}}, {"values": {"a": []}}, "added", "$.values.a"),
        ({"values": {"a": [1, 2]}}, {"values": {"a": [1]}}, "missing", "$.values.a[1]"),
        ({"values": {"a": [1]}}, {"values": {"a": [1, 2]}}, "added", "$.values.a[1]"),
        ({"n": 1}, {"n": True}, "changed", "$.n"),
        ({"n": True}, {"n": 1}, "changed", "$.n"),
        ({"interrupts": {}}, {"interrupts": {"t": []}}, "added", "$.interrupts.t"),
        ({"created_at": NOW}, {"created_at": NOW[:19] + "Z"}, "changed", "$.created_at"),
        ({"text": NOW}, {"text": "2026-11-21T17:00:00.123Z"}, "changed", "$.text"),
        # Members that the documents show must be there, be they empty.
        ({"metadata": {}}, {}, "missing", "$.metadata"),
        ({"metadata": {}}, {"metadata": None}, "changed", "$.metadata"),
        # So must one that is documented be of its type.
        ({"config": {}}, {"config": None}, "changed", "$.config"),
    ],
)
def test_a_loss(before: Any, now: Any, kind: str, path: str) -> None:
    assert found(before, now) == [(kind, path)]
    (difference,) = compared(recorded("get", before), recorded("get", now))
    assert difference.kind.is_loss


@pytest.mark.parametrize(
    ("before", "now", "kind", "path"),
    [
        ({}, {"owner": 1}, "new", "$.owner"),
        ({"values": {"m": [{"id": "1"}]}}, {"values": {"m": [{"id": "1", "name": "x"}]}}, "new",
         "$.values.m[0].name"),
        ({"created_at": NOW}, {"created_at": "2026-11-21T17:00:00.123Z"}, "form", "$.created_at"),
        ({"created_at": NOW}, {"created_at": "2026-11-21T19:00:00.123+02:00"}, "form",
         "$.created_at"),
        ({"config": {}}, {}, "form", "$.config"),
        ({"values": None}, {"values": {}}, "form", "$.values"),
    ],
)  # fmt: skip
def test_what_is_only_told(before: Any, now: Any, kind: str, path: str) -> None:
    assert found(before, now) == [(kind, path)]
    (difference,) = compared(recorded("get", before), recorded("get", now))
    assert not difference.kind.is_loss


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"n": 1}, {"n": 1.0}),
        ({"key": "Bearer [redacted]!"}, {"key": "Bearer s3cret!"}),
    ],
)
def test_what_is_the_same(before: Any, now: Any) -> None:
    assert found(before, now) == []


def test_a_redacted_text_is_compared_around_the_secret() -> None:
    assert found({"key": "Bearer [redacted]"}, {"key": "Basic abc"}) == [("changed", "$.key")]


def test_numbers_that_are_equal_are_no_difference_beside_one() -> None:
    before, now = {"values": {"a": 1, "b": 1}}, {"values": {"a": 1.0, "b": 2}}
    assert found(before, now) == [("changed", "$.values.b")]


def test_an_answer_that_is_refused_now() -> None:
    (lost,) = compared(recorded("get", {}), recorded("get", None, 500))
    assert (lost.kind, lost.expected, lost.actual) == ("missing", 200, 500)


def test_an_answer_that_was_refused_before() -> None:
    refused = recorded("count", None, 404)
    assert compared(refused, recorded("count", None, 500)) == ()
    (news,) = compared(refused, recorded("count", 3))
    assert (news.kind, news.kind.is_loss) == ("new", False)


def state(checkpoint_id: str, **members: Any) -> dict[str, Any]:
    return {"checkpoint_id": checkpoint_id, "values": {"n": 1}, **members}


def test_a_state_that_is_missing_does_not_move_the_others() -> None:
    before = [state("c"), state("b"), state("a")]
    assert found(before, [state("c"), state("a")], "history") == [("missing", "$[1]")]


def test_a_state_is_known_by_its_checkpoint_below_too() -> None:
    before = [{"checkpoint": {"checkpoint_id": each}, "next": []} for each in "ba"]
    assert found(before, before[1:], "history") == [("missing", "$[0]")]


def test_states_without_ids_are_compared_one_by_one() -> None:
    assert found([{"n": 1}, {"n": 2}], [{"n": 1}, {"n": 3}], "history") == [("changed", "$[1].n")]


def test_the_order_of_a_search_is_free() -> None:
    one = {"threads": {"x": {"n": 1}, "y": {"n": 2}}, "strangers": 0}
    other = {"threads": {"y": {"n": 2}, "x": {"n": 1}}, "strangers": 0}
    assert found(one, other, "search") == []


def test_threads_that_no_filter_keeps_out_any_more() -> None:
    one: dict[str, Any] = {"threads": {}, "strangers": 0}
    (difference,) = compared(recorded("search", one), recorded("search", {**one, "strangers": 2}))
    assert isinstance(difference, Difference)
    assert (difference.kind, difference.actual) == (
        "added",
        "2 threads that are not of the plant",
    )
