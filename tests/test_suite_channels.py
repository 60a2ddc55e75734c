"""What the channels of a state must hold after updates, by what the settings say of them."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.checks.channels import (
    append_update,
    channels_before_and_after,
    expected_values,
    keys_as_predicted,
    predicted_values,
    shown_values,
    supersteps_with_channels,
    values_of,
)
from conformance.checks.outcomes import Blocked
from conformance.deployment.settings import GraphSettings, graph_settings

OWN = graph_settings(
    {
        "append": {"as_node": "write", "values": {"log": ["{n}"]}},
        "supersteps": [{"updates": [{"as_node": "write", "values": {"log": ["a"], "count": 1}}]}],
        "run_input": {},
        "appending": ["log", "more"],
        "adding": ["count"],
        "replacing": ["about"],
        "channels": {"count": 2, "about": {"of": ["{n}"]}, "unknown": 1},
    }
)


def updates(*values: Any) -> list[dict[str, Any]]:
    return [{"as_node": "write", "values": each} for each in values]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([{"log": ["a"]}, {"log": ["b", 1]}], {"log": ["a", "b", 1]}),
        ([{"count": 2}, {"count": 3}], {"count": 5}),
        ([{"about": {"a": 1}}, {"about": None}], {"about": None}),
        ([{"unknown": 5}], {}),
        ([{"count": 2}, {"count": "three"}], {}),
        ([None, 5, {"log": ["a"]}], {"log": ["a"]}),
    ],
    ids=["appended", "added", "replaced", "not-described", "not-addable", "no-object"],
)
def test_what_updates_come_to(written: Any, expected: Any) -> None:
    assert predicted_values(updates(*written), OWN, {}) == expected


def test_what_was_there_counts() -> None:
    assert predicted_values(
        updates({"count": 1, "log": ["b"]}), OWN, {"count": 4, "log": ["a"]}
    ) == {
        "count": 5,
        "log": ["a", "b"],
    }


def test_only_what_is_shown_as_foretold_is_kept_so() -> None:
    wanted = {"log": ["a"], "count": 5, "about": {"of": 1}}
    assert keys_as_predicted({"log": ["a"], "count": 3, "about": {"of": True}}, wanted) == ("log",)
    message = {"type": "ai", "content": "hello"}
    assert keys_as_predicted({"log": [{**message, "id": "1"}]}, {"log": [message]}) == ("log",)


def test_what_is_sent_and_held_is_compared_in_the_list_and_in_the_keys_given() -> None:
    steps = supersteps_with_channels(OWN, OWN.channels)
    assert expected_values(steps, OWN, ["count"]) == {"log": ["a", "2", "3"], "count": 5}
    state = {"values": {"log": ["a", "2", "3"], "count": 5, "about": 1, "more": []}}
    assert shown_values(state, OWN, ["count"]) == {"log": ["a", "2", "3"], "count": 5}
    assert shown_values(state, OWN, ["absent"]) == {"log": ["a", "2", "3"]}


def test_where_nothing_is_foretold_nothing_is_said() -> None:
    nothing = graph_settings({"appending": [], "append": {"as_node": "a", "values": {"b": 1}}})
    with pytest.raises(Blocked, match="name no key"):
        expected_values(supersteps_with_channels(nothing, {}), nothing)


def test_what_stands_is_the_beginning_of_the_list_and_every_other_described_channel() -> None:
    before = {"log": ["a"], "count": 1, "unknown": 1, "about": {}}
    after = {"log": ["a", "b"], "count": 2, "unknown": 2}
    assert channels_before_and_after(before, after, OWN) == (
        {"log": ["a"], "count": 1, "about": {}},
        {"log": ["a"], "count": 2},
    )


def test_an_update_writes_the_channels_beside_the_list() -> None:
    assert append_update(OWN, 4) == {
        "as_node": "write",
        "values": {"log": ["4"], "count": 2, "about": {"of": ["4"]}, "unknown": 1},
    }
    assert append_update(OWN, 4, {}) == {"as_node": "write", "values": {"log": ["4"]}}


def test_the_default_foretells_all_its_channels() -> None:
    graph = GraphSettings()
    wanted = expected_values(supersteps_with_channels(graph, graph.channels), graph)
    assert wanted.keys() == {"messages", "turns", "profile", "plan"}
    assert (wanted["turns"], wanted["plan"]) == (4, ["step 3", "then the end"])


@pytest.mark.parametrize("holder", [{}, {"values": None}, {"values": []}], ids=repr)
def test_without_values_there_are_none(holder: dict[str, Any]) -> None:
    assert values_of(holder) == {}
