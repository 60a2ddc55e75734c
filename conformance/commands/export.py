"""`threads-conformance export`: a report in the format of another program."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.commands.report_reading import UnusableError, read_report
from conformance.contract.catalogue import load_catalogue
from conformance.report.export.formats import FOLDERS, FORMATS, TEXTS, Export
from conformance.report.record import ReportError
from conformance.safe_text import without_commands


@click.command("export")
@click.argument("report", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    required=True,
    help="sarif for code scanning, ctrf and allure for test reports, junit for CI systems, badge "
    "for an SVG image, shields for the JSON of a badge by shields.io.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to write, or for allure the folder; without it, to standard output.",
)
def export_command(report: Path, format_name: str, output: Path | None) -> None:
    """Write a report in the format of another program.

    REPORT is a report.json (or report.json.gz) or the folder that holds it. What the baseline of
    its run accepted is shown as accepted. Messages hold no id or time of the run, so that those of
    two runs can be compared.

    Exit status: 0 written, 2 wrong usage: the report or the file cannot be used.
    """
    read = read_report(report)
    requirements = load_catalogue().requirements
    if output is None:
        if format_name in FOLDERS:
            raise click.UsageError(f"{format_name} is several files: name a folder with -o")
        click.echo(without_commands(TEXTS[format_name](read, requirements)), nl=False)
        return
    try:
        Export(format_name, output).write(read, requirements)
    except ReportError as refused:
        raise UnusableError(str(refused)) from refused
    click.echo(f"Written to {output}")
