"""A digest of code and data that something kept in the user's cache depends on."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import conformance
from conformance.data import fixtures_dir, schemas_dir


def code_digest(parts: Iterable[str], *words: str) -> str:
    """Return a digest of parts of this package, its data, Python's version and the `words`.

    A part is a folder, whose Python files count, or a file. The data are the schemas and the
    documented requests; the versions of the libraries that generate data count as well.
    """
    digest = hashlib.sha256()
    package = Path(conformance.__file__).parent
    places = [package / each for each in parts]
    code = (
        file for place in places for file in ([place] if place.is_file() else place.rglob("*.py"))
    )
    documented = (file for file in (fixtures_dir() / "documented").rglob("*") if file.is_file())
    for file in sorted((*code, *schemas_dir().glob("*"), *documented)):
        digest.update(file.read_bytes())
    versions = map(version, ("hypothesis", "schemathesis"))
    for each in (*versions, *map(str, sys.version_info[:2]), *words):
        digest.update(f"{each}\0".encode())
    return digest.hexdigest()
