"""The user's folders of this project, by the XDG base directory specification."""

from __future__ import annotations

import os
from pathlib import Path

_OURS = "threads-conformance"


def cache_dir(name: str) -> Path:
    """Return `$XDG_CACHE_HOME/threads-conformance/NAME`, by default below `~/.cache`."""
    return _below("XDG_CACHE_HOME", ".cache", name)


def keep_newest(directory: Path, pattern: str, most: int) -> None:
    """Remove the oldest files of a pattern beyond the newest `most`."""
    files = sorted(directory.glob(pattern), key=lambda file: file.stat().st_mtime)
    for file in files[:-most]:
        file.unlink(missing_ok=True)


def state_dir(name: str) -> Path:
    """Return `$XDG_STATE_HOME/threads-conformance/NAME`, by default below `~/.local/state`."""
    return _below("XDG_STATE_HOME", ".local/state", name)


def config_dir(name: str) -> Path:
    """Return `$XDG_CONFIG_HOME/threads-conformance/NAME`, by default below `~/.config`."""
    return _below("XDG_CONFIG_HOME", ".config", name)


def _below(variable: str, default: str, name: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default) / _OURS / name
