"""The files selftest.json and selftest.md.

Both hold the kill matrix and the freedom matrix; writing one of them keeps the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from conformance.contract.catalogue import load_catalogue
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


@dataclass(frozen=True)
class EarlierRun(Generic[_Row]):
    """The rows of an earlier run by name, and the seconds that it took."""

    rows: dict[str, _Row] = field(default_factory=dict)
    duration_s: float = 0.0


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


def read_earlier(
    directory: Path, where: Sequence[str], kind: type[_Row], **made_with: Any
) -> EarlierRun[_Row]:
    """Return the rows of the matrix in `directory`, as values of `kind`.

    `where` are the members of the matrix that hold its rows. Raises `NoRowsError` if there is no
    such matrix that can be read, or if it was made with other values of `made_with`, such as
    another profile.
    """
    try:
        data = _read_json(directory)
        matrix = data.get(FREEDOMS, {}) if kind is FreedomRow else data
        if not all(each in matrix for each in where):
            raise NoRowsError(f"{directory} holds no earlier run to continue: leave --again out")
        for name, value in made_with.items():
            # A run that wrote no such member was made without that option.
            if (before := matrix.get(name, [])) != value:
                option = f"--{name.removesuffix('s')}"
                told = f"with {option} {before}" if before else f"without {option}"
                raise NoRowsError(f"the run in {directory} was made {told}: give the same")
        held = [each for name in where for each in typed(matrix[name], list[Any])]
        rows = [typed(each, kind) for each in held]
        return EarlierRun({row.name: row for row in rows}, float(matrix["duration_s"]))
    except (DataError, ValueError, AttributeError, KeyError) as unread:
        raise NoRowsError(
            f"the run in {directory} was made by another version ({unread}): leave --again out"
        ) from unread


def read_earlier_faults(
    directory: Path, profile: str, requirements: tuple[str, ...]
) -> EarlierRun[Row]:
    """Return the rows of an earlier run with these options; `NoRowsError` if there is none."""
    return read_earlier(
        directory, ("faults",), Row, profile=profile, requirements=list(requirements)
    )


def read_earlier_freedoms(
    directory: Path, profile: str, seed: int, requirements: tuple[str, ...]
) -> EarlierRun[FreedomRow]:
    """Return the rows of an earlier run with these options; `NoRowsError` if there is none."""
    return read_earlier(
        directory,
        ("alone", "pairs"),
        FreedomRow,
        profile=profile,
        seed=seed,
        requirements=list(requirements),
    )


def older_rows(rows: Iterable[Row | FreedomRow]) -> int:
    """Return the number of rows that were made with other requirements than those of today."""
    return sum(row.catalogue != load_catalogue().digest for row in rows)


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
