"""Terminal output of a run: the progress, and the report at its end."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from conformance.contract.catalogue import LEVELS
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.output import SafeStream
from conformance.report.plain_text import counted, cut, listed, one_line, printable
from conformance.report.record import CheckResult, Deployment, Load, Report, RunInfo
from conformance.report.run.grouping import FailureGroup, failure_groups, undecided_groups
from conformance.report.run.load import EXPLAINED, HEADER, load_line, load_rows
from conformance.report.run.wording import (
    WORDS,
    CapabilityRow,
    Requirements,
    capability_rows,
    cleanup_line,
    cleanup_reasons,
    data_access_line,
    deployment_name,
    next_step,
    promises,
    skipped_by_effort_line,
    stability_note,
    unmet_optional_line,
    verdict_meaning,
    verdict_words,
)

_SHOWN_IN_FULL = 10
_VALUE_LIMIT = 600
_DIFF_LINES = 8
_PROMISES = 5
_CURL_LIMIT = 1_500
_LABEL_WIDTH = 12
_VERDICT_STYLES = {
    RunVerdict.CONFORMANT: "bold green",
    RunVerdict.NON_CONFORMANT: "bold red",
    RunVerdict.INCOMPLETE: "bold yellow",
}


@contextmanager
def uncaptured_console() -> Iterator[Console]:
    """Yield a console on a duplicate of standard output; close it after the block.

    pytest captures file descriptor 1 while it runs the checks, so that neither the output
    nor the size of the terminal would be available otherwise.
    """
    file = SafeStream(
        os.fdopen(os.dup(sys.stdout.fileno()), "wb"),
        encoding=sys.stdout.encoding,
        line_buffering=True,
    )
    width = shutil.get_terminal_size().columns if file.isatty() else None
    try:
        yield _QuietWhenClosed(file=file, width=width, highlight=False)
    finally:
        with suppress(BrokenPipeError):
            file.close()


class _QuietWhenClosed(Console):
    """A console that stops printing when its pipe is closed, so that the run still completes."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class TerminalView:
    """The terminal view of a run: call `start`, `check_finished` for each check, then `finish`.

    On a terminal the progress is live; elsewhere it is one line per capability, without
    colour. The output goes to `console`, by default to standard output.
    """

    def __init__(self, console: Console | None = None):
        self._console = console or Console(highlight=False)
        self._counts: Counter[Verdict] = Counter()
        self._capabilities: set[str] = set()
        self._progress: Progress | None = None

    def start(self, deployment: Deployment, run: RunInfo, total_checks: int) -> None:
        """Print the deployment and the settings of the run, and start to show progress."""
        known = deployment.server_name or deployment.server_version
        server = f" ({deployment_name(deployment)})" if known else ""
        self._print_line(f"Deployment {deployment.url}{server}, graph {deployment.graph_id}")
        asked = f"profile {run.profile}, effort {run.effort}, seed {run.seed}"
        self._print_line(f"{counted(total_checks, 'check')}, {asked}; {data_access_line(run)}")
        if self._console.is_terminal:
            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=12),
                MofNCompleteColumn(),
                TextColumn("{task.fields[counts]}", markup=False),
                console=self._console,
                transient=True,
            )
            self._progress.add_task("starting", total=total_checks, counts="")
            self._progress.start()

    def interrupted(self) -> None:
        """Print at once that the run was interrupted and is being cleaned up."""
        self.stop()
        self._console.print("Interrupted: the threads of the run are being removed.")

    def check_finished(self, check: CheckResult) -> None:
        """Count a finished check and update the progress."""
        self._counts[check.verdict] += 1
        if self._progress:
            counts = [f"{self._counts[each]} {WORDS[each]}" for each in WORDS if self._counts[each]]
            self._progress.update(
                self._progress.task_ids[0],
                advance=1,
                description=self._displayable(cut(one_line(check.capability), 16)),
                counts=", ".join(counts),
            )
        elif check.capability not in self._capabilities:
            self._capabilities.add(check.capability)
            self._print_line(f"checking {one_line(check.capability)}")

    def stop(self) -> None:
        """End the live display; to be called also if a run is aborted."""
        if self._progress:
            self._progress.stop()
            self._progress = None

    def finish(self, report: Report, requirements: Requirements, files: Sequence[Path]) -> None:
        """Print summary, failures, undecided requirements, the verdict and the files."""
        self.stop()
        self._console.print(self._summary_table(capability_rows(report)))
        self._print_failures(report, requirements, files)
        self._print_undecided(report)
        for said in (unmet_optional_line(report), skipped_by_effort_line(report, requirements)):
            if said:
                self._print_line(f"\n{said[0].upper()}{said[1:]}")
        if report.load:
            self._print_load(report.load)
        self._print_end(report, files)

    def _summary_table(self, rows: Sequence[CapabilityRow]) -> Table:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, title="Requirements passed")
        table.title_justify = "left"
        table.title_style = "bold"
        table.add_column("capability", overflow="fold")
        for level in LEVELS:
            table.add_column(level, justify="right", no_wrap=True)
        table.add_column("failing", overflow="fold")
        for row in rows:
            cells = [self._cell(level, *row.passed[level]) for level in LEVELS]
            table.add_row(self._text(row.capability), *cells, self._text(", ".join(row.failing)))
        return table

    def _cell(self, level: str, passed: int, of: int) -> Text:
        if not of:
            return Text("-", "dim")
        if passed == of:
            return Text(f"{passed}/{of}", "green")
        styles = {"MUST": "red", "SHOULD": "yellow", "MAY": "dim"}
        return Text(f"{passed}/{of}", styles[level])

    def _print_failures(
        self, report: Report, requirements: Requirements, files: Sequence[Path]
    ) -> None:
        found = failure_groups(report)
        if not found:
            return
        failed = sum(len(group.checks) for group in found)
        self._print_line(
            f"\nFailures: {counted(failed, 'check')}, {counted(len(found), 'cause')}", "bold"
        )
        for group in found[:_SHOWN_IN_FULL]:
            self._print_failure(group, report, requirements, files)
        if more := found[_SHOWN_IN_FULL:]:
            where = _path_of(files, "report.html")
            ids = listed([each for group in more for each in group.requirements], 12)
            self._print_line(f"\nAnd {counted(len(more), 'more cause')} ({ids}): see {where}.")

    def _print_failure(
        self,
        group: FailureGroup,
        report: Report,
        requirements: Requirements,
        files: Sequence[Path],
    ) -> None:
        check = group.checks[0]
        decided = promises(group.requirements[:_PROMISES], report, requirements)
        style = "dim" if group.baselined or group.level != "MUST" else "bold red"
        accepted = ", accepted by the baseline" if group.baselined else ""
        self._print_line(
            f"\n{group.level} {listed(group.requirements, _PROMISES)}{accepted}", style
        )
        for promise in decided:
            self._print_labelled("promise", f"{promise.id} ({promise.level}): {promise.statement}")
        if failure := check.failure:
            self._print_labelled("expected", cut(failure.expected, _VALUE_LIMIT))
            self._print_labelled("actual", cut(failure.actual, _VALUE_LIMIT))
            if failure.diff:
                lines = [cut(line, 200) for line in failure.diff[:_DIFF_LINES]]
                if unshown := len(failure.diff) - _DIFF_LINES:
                    lines += [f"and {unshown} more differences"] if unshown > 0 else []
                self._print_labelled("difference", "\n".join(lines))
            if failure.curl:
                self._print_curl(failure.curl, check, files)
        for source in dict.fromkeys(source for each in decided for source in each.sources):
            self._print_labelled("source", source)
        for disputed in dict.fromkeys(each.disputed for each in decided if each.disputed):
            self._print_labelled("disputed", disputed)
        if note := stability_note(check):
            self._print_labelled("note", note)
        self._print_labelled("check", check.id)
        if len(group.checks) > 1:
            others = [each.id for each in group.checks[1:]]
            self._print_labelled("same cause", listed(others, 3))

    def _print_curl(self, command: str, check: CheckResult, files: Sequence[Path]) -> None:
        if len(command) > _CURL_LIMIT:
            report_json = _path_of(files, "report.json")
            self._print_labelled("curl", f"too long; see threads-conformance explain {report_json}")
            self._print_indented(check.id)
            return
        # Not wrapped: a wrapped command cannot be pasted.
        self._print_line(f"  {'curl':<{_LABEL_WIDTH}}{command}")

    def _print_undecided(self, report: Report) -> None:
        found = undecided_groups(report)
        if not found:
            return
        self._print_line("\nNot decided", "bold")
        for group in found:
            said = f"{listed(group.requirements, 12)}: {cut(group.reason, 300)}"
            self._print_labelled(WORDS[group.verdict], said)

    def _print_load(self, load: Load) -> None:
        self._print_line(f"\nLoad: {load_line(load)}")
        if load.problem:
            self._print_labelled("problem", load.problem)
        if rows := load_rows(load):
            table = Table(box=SIMPLE_HEAD, pad_edge=False)
            for number, title in enumerate(HEADER):
                table.add_column(title, justify="right" if number else "left", no_wrap=True)
            for row in rows:
                table.add_row(*map(self._text, row))
            self._console.print(table)
            self._print_line(EXPLAINED, "dim")

    def _print_end(self, report: Report, files: Sequence[Path]) -> None:
        style = _VERDICT_STYLES[report.verdict]
        end = Text.assemble(
            "\n", (verdict_words(report), style), ": ", self._text(verdict_meaning(report))
        )
        self._console.print(end)
        self._console.print(
            self._text(f"Next: {next_step(report, _path_of(files, 'report.json'))}"), soft_wrap=True
        )
        self._print_line(f"Threads: {cleanup_line(report)}")
        for thread_id in report.cleanup.left[:_SHOWN_IN_FULL]:
            self._print_indented(f"still there: {thread_id}")
        for reason in cleanup_reasons(report):
            self._print_line(f"  {reason}")
        self._print_line(f"{report.run.requests} requests in {report.run.duration_s:.1f} s")
        if files:
            folder = files[0].parent
            names = ", ".join(file.name for file in files)
            self._print_line(f"Written to {folder}: {names}")

    def _print_labelled(self, label: str, value: str) -> None:
        # A grid indents the further lines of a value to its first line.
        grid = Table.grid()
        grid.add_column(width=_LABEL_WIDTH, no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(Text(label, "dim"), self._text(value))
        self._console.print(Padding(grid, (0, 0, 0, 2)))

    def _print_indented(self, value: str) -> None:
        self._console.print(Padding(self._text(value), (0, 0, 0, 2)))

    def _print_line(self, value: str, style: str = "") -> None:
        self._console.print(Text(self._displayable(value), style), soft_wrap=True)

    def _text(self, value: str) -> Text:
        return Text(self._displayable(value), overflow="fold")

    def _displayable(self, value: str) -> str:
        """Return `value` with what the terminal cannot show escaped."""
        encoding = self._console.encoding
        return printable(value).encode(encoding, "backslashreplace").decode(encoding)


def _path_of(files: Sequence[Path], name: str) -> str:
    return next((str(file) for file in files if file.name == name), name)
