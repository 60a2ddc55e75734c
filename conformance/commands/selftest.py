"""`threads-conformance selftest`: every fault of the reference against the checks."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from conformance.commands.serve import find_fault
from conformance.contract.catalogue import PROFILES
from conformance.reference.faults import all_faults
from conformance.selftest.matrix import SelftestError, run_matrix
from conformance.selftest.report import Matrix, as_line, as_summary, write
from conformance.selftest.row import Row


class _NotJudged(click.ClickException):
    exit_code = 3


@click.command("selftest")
@click.option(
    "--fault", "names", multiple=True, metavar="NAME", help="Only this fault; may be repeated."
)
@click.option(
    "--matching", metavar="TEXT", default="", help="Only faults whose name or requirements hold it."
)
@click.option(
    "-n",
    "workers",
    type=click.IntRange(1, 64),
    default=max(1, min(os.cpu_count() or 1, 8)),
    help="Processes beside each other.  [default: one per core]",
)
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default=PROFILES[-1],
    show_default=True,
    help="The checks to try.",
)
@click.option(
    "--report-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where selftest.json and selftest.md go.  [default: reports, for the whole matrix]",
)
def selftest_command(
    names: tuple[str, ...], matching: str, workers: int, profile: str, report_dir: Path | None
) -> None:
    """Does every check notice what it is there for?

    Each fault breaks the reference deployment in one way, and must be noticed by
    exactly the requirements that it breaks. Exit status: 0 if every fault is, and
    every MUST and SHOULD has one; else 1.
    """
    faults = all_faults()
    named = [find_fault(name).name for name in names]
    chosen = [
        each.name
        for each in faults.values()
        if (not named or each.name in named)
        and (matching in each.name or any(matching in one for one in each.breaks))
    ]
    if not chosen:
        raise click.UsageError(f"no fault matches {matching!r}")
    started = time.perf_counter()

    def told(row: Row) -> None:
        click.echo(as_line(row))

    try:
        rows = run_matrix(chosen, workers, told, profile)
    except SelftestError as broken:
        raise _NotJudged(str(broken)) from broken
    matrix = Matrix(
        rows=tuple(rows),
        partial=len(chosen) < len(faults),
        profile=profile,
        duration_s=round(time.perf_counter() - started, 1),
    )
    click.echo(as_summary(matrix))
    if report_dir or not matrix.partial:
        report_dir = report_dir or Path("reports")
        write(matrix, report_dir)
        click.echo(f"Written to {report_dir}: selftest.json, selftest.md")
    sys.exit(0 if matrix.sharp else 1)
