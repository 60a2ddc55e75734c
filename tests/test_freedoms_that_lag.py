"""Freedoms by which what is shown lags behind what was done."""

from __future__ import annotations

import time

import pytest

from conformance.freedoms.registry import all_freedoms, free_deployment
from tests.model_examples import ON_AGENT

_STATE = [{"updates": [{"values": {"messages": []}, "as_node": "__input__"}]}]


def test_values_that_were_shown_are_not_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    ((altered,),), _ = free_deployment([all_freedoms()["values-that-get-shows-lag"]])
    store = altered.store
    thread_id = store.threads.create(metadata=ON_AGENT, supersteps=_STATE)["thread_id"]
    messages = {"messages": [{"type": "human", "content": "hello"}]}

    def shown() -> list[str]:
        values = store.threads.get(thread_id)["values"] or {}
        return [each["content"] for each in values["messages"]]

    now += 0.2
    store.states.update_state(thread_id, values=messages, as_node="__start__")
    # A thread that was just created shows what it has.
    assert shown() == ["hello"]
    now += 0.4
    assert shown() == ["hello"]
    store.states.update_state(thread_id, values=messages, as_node="__start__")
    assert shown() == ["hello"]
    now += 0.6
    assert shown() == ["hello", "hello"]
