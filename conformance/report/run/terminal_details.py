"""The whole report on the terminal, for `run -v`: every cause with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conformance.contract.catalogue import LEVELS
from conformance.report.plain_text import counted, cut, displayable, listed
from conformance.report.record import CheckResult, Load, Report
from conformance.report.run.grouping import FailureGroup, failure_groups, undecided_groups
from conformance.report.run.load import EXPLAINED, HEADER, load_rows
from conformance.report.run.wording import (
    WORDS,
    CapabilityRow,
    Requirements,
    capability_rows,
    promises,
    skipped_by_effort_line,
    stability_note,
    unmet_optional_line,
)

_VALUE_LIMIT = 600
_DIFF_LINES = 8
_PROMISES = 5
_CURL_LIMIT = 4_000
_LABEL_WIDTH = 12


class Details:
    """A printer of the whole report on a console; `files` are those of the report."""

    def __init__(self, console: Console, files: Sequence[Path]) -> None:
        self._console = console
        self._files = files

    def print(self, report: Report, requirements: Requirements) -> None:
        """Print a table of capabilities, every cause of a failure, and what is undecided."""
        self._console.print(self._summary_table(capability_rows(report)))
        self._print_failures(report, requirements, self._files)
        self._print_undecided(report)
        for said in (unmet_optional_line(report), skipped_by_effort_line(report, requirements)):
            if said:
                self._print_line(f"\n{said[0].upper()}{said[1:]}")
        if report.load:
            self._print_load(report.load)

    def _print_load(self, load: Load) -> None:
        if load.problem:
            self._print_labelled("problem", load.problem)
        if rows := load_rows(load):
            table = Table(box=SIMPLE_HEAD, pad_edge=False, title="Under load")
            table.title_justify = "left"
            table.title_style = "bold"
            for number, title in enumerate(HEADER):
                table.add_column(title, justify="right" if number else "left", no_wrap=True)
            for row in rows:
                table.add_row(*map(self._text, row))
            self._console.print(table)
            self._print_line(EXPLAINED, "dim")

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
        for group in found:
            self._print_failure(group, report, requirements, files)

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

    def _print_curl(self, commands: str, check: CheckResult, files: Sequence[Path]) -> None:
        if len(commands) > _CURL_LIMIT:
            report_json = _path_of(files, "report.json")
            self._print_labelled("curl", f"too long; see threads-conformance explain {report_json}")
            self._print_indented(check.id)
            return
        self._print_line(f"  {'curl':<{_LABEL_WIDTH}}".rstrip())
        # Neither wrapped nor indented, so that it can be pasted.
        self._print_line(commands)

    def _print_undecided(self, report: Report) -> None:
        found = undecided_groups(report)
        if not found:
            return
        self._print_line("\nNot decided", "bold")
        for group in found:
            said = f"{listed(group.requirements, 12)}: {cut(group.reason, 300)}"
            self._print_labelled(WORDS[group.verdict], said)

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
        return displayable(value, self._console.encoding)


def _path_of(files: Sequence[Path], name: str) -> str:
    return next((str(file) for file in files if file.name == name), name)
