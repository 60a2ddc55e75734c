"""The option `--export FORMAT=FILE` of the commands that make a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from conformance.report.export.formats import FOLDERS, FORMATS, Export
from conformance.report.record import Report, ReportError
from conformance.report.run.wording import Requirements


class _ExportType(click.ParamType):  # type: ignore[type-arg]
    """A format and a file, `sarif=threads.sarif`."""

    name = "export"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Export:
        if isinstance(value, Export):
            return value
        name, _, file = str(value).partition("=")
        if name not in FORMATS:
            self.fail(f"unknown format {name!r}: use one of {', '.join(FORMATS)}", param, context)
        if not file:
            kind = "folder" if name in FOLDERS else "file"
            self.fail(f"say which {kind} {name} goes to: --export {name}={kind.upper()}", param)
        return Export(name, Path(file))


def export_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option `--export`; the command gets `exports`."""
    return click.option(
        "--export",
        "exports",
        type=_ExportType(),
        multiple=True,
        metavar="FORMAT=FILE",
        help=f"Write the report in another format as well ({', '.join(FORMATS)}); may be repeated. "
        "For allure, FILE is a folder.",
    )(command)


def write_exports(
    exports: Iterable[Export], report: Report, requirements: Requirements
) -> list[str]:
    """Write what was asked for, and return a line for each.

    What cannot be written is told on standard error, since the results are still worth telling.
    """
    lines = []
    for each in exports:
        try:
            each.write(report, requirements)
        except ReportError as refused:
            click.echo(f"Error: {refused}", err=True)
            continue
        lines.append(f"Exported as {each.format}: {each.path}")
    return lines
