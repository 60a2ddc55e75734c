"""Installation of the JavaScript client's packages into the user's cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from tempfile import mkdtemp

from filelock import FileLock

from conformance.clients.client import NotInstalledError, error_excerpt
from conformance.user_dirs import cache_dir

_PROGRAM = Path(__file__).parent / "js"
_FILES = ("package.json", "run.mjs")
_NPM_WITHIN_S = 300.0
_INSTALL = ("install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")


def clients_dir() -> Path:
    """Return `$XDG_CACHE_HOME/threads-conformance/clients`, by default below `~/.cache`."""
    return cache_dir("clients")


def installed_js() -> Path:
    """Return the folder of our Node program with its packages; npm installs it if it is missing.

    A folder is complete or absent, and never changed: another list of packages or another program
    has another folder. Concurrent runs install a folder once. Raises `NotInstalledError`.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotInstalledError(
            "node and npm cannot be found: install Node.js 20 or newer, for instance by "
            "`apt-get install nodejs npm`"
        )
    content = b"".join((_PROGRAM / name).read_bytes() for name in _FILES)
    folder = clients_dir() / f"js-{hashlib.sha256(content).hexdigest()[:12]}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _install(npm, folder)
    except OSError as broken:
        raise NotInstalledError(
            f"cannot keep the JavaScript SDK in {folder.parent} ({broken.strerror or broken}): "
            "set XDG_CACHE_HOME to a folder that can be written to"
        ) from broken
    return folder


def _install(npm: str, folder: Path) -> None:
    making = Path(mkdtemp(prefix="making-", dir=folder.parent))
    try:
        for name in _FILES:
            shutil.copy(_PROGRAM / name, making)
        try:
            ended = subprocess.run(
                [npm, *_INSTALL, "--loglevel=error"],
                cwd=making,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_NPM_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise NotInstalledError(
                f"npm did not end within {_NPM_WITHIN_S:g} s: let it reach its registry once"
            ) from late
        if ended.returncode != 0:
            raise NotInstalledError(
                "npm cannot install @langchain/langgraph-sdk; let it reach its registry once. "
                f"It said: {error_excerpt(' '.join(ended.stderr.split()), 300)}"
            )
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
