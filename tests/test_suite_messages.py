"""What the lists of a state hold: messages, or items of any other JSON type."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.checks.messages import (
    items_sent,
    message_keys,
    type_and_content,
    values_with_text,
)
from conformance.checks.outcomes import Blocked
from conformance.checks.views import items_of_followed_list, member_of, messages_of
from conformance.deployment.settings import GraphSettings, graph_settings

SECRET = "a text to be found again"


def of(append: dict[str, Any], *appending: str) -> GraphSettings:
    return graph_settings(
        {
            "appending": list(appending),
            "append": {"as_node": "write", "values": append},
            "supersteps": [{"updates": [{"as_node": "write", "values": append}]}],
            "run_input": {},
        }
    )


def test_of_a_message_type_and_content_are_told() -> None:
    message = {"type": "ai", "content": "hello", "id": "1", "example": False}
    assert type_and_content([message]) == [{"type": "ai", "content": "hello"}]


@pytest.mark.parametrize(
    "item", ["text", 5, 0.5, True, None, ["a"], {}, {"type": "no content"}], ids=repr
)
def test_any_other_item_is_told_whole(item: Any) -> None:
    assert type_and_content([item]) == [item]


def test_what_is_sent_and_shown_may_be_of_any_type() -> None:
    graph = of({"log": ["a", {"b": 1}, None], "count": 3}, "log")
    assert items_sent(graph.supersteps, graph) == ["a", {"b": 1}, None]
    assert items_of_followed_list({"values": {"log": ["a", {"b": 1}, None]}}, graph) == [
        "a",
        {"b": 1},
        None,
    ]


@pytest.mark.parametrize("values", [None, 5, [], {}, {"log": None}, {"log": "a"}], ids=repr)
def test_where_no_list_is_shown_there_are_no_items(values: Any) -> None:
    assert items_of_followed_list({"values": values}, of({"log": ["a"]}, "log")) == []


def test_the_lists_of_messages_are_those_to_which_messages_are_sent() -> None:
    message = {"type": "ai", "content": "hello"}
    assert message_keys(GraphSettings()) == ("messages",)
    assert message_keys(of({"a": [message], "b": [message, "text"], "c": []}, "a", "b", "c")) == (
        "a",
    )


def test_without_a_list_of_messages_nothing_can_be_said_of_messages() -> None:
    graph = of({"log": ["a"]}, "log")
    with pytest.raises(Blocked, match="send no messages"):
        messages_of({"values": {"log": ["a"]}}, graph)


def test_what_stands_for_a_message_may_have_no_members() -> None:
    assert member_of({"id": "1"}, "id") == "1"
    assert member_of("text", "id") is None


@pytest.mark.parametrize(
    ("append", "expected"),
    [
        ({"log": [{"type": "human", "content": "hi"}]}, [{"type": "ai", "content": SECRET}]),
        ({"log": ["written {n}", "by me"]}, [SECRET, "by me"]),
        ({"log": ["written"]}, [SECRET]),
        ({"log": [{"kind": "note", "text": "{n}"}]}, [{"kind": "note", "text": SECRET}]),
        ({"log": [1, 2]}, None),
    ],
    ids=["message", "text", "text-without-number", "object", "numbers"],
)
def test_a_text_is_said_where_the_settings_have_one(append: Any, expected: Any) -> None:
    assert values_with_text(SECRET, of({**append, "count": 5}, "log")).get("log") == expected


def test_a_text_of_its_own_is_replaced() -> None:
    assert values_with_text(SECRET, of({"topic": "trees", "count": 5})) == {"topic": SECRET}
