"""The files selftest.json and selftest.md.

Both hold the kill matrix and the freedom matrix; writing one of them keeps the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from conformance.selftest.fault_row import Row
from conformance.selftest.freedom_row import FreedomRow
from conformance.typed_data import DataError, typed

FORMAT = "threads-conformance-selftest/1"
#: The member of selftest.json with the freedom matrix; all others are the kill matrix.
FREEDOMS = "freedoms"
#: The headings of the two parts of selftest.md, in their order.
KILL_HEADING, FREEDOM_HEADING = "# The kill matrix", "# The freedom matrix"

_Row = TypeVar("_Row", Row, FreedomRow)


class NoRowsError(Exception):
    """There are no rows of an earlier run that could be kept."""


def write_kill_matrix(directory: Path, data: dict[str, Any], markdown: str) -> None:
    """Write the kill matrix and keep the freedom matrix."""
    there = _read_json(directory)
    kept = {FREEDOMS: there[FREEDOMS]} if FREEDOMS in there else {}
    _write(directory, {"format": FORMAT, **data, **kept})
    _write_parts(directory, {KILL_HEADING: markdown})


def write_freedom_matrix(directory: Path, data: dict[str, Any], markdown: str) -> None:
    """Write the freedom matrix and keep the kill matrix."""
    _write(directory, {"format": FORMAT, **_read_json(directory), FREEDOMS: data})
    _write_parts(directory, {FREEDOM_HEADING: markdown})


def read_rows(
    directory: Path, where: Sequence[str], kind: type[_Row], **made_with: Any
) -> list[_Row]:
    """Return the rows of a matrix in `directory`, as values of `kind`.

    `where` are the members of the matrix that hold its rows. Raises `NoRowsError` if there is no
    such matrix that can be read, or if it was made with other values of `made_with`, such as
    another profile.
    """
    data = _read_json(directory)
    matrix = data.get(FREEDOMS, {}) if kind is FreedomRow else data
    if not all(each in matrix for each in where):
        raise NoRowsError(f"{directory} holds no earlier run to continue: leave --again out")
    for name, value in made_with.items():
        if matrix.get(name) != value:
            raise NoRowsError(
                f"the run in {directory} was made with --{name} {matrix.get(name)}: give the same"
            )
    try:
        return [typed(each, kind) for name in where for each in matrix[name]]
    except DataError as other:
        raise NoRowsError(
            f"the run in {directory} was made by another version ({other}): leave --again out"
        ) from other


def read_duration(directory: Path, kind: type[Row | FreedomRow]) -> float:
    """Return the seconds that the matrix of such rows in `directory` took; 0 without one."""
    data = _read_json(directory)
    matrix = data.get(FREEDOMS, {}) if kind is FreedomRow else data
    return float(matrix.get("duration_s", 0.0))


def _read_json(directory: Path) -> dict[str, Any]:
    file = directory / "selftest.json"
    if not file.is_file():
        return {}
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


def _write(directory: Path, data: dict[str, Any]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data, indent=1, ensure_ascii=False)
    (directory / "selftest.json").write_text(f"{text}\n", encoding="utf-8")


def _write_parts(directory: Path, new: dict[str, str]) -> None:
    file = directory / "selftest.md"
    parts = {**(_parts(file.read_text(encoding="utf-8")) if file.is_file() else {}), **new}
    in_order = [parts[each] for each in (KILL_HEADING, FREEDOM_HEADING) if each in parts]
    file.write_text("\n\n".join(each.strip() for each in in_order) + "\n", encoding="utf-8")


def _parts(text: str) -> dict[str, str]:
    """Return the parts of selftest.md by their headings."""
    before, heading, after = text.partition(f"{FREEDOM_HEADING}\n")
    parts = {KILL_HEADING: before} if before.startswith(KILL_HEADING) else {}
    return {**parts, FREEDOM_HEADING: heading + after} if heading else parts
