"""A 500 that no check judges is reported once, with the operation, the check and a curl."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from conformance.contract.catalogue import load_catalogue
from conformance.contract.causes import Cause
from conformance.contract.verdicts import Stability, Verdict
from conformance.deployment.cleanup.background import BackgroundRemoval
from conformance.deployment.delivery.trouble import Execution, Trouble
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.record.redaction import Redactor
from conformance.deployment.recorder import Recorder
from conformance.deployment.settings import Settings
from conformance.faults.registry import faulty_deployment
from conformance.reference.wire import WireAnswer, WireRequest, json_answer
from conformance.report.record import CheckResult, Report
from conformance.runner.server_errors import (
    CLEAN_UP,
    INTERNAL_ERROR,
    errors_in_passed_check,
    results_of_errors,
    server_error,
)
from conformance.runner.session import run_suite
from tests.conftest import served

MakeSettings = Callable[..., Settings]
CATALOGUE = load_catalogue()
DELETED = Exchange(
    check="a",
    operation="delete",
    method="DELETE",
    url="http://here/threads/1",
    request_headers=(),
    request_body=None,
    started_at="2025-05-12T12:00:00+00:00",
    elapsed_ms=1.0,
    status=500,
    response_headers=(("content-type", "text/plain"),),
    response_body="Internal Server Error",
)
READ = replace(DELETED, operation="get", method="GET")
PASSED = CheckResult("a", ("GET-01",), Verdict.PASS, "get")


def test_each_operation_is_told_once() -> None:
    errors = [
        server_error("b", DELETED),
        server_error(CLEAN_UP, DELETED),
        server_error("b", READ, [READ]),
    ]
    deleting, reading = results_of_errors(errors, [PASSED], CATALOGUE)
    assert (deleting.id, reading.id) == ("answers::delete", "answers::get")
    assert deleting.requirements == (INTERNAL_ERROR,)
    assert deleting.verdict is Verdict.FAIL
    assert deleting.failure is not None
    assert "DELETE /threads/{thread_id} answered by 500 2 times: in b, clean-up" in (
        deleting.failure.actual
    )
    assert deleting.failure.curl == "curl -sS -X DELETE 'http://here/threads/1'"
    assert reading.failure is not None
    assert reading.failure.fingerprint != deleting.failure.fingerprint


def test_only_what_comes_back_is_stable() -> None:
    error = server_error("b", DELETED)
    (once,) = results_of_errors([error], [], CATALOGUE)
    (again,) = results_of_errors([error, replace(error, recurs=True)], [], CATALOGUE)
    assert (once.stability, again.stability) == (Stability.FLAKY, Stability.STABLE)


def test_what_decided_a_check_is_not_told_again() -> None:
    errors = [server_error("b", DELETED), server_error("b", READ)]
    by = (Cause.refused("delete", 500, "not granted"),)
    blocked = replace(PASSED, verdict=Verdict.BLOCKED, blocked_by=by)
    assert [each.id for each in results_of_errors(errors, [blocked], CATALOGUE)] == ["answers::get"]
    (deleting,) = results_of_errors(errors[:1], [], CATALOGUE)
    failed = replace(PASSED, verdict=Verdict.FAIL, failure=deleting.failure)
    assert [each.id for each in results_of_errors(errors, [failed], CATALOGUE)] == ["answers::get"]


def test_a_check_tells_it_unless_it_did_not_pass_or_the_way_had_trouble() -> None:
    recorder = Recorder(None, Redactor())
    trouble = Trouble("get", "answered 503", Execution.UNKNOWN)
    with recorder.check("a") as exchanges:
        for each in (READ, DELETED):
            recorder.add(each)
    (told,) = errors_in_passed_check(PASSED, recorder, exchanges[1:])[1:]
    assert (told.check, told.operation) == ("a", "delete")
    assert (
        errors_in_passed_check(replace(PASSED, verdict=Verdict.BLOCKED), recorder, exchanges) == ()
    )
    recorder.record_trouble(trouble)
    assert errors_in_passed_check(PASSED, recorder, exchanges) == ()
    recorder.accept_as_answers([trouble], certain=False)
    assert errors_in_passed_check(PASSED, recorder, exchanges) == ()
    with recorder.check("b") as exchanges:
        pass
    assert errors_in_passed_check(PASSED, recorder, exchanges) == ()


@pytest.mark.parametrize(
    "other",
    [
        {"status": 501},
        {"status": 503},
        {"status": 404},
        {"status": None},
        {"response_headers": (("Content-Type", "text/html"),)},
        {"response_body": " <!DOCTYPE html><title>500</title>"},
    ],
)
def test_what_may_be_of_a_proxy_or_of_something_missing_is_left_out(
    other: dict[str, object],
) -> None:
    assert DELETED.is_server_error
    assert not replace(DELETED, **other).is_server_error  # type: ignore[arg-type]


def _run(settings_for: MakeSettings, requirements: tuple[str, ...], workers: str = "0") -> Report:
    """Judge a deployment that answers 500 instead of 404 to DELETE of a thread that is gone."""
    broken, app = faulty_deployment(None)

    @broken.wire.after("delete", status=404)
    def fail(_request: WireRequest, answer: WireAnswer) -> None:
        sorry = json_answer(500, {"detail": "sorry"})
        answer.status, answer.raw = sorry.status, sorry.raw

    with served(broken.store, lambda _: app) as url:
        settings = settings_for(url, profile="full", requirements=requirements)
        return run_suite(settings, identify_deployment(settings), workers=workers)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_tells_what_its_checks_passed_over(workers: str, settings_for: MakeSettings) -> None:
    report = _run(settings_for, (INTERNAL_ERROR, "DELETE-01"), workers)
    verdicts = {each.id: each.verdict for each in report.requirements}
    assert verdicts == {INTERNAL_ERROR: Verdict.FAIL, "DELETE-01": Verdict.PASS}
    told = report.check("answers::delete")
    assert told.stability is Stability.STABLE
    assert told.failure is not None
    assert "test_what_is_over_is_asked_for" in told.failure.actual
    assert "-X DELETE" in told.failure.curl
    assert report.cleanup.left == ()


@pytest.mark.parametrize("workers", [pytest.param("0"), pytest.param("2", marks=pytest.mark.slow)])
def test_a_run_tells_what_the_removal_beside_its_checks_was_answered(
    workers: str, settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BackgroundRemoval, "server_errors", [DELETED])
    report = _run(settings_for, (INTERNAL_ERROR, "CREATE-01"), workers)
    verdicts = {each.id: each.verdict for each in report.requirements}
    assert verdicts == {INTERNAL_ERROR: Verdict.FAIL, "CREATE-01": Verdict.PASS}
    failure = report.check("answers::delete").failure
    assert failure is not None
    assert CLEAN_UP in failure.actual


@pytest.mark.slow
def test_a_run_that_has_told_it_says_no_more(settings_for: MakeSettings) -> None:
    report = _run(settings_for, (INTERNAL_ERROR, "DELETE-08"))
    verdicts = {each.id: each.verdict for each in report.requirements}
    assert verdicts == {INTERNAL_ERROR: Verdict.PASS, "DELETE-08": Verdict.FAIL}


@pytest.mark.slow
def test_a_run_that_does_not_ask_for_it_is_not_told(settings_for: MakeSettings) -> None:
    report = _run(settings_for, ("DELETE-10",))
    assert {each.partition("[")[0] for each in (check.id for check in report.checks)} == {
        "test_delete.py::test_a_deleted_thread_cannot_be_used"
    }
