"""The evidence for a requirement: deployments that fail alike share one, quoted from the newest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from conformance.report.board.model import Board, Cell, Column
from conformance.report.plain_text import one_line
from conformance.report.record import CheckResult
from conformance.report.run.grouping import symptom_fingerprint

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


def evidence_of(id_: str, board: Board) -> tuple[Evidence, ...]:
    """Return the evidence of the reports in which a requirement did not pass, by symptom."""
    row = board.by_id.get(id_)
    alike: dict[Any, list[tuple[Column, Cell]]] = {}
    for column, cell in zip(board.columns, row.cells if row else (), strict=bool(row)):
        if cell and (cell.not_passed or cell.verdict != "pass"):
            alike.setdefault((cell.verdict, cell.symptom), []).append((column, cell))
    return tuple(
        Evidence(tuple(column for column, _ in found), found[-1][1], _quoted_checks(found[-1][1]))
        for found in alike.values()
    )


def cause_of(cell: Cell) -> str:
    """Return in one line why a requirement did not pass: the smallest difference, or the reason."""
    for check in cell.not_passed:
        failure = check.failure
        if failure and failure.diff:
            return one_line(failure.diff[0])
        if failure:
            return one_line(f"expected {failure.expected}; got {failure.actual}")
        if check.reason:
            return one_line(check.reason)
    return ""


def _quoted_checks(cell: Cell) -> tuple[CheckResult, ...]:
    """Return the checks that are quoted: one of each symptom."""
    found: dict[str, CheckResult] = {}
    for check in cell.not_passed:
        found.setdefault(symptom_fingerprint(check), check)
    return tuple(found.values())[:_CHECKS_SHOWN]
