"""`board --run`: the runs of a file of servers, told as they begin and end."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from conformance.commands.report_reading import UnusableError
from conformance.deployment.delivery.interruption import signals_as_interrupt
from conformance.many_servers.plan import PlanError, PlannedRun, read_plan
from conformance.many_servers.runs import EndedRun, SideBySide
from conformance.report.plain_text import counted
from conformance.safe_text import harmless

#: What a status of `run` says.
_MEANINGS = {
    0: "conformant",
    1: "non-conformant",
    2: "wrong usage",
    3: "incomplete",
    4: "a defect of this suite",
}
#: Lines of a run's output that are shown where it wrote no report.
_SHOWN = 4


def run_servers(file: Path, directory: Path) -> tuple[list[Path], bool]:
    """Run the servers of a file; return their reports, and whether each wrote one.

    Each report goes to a folder of `directory`, with what its run printed in output.txt. Raises
    click's errors for a file that cannot be used.
    """
    try:
        plan = read_plan(file)
    except PlanError as unusable:
        raise UnusableError(str(unusable)) from unusable
    click.echo(
        f"{counted(len(plan.runs), 'server')}, profile {plan.profile}, on at most "
        f"{counted(plan.cores, 'core')}",
        err=True,
    )
    try:
        with signals_as_interrupt(), SideBySide(plan, directory) as side_by_side:
            ended = side_by_side.run_all(_tell_begun, _tell_ended)
    except KeyboardInterrupt:
        click.echo(
            "Interrupted, and so were the runs under way: their output.txt says what they removed. "
            "No board is made",
            err=True,
        )
        sys.exit(3)
    return [each.report for each in ended if each.report], all(each.report for each in ended)


def _tell_begun(run: PlannedRun, under_way: int) -> None:
    click.echo(f"{run.name}: begun, {counted(under_way, 'run')} under way", err=True)


def _tell_ended(ended: EndedRun) -> None:
    meaning = _MEANINGS.get(ended.status, f"ended with status {ended.status}")
    click.echo(f"{ended.run.name}: {meaning}, {ended.seconds:.0f} s", err=True)
    if ended.report is None:
        lines = ended.output.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in [each for each in lines if each.strip()][-_SHOWN:]:
            click.echo(f"  {harmless(line)}", err=True)
        click.echo(f"  no report; all that it printed: {ended.output}", err=True)
