"""Bisection: a search in few steps for the first version at which a verdict changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Change(Generic[T]):
    """A change of verdict after the version `last`, seen at the version `first`.

    `undecided` are the versions in between, oldest first: none of them gave a verdict.
    """

    last: T
    first: T
    before: str
    after: str
    undecided: tuple[T, ...] = ()


class NoChangeError(Exception):
    """Both ends have the same `verdict`, or `end` has none: `verdict` is then None."""

    def __init__(self, end: object, verdict: str | None) -> None:
        super().__init__(f"{end}: {verdict}")
        self.end, self.verdict = end, verdict


def find_change(versions: Sequence[T], verdict_of: Callable[[T], str | None]) -> Change[T]:
    """Find where the verdict first differs from that of the oldest version.

    `versions` are in order, at least two. `verdict_of` is called for the two ends, then for
    at most ceil(log2(n)) of the n versions after the oldest, and for one more for each
    version without a verdict (None). Raises `NoChangeError` if the ends have the same verdict, or
    one of them has none.
    """
    old, new = 0, len(versions) - 1
    found: dict[int, str | None] = {}
    for end in (old, new):
        found[end] = verdict_of(versions[end])
        if found[end] is None:
            raise NoChangeError(versions[end], None)
    before = found[old]
    if found[new] == before:
        raise NoChangeError(versions[new], before)
    while open_between := [each for each in range(old + 1, new) if each not in found]:
        middle = (old + new) // 2
        next_one = min(open_between, key=lambda each: abs(each - middle))
        found[next_one] = verdict_of(versions[next_one])
        if found[next_one] == before:
            old = next_one
        elif found[next_one] is not None:
            new = next_one
    return Change(
        last=versions[old],
        first=versions[new],
        before=str(before),
        after=str(found[new]),
        undecided=tuple(versions[old + 1 : new]),
    )
