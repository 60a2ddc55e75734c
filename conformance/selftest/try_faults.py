"""One run of the kill matrix: the faults that are tried, and the earlier rows that are enough."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from conformance.contract.catalogue import PROFILES
from conformance.faults.registry import Fault, all_faults
from conformance.runner.server_errors import INTERNAL_ERROR
from conformance.selftest.fault_matrix import run_matrix
from conformance.selftest.fault_row import Matrix, Row, is_killed
from conformance.selftest.matrix_files import EarlierRun, read_earlier_faults
from conformance.selftest.try_rows import MatrixOptions, try_rows


def choose_faults(
    faults: Iterable[Fault], named: Collection[str], how: MatrixOptions, *, every: bool = False
) -> list[str]:
    """Return the names of the faults that are tried: those `named`, or all, that the options fit.

    Without names, faults that break none of the `requirements` of the options are left out, unless
    `every`.
    """
    return [
        each.name
        for each in faults
        if (not named or each.name in named)
        and (how.matching in each.name or any(how.matching in one for one in each.breaks))
        and (named or every or not how.requirements or set(how.requirements) & set(each.breaks))
    ]


def choose_narrow(faults: Iterable[str], percent: int, seed: int) -> frozenset[str]:
    """Return the faults that are not tried by all checks: all but about `percent` %, by the seed.

    A fault that any answer of a run can reveal is always tried by all checks.
    """
    known = all_faults()
    chosen = random.Random(seed)
    return frozenset(
        each
        for each in faults
        # Drawn for each fault, so that a new fault does not change the choice of those before it.
        if chosen.random() * 100 >= percent and not _concerns_every_answer(known[each])
    )


def _concerns_every_answer(fault: Fault) -> bool:
    return INTERNAL_ERROR in fault.breaks


def try_faults(
    chosen: Sequence[str], all_checks: int, how: MatrixOptions, on_row: Callable[[Row], None]
) -> tuple[Matrix, bool]:
    """Try faults, and return their matrix, and whether the user interrupted it.

    All checks are tried on about `all_checks` % of them. `on_row` is called with each new row.
    Raises `NoRowsError` if the options ask for rows of an earlier run and there are none.
    """
    faults = all_faults()
    started = time.perf_counter()

    narrow = choose_narrow(chosen, all_checks, how.seed)
    # The checks of few faults are shared out; they wait half of their time.
    parts = max(1, 2 * how.workers // max(len(chosen), 1))
    earlier = (
        read_earlier_faults(how.directory, how.profile, how.requirements)
        if how.again
        else EarlierRun[Row]()
    )

    def is_enough(row: Row) -> bool:
        # The row must be of the fault as it is today, and made by all checks that are wanted.
        breaks = faults[row.fault].breaks
        if how.requirements:
            breaks = tuple(each for each in breaks if each in how.requirements)
        return row.breaks == breaks and (row.fault in narrow or not row.narrow)

    tried = try_rows(
        chosen,
        lambda some, workers, on_row: run_matrix(
            some, workers, on_row, how.profile, how.requirements, narrow, parts
        ),
        on_row,
        earlier=earlier.rows,
        is_right=is_killed,
        is_enough=is_enough,
        workers=how.workers,
        second_try=how.second_try,
    )
    matrix = Matrix(
        rows=tried.rows,
        again=tried.again,
        partial=len(tried.rows) < len(faults)
        or bool(how.requirements)
        or how.profile != PROFILES[-1],
        profile=how.profile,
        requirements=how.requirements,
        duration_s=round(time.perf_counter() - started + earlier.duration_s, 1),
    )
    return matrix, tried.interrupted
