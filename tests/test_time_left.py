"""The estimate of the time that a run still takes."""

from __future__ import annotations

import pytest

from conformance.report.run.time_left import TimeLeft


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def times(*seconds: float) -> tuple[TimeLeft, Clock]:
    clock = Clock()
    ids = list(map(str, seconds))
    return TimeLeft(ids, float, clock), clock


def test_before_anything_is_done_the_recorded_durations_are_believed() -> None:
    found, _ = times(30, 60)
    assert found.left_s == 90
    assert str(found) == "0:00, about 1:30 left"


@pytest.mark.parametrize(("took", "least", "most"), [(100, 90, 100), (400, 350, 400), (10, 10, 15)])
def test_the_pace_of_this_deployment_is_learned(took: float, least: float, most: float) -> None:
    found, clock = times(100, 100.0)
    clock.now = took
    found.finished("100")
    assert least <= found.left_s <= most


def test_a_long_check_counts_for_more_than_a_short_one() -> None:
    found, _ = times(1, 99)
    found.finished("1")
    assert found.part == pytest.approx(0.01)


def test_at_the_end_nothing_is_left_even_if_a_check_is_told_twice() -> None:
    found, clock = times(1, 1)
    clock.now = 3_700
    for _ in range(3):
        found.finished("1")
    assert found.left_s == 0
    assert found.part == 1
    assert str(found) == "1:01:40, about 0:00 left"


def test_a_run_without_checks_is_done() -> None:
    assert times()[0].part == 1
