"""The end of a run on one screen: a line for each failure, the verdict, what to do next.

Pure functions from a report to lines; `terminal.py` prints them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.contract.catalogue import LEVELS
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.report.plain_text import counted, listed, one_line
from conformance.report.record import CheckResult, Report
from conformance.report.run.folders import SELECTION_DIR, WHOLE_DIR
from conformance.report.run.grouping import (
    FailureGroup,
    UndecidedGroup,
    failure_groups,
    members,
    told_failures,
    undecided_groups,
    unmet_optional_groups,
)
from conformance.report.run.next_commands import NextCommand
from conformance.report.run.wording import (
    WORDS,
    Requirements,
    cleanup_line,
    cleanup_reasons,
    skipped_by_effort_line,
    verdict_meaning,
    verdict_words,
)
from conformance.report.score import UNDECIDED

#: Lines of a screen that is not known, and the least and the most that are used of one that is.
USUAL_HEIGHT, _LEAST_HEIGHT, _MOST_HEIGHT = 40, 24, 40
#: Failures and undecided requirements are shown in so many lines at least, however low the screen.
_LEAST_FAILURES, _LEAST_UNDECIDED = 6, 2
_IDS_IN_A_LINE = 6
_LEFT_THREADS = 3
VERDICT_STYLES = {
    RunVerdict.CONFORMANT: "bold green",
    RunVerdict.NON_CONFORMANT: "bold red",
    RunVerdict.INCOMPLETE: "bold yellow",
}
_LEVEL_STYLES = {"MUST": "red", "SHOULD": "yellow"}


@dataclass(frozen=True)
class Line:
    """One line of the output. A `whole` line is never cut: it is wrapped, or to be pasted."""

    text: str
    style: str = ""
    whole: bool = False


def height_for(lines: int | None) -> int:
    """Return the lines that may be used on a screen of that many; None: it is no screen."""
    return USUAL_HEIGHT if lines is None else max(_LEAST_HEIGHT, min(lines, _MOST_HEIGHT))


def end_lines(
    report: Report, next_commands: Sequence[NextCommand], report_file: str, width: int
) -> list[Line]:
    """Return the verdict, what it costs and leaves, where the report is, and what to do next.

    They are not cut, whatever the height of the screen.
    """
    style = VERDICT_STYLES[report.verdict]
    run = report.run
    lines = [
        Line(""),
        Line(f"{verdict_words(report)}: {verdict_meaning(report)}", style, whole=True),
        Line(f"{run.requests} requests in {run.duration_s:.1f} s; threads {cleanup_line(report)}"),
    ]
    left = report.cleanup.left
    lines += [Line(f"  still there: {each}") for each in left[:_LEFT_THREADS]]
    if more := len(left) - _LEFT_THREADS:
        lines += [Line(f"  and {more} more")] if more > 0 else []
    lines += [Line(f"  {reason}", whole=True) for reason in cleanup_reasons(report)]
    if report_file:
        lines.append(Line(f"Report: {report_file}{_beside_whole(report_file)}", whole=True))
    if next_commands:
        lines += [Line(""), Line("Next:", "bold")]
        longest = max(len(each.command) for each in next_commands)
        # The remarks stand beside the commands where there is room for all of them.
        beside = all(longest + len(each.why) + 6 <= width for each in next_commands)
        crowded = any(not group.baselined for group in failure_groups(report))
        for each in next_commands:
            if beside:
                lines.append(Line(f"  {each.command:<{longest}}  # {each.why}", whole=True))
            else:
                lines += [] if crowded else [Line(f"  # {each.why}", "dim")]
                lines.append(Line(f"  {each.command}", whole=True))
    return lines


def _beside_whole(report_file: str) -> str:
    if Path(report_file).parent != SELECTION_DIR:
        return ""
    return f" (of a selection; {WHOLE_DIR} stays as it is)"


def result_lines(
    report: Report, requirements: Requirements, report_file: str, *, room: int, mark: str = "✗"
) -> list[Line]:
    """Return failures and undecided requirements in about `room` lines.

    Failures are grouped by cause. Where there is room a line tells the first difference; where
    there is too little, the last groups are counted only.
    """
    failures = [each for each in failure_groups(report) if not each.baselined]
    accepted = [each.id for each in report.requirements if each.baselined]
    undecided = undecided_groups(report)
    remarks = _remarks(report, requirements, accepted)
    room -= len(remarks)
    for_undecided = (
        min(len(undecided) + 2, max(_LEAST_UNDECIDED + 2, room - _needed(failures, report)))
        if undecided
        else 0
    )
    lines = _failure_lines(
        failures,
        report,
        requirements,
        report_file,
        max(_LEAST_FAILURES, room - for_undecided),
        mark,
    )
    lines += _undecided_lines(undecided, report, report_file, max(3, room - len(lines)))
    return lines + remarks


def _needed(failures: Sequence[FailureGroup], report: Report) -> int:
    """Return the lines of the failures without their differences."""
    return 2 + sum(1 + (len(members(each, report)) > 1) for each in failures)


def _failure_lines(
    failures: Sequence[FailureGroup],
    report: Report,
    requirements: Requirements,
    report_file: str,
    room: int,
    mark: str,
) -> list[Line]:
    if not failures:
        return []
    broken = {each for group in failures for each in members(group, report)}
    title = f"{counted(len(broken), 'requirement')} broken, {counted(len(failures), 'cause')}"
    lines = [Line(""), Line(title, "bold")]
    with_differences = _needed(failures, report) + len(failures) <= room
    for position, each in enumerate(told_failures(failures, report)):
        first, *others = each.ids
        found = [_failure_line(first, each.group, each.check, report, requirements, mark)]
        if with_differences and (symptom := _symptom(each.check)):
            found.append(Line(f"    {symptom}", "dim"))
        if others:
            found.append(Line(f"    same cause: {listed(others, _IDS_IN_A_LINE)}", "dim"))
        # The last line of the room tells what is left out.
        rest = failures[position:]
        if len(lines) + len(found) > room - (len(rest) > 1):
            names = list(dict.fromkeys(name for one in rest for name in members(one, report)))
            causes = counted(len(rest), "more cause")
            lines.append(Line(f"… and {causes}: {report_file} ({listed(names, 4)})", "bold"))
            break
        lines += found
    return lines


def _failure_line(
    requirement_id: str,
    group: FailureGroup,
    check: CheckResult,
    report: Report,
    requirements: Requirements,
    mark: str,
) -> Line:
    results = {each.id: each for each in report.requirements}
    known = requirements.get(requirement_id)
    result = results.get(requirement_id)
    title = known.title if known else result.title if result else "not in this catalogue"
    level = result.level if result else group.level
    note = " (flaky)" if check.stability == "flaky" else ""
    text = f"{mark} {requirement_id} {level:<6} {one_line(title)}{note}"
    return Line(text, _LEVEL_STYLES.get(level, "dim"))


def _symptom(check: CheckResult) -> str:
    """Return one line on what is wrong: the first difference, else expected and actual."""
    if check.failure is None:
        return one_line(check.reason)
    if check.failure.diff:
        return one_line(check.failure.diff[0])
    return one_line(check.failure.symptom)


def _undecided_lines(
    groups: Sequence[UndecidedGroup], report: Report, report_file: str, room: int
) -> list[Line]:
    if not groups:
        return []
    levels = {each.id: LEVELS.index(each.level) for each in report.requirements}
    # What keeps the verdict open comes first; what is unsupported is decided.
    ordered = sorted(
        groups,
        key=lambda group: (
            group.verdict not in UNDECIDED,
            min(levels.get(each, len(LEVELS)) for each in group.requirements),
        ),
    )
    lines = [Line(""), Line("Not decided", "bold")]
    for position, group in enumerate(ordered):
        rest = ordered[position:]
        if len(lines) + 1 > room - (len(rest) > 1):
            ids = list(dict.fromkeys(each for one in rest for each in one.requirements))
            reasons = counted(len(rest), "more reason")
            lines.append(Line(f"… and {reasons}: {report_file} ({listed(ids, 4)})"))
            break
        text = f"{listed(group.requirements, 2)} {WORDS[group.verdict]}: {one_line(group.reason)}"
        style = "" if group.verdict in (Verdict.ERROR, Verdict.BLOCKED) else "dim"
        lines.append(Line(f"? {text}", style))
    return lines


def _remarks(report: Report, requirements: Requirements, accepted: list[str]) -> list[Line]:
    """Return what changes no verdict: accepted failures, MAYs, what needs more effort."""
    found = []
    if accepted:
        number = counted(len(accepted), "requirement")
        found.append(f"Accepted by the baseline: {number} ({listed(accepted, _IDS_IN_A_LINE)})")
    optional = sorted(
        {each for group in unmet_optional_groups(report) for each in group.requirements}
    )
    if optional:
        names = listed(optional, _IDS_IN_A_LINE)
        found.append(f"Optional or disputed (MAY), not held, without effect: {names}")
    if skipped := skipped_by_effort_line(report, requirements):
        found.append(f"{skipped[0].upper()}{skipped[1:]}")
    return [Line(""), *(Line(each, "dim") for each in found)] if found else []
