"""Reading of reports for commands."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import click
from jsonschema import Draft202012Validator

from conformance.data import schemas_dir
from conformance.report.record import Report, ReportError, load_report, report_file
from conformance.safe_text import excerpt


class UnusableError(click.ClickException):
    """A file of the command line cannot be used; the message says what to give instead."""

    exit_code = 2


def read_report(path: Path) -> Report:
    """Read a report from a file, or from a folder that contains report.json or report.json.gz.

    Raise `UnusableError`, which names the file, the problem and what to do.
    """
    file = report_file(path)
    try:
        report = load_report(file)
        _check_shape(report)
    except ReportError as unusable:
        said = str(unusable)
        raise UnusableError(said if str(file) in said else f"{file}: {said}") from unusable
    except RecursionError as deep:
        raise UnusableError(
            f"{file} is nested too deeply to be a report: "
            "give a report.json written by `threads-conformance run`"
        ) from deep
    return report


def _check_shape(report: Report) -> None:
    """Raise `ReportError` if a member does not have the type of the schema."""
    for error in _schema().iter_errors(json.loads(json.dumps(report.to_json()))):
        raise ReportError(
            f"the report is damaged ({error.json_path}: {excerpt(error.message, 200)}): "
            "create it again with `threads-conformance run`"
        )


@cache
def _schema() -> Draft202012Validator:
    text = (schemas_dir() / "report.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))
