"""`threads-conformance merge`: one report from those of all shards of a run."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from conformance.commands.export_option import export_option, write_exports
from conformance.commands.options import report_dir_option, verbose_option
from conformance.commands.report_reading import UnusableError, read_report
from conformance.commands.run_baseline import RunBaseline, baseline_options
from conformance.contract.catalogue import load_catalogue
from conformance.report.export.formats import Export
from conformance.report.record import ReportError, report_file
from conformance.report.run.har_merging import Entries, durations, read_entries, write_entries
from conformance.report.run.terminal import TerminalView
from conformance.report.run.write import write_all
from conformance.report.score import exit_status
from conformance.runner.merging import merge
from conformance.runner.operation_timings import by_operation

_HAR = "exchanges.har"


@click.command("merge")
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path))
@report_dir_option
@export_option
@verbose_option
@baseline_options
def merge_command(
    reports: tuple[Path, ...],
    report_dir: Path,
    exports: tuple[Export, ...],
    verbose: bool,
    baseline: Path | None,
    strict_baseline: bool,
    write_baseline: Path | None,
) -> None:
    """Make one report of the reports of all shards of a run (`run --shard I/N`).

    REPORTS are report.json (or report.json.gz) files, or folders that hold one, in any order. The
    verdicts are those of the same run without --shard. Where each has its exchanges.har beside it,
    these are merged too.

    Exit status: as of `run`; 2 where the reports are not all the shards of one run.
    """
    baselining = RunBaseline.from_options(baseline, write_baseline, strict=strict_baseline)
    catalogue = load_catalogue()
    read = [read_report(each) for each in reports]
    try:
        parts = _entries(reports)
        operations = by_operation(each for part in parts for each in durations(part))
        merged = merge(read, catalogue, operations)
        judgement = baselining.apply(merged, keyword="narrowed" if merged.run.narrowed else "")
        merged = judgement.report if judgement else merged
        har = partial(write_entries, parts, suite_version=merged.suite_version)
        files = write_all(merged, catalogue.requirements, har, report_dir)
    except ReportError as unusable:
        raise UnusableError(str(unusable)) from unusable
    notes = baselining.lines(judgement)
    notes += write_exports(exports, merged, catalogue.requirements)
    TerminalView(verbose=verbose).finish(merged, catalogue.requirements, files, notes=notes)
    sys.exit(baselining.finish(judgement, exit_status(merged.verdict)))


def _entries(reports: tuple[Path, ...]) -> list[Entries]:
    """Return the entries of the exchanges.har of each report; none unless all have one."""
    files = [report_file(each).with_name(_HAR) for each in reports]
    if missing := [str(each) for each in files if not each.exists()]:
        click.echo(
            f"Warning: {', '.join(missing[:3])} {'is' if len(missing) == 1 else 'are'} missing: "
            "the merged report has neither exchanges nor durations of operations",
            err=True,
        )
        return []
    return [read_entries(each) for each in files]
