"""A launcher: a TOML file that says how to install and start one kind of server.

Its format is documented for users in `fixtures/deployments/launchers/README.md`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from string import Formatter
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from conformance.data import fixtures_dir
from conformance.deployment.launch.errors import LauncherError
from conformance.typed_data import DataError, UnreadableError, check_keys, read_toml, typed

INSTALLERS = ("python", "npm")
SERVICES = ("postgresql",)
_PLACEHOLDERS = {"bin", "port", "version", "project", "python"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class VersionRange:
    """The needs of some versions: more packages, and only releases from before the day `before`."""

    versions: SpecifierSet
    packages: tuple[str, ...] = ()
    before: date | None = None


@dataclass(frozen=True)
class Install:
    """The installation of a server; the versions of `package` are those of the server."""

    kind: str
    package: str
    packages: tuple[str, ...]
    python: SpecifierSet = field(default_factory=SpecifierSet)
    ranges: tuple[VersionRange, ...] = ()

    def range_of(self, version: Version) -> VersionRange | None:
        """Return the first range that contains the version."""
        return next(
            (each for each in self.ranges if each.versions.contains(version, prereleases=True)),
            None,
        )


@dataclass(frozen=True)
class Launcher:
    """How one kind of server is installed and started; `file` is its TOML file."""

    file: Path
    name: str
    command: tuple[str, ...]
    description: str = ""
    project: Path | None = None
    ready: str = "/ok"
    ready_within_s: float = 120.0
    printed_url: str | None = None
    services: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    install: Install | None = None

    def lock(self, version: Version) -> Path | None:
        """Return the file with the exact packages of a version, if there is one."""
        file = self.file.parent / "locks" / f"{self.name}-{version}.txt"
        return file if file.is_file() else None


@dataclass(frozen=True)
class _InstallTable:
    """The table `[install]` of a launcher file, as written."""

    packages: tuple[str, ...]
    package: str = ""
    python: str = ""
    ranges: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class _LauncherTable:
    """A launcher file, as written; its members are those of `Launcher`."""

    name: str
    command: tuple[str, ...]
    description: str = ""
    project: str | None = None
    ready: str = "/ok"
    ready_within_s: float = 120.0
    printed_url: str | None = None
    services: tuple[str, ...] = ()
    known: tuple[Version, ...] = ()
    env: dict[str, Any] = field(default_factory=dict)
    install: dict[str, Any] | None = None


def read_launcher(file: Path) -> Launcher:
    """Read a launcher file; raise `LauncherError`, which names the key and what to write."""
    try:
        return _launcher(file, read_toml(file))
    except DataError as wrong:
        raise LauncherError(f"{file}: {wrong}") from wrong
    except UnreadableError as unreadable:
        raise LauncherError(str(unreadable)) from unreadable
    except FileNotFoundError as missing:
        raise LauncherError(f"{file} cannot be read ({missing.strerror})") from missing


def _launcher(file: Path, data: dict[str, Any]) -> Launcher:
    check_keys(data, _LauncherTable)
    table = typed(data, _LauncherTable, _parse)
    if not _NAME.fullmatch(table.name):
        raise DataError(
            "name",
            "must be made of letters, digits, '.', '_' and '-', and begin with a letter or digit",
        )
    if not table.command:
        raise DataError(
            "command", "is empty: give the program and its arguments, a list of strings"
        )
    if unknown := set(table.services) - set(SERVICES):
        raise DataError(
            "services", f"names an unknown service {min(unknown)!r}: use {', '.join(SERVICES)}"
        )
    placeholders = _PLACEHOLDERS | set(table.services)
    for each in table.command:
        _check_placeholders("command", each, placeholders)
    # Each value by itself, since errors of msgspec do not name the key of a table's member.
    env = {key: typed(text, str, within=f"env.{key}") for key, text in table.env.items()}
    for key, text in env.items():
        _check_placeholders(f"env.{key}", text, placeholders)
    if not table.ready.startswith("/"):
        raise DataError("ready", "must be the path of a URL, which starts with '/'")
    if table.ready_within_s <= 0:
        raise DataError("ready_within_s", "must be more than 0 seconds")
    if table.printed_url is not None:
        _check_pattern("printed_url", table.printed_url)
    install = None if table.install is None else _install(table.install)
    if not table.known and not (install and install.package):
        raise DataError(
            "known",
            "is missing: list the versions here, or name the package that has them in "
            "install.package",
        )
    return Launcher(
        file=file,
        name=table.name,
        command=table.command,
        description=table.description,
        project=_project(file, table.project),
        ready=table.ready,
        ready_within_s=table.ready_within_s,
        printed_url=table.printed_url,
        services=table.services,
        known=tuple(map(str, table.known)),
        env=env,
        install=install,
    )


def _project(file: Path, name: str | None) -> Path | None:
    if name is None:
        return None
    for folder in (file.parent / name, fixtures_dir() / "deployments" / name):
        if folder.is_dir():
            return folder.resolve()
    raise DataError(
        "project",
        f"names the folder {name!r}, which is neither beside the launcher file nor one of the "
        "suite's projects: correct it",
    )


def _install(data: dict[str, Any]) -> Install:
    check_keys(data, ("with", *_InstallTable.__dataclass_fields__), "install")
    if data.get("with") not in INSTALLERS:
        raise DataError("install.with", f"must be one of {', '.join(INSTALLERS)}")
    table = typed(data, _InstallTable, within="install")
    for each in table.packages:
        _check_placeholders("install.packages", each, {"version", "here"})
    ranges = []
    for number, own in enumerate(table.ranges):
        within = f"install.ranges[{number}]"
        check_keys(own, VersionRange, within)
        ranges.append(typed(own, VersionRange, _parse, within))
    return Install(
        kind=data["with"],
        package=table.package,
        packages=table.packages,
        python=typed(table.python, SpecifierSet, _parse, "install.python"),
        ranges=tuple(ranges),
    )


def _parse(kind: type, value: Any) -> Any:
    """Parse a version or a specifier; raise `ValueError` if it cannot be read."""
    try:
        return kind(value)
    except (InvalidSpecifier, InvalidVersion, TypeError) as broken:
        raise ValueError(f"cannot be read: {broken}") from broken


def _check_pattern(key: str, text: str) -> None:
    try:
        groups = re.compile(text).groups
    except re.error as broken:
        raise DataError(key, f"must be a regular expression: {broken}") from broken
    if groups != 1:
        raise DataError(key, "must have exactly one group, in parentheses, which matches the URL")


def _check_placeholders(key: str, text: str, allowed: set[str]) -> None:
    try:
        names = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    except ValueError as broken:
        raise DataError(
            key, f"has a single brace: double a brace that is meant literally ({text})"
        ) from broken
    if unknown := sorted(names - allowed):
        known = ", ".join(f"{{{each}}}" for each in sorted(allowed))
        raise DataError(key, f"has an unknown placeholder {{{unknown[0]}}}: use one of {known}")
