"""`threads-conformance selftest`: faults and freedoms of the reference against the checks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from conformance.commands import completion
from conformance.commands.requirements import find_requirements
from conformance.commands.serve import find_fault, find_freedom, load_faults, load_freedoms
from conformance.contract.catalogue import PROFILES, load_catalogue
from conformance.deployment.settings import DEFAULT_SEED
from conformance.selftest import fault_report, freedom_report
from conformance.selftest.fault_row import Outcome, Row
from conformance.selftest.freedom_pairs import PAIRS
from conformance.selftest.matrix_files import NoRowsError
from conformance.selftest.processes import SelftestError
from conformance.selftest.try_faults import choose_faults, try_faults
from conformance.selftest.try_freedoms import choose_freedoms, try_freedoms
from conformance.selftest.try_rows import MatrixOptions


class _NotJudged(click.ClickException):
    exit_code = 3


@click.command("selftest")
@click.option("--freedoms", is_flag=True, help="Try freedoms instead of faults; no check may fail.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.fault_names,
    help="Only this fault; may be repeated.",
)
@click.option(
    "--freedom",
    "named",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.freedom_names,
    help="Only this freedom; may be repeated.",
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
    shell_complete=completion.requirement_ids,
    help="Only the checks of this requirement, and the faults that break it; may be repeated.",
)
@click.option(
    "--every-fault",
    is_flag=True,
    help="With --requirement: try its checks on every fault, to find those that break it and do "
    "not name it.",
)
@click.option(
    "--pairs",
    type=click.IntRange(0),
    help="Number of pairs of the chosen freedoms to try.  "
    f"[default: {PAIRS} for all freedoms, else none]",
)
@click.option(
    "--two-by-two",
    is_flag=True,
    help="With --freedoms: try each freedom once, two at a time and none alone, which takes about "
    "half as long.",
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
    "been the cause. The result says what was tried again.",
)
@click.option(
    "--again",
    is_flag=True,
    help="Keep the rows of the run in --report-dir that are as they should be, and try only the "
    "others. The result says what was tried again.",
)
@click.option(
    "-n",
    "workers",
    type=click.IntRange(1, 64),
    default=max(1, min(os.cpu_count() or 1, 8)),
    help="Number of parallel processes; of faults that are fewer, the checks are shared out to "
    "twice as many.  [default: one per core, at most 8]",
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
    every_fault: bool,
    pairs: int | None,
    two_by_two: bool,
    seed: int,
    all_checks: int,
    second_try: bool,
    again: bool,
    workers: int,
    profile: str,
    report_dir: Path | None,
) -> None:
    """Test that every check notices the faults that it should notice, and nothing else.

    Each fault breaks the reference deployment in one way, and must be noticed by
    exactly the requirements that it breaks. With --freedoms each freedom, alone and in
    pairs, alters it in a way that is right, and nothing may be noticed.

    Exit status: 0 all is so, and every MUST and SHOULD has a fault, 1 it is not, 2 wrong usage,
    3 nothing could be tried.
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
    if two_by_two and (not freedoms or pairs is not None or again):
        raise click.UsageError(
            "--two-by-two is about freedoms, which it pairs by itself: give --freedoms as well, "
            "and neither --pairs nor --again"
        )
    if every_fault and (freedoms or faults or not requirements):
        raise click.UsageError(
            "--every-fault says which faults are tried on the checks of "
            "--requirement: give that, and no --fault, --freedom or --freedoms"
        )
    catalogue = load_catalogue()
    how = MatrixOptions(
        matching=matching,
        requirements=find_requirements(catalogue, requirements),
        seed=seed,
        second_try=second_try,
        again=again,
        workers=workers,
        profile=profile,
        report_dir=report_dir,
    )
    try:
        good = (
            _try_freedoms(named, pairs, how, two_by_two=two_by_two)
            if freedoms
            else _try_faults(faults, all_checks, how, every=every_fault)
        )
    except NoRowsError as none:
        raise click.UsageError(str(none)) from none
    except SelftestError as broken:
        raise _NotJudged(str(broken)) from broken
    sys.exit(0 if good else 1)


def _try_faults(
    names: tuple[str, ...], all_checks: int, how: MatrixOptions, *, every: bool
) -> bool:
    faults = load_faults()
    named = [find_fault(name).name for name in names]
    for name in named:
        breaks = faults[name].breaks
        if how.requirements and not set(how.requirements) & set(breaks):
            raise click.UsageError(
                f"the fault {name} breaks {', '.join(breaks)}, "
                f"and not {', '.join(how.requirements)}"
            )
    chosen = choose_faults(faults.values(), named, how, every=every)
    if not chosen:
        wanted = how.matching or ", ".join(how.requirements)
        raise click.UsageError(f"no fault matches {wanted!r}")
    matrix, interrupted = try_faults(chosen, all_checks, how, _print_row)
    click.echo(fault_report.as_summary(matrix))
    _write(partial(fault_report.write, matrix), how, whole=not (matrix.partial or matrix.narrow))
    _check_not_interrupted(interrupted)
    return matrix.sharp


def _print_row(row: Row) -> None:
    # With --every-fault nearly all faults are left alone: the summary counts them.
    if row.outcome is not Outcome.LEFT_ALONE:
        click.echo(fault_report.as_line(row))


def _try_freedoms(
    names: tuple[str, ...], pairs: int | None, how: MatrixOptions, *, two_by_two: bool
) -> bool:
    freedoms = load_freedoms()
    named = [find_freedom(name).name for name in names]
    chosen = choose_freedoms(freedoms.values(), named, how)
    if not chosen:
        raise click.UsageError(f"no freedom matches {how.matching!r}")
    matrix, interrupted = try_freedoms(
        chosen,
        pairs,
        how,
        lambda row: click.echo(freedom_report.as_line(row)),
        whole=not (named or how.matching or how.requirements),
        two_by_two=two_by_two,
    )
    click.echo(freedom_report.as_summary(matrix))
    _write(partial(freedom_report.write, matrix), how, whole=not matrix.partial)
    _check_not_interrupted(interrupted)
    return matrix.fair


def _write(write: Callable[[Path], None], how: MatrixOptions, *, whole: bool) -> None:
    """Write a matrix to the folder of the run; without --report-dir only if it is whole."""
    if how.report_dir is None and not whole:
        return
    write(how.directory)
    click.echo(f"Written to {how.directory}: selftest.json, selftest.md")


def _check_not_interrupted(interrupted: bool) -> None:
    """Raise an error, after all was written, if the user interrupted the matrix."""
    if interrupted:
        raise _NotJudged("interrupted: --again continues with what was not tried")
