"""The files selftest.json and selftest.md.

Both hold the kill matrix and the freedom matrix; writing one of them keeps the other.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FORMAT = "threads-conformance-selftest/1"
#: The member of selftest.json with the freedom matrix; all others are the kill matrix.
FREEDOMS = "freedoms"
#: The headings of the two parts of selftest.md, in their order.
KILL_HEADING, FREEDOM_HEADING = "# The kill matrix", "# The freedom matrix"


def write_kill_matrix(directory: Path, data: dict[str, Any], markdown: str) -> None:
    """Write the kill matrix and keep the freedom matrix."""
    there = _read_json(directory)
    kept = {FREEDOMS: there[FREEDOMS]} if FREEDOMS in there else {}
    _write(directory, {"format": FORMAT, **data, **kept})
    _write_parts(directory, {KILL_HEADING: markdown})


def write_freedom_matrix(directory: Path, data: dict[str, Any], markdown: str) -> None:
    """Write the freedom matrix and keep the kill matrix."""
    _write(directory, {"format": FORMAT, **_read_json(directory), FREEDOMS: data})
    _write_parts(directory, {FREEDOM_HEADING: markdown})


def _read_json(directory: Path) -> dict[str, Any]:
    file = directory / "selftest.json"
    if not file.is_file():
        return {}
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


def _write(directory: Path, data: dict[str, Any]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data, indent=1, ensure_ascii=False)
    (directory / "selftest.json").write_text(f"{text}\n", encoding="utf-8")


def _write_parts(directory: Path, new: dict[str, str]) -> None:
    file = directory / "selftest.md"
    parts = {**(_parts(file.read_text(encoding="utf-8")) if file.is_file() else {}), **new}
    in_order = [parts[each] for each in (KILL_HEADING, FREEDOM_HEADING) if each in parts]
    file.write_text("\n\n".join(each.strip() for each in in_order) + "\n", encoding="utf-8")


def _parts(text: str) -> dict[str, str]:
    """Return the parts of selftest.md by their headings."""
    before, heading, after = text.partition(f"{FREEDOM_HEADING}\n")
    parts = {KILL_HEADING: before} if before.startswith(KILL_HEADING) else {}
    return {**parts, FREEDOM_HEADING: heading + after} if heading else parts
