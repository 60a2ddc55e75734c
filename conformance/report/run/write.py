"""The files of a run, each written atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from conformance.deployment.record.exchange import Exchange
from conformance.report.record import Report, ReportError
from conformance.report.run.har import write_har
from conformance.report.run.html import html_report
from conformance.report.run.junit import junit_report
from conformance.report.run.markdown import markdown_report
from conformance.report.run.reference_answers import ReferenceAnswers
from conformance.report.run.wording import Requirements
from conformance.report.schema.markdown import comparison_report
from conformance.report.schema.model import SchemaComparison
from conformance.safe_text import without_commands


def write_all(
    report: Report,
    requirements: Requirements,
    exchanges: Path | Callable[[TextIO], object] | None,
    directory: Path,
    comparison: SchemaComparison | None = None,
    reference: Mapping[str, ReferenceAnswers] | None = None,
) -> tuple[Path, ...]:
    """Write report.json, junit.xml, report.md, report.html and exchanges.har.

    `exchanges` is a file with one `Exchange.to_json()` per line, or writes exchanges.har. With a
    comparison, also write schema-comparison.json and schema-comparison.md. `reference` is shown by
    report.html alone. Return the paths of the files; raise `ReportError` if `directory` cannot be
    written to.
    """
    writers: dict[str, Callable[[TextIO], object]] = {
        "report.json": lambda file: file.write(report_json(report)),
        "junit.xml": lambda file: file.write(without_commands(junit_report(report, requirements))),
        "report.md": lambda file: file.write(
            without_commands(markdown_report(report, requirements, comparison))
        ),
        "report.html": lambda file: file.write(
            without_commands(html_report(report, requirements, comparison, reference))
        ),
        "exchanges.har": exchanges
        if callable(exchanges)
        else lambda file: write_har(read_exchanges(exchanges), file, report.suite_version),
    }
    if comparison is not None:
        compared = comparison
        text = json.dumps(compared.to_json(), indent=2) + "\n"
        writers |= {
            "schema-comparison.json": lambda file: file.write(text),
            "schema-comparison.md": lambda file: file.write(
                without_commands(comparison_report(compared))
            ),
        }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return tuple(_write_atomically(directory / name, write) for name, write in writers.items())
    except OSError as refused:
        raise ReportError(
            f"cannot write the report to {directory} ({refused.strerror or refused}): "
            "give another folder with --report-dir"
        ) from refused


def write_text(path: Path, text: str, *, option: str) -> None:
    """Write a file atomically; raise `ReportError` with the `option` that names the place."""
    shown = without_commands(text.encode("utf-8", "backslashreplace").decode())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_atomically(path, lambda file: file.write(shown))
    except OSError as refused:
        raise ReportError(
            f"cannot write {path} ({refused.strerror or refused}): give another {option}"
        ) from refused


def report_json(report: Report) -> str:
    """Return the text of report.json; equal reports give equal text."""
    return json.dumps(report.to_json(), indent=2) + "\n"


def read_exchanges(file: Path | None) -> Iterator[Exchange]:
    """Yield the exchanges of `file`; a line that a killed worker left incomplete is skipped."""
    if file is None or not file.exists():
        return
    with file.open("rb") as lines:
        for line in lines:
            try:
                yield Exchange.from_json(line)
            except (json.JSONDecodeError, UnicodeDecodeError):
                continue


def _write_atomically(path: Path, write: Callable[[TextIO], object]) -> Path:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            write(file)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
