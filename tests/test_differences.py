"""What of two JSON values is told as different, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.json_differences import (
    ABSENT,
    SHOWN,
    Change,
    ItemDifferences,
    changes,
    differences,
    same_json,
)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (1, 2, False),
        (None, None, True),
        (None, False, False),
        (None, "", False),
        ("1", 1, False),
        ("a", "a", True),
        (True, True, True),
        (True, 1, False),
        (0, False, False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": None}, {}, False),
        ([1, "2"], [1.0, "2"], True),
        ([1], [1, None], False),
        ([], {}, False),
        ({}, None, False),
        (0, None, False),
        # What is no JSON is equal as in Python.
        ({1}, {1}, True),
        ({1}, {2}, False),
        ((1,), [1], False),
    ],
)
def test_values_are_equal_as_json(one: Any, other: Any, same: bool) -> None:
    assert same_json(one, other) is same
    assert same_json(other, one) is same


def test_the_smallest_differences_are_told() -> None:
    expected = {"a": {"b": 1, "c": 2, "d": 3}, "e": [1, 2]}
    actual = {"a": {"b": 1.0, "x": 2, "y": 3}, "e": [1]}
    assert set(changes(expected, actual)) == {
        Change(("a", "c"), 2, ABSENT),
        Change(("a", "d"), 3, ABSENT),
        Change(("a", "x"), ABSENT, 2),
        Change(("a", "y"), ABSENT, 3),
        Change(("e", 1), 2, ABSENT),
    }
    assert changes(expected, expected) == ()


def test_objects_without_a_common_member_are_told_member_by_member() -> None:
    assert set(changes({"a": 1, "b": 2}, {"c": 1, "d": 2})) == {
        Change(("a",), 1, ABSENT),
        Change(("b",), 2, ABSENT),
        Change(("c",), ABSENT, 1),
        Change(("d",), ABSENT, 2),
    }


def test_where_no_smaller_place_is_found_the_values_are_told() -> None:
    assert changes([1], [True]) == (Change((), [1], [True]),)
    assert changes({"a": 1}, {"a": True}) == (Change(("a",), 1, True),)


def test_shallow_differences_are_told_first() -> None:
    expected = {"a": {"b": [1]}, "c": [1], "z": 1, "y": 1}
    actual = {"a": {"b": [2]}, "c": [2], "z": 2, "y": None}
    assert differences(expected, actual) == (
        "$.y: expected 1, got null",
        "$.z: expected 1, got 2",
        "$.c[0]: expected 1, got 2",
        "$.a.b[0]: expected 1, got 2",
    )


@pytest.mark.parametrize(
    ("beyond", "told"), [(0, ()), (1, ("… and 1 more",)), (3, ("… and 3 more",))]
)
def test_the_first_differences_are_told_and_the_others_counted(
    beyond: int, told: tuple[str, ...]
) -> None:
    lines = differences(list(range(SHOWN + beyond)), [None] * (SHOWN + beyond))
    assert len(lines) == SHOWN + len(told)
    assert lines[SHOWN:] == told


@pytest.mark.parametrize("beyond", [0, 1, 2])
def test_of_two_lists_the_first_items_that_differ_are_told(beyond: int) -> None:
    expected = [0, *range(1, SHOWN + beyond + 1)]
    actual = [0.0, *([None] * (SHOWN + beyond))]
    found = compared(expected, actual)
    lines = found.lines(found.changes())
    assert lines[0] == "$[1]: expected 1, got null"
    counted = (f"… and {beyond} more of {len(expected)} differ",) if beyond else ()
    assert lines[SHOWN:] == counted
    assert (found.items, found.differing) == (len(expected), SHOWN + beyond)
    assert found.expected == {place: place for place in range(1, SHOWN + 1)}
    assert found.actual == dict.fromkeys(range(1, SHOWN + 1))


def test_equal_lists_have_no_items_that_differ() -> None:
    found = compared([1, True], [1.0, True])
    assert (found.items, found.differing, found.lines(found.changes())) == (2, 0, ())
    assert (found.expected, found.actual) == ({}, {})


def test_items_that_are_known_to_be_equal_count_as_places() -> None:
    found = ItemDifferences()
    found.add_equal(3)
    found.add("a", "b")
    assert found.lines(found.changes()) == ('$[3]: expected "a", got "b"',)


def compared(expected: list[Any], actual: list[Any]) -> ItemDifferences:
    found = ItemDifferences()
    for one, other in zip(expected, actual, strict=True):
        found.add(one, other)
    return found
