"""Equality and differences of JSON values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from conformance.json_differences import SHOWN, differences, json_path, same_json
from tests.json_values import VALUES


@given(VALUES, VALUES)
def test_same_json_is_equality_of_the_json_texts(one: Any, other: Any) -> None:
    # In JSON 1 and 1.0 are one number.
    assert same_json(one, other) == (_canonical(one) == _canonical(other))
    assert same_json(one, other) == same_json(other, one)


def _canonical(value: Any) -> str:
    return json.dumps(_as_floats(value), sort_keys=True)


def _as_floats(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) + 0.0  # -0.0 is 0
    if isinstance(value, list):
        return [_as_floats(each) for each in value]
    if isinstance(value, dict):
        return {key: _as_floats(each) for key, each in value.items()}
    return value


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (True, 1, False),
        (False, 0, False),
        (None, False, False),
        (1, 1.0, True),
        ("1", 1, False),
        (2**53 + 1, 2**53 + 1, True),
        (2**53 + 1, float(2**53), False),
        ([1, 2], [2, 1], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": None}, {}, False),
        ([[True]], [[1]], False),
    ],
)
def test_what_is_the_same(one: Any, other: Any, same: bool) -> None:
    assert same_json(one, other) is same
    assert same_json(other, one) is same
    assert (differences(one, other) == ()) is same


@given(VALUES, VALUES)
def test_there_are_differences_exactly_where_two_are_not_the_same(one: Any, other: Any) -> None:
    found = differences(one, other)
    assert (found == ()) is same_json(one, other)
    assert len(found) <= SHOWN + 1
    assert all(line.startswith(("$", "…")) for line in found)


def test_differences_name_the_smallest_place_first() -> None:
    expected = {"values": {"messages": [{"content": "a"}, {"content": "b"}]}, "next": []}
    actual = {"values": {"messages": [{"content": "a"}, {"content": "c"}]}, "more": 1}
    assert differences(expected, actual) == (
        "$.more: not expected, got 1",
        "$.next: missing, expected []",
        '$.values.messages[1].content: expected "b", got "c"',
    )


def test_true_for_one_is_shown() -> None:
    assert differences({"a": [1, 2]}, {"a": [True, 2]}) != ()


def test_many_differences_are_counted() -> None:
    found = differences(list(range(30)), [each + 100 for each in range(30)])
    assert len(found) == SHOWN + 1
    assert found[-1] == f"… and {30 - SHOWN} more"


def test_a_long_value_is_cut() -> None:
    (line,) = differences("x" * 1000, "y")
    assert len(line) < 300
    assert "…" in line


def test_a_path_quotes_what_is_no_identifier() -> None:
    assert json_path(["values", "a key", 0, "it's"]) == "$.values['a key'][0][\"it's\"]"
