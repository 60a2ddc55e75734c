"""Whether JSON holds other JSON, as PostgreSQL's JSONB `@>` decides."""

from __future__ import annotations

from typing import Any


def contains(whole: Any, part: Any) -> bool:
    """Whether `whole` holds `part`: members of objects, elements of arrays in any order.

    Types count: true is not 1, though 1 is 1.0.
    """
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and contains(whole[key], value) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(
            any(contains(item, wanted) for item in whole) for wanted in part
        )
    if isinstance(whole, bool) or isinstance(part, bool):
        return whole is part
    return bool(whole == part)
