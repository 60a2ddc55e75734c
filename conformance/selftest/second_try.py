"""A second try, by themselves, of rows with a wrong outcome: a busy machine may be the cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

#: If more rows than this are wrong, the machine is not the cause.
MOST = 30

_Row = TypeVar("_Row")


def with_second_try(
    rows: Sequence[_Row],
    is_right: Callable[[_Row], bool],
    name_of: Callable[[_Row], str],
    run: Callable[[list[str]], Sequence[_Row]],
) -> tuple[list[_Row], tuple[str, ...]]:
    """Return the rows, each wrong one replaced by the row that `run` returns for its name.

    Return also the names of the rows tried twice: none if more than `MOST` rows are wrong.
    """
    wrong = [name_of(row) for row in rows if not is_right(row)]
    if not 0 < len(wrong) <= MOST:
        return list(rows), ()
    second = {name_of(row): row for row in run(wrong)}
    return [second.get(name_of(row), row) for row in rows], tuple(wrong)
