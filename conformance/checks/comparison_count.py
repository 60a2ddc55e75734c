"""The count of what a check compared: a check that compared nothing must not pass.

The functions of `expect` count their arguments here. If all comparisons of a check were of nothing
(null, empty texts, lists and objects), the check is blocked although no assertion failed: otherwise
a deployment that shows nothing would pass it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conformance.checks.outcomes import Blocked

#: Members that only identify a thread, a state or a run: their presence is no evidence.
_IDS = frozenset(
    ("thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint", "checkpoint_map", "run_id")
)


@dataclass
class ComparisonCount:
    """What the running check compared: the number of comparisons and values, and member names."""

    comparisons: int = 0
    values: int = 0
    members: set[str] = field(default_factory=set)

    @property
    def saw_nothing(self) -> bool:
        """Whether there were comparisons, all of them of nothing."""
        return bool(self.comparisons) and not self.values


_count = ComparisonCount()


def begin() -> ComparisonCount:
    """Start to count for a check and return the counter; the checks of a process run one by one."""
    global _count
    _count = ComparisonCount()
    return _count


def count_comparison(*values: Any) -> None:
    """Count a comparison of JSON values, and the values that they hold.

    `Blocked` if they are threads or states that show nothing but ids: that those are equal is no
    evidence.
    """
    _count.comparisons += 1
    members: set[str] = set()
    found = sum(_survey(value, members) or _is_checkpoint(value) for value in values)
    if not found and any(map(_is_thread_or_state, values)):
        raise Blocked("what was to be compared shows nothing but ids")
    _count.values += found
    _count.members |= members


def count_judgement() -> None:
    """Count a judgement that is evidence by itself, whatever the value."""
    _count.comparisons += 1
    _count.values += 1


def _is_checkpoint(value: Any) -> bool:
    """Return whether a value holds nothing but ids, as a checkpoint does: they count then."""
    return isinstance(value, dict) and value.keys() <= _IDS and any(value.values())


def _is_thread_or_state(value: Any) -> bool:
    """Return whether a value is an object with an id and other members, or a list with one."""
    if isinstance(value, list | tuple):
        return any(map(_is_thread_or_state, value))
    return isinstance(value, dict) and bool(value.keys() & _IDS) and bool(value.keys() - _IDS)


def _survey(value: Any, members: set[str]) -> int:
    """Return how many values a JSON value holds that are not null, empty or ids.

    Adds the names of the members that hold something, at any depth, to `members`.
    """
    if isinstance(value, dict):
        found = 0
        for name, each in value.items():
            held = _survey(each, members)
            if held and name not in _IDS:
                found += held
                members.add(name)
        return found
    if isinstance(value, list | tuple):
        return sum(_survey(each, members) for each in value)
    return int(value is not None and value != "")


def current() -> ComparisonCount:
    """Return what the running check, or the last one, compared so far."""
    return _count
