"""The available launchers: ours, those in the user's folder, and files named by an option."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from conformance.data import fixtures_dir
from conformance.deployment.launch.errors import LauncherError
from conformance.deployment.launch.launcher import Launcher, read_launcher
from conformance.user_dirs import config_dir


def user_launchers_dir() -> Path:
    """Return `$XDG_CONFIG_HOME/threads-conformance/launchers`, by default below `~/.config`."""
    return config_dir("launchers")


def load_launchers(files: Iterable[Path] = ()) -> dict[str, Launcher]:
    """Read all launchers, by name: `files` override the user's folder, and that overrides ours."""
    ours = sorted((fixtures_dir() / "deployments" / "launchers").glob("*.toml"))
    users = sorted(user_launchers_dir().glob("*.toml"))
    read = map(read_launcher, [*ours, *users, *files])
    return {each.name: each for each in read}


def find_launcher(launchers: dict[str, Launcher], name: str) -> Launcher:
    """Return the launcher of that name; raise `LauncherError` with a similar name if none."""
    if name in launchers:
        return launchers[name]
    near = difflib.get_close_matches(name, launchers, n=1)
    hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(sorted(launchers))}"
    raise LauncherError(f"there is no launcher {name!r}; {hint}")
