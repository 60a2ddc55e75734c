"""A comparison as a comment on a pull request: short, with collapsed details."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from conformance.report.compare.model import Kind, ReportComparison, RequirementChange
from conformance.report.compare.scope import OnlyIn
from conformance.report.compare.speed import SpeedChange, SpeedComparison
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
from conformance.report.expected_actual_markdown import VALUE_LIMIT, failure_paragraphs
from conformance.report.markdown_text import code, fenced, table
from conformance.report.plain_text import counted, cut, listed, one_line

#: GitHub refuses a comment of more than 65,536 characters.
_COMMENT_LIMIT = 60_000
_DIFF_LINES = 12
_ONLY_LIMIT = 100


def comparison_markdown(comparison: ReportComparison) -> str:
    """Return the text of the comment; details beyond the size limit are left out."""
    sign = "❌" if comparison.regressed else "✅"
    header, *rows = verdict_rows(comparison)
    head = [
        f"### {sign} threads-conformance: {headline(comparison)}",
        code(subject(comparison)),
        table(header, [[name, code(server), *rest] for name, server, *rest in rows]),
        *(f"> {note}" for note in comparison.notes),
        compared_line(comparison),
    ]
    foot = [
        *_only_in_section("new", comparison.only_new),
        *_only_in_section("old", comparison.only_old),
        *_speed_section(comparison),
    ]
    tables = []
    for kind, title in TITLES.items():
        if changes := comparison.of_kind(kind):
            listing = table(
                ["level", "requirement", "change", "what"], [_row(each) for each in changes]
            )
            said = f"{title} ({len(changes)}): {MEANINGS[kind]}"
            # Only regressions need action, so only they are not collapsed.
            if kind is Kind.REGRESSION:
                tables += [f"#### {said}", listing]
            else:
                tables.append(_collapsed(said, listing))
    room = _COMMENT_LIMIT - len("\n\n".join([*head, *tables, *foot]))
    return "\n\n".join([*head, *tables, *_details(comparison, room), *foot]) + "\n"


def _row(change: RequirementChange) -> list[str]:
    title = f"{change.title} ({'; '.join(said)})" if (said := remarks(change)) else change.title
    return [
        change.level,
        change.id,
        verdict_change(change),
        escape(one_line(title), quote=False).replace("|", "\\|"),
    ]


def _details(comparison: ReportComparison, room: int) -> list[str]:
    parts = []
    unshown = 0
    for change in comparison.changes:
        if change.kind is Kind.REPAIR:
            continue
        block = _detail(change)
        room -= len(block) + 2
        if room > 0 and not unshown:
            parts.append(block)
        else:
            unshown += 1
    if unshown:
        parts.append(f"Details of {counted(unshown, 'more change')}: give --format html.")
    return parts


def _detail(change: RequirementChange) -> str:
    check = change.checks[0]
    parts = []
    if change.kind is not Kind.REGRESSION and (was := symptom_text(check, before=True)):
        parts += ["Was:", fenced(cut(was, VALUE_LIMIT))]
    if failure := check.failure:
        parts += failure_paragraphs(failure, _DIFF_LINES)
        if failure.curl and len(failure.curl) <= 2 * VALUE_LIMIT:
            parts += ["Reproduce:", fenced(failure.curl, "sh")]
    elif now := symptom_text(check):
        parts += ["Now:", fenced(cut(now, VALUE_LIMIT))]
    ids = [code(each.id) for each in change.checks]
    parts.append(f"{counted(len(ids), 'check')}: {listed(ids, 6)}")
    return _collapsed(f"{change.level} {change.id}: {change.title}", "\n\n".join(parts))


def _only_in_section(side: str, only: tuple[OnlyIn, ...]) -> list[str]:
    if not only:
        return []
    lines = [f"- {code(each)}" for each in only_lines(only)[-_ONLY_LIMIT:]]
    return [_collapsed(only_title(side, only), "\n".join(lines))]


def _speed_section(comparison: ReportComparison) -> list[str]:
    speed = comparison.speed
    if not speed.changes:
        parts = [speed_summary(speed)]
    else:
        parts = [_speed_list(speed_summary(speed), speed, speed.changes)]
    for when, measured in comparison.load_speed.items():
        said = f"{load_title(when)}: {speed_summary(measured)}"
        parts.append(_speed_list(said, measured, measured.every) if measured.every else said)
    return parts


def _speed_list(said: str, speed: SpeedComparison, shown: Sequence[SpeedChange]) -> str:
    lines = [f"- {code(speed_line(each))}" for each in shown]
    return _collapsed(said, "\n".join([*lines, "", speed.definition]))


def _collapsed(summary: str, body: str) -> str:
    # The empty lines make GitHub render the body as Markdown.
    return f"<details><summary>{escape(one_line(summary))}</summary>\n\n{body}\n\n</details>"
