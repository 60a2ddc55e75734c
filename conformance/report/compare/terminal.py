"""A comparison as text for a terminal."""

from __future__ import annotations

import textwrap

from conformance.report.compare.model import (
    Kind,
    ReportComparison,
    RequirementChange,
)
from conformance.report.compare.wording import (
    MEANINGS,
    TITLES,
    compared_line,
    headline,
    load_title,
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
    for when, measured in comparison.load_speed.items():
        lines = [f"  {speed_line(each)}" for each in measured.every]
        parts.append("\n".join([f"{load_title(when)}: {speed_summary(measured)}", *lines]))
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
