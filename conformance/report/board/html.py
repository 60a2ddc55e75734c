"""The board as one self-contained HTML page that includes the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from conformance.report.board.model import Board, Cell, Column, Row
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
from conformance.report.record import CheckResult
from conformance.report.run.grouping import symptom_fingerprint
from conformance.report.run.html import page_template
from conformance.report.run.wording import Promise, Requirements, promises, stability_note

_CHECKS_SHOWN = 4


@dataclass(frozen=True)
class Evidence:
    """Deployments with the same failure; the newest of them is quoted."""

    columns: tuple[Column, ...]
    cell: Cell
    quoted: tuple[CheckResult, ...]

    @property
    def quoted_column(self) -> Column:
        """The column of the deployment that is quoted."""
        return self.columns[-1]


def board_html(board: Board, requirements: Requirements) -> str:
    """Return the text of index.html."""
    return page_template("board.html.j2").render(
        board=board,
        title=TITLE,
        legend=[
            (verdict_with_sign(verdict), verdict, meaning) for verdict, meaning in LEGEND.items()
        ],
        deployments=deployment_rows(board),
        capability_counts=capability_rows(board),
        capabilities=[_capability(board, each) for each in board.capabilities()],
        sections=[_section(board, row, requirements) for row in board.rows],
        no_longer_kept=no_longer_kept,
        newly_kept=newly_kept,
        cell_words=cell_words,
        anchor=anchor,
        note=stability_note,
        verdict_with_sign=verdict_with_sign,
    )


def anchor(row_id: str, column: Column, cell: Cell | None) -> str:
    """Return the anchor of the evidence of a cell."""
    return f"{row_id}--{column.slug}" if cell and cell.not_passed else row_id


def _capability(board: Board, name: str) -> dict[str, Any]:
    rows = [row for row in board.rows if row.capability == name]
    return {"name": name, "rows": rows, "not_kept_by_all": len(not_kept_by_all(board, name))}


def _section(board: Board, row: Row, requirements: Requirements) -> dict[str, Any]:
    """Return the section of a requirement: its checks, and evidence per kind of failure."""
    judged = [(column, cell) for column, cell in zip(board.columns, row.cells, strict=True) if cell]
    alike: dict[Any, list[tuple[Column, Cell]]] = {}
    for column, cell in judged:
        if cell.not_passed or cell.verdict != "pass":
            alike.setdefault((cell.verdict, cell.symptom), []).append((column, cell))
    return {
        "row": row,
        "promise": _promise(row, judged[0][0], requirements),
        "evidence": [
            Evidence(
                tuple(column for column, _ in found), found[-1][1], _quoted_checks(found[-1][1])
            )
            for found in alike.values()
        ],
        "kept_by": [column for column, cell in judged if cell.verdict == "pass"],
        "checks": list(dict.fromkeys(check.id for _, cell in judged for check in cell.checks)),
    }


def _promise(row: Row, column: Column, requirements: Requirements) -> Promise:
    (promise,) = promises([row.id], column.report, requirements)
    return promise


def _quoted_checks(cell: Cell) -> tuple[CheckResult, ...]:
    """Return the checks that are quoted: one of each symptom."""
    found: dict[str, CheckResult] = {}
    for check in cell.not_passed:
        found.setdefault(symptom_fingerprint(check), check)
    return tuple(found.values())[:_CHECKS_SHOWN]
