"""How much a check compared: what compared nothing has not looked.

The functions of `expect` count here what they are given. A check that holds, and whose
comparisons were all of nothing (null, empty texts, lists and objects), is blocked: a
deployment that shows nothing would pass it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conformance.checks.outcomes import Blocked

#: By these a thread, a state or a run is known: that they are there says nothing of it.
_IDS = frozenset(
    ("thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint", "checkpoint_map", "run_id")
)


@dataclass
class Looks:
    """What the check at hand compared: how often, how many values, under which names."""

    comparisons: int = 0
    values: int = 0
    members: set[str] = field(default_factory=set)

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
    """Count a comparison of JSON values, and the values that are in them.

    `Blocked` where they are threads or states, and show nothing beside their ids: two that
    show nothing are equal, and say nothing.
    """
    _looks.comparisons += 1
    found = sum(map(values_in, values))
    if not found and any(map(_has_ids, values)):
        raise Blocked("what was to be compared shows nothing but ids")
    _looks.values += found
    _looks.members = _looks.members.union(*map(members_in, values))


def judged() -> None:
    """Count a sentence that was judged: it is a look, whatever it says."""
    _looks.comparisons += 1
    _looks.values += 1


def values_in(value: Any) -> int:
    """How many values other than null and empty texts a JSON value holds, ids of it aside."""
    if isinstance(value, dict):
        return sum(values_in(each) for name, each in value.items() if name not in _IDS)
    if isinstance(value, list | tuple):
        return sum(map(values_in, value))
    return int(value is not None and value != "")


def _has_ids(value: Any) -> bool:
    """Whether a JSON value is, or holds in a list, a thread or a state: ids, and more."""
    if isinstance(value, list | tuple):
        return any(map(_has_ids, value))
    return isinstance(value, dict) and bool(value.keys() & _IDS) and bool(value.keys() - _IDS)


def members_in(value: Any) -> set[str]:
    """The names of the members that hold something, anywhere in a JSON value."""
    if isinstance(value, dict):
        held = {name for name, each in value.items() if name not in _IDS and values_in(each)}
        return held.union(*map(members_in, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(members_in, value))
    return set()


def current() -> Looks:
    """What the check at hand, or the last one, compared so far."""
    return _looks
