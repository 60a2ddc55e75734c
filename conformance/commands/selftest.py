"""`threads-conformance selftest`: faults and freedoms of the reference against the checks."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from conformance.commands.requirements import find_requirements
from conformance.commands.serve import find_fault, find_freedom, load_faults, load_freedoms
from conformance.contract.catalogue import PROFILES, load_catalogue
from conformance.deployment.settings import DEFAULT_SEED
from conformance.freedoms.registry import Freedom
from conformance.selftest import fault_report, freedom_report
from conformance.selftest.fault_matrix import choose_narrow, run_matrix
from conformance.selftest.fault_row import Row
from conformance.selftest.freedom_matrix import run_freedoms
from conformance.selftest.freedom_pairs import PAIRS, choose_pairs
from conformance.selftest.freedom_row import FreedomRow, name_of
from conformance.selftest.processes import SelftestError
from conformance.selftest.second_try import with_second_try


class _NotJudged(click.ClickException):
    exit_code = 3


@click.command("selftest")
@click.option("--freedoms", is_flag=True, help="Try freedoms instead of faults; no check may fail.")
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME", help="Only this fault; may be repeated."
)
@click.option(
    "--freedom", "named", multiple=True, metavar="NAME", help="Only this freedom; may be repeated."
)
@click.option(
    "--matching",
    metavar="TEXT",
    default="",
    help="Only faults or freedoms whose name contains TEXT, and faults that break a requirement "
    "whose id contains it.",
)
@click.option(
    "--requirement",
    "requirements",
    multiple=True,
    metavar="ID",
    help="Only the checks of this requirement, and the faults that break it; may be repeated.",
)
@click.option(
    "--pairs",
    type=click.IntRange(0),
    help="Number of pairs of the chosen freedoms to try.  "
    f"[default: {PAIRS} for all freedoms, else none]",
)
@click.option(
    "--seed",
    type=int,
    default=DEFAULT_SEED,
    show_default=True,
    help="Seed for the choice of the pairs, and of the faults that all checks try.",
)
@click.option(
    "--all-checks",
    type=click.IntRange(0, 100),
    default=100,
    show_default=True,
    metavar="PERCENT",
    help="Of how many faults all checks are tried, which takes most of the time; of the others "
    "only those of the requirements that they break.",
)
@click.option(
    "--second-try",
    is_flag=True,
    help="Try what is not as it should be once more at the end, alone: a busy machine may have "
    "been the cause. The result says what was tried twice.",
)
@click.option(
    "-n",
    "workers",
    type=click.IntRange(1, 64),
    default=max(1, min(os.cpu_count() or 1, 8)),
    help="Number of parallel processes.  [default: one per core, at most 8]",
)
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default=PROFILES[-1],
    show_default=True,
    help="Profile whose checks are tried.",
)
@click.option(
    "--report-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where selftest.json and selftest.md go.  [default: reports, for the whole matrix]",
)
def selftest_command(
    freedoms: bool,
    faults: tuple[str, ...],
    named: tuple[str, ...],
    matching: str,
    requirements: tuple[str, ...],
    pairs: int | None,
    seed: int,
    all_checks: int,
    second_try: bool,
    workers: int,
    profile: str,
    report_dir: Path | None,
) -> None:
    """Test that every check notices the faults that it should notice, and nothing else.

    Each fault breaks the reference deployment in one way, and must be noticed by
    exactly the requirements that it breaks. With --freedoms each freedom, alone and in
    pairs, alters it in a way that is right, and nothing may be noticed. Exit status: 0
    if all is so, and every MUST and SHOULD has a fault; else 1.
    """
    freedoms = freedoms or bool(named)
    if freedoms and faults:
        raise click.UsageError(
            "--fault excludes --freedom and --freedoms: give either faults or freedoms"
        )
    if freedoms and all_checks < 100:
        raise click.UsageError("--all-checks is about faults: every check tries each freedom")
    if not freedoms and pairs is not None:
        raise click.UsageError("--pairs are pairs of freedoms: give --freedoms as well")
    catalogue = load_catalogue()
    judged = find_requirements(catalogue, requirements)
    try:
        if freedoms:
            good = _try_freedoms(
                named, matching, judged, pairs, seed, second_try, workers, profile, report_dir
            )
        else:
            good = _try_faults(
                faults,
                matching,
                judged,
                all_checks,
                seed,
                second_try,
                workers,
                profile,
                report_dir,
            )
    except SelftestError as broken:
        raise _NotJudged(str(broken)) from broken
    sys.exit(0 if good else 1)


def _try_faults(
    names: tuple[str, ...],
    matching: str,
    requirements: tuple[str, ...],
    all_checks: int,
    seed: int,
    second_try: bool,
    workers: int,
    profile: str,
    report_dir: Path | None,
) -> bool:
    faults = load_faults()
    named = [find_fault(name).name for name in names]
    for name in named:
        breaks = faults[name].breaks
        if requirements and not set(requirements) & set(breaks):
            raise click.UsageError(
                f"the fault {name} breaks {', '.join(breaks)}, and not {', '.join(requirements)}"
            )
    chosen = [
        each.name
        for each in faults.values()
        if (not named or each.name in named)
        and (matching in each.name or any(matching in one for one in each.breaks))
        and (named or not requirements or set(requirements) & set(each.breaks))
    ]
    if not chosen:
        raise click.UsageError(f"no fault matches {matching or ', '.join(requirements)!r}")
    started = time.perf_counter()

    def print_row(row: Row) -> None:
        click.echo(fault_report.as_line(row))

    narrow = choose_narrow(chosen, all_checks, seed)

    def run(names: list[str], processes: int) -> list[Row]:
        return run_matrix(names, processes, print_row, profile, requirements, narrow)

    rows = run(chosen, min(workers, len(chosen)))
    again: tuple[str, ...] = ()
    if second_try:
        rows, again = with_second_try(
            rows, fault_report.is_killed, lambda row: row.fault, lambda names: run(names, 1)
        )
    matrix = fault_report.Matrix(
        rows=tuple(rows),
        again=again,
        partial=len(chosen) < len(faults) or bool(requirements) or profile != PROFILES[-1],
        profile=profile,
        narrow=len(narrow),
        duration_s=round(time.perf_counter() - started, 1),
    )
    click.echo(fault_report.as_summary(matrix))
    _write(partial(fault_report.write, matrix), report_dir, whole=not (matrix.partial or narrow))
    return matrix.sharp


def _try_freedoms(
    names: tuple[str, ...],
    matching: str,
    requirements: tuple[str, ...],
    pairs: int | None,
    seed: int,
    second_try: bool,
    workers: int,
    profile: str,
    report_dir: Path | None,
) -> bool:
    freedoms = load_freedoms()
    named = [find_freedom(name).name for name in names]
    chosen = [
        each
        for each in freedoms.values()
        # A freedom that is named is tried whatever the profile.
        if (each.name in named if named else each.within(profile)) and matching in each.name
    ]
    if not chosen:
        raise click.UsageError(f"no freedom matches {matching!r}")
    whole = not (named or matching or requirements)
    number = (PAIRS if whole else 0) if pairs is None else pairs
    together: list[tuple[Freedom, ...]] = [(each,) for each in chosen]
    together += choose_pairs(chosen, number, seed)
    started = time.perf_counter()

    def print_row(row: FreedomRow) -> None:
        click.echo(freedom_report.as_line(row))

    by_name = {name_of(tuple(each.name for each in some)): some for some in together}

    def run(names: list[str], processes: int) -> list[FreedomRow]:
        some = [by_name[name] for name in names]
        return run_freedoms(some, processes, print_row, profile, requirements)

    rows = run(list(by_name), min(workers, len(by_name)))
    again: tuple[str, ...] = ()
    if second_try:
        rows, again = with_second_try(
            rows, freedom_report.is_free, lambda row: row.name, lambda names: run(names, 1)
        )
    matrix = freedom_report.FreedomMatrix(
        rows=tuple(rows),
        again=again,
        partial=not whole or number < PAIRS or profile != PROFILES[-1],
        profile=profile,
        seed=seed,
        duration_s=round(time.perf_counter() - started, 1),
    )
    click.echo(freedom_report.as_summary(matrix))
    _write(partial(freedom_report.write, matrix), report_dir, whole=not matrix.partial)
    return matrix.fair


def _write(write: Callable[[Path], None], report_dir: Path | None, *, whole: bool) -> None:
    """Write a matrix to `report_dir`; by default only a whole one is written, to `reports`."""
    if report_dir is None and not whole:
        return
    report_dir = report_dir or Path("reports")
    write(report_dir)
    click.echo(f"Written to {report_dir}: selftest.json, selftest.md")
