"""What every way of showing a comparison says."""

from __future__ import annotations

from conformance.contract.verdicts import Verdict
from conformance.report.compare.model import (
    CheckChange,
    Kind,
    ReportComparison,
    RequirementChange,
)
from conformance.report.compare.scope import OnlyIn
from conformance.report.compare.speed import SpeedChange, SpeedComparison
from conformance.report.record import LEVELS, Report
from conformance.report.run.text import WORDS, server_name, verdict_words
from conformance.report.text import counted, listed

_COMPARABLE = "Only runs on one machine under one load can be compared."
#: Of so many that passed in one report only the ids are shown.
_PASSED = 40

TITLES = {
    Kind.REGRESSION: "Regressions",
    Kind.REPAIR: "Repairs",
    Kind.CHANGED_FAILURE: "Changed failures",
    Kind.OTHER: "Other changes of verdict",
}
MEANINGS = {
    Kind.REGRESSION: "a check passed and does not any more",
    Kind.REPAIR: "it fell short and passes now",
    Kind.CHANGED_FAILURE: "it fails in both, in another way",
    Kind.OTHER: "it passes in neither, with another verdict",
}


def headline(comparison: ReportComparison) -> str:
    """The result in a few words: `2 regressions`, `no regression`."""
    counting = sum(each.counts for each in comparison.changes)
    return counted(counting, "regression") if counting else "no regression"


def subject(comparison: ReportComparison) -> str:
    """Who is compared: `langgraph-api 0.15.9 → langgraph-api 0.16.7`."""
    return f"{server_name(comparison.old)} → {server_name(comparison.new)}"


def compared_line(comparison: ReportComparison) -> str:
    """How much was compared."""
    requirements = counted(comparison.compared_requirements, "requirement")
    return f"Compared: {requirements} by {counted(comparison.compared_checks, 'check')} of both."


def verdict_rows(comparison: ReportComparison) -> list[list[str]]:
    """What each report says in whole: a header, and a row for each side."""
    rows = [["", "server", "verdict", *(f"{level} passed" for level in LEVELS), "MUST failed"]]
    for name, report in (("old", comparison.old), ("new", comparison.new)):
        rows.append(
            [
                name,
                server_name(report),
                _verdict(report),
                *(_of(report, level, Verdict.PASS) for level in LEVELS),
                _of(report, "MUST", Verdict.FAIL),
            ]
        )
    return rows


def _verdict(report: Report) -> str:
    """The verdict, and how many broken MUSTs a baseline accepted for it."""
    accepted = sum(each.baselined and each.level == "MUST" for each in report.requirements)
    said = verdict_words(report)
    return f"{said} (the baseline accepts {accepted} MUST)" if accepted else said


def _of(report: Report, level: str, verdict: Verdict) -> str:
    counts = report.totals[level]
    return f"{counts.get(verdict, 0)} of {sum(counts.values())}"


def verdict_change(change: RequirementChange) -> str:
    """`passed → failed`."""
    return f"{WORDS[change.before]} → {WORDS[change.after]}"


def remarks(change: RequirementChange) -> list[str]:
    """What else is to be said of a changed requirement."""
    said = []
    if change.kind is Kind.REGRESSION:
        if change.level == "MAY":
            said.append("a MAY: told, but no reason to fail")
        if change.baselined:
            said.append("accepted by the baseline")
    newly, mended = counts_of(change)
    if change.before is Verdict.FAIL and newly:
        said.append(f"{newly} of {change.compared} checks newly fall short")
    if mended and change.kind is not Kind.REPAIR:
        said.append(f"{counted(mended, 'check')} mended")
    if change.flaky:
        said.append("flaky: it did not fail on every repetition")
    return said


def counts_of(change: RequirementChange) -> tuple[int, int]:
    """How many checks of a requirement no longer pass, and how many pass now."""
    newly = sum(each.regressed for each in change.checks)
    mended = sum(each.verdicts[1] is Verdict.PASS for each in change.checks)
    return newly, mended


def symptom(check: CheckChange | None, *, before: bool = False) -> str:
    """What was seen of a check, in one sentence; empty where it passed."""
    result = (check.before if before else check.after) if check else None
    if result is None or result.verdict is Verdict.PASS:
        return ""
    if failure := result.failure:
        return f"expected {failure.expected}; got {failure.actual}"
    return result.reason


def only_title(side: str, only: tuple[OnlyIn, ...]) -> str:
    """What stands above what one report only holds."""
    short = sum(each.verdict is not Verdict.PASS for each in only)
    return f"Only in the {side} report ({len(only)}, {short} of them not passed)"


def only_lines(only: tuple[OnlyIn, ...]) -> list[str]:
    """A line for each that did not pass, and one for all that passed."""
    lines = []
    passed = []
    for each in only:
        checks = "" if each.whole else f"{counted(len(each.checks), 'check')} of "
        if each.verdict is Verdict.PASS:
            passed.append(f"{checks}{each.id}")
        else:
            lines.append(
                f"{each.level} {checks}{each.id} {WORDS[each.verdict]}: {each.title} ({each.why})"
            )
    if passed:
        lines.append(f"passed: {listed(passed, _PASSED)}")
    return lines


def speed_line(each: SpeedChange) -> str:
    """`copy: slower, median 3.1 → 9.8 ms (x3.2), 95th percentile 8.9 → 18.4 ms`."""
    word = "slower" if each.slower else "faster"
    return (
        f"{each.operation}: {word}, median {each.old.p50_ms:.1f} → {each.new.p50_ms:.1f} ms "
        f"(×{each.factor:.2g}), 95th percentile {each.old.p95_ms:.1f} → {each.new.p95_ms:.1f} ms"
    )


def speed_summary(speed: SpeedComparison) -> str:
    """What was compared of the speed, in one sentence."""
    if speed.why_not:
        return f"Speed was not compared: {speed.why_not}."
    found = counted(len(speed.changes), "operation") if speed.changes else "no operation"
    said = (
        f"Of {counted(speed.compared, 'operation')} asked often enough {found} changed beyond "
        f"noise; the medians of all together moved by ×{speed.common:.2g}."
    )
    # What the machine or its load did to one operation cannot be told from the server's part.
    return f"{said} {_COMPARABLE}" if speed.changes else said
