"""The board as Markdown: board.md, and a file with the evidence of each deployment."""

from __future__ import annotations

from conformance.contract.verdicts import Verdict
from conformance.report.board.model import Board, Cell, Column, Row
from conformance.report.board.text import (
    LEGEND,
    TITLE,
    capability_rows,
    cell_words,
    deployment_rows,
    falling_short,
    newly_kept,
    no_longer_kept,
    shown,
)
from conformance.report.compare.model import RequirementChange
from conformance.report.failure_markdown import VALUE_LIMIT, what_was_found
from conformance.report.markdown_text import code, fenced, table
from conformance.report.record import CheckResult
from conformance.report.run.grouping import symptom
from conformance.report.run.text import Promise, Requirements, promises, stability_note
from conformance.report.text import counted, cut, one_line

EVIDENCE = "evidence"
_CURL_LIMIT = 8_000
_DIFF_LINES = 12


def board_markdown(board: Board) -> str:
    """Return the text of board.md."""
    header, *deployments = deployment_rows(board)
    parts = [
        f"# {TITLE}",
        "Every cell leads to its evidence. "
        + "; ".join(f"{shown(verdict)}: {meaning}" for verdict, meaning in LEGEND.items())
        + ".",
        *(f"> {note}" for note in board.notes),
        "## Deployments",
        table(header, [_cells(row) for row in deployments]),
        *_steps(board),
        "## Kept requirements by capability",
        _table(capability_rows(board)),
        "## Requirements that not every deployment keeps",
        _short(board),
    ]
    return "\n\n".join(parts) + "\n"


def evidence_markdown(board: Board, number: int, requirements: Requirements) -> str:
    """Return the evidence of the deployment in column `number`.

    Requirements that did not pass are shown in full, those that passed by their checks.
    """
    column = board.columns[number]
    judged = [(row, cell) for row in board.rows if (cell := row.cells[number])]
    parts = [f"# Evidence: {_plain(column.label)}", "[The board](../board.md)"]
    for row, cell in judged:
        if cell.verdict is not Verdict.PASS:
            parts += _evidence(row, cell, column, requirements)
    passed = [
        f'- <a id="{row.id.lower()}"></a>{row.id} ({row.level}) {_plain(row.title)}: '
        + ", ".join(code(check.id) for check in cell.checks)
        for row, cell in judged
        if cell.verdict is Verdict.PASS
    ]
    parts += [f"## {shown(Verdict.PASS)}: {counted(len(passed), 'requirement')}", "\n".join(passed)]
    return "\n\n".join(parts).rstrip() + "\n"


def _evidence(row: Row, cell: Cell, column: Column, requirements: Requirements) -> list[str]:
    (promise,) = promises([row.id], column.report, requirements)
    parts = [
        # The link of the cell leads to this heading.
        f"## {row.id}",
        f"**{cell_words(cell)}** ({row.level}): {_plain(promise.statement)}{_written(promise)}",
    ]
    seen: set[str] = set()
    for check in cell.short:
        key = symptom(check)
        if key in seen:
            parts.append(f"The same by {code(check.id)}.")
            continue
        seen.add(key)
        parts += _check(check)
    if not cell.short:
        parts.append("No check of it left a result.")
    if promise.disputed:
        parts.append(f"Disputed: {_plain(promise.disputed)}")
    return parts


def _written(promise: Promise) -> str:
    written = "; ".join(promise.sources)
    return f" Written in {_plain(written)}." if written else ""


def _check(check: CheckResult) -> list[str]:
    note = stability_note(check)
    parts = [f"{shown(check.verdict)}: {code(check.id)}" + (f" ({note})" if note else "")]
    failure = check.failure
    if failure is None:
        return [*parts, fenced(cut(check.reason, VALUE_LIMIT))] if check.reason else parts
    parts += what_was_found(failure, _DIFF_LINES)
    if failure.curl:
        parts += ["Reproduce:", fenced(cut(failure.curl, _CURL_LIMIT), "sh")]
    return parts


def _steps(board: Board) -> list[str]:
    if not board.steps:
        return []
    rows = [
        [
            _plain(step.new.label),
            _plain(step.old.label),
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


def _short(board: Board) -> str:
    header = ["requirement", "level", "promise", *(column.label for column in board.columns)]
    rows = []
    for row in falling_short(board):
        cells = [
            f"[{cell_words(cell)}]({_anchor(column, row.id)})" if cell else cell_words(None)
            for column, cell in zip(board.columns, row.cells, strict=True)
        ]
        rows.append([row.id, row.level, _plain(row.title), *cells])
    return table(_cells(header), rows) if rows else "Every deployment keeps all."


def _anchor(column: Column, requirement: str) -> str:
    return f"{EVIDENCE}/{column.slug}.md#{requirement.lower()}"


def _table(rows: list[list[str]]) -> str:
    header, *body = map(_cells, rows)
    return table(header, body)


def _cells(row: list[str]) -> list[str]:
    return [_plain(cell) for cell in row]


def _plain(text: str) -> str:
    """Return text of a report with the special characters of Markdown escaped."""
    escaped = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return escaped.replace("|", "\\|").replace("`", "\\`").replace("[", "\\[")
