"""A digest of the code that judges, by which two runs can be told to be made by the same suite."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
#: What decides a verdict; how it is shown does not.
_JUDGING = (
    *("checks", "clients", "contract", "deployment", "model", "runner", "suite"),
    *("report/record.py", "report/score.py"),
)
_SUFFIXES = frozenset({".py", ".toml", ".mjs"})


@cache
def suite_digest() -> str:
    """Return `sha256:` and a digest of every file that judges, equal in a checkout and a wheel."""
    digest = hashlib.sha256()
    for file in sorted(_files(), key=lambda each: each.relative_to(_PACKAGE).as_posix()):
        digest.update(file.relative_to(_PACKAGE).as_posix().encode())
        # As git may write it on another system.
        content = file.read_bytes().replace(b"\r\n", b"\n")
        digest.update(b"\0%d\0" % len(content))
        digest.update(content)
    return f"sha256:{digest.hexdigest()}"


def _files() -> list[Path]:
    found = []
    for name in _JUDGING:
        place = _PACKAGE / name
        inside = place.rglob("*") if place.is_dir() else [place]
        found += [
            each
            for each in inside
            if each.suffix in _SUFFIXES and "node_modules" not in each.parts and each.is_file()
        ]
    return found
