"""The kill matrix as text, JSON and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from conformance.contract.catalogue import COUNTED_LEVELS, load_catalogue
from conformance.report.plain_text import counted
from conformance.selftest.fault_row import Matrix, Outcome, Row, is_killed
from conformance.selftest.matrix_files import (
    KILL_HEADING,
    older_rows,
    write_kill_matrix,
)


def as_line(row: Row) -> str:
    """Return one fault as a line, with what is wrong with it."""
    parts = [f"{row.outcome.name.lower().replace('_', ' '):15} {row.fault}"]
    for word, names in (
        ("missed", row.missed),
        ("of these blocked", tuple(each for each in row.missed if each in row.blocked)),
        ("fell unnamed", row.unnamed),
        ("error", row.errors),
        ("crash", row.crashes),
    ):
        if names and not is_killed(row):
            parts.append(f"{word}: {', '.join(names)}")
    return "  ".join(parts)


def as_summary(matrix: Matrix) -> str:
    """Return the totals of the matrix as text."""
    outcomes = Counter(row.outcome for row in matrix.rows)
    lines = ["", f"{counted(len(matrix.rows), 'fault')} in {matrix.duration_s} s"]
    lines += [f"  {outcomes[outcome]:4} {outcome}" for outcome in Outcome if outcomes[outcome]]
    if matrix.narrow:
        lines.append(f"  {matrix.narrow:4} tried only by the checks of what they break")
    if older := older_rows(matrix.rows):
        lines.append(f"  {older:4} tried before the requirements were last changed")
    if matrix.again:
        lines.append(f"  {len(matrix.again):4} tried again: {', '.join(matrix.again)}")
    if not matrix.partial:
        lines += [_proved(matrix, level) for level in COUNTED_LEVELS]
    return "\n".join(lines)


def _proved(matrix: Matrix, level: str) -> str:
    judged = [each.id for each in matrix.judged if each.level == level]
    missing = matrix.unproved[level]
    line = f"{level}: {len(judged) - len(missing)} of {len(judged)} requirements proved by a fault"
    return f"{line}; without one: {', '.join(missing)}" if missing else line


def write(matrix: Matrix, directory: Path) -> None:
    """Write selftest.json and selftest.md; the freedom matrix there is kept."""
    data = {
        "catalogue_digest": load_catalogue().digest,
        "profile": matrix.profile,
        "requirements": matrix.requirements,
        "duration_s": matrix.duration_s,
        "narrow": matrix.narrow,
        "again": matrix.again,
        "outcomes": {
            outcome.name.lower(): sum(row.outcome is outcome for row in matrix.rows)
            for outcome in Outcome
        },
        "unproved": matrix.unproved,
        "faults": [_as_json(row) for row in matrix.rows],
    }
    write_kill_matrix(directory, data, as_markdown(matrix))


def _as_json(row: Row) -> dict[str, object]:
    shown = {name: value for name, value in asdict(row).items() if name != "why"}
    # A row with the right outcome needs no explanation.
    why = {} if is_killed(row) else {"why": row.why}
    return {"outcome": row.outcome.name.lower(), **shown, **why}


def as_markdown(matrix: Matrix) -> str:
    """Return the matrix as Markdown: the totals, then requirements and faults."""
    lines = [KILL_HEADING, "", "Every fault of the reference deployment, tried against"]
    lines += [f"{_tried_by(matrix)} of the profile `{matrix.profile}`.", "", "```"]
    lines += [as_summary(matrix).strip(), "```", "", "## Faults by requirement", ""]
    lines += ["| requirement | level | faults that it notices |", "|---|---|---|"]
    for requirement in matrix.judged:
        faults = matrix.killers.get(requirement.id, [])
        if faults or requirement.level in COUNTED_LEVELS:
            lines.append(f"| {requirement.id} | {requirement.level} | {_listed(faults)} |")
    lines += ["", "## Requirements by fault", "", "| fault | outcome | breaks | blocked |"]
    lines += ["|---|---|---|---|"]
    lines += [
        f"| {row.fault} | {row.outcome.name.lower()} | {_listed(row.breaks)} | {len(row.blocked)} |"
        for row in matrix.rows
    ]
    return "\n".join([*lines, ""])


def _tried_by(matrix: Matrix) -> str:
    return "the checks of what it breaks, and some against all," if matrix.narrow else "all checks"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
