"""The requested version of a server, and the versions that exist."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from conformance.deployment.launch.errors import LauncherError, NotStartedError
from conformance.deployment.launch.launcher import Launcher

_NAME_AND_VERSION = re.compile(r"(?P<name>[^=@]+)(?:==(?P<version>[^=@]+)|@latest)?")
_INDEX_TIMEOUT_S = 180.0


@dataclass(frozen=True)
class Wanted:
    """A server by name; `version` is None for the newest."""

    name: str
    version: Version | None


def parse_wanted(text: str) -> Wanted:
    """Parse NAME==VERSION, NAME@latest or NAME; raise `LauncherError` for anything else."""
    found = _NAME_AND_VERSION.fullmatch(text.strip())
    if found is None:
        raise LauncherError(
            f"{text!r} names no server: write NAME==VERSION, such as langgraph-api==0.16.7, "
            "or NAME@latest"
        )
    version = found["version"]
    return Wanted(found["name"], None if version is None else parse_version(version))


def parse_version(text: str) -> Version:
    """Parse a version; raise `LauncherError` for anything else."""
    try:
        return Version(text)
    except InvalidVersion as broken:
        raise LauncherError(
            f"{text!r} is not a version: write one such as 0.16.7, or NAME@latest for the newest"
        ) from broken


def known_versions(launcher: Launcher) -> list[Version]:
    """Return the versions that are known to start, oldest first."""
    return sorted(map(Version, launcher.known))


def latest_version(launcher: Launcher) -> Version:
    """Return the newest release in the package index; without a package the newest known."""
    if launcher.install is None or not launcher.install.package:
        return known_versions(launcher)[-1]
    published = published_versions(launcher)
    return max((each for each in published if not each.is_prerelease), default=published[-1])


def published_versions(launcher: Launcher) -> list[Version]:
    """Return every version in the package index, oldest first, with pre-releases.

    Raises `NotStartedError` if the index does not answer.
    """
    assert launcher.install is not None
    package = launcher.install.package
    if launcher.install.kind == "npm":
        texts = json.loads(_output_of([program("npm"), "view", package, "versions", "--json"]))
        texts = [texts] if isinstance(texts, str) else texts
    else:
        listing = _output_of([*_pip(), "index", "versions", package, "--pre"])
        found = re.search(r"^Available versions: (.+)$", listing, re.MULTILINE)
        texts = found[1].split(", ") if found else []
    versions = []
    for each in texts:
        try:
            versions.append(Version(each))
        except InvalidVersion:
            # npm allows names of pre-releases that have no order.
            continue
    if not versions:
        raise NotStartedError(
            f"the package index has no version of {package}: "
            "correct install.package in the launcher"
        )
    return sorted(versions)


def program(name: str) -> str:
    """Return the path of a program; raise `NotStartedError`, which says what to install."""
    if found := shutil.which(name):
        return found
    what = {"npm": "Node.js 20 or newer, which brings npm"}.get(name, name)
    raise NotStartedError(f"{name} is not on the PATH: install {what}")


def _pip() -> list[str]:
    """Return the command for pip of our own Python; where that has none, for pip through uv."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    return [program("uv"), "tool", "run", "pip"]


def _output_of(command: list[str]) -> str:
    """Return the output of a command; raise `NotStartedError` with its last lines if it fails."""
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_INDEX_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as late:
        raise NotStartedError(
            f"{' '.join(command)} did not end within {_INDEX_TIMEOUT_S:.0f} s: "
            "check the connection to the package index"
        ) from late
    if ended.returncode:
        last = "\n".join(f"  {line}" for line in ended.stderr.strip().splitlines()[-5:])
        raise NotStartedError(f"{' '.join(command)} failed; its last lines:\n{last}")
    return ended.stdout
