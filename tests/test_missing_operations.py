"""A documented operation that is not there fails its own requirement, and blocks the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.deployment.probe.identify import identify_deployment
from conformance.reference.app import new_store
from conformance.reference.wire import Wire, WireAnswer, WireRequest, json_answer
from conformance.report.record import Report
from conformance.report.run.grouping import undecided_groups
from conformance.report.run.wording import verdict_meaning
from conformance.runner.session import run_suite
from conformance.runner.settings import new_settings
from tests.conftest import served

pytestmark = pytest.mark.slow

MISSING = {"copy": ("COPY-01", 404), "history": ("HISTORY-01", 405)}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """Of a server that chooses ids itself, copies nothing and shows no history."""
    wire = Wire()

    def absent(status: int) -> Any:
        def answer(_request: WireRequest) -> WireAnswer:
            return json_answer(status, {"detail": "no such route"})

        return answer

    for operation, (_, status) in MISSING.items():
        wire.before(operation)(absent(status))

    @wire.before("create")
    def choose(request: WireRequest) -> None:
        if "thread_id" in request.members:
            request.body = {**request.members, "thread_id": str(uuid4())}

    def around(app: Any) -> Wire:
        wire.app = app
        return wire

    directory = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch, served(new_store(), around) as url:
        patch.setenv("XDG_STATE_HOME", str(directory))
        settings = new_settings(
            url,
            directory,
            effort="quick",
            repeat_failures=0,
            backoff_s=0.001,
            visible_within_s=0.05,
            disposable=True,
        )
        yield run_suite(settings, identify_deployment(settings))


def test_each_fails_its_own_requirement_and_nothing_else(report: Report) -> None:
    failed = {
        each.id: each
        for each in report.requirements
        if each.verdict is Verdict.FAIL and each.level != "MAY"
    }
    assert set(failed) == {requirement for requirement, _ in MISSING.values()}
    assert report.verdict is RunVerdict.NON_CONFORMANT


def test_what_stands_on_them_is_blocked_by_them(report: Report) -> None:
    causes = {
        (cause.operation, cause.status)
        for check in report.checks
        if check.verdict is Verdict.BLOCKED
        for cause in check.blocked_by
    }
    assert {(name, status) for name, (_, status) in MISSING.items()} <= causes
    # The same refusal stands once among what was not decided.
    for operation in MISSING:
        told = [
            group for group in undecided_groups(report) if f"/{operation} answers" in group.reason
        ]
        assert len(told) == 1
        assert len(told[0].requirements) > 5


def test_the_headline_tells_what_is_kept_broken_and_undecided(report: Report) -> None:
    counts = report.totals["MUST"]
    of = sum(counts.values())
    assert counts[Verdict.FAIL] == len(MISSING)
    assert counts[Verdict.BLOCKED] > 20
    assert verdict_meaning(report).startswith(
        f"{counts[Verdict.PASS]} kept · 2 broken · {counts[Verdict.BLOCKED]} undecided of {of} "
    )
    # Errors, reads, searches and deletions need none of it.
    assert counts[Verdict.PASS] > of / 3
