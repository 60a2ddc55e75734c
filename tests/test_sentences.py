"""No sentence decides anything: neither one of the suite nor one of a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported
from conformance.contract.causes import Cause
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.deployment.probe.identify import identify_deployment
from conformance.model.store import ThreadStore
from conformance.reference.app import new_store
from conformance.reference.wire import Wire, WireAnswer, WireRequest
from conformance.report.baseline.judgement import Entry, apply_baseline, new_entries
from conformance.report.record import Report
from conformance.report.run.grouping import failure_groups, symptom_fingerprint, undecided_groups
from conformance.report.score import exit_status
from conformance.runner.session import run_suite
from conformance.runner.settings import new_settings
from tests.conftest import served

pytestmark = pytest.mark.slow

TODAY = date(2026, 11, 28)
CAPABILITIES = ("copy", "run", "state", "prune", "history")
FIRST = "the machine is tired"
#: What has changed an exit status, and what might.
TEXTS = [
    pytest.param("see COPY-01 and RUN-01", id="names requirements"),
    pytest.param("no UTF-16 here: POST /threads answers 404: the operation is missing", id="odd"),
]


def spoiled(text: str) -> Wire:
    """What refuses runs, keeps no order in pages, copies nothing that is empty, prunes nothing."""
    wire = Wire()

    @wire.after("run_wait", "run_stream")
    def refuse(_request: WireRequest, answer: WireAnswer) -> None:
        answer.status, answer.body = 500, {"detail": text}

    @wire.after("copy")
    def refuse_empty(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok and not answer.body.get("values"):
            answer.status, answer.body = 422, {"detail": text}

    @wire.after("history")
    def forget(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok and isinstance(answer.body, list):
            answer.body = [{**each, "next": None} for each in answer.body]

    @wire.after("prune")
    def absent(_request: WireRequest, answer: WireAnswer) -> None:
        answer.status, answer.body = 404, {"detail": text}

    return wire


@contextmanager
def deployment(text: str) -> Iterator[str]:
    wire = spoiled(text)

    def around(app: Any) -> Wire:
        wire.app = app
        return wire

    store: ThreadStore = new_store()
    with served(store, around) as url:
        yield url


def run(directory: Path, text: str) -> Report:
    with deployment(text) as url:
        settings = new_settings(
            url,
            directory,
            capabilities=CAPABILITIES,
            profile="extended",
            effort="quick",
            repeat_failures=0,
            backoff_s=0.001,
        )
        return run_suite(settings, identify_deployment(settings))


def in_other_words(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Replace every sentence of the suite about how a check ended."""

    def reworded(kind: type[BaseException], texts: int) -> None:
        right = kind.__init__

        def init(self: Any, *arguments: Any, **named: Any) -> None:
            right(self, *(text for _ in arguments[:texts]), *arguments[texts:], **named)

        monkeypatch.setattr(kind, "__init__", init)

    reworded(PromiseBroken, 2)
    reworded(Blocked, 1)
    reworded(Unsupported, 1)


def decided(report: Report, entries: tuple[Entry, ...]) -> dict[str, Any]:
    """All that is decided about a run, without a sentence."""
    judgement = apply_baseline(report, entries, TODAY)
    judged = judgement.report
    return {
        "checks": {
            each.id: (each.verdict, each.stability, each.blocked_by, symptom_fingerprint(each))
            for each in judged.checks
            if each.verdict is not Verdict.NOT_RUN
        },
        "requirements": {each.id: (each.verdict, each.baselined) for each in judged.requirements},
        "verdict": (judged.verdict, exit_status(judged.verdict)),
        "outdated": judgement.outdated,
        "new": [(each.name, each.fingerprints) for each in new_entries(judgement, entries, TODAY)],
        "groups": [
            (each.requirements, each.level, each.baselined) for each in failure_groups(judged)
        ],
        "undecided": [(each.verdict, each.requirements) for each in undecided_groups(judged)],
    }


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    directory = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(directory))
        yield run(directory, FIRST)


@pytest.mark.parametrize("text", TEXTS)
def test_other_words_change_no_verdict(
    first: Report, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = {each.verdict for each in first.checks}
    assert {Verdict.PASS, Verdict.FAIL, Verdict.BLOCKED, Verdict.UNSUPPORTED} <= verdicts
    whole = new_entries(apply_baseline(first, (), TODAY), (), TODAY)
    # One entry alone accepts a part, and what that blocks; all of them the whole run.
    for entries in ((), whole[:1], whole):
        before = decided(first, entries)
        assert (before["verdict"][0] is RunVerdict.CONFORMANT) is (entries == whole)
    in_other_words(monkeypatch, text)
    again = run(tmp_path, text)
    assert {each.reason for each in again.checks} != {each.reason for each in first.checks}
    for entries in ((), whole[:1], whole):
        assert decided(again, entries) == decided(first, entries)


def test_what_blocks_is_told_as_data(first: Report) -> None:
    blocked = [each for each in first.checks if each.verdict is Verdict.BLOCKED]
    assert all(each.blocked_by for each in blocked)
    refused = {cause for each in blocked for cause in each.blocked_by if cause.operation}
    assert ("run_wait", 500) in {(each.operation, each.status) for each in refused}
    failed = {each.failure.fingerprint for each in first.checks if each.failure}
    assert Cause.refused("run_wait", 500, "not granted").fingerprint in failed
