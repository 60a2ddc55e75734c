import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

import pytest

from conformance.contract.catalogue import Requirement
from conformance.contract.causes import Cause
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.report.baseline.acceptance import with_accepted
from conformance.report.record import CheckResult, RequirementResult
from conformance.report.score import exit_status, requirement_results, run_verdict, totals
from tests.report_examples import (
    REQUIREMENTS,
    accepting,
    check,
    checks_of,
    exchange,
    failure,
    requirement,
)

MUST = REQUIREMENTS["COPY-03"]
OTHER_MUST = REQUIREMENTS["COPY-05"]
SHOULD = REQUIREMENTS["CREATE-03"]


def judge(
    checks: Sequence[CheckResult],
    requirements: Iterable[Requirement] = (MUST,),
    baselined: Collection[str] = frozenset(),
    expected: Mapping[str, Collection[str]] | None = None,
) -> tuple[RequirementResult, ...]:
    results = requirement_results(
        checks, requirements, checks_of(checks) if expected is None else expected
    )
    return with_accepted(results, checks, accepting(baselined))


def test_a_requirement_counts_the_requests_of_its_checks() -> None:
    checks = [dataclasses.replace(check(f"test_{n}", MUST.id), requests=n) for n in (2, 3)]
    assert [each.requests for each in judge(checks, (MUST, OTHER_MUST))] == [5, 0]


def blocked(
    name: str, requirement_id: str, *causes: Cause, reason: str = "in words"
) -> CheckResult:
    return check(name, requirement_id, "blocked", reason=reason, blocked_by=causes)


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        (("pass", "pass"), "pass"),
        (("pass", "unsupported"), "unsupported"),
        (("unsupported", "not_run"), "not_run"),
        (("not_run", "blocked"), "blocked"),
        (("blocked", "error"), "error"),
        (("error", "fail", "pass"), "fail"),
    ],
)
def test_a_requirement_takes_the_worst_of_its_checks(verdicts: tuple[str, ...], worst: str) -> None:
    checks = [check(f"test_{n}", MUST.id, each) for n, each in enumerate(verdicts)]
    (result,) = judge(checks)
    assert result.verdict == worst
    assert result.checks == tuple(each.id for each in checks)
    assert (result.title, result.capability) == (MUST.title, "copy")


def test_a_requirement_without_any_result_was_not_run() -> None:
    (result,) = judge([])
    assert result.verdict is Verdict.NOT_RUN
    assert result.checks == ()


def test_a_lost_result_never_counts_as_passed() -> None:
    passed = check("test_a", MUST.id)
    (result,) = judge([passed], expected={MUST.id: [passed.id, "test_copy.py::test_lost"]})
    assert result.verdict is Verdict.NOT_RUN
    assert result.checks == (passed.id, "test_copy.py::test_lost")


def test_totals_name_every_level_and_verdict() -> None:
    results = judge([check("test_a", MUST.id, "fail")], (MUST, OTHER_MUST, SHOULD))
    counts = totals(results)
    assert list(counts) == ["MUST", "SHOULD", "MAY"]
    assert all(set(each) == set(Verdict) for each in counts.values())
    assert counts["MUST"][Verdict.FAIL] == 1
    assert counts["MUST"][Verdict.NOT_RUN] == 1
    assert sum(counts["MAY"].values()) == 0


@pytest.mark.parametrize(
    ("must", "should", "verdict", "status"),
    [
        ("pass", "pass", "conformant", 0),
        ("pass", "fail", "conformant", 0),
        ("pass", "error", "conformant", 0),
        ("unsupported", "pass", "conformant", 0),
        ("fail", "pass", "non_conformant", 1),
        ("error", "pass", "incomplete", 3),
        ("blocked", "pass", "incomplete", 3),
        ("not_run", "pass", "incomplete", 3),
    ],
)
def test_the_run_is_judged_by_its_musts(must: str, should: str, verdict: str, status: int) -> None:
    checks = [check("test_a", MUST.id, must), check("test_b", SHOULD.id, should)]
    judged = run_verdict(judge(checks, (MUST, SHOULD)))
    assert judged == verdict
    assert exit_status(judged) == status


