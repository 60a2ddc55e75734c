"""Terminal output of a run: the progress, and the report at its end."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
)
from rich.text import Text

from conformance.contract.verdicts import Verdict
from conformance.output import SafeStream
from conformance.report.plain_text import counted, cut, displayable, one_line
from conformance.report.record import CheckResult, Deployment, Report, RunInfo
from conformance.report.run.load import load_line
from conformance.report.run.next_commands import RunAgain, next_commands
from conformance.report.run.one_screen import Line, end_lines, height_for, result_lines
from conformance.report.run.terminal_details import Details
from conformance.report.run.time_left import TimeLeft
from conformance.report.run.wording import (
    WORDS,
    Requirements,
    data_access_line,
    deployment_name,
    time_line,
)

#: Without a terminal the progress is told this often in a run.
_PROGRESS_LINES = 5
#: The mark of a failure and that of a cut line, and what a terminal gets that cannot show them.
_MARK, _PLAIN_MARK = "✗", "x"
_CUT, _PLAIN_CUT = "…", "..."

#: Columns of what is no terminal, such as the log of a CI system, where COLUMNS says nothing.
_WIDTH_OF_A_FILE = 200


@contextmanager
def uncaptured_console(stream: TextIO | None = None) -> Iterator[Console]:
    """Yield a console on a duplicate of a stream, by default standard output; close it at the end.

    pytest captures the file descriptors of the standard streams while it runs the checks, so that
    neither the output nor the size of the terminal would be available otherwise.
    """
    stream = stream or sys.stdout
    file = SafeStream(
        os.fdopen(os.dup(stream.fileno()), "wb"),
        encoding=stream.encoding,
        line_buffering=True,
    )
    width = shutil.get_terminal_size((80 if file.isatty() else _WIDTH_OF_A_FILE, 24)).columns
    try:
        yield _QuietWhenClosed(file=file, width=width, highlight=False)
    finally:
        with suppress(BrokenPipeError):
            file.close()


class _QuietWhenClosed(Console):
    """A console that stops printing when its pipe is closed, so that the run still completes."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class _Times(ProgressColumn):
    """The column of a progress bar that tells elapsed time and estimate."""

    def __init__(self, times: TimeLeft) -> None:
        super().__init__()
        self._times = times

    def render(self, task: Task) -> Text:
        return Text(str(self._times), "dim")


