"""Text of the board that Markdown and HTML share."""

from __future__ import annotations

from conformance.contract.catalogue import LEVELS
from conformance.contract.verdicts import Verdict
from conformance.report.board.model import Board, Cell, Column, Count, Row, Step
from conformance.report.compare.model import Kind, RequirementChange
from conformance.report.run.html import SIGNS
from conformance.report.run.wording import WORDS, verdict_words

TITLE = "The board: requirements against deployments"
SITE_TITLE = "Who keeps the promises of the Threads API"
NOT_JUDGED = "not judged"
#: The meaning of each verdict on the board.
LEGEND = {
    Verdict.PASS: "the promise holds",
    Verdict.FAIL: "the promise is broken",
    Verdict.UNSUPPORTED: "the server answers that it does not offer the operation",
    Verdict.BLOCKED: "a prerequisite failed, so the requirement was not decided",
    Verdict.ERROR: "the check or the connection broke off",
    Verdict.NOT_RUN: "no check of it was made",
}


def verdict_with_sign(verdict: Verdict) -> str:
    """Return a verdict with its sign."""
    return f"{SIGNS[verdict]} {WORDS[verdict]}"


def cell_words(cell: Cell | None) -> str:
    """Return the text of a cell, with a remark if it is flaky."""
    if cell is None:
        return NOT_JUDGED
    return verdict_with_sign(cell.verdict) + (" (flaky)" if cell.flaky else "")


def count_words(count: Count) -> str:
    """Return `31 of 33`, with the numbers of unsupported and undecided requirements."""
    if not count.judged:
        return NOT_JUDGED
    rest = [
        f"{number} {word}"
        for number, word in ((count.unsupported, "unsupported"), (count.undecided, "undecided"))
        if number
    ]
    return f"{count.passed} of {count.judged}" + (f" ({', '.join(rest)})" if rest else "")


def deployment_rows(board: Board) -> list[list[str]]:
    """Return a header, and a row for each deployment with its verdict and counts."""
    rows = [
        ["deployment", "verdict", *(f"{level} kept" for level in LEVELS), "MUST broken", "asked"]
    ]
    for number, column in enumerate(board.columns):
        must = board.count(number, "MUST")
        rows.append(
            [
                column.label,
                verdict_words(column.report),
                *(count_words(board.count(number, level)) for level in LEVELS),
                f"{must.failed} of {must.judged}",
                run_line(column),
            ]
        )
    return rows


def run_line(column: Column) -> str:
    """Return date, profile, effort, seed and suite of the run of a deployment."""
    run = column.report.run
    return (
        f"{run.started_at[:10]}, profile {run.profile}, effort {run.effort}, seed {run.seed}, "
        f"suite {column.report.suite_version} {column.report.catalogue_digest[:14]}"
    )


def capability_rows(board: Board) -> list[list[str]]:
    """Return a header, and a row of counts for each capability and level."""
    rows = [["capability", "level", *(column.label for column in board.columns)]]
    for capability in board.capabilities():
        for level in LEVELS:
            counts = [
                board.count(number, level, capability) for number in range(len(board.columns))
            ]
            if any(count.judged for count in counts):
                rows.append([capability, level, *map(count_words, counts)])
    return rows


def not_kept_by_all(board: Board, capability: str | None = None) -> list[Row]:
    """Return the requirements that not every deployment keeps, MUST first."""
    found = [
        row
        for row in board.rows
        if not row.all_pass and (capability is None or row.capability == capability)
    ]
    return sorted(found, key=lambda row: LEVELS.index(row.level))


def no_longer_kept(step: Step) -> tuple[RequirementChange, ...]:
    """Return the requirements that the older version kept and the newer one does not."""
    return step.comparison.of_kind(Kind.REGRESSION)


def newly_kept(step: Step) -> tuple[RequirementChange, ...]:
    """Return the requirements that the newer version keeps and the older one did not."""
    return step.comparison.of_kind(Kind.REPAIR)
