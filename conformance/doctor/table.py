"""Formats a `[graph]` table as TOML."""

from __future__ import annotations

import json
import re
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(table: dict[str, Any]) -> str:
    """Return the `[graph]` table as TOML: one line per setting, and one per superstep."""
    lines = ["[graph]"]
    for name, value in table.items():
        if name == "supersteps":
            steps = [f"  {_written(each)}," for each in value]
            lines += [f"{name} = [", *steps, "]"]
        elif value not in ({}, []) or name in ("appending", "channels"):
            lines.append(f"{name} = {_written(value)}")
    return "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    if isinstance(value, dict):
        members = [f"{_key(k)} = {_written(v)}" for k, v in value.items() if v is not None]
        return f"{{ {', '.join(members)} }}" if members else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_written(each) for each in value if each is not None)}]"
    # TOML writes texts, numbers and booleans as JSON does, except DEL, which JSON leaves as it is.
    return json.dumps(value).replace("\x7f", "\\u007F")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)
