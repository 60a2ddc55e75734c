"""Pieces of Markdown that nothing in a text can break out of."""

from __future__ import annotations

import re
from collections.abc import Iterable

from conformance.report.text import cut, one_line, printable

_VALUE_LIMIT = 1_500


def code(text: str) -> str:
    """`text` as inline code that nothing in it can end."""
    shown = cut(one_line(text), _VALUE_LIMIT).replace("|", "\\|")
    ticks = "`" * (_longest_run_of_backticks(shown) + 1)
    pad = " " if not shown or shown[0] == "`" or shown[-1] == "`" else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def fenced(text: str, language: str = "") -> str:
    """`text` as a block of code that nothing in it can end."""
    shown = printable(text)
    fence = "`" * max(3, _longest_run_of_backticks(shown) + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    """A table of the header and the rows, cells as given."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _longest_run_of_backticks(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
