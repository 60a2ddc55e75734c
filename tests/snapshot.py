"""Comparison of text that people see with a file that was reviewed."""

from __future__ import annotations

import os
from pathlib import Path

_SNAPSHOTS = Path(__file__).parent / "snapshots"


def assert_snapshot(text: str, name: str) -> None:
    """Assert that `text`, without blanks at line ends, equals `tests/snapshots/<name>`.

    With UPDATE_SNAPSHOTS=1 the file is written again; review what changed before committing it.
    """
    shown = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    file = _SNAPSHOTS / name
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        file.parent.mkdir(exist_ok=True)
        file.write_text(shown, encoding="utf-8")
    assert file.exists(), f"{file} is missing: write it with UPDATE_SNAPSHOTS=1"
    assert shown == file.read_text(encoding="utf-8"), (
        f"the text is not that of {file}; if it should be so, write it with UPDATE_SNAPSHOTS=1"
    )
