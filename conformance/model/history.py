"""When two histories, or two states, are the same.

Histories are compared after each thread's own id is masked wherever it stands:
as a whole string value, in any member. All else counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deepdiff import DeepDiff
from deepdiff.helper import notpresent

OWN_THREAD = "<this thread>"
#: Most differences that are shown of one comparison.
SHOWN = 8
#: Longest rendering, in characters, of one differing value.
_VALUE_WIDTH = 160


def mask_thread_id(value: Any, thread_id: str) -> Any:
    """A copy of `value` in which every string equal to `thread_id` is masked."""
    if isinstance(value, str):
        return OWN_THREAD if value.lower() == thread_id.lower() else value
    if isinstance(value, list):
        return [mask_thread_id(each, thread_id) for each in value]
    if isinstance(value, dict):
        return {key: mask_thread_id(each, thread_id) for key, each in value.items()}
    return value


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; unlike Python, true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return (type(one) is type(other) and bool(one == other)) or _same_number(one, other)


def _same_number(one: Any, other: Any) -> bool:
    return isinstance(one, int | float) and isinstance(other, int | float) and one == other


def differences(expected: Any, actual: Any) -> tuple[str, ...]:
    """The smallest differences, each a line that starts with a JSON path.

    At most `SHOWN` lines, and one that tells how many more there are.
    """
    if same_json(expected, actual):
        return ()
    found = DeepDiff(expected, actual, view="tree", verbose_level=2, threshold_to_diff_deeper=0)
    lines = sorted(
        {_line(change) for changes in found.values() for change in changes},
        key=lambda line: (line.count(".") + line.count("["), line),
    )
    if not lines:
        # DeepDiff holds 1 and true for equal where they stand as keys or items.
        lines = [f"$: expected {_short(expected)}, got {_short(actual)}"]
    if len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"… and {len(lines) - SHOWN} more"]
    return tuple(lines)


def json_path(parts: Iterable[Any]) -> str:
    """`$.values.messages[0]` for the keys and indexes on the way to a value."""
    path = "$"
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif str(part).isidentifier():
            path += f".{part}"
        else:
            path += f"[{str(part)!r}]"
    return path


def _line(change: Any) -> str:
    path = json_path(change.path(output_format="list"))
    if change.t2 is notpresent:
        return f"{path}: missing, expected {_short(change.t1)}"
    if change.t1 is notpresent:
        return f"{path}: not expected, got {_short(change.t2)}"
    return f"{path}: expected {_short(change.t1)}, got {_short(change.t2)}"


def _short(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= _VALUE_WIDTH else f"{text[: _VALUE_WIDTH - 1]}…"
