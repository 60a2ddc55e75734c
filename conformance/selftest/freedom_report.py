"""The freedom matrix as text, JSON and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import load_catalogue
from conformance.freedoms.registry import Freedom, all_freedoms
from conformance.report.plain_text import counted
from conformance.safe_text import excerpt
from conformance.selftest.freedom_row import FreedomMatrix, FreedomRow, Outcome
from conformance.selftest.matrix_files import (
    FREEDOM_HEADING,
    older_rows,
    write_freedom_matrix,
)

_REASON_WIDTH = 300


def as_line(row: FreedomRow) -> str:
    """Return one row as a line, followed by a line for each check with a wrong outcome."""
    lines = [f"{row.outcome.name.lower().replace('_', ' '):15} {row.name}"]
    if row.outcome is Outcome.FREE and row.blocked:
        lines[0] += f"  (undecided as declared: {', '.join(row.blocked)})"
    if row.unexercised:
        lines[0] += f"  never exercised: {', '.join(row.unexercised)}"
    lines += [f"    crash: {each}" for each in row.crashes]
    for check, red in row.red.items():
        lines.append(_check_line(red.verdict, red.requirements, check, red.reason))
    for check, each in row.undeclared.items():
        lines.append(_check_line(each.verdict, each.others or each.declared, check, each.reason))
    return "\n".join(lines)


def _check_line(verdict: str, requirements: tuple[str, ...], check: str, reason: str) -> str:
    where = check.rpartition("/")[2]
    return f"    {verdict} {', '.join(requirements)}  {where}: {excerpt(reason, _REASON_WIDTH)}"


def as_summary(matrix: FreedomMatrix) -> str:
    """Return the totals of the matrix as text."""
    rows_in_all = counted(len(matrix.rows), "row")
    lines = ["", f"{rows_in_all} in {matrix.duration_s} s, seed {matrix.seed}"]
    for noun, rest, rows in (
        ("freedom", "alone", matrix.alone),
        ("pair", "of them", matrix.pairs),
    ):
        outcomes = Counter(row.outcome for row in rows)
        lines.append(f"{counted(len(rows), noun)} {rest}")
        lines += [f"  {outcomes[outcome]:4} {outcome}" for outcome in Outcome if outcomes[outcome]]
    if older := older_rows(matrix.rows):
        lines.append(f"{counted(older, 'row')} tried before the requirements were last changed")
    if matrix.again:
        lines.append(f"{counted(len(matrix.again), 'row')} tried again: {', '.join(matrix.again)}")
    return "\n".join(lines)


def write(matrix: FreedomMatrix, directory: Path) -> None:
    """Write the matrix into selftest.json and selftest.md; the kill matrix there is kept."""
    known = all_freedoms()
    data = {
        "catalogue_digest": load_catalogue().digest,
        "profile": matrix.profile,
        "requirements": matrix.requirements,
        "seed": matrix.seed,
        "partial": matrix.partial,
        "duration_s": matrix.duration_s,
        "again": matrix.again,
        "outcomes": {
            outcome.name.lower(): sum(row.outcome is outcome for row in matrix.rows)
            for outcome in Outcome
        },
        "alone": [{**_as_json(row), **_described(known[row.freedoms[0]])} for row in matrix.alone],
        "pairs": [_as_json(row) for row in matrix.pairs],
    }
    write_freedom_matrix(directory, data, as_markdown(matrix))


def _as_json(row: FreedomRow) -> dict[str, Any]:
    shown = {name: value for name, value in asdict(row).items() if value not in ({}, ())}
    return {"outcome": row.outcome.name.lower(), "blocked": row.blocked, **shown}


def _described(freedom: Freedom) -> dict[str, Any]:
    return {
        "allowed_by": freedom.allowed_by,
        "may_block": freedom.may_block,
        "breaks": freedom.breaks,
        "choices": freedom.choices,
    }


def as_markdown(matrix: FreedomMatrix) -> str:
    """Return the matrix as Markdown: each freedom with its source, then the pairs."""
    known = all_freedoms()
    lines = [FREEDOM_HEADING, ""]
    lines += ["Ways in which a right server may differ from the reference deployment, each tried"]
    lines += [f"against all checks of the profile `{matrix.profile}` that touch what it alters:"]
    lines += [_how_tried(matrix)]
    lines += ["", "```", as_summary(matrix).strip(), "```", "", "## Freedoms", ""]
    lines += ["| freedom | outcome | checks | undecided as declared | breaks beside | allowed by |"]
    lines += ["|---|---|---|---|---|---|"]
    for row in matrix.alone:
        one = known[row.freedoms[0]]
        cells = (
            one.name,
            row.outcome.name.lower(),
            str(row.checks),
            _listed(row.blocked),
            _listed(row.broke),
            one.allowed_by.replace("|", "\\|"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Pairs", "", "| freedoms | outcome | checks | undecided as declared |"]
    lines += ["|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.outcome.name.lower()} | {row.checks} | {len(row.blocked)} |"
        for row in matrix.pairs
    ]
    red = [row for row in matrix.rows if row.outcome is not Outcome.FREE]
    if red:
        lines += ["", "## What is not as it should be", "", "```"]
        lines += [*map(as_line, red), "```"]
    return "\n".join(lines)


def _how_tried(matrix: FreedomMatrix) -> str:
    chosen = f"the seed {matrix.seed} has chosen"
    if matrix.alone and matrix.pairs:
        return f"alone and in pairs, which {chosen} so that each is in several."
    return "alone." if matrix.alone else f"two at a time and none alone; {chosen} which."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
