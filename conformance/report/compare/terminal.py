"""A comparison as terminal text and as JSON."""

from __future__ import annotations

import textwrap
from typing import Any

from conformance.contract.verdicts import Verdict
from conformance.report.compare.model import (
    CheckChange,
    Kind,
    ReportComparison,
    RequirementChange,
)
from conformance.report.compare.scope import OnlyIn
from conformance.report.compare.text import (
    MEANINGS,
    TITLES,
    compared_line,
    headline,
    only_lines,
    only_title,
    remarks,
    speed_line,
    speed_summary,
    subject,
    symptom_text,
    verdict_change,
    verdict_rows,
)
from conformance.report.plain_text import cut, listed, one_line, printable
from conformance.report.record import CheckResult, Report

FORMAT = "threads-conformance-comparison/1"
_VALUE_LIMIT = 400


def comparison_text(comparison: ReportComparison) -> str:
    """Return the comparison as text for a terminal."""
    parts = [subject(comparison), _aligned(verdict_rows(comparison))]
    parts += [textwrap.fill(f"! {note}", 98, subsequent_indent="  ") for note in comparison.notes]
    parts.append(compared_line(comparison))
    for kind, title in TITLES.items():
        if changes := comparison.of_kind(kind):
            parts.append(f"{title} ({len(changes)}): {MEANINGS[kind]}")
            parts += [_change_text(each) for each in changes]
    for side, only in (("new", comparison.only_new), ("old", comparison.only_old)):
        if only:
            said = textwrap.indent("\n".join(only_lines(only)), "  ")
            parts.append(f"{only_title(side, only)}: neither regressions nor repairs\n{said}")
    speed = [f"  {speed_line(each)}" for each in comparison.speed.changes]
    parts.append("\n".join([speed_summary(comparison.speed), *speed]))
    parts.append(f"Result: {headline(comparison)}.")
    return printable("\n\n".join(parts)) + "\n"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _change_text(change: RequirementChange) -> str:
    lines = [f"  {change.level} {change.id} {verdict_change(change)}: {change.title}"]
    if said := remarks(change):
        lines.append(f"    ({'; '.join(said)})")
    check = change.checks[0]
    if change.kind is not Kind.REGRESSION and (was := symptom_text(check, before=True)):
        lines.append(f"    was: {_shorten(was)}")
    if now := symptom_text(check):
        lines.append(f"    now: {_shorten(now)}")
    lines.append(f"    check: {listed([each.id for each in change.checks], 3)}")
    return "\n".join(lines)


def _shorten(text: str) -> str:
    return cut(one_line(text), _VALUE_LIMIT)


def comparison_json(comparison: ReportComparison) -> dict[str, Any]:
    """Return the comparison as JSON values, with all changes."""
    speed = comparison.speed
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
        "speed": {
            "not_compared": speed.why_not,
            "operations": speed.compared,
            "common_factor": round(speed.common, 3),
            "changes": [
                {
                    "operation": each.operation,
                    "change": "slower" if each.slower else "faster",
                    "factor": round(each.factor, 3),
                    "old": {"p50_ms": each.old.p50_ms, "p95_ms": each.old.p95_ms},
                    "new": {"p50_ms": each.new.p50_ms, "p95_ms": each.new.p95_ms},
                }
                for each in speed.changes
            ],
        },
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
