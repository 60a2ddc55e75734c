"""A launcher: a TOML file that says how to install and start one kind of server.

Its format is documented for users in `fixtures/deployments/launchers/README.md`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from string import Formatter
from typing import Any, TypeVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from conformance.data import fixtures_dir
from conformance.deployment.launch.errors import LauncherError

_T = TypeVar("_T")

INSTALLERS = ("python", "npm")
SERVICES = ("postgresql",)
_PLACES = {"bin", "port", "version", "project", "python"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Range:
    """What some versions need: further packages, and only releases from before the day `before`."""

    versions: SpecifierSet
    packages: tuple[str, ...] = ()
    before: date | None = None


@dataclass(frozen=True)
class Install:
    """How the server's packages are installed; `package` is the one whose versions count."""

    kind: str
    package: str
    packages: tuple[str, ...]
    python: SpecifierSet = field(default_factory=SpecifierSet)
    ranges: tuple[Range, ...] = ()

    def range_of(self, version: Version) -> Range | None:
        """Return the first range that contains the version."""
        return next(
            (each for each in self.ranges if each.versions.contains(version, prereleases=True)),
            None,
        )


@dataclass(frozen=True)
class Launcher:
    """How one kind of server is installed and started; `file` is the TOML file."""

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


def read_launcher(file: Path) -> Launcher:
    """Read a launcher file; raise `LauncherError`, which names the key and what to write."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as unread:
        raise LauncherError(f"{file} cannot be read ({unread.strerror})") from unread
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise LauncherError(f"{file} is not TOML: {broken}") from broken
    return _Reader(file).launcher(table)


class _Reader:
    """Reads a table; every error names the file and the key."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def launcher(self, table: dict[str, Any]) -> Launcher:
        self._check_keys(table, Launcher.__dataclass_fields__.keys() - {"file"}, "")
        name = self._text(table, "name")
        if not _NAME.fullmatch(name):
            raise self._error("name", "is made of letters, digits, '.', '_' and '-'")
        command = self._texts(table, "command", needed=True)
        env = self._table(table, "env")
        for key in env:
            self._text(env, key, "env.")
        services = self._texts(table, "services")
        if unknown := set(services) - set(SERVICES):
            raise self._error("services", f"has no {min(unknown)!r}: use {', '.join(SERVICES)}")
        places = _PLACES | set(services)
        for each in command:
            self._check_placeholders("command", each, places)
        for key, text in env.items():
            self._check_placeholders(f"env.{key}", text, places)
        if not (ready := self._text(table, "ready", default="/ok")).startswith("/"):
            raise self._error("ready", "is the path of a URL and starts with '/'")
        within = table.get("ready_within_s", 120.0)
        if isinstance(within, bool) or not isinstance(within, int | float) or within <= 0:
            raise self._error("ready_within_s", "is a number of seconds")
        known = self._texts(table, "known")
        for each in known:
            self._parse("known", Version, each)
        install = self._install(table)
        if not known and not (install and install.package):
            raise self._error("known", "is missing: a list of versions, where no package has them")
        return Launcher(
            file=self._file,
            name=name,
            command=command,
            description=self._text(table, "description", default=""),
            project=self._project(table),
            ready=ready,
            ready_within_s=float(within),
            printed_url=self._pattern(table),
            services=services,
            known=known,
            env=env,
            install=install,
        )

    def _project(self, table: dict[str, Any]) -> Path | None:
        if "project" not in table:
            return None
        name = self._text(table, "project")
        for folder in (self._file.parent / name, fixtures_dir() / "deployments" / name):
            if folder.is_dir():
                return folder.resolve()
        raise self._error("project", f"names no folder {name!r} beside it or among ours")

    def _pattern(self, table: dict[str, Any]) -> str | None:
        if "printed_url" not in table:
            return None
        text = self._text(table, "printed_url")
        try:
            groups = re.compile(text).groups
        except re.error as broken:
            raise self._error("printed_url", f"is not a regular expression: {broken}") from broken
        if groups != 1:
            raise self._error("printed_url", "has one group, in parentheses, that is the URL")
        return text

    def _install(self, table: dict[str, Any]) -> Install | None:
        if "install" not in table:
            return None
        own = self._table(table, "install")
        self._check_keys(own, {"with", "package", "packages", "python", "ranges"}, "install.")
        kind = self._text(own, "with", "install.")
        if kind not in INSTALLERS:
            raise self._error("install.with", f"is one of {', '.join(INSTALLERS)}")
        packages = self._texts(own, "packages", "install.", needed=True)
        for each in packages:
            self._check_placeholders("install.packages", each, {"version", "here"})
        ranges = own.get("ranges", [])
        if not isinstance(ranges, list) or not all(isinstance(each, dict) for each in ranges):
            raise self._error("install.ranges", "is a list of tables")
        return Install(
            kind=kind,
            package=self._text(own, "package", "install.", default=""),
            packages=packages,
            python=self._parse(
                "install.python", SpecifierSet, self._text(own, "python", "install.", default="")
            ),
            ranges=tuple(map(self._range, ranges)),
        )

    def _range(self, table: dict[str, Any]) -> Range:
        self._check_keys(table, Range.__dataclass_fields__.keys(), "install.ranges.")
        before = table.get("before")
        # A datetime is a date too, and would not be compared with one.
        if before is not None and type(before) is not date:
            raise self._error("install.ranges.before", "is a day, such as 2025-08-01")
        versions = self._text(table, "versions", "install.ranges.")
        return Range(
            versions=self._parse("install.ranges.versions", SpecifierSet, versions),
            packages=self._texts(table, "packages", "install.ranges."),
            before=before,
        )

    def _check_keys(self, table: dict[str, Any], known: Any, within: str) -> None:
        if unknown := sorted(table.keys() - set(known)):
            raise self._error(
                f"{within}{unknown[0]}", f"is not known here: use {', '.join(sorted(known))}"
            )

    def _table(self, table: dict[str, Any], key: str) -> dict[str, Any]:
        found = table.get(key, {})
        if not isinstance(found, dict):
            raise self._error(key, "is a table")
        return found

    def _text(
        self, table: dict[str, Any], key: str, within: str = "", default: str | None = None
    ) -> str:
        found = table.get(key, default)
        if not isinstance(found, str):
            raise self._error(within + key, "is a text" if key in table else "is missing: a text")
        return found

    def _texts(
        self, table: dict[str, Any], key: str, within: str = "", *, needed: bool = False
    ) -> tuple[str, ...]:
        found = table.get(key, [])
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise self._error(within + key, "is a list of texts")
        if needed and not found:
            raise self._error(within + key, "is missing: a list of texts")
        return tuple(found)

    def _check_placeholders(self, place: str, text: str, allowed: set[str]) -> None:
        try:
            names = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
        except ValueError as broken:
            raise self._error(place, f"has a single brace; write {{{{ for one ({text})") from broken
        if unknown := sorted(names - allowed):
            known = ", ".join(f"{{{each}}}" for each in sorted(allowed))
            raise self._error(place, f"has no {{{unknown[0]}}}: use {known}")

    def _parse(self, key: str, kind: Callable[[str], _T], text: str) -> _T:
        try:
            return kind(text)
        except (InvalidSpecifier, InvalidVersion) as broken:
            raise self._error(key, f"cannot be read: {broken}") from broken

    def _error(self, key: str, what: str) -> LauncherError:
        return LauncherError(f"{self._file}: {key} {what}")
