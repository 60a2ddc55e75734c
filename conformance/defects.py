"""Defects of this suite: what was not foreseen is told as such, and never as a verdict."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from conformance.deployment.ledger import ledgers_dir
from conformance.report.record import Report

#: Exit status where this suite broke.
DEFECT_STATUS = 4
#: The file of a report folder that holds the tracebacks.
DEFECT_FILE = "defect.txt"


class SuiteDefectError(Exception):
    """The suite broke in a run: what broke, and the report of what is known all the same."""

    def __init__(self, found: Sequence[str], report: Report) -> None:
        super().__init__("\n".join(found))
        self.found = tuple(found)
        self.report = report


class Defects:
    """What broke in a run, each as a traceback; the run goes on to its clean-up and report."""

    def __init__(self) -> None:
        self.found: list[str] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        """An exception inside is kept, and ends nothing but the block."""
        try:
            yield
        except Exception as unexpected:
            self.add(unexpected)

    def add(self, unexpected: BaseException | str) -> None:
        """Keep what broke."""
        self.found.append(unexpected if isinstance(unexpected, str) else told_whole(unexpected))


def told_whole(unexpected: BaseException) -> str:
    """The traceback of an exception, as text."""
    return "".join(traceback.format_exception(unexpected))


def tell_defect(
    found: Sequence[str],
    directory: Path | None = None,
    redact: Callable[[str], str] = lambda text: text,
) -> str:
    """What to say of defects; their tracebacks are written into `directory`.

    Without one, or where it cannot be written to, they go where ledgers are kept.
    """
    text = redact("\n".join(found)).encode("utf-8", "backslashreplace").decode()
    places = [ledgers_dir().parent / f"defect-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"]
    if directory is not None:
        places.insert(0, directory / DEFECT_FILE)
    written = None
    for place in places:
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch(mode=0o600)
            place.write_text(f"{text}\n", encoding="utf-8")
            written = place
            break
    asked = f"please report it, with {written}" if written else f"please report it:\n{text}"
    return (
        f"a defect of this suite, which says nothing about the deployment: {_line(text)}; {asked}"
    )


def _line(text: str) -> str:
    """What broke, in short: the kind of error, which is the last line of a traceback.

    Its message is left to the file: it may be long, and a server's words.
    """
    lines = [line for line in text.splitlines() if line and not line[0].isspace()]
    kind = lines[-1].removeprefix("E ").strip() if lines else "unknown"
    return kind.partition(":")[0][:100]
