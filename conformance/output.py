"""Standard output and standard error, as people and CI systems read them.

Whatever a command writes, and however a line is folded: no line gives a command to a
CI system, no character drives the terminal but our own colours and progress, and no
credential of this process is among it.
"""

from __future__ import annotations

import io
import re
import sys
from typing import TextIO

from conformance.excerpt import Redaction, without_commands

# Of control sequences we only write CSI, for colours and for progress.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029]|\x1b(?!\\[)")
#: The begin of a line after which a colon, and the end of one after which a bracket, matters.
_PENDING = re.compile(r"(?:[^\S\n]|\x1b\[[0-9;]*m)*:?|.*?(##?\w*)", re.DOTALL)
_LONGEST_PENDING = 1_000

_credentials: dict[Redaction, None] = {}


def keep_out(redaction: Redaction) -> None:
    """Replace by `redaction` whatever this process writes from now on."""
    _credentials[redaction] = None


class SafeStream(io.TextIOWrapper):
    """A text stream that writes nothing that is obeyed."""

    #: What of the last line decides how the next text is read.
    _line = ""

    def write(self, text: str) -> int:
        """Write `text`; the number of its characters."""
        shown = text
        for redaction in _credentials:
            shown = redaction(shown)
        shown = _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", shown)
        # What stands already is not changed by what follows it.
        whole = without_commands(self._line + shown)
        super().write(whole[len(self._line) :])
        self._line = _pending(whole)
        return len(text)


def _pending(text: str) -> str:
    """As much of the last line as decides how the next text is read."""
    line = re.split("[\n\r]", text[-_LONGEST_PENDING:])[-1]
    found = _PENDING.fullmatch(line)
    if found is None:
        return "-"
    return f"-{found[1]}" if found[1] else line


def guard_streams() -> None:
    """Put a `SafeStream` in the place of standard output and standard error."""
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
