"""`threads-conformance baselines`: what the servers on the board are known to break."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from conformance.commands.report_reading import UnusableError
from conformance.report.baseline.file import BaselineError, read_baseline
from conformance.report.baseline.known import (
    PREFIX,
    derive_all,
    differing,
    known_baselines,
    known_file,
    known_folder,
    published_reports,
)
from conformance.report.plain_text import counted
from conformance.report.record import ReportError
from conformance.report.run.write import write_text


@click.group("baselines")
def baselines_command() -> None:
    """Tell what the servers on the board are known to break.

    `run --baseline known:NAME==VERSION` accepts that, and nothing else.

    Exit status: that of its command.
    """


@baselines_command.command("list")
def list_command() -> None:
    """List the known baselines, with the day and the profile of the report they are made of.

    Exit status: 0 listed, 2 wrong usage.
    """
    for each in known_baselines():
        entries = counted(len(read_baseline(known_file(each.name))), "requirement")
        click.echo(f"{PREFIX}{each.name}  {entries}, profile {each.profile}, {each.date}")


@baselines_command.command("show")
@click.argument("name", metavar="NAME==VERSION")
def show_command(name: str) -> None:
    """Print one, to begin a baseline of your own with.

    Exit status: 0 printed, 2 wrong usage: there is none of that name.
    """
    try:
        text = known_file(name.removeprefix(PREFIX)).read_text("utf-8")
    except BaselineError as unknown:
        raise UnusableError(str(unknown)) from unknown
    click.echo(text, nl=False)


@baselines_command.command("derive")
@click.option("--check", "checks", is_flag=True, help="Only say whether they are as derived.")
def derive_command(checks: bool) -> None:
    """Derive them anew of the published reports of this checkout, and write them.

    Exit status: 0 written, or as derived, 1 with --check: not as derived, 2 wrong usage: there are
    no published reports here, or one cannot be used.
    """
    reports = published_reports()
    if not reports:
        raise click.UsageError("there are no published reports: derive them in a checkout")
    try:
        derived = derive_all(reports)
        wrong = differing(derived)
        if not checks:
            _write(derived)
    except (BaselineError, ReportError) as unusable:
        raise UnusableError(str(unusable)) from unusable
    if not checks:
        changed = f": {', '.join(wrong)} changed" if wrong else ", none changed"
        click.echo(f"wrote {counted(len(derived), 'baseline')} to {known_folder()}{changed}")
        return
    if wrong:
        for each in wrong:
            click.echo(f"{each} is not as the published reports give it")
        click.echo("Run `threads-conformance baselines derive` and commit what it writes.")
        sys.exit(1)
    click.echo("the known baselines agree with the published reports")


def _write(derived: dict[Path, str]) -> None:
    for file, text in derived.items():
        write_text(file, text, option="checkout")
    for file in known_folder().glob("*.toml"):
        if file not in derived:
            file.unlink()
