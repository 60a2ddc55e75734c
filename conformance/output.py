"""Standard output and standard error, safe for terminals, CI systems and logs.

Whatever a command writes, and however lines are wrapped, no line is a command to a CI
system, no control sequence except our own colours and progress reaches the terminal, and no
credential of this process is shown.
"""

from __future__ import annotations

import io
import re
import sys
from typing import TextIO

from conformance.safe_text import Redaction, without_commands

# CSI is the only control sequence that we write, for colours and for progress.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029]|\x1b(?!\\[)")
#: Matches a line that the next character can turn into a command for a CI system: a colon after
#: such a start of a line, or a bracket after such an end.
_PENDING = re.compile(r"(?:[^\S\n]|\x1b\[[0-9;]*m)*:?|.*?(##?\w*)", re.DOTALL)
_LONGEST_PENDING = 1_000

_credentials: dict[Redaction, None] = {}


def redact_output(redaction: Redaction) -> None:
    """Apply `redaction` to whatever this process writes from now on."""
    _credentials[redaction] = None


class SafeStream(io.TextIOWrapper):
    """A text stream that writes nothing that a terminal or a CI system would execute."""

    #: The part of the last line that could become a command with the next text.
    _line = ""

    def write(self, text: str) -> int:
        """Write `text`; return the number of its characters."""
        shown = text
        for redaction in _credentials:
            shown = redaction(shown)
        shown = _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", shown)
        # Only the new part is written: the start of the line has been written before.
        whole = without_commands(self._line + shown)
        super().write(whole[len(self._line) :])
        self._line = _pending(whole)
        return len(text)


def _pending(text: str) -> str:
    """Return the part of the last line that could become a command with the next text."""
    line = re.split("[\n\r]", text[-_LONGEST_PENDING:])[-1]
    found = _PENDING.fullmatch(line)
    if found is None:
        return "-"
    return f"-{found[1]}" if found[1] else line


def guard_streams() -> None:
    """Replace standard output and standard error by a `SafeStream` each."""
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _safe(stream))


def _safe(stream: io.TextIOWrapper) -> SafeStream:
    stream.flush()
    return SafeStream(
        stream.buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
