"""Which members of two states are compared, and which may differ."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given

from conformance.checks.comparable_members import (
    OWN_THREAD,
    mask_thread_id,
    masked_state,
    masked_states,
    published_state,
    shown_by_both,
    shows_its_state,
)
from conformance.checks.views import History
from conformance.json_differences import same_json
from tests.json_values import ID, VALUES

SOURCE, COPY = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


def state(**members: Any) -> dict[str, Any]:
    return {
        "values": {"messages": ["hello"]},
        "next": [],
        "created_at": "2026-01-01T00:00:00+00:00",
        "metadata": {"source": "loop", "step": 1, "parents": {}},
        "tasks": [{"id": "1", "name": "work"}],
        **members,
    }


def agree(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return same_json(*shown_by_both(one, other))


@pytest.mark.parametrize(
    "other",
    [
        state(served=1),
        state(created_at="2026-01-01T01:00:00+01:00"),
        state(created_at="2026-01-01T00:00:00Z"),
        state(metadata={"source": "loop", "step": 1, "parents": {}, "graph_id": "agent"}),
        state(tasks=[{"id": "1", "name": "work", "interrupts": [], "error": None}]),
        {name: value for name, value in state().items() if name != "tasks"},
    ],
)
def test_two_views_of_a_state_may_differ(other: dict[str, Any]) -> None:
    assert agree(state(), other)
    assert agree(other, state())


@pytest.mark.parametrize(
    "other",
    [
        state(values={"messages": []}),
        state(created_at="2026-01-01T00:00:01+00:00"),
        state(created_at="2026-01-01T00:00:00"),
        state(metadata={"source": "loop", "step": 2, "parents": {}}),
        state(metadata={"source": "loop", "parents": {}}),
        state(tasks=[]),
        state(tasks=[{"id": "1", "name": "rest"}]),
        state(tasks=[{"id": "1", "name": "work", "result": {"messages": ["hello"]}}]),
    ],
)
def test_two_views_of_a_state_must_agree(other: dict[str, Any]) -> None:
    assert not agree(state(), other)
    assert not agree(other, state())


def test_the_state_of_a_subgraph_is_compared_by_its_published_members() -> None:
    inner = state(served=1, tasks=[])
    shown = published_state(state(tasks=[{"id": "1", "name": "work", "state": inner}]))
    assert shown["tasks"] == [{"id": "1", "name": "work", "state": state(tasks=[])}]


@pytest.mark.parametrize("named", [SOURCE, COPY, None])
def test_a_copy_may_name_itself_or_its_source(named: str | None) -> None:
    def of(thread_id: str, in_checkpoints: str, in_metadata: str | None) -> dict[str, Any]:
        checkpoint = {"checkpoint_id": "1", "thread_id": in_checkpoints}
        inner = state(checkpoint=checkpoint, metadata={"thread_id": in_metadata})
        task = {"id": "1", "name": "work", "checkpoint": {"thread_id": thread_id}, "state": inner}
        metadata = {"source": "loop", "step": 1, "parents": {}}
        if in_metadata is not None:
            metadata["thread_id"] = in_metadata
        return state(checkpoint=checkpoint, tasks=[task], metadata=metadata, own=thread_id)

    source = History(SOURCE, [of(SOURCE, SOURCE, SOURCE)])
    copy = History(COPY, [of(COPY, named or COPY, named)])
    assert masked_states(copy, SOURCE) == masked_states(source)
    stranger = History(COPY, [of(COPY, "00000000-0000-4000-8000-00000000000c", named)])
    assert masked_states(stranger, SOURCE) != masked_states(source)


def test_a_masked_state_has_no_member_that_was_not_there() -> None:
    assert masked_state({"values": {}}, COPY, SOURCE) == {"values": {}}


@pytest.mark.parametrize(
    ("thread", "settled"),
    [
        ({"status": "idle", "values": {"messages": ["hello"]}, "interrupts": {}}, True),
        ({"status": "idle"}, True),
        ({"status": "busy", "values": {"messages": ["hello"]}}, False),
        ({"status": "idle", "values": {"messages": []}}, False),
        ({"status": "idle", "interrupts": {"1": [{"value": "?"}]}}, False),
    ],
)
def test_get_shows_what_the_state_shows(thread: dict[str, Any], settled: bool) -> None:
    assert shows_its_state(thread, state()) is settled


def test_a_question_is_awaited() -> None:
    asking = state(tasks=[{"id": "1", "name": "ask", "interrupts": [{"value": "?"}]}])
    assert not shows_its_state({"status": "interrupted", "interrupts": {}}, asking)
    assert shows_its_state({"status": "interrupted", "interrupts": {"1": [{}]}}, asking)
    assert shows_its_state({"status": "idle", "interrupts": {"1": []}}, state())


def test_the_own_id_is_masked_wherever_it_stands() -> None:
    state = {
        "thread_id": ID,
        "checkpoint": {"thread_id": ID.upper(), "parents": [ID, "another"]},
        "text": f"not within a text: {ID}",
        ID: 1,
    }
    assert mask_thread_id(state, ID) == {
        "thread_id": OWN_THREAD,
        "checkpoint": {"thread_id": OWN_THREAD, "parents": [OWN_THREAD, "another"]},
        "text": f"not within a text: {ID}",
        ID: 1,
    }


@given(VALUES)
def test_masking_leaves_the_value_and_masks_once(value: Any) -> None:
    before = copy.deepcopy(value)
    masked = mask_thread_id(value, ID)
    assert same_json(value, before)
    assert same_json(mask_thread_id(masked, ID), masked)