def test_a_must_that_fails_weighs_more_than_one_in_error() -> None:
    checks = [check("test_a", MUST.id, "error"), check("test_b", OTHER_MUST.id, "fail")]
    assert run_verdict(judge(checks, (MUST, OTHER_MUST))) is RunVerdict.NON_CONFORMANT


def test_a_run_that_judged_nothing_is_incomplete() -> None:
    assert run_verdict(()) is RunVerdict.INCOMPLETE


def test_a_deployment_out_of_reach_is_exit_status_3() -> None:
    assert exit_status(RunVerdict.CONFORMANT, reachable=False) == 3


class TestBaseline:
    def test_an_accepted_failure_leaves_the_run_conformant(self) -> None:
        results = judge([check("test_a", MUST.id, "fail")], baselined=frozenset({MUST.id}))
        assert results[0].baselined
        assert results[0].verdict is Verdict.FAIL
        assert run_verdict(results) is RunVerdict.CONFORMANT

    def test_it_does_not_hide_another_failure(self) -> None:
        checks = [check("test_a", MUST.id, "fail"), check("test_b", OTHER_MUST.id, "fail")]
        results = judge(checks, (MUST, OTHER_MUST), baselined=frozenset({MUST.id}))
        assert run_verdict(results) is RunVerdict.NON_CONFORMANT

    def test_a_requirement_that_passes_needs_no_acceptance(self) -> None:
        results = judge([check("test_a", MUST.id)], baselined=frozenset({MUST.id}))
        assert not results[0].baselined

    def test_an_error_is_not_accepted(self) -> None:
        results = judge([check("test_a", MUST.id, "error")], baselined=frozenset({MUST.id}))
        assert run_verdict(results) is RunVerdict.INCOMPLETE

    def test_what_an_accepted_failure_blocks_is_accepted_through_any_depth(self) -> None:
        third = requirement("COPY-07", "A third")
        checks = [
            blocked("test_c", third.id, Cause.broken(OTHER_MUST.id)),
            check("test_a", MUST.id, "fail"),
            blocked("test_b", OTHER_MUST.id, Cause.broken(MUST.id)),
        ]
        results = judge(checks, (third, MUST, OTHER_MUST), baselined=frozenset({MUST.id}))
        assert all(each.baselined for each in results)
        assert run_verdict(results) is RunVerdict.CONFORMANT

    @pytest.mark.parametrize(
        "causes",
        [
            (),
            (Cause.at("case.graph"),),
            (Cause.broken("COPY-04"),),
            (Cause.broken("COPY-03"), Cause.broken("COPY-04")),
        ],
        ids=["none", "no requirement", "another", "another as well"],
    )
    def test_what_something_else_blocks_is_not(self, causes: tuple[Cause, ...]) -> None:
        checks = [check("test_a", MUST.id, "fail"), blocked("test_b", OTHER_MUST.id, *causes)]
        results = judge(checks, (MUST, OTHER_MUST), baselined=frozenset({MUST.id}))
        assert not results[1].baselined
        assert run_verdict(results) is RunVerdict.INCOMPLETE

    REFUSAL = Cause.refused("copy", 422, "not granted")
    REFUSED = failure("x", exchange(status=422), fingerprint=REFUSAL.fingerprint)

    def test_what_the_refusal_of_an_accepted_failure_blocks_is_accepted(self) -> None:
        checks = [
            check("test_a", MUST.id, "fail", failure=self.REFUSED),
            blocked("test_b", OTHER_MUST.id, self.REFUSAL),
        ]
        results = judge(checks, (MUST, OTHER_MUST), baselined=frozenset({MUST.id}))
        assert run_verdict(results) is RunVerdict.CONFORMANT
        assert run_verdict(judge(checks, (MUST, OTHER_MUST))) is RunVerdict.NON_CONFORMANT

    @pytest.mark.parametrize(
        "other",
        [
            Cause.refused("copy", 503, "not granted"),
            Cause.refused("history", 422, "not granted"),
            Cause.refused("copy", 422, "missing"),
        ],
        ids=["status", "operation", "kind"],
    )
    def test_another_refusal_is_not(self, other: Cause) -> None:
        checks = [
            check("test_a", MUST.id, "fail", failure=self.REFUSED),
            blocked("test_b", OTHER_MUST.id, other),
        ]
        results = judge(checks, (MUST, OTHER_MUST), baselined=frozenset({MUST.id}))
        assert run_verdict(results) is RunVerdict.INCOMPLETE

    @pytest.mark.parametrize("words", ["overloaded", "see COPY-01", "no UTF-16", ""])
    def test_no_sentence_accepts_or_refuses_anything(self, words: str) -> None:
        def judged(cause: Cause) -> RunVerdict:
            checks = [
                check("test_a", MUST.id, "fail", failure=self.REFUSED),
                blocked("test_b", OTHER_MUST.id, cause, reason=words),
            ]
            return run_verdict(judge(checks, (MUST, OTHER_MUST), baselined=frozenset({MUST.id})))

        assert judged(self.REFUSAL) is RunVerdict.CONFORMANT
        assert judged(Cause.refused("run_wait", 503, "not granted")) is RunVerdict.INCOMPLETE

    @pytest.mark.parametrize("verdict", ["error", "not_run", "blocked"])
    def test_an_accepted_failure_hides_nothing_else_of_its_requirement(self, verdict: str) -> None:
        checks = [check("test_a", MUST.id, "fail"), check("test_b", MUST.id, verdict)]
        (result,) = judge(checks, baselined=frozenset({MUST.id}))
        assert not result.baselined


