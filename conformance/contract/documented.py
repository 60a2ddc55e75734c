"""The facts of the source documents: their requests and outputs, and the index of their parts.

They are kept under `fixtures/documented`, as those of published documents are under `published`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from conformance.data import fixtures_dir


@cache
def load_index() -> dict[str, Any]:
    """Load the index of the documents: `{"documents": [{file, sha256, counts, ...}]}`."""
    return _load_json(documented_dir() / "index.json")


@cache
def load_fixtures() -> dict[str, dict[str, Any]]:
    """Load every documented request and output by its path under `fixtures/documented`.

    Each has `provenance`, the `operation` and the `case` (the example) that it belongs to.
    A request has `request` (`method`, `path`, `headers`, `body`; a null body means that
    none is sent) and for Python and Javascript `sdk` (`call`, `arguments`); an output has
    `output`.
    """
    root = documented_dir()
    files = sorted(file for file in root.rglob("*.json") if file.name != "index.json")
    return {file.relative_to(root).as_posix(): _load_json(file) for file in files}


def documented_dir() -> Path:
    """Return the folder of the documented fixtures and of their index."""
    return fixtures_dir() / "documented"


def outputs_of(case: str) -> dict[str, Any]:
    """Return the outputs that the documents print for a case, by fixture path."""
    return {
        path: fixture["output"]
        for path, fixture in load_fixtures().items()
        if fixture["case"] == case and "output" in fixture
    }


def requests_of(case: str) -> dict[str, dict[str, Any]]:
    """Return the HTTP requests that the documents show for a case, by fixture path."""
    return {
        path: fixture["request"]
        for path, fixture in load_fixtures().items()
        if fixture["case"] == case and "request" in fixture
    }


def _load_json(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
