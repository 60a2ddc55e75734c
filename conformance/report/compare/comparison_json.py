"""A comparison as JSON."""

from __future__ import annotations

from typing import Any

from conformance.contract.verdicts import Verdict
from conformance.report.compare.model import CheckChange, ReportComparison, RequirementChange
from conformance.report.compare.scope import OnlyIn
from conformance.report.compare.speed import SpeedChange, SpeedComparison
from conformance.report.record import CheckResult, Report

FORMAT = "threads-conformance-comparison/1"


def comparison_json(comparison: ReportComparison) -> dict[str, Any]:
    """Return the comparison as JSON values, with all changes."""
    return {
        "format": FORMAT,
        "result": "regression" if comparison.regressed else "no_regression",
        "old": _report_json(comparison.old),
        "new": _report_json(comparison.new),
        "notes": list(comparison.notes),
        "compared": {
            "requirements": comparison.compared_requirements,
            "checks": comparison.compared_checks,
        },
        "changes": [_change_json(each) for each in comparison.changes],
        "only_old": [_only_json(each) for each in comparison.only_old],
        "only_new": [_only_json(each) for each in comparison.only_new],
        "speed": _speed_json(comparison.speed),
        "load": {
            when: {
                **_speed_json(measured),
                "every": [_change_of_speed_json(each) for each in measured.every],
            }
            for when, measured in comparison.load_speed.items()
        },
    }


def _speed_json(speed: SpeedComparison) -> dict[str, Any]:
    return {
        "not_compared": speed.why_not,
        "operations": speed.compared,
        "common_factor": round(speed.common, 3),
        "repeated_runs": speed.repeated,
        "changes": [_change_of_speed_json(each) for each in speed.changes],
    }


def _change_of_speed_json(each: SpeedChange) -> dict[str, Any]:
    return {
        "operation": each.operation,
        "change": ("slower" if each.slower else "faster") if each.beyond else "none",
        "factor": round(each.factor, 3),
        "spread": None if each.spread is None else round(each.spread, 3),
        "old": {"p50_ms": each.old.p50_ms, "p95_ms": each.old.p95_ms},
        "new": {"p50_ms": each.new.p50_ms, "p95_ms": each.new.p95_ms},
    }


def _report_json(report: Report) -> dict[str, Any]:
    data = report.to_json()
    return {
        "server": data["deployment"]["server"],
        "suite": data["suite"],
        "run": data["run"],
        "verdict": data["verdict"],
        "totals": data["totals"],
    }


def _change_json(change: RequirementChange) -> dict[str, Any]:
    return {
        "kind": str(change.kind),
        "counts": change.is_counted_regression,
        "requirement": change.id,
        "title": change.title,
        "level": change.level,
        "capability": change.capability,
        "before": str(change.before),
        "after": str(change.after),
        "baselined": change.baselined,
        "flaky": change.flaky,
        "checks": [_check_json(each) for each in change.checks],
    }


def _check_json(check: CheckChange) -> dict[str, Any]:
    return {
        "id": check.id,
        "before": _result_json(check.before),
        "after": _result_json(check.after),
    }


def _result_json(result: CheckResult | None) -> dict[str, Any]:
    if result is None:
        return {"verdict": str(Verdict.NOT_RUN)}
    failure = result.failure
    return {
        "verdict": str(result.verdict),
        "stability": str(result.stability),
        "reason": result.reason,
        "failure": failure
        and {
            "expected": failure.expected,
            "actual": failure.actual,
            "diff": list(failure.diff),
            "fingerprint": failure.fingerprint,
            "curl": failure.curl,
        },
    }


def _only_json(each: OnlyIn) -> dict[str, Any]:
    return {
        "requirement": each.id,
        "title": each.title,
        "level": each.level,
        "verdict": str(each.verdict),
        "whole": each.no_common_check,
        "checks": list(each.checks),
        "why": each.why,
    }
