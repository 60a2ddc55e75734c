"""Every promise of sequences falls with a fault of its own, and is told as a story."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from conformance.contract.verdicts import Verdict
from conformance.deployment.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.engine import run_suite
from conformance.model.store import Query, ThreadStore
from conformance.model.threads import Checkpoint, Thread
from conformance.model.values import JsonObject
from conformance.report.record import Report
from tests.conftest import served

MakeSettings = Callable[..., Settings]
_ALL = Query()


def judged(url: str, settings_for: MakeSettings, **options: Any) -> Report:
    options = {"effort": "standard", "visible_within_s": 0.05, "repeat_failures": 0, **options}
    settings = settings_for(url, profile="full", capabilities=("sequences",), **options)
    return run_suite(settings, ServerInfo("a server", "1"))


def fallen(report: Report) -> set[str]:
    return {each.id for each in report.requirements if each.verdict is not Verdict.PASS}


class EverySecondSearchIsEmpty(ThreadStore):
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


def store_of(kind: type[ThreadStore]) -> ThreadStore:
    return kind(clock=lambda: datetime.now(UTC), ids=uuid4)


@pytest.mark.parametrize("seed", [1, 2, 3, 20250512, 2**63])
def test_the_reference_keeps_every_promise(
    seed: int, reference: str, settings_for: MakeSettings
) -> None:
    report = judged(reference, settings_for, seed=seed, visible_within_s=5.0)
    assert fallen(report) == set()
    assert report.cleanup.left == ()
    assert report.run.requests <= 1000


# ---- one fault for every promise ------------------------------------------------------


class CreatingTouchesAnother(ThreadStore):
    def create(self, **given: Any) -> JsonObject:
        for other in list(self._threads.values())[-1:]:
            self.keep(replace(other, updated_at=later(other.updated_at)))
        return super().create(**given)


class SecondWriteOnACopyReachesItsSource(ThreadStore):
    def copy(self, thread_id: str) -> JsonObject:
        made = super().copy(thread_id)
        self.__dict__.setdefault("sources", {})[made["thread_id"]] = [thread_id, 0]
        return made

    def update_state(self, thread_id: str, *given: Any, **named: Any) -> JsonObject:
        answer = super().update_state(thread_id, *given, **named)
        source = self.__dict__.get("sources", {}).get(thread_id)
        if source and source[0] in self._threads:
            source[1] += 1
            if source[1] > 1:
                other = self.thread(source[0])
                written = self.thread(thread_id).checkpoints[-1]
                self.keep(replace(other, updated_at=written.created_at))
        return answer


class LongCopiesLackTheNewestState(ThreadStore):
    def copied_checkpoints(self, source: Thread) -> tuple[Checkpoint, ...]:
        return source.checkpoints[:-1] if len(source.checkpoints) > 3 else source.checkpoints


class UpdatesRedateTheOldestState(ThreadStore):
    def update_state(self, thread_id: str, *given: Any, **named: Any) -> JsonObject:
        answer = super().update_state(thread_id, *given, **named)
        thread = self.thread(thread_id)
        oldest = replace(thread.checkpoints[0], created_at=thread.checkpoints[-1].created_at)
        self.keep(replace(thread, checkpoints=(oldest, *thread.checkpoints[1:])))
        return answer


class ForksHaveTheNewestParent(ThreadStore):
    def with_superstep(
        self, thread: Thread, base: Checkpoint | None, updates: Sequence[JsonObject]
    ) -> Thread:
        made = super().with_superstep(thread, base, updates)
        if not thread.latest:
            return made
        newest = replace(made.checkpoints[-1], parent_id=thread.latest.checkpoint_id)
        return replace(made, checkpoints=(*made.checkpoints[:-1], newest))


class TheFirstStateHasAParent(ThreadStore):
    def create(self, **given: Any) -> JsonObject:
        view = super().create(**given)
        thread = self.thread(view["thread_id"])
        if thread.checkpoints:
            first = replace(thread.checkpoints[0], parent_id=str(uuid4()))
            self.keep(replace(thread, checkpoints=(first, *thread.checkpoints[1:])))
        return view


class TheStateIsDatedLater(ThreadStore):
    def state(
        self, thread_id: str, checkpoint: JsonObject | None = None, **others: bool
    ) -> JsonObject:
        state = super().state(thread_id, checkpoint, **others)
        if checkpoint is None and len(self.thread(thread_id).checkpoints) > 3:
            state["created_at"] = later(state["created_at"])
        return state


class StatesAtACheckpointShowTheNewestNext(ThreadStore):
    def state(
        self, thread_id: str, checkpoint: JsonObject | None = None, **others: bool
    ) -> JsonObject:
        state = super().state(thread_id, checkpoint, **others)
        latest = self.thread(thread_id).latest
        if checkpoint is not None and latest:
            state["next"] = list(latest.next)
        return state


class PagesSkipOneState(ThreadStore):
    def history(self, thread_id: str, **given: Any) -> list[JsonObject]:
        states = super().history(thread_id, **given)
        return states[1:] if given.get("before") and given["limit"] < 1000 else states


class ForksHoldWhatCameLater(ThreadStore):
    def with_superstep(
        self, thread: Thread, base: Checkpoint | None, updates: Sequence[JsonObject]
    ) -> Thread:
        made = super().with_superstep(thread, base, updates)
        if base is None or thread.latest is None:
            return made
        added = made.checkpoints[-1].values["messages"][len(base.values["messages"]) :]
        values = {"messages": [*thread.latest.values["messages"], *added]}
        newest = replace(made.checkpoints[-1], values=values)
        return replace(made, checkpoints=(*made.checkpoints[:-1], newest))


class TheThreadShowsTheValuesBefore(ThreadStore):
    def thread_view(self, thread: Thread) -> JsonObject:
        view = super().thread_view(thread)
        if len(thread.checkpoints) > 3:
            view["values"] = thread.checkpoints[-2].values
        return view


class UpdatesAnswerTheMomentBefore(ThreadStore):
    def update(self, thread_id: str, *given: Any, **named: Any) -> JsonObject:
        before = self.thread(thread_id).updated_at
        return {**super().update(thread_id, *given, **named), "updated_at": before}


class EmptyTextsDoNotReplace(ThreadStore):
    def merged(self, metadata: JsonObject, new: JsonObject) -> JsonObject:
        return metadata | {name: value for name, value in new.items() if value not in ("", 7)}


class StatusIsIgnoredBesideMetadata(ThreadStore):
    def matches(self, thread: Thread, query: Query) -> bool:
        return super().matches(thread, replace(query, status=None))


class CountsIgnoreTheStatus(ThreadStore):
    def count(self, query: Query = _ALL) -> int:
        return super().count(replace(query, status=None))


class LaterPagesSkipOneThread(ThreadStore):
    def page(self, threads: Sequence[Thread], offset: int, limit: int) -> Sequence[Thread]:
        return super().page(threads, offset + (1 if offset else 0), limit)


class SearchShowsTheMomentOfCreation(ThreadStore):
    def search(self, *given: Any, **named: Any) -> list[JsonObject]:
        found = super().search(*given, **named)
        return [{**each, "updated_at": each["created_at"]} for each in found]


class DeletingLeavesTheHistory(ThreadStore):
    def delete(self, thread_id: str) -> None:
        states = super().history(thread_id, limit=1000)
        super().delete(thread_id)
        self.__dict__.setdefault("left", {})[thread_id] = states

    def history(self, thread_id: str, **given: Any) -> list[JsonObject]:
        if thread_id not in self._threads and thread_id in self.__dict__.get("left", {}):
            return list(self.__dict__["left"][thread_id])
        return super().history(thread_id, **given)


class DeletedMetadataComesBack(ThreadStore):
    def delete(self, thread_id: str) -> None:
        self.__dict__.setdefault("left", {})[thread_id] = self.thread(thread_id).metadata
        super().delete(thread_id)

    def create(self, **given: Any) -> JsonObject:
        left = self.__dict__.get("left", {}).get(given.get("thread_id"), {})
        return super().create(**{**given, "metadata": {**left, **(given["metadata"] or {})}})


def later(moment: str) -> str:
    return (datetime.fromisoformat(moment) + timedelta(seconds=1)).isoformat()


FAULTS: dict[str, type[ThreadStore]] = {
    "SEQ-01": CreatingTouchesAnother,
    "SEQ-02": SecondWriteOnACopyReachesItsSource,
    "SEQ-03": LongCopiesLackTheNewestState,
    "SEQ-04": UpdatesRedateTheOldestState,
    "SEQ-05": ForksHaveTheNewestParent,
    "SEQ-06": TheFirstStateHasAParent,
    "SEQ-07": TheStateIsDatedLater,
    "SEQ-08": StatesAtACheckpointShowTheNewestNext,
    "SEQ-09": PagesSkipOneState,
    "SEQ-10": ForksHoldWhatCameLater,
    "SEQ-11": TheThreadShowsTheValuesBefore,
    "SEQ-12": UpdatesAnswerTheMomentBefore,
    "SEQ-13": EmptyTextsDoNotReplace,
    "SEQ-14": StatusIsIgnoredBesideMetadata,
    "SEQ-15": CountsIgnoreTheStatus,
    "SEQ-16": LaterPagesSkipOneThread,
    "SEQ-17": SearchShowsTheMomentOfCreation,
    "SEQ-18": DeletingLeavesTheHistory,
    "SEQ-19": DeletedMetadataComesBack,
}


@pytest.mark.parametrize(("requirement", "fault"), FAULTS.items(), ids=FAULTS)
def test_a_fault_makes_its_own_check_fail(
    requirement: str, fault: type[ThreadStore], settings_for: MakeSettings
) -> None:
    with served(store_of(fault)) as url:
        report = judged(url, settings_for, effort="quick")
    assert fallen(report) == {requirement}
    (check,) = (each for each in report.checks if each.requirements == (requirement,))
    assert check.failure is not None
    told = check.failure.message
    assert told.startswith(f"{requirement}: ")
    assert "\nreproduce: \n# 1. POST /threads answers 200\ncurl " in told
    numbers = list(map(int, re.findall(r"^# (\d+)\. ", told, re.MULTILINE)))
    assert numbers == list(range(1, len(check.failure.exchanges) + 1))
    assert len(numbers) <= 30
