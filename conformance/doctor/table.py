"""Formatting of a `[graph]` table as TOML."""

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
            steps = [f"  {_toml_value(each)}," for each in value]
            lines += [f"{name} = [", *steps, "]"]
        elif value not in ({}, []) or name in ("appending", "channels"):
            lines.append(f"{name} = {_toml_value(value)}")
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        members = [f"{_toml_key(k)} = {_toml_value(v)}" for k, v in value.items() if v is not None]
        return f"{{ {', '.join(members)} }}" if members else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(each) for each in value if each is not None)}]"
    # TOML writes texts, numbers and booleans as JSON does, except DEL, which JSON leaves as it is.
    return json.dumps(value).replace("\x7f", "\\u007F")


def _toml_key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)
