"""The places of checks in the source of this suite, for formats that ask for a file and a line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]
_FUNCTION = re.compile(r"(?:async )?def (test_\w+)\(", re.ASCII)


@dataclass(frozen=True)
class Place:
    """A file, by its path in the repository of this suite, and a line, counted from 1."""

    path: str
    line: int


def place_of(check_id: str) -> Place:
    """Return where the check is defined; line 1 of its file if this version does not have it."""
    module, _, name = check_id.partition("::")
    if not re.fullmatch(r"test_\w+\.py", module, re.ASCII):
        return Place("conformance/suite", 1)
    return Place(f"conformance/suite/{module}", _lines(module).get(name.partition("[")[0], 1))


@cache
def _lines(module: str) -> dict[str, int]:
    """Return the line of each check of a module."""
    file = _PACKAGE / "suite" / module
    if not file.is_file():
        return {}
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
    return {found[1]: number for number, line in lines if (found := _FUNCTION.match(line))}
