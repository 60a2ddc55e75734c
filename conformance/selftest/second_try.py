"""A second try, alone, of what is not as it should be: a busy machine may have been the cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

#: If more rows than these are wrong, the machine is not the cause.
MOST = 30

_Row = TypeVar("_Row")


def with_second_try(
    rows: Sequence[_Row],
    is_right: Callable[[_Row], bool],
    name_of: Callable[[_Row], str],
    run: Callable[[list[str]], Sequence[_Row]],
) -> tuple[list[_Row], tuple[str, ...]]:
    """Return the rows, those that are wrong replaced by what `run` returns for their names.

    The names of those tried twice are returned as well: none if more than `MOST` are wrong.
    """
    wrong = [name_of(row) for row in rows if not is_right(row)]
    if not 0 < len(wrong) <= MOST:
        return list(rows), ()
    second = {name_of(row): row for row in run(wrong)}
    return [second.get(name_of(row), row) for row in rows], tuple(wrong)
