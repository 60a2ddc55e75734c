import pytest
from report_examples import (
    REQUIREMENTS,
    accepting,
    check,
    checks_of,
    exchange,
    failure,
    requirement,
)

from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.report.acceptance import with_accepted
from conformance.report.score import exit_status, requirement_results, run_verdict, totals

MUST = REQUIREMENTS["COPY-03"]
OTHER_MUST = REQUIREMENTS["COPY-05"]
SHOULD = REQUIREMENTS["CREATE-03"]


def judge(checks, requirements=(MUST,), baselined=frozenset(), expected=None):
    results = requirement_results(
        checks, requirements, checks_of(checks) if expected is None else expected
    )
    return with_accepted(results, checks, accepting(baselined))


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
def test_a_requirement_takes_the_worst_of_its_checks(verdicts, worst):
    checks = [check(f"test_{n}", MUST.id, each) for n, each in enumerate(verdicts)]
    (result,) = judge(checks)
    assert result.verdict == worst
    assert result.checks == tuple(each.id for each in checks)
    assert (result.title, result.capability) == (MUST.title, "copy")


def test_a_requirement_without_any_result_was_not_run():
    (result,) = judge([])
    assert result.verdict is Verdict.NOT_RUN
    assert result.checks == ()


def test_a_lost_result_never_counts_as_passed():
    passed = check("test_a", MUST.id)
    (result,) = judge([passed], expected={MUST.id: [passed.id, "test_copy.py::test_lost"]})
    assert result.verdict is Verdict.NOT_RUN
    assert result.checks == (passed.id, "test_copy.py::test_lost")


def test_totals_name_every_level_and_verdict():
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
def test_the_run_is_judged_by_its_musts(must, should, verdict, status):
    checks = [check("test_a", MUST.id, must), check("test_b", SHOULD.id, should)]
    judged = run_verdict(judge(checks, (MUST, SHOULD)))
    assert judged == verdict
    assert exit_status(judged) == status


def test_a_must_that_fails_weighs_more_than_one_in_error():
    checks = [check("test_a", MUST.id, "error"), check("test_b", OTHER_MUST.id, "fail")]
    assert run_verdict(judge(checks, (MUST, OTHER_MUST))) is RunVerdict.NON_CONFORMANT


def test_a_run_that_judged_nothing_is_incomplete():
    assert run_verdict(()) is RunVerdict.INCOMPLETE


def test_a_deployment_out_of_reach_is_exit_status_3():
    assert exit_status(RunVerdict.CONFORMANT, reachable=False) == 3


class TestBaseline:
    def test_an_accepted_failure_leaves_the_run_conformant(self):
        results = judge([check("test_a", MUST.id, "fail")], baselined=frozenset({MUST.id}))
        assert results[0].baselined
        assert results[0].verdict is Verdict.FAIL
        assert run_verdict(results) is RunVerdict.CONFORMANT

    def test_it_does_not_hide_another_failure(self):
        checks = [check("test_a", MUST.id, "fail"), check("test_b", OTHER_MUST.id, "fail")]
        results = judge(checks, (MUST, OTHER_MUST), baselined=frozenset({MUST.id}))
        assert run_verdict(results) is RunVerdict.NON_CONFORMANT

    def test_a_requirement_that_passes_needs_no_acceptance(self):
        results = judge([check("test_a", MUST.id)], baselined=frozenset({MUST.id}))
        assert not results[0].baselined

    def test_an_error_is_not_accepted(self):
        results = judge([check("test_a", MUST.id, "error")], baselined=frozenset({MUST.id}))
        assert run_verdict(results) is RunVerdict.INCOMPLETE

    def test_what_an_accepted_failure_blocks_is_accepted_through_any_depth(self):
        third = requirement("COPY-07", "A third")
        checks = [
            check("test_c", third.id, "blocked", reason=f"{OTHER_MUST.id} is blocked"),
            check("test_a", MUST.id, "fail"),
            check("test_b", OTHER_MUST.id, "blocked", reason=f"{MUST.id} failed"),
        ]
        results = judge(checks, (third, MUST, OTHER_MUST), baselined=frozenset({MUST.id}))
        assert all(each.baselined for each in results)
        assert run_verdict(results) is RunVerdict.CONFORMANT

    @pytest.mark.parametrize("reason", ["", "no graph answers", "COPY-03 and COPY-04 failed"])
    def test_what_something_else_blocks_is_not(self, reason):
        checks = [
            check("test_a", MUST.id, "fail"),
            check("test_b", OTHER_MUST.id, "blocked", reason=reason),
        ]
        results = judge(checks, (MUST, OTHER_MUST), baselined=frozenset({MUST.id}))
        assert not results[1].baselined
        assert run_verdict(results) is RunVerdict.INCOMPLETE

    REFUSED = failure("x", exchange(), expected="success", actual='422 {"detail": "no"}')
    REASON = 'expected success, got 422 {"detail": "no"}'

    def test_what_the_refusal_of_an_accepted_failure_blocks_is_accepted(self):
        checks = [
            check("test_a", MUST.id, "fail", failure=self.REFUSED),
            check("test_b", OTHER_MUST.id, "blocked", reason=self.REASON),
        ]
        results = judge(checks, (MUST, OTHER_MUST), baselined=frozenset({MUST.id}))
        assert run_verdict(results) is RunVerdict.CONFORMANT
        assert run_verdict(judge(checks, (MUST, OTHER_MUST))) is RunVerdict.NON_CONFORMANT

    def test_the_same_refusal_elsewhere_is_another(self):
        other = REQUIREMENTS["SEARCH-02"]
        checks = [
            check("test_a", MUST.id, "fail", failure=self.REFUSED),
            check("test_b", other.id, "blocked", reason=self.REASON),
        ]
        results = judge(checks, (MUST, other), baselined=frozenset({MUST.id}))
        assert run_verdict(results) is RunVerdict.INCOMPLETE

    def test_what_a_missing_operation_blocks_is_accepted_with_it(self):
        other = REQUIREMENTS["SEARCH-02"]
        missing = failure("x", exchange(operation="copy", status=404))
        reason = "POST /threads/{thread_id}/copy answers 404: the operation is missing"
        checks = [
            check("test_a", MUST.id, "fail", failure=missing),
            check("test_b", other.id, "blocked", reason=reason),
        ]
        results = judge(checks, (MUST, other), baselined=frozenset({MUST.id}))
        assert run_verdict(results) is RunVerdict.CONFORMANT

    @pytest.mark.parametrize("verdict", ["error", "not_run", "blocked"])
    def test_an_accepted_failure_hides_nothing_else_of_its_requirement(self, verdict):
        checks = [check("test_a", MUST.id, "fail"), check("test_b", MUST.id, verdict)]
        (result,) = judge(checks, baselined=frozenset({MUST.id}))
        assert not result.baselined
