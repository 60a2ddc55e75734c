"""Equality and smallest differences of JSON values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from conformance.json_text import as_json
from conformance.safe_text import excerpt

#: Stands for the missing value where only one side of a comparison has one.
ABSENT: Any = object()
#: The maximum number of differences in one report.
SHOWN = 8
#: The maximum length, in characters, of a differing value in a report.
_VALUE_WIDTH = 160


def same_json(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal; unlike in Python, true is not 1."""
    if isinstance(one, str) or one is None:
        return bool(one == other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return (type(one) is type(other) and bool(one == other)) or _same_number(one, other)


def _same_number(one: Any, other: Any) -> bool:
    return isinstance(one, int | float) and isinstance(other, int | float) and one == other


@dataclass(frozen=True)
class Change:
    """One smallest difference: the keys and indexes of its place, and both values.

    A value that one side lacks is `ABSENT`.
    """

    path: tuple[Any, ...]
    expected: Any
    actual: Any

    def __str__(self) -> str:
        path = json_path(self.path)
        if self.actual is ABSENT:
            return f"{path}: missing, expected {_short(self.expected)}"
        if self.expected is ABSENT:
            return f"{path}: not expected, got {_short(self.actual)}"
        return f"{path}: expected {_short(self.expected)}, got {_short(self.actual)}"


def changes(expected: Any, actual: Any) -> tuple[Change, ...]:
    """Return the smallest differences of two JSON values; none if they are equal."""
    if same_json(expected, actual):
        return ()
    # Imported only where something differs: it takes a tenth of a second.
    from deepdiff import DeepDiff
    from deepdiff.helper import notpresent

    def present(value: Any) -> Any:
        return ABSENT if value is notpresent else value

    found = DeepDiff(expected, actual, view="tree", threshold_to_diff_deeper=0)
    each_once = {
        str(change): change
        for change in (
            Change(tuple(each.path(output_format="list")), present(each.t1), present(each.t2))
            for alike in found.values()
            for each in alike
        )
        # DeepDiff takes 1 and 1.0 for different.
        if not same_json(change.expected, change.actual)
    }
    # DeepDiff takes 1 and true for equal as keys and as items.
    return tuple(each_once.values()) or (Change((), expected, actual),)


def differences(expected: Any, actual: Any) -> tuple[str, ...]:
    """Return the smallest differences of two JSON values as `lines_of` does."""
    return lines_of(changes(expected, actual))


def lines_of(found: Iterable[Change]) -> tuple[str, ...]:
    """Return differences, each as a line that starts with a JSON path.

    At most `SHOWN` lines, then one with the number of further differences.
    """
    lines = sorted(
        map(str, found),
        key=lambda line: (line.count(".") + line.count("["), line),
    )
    if len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"… and {len(lines) - SHOWN} more"]
    return tuple(lines)


@dataclass
class ItemDifferences:
    """The differences of two lists, item by item: the first `SHOWN` that differ, and the number.

    The lists may be compared in parts, so that neither need be in memory.
    """

    items: int = 0
    differing: int = 0
    #: The first items that differ, by position: those expected, and those that came.
    expected: dict[int, Any] = field(default_factory=dict)
    actual: dict[int, Any] = field(default_factory=dict)

    def add(self, expected: Any, actual: Any) -> None:
        """Compare the next item of both lists."""
        if not same_json(expected, actual):
            self.differing += 1
            if self.differing <= SHOWN:
                self.expected[self.items], self.actual[self.items] = expected, actual
        self.items += 1

    def add_equal(self, items: int) -> None:
        """Add so many items, which are known to be equal."""
        self.items += items

    def changes(self) -> tuple[Change, ...]:
        """Return the smallest differences of the first items that differ."""
        return changes(self.expected, self.actual)

    def lines(self, found: Iterable[Change]) -> tuple[str, ...]:
        """Return the `found` changes of the first items as lines, and a line for further items."""
        if (rest := self.differing - SHOWN) > 0:
            return *lines_of(found), f"… and {rest} more of {self.items} differ"
        return lines_of(found)


def json_path(parts: Iterable[Any]) -> str:
    """Return a JSON path such as `$.values.messages[0]` for keys and indexes."""
    path = "$"
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif str(part).isidentifier():
            path += f".{part}"
        else:
            path += f"[{str(part)!r}]"
    return path


def _short(value: Any) -> str:
    return excerpt(as_json(value), _VALUE_WIDTH)
