"""The commands that install a server's packages into a folder: uv, else venv and pip; npm."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from conformance.deployment.launch.errors import NotStartedError
from conformance.deployment.launch.launcher import Launcher
from conformance.deployment.launch.versions import program

_ANY = SpecifierSet()
_PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
#: The first pip that has `--uploaded-prior-to`.
_DATED_PIP = "pip>=26"


@dataclass(frozen=True)
class Recipe:
    """The content of an environment; equal recipes make the same environment."""

    kind: str
    packages: tuple[str, ...]
    before: date | None = None
    locked: str | None = None
    python: str = ""

    def text(self) -> str:
        """Serialise the recipe, for its digest and for the description of the environment."""
        return json.dumps(
            [self.kind, self.packages, str(self.before or ""), self.locked, self.python]
        )


def recipe(launcher: Launcher, version: Version) -> Recipe:
    """Return how this version of the server is installed."""
    install = launcher.install
    assert install is not None
    own = install.range_of(version)
    lock = launcher.lock(version)
    here = launcher.file.parent.resolve()
    packages = tuple(
        each.format(version=version, here=here)
        for each in (*install.packages, *(own.packages if own else ()))
    )
    return Recipe(
        kind=install.kind,
        packages=packages,
        before=own.before if own else None,
        locked=lock.read_text(encoding="utf-8") if lock else None,
        python=interpreter(install.python) if install.kind == "python" else "",
    )


def bin_of(kind: str, folder: Path) -> Path:
    """Return the folder of the programs of an environment."""
    return folder / "node_modules" / ".bin" if kind == "npm" else folder / "python" / "bin"


def commands(wanted: Recipe, folder: Path) -> list[list[str]]:
    """Return the commands that install the environment in an empty folder, to be run there."""
    return (
        _npm_commands(wanted, folder) if wanted.kind == "npm" else _python_commands(wanted, folder)
    )


def _python_commands(wanted: Recipe, folder: Path) -> list[list[str]]:
    environment, python = folder / "python", str(folder / "python" / "bin" / "python")
    packages = list(wanted.packages)
    if wanted.locked is not None:
        lock = folder / "lock.txt"
        lock.write_text(wanted.locked, encoding="utf-8")
        packages = ["-r", str(lock)]
    # Exact versions need no date, and not every index has dates.
    day = f"{wanted.before}T00:00:00Z" if wanted.before and wanted.locked is None else None
    if uv := shutil.which("uv"):
        dated = ["--exclude-newer", day] if day else []
        return [
            [uv, "venv", "--no-project", "--python", wanted.python, str(environment)],
            [uv, "pip", "install", "--python", python, *dated, *packages],
        ]
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    dated = ["--uploaded-prior-to", day] if day else []
    return [
        [wanted.python, "-m", "venv", str(environment)],
        *([[*pip, "--upgrade", _DATED_PIP]] if day else []),
        [*pip, *dated, *packages],
    ]


def _npm_commands(wanted: Recipe, folder: Path) -> list[list[str]]:
    manifest = {"name": "server", "private": True, "type": "module"}
    (folder / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier"]
    dated = [f"--before={wanted.before}"] if wanted.before else []
    # Packages of one family that were published together name each other as peers
    # in ranges that npm calls unsatisfiable.
    return [[program("npm"), "install", "--legacy-peer-deps", *quiet, *dated, *wanted.packages]]


def interpreter(allowed: SpecifierSet = _ANY) -> str:
    """Return a Python that is allowed: ours, else one on the PATH, else a version range for uv.

    Raises `NotStartedError` if there is none.
    """
    if allowed.contains(platform.python_version(), prereleases=True):
        # Not the path in a virtual environment: it is part of the recipe, so that each virtual
        # environment would install its own servers.
        return str(Path(sys.executable).resolve())
    for name in _PYTHONS:
        path = shutil.which(name)
        if path and allowed.contains(_version_of(path) or "0", prereleases=True):
            return path
    if shutil.which("uv"):
        return str(allowed)
    raise NotStartedError(
        f"the server needs a Python {allowed}, and this is {platform.python_version()}: "
        "install such a Python, or uv, which downloads it"
    )


def _version_of(python: str) -> str | None:
    printed = subprocess.run(
        [python, "-c", "import platform; print(platform.python_version())"],
        capture_output=True,
        text=True,
        check=False,
    )
    return printed.stdout.strip() or None
