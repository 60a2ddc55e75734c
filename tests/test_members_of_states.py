"""What of a state lasts, what is published, whether it holds data, and whether GET shows it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from conformance.checks.comparable_members import (
    assert_refused_or_empty,
    contract_members,
    contract_members_of_each,
    holds_no_data,
    is_empty_state,
    lasting_members,
    masked_state,
    parent_ids,
    published_members,
    published_state,
    require_some,
    shown_by_both,
    shows_its_state,
)
from conformance.checks.comparison_count import begin
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.contract.causes import Cause
from conformance.deployment.client import Answer
from conformance.json_differences import same_json

SOURCE, COPY = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
STATE = {
    "values": {"n": 1},
    "next": ["n"],
    "checkpoint_id": "c",
    "parent_checkpoint_id": "p",
    "created_at": "2026-01-01T00:00:00+00:00",
    "metadata": {"source": "loop", "step": 1, "parents": {}, "color": "red"},
    "tasks": [{"id": "t", "name": "n"}],
}


def agree(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return same_json(*shown_by_both(one, other))


# Evidence


def test_where_something_is_shown_there_is_something_to_compare() -> None:
    require_some([None, {}, [1]], "states")


@pytest.mark.parametrize(
    ("by", "causes"), [({}, ()), ({"by": "COPY-03"}, (Cause.broken("COPY-03"),))]
)
def test_where_nothing_is_shown_a_check_blocks(
    by: dict[str, str], causes: tuple[Cause, ...]
) -> None:
    nothings: list[list[object]] = [[], [None, {}, []]]
    for nothing in nothings:
        with pytest.raises(Blocked, match="states with values") as blocked:
            require_some(nothing, "states with values", **by)
        assert blocked.value.by == causes


# Parts


def test_of_a_state_values_metadata_time_and_place_last() -> None:
    assert lasting_members([STATE, {"checkpoint": {"checkpoint_id": "d"}}]) == [
        {
            "checkpoint_id": "c",
            "parent_checkpoint_id": "p",
            "values": {"n": 1},
            "metadata": {"source": "loop", "step": 1, "parents": {}},
            "created_at": "2026-01-01T00:00:00+00:00",
        },
        {
            "checkpoint_id": "d",
            "parent_checkpoint_id": None,
            "values": None,
            "metadata": None,
            "created_at": None,
        },
    ]


def test_of_metadata_only_source_step_and_parents_are_of_the_contract() -> None:
    wanted = {**STATE, "metadata": {"source": "loop", "step": 1, "parents": {}}}
    assert contract_members({**STATE, "served_by": 1}) == wanted
    assert contract_members_of_each([STATE, {}]) == [wanted, {}]
    assert contract_members({"metadata": None}) == {"metadata": None}


def test_published_members_are_kept_in_lists_too() -> None:
    shown = [{**STATE, "served_by": 1}, None, [{"served_by": 1}]]
    assert published_members("thread_state", shown) == [STATE, None, [{}]]
    assert published_members("thread", {"thread_id": "t", "next": []}) == {"thread_id": "t"}


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("2026-01-01t01:00:00+01:00", "2026-01-01T00:00:00+00:00"),
        # What is no time with an offset has a requirement of its own.
        ("2026-01-01T01:00:00", "2026-01-01T01:00:00"),
        ("soon", "soon"),
        (None, None),
    ],
)
@pytest.mark.usefixtures("far_away")
def test_the_time_of_a_state_is_told_in_utc(shown: Any, told: Any) -> None:
    assert published_state({"created_at": shown}) == {"created_at": told}


def test_tasks_that_hold_no_state_are_left_as_they_are() -> None:
    tasks = [None, {"id": "1"}, {"id": "2", "state": {"served_by": 1}}, {"id": "3", "state": None}]
    shown = published_state({"tasks": tasks, "values": {}})
    assert shown == {"values": {}, "tasks": [*tasks[:2], {"id": "2", "state": {}}, tasks[3]]}


# Masks


@pytest.mark.parametrize("name", ["checkpoint", "parent_checkpoint"])
def test_the_id_of_the_source_is_masked_in_both_checkpoints_of_a_copy(name: str) -> None:
    def of(thread_id: str) -> dict[str, Any]:
        inner = {"metadata": {"thread_id": thread_id, "step": 1}, name: {"thread_id": thread_id}}
        return {name: {"thread_id": thread_id, "checkpoint_id": "c"}, "tasks": [{"state": inner}]}

    wanted = masked_state(of(SOURCE), SOURCE)
    assert masked_state(of(COPY), COPY, SOURCE) == wanted
    assert masked_state(of(SOURCE), COPY, SOURCE) == wanted
    assert masked_state(of("another"), COPY, SOURCE) != wanted
    assert wanted["tasks"][0]["state"]["metadata"] == {"step": 1}


def test_other_metadata_of_a_copy_is_compared() -> None:
    shown = masked_state({"metadata": {"thread_id": COPY, "of": COPY, "step": 1}}, COPY)
    assert shown["metadata"] == {"of": "<this thread>", "step": 1}


# Two views


@pytest.mark.parametrize(
    "other",
    [
        {"values": {"n": 1, "m": None}},
        {"metadata": None},
        {"metadata": []},
        {"tasks": None},
        {"tasks": [None]},
        {"tasks": {}},
        {"next": ["m"]},
    ],
)
def test_only_metadata_and_tasks_may_be_shown_at_different_length(other: dict[str, Any]) -> None:
    assert not agree(STATE, {**STATE, **other})
    assert not agree({**STATE, **other}, STATE)


def test_interrupts_of_a_state_are_compared_whole() -> None:
    one, other = {"interrupts": [{"id": "1", "value": None}]}, {"interrupts": [{"id": "1"}]}
    assert not agree(one, other)
    assert agree({"tasks": one["interrupts"]}, {"tasks": other["interrupts"]})


# Data


@pytest.mark.parametrize("values", [{}, [], {"a": None, "b": ""}, [[], {}]], ids=repr)
def test_empty_values_hold_no_data(values: Any) -> None:
    assert holds_no_data(values)


@pytest.mark.parametrize("values", [None, "", 0, {"a": 0, "b": 1}, ["a"], "text"], ids=repr)
def test_other_values_hold_data_or_are_none(values: Any) -> None:
    assert not holds_no_data(values)


def answer(status: int, body: Any) -> Answer:
    return Answer("state", status, httpx.Headers(), json.dumps(body))


@pytest.mark.parametrize(
    ("given", "empty"),
    [
        (answer(200, {"values": {}}), True),
        (answer(200, {"values": {"a": []}}), True),
        (answer(200, {"values": {"a": 1}}), False),
        (answer(200, {"values": None}), False),
        (answer(200, {}), False),
        (answer(200, ["values"]), False),
        (answer(200, []), False),
        (answer(404, {"values": {}}), False),
    ],
)
def test_an_empty_state_is_a_success_whose_values_hold_no_data(given: Answer, empty: bool) -> None:
    assert is_empty_state(given) is empty


@pytest.mark.parametrize(
    "given",
    [
        answer(400, {}),
        answer(499, {}),
        answer(200, {"values": {}}),
        answer(200, {"values": {"a": []}}),
    ],
)
def test_a_refusal_or_an_empty_state_passes_without_a_look_at_defaults(given: Answer) -> None:
    def initial_values() -> Any:
        raise AssertionError("asked")

    count = begin()
    assert_refused_or_empty(given, initial_values)
    assert (count.comparisons, count.values) == (1, 1)


def test_the_defaults_of_a_new_thread_are_no_data() -> None:
    assert_refused_or_empty(answer(200, {"values": {"a": 1}}), lambda: {"a": 1.0})


@pytest.mark.parametrize(
    "given",
    [
        answer(200, {"values": {"a": 2}}),
        answer(200, {"values": None}),
        answer(200, None),
        answer(200, [1]),
        answer(399, {"values": {"a": 1}}),
        answer(500, {"values": {"a": 1}}),
    ],
)
@pytest.mark.parametrize("initial", [{"a": 1}, None])
def test_any_other_answer_fails(given: Answer, initial: Any) -> None:
    with pytest.raises(PromiseBroken) as broken:
        assert_refused_or_empty(given, lambda: initial)
    assert broken.value.actual == f"{given.status} {given.text}"


# GET and the newest state


@pytest.mark.parametrize(("thread", "state"), [(None, {}), ({"status": "busy"}, None), ([], [])])
def test_what_only_one_of_the_two_shows_is_not_compared(thread: Any, state: Any) -> None:
    assert shows_its_state(thread, state)


def test_values_that_the_state_does_not_show_are_not_compared() -> None:
    assert shows_its_state({"values": {"n": 1}}, {"next": []})
    assert not shows_its_state({"values": {"n": 1}}, {"values": None})


def test_interrupts_are_not_awaited_of_a_thread_without_a_state() -> None:
    assert shows_its_state({"interrupts": {"1": [1]}}, {})
    assert not shows_its_state({"interrupts": {"1": [1]}}, {"tasks": [None, {"interrupts": []}]})


@pytest.mark.parametrize(
    ("state", "parents"),
    [
        ({"parent_checkpoint": {"checkpoint_id": "a"}, "parent_checkpoint_id": "b"}, {"a", "b"}),
        ({"parent_checkpoint": {"checkpoint_id": "a"}}, {"a"}),
        ({"parent_checkpoint": {}, "parent_checkpoint_id": "b"}, {"b"}),
        ({"parent_checkpoint": None, "parent_checkpoint_id": None}, set()),
        ({"parent_checkpoint": "a", "parent_checkpoint_id": 5}, set()),
        ({}, set()),
    ],
)
def test_a_parent_is_named_in_either_member(state: dict[str, Any], parents: set[str]) -> None:
    assert parent_ids(state) == parents
