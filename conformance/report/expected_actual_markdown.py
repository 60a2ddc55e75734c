"""Expected and actual values of a failure as Markdown."""

from __future__ import annotations

from conformance.report.markdown_text import fenced
from conformance.report.plain_text import cut
from conformance.report.record import Failure

VALUE_LIMIT = 1_500
_LINE_LIMIT = 300


def failure_paragraphs(failure: Failure, diff_lines: int) -> list[str]:
    """Return paragraphs: expected, actual and the first `diff_lines` of the difference."""
    parts = ["Expected:", fenced(cut(failure.expected, VALUE_LIMIT))]
    parts += ["Actual:", fenced(cut(failure.actual, VALUE_LIMIT))]
    if failure.diff:
        lines = [cut(line, _LINE_LIMIT) for line in failure.diff[:diff_lines]]
        parts += ["Smallest difference:", fenced("\n".join(lines))]
    return parts
