"""Pieces of Markdown, escaped so that no text can break out of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from conformance.report.plain_text import cut, one_line, printable

_VALUE_LIMIT = 1_500


def code(text: str) -> str:
    """Return `text` as inline code, delimited so that nothing in it ends the code."""
    shown = cut(one_line(text), _VALUE_LIMIT).replace("|", "\\|")
    ticks = "`" * (_longest_run_of_backticks(shown) + 1)
    pad = " " if not shown or shown[0] == "`" or shown[-1] == "`" else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def fenced(text: str, language: str = "") -> str:
    """Return `text` as a code block, fenced so that nothing in it ends the block."""
    shown = printable(text)
    fence = "`" * max(3, _longest_run_of_backticks(shown) + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table of the header and the rows; cells are not escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _longest_run_of_backticks(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
