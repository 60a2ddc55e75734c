"""Writes a `[graph]` table as TOML, to be pasted."""

from __future__ import annotations

import json
import re
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(table: dict[str, Any]) -> str:
    """The `[graph]` table of the settings: a line for each of them, a superstep a line."""
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
    # Texts, numbers and booleans are written in TOML as in JSON; but for DEL, which JSON has bare.
    return json.dumps(value).replace("\x7f", "\\u007F")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)
