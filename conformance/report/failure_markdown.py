"""What a check expected and what it got, as Markdown."""

from __future__ import annotations

from conformance.report.markdown_text import fenced
from conformance.report.record import Failure
from conformance.report.text import cut

VALUE_LIMIT = 1_500
_LINE_LIMIT = 300


def what_was_found(failure: Failure, diff_lines: int) -> list[str]:
    """Expected, actual and the first lines of the smallest difference, a part each."""
    parts = ["Expected:", fenced(cut(failure.expected, VALUE_LIMIT))]
    parts += ["Actual:", fenced(cut(failure.actual, VALUE_LIMIT))]
    if failure.diff:
        lines = [cut(line, _LINE_LIMIT) for line in failure.diff[:diff_lines]]
        parts += ["Smallest difference:", fenced("\n".join(lines))]
    return parts
