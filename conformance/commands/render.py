"""`threads-conformance render`: report.html from any report."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.commands.options import reference_within_option
from conformance.commands.reference_answers import ask_reference
from conformance.commands.report_reading import UnusableError, read_report
from conformance.commands.server_options import print_progress
from conformance.contract.catalogue import load_catalogue
from conformance.report.record import ReportError, report_file
from conformance.report.run.html import html_report
from conformance.report.run.write import write_text


@click.command("render")
@click.argument("report", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the page goes; by default report.html beside the report.",
)
@reference_within_option(60)
def render_command(report: Path, output: Path | None, reference_within_s: float) -> None:
    """Make report.html of a report, whoever made it and when.

    REPORT is a report.json (or report.json.gz) file, or a folder that holds one. The page is one
    file, which needs no network and shows everything without scripts. Promises and sources are
    those of this version's catalogue. Nothing is sent to the deployment of the report.

    Exit status: 0 written, 2 wrong usage: the report cannot be read, or the page not be written.
    """
    read = read_report(report)
    reference = (
        ask_reference(read, reference_within_s, print_progress) if reference_within_s else {}
    )
    page = html_report(read, load_catalogue().requirements, None, reference)
    file = output or report_file(report).with_name("report.html")
    try:
        write_text(file, page, option="--output")
    except ReportError as refused:
        raise UnusableError(str(refused)) from refused
    click.echo(f"Written: {file}")
