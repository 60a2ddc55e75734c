"""Defects of this suite: unexpected errors are reported as such, never as a verdict."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.user_dirs import state_dir

if TYPE_CHECKING:
    # Every command loads this module, even one that only prints its help.
    from conformance.report.record import Report

#: Exit status for a defect of this suite.
DEFECT_STATUS = 4
#: The file of a report folder that holds the tracebacks.
DEFECT_FILE = "defect.txt"


class SuiteDefectError(Exception):
    """The suite broke during a run; carries the tracebacks, and a report of what is known."""

    def __init__(self, found: Sequence[str], report: Report) -> None:
        super().__init__("\n".join(found))
        self.found = tuple(found)
        self.report = report


class Defects:
    """The defects of a run, each as a traceback; the run continues to its clean-up and report."""

    def __init__(self) -> None:
        self.found: list[str] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Record an exception in the block as a defect; it ends only the block."""
        try:
            yield
        except Exception as unexpected:
            self.add(unexpected)

    def add(self, unexpected: BaseException | str) -> None:
        """Record a defect."""
        self.found.append(
            unexpected if isinstance(unexpected, str) else format_traceback(unexpected)
        )


def format_traceback(unexpected: BaseException) -> str:
    """Return the traceback of an exception as text."""
    return "".join(traceback.format_exception(unexpected))


def write_defects(
    found: Sequence[str],
    directory: Path | None = None,
    redact: Callable[[str], str] = lambda text: text,
) -> str:
    """Write the tracebacks of defects into `directory`; return a message that names the file.

    Without `directory`, or if it cannot be written to, they go to the user's folder of state, where
    the ledgers are too.
    """
    text = redact("\n".join(found)).encode("utf-8", "backslashreplace").decode()
    places = [state_dir(f"defect-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt")]
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
    advice = f"please report it, with {written}" if written else f"please report it:\n{text}"
    return (
        f"a defect of this suite, which says nothing about the deployment: {_kind(text)}; {advice}"
    )


def _kind(text: str) -> str:
    """Return the kind of error, which is in the last line of a traceback.

    Its message is left out: it may be long, and quote a server.
    """
    lines = [line for line in text.splitlines() if line and not line[0].isspace()]
    kind = lines[-1].removeprefix("E ").strip() if lines else "unknown"
    return kind.partition(":")[0][:100]
