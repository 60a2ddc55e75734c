"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def line(cells: Iterable[object]) -> str:
    """One row."""
    return f"| {' | '.join(str(each).replace('|', '/') for each in cells)} |"


def heading(names: Sequence[str]) -> str:
    """The two rows above a table's own."""
    return f"{line(names)}\n|{'---|' * len(names)}"
