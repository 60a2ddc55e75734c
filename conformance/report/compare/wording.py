"""Text of a comparison that all output formats share."""

from __future__ import annotations

from conformance.contract.catalogue import LEVELS
from conformance.contract.verdicts import Verdict
from conformance.report.compare.model import (
    CheckChange,
    Kind,
    ReportComparison,
    RequirementChange,
)
from conformance.report.compare.scope import OnlyIn
from conformance.report.compare.speed import SpeedChange, SpeedComparison
from conformance.report.plain_text import counted, listed
from conformance.report.record import Report
from conformance.report.run.wording import WORDS, server_name, verdict_words

_COMPARABLE = "Only runs on one machine under one load can be compared."
#: At most so many ids of passed requirements that only one report has are listed.
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
    """Return the result in a few words: `2 regressions`, `no regression`."""
    counting = sum(each.is_counted_regression for each in comparison.changes)
    return counted(counting, "regression") if counting else "no regression"


def subject(comparison: ReportComparison) -> str:
    """Return the two servers: `langgraph-api 0.15.9 → langgraph-api 0.16.7`."""
    return f"{server_name(comparison.old)} → {server_name(comparison.new)}"


def compared_line(comparison: ReportComparison) -> str:
    """Return how many requirements and checks were compared."""
    requirements = counted(comparison.compared_requirements, "requirement")
    checks = counted(comparison.compared_checks, "check")
    return f"Compared: {requirements} by {checks} that both reports have."


def verdict_rows(comparison: ReportComparison) -> list[list[str]]:
    """Return a header, and a row with verdict and totals of each report."""
    rows = [["", "server", "verdict", *(f"{level} passed" for level in LEVELS), "MUST failed"]]
    for name, report in (("old", comparison.old), ("new", comparison.new)):
        rows.append(
            [
                name,
                server_name(report),
                _verdict_text(report),
                *(_count_text(report, level, Verdict.PASS) for level in LEVELS),
                _count_text(report, "MUST", Verdict.FAIL),
            ]
        )
    return rows


def _verdict_text(report: Report) -> str:
    """Return the verdict, with the number of MUSTs that a baseline accepts."""
    accepted = sum(each.baselined and each.level == "MUST" for each in report.requirements)
    said = verdict_words(report)
    return f"{said} (the baseline accepts {accepted} MUST)" if accepted else said


def _count_text(report: Report, level: str, verdict: Verdict) -> str:
    counts = report.totals[level]
    return f"{counts.get(verdict, 0)} of {sum(counts.values())}"


def verdict_change(change: RequirementChange) -> str:
    """Return the verdicts before and after: `passed → failed`."""
    return f"{WORDS[change.before]} → {WORDS[change.after]}"


def remarks(change: RequirementChange) -> list[str]:
    """Return remarks on a changed requirement: level, baseline, counts of checks, flakiness."""
    said = []
    if change.kind is Kind.REGRESSION:
        if change.level == "MAY":
            said.append("a MAY: reported, but does not count")
        if change.baselined:
            said.append("accepted by the baseline")
    newly, mended = counts_of(change)
    if change.before is Verdict.FAIL and newly:
        said.append(f"{newly} of {change.compared} checks no longer pass")
    if mended and change.kind is not Kind.REPAIR:
        said.append(f"{counted(mended, 'check')} repaired")
    if change.flaky:
        said.append("flaky: it did not fail on every repetition")
    return said


def counts_of(change: RequirementChange) -> tuple[int, int]:
    """Count the changed checks that no longer pass, and those that pass now."""
    newly = sum(each.regressed for each in change.checks)
    mended = sum(each.verdicts[1] is Verdict.PASS for each in change.checks)
    return newly, mended


def symptom_text(check: CheckChange | None, *, before: bool = False) -> str:
    """Return what a check expected and got, or its reason; empty if it passed."""
    result = (check.before if before else check.after) if check else None
    if result is None or result.verdict is Verdict.PASS:
        return ""
    if failure := result.failure:
        return failure.symptom
    return result.reason


def only_title(side: str, only: tuple[OnlyIn, ...]) -> str:
    """Return the title of the list of results that only one report has."""
    short = sum(each.verdict is not Verdict.PASS for each in only)
    return f"Only in the {side} report ({len(only)}, {short} of them not passed)"


def only_lines(only: tuple[OnlyIn, ...]) -> list[str]:
    """Return a line for each requirement that did not pass, and one for all that passed."""
    lines = []
    passed = []
    for each in only:
        checks = "" if each.no_common_check else f"{counted(len(each.checks), 'check')} of "
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
    """Return `copy: slower, median 3.1 → 9.8 ms (×3.2), 95th percentile 8.9 → 18.4 ms`."""
    word = "slower" if each.slower else "faster"
    spread = f"; repeated runs differ by ×{each.spread:.2g}" if each.spread else ""
    return (
        f"{each.operation}: {word if each.beyond else 'as before'}, median {each.old.p50_ms:.1f} → "
        f"{each.new.p50_ms:.1f} ms (×{each.factor:.2g}{spread}), 95th percentile "
        f"{each.old.p95_ms:.1f} → {each.new.p95_ms:.1f} ms"
    )


def load_title(when: str) -> str:
    """Return the title of what the users of --load measured, `alone` or `under load`."""
    return "One user alone" if when == "alone" else "All users of --load"


def speed_summary(speed: SpeedComparison) -> str:
    """Return the result of the comparison of speed, in one or two sentences."""
    if speed.why_not:
        return f"Speed was not compared: {speed.why_not}."
    said = (
        f"{counted(speed.compared, 'operation')} had enough requests in both runs; "
        f"{len(speed.changes) or 'none'} of them changed beyond noise. The change common to all "
        f"medians is ×{speed.common:.2g}."
    )
    # An effect of the machine on one operation cannot be distinguished from one of the server.
    return f"{said} {_COMPARABLE}" if speed.changes else said
