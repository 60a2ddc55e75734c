"""Waiting for what a deployment shows late."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from conformance.checks.check_context import CheckContext, Patience
from conformance.contract.verdicts import Stability, Verdict
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.faults.registry import all_faults, faulty_deployment
from conformance.runner.session import run_suite
from tests.conftest import served


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
    assert waited_for(1000) == pytest.approx(0.25, abs=0.2)
    assert waited_for(0.5) == pytest.approx(0.25, abs=0.2)
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


def test_checks_of_a_requirement_that_is_broken_do_not_wait_for_its_whole_deadline_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, patience = Clock(monkeypatch), Patience()
    settings = Settings(url="", run_id="", started_at="", run_dir="", visible_within_s=60.0)

    def waited_by(*requirements: str, fails: bool = True, shown_after_s: float = 1000.0) -> float:
        patience.begin_check(requirements)
        case, began = CheckContext(settings, {}, patience=patience), clock.now
        case.eventually(lambda: clock.now - began, lambda late: late >= shown_after_s)
        if fails:
            patience.check_failed()
        return clock.now - began

    whole, short = pytest.approx(60, abs=0.5), pytest.approx(1, abs=0.3)
    assert waited_by("A", fails=False) == whole
    assert waited_by("A") == whole
    assert waited_by("A") == short
    patience.repeats = True
    assert waited_by("A") == pytest.approx(0.25, abs=0.2)
    patience.repeats = False
    assert waited_by("B", "A") == whole
    assert waited_by("B") == short
    # What failed without having waited in vain does not say that waiting is of no use.
    assert waited_by("C", shown_after_s=0) < 1
    assert waited_by("C") == whole
    assert waited_by(fails=True) == whole
    assert waited_by() == whole
    # Something became visible after 20 s: a while longer than that is waited.
    assert waited_by("D", fails=False, shown_after_s=20) == pytest.approx(20, abs=0.5)
    assert waited_by("A") == whole


@pytest.mark.slow
def test_the_second_check_of_a_broken_requirement_waits_less(
    settings_for: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines: list[float] = []
    deadline_s = Patience.deadline_s

    def noted(self: Patience, declared_s: float) -> float:
        deadlines.append(deadline_s(self, declared_s))
        return deadlines[-1]

    monkeypatch.setattr(Patience, "deadline_s", noted)
    deployment, app = faulty_deployment(all_faults()["get-shows-no-values-of-a-copy"])
    with served(deployment.store, lambda _app: app) as url:
        settings = settings_for(url, requirements=("COPY-08",), visible_within_s=1.5)
        report = run_suite(settings, identify_deployment(settings))
    failed = [each for each in report.checks if each.verdict is Verdict.FAIL]
    assert len(failed) == 2
    assert {each.stability for each in failed} == {Stability.STABLE}
    assert deadlines == [1.5, 0.25, 0.25, 1.0, 0.25, 0.25]
