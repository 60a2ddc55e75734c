"""Comparing with a plant: which differences are losses, and which are only reported."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.plant.comparing import Difference, Kind, compare_answers
from conformance.plant.probes import ReadRequest, RecordedAnswer
from conformance.plant.promises import promise_of

NOW = "2026-11-21T17:00:00.123000+00:00"


def recorded(operation: str, answer: Any, status: int = 200) -> RecordedAnswer:
    return RecordedAnswer(ReadRequest(operation, "run"), status, answer)


def found(before: Any, now: Any, operation: str = "get") -> list[tuple[str, str]]:
    differences = compare_answers(recorded(operation, before), recorded(operation, now))
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
    (difference,) = compare_answers(recorded("get", before), recorded("get", now))
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
    (difference,) = compare_answers(recorded("get", before), recorded("get", now))
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


@pytest.mark.parametrize(
    ("operation", "path", "kind"),
    [
        ("state", ("metadata", "user"), "new"),
        ("state", ("metadata", "parents"), "changed"),
        ("history", (0, "metadata", "user"), "new"),
        ("get", ("config", "configurable", "user"), "new"),
        ("run_list", (0, "kwargs", "user"), "new"),
        # What the application wrote stays as it was, null too.
        ("get", ("metadata", "user"), "changed"),
        ("state", ("values", "user"), "changed"),
    ],
)
def test_an_account_of_the_server_may_be_opened(
    operation: str, path: tuple[Any, ...], kind: str
) -> None:
    def holding(value: Any) -> Any:
        for name in reversed(path):
            value = [value] if isinstance(name, int) else {name: value}
        return value

    assert [each for each, _ in found(holding(None), holding({"a": 1}), operation)] == [kind]
    assert [each for each, _ in found(holding("x"), holding("y"), operation)] == ["changed"]


def test_an_answer_that_is_refused_now() -> None:
    (lost,) = compare_answers(recorded("get", {}), recorded("get", None, 500))
    assert (lost.kind, lost.expected, lost.actual) == ("missing", 200, 500)


def test_an_answer_that_was_refused_before() -> None:
    refused = recorded("count", None, 404)
    assert compare_answers(refused, recorded("count", None, 500)) == ()
    (news,) = compare_answers(refused, recorded("count", 3))
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
    (difference,) = compare_answers(
        recorded("search", one), recorded("search", {**one, "strangers": 2})
    )
    assert isinstance(difference, Difference)
    assert (difference.kind, difference.actual) == (
        "added",
        "2 threads that are not of the plant",
    )


@pytest.mark.parametrize(
    ("operation", "thread", "path", "kind", "begins"),
    [
        ("get", "run", "$", "missing", "GET-04"),
        ("get", "empty", "$.metadata.owner", "missing", "GET-04"),
        ("get", "run", "$.status", "missing", "GET-01"),
        ("get", "run", "$.status", "changed", "003_"),
        ("get", "failed", "$.status", "changed", "STATUS-02"),
        ("get", "empty", "$.updated_at", "changed", "CREATE-11"),
        ("get", "run", "$.updated_at", "changed", "003_"),
        ("get", "run", "$.error", "changed", "no source"),
        ("get", "interrupted", "$.interrupts", "missing", "INTERRUPT-01"),
        ("get", "interrupted", "$.interrupts['a-b'][0].value.question", "changed", "INTERRUPT-01"),
        ("get", "interrupted", "$.interrupts['a-b'][0].when", "missing", "no source"),
        ("state", "interrupted", "$.tasks[0].interrupts[0]", "missing", "INTERRUPT-02"),
        ("state", "interrupted", "$.tasks[0].interrupts[0].resumable", "missing", "no source"),
        ("state", "interrupted", "$.interrupts[0].value", "changed", "INTERRUPT-03"),
        ("state", "run", "$.metadata.step", "changed", "003_"),
        ("state", "run", "$.metadata.user", "changed", "no source"),
        ("history", "long", "$[3]", "missing", "PREPOP-09"),
        ("history", "run", "$[3]", "missing", "003_"),
        ("history", "run", "$[3].metadata.user", "missing", "no source"),
        ("history", "run", "$[3].next", "missing", "HISTORY-01"),
        ("search", None, "$", "missing", "SEARCH-06"),
        ("search", None, "$['a-b'].values", "missing", "003_"),
        ("search", None, "$['a-b'].error", "changed", "no source"),
        ("count", None, "$", "changed", "COUNT-07"),
    ],
)
def test_where_it_is_written(
    operation: str, thread: str | None, path: str, kind: str, begins: str
) -> None:
    difference = Difference(Kind(kind), path, "x", "y")
    assert promise_of(ReadRequest(operation, thread), difference).startswith(begins)
