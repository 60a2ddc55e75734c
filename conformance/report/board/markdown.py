"""The board as Markdown: board.md, and a file with the evidence of each deployment."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.contract.verdicts import Verdict
from conformance.report.board.model import Board, Cell, Column, Row
from conformance.report.board.site_model import Judged, Site, tally
from conformance.report.board.site_model import Row as SiteRow
from conformance.report.board.wording import (
    LEGEND,
    TITLE,
    capability_rows,
    cell_words,
    deployment_rows,
    newly_kept,
    no_longer_kept,
    not_kept_by_all,
    verdict_with_sign,
)
from conformance.report.compare.model import RequirementChange
from conformance.report.expected_actual_markdown import VALUE_LIMIT, failure_paragraphs
from conformance.report.markdown_text import code, fenced, table
from conformance.report.plain_text import counted, cut, one_line
from conformance.report.record import CheckResult
from conformance.report.run.grouping import symptom_fingerprint
from conformance.report.run.wording import Promise, Requirements, promises, stability_note

EVIDENCE = "evidence"
_CURL_LIMIT = 8_000
_DIFF_LINES = 12


def board_markdown(board: Board, site: Site) -> str:
    """Return the text of board.md: the overview of the site, and each report in detail."""
    header, *deployments = deployment_rows(board)
    parts = [
        f"# {TITLE}",
        "Every cell links to its evidence. "
        + "; ".join(
            f"{verdict_with_sign(verdict)}: {meaning}" for verdict, meaning in LEGEND.items()
        )
        + ".",
        "## Overview",
        *_overview(site),
        "## Deployments",
        *(f"> {note}" for note in board.notes),
        table(header, [_escape_cells(row) for row in deployments]),
        *_steps_section(board),
        "## Kept requirements by capability",
        _escaped_table(capability_rows(board)),
        "## Requirements that not every deployment keeps",
        _failing_table(board),
    ]
    return "\n\n".join(parts) + "\n"


def _overview(site: Site) -> list[str]:
    """Return a table of what the newest versions keep in each area, of what all are judged by."""
    rows = site.common(site.shown)
    header = ["server", "judged", "all", *(area.name for area in site.areas)]
    counts = [
        [
            _escape(judged.label),
            judged.judgement.date,
            _kept(judged, rows),
            *(_kept(judged, [row for row in rows if row.area is area]) for area in site.areas),
        ]
        for judged in site.shown
    ]
    said = (
        f"Kept of the {counted(len(rows), 'MUST and SHOULD requirement')} that all of these were "
        "judged by, and that at least one of them decides."
    )
    apart = [f"> Set apart: {_escape(each.judged.label)}: {each.why}." for each in site.apart]
    return [said, table(header, counts), *apart]


def _kept(judged: Judged, rows: Sequence[SiteRow]) -> str:
    of = tally(judged, rows)
    return f"{of.kept}/{of.all}" if of.all else "-"


def evidence_markdown(board: Board, number: int, requirements: Requirements) -> str:
    """Return the evidence of the deployment in column `number`.

    Requirements that did not pass are shown in full, those that passed by their checks.
    """
    column = board.columns[number]
    judged = [(row, cell) for row in board.rows if (cell := row.cells[number])]
    parts = [f"# Evidence: {_escape(column.label)}", "[The board](../board.md)"]
    for row, cell in judged:
        if cell.verdict is not Verdict.PASS:
            parts += _evidence_parts(row, cell, column, requirements)
    passed = [
        f'- <a id="{row.id.lower()}"></a>{row.id} ({row.level}) {_escape(row.title)}: '
        + ", ".join(code(check.id) for check in cell.checks)
        for row, cell in judged
        if cell.verdict is Verdict.PASS
    ]
    parts += [
        f"## {verdict_with_sign(Verdict.PASS)}: {counted(len(passed), 'requirement')}",
        "\n".join(passed),
    ]
    return "\n\n".join(parts).rstrip() + "\n"


def _evidence_parts(row: Row, cell: Cell, column: Column, requirements: Requirements) -> list[str]:
    (promise,) = promises([row.id], column.report, requirements)
    parts = [
        # The link of the cell leads to this heading.
        f"## {row.id}",
        f"**{cell_words(cell)}** ({row.level}): {_escape(promise.statement)}{_sources(promise)}",
    ]
    seen: set[str] = set()
    for check in cell.not_passed:
        key = symptom_fingerprint(check)
        if key in seen:
            parts.append(f"The same by {code(check.id)}.")
            continue
        seen.add(key)
        parts += _check_parts(check)
    if not cell.not_passed:
        parts.append("No check of it left a result.")
    if promise.disputed:
        parts.append(f"Disputed: {_escape(promise.disputed)}")
    return parts


def _sources(promise: Promise) -> str:
    sources = "; ".join(promise.sources)
    return f" Source: {_escape(sources)}." if sources else ""


def _check_parts(check: CheckResult) -> list[str]:
    note = stability_note(check)
    parts = [
        f"{verdict_with_sign(check.verdict)}: {code(check.id)}" + (f" ({note})" if note else "")
    ]
    failure = check.failure
    if failure is None:
        return [*parts, fenced(cut(check.reason, VALUE_LIMIT))] if check.reason else parts
    parts += failure_paragraphs(failure, _DIFF_LINES)
    if failure.curl:
        parts += ["Reproduce:", fenced(cut(failure.curl, _CURL_LIMIT), "sh")]
    return parts


def _steps_section(board: Board) -> list[str]:
    if not board.steps:
        return []
    rows = [
        [
            _escape(step.new.label),
            _escape(step.old.label),
            _links(no_longer_kept(step), step.new),
            _links(newly_kept(step), step.new),
            counted(step.comparison.compared_requirements, "requirement"),
        ]
        for step in board.steps
    ]
    return [
        "## From version to version",
        table(["version", "against", "no longer kept", "newly kept", "compared"], rows),
    ]


def _links(changes: tuple[RequirementChange, ...], column: Column) -> str:
    return (
        ", ".join(f"[{each.id}]({_anchor(column, each.id)}) {each.level}" for each in changes)
        or "-"
    )


def _failing_table(board: Board) -> str:
    header = ["requirement", "level", "promise", *(column.label for column in board.columns)]
    rows = []
    for row in not_kept_by_all(board):
        cells = [
            f"[{cell_words(cell)}]({_anchor(column, row.id)})" if cell else cell_words(None)
            for column, cell in zip(board.columns, row.cells, strict=True)
        ]
        rows.append([row.id, row.level, _escape(row.title), *cells])
    return (
        table(_escape_cells(header), rows) if rows else "Every deployment keeps all requirements."
    )


def _anchor(column: Column, requirement: str) -> str:
    return f"{EVIDENCE}/{column.slug}.md#{requirement.lower()}"


def _escaped_table(rows: list[list[str]]) -> str:
    header, *body = map(_escape_cells, rows)
    return table(header, body)


def _escape_cells(row: list[str]) -> list[str]:
    return [_escape(cell) for cell in row]


def _escape(text: str) -> str:
    """Return text of a report with the special characters of Markdown escaped."""
    escaped = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return escaped.replace("|", "\\|").replace("`", "\\`").replace("[", "\\[")
