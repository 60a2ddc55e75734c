"""Keys of the values that a path or a select can name."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: The published pattern of KEY in `values.KEY`, a value of the select of a history.
_KEY = re.compile(r"[A-Za-z0-9_-]+")


def selectable(keys: Iterable[str]) -> list[str]:
    """Return the keys of letters, digits, underscores and hyphens, in order."""
    return sorted(key for key in keys if _KEY.fullmatch(key))
