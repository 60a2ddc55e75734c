"""`threads-conformance github`: a run's annotations, job summary and outputs on GitHub Actions."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from conformance.commands.report_reading import UnusableError, read_report
from conformance.contract.catalogue import load_catalogue
from conformance.report.export.github import (
    MOST_SHOWN,
    Annotation,
    annotations_of,
    outputs,
    without_report,
)
from conformance.report.record import Report, report_file
from conformance.report.run.markdown import markdown_report
from conformance.report.score import exit_status
from conformance.safe_text import redacted, without_commands


@click.command("github")
@click.argument("report_dir", metavar="REPORT", type=click.Path(path_type=Path))
@click.option(
    "--status",
    type=click.IntRange(0, 255),
    metavar="N",
    help="The exit status of the run; by default that of its verdict. Without a report it tells "
    "why there is none.",
)
@click.option(
    "--annotations",
    "limit",
    type=click.IntRange(1),
    default=MOST_SHOWN,
    show_default=True,
    help="How many errors, and how many warnings, are annotated at most.",
)
def github_command(report_dir: Path, status: int | None, limit: int) -> None:
    """Show a report on GitHub Actions: annotations, the job summary, outputs of the step.

    REPORT is a report.json or the folder that holds it. Annotations are printed; the summary is
    added to the file that GITHUB_STEP_SUMMARY names, and outputs (verdict, summary, exit-status,
    kept, broken, undecided, report-dir) to that of GITHUB_OUTPUT, where they are set.

    Exit status: 0 shown, whatever the verdict, 2 wrong usage: the report or a file cannot be used.
    """
    report, shown, summary = _what_to_show(report_dir, status, limit)
    if status is None:
        status = exit_status(report.verdict) if report else 0
    _append("GITHUB_STEP_SUMMARY", without_commands(summary))
    folder = report_file(report_dir).parent if report else report_dir
    lines = (f"{name}={value}\n" for name, value in outputs(report, status, folder).items())
    _append("GITHUB_OUTPUT", "".join(lines))
    _print_commands(shown)


def _what_to_show(
    path: Path, status: int | None, limit: int
) -> tuple[Report | None, Iterable[Annotation], str]:
    """Return the report, if there is one, its annotations and the text of the job summary."""
    if status is not None and not report_file(path).exists():
        found = without_report(status)
        return None, [found], f"# No verdict\n\n{found.message}\n"
    report = read_report(path)
    requirements = load_catalogue().requirements
    return (
        report,
        annotations_of(report, requirements, limit),
        markdown_report(report, requirements),
    )


def _append(variable: str, text: str) -> None:
    """Add a text to the file that an environment variable names, if it is set."""
    name = os.environ.get(variable)
    if not name:
        return
    try:
        with Path(name).open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as refused:
        raise UnusableError(
            f"cannot write to {name}, which {variable} names ({refused.strerror})"
        ) from refused


def _print_commands(shown: Iterable[Annotation]) -> None:
    """Print workflow commands, which are all that this program ever says to a CI system.

    Standard output is guarded against them (`conformance.output`): these go around the guard, and
    are escaped by `Annotation.command`.
    """
    text = "".join(f"{redacted(each.command())}\n" for each in shown)
    sys.stdout.flush()
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:
        sys.stdout.write(text)
        return
    stream.write(text.encode("utf-8", "backslashreplace"))
    stream.flush()
