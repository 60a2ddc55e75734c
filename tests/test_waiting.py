"""Waiting by polling."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from conformance.waiting import wait_until


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses made; the clock moves by them alone."""
    made: list[float] = []
    clock = SimpleNamespace(sleep=made.append, monotonic=lambda: sum(made))
    monkeypatch.setattr("conformance.waiting.time", clock)
    return made


def counting() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


def test_what_holds_at_once_is_returned_without_a_pause(pauses: list[float]) -> None:
    assert wait_until(lambda: "seen", bool, within_s=5, pause_s=1) == "seen"
    assert pauses == []


def test_it_looks_until_it_holds(pauses: list[float]) -> None:
    look = counting()
    assert wait_until(lambda: next(look), lambda seen: seen == 3, pause_s=1) == 3
    assert pauses == [1, 1, 1]


def test_the_last_look_begins_after_the_deadline(pauses: list[float]) -> None:
    look = counting()
    assert wait_until(lambda: next(look), lambda _: False, within_s=2, pause_s=1) == 3
    assert pauses == [1, 1, 1]


def test_pauses_double_up_to_the_longest(pauses: list[float]) -> None:
    look = counting()
    wait_until(lambda: next(look), lambda seen: seen == 4, pause_s=1, longest_pause_s=3)
    assert pauses == [1, 2, 3, 3]
