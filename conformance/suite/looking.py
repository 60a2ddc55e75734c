"""How much a check compared: what compared nothing has not looked.

The functions of `expect` count here what they are given. A check that holds, and whose
comparisons were all of nothing (null, empty texts, lists and objects), is blocked: a
deployment that shows nothing would pass it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Looks:
    """What the check at hand compared: how often, and how many values were there."""

    comparisons: int = 0
    values: int = 0

    @property
    def saw_nothing(self) -> bool:
        """Whether there were comparisons, and nothing in any of them."""
        return bool(self.comparisons) and not self.values


_looks = Looks()


def begin() -> Looks:
    """Begin to count for a check; checks of one process run one after the other."""
    global _looks
    _looks = Looks()
    return _looks


def compared(*values: Any) -> None:
    """Count a comparison of JSON values, and the values that are in them."""
    _looks.comparisons += 1
    _looks.values += sum(map(values_in, values))


def judged() -> None:
    """Count a sentence that was judged: it is a look, whatever it says."""
    _looks.comparisons += 1
    _looks.values += 1


def values_in(value: Any) -> int:
    """How many values other than null and empty texts a JSON value holds."""
    if isinstance(value, dict):
        return sum(map(values_in, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(values_in, value))
    return int(value is not None and value != "")
