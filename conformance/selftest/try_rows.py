"""One run of a matrix: its options; what is tried, tried again, and kept of an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from conformance.selftest.fault_row import Row
from conformance.selftest.freedom_row import FreedomRow
from conformance.selftest.second_try import with_second_try

_Row = TypeVar("_Row", Row, FreedomRow)
OnRow = Callable[[_Row], None]
#: Tries names in a number of processes, and calls the function with each row as it is finished.
Try = Callable[[list[str], int, OnRow[_Row]], Sequence[_Row]]


@dataclass(frozen=True)
class MatrixOptions:
    """How a matrix is made: the options that faults and freedoms have in common."""

    matching: str
    requirements: tuple[str, ...]
    seed: int
    second_try: bool
    again: bool
    workers: int
    profile: str
    report_dir: Path | None

    @property
    def directory(self) -> Path:
        """The folder of selftest.json and selftest.md."""
        return self.report_dir or Path("reports")


@dataclass(frozen=True)
class Tried(Generic[_Row]):
    """The rows of a matrix in the order of their names; `again` are names that were tried again.

    If the user interrupted the run, rows of names that were not tried yet are those of the earlier
    run, or are missing.
    """

    rows: tuple[_Row, ...]
    again: tuple[str, ...]
    interrupted: bool


def try_rows(
    names: Sequence[str],
    try_names: Try[_Row],
    on_row: OnRow[_Row],
    *,
    earlier: Mapping[str, _Row],
    is_right: Callable[[_Row], bool],
    is_enough: Callable[[_Row], bool],
    workers: int,
    second_try: bool,
) -> Tried[_Row]:
    """Try names, except those whose row of the earlier run is right and enough for this one.

    `on_row` is called with each new row. With `second_try` what is wrong is tried once more, alone.
    """
    wrong = {name for name, row in earlier.items() if not is_right(row)}
    to_try = [
        name
        for name in names
        if name not in earlier or name in wrong or not is_enough(earlier[name])
    ]
    found: dict[str, _Row] = {}

    def keep(row: _Row) -> None:
        found[row.name] = row
        on_row(row)

    again = wrong & set(to_try)
    interrupted = False
    try:
        rows = try_names(to_try, min(workers, len(to_try)), keep) if to_try else []
        if second_try:
            _, twice = with_second_try(
                rows, is_right, lambda row: row.name, lambda some: try_names(some, 1, keep)
            )
            again |= set(twice)
    except KeyboardInterrupt:
        interrupted = True
    by_name = {**earlier, **found}
    return Tried(
        rows=tuple(by_name[name] for name in names if name in by_name),
        again=tuple(name for name in names if name in again & found.keys()),
        interrupted=interrupted,
    )