class TerminalView:
    """The terminal view of a run: call `start`, `check_finished` for each check, then `finish`.

    On a terminal the progress is live; elsewhere it is a line for each fifth of the work, without
    colour. The output goes to `console`, by default to standard output. `expected_s` tells how many
    seconds a check takes on a usual server. With `verbose`, everything is told at the end; else
    what fits one screen. `live` says whether somebody watches, by default whether the console is a
    terminal: with FORCE_COLOR the log of a CI system has colours too.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        verbose: bool = False,
        live: bool | None = None,
        expected_s: Callable[[str], float] = lambda _check: 1.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._console = console or Console(highlight=False)
        self._verbose = verbose
        self._live = self._console.is_terminal if live is None else live
        self._expected_s, self._clock = expected_s, clock
        self._counts: Counter[Verdict] = Counter()
        self._total = 0
        self._times = TimeLeft((), expected_s, clock)
        self._told_parts = 0
        self._lines = 0
        self._progress: Progress | None = None

    def start(self, deployment: Deployment, run: RunInfo, checks: Sequence[str]) -> None:
        """Print the deployment and the settings of the run, and start to show progress.

        `checks` are the ids of all checks that will be made.
        """
        self._total = len(checks)
        self._times = TimeLeft(checks, self._expected_s, self._clock)
        known = deployment.server_name or deployment.server_version
        server = f" ({deployment_name(deployment)})" if known else ""
        self._print_line(f"Deployment {deployment.url}{server}, graph {deployment.graph_id}")
        asked = f"profile {run.profile}, effort {run.effort}, seed {run.seed}"
        self._print_line(f"{counted(self._total, 'check')}, {asked}; {data_access_line(run)}")
        if self._live:
            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=12),
                MofNCompleteColumn(),
                _Times(self._times),
                TextColumn("{task.fields[counts]}", markup=False),
                console=self._console,
                transient=True,
            )
            self._progress.add_task("starting", total=self._total, counts="")
            self._progress.start()

    def interrupted(self) -> None:
        """Print at once that the run was interrupted and is being cleaned up."""
        self.stop()
        self._print_line("Interrupted: the threads of the run are being removed.")

    def check_finished(self, check: CheckResult) -> None:
        """Count a finished check and update the progress."""
        self._counts[check.verdict] += 1
        self._times.finished(check.id)
        capability = cut(one_line(check.capability), 16)
        # What passed is what the bar shows.
        counts = ", ".join(
            f"{self._counts[each]} {WORDS[each]}"
            for each in WORDS
            if self._counts[each] and each is not Verdict.PASS
        )
        if self._progress:
            self._progress.update(
                self._progress.task_ids[0],
                advance=1,
                description=self._displayable(capability),
                counts=counts,
            )
        elif self._told_parts < (part := int(self._times.part * _PROGRESS_LINES)) < _PROGRESS_LINES:
            self._told_parts = part
            done = f"{self._counts.total()} of {counted(self._total, 'check')}, {capability}"
            self._print_line(f"{done}: {counts or 'all passed'}; {self._times}")

    def stop(self) -> None:
        """End the live display; to be called also if a run is aborted."""
        if self._progress:
            self._progress.stop()
            self._progress = None

    def finish(
        self,
        report: Report,
        requirements: Requirements,
        files: Sequence[Path],
        again: RunAgain | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Print failures, undecided requirements, the verdict, and what to do next.

        `files` are those of the report; `notes` are printed before the verdict. `again` is how the
        run is made again, None if the report was not made by one.
        """
        self.stop()
        if report.load:
            notes = [*notes, f"Load: {load_line(report.load)}"]
        if report.timings:
            notes = [*notes, f"Time: {time_line(report)}"]
        folder = files[0].parent if files else None
        report_file = str(
            next((each for each in files if each.name == "report.html"), files[0]) if files else ""
        )
        width = self._console.width
        end = end_lines(report, next_commands(report, folder, again), report_file, width)
        # A note that is wrapped takes more lines.
        for_notes = sum(1 + len(each) // width for each in notes)
        if self._verbose:
            Details(self._console, files).print(report, requirements)
        else:
            height = height_for(self._console.height if self._live else None)
            used = self._lines + self._height(end) + for_notes + 1
            self._print_lines(
                result_lines(
                    report,
                    requirements,
                    report_file or "see report.json",
                    room=height - used,
                    mark=self._shown(_MARK, _PLAIN_MARK),
                )
            )
        for note in notes:
            self._print_line(note)
        self._print_lines(end)

    def _height(self, lines: Sequence[Line]) -> int:
        """Return how many lines of the screen these lines take."""
        width = max(self._console.width, 1)
        return sum(1 + max(len(each.text) - 1, 0) // width if each.whole else 1 for each in lines)

    def _print_lines(self, lines: Sequence[Line]) -> None:
        for each in lines:
            text = Text(self._displayable(each.text), each.style)
            if each.whole:
                self._console.print(text, soft_wrap=True)
                continue
            if text.cell_len > self._console.width:
                cut_mark = self._shown(_CUT, _PLAIN_CUT)
                text.truncate(max(self._console.width - len(cut_mark), 0))
                text.append(cut_mark)
            self._console.print(text, soft_wrap=True)

    def _print_line(self, value: str, style: str = "") -> None:
        shown = self._displayable(value)
        self._lines += 1 + max(len(shown) - 1, 0) // max(self._console.width, 1)
        self._console.print(Text(shown, style), soft_wrap=True)

    def _shown(self, mark: str, plain: str) -> str:
        """Return `mark`, or `plain` if the terminal cannot show it."""
        try:
            mark.encode(self._console.encoding)
        except UnicodeEncodeError:
            return plain
        return mark

    def _displayable(self, value: str) -> str:
        """Return `value` with what the terminal cannot show escaped."""
        return displayable(value, self._console.encoding)
