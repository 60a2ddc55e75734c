"""Containment of JSON in JSON, as defined by PostgreSQL's JSONB operator `@>`."""

from __future__ import annotations

from typing import Any


def contains(whole: Any, part: Any) -> bool:
    """Return whether `whole` contains `part`: members of objects, elements of arrays in any order.

    Types are distinguished: true is not 1, though 1 equals 1.0.
    """
    # Plain loops, since a search calls this for every thread: generators take twice the time.
    if isinstance(part, dict):
        if not isinstance(whole, dict):
            return False
        for key, value in part.items():
            if key not in whole or not contains(whole[key], value):
                return False
        return True
    if isinstance(part, list):
        return isinstance(whole, list) and all(
            any(contains(item, wanted) for item in whole) for wanted in part
        )
    if isinstance(whole, bool) or isinstance(part, bool):
        return whole is part
    return bool(whole == part)
