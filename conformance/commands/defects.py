"""How a command ends that met a defect of this suite: told in a line, with exit status 4."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from conformance.defects import DEFECT_STATUS, tell_defect, told_whole


class SuiteBroken(click.ClickException):
    """What broke is written to a file; the message is what to say of it."""

    exit_code = DEFECT_STATUS


@contextmanager
def defects_told(directory: Path, redact: Callable[[str], str]) -> Iterator[None]:
    """An exception that is not click's own ends the command as a defect of this suite."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as unexpected:
        raise suite_broken([told_whole(unexpected)], directory, redact) from unexpected


def suite_broken(
    found: Sequence[str],
    directory: Path | None = None,
    redact: Callable[[str], str] = lambda text: text,
) -> SuiteBroken:
    """The end of a command that met these defects."""
    return SuiteBroken(tell_defect(found, directory, redact))