def test_the_result_of_a_requirement_says_what_it_is_of() -> None:
    extended = REQUIREMENTS["PRUNE-01"]
    passed = check("test_prune", extended.id)
    (result,) = requirement_results([passed], [extended], {})
    assert (result.id, result.level, result.profile) == ("PRUNE-01", "MUST", "extended")
    assert (result.title, result.capability) == (extended.title, "prune")
    assert result.verdict is Verdict.PASS
    # What is accepted is known only once all results are.
    assert result.baselined is False


def test_totals_count_each_requirement_and_show_the_usual_verdicts_first() -> None:
    checks = [check(f"test_{each.id}", each.id, "fail") for each in (MUST, OTHER_MUST, SHOULD)]
    counts = totals(judge(checks, (MUST, OTHER_MUST, SHOULD)))
    assert counts["MUST"][Verdict.FAIL] == 2
    assert counts["SHOULD"][Verdict.FAIL] == 1
    assert list(counts["MUST"]) == ["pass", "fail", "unsupported", "not_run", "blocked", "error"]


def test_a_failure_is_not_accepted_where_another_check_has_no_result() -> None:
    failed = check("test_a", MUST.id, "fail", failure=failure("a"))
    (whole,) = judge([failed], baselined={MUST.id})
    assert whole.baselined
    (lost,) = judge(
        [failed],
        baselined={MUST.id},
        expected={MUST.id: ["test_copy.py::test_lost", failed.id]},
    )
    assert not lost.baselined


@pytest.mark.parametrize("first", ["pass", "unsupported"])
def test_a_check_that_passed_does_not_hide_one_that_is_not_accepted(first: str) -> None:
    passed = check("test_a", MUST.id, first)
    failed = check("test_b", MUST.id, "fail", failure=failure("b"))
    assert not judge([passed, failed])[0].baselined
    assert judge([passed, failed], baselined={MUST.id})[0].baselined
