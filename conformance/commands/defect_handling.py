"""Defects of this suite as errors of a command: a one-line message and exit status 4."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from conformance.defects import DEFECT_STATUS, format_traceback, write_defects


class SuiteDefect(click.ClickException):
    """A defect of this suite; the message names the file with the traceback."""

    exit_code = DEFECT_STATUS


@contextmanager
def report_defects(directory: Path, redact: Callable[[str], str]) -> Iterator[None]:
    """Turn any exception but click's own into `SuiteDefect`; write it into `directory`."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as unexpected:
        raise suite_defect([format_traceback(unexpected)], directory, redact) from unexpected


def suite_defect(
    found: Sequence[str],
    directory: Path | None = None,
    redact: Callable[[str], str] = lambda text: text,
) -> SuiteDefect:
    """Return the error for these defects; tracebacks are written, redacted, into `directory`."""
    return SuiteDefect(write_defects(found, directory, redact))
