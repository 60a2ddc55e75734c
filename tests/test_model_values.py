from __future__ import annotations

import uuid
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.model.containment import contains
from conformance.model.errors import InvalidError
from conformance.model.ids_and_times import deep_copy, time_ordered_id
from conformance.model.messages import add_messages, normalise
from tests.model_examples import NOON, message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_everything_contains_itself(value: Any) -> None:
    assert contains(value, deep_copy(value))


@given(st.dictionaries(st.text(max_size=2), JSON, max_size=4), st.data())
def test_an_object_contains_its_parts(whole: dict[str, Any], data: st.DataObject) -> None:
    keys = data.draw(st.sets(st.sampled_from(sorted(whole)))) if whole else set()
    assert contains(whole, {key: whole[key] for key in keys})
    assert not contains(whole, {"a key of three or more": 1})


@pytest.mark.parametrize(
    ("whole", "part", "holds"),
    [
        (1, True, False),
        (False, 0, False),
        (1, 1.0, True),
        (1, "1", False),
        (None, None, True),
        ({}, {"a": None}, False),
        ([1, 2, 3], [3, 1], True),
        ([1, [2, 3]], [[3]], True),
        (["b"], "b", False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": {"b": 1}}, {"a": {}}, True),
        ({"a": 1}, {"a": {}}, False),
        (2**53 + 1, float(2**53), False),
    ],
)
def test_containment(whole: Any, part: Any, holds: bool) -> None:
    assert contains(whole, part) is holds


@given(JSON)
def test_a_copied_value_is_equal_and_shares_nothing(value: Any) -> None:
    copy = deep_copy(value)
    assert copy == value
    if isinstance(value, list | dict):
        assert copy is not value


def test_time_ordered_ids_sort_by_time() -> None:
    moments = [NOON + timedelta(microseconds=n * 7919) for n in range(200)]
    ids = [time_ordered_id(moment, uuid.uuid4()) for moment in moments]
    assert ids == sorted(ids)
    assert {uuid.UUID(one).version for one in ids} == {6}


def new_id() -> str:
    return f"m{next(NUMBERS)}"


NUMBERS = count(1)


def test_a_normalised_message_stays_as_it_is() -> None:
    once = normalise({"role": "user", "content": "x", "extra": 1}, new_id)
    assert (once["type"], once["extra"]) == ("human", 1)
    assert normalise(once, new_id) == once


def test_a_message_with_a_known_id_replaces() -> None:
    first = add_messages([], [{**message("human", "a"), "id": "1"}, message("ai", "b")], new_id)
    second = add_messages(first, {**message("human", "c"), "id": "1"}, new_id)
    assert [one["content"] for one in second] == ["c", "b"]
    assert [one["content"] for one in first] == ["a", "b"]
    removed = add_messages(second, {"type": "remove", "id": "1"}, new_id)
    assert [one["content"] for one in removed] == ["b"]


@pytest.mark.parametrize(
    "malformed",
    [
        5,
        "text",
        {},
        {"type": "human"},
        {"content": "x"},
        {"type": "robot", "content": "x"},
        {"type": "human", "content": 5},
        {"type": "human", "content": "x", "id": 5},
        {"type": "ai", "content": "x", "tool_calls": "none"},
        {"type": "tool", "content": "x"},
        {"type": "remove", "id": "unknown"},
    ],
)
def test_a_malformed_message_is_refused(malformed: Any) -> None:
    with pytest.raises(InvalidError):
        add_messages([], [malformed], new_id)
