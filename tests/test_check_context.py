"""Waiting for what a deployment shows late."""

from __future__ import annotations

import time

import pytest

from conformance.checks.check_context import CheckContext, Patience
from conformance.deployment.settings import Settings


class Clock:
    """Time as a look takes it, in seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.pass_by)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("takes", "looks"), [(10.0, 2), (3.0, 3), (0.0, None)])
def test_the_last_look_begins_after_the_deadline(
    takes: float, looks: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    began: list[float] = []

    def look() -> int:
        began.append(clock.now)
        clock.pass_by(takes)
        return len(began)

    settings = Settings(url="", run_id="", started_at="", run_dir="", visible_within_s=5.0)
    case = CheckContext(settings, {})
    assert case.eventually(look, lambda _: False) == len(began)
    assert began[-1] > 5.0
    assert all(each <= 5.0 for each in began[:-1])
    assert looks is None or len(began) == looks
    assert case.notes


def test_what_holds_at_once_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    case = CheckContext(Settings(url="", run_id="", started_at="", run_dir=""), {})
    assert case.eventually(lambda: "seen", lambda seen: seen == "seen") == "seen"
    assert case.notes == []


def test_a_repetition_does_not_wait_far_longer_than_was_of_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, patience = Clock(monkeypatch), Patience()
    settings = Settings(url="", run_id="", started_at="", run_dir="", visible_within_s=60.0)

    def waited_for(shown_after_s: float) -> float:
        case, began = CheckContext(settings, {}, patience=patience), clock.now
        case.eventually(lambda: clock.now - began, lambda late: late >= shown_after_s)
        return clock.now - began

    assert waited_for(1000) == pytest.approx(60, abs=0.5)
    patience.repeats = True
    assert waited_for(1000) == pytest.approx(1, abs=0.5)
    assert waited_for(0.5) == pytest.approx(0.5, abs=0.3)
    assert waited_for(1000) == pytest.approx(10 * patience.longest_useful_s, abs=0.5)
    patience.repeats = False
    assert waited_for(20) == pytest.approx(20, abs=0.5)
    patience.repeats = True
    assert waited_for(1000) == pytest.approx(60, abs=0.5)


def test_a_deadline_of_its_own_holds_in_a_repetition_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    settings = Settings(url="", run_id="", started_at="", run_dir="")
    case = CheckContext(settings, {}, patience=Patience(repeats=True))
    case.eventually(lambda: 0, lambda _: False, within_s=30.0)
    assert clock.now >= 30.0
