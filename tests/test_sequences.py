"""Every promise of sequences fails with a fault of its own, and is reported as a story."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from conformance.checks.sequences.counterexample_search import EFFORTS
from conformance.contract.verdicts import Verdict
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.model.entities import Checkpoint, Thread
from conformance.model.ids_and_times import JsonObject
from conformance.model.search import Query, Searches
from conformance.model.states import States
from conformance.model.threads import Threads
from conformance.report.record import Report
from conformance.runner.session import run_suite
from tests.conftest import served
from tests.store_variants import store_of

pytestmark = pytest.mark.slow

MakeSettings = Callable[..., Settings]
_ALL = Query()


def judged(url: str, settings_for: MakeSettings, **options: Any) -> Report:
    options = {"effort": "standard", "visible_within_s": 0.05, "repeat_failures": 0, **options}
    settings = settings_for(url, profile="full", capabilities=("sequences",), **options)
    return run_suite(settings, ServerInfo("a server", "1"))


def fallen(report: Report) -> set[str]:
    return {each.id for each in report.requirements if each.verdict is not Verdict.PASS}


class EverySecondSearchIsEmpty(Searches):
    """Unhashable metadata stands in the steps; and no two replays need to agree."""

    def search(self, *given: Any, **named: Any) -> list[JsonObject]:
        self.__dict__["searches"] = self.__dict__.get("searches", 0) + 1
        return [] if self.__dict__["searches"] % 2 else super().search(*given, **named)


def test_a_deployment_that_does_not_always_fail_broke_its_promise(
    settings_for: MakeSettings,
) -> None:
    with served(store_of(EverySecondSearchIsEmpty)) as url:
        report = judged(url, settings_for, visible_within_s=0.0)
    verdicts = {each.id: each.verdict for each in report.requirements}
    assert verdicts["SEQ-14"] is Verdict.FAIL
    assert not {Verdict.ERROR, Verdict.NOT_RUN} & set(verdicts.values())


@pytest.mark.parametrize("seed", [1, 2**63])
def test_the_reference_keeps_every_promise(
    seed: int, reference: str, settings_for: MakeSettings
) -> None:
    report = judged(reference, settings_for, seed=seed, visible_within_s=5.0)
    assert fallen(report) == set()
    assert report.cleanup.left == ()
    # Of each copy it is proved, beside what the check asks, whose it is.
    proofs = report.operations["copy"].requests
    assert report.run.requests - proofs <= 1050


# ---- one fault for every promise ------------------------------------------------------


class SecondWriteOnACopyReachesItsSource(States):
    """A copy is known by its first checkpoint, which it shares with its source."""

    def update_state(self, thread_id: str, *given: Any, **named: Any) -> JsonObject:
        answer = super().update_state(thread_id, *given, **named)
        copy = self.records.thread(thread_id)
        self.writes = {**self.writes, thread_id: self.writes.get(thread_id, 0) + 1}
        for other in list(self.records.threads_by_id.values()):
            is_source = (
                other.created_at < copy.created_at and other.checkpoints[:1] == copy.checkpoints[:1]
            )
            if is_source and self.writes[thread_id] > 1:
                written = copy.checkpoints[-1]
                self.records.keep(replace(other, updated_at=written.created_at))
        return answer

    writes: dict[str, int] = {}  # noqa: RUF012 - replaced, never changed


class ForksHaveTheNewestParent(States):
    def with_superstep(
        self, thread: Thread, base: Checkpoint | None, updates: Sequence[JsonObject]
    ) -> Thread:
        made = super().with_superstep(thread, base, updates)
        if not thread.latest:
            return made
        newest = replace(made.checkpoints[-1], parent_id=thread.latest.checkpoint_id)
        return replace(made, checkpoints=(*made.checkpoints[:-1], newest))


class PagesSkipOneState(States):
    def history(self, thread_id: str, **given: Any) -> list[JsonObject]:
        states = super().history(thread_id, **given)
        return states[1:] if given.get("before") and given["limit"] < 1000 else states


class StatusIsIgnoredBesideMetadata(Searches):
    def matches(self, thread: Thread, query: Query) -> bool:
        return super().matches(thread, replace(query, status=None))


class CountsIgnoreTheStatus(Searches):
    def count(self, query: Query = _ALL) -> int:
        return super().count(replace(query, status=None))


class DeletedMetadataComesBack(Threads):
    def delete(self, thread_id: str) -> None:
        self.__dict__.setdefault("left", {})[thread_id] = self.records.thread(thread_id).metadata
        super().delete(thread_id)

    def create(self, **given: Any) -> JsonObject:
        left = self.__dict__.get("left", {}).get(given.get("thread_id"), {})
        return super().create(**{**given, "metadata": {**left, **(given["metadata"] or {})}})


def later(moment: str) -> str:
    return (datetime.fromisoformat(moment) + timedelta(seconds=1)).isoformat()


#: Some kinds; the kill matrix has many more.
FAULTS: dict[str, type] = {
    "SEQ-02": SecondWriteOnACopyReachesItsSource,
    "SEQ-05": ForksHaveTheNewestParent,
    "SEQ-09": PagesSkipOneState,
    "SEQ-14": StatusIsIgnoredBesideMetadata,
    "SEQ-15": CountsIgnoreTheStatus,
    "SEQ-19": DeletedMetadataComesBack,
}


@pytest.mark.parametrize(("requirement", "fault"), FAULTS.items(), ids=FAULTS)
def test_a_fault_makes_its_own_check_fail(
    requirement: str,
    fault: type,
    settings_for: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A few shorter sequences are enough to see that one is looked for.
    monkeypatch.setitem(EFFORTS, "quick", replace(EFFORTS["quick"], shorter=8))
    with served(store_of(fault)) as url:
        report = judged(url, settings_for, effort="quick")
    assert fallen(report) == {requirement}
    (check,) = (each for each in report.checks if each.requirements == (requirement,))
    assert check.failure is not None
    told = check.failure.message
    assert told.startswith(f"{requirement}: ")
    assert f"\nreproduce: \nURL='{url}'\n# 1. POST /threads answers 200\ncurl " in told
    numbers = list(map(int, re.findall(r"^# (\d+)\. ", told, re.MULTILINE)))
    assert numbers == list(range(1, len(check.failure.exchanges) + 1))
    assert len(numbers) <= 30
