"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def line(cells: Iterable[object]) -> str:
    """Return one row of a table."""
    return f"| {' | '.join(str(each).replace('|', '/') for each in cells)} |"


def heading(names: Sequence[str]) -> str:
    """Return the two rows at the head of a table."""
    return f"{line(names)}\n|{'---|' * len(names)}"
