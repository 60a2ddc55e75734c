"""The paths of a search's `extract`, such as `values.messages[-1].content`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from conformance.model.errors import InvalidError

#: The members of a thread with which a path may start.
ROOTS = ("values", "metadata", "config", "interrupts")
#: The maximum number of paths in one search.
MOST_PATHS = 10

_STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<index>-?\d{1,9})\]")


def parse_path(path: str) -> tuple[str | int, ...]:
    """Parse a path into member names and indexes; InvalidError if it is malformed."""
    root = re.match(r"[^.\[\]]*", path)
    name = root.group() if root else ""
    if name not in ROOTS:
        raise InvalidError(f"extract path {path!r} must start with one of {', '.join(ROOTS)}")
    steps: list[str | int] = [name]
    position = len(name)
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise InvalidError(f"extract path {path!r} must read like 'values.messages[-1].id'")
        steps.append(step["key"] if step["key"] is not None else int(step["index"]))
        position = step.end()
    return tuple(steps)


def value_at_path(thread: Mapping[str, Any], path: str) -> Any:
    """Return the value at `path` in a thread; None where there is none."""
    found: Any = thread
    for step in parse_path(path):
        if isinstance(step, str):
            found = found.get(step) if isinstance(found, Mapping) else None
        elif isinstance(found, list) and -len(found) <= step < len(found):
            found = found[step]
        else:
            return None
    return found
