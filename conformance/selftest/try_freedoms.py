"""One run of the freedom matrix: the freedoms that are tried, alone and in pairs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence

from conformance.contract.catalogue import PROFILES
from conformance.freedoms.registry import Freedom
from conformance.selftest.freedom_matrix import run_freedoms
from conformance.selftest.freedom_pairs import PAIRS, choose_pairs, two_at_a_time
from conformance.selftest.freedom_row import FreedomMatrix, FreedomRow, is_free, name_of
from conformance.selftest.matrix_files import EarlierRun, read_earlier_freedoms
from conformance.selftest.try_rows import MatrixOptions, try_rows


def choose_freedoms(
    freedoms: Iterable[Freedom], named: Collection[str], how: MatrixOptions
) -> list[Freedom]:
    """Return the freedoms that are tried: those `named`, or all, that the options fit."""
    return [
        each
        for each in freedoms
        # A freedom that is named is tried whatever the profile.
        if (each.name in named if named else each.within(how.profile)) and how.matching in each.name
    ]


def try_freedoms(
    chosen: Sequence[Freedom],
    pairs: int | None,
    how: MatrixOptions,
    on_row: Callable[[FreedomRow], None],
    *,
    whole: bool,
    two_by_two: bool = False,
) -> tuple[FreedomMatrix, bool]:
    """Try freedoms alone and in pairs; return their matrix, and whether the user interrupted it.

    With `two_by_two` each freedom is tried in one pair, and alone only if it is in none.

    `whole` says that `chosen` are all freedoms, with all checks; `PAIRS` pairs are then tried, else
    none, unless `pairs` gives their number. `on_row` is called with each new row. Raises
    `NoRowsError` if the options ask for rows of an earlier run and there are none.
    """
    number = (PAIRS if whole else 0) if pairs is None else pairs
    earlier = (
        read_earlier_freedoms(how.directory, how.profile, how.seed, how.requirements)
        if how.again
        else EarlierRun[FreedomRow]()
    )
    pairs_before = [row.freedoms for row in earlier.rows.values() if len(row.freedoms) > 1]
    if two_by_two:
        together = two_at_a_time(chosen, how.seed)
    else:
        together = [(each,) for each in chosen]
        together += choose_pairs(chosen, number, how.seed, pairs_before)
    by_name = {name_of(tuple(each.name for each in some)): some for some in together}
    started = time.perf_counter()
    tried = try_rows(
        list(by_name),
        lambda some, workers, on_row: run_freedoms(
            [by_name[name] for name in some],
            workers,
            on_row,
            how.profile,
            how.requirements,
            not_alone=two_by_two,
        ),
        on_row,
        earlier=earlier.rows,
        is_right=is_free,
        is_enough=lambda _: True,
        workers=how.workers,
        second_try=how.second_try,
    )
    matrix = FreedomMatrix(
        rows=tried.rows,
        again=tried.again,
        partial=not whole
        or two_by_two
        or len(tried.rows) < len(by_name)
        or number < PAIRS
        or how.profile != PROFILES[-1],
        profile=how.profile,
        requirements=how.requirements,
        seed=how.seed,
        duration_s=round(time.perf_counter() - started + earlier.duration_s, 1),
    )
    return matrix, tried.interrupted
