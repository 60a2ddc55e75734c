"""Checking of many values at a time: the verdict and its evidence are as one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from conformance.checks.check_context import CheckContext
from conformance.checks.generators.check_each import check_each
from conformance.checks.generators.for_all import for_all
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.deployment.connect import connect
from conformance.deployment.settings import Settings
from tests.conftest import answering, as_json

MakeSettings = Callable[..., Settings]


def test_values_are_tried_together_if_so_many_may_be() -> None:
    together = threading.Barrier(2)
    # The first is tried alone, then one more with each that went well.
    check_each(lambda value: value == 0 or together.wait(10), [0, 1, 2], 4)
    main = threading.current_thread()
    seen: list[tuple[int, bool]] = []
    check_each(lambda value: seen.append((value, threading.current_thread() is main)), [1, 2], 1)
    assert seen == [(1, True), (2, True)]


@pytest.mark.parametrize("at_once", [1, 4])
def test_the_first_value_that_fails_is_told_after_those_before_it(at_once: int) -> None:
    by_main: list[int] = []

    def holds(value: int) -> None:
        if threading.current_thread() is threading.main_thread():
            by_main.append(value)
        if value in (5, 9):
            raise PromiseBroken("another", str(value))

    with pytest.raises(PromiseBroken) as told:
        check_each(holds, range(20), at_once)
    assert told.value.actual == "5"
    assert by_main == list(range(6))


def test_a_promise_that_was_broken_is_told_though_it_holds_one_by_one() -> None:
    def holds(value: int) -> None:
        if value == 3 and threading.current_thread() is not threading.main_thread():
            raise PromiseBroken("another", str(value))

    with pytest.raises(PromiseBroken):
        check_each(holds, range(10), 4)


@pytest.mark.parametrize("trouble", [Blocked("for now"), OSError("reset")])
def test_trouble_that_is_over_is_not_told(trouble: Exception) -> None:
    def holds(value: int) -> None:
        if value == 3 and threading.current_thread() is not threading.main_thread():
            raise trouble

    check_each(holds, range(10), 4)


def test_a_value_that_is_changed_is_as_it_was_when_it_is_tried_again() -> None:
    def holds(value: dict[str, Any]) -> None:
        if threading.current_thread() is threading.main_thread():
            assert value == {"n": 1}
            raise PromiseBroken("another", str(value))
        value.clear()
        raise Blocked("not yet")

    with pytest.raises(PromiseBroken):
        check_each(holds, [{"n": 1}, {"n": 1}], 4)


@pytest.mark.parametrize("name", ["", "numbers of a test"])
def test_the_same_values_are_generated_however_many_are_tried_at_a_time(
    name: str, settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    settings = settings_for("http://127.0.0.1:9")
    seen: dict[str, list[int]] = {}
    for number, at_once in enumerate((1, 4)):
        # Without what the other generated.
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / str(number)))
        monkeypatch.setattr("conformance.checks.generators.generated_cache._in_memory", {})
        tried: list[int] = []
        for_all(st.integers(), tried.append, settings, name, at_once)
        seen[str(at_once)] = sorted(tried)
    assert seen["1"] == seen["4"]
    assert len(seen["1"]) == 5


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_failure_is_shrunk_however_many_are_tried_at_a_time(
    at_once: int, settings_for: MakeSettings
) -> None:
    def holds(value: int) -> None:
        if value >= 100:
            raise PromiseBroken("less than a hundred", str(value))

    settings = settings_for("http://127.0.0.1:9", effort="thorough")
    with pytest.raises(PromiseBroken) as told:
        for_all(st.integers(0, 10**6), holds, settings, at_once=at_once)
    assert told.value.actual == "100"


@pytest.mark.parametrize(("way_s", "at_once"), [(0.0, 1), (0.019, 1), (0.02, 4), (0.3, 4)])
def test_more_is_sent_at_once_the_longer_the_way(way_s: float, at_once: int) -> None:
    context = CheckContext(Settings("http://h", "id", "", ""), {}, round_trip_s=lambda: way_s)
    assert context.at_once == at_once


def test_the_way_is_the_shortest_of_the_last_exchanges(settings_for: MakeSettings) -> None:
    with (
        answering(lambda *_request: as_json({})) as url,
        connect(settings_for(url), "main") as connection,
    ):
        assert connection.recorder.round_trip_s == 0
        connection.client.ok()
        first = connection.recorder.round_trip_s
        assert first > 0
        connection.client.ok()
        assert 0 < connection.recorder.round_trip_s <= first
