"""How long each check took on a real server, by which work is divided.

The durations in `fixtures/check_durations.json` are of one run, so on another server they are no
more than a guess: what is divided by them is balanced, and its verdicts do not depend on them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TypeVar

from conformance.data import fixtures_dir

_T = TypeVar("_T")
#: The duration of a check that is not in the file, in seconds: about the median.
_UNKNOWN_S = 0.2


def expected_s(check_id: str) -> float:
    """Return how many seconds a check is expected to take; parameters make no difference."""
    return _recorded().get(check_id.partition("[")[0], _UNKNOWN_S)


def balanced(ids: Iterable[str], parts: int) -> list[list[str]]:
    """Divide checks into so many parts of about the same duration.

    The same ids, in any order, give the same parts. Each check, the longest first, goes to the part
    that is the shortest so far.
    """
    found: list[list[str]] = [[] for _ in range(parts)]
    lasts = [0.0] * parts
    for each in sorted(set(ids), key=lambda check: (-expected_s(check), check)):
        shortest = lasts.index(min(lasts))
        found[shortest].append(each)
        lasts[shortest] += expected_s(each)
    return found


def dealt(items: Sequence[_T], hands: int, check_id: Callable[[_T], str]) -> list[_T]:
    """Return the items in an order whose `hands` equal slices each begin with the longest.

    pytest-xdist hands such slices to its workers, which then take work from one another: what
    takes long must not be left for the end, when the others have nothing to do.
    """
    ordered = sorted(items, key=lambda item: -expected_s(check_id(item)))
    return [item for hand in range(hands) for item in ordered[hand::hands]]


@cache
def _recorded() -> dict[str, float]:
    file = fixtures_dir() / "check_durations.json"
    seconds: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))["seconds"]
    return seconds
