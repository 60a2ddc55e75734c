"""`threads-conformance compare`: what changed from one report to another."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from conformance.commands.format_option import format_option
from conformance.commands.report_reading import UnusableError, read_report
from conformance.contract.catalogue import load_catalogue
from conformance.report.compare.comparison_json import comparison_json
from conformance.report.compare.html import comparison_html
from conformance.report.compare.markdown import comparison_markdown
from conformance.report.compare.model import ReportComparison, compare_reports
from conformance.report.compare.terminal import comparison_text
from conformance.report.compare.wording import headline
from conformance.report.record import ReportError
from conformance.report.run.write import write_text

_WRITERS: dict[str, Callable[[ReportComparison], str]] = {
    "text": comparison_text,
    "markdown": comparison_markdown,
    "json": lambda comparison: json.dumps(comparison_json(comparison), indent=2) + "\n",
    "html": comparison_html,
}


@click.command("compare")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option(
    "--repeated",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="REPORT",
    help="A further run like OLD; may be repeated. A change of speed counts only beyond what OLD "
    "and these differ among themselves.",
)
@format_option("Output format; markdown suits a comment on a pull request.", _WRITERS)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the comparison to this file, and print only the result.",
)
def compare_command(
    old: Path, new: Path, repeated: tuple[Path, ...], output_format: str, output: Path | None
) -> None:
    """Tell what changed from the report OLD to the report NEW.

    Each is a report.json or the folder that holds it. Only checks that both reports have
    are compared. A regression is a check that passed in OLD and does not pass in NEW.
    Regressions of a MAY, and those that the baseline of NEW accepts, are reported but do
    not count; neither do changes of speed.

    Exit status: 0 no regression, 1 a regression of a MUST or SHOULD, 2 a report cannot
    be used.
    """
    try:
        comparison = compare_reports(
            read_report(old),
            read_report(new),
            load_catalogue().requirements,
            [read_report(each) for each in repeated],
        )
    except ReportError as unusable:
        raise UnusableError(str(unusable)) from unusable
    text = _WRITERS[output_format](comparison)
    if output is None:
        click.echo(text, nl=False)
    else:
        try:
            write_text(output, text, option="--output")
        except ReportError as refused:
            raise UnusableError(str(refused)) from refused
        click.echo(f"{headline(comparison)}; written to {output}")
    sys.exit(1 if comparison.regressed else 0)
