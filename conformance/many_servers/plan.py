"""servers.toml: which servers are checked, how, and on how many cores in all.

Its format is documented for users in docs/check-a-compatible-server.md.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import PROFILES
from conformance.typed_data import DataError, UnreadableError, check_keys, read_toml, typed

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: Options that the plan itself gives to each run.
_OWN_OPTIONS = ("--url", "--server", "--profile", "--report-dir", "--workers", "-n", "--format")


class PlanError(Exception):
    """A file of servers cannot be used; the message names it, the key and what to write."""


@dataclass(frozen=True)
class PlannedRun:
    """One run: `server` (NAME==VERSION or NAME@latest) or `url`, and the `cores` that it takes.

    `name` is that of the folder of its report; `options` are further ones of `run`.
    """

    name: str
    server: str | None
    url: str | None
    cores: int
    options: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Runs by one profile, which take at most `cores` cores at once."""

    profile: str
    cores: int
    runs: tuple[PlannedRun, ...]


@dataclass(frozen=True)
class _RunTable:
    """A table `[[server]]` of the file, as written."""

    name: str = ""
    server: str | None = None
    url: str | None = None
    cores: int = 1
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class _PlanTable:
    """The file, as written."""

    server: tuple[dict[str, Any], ...]
    profile: str = "full"
    cores: int | None = None
    options: tuple[str, ...] = ()


def read_plan(file: Path) -> Plan:
    """Read a file of servers; raise `PlanError`."""
    try:
        return _plan(read_toml(file))
    except DataError as wrong:
        raise PlanError(f"{file}: {wrong}") from wrong
    except UnreadableError as unreadable:
        raise PlanError(str(unreadable)) from unreadable
    except FileNotFoundError as missing:
        raise PlanError(f"{file} cannot be read ({missing.strerror})") from missing


def _plan(data: dict[str, Any]) -> Plan:
    check_keys(data, _PlanTable)
    table = typed(data, _PlanTable)
    _check_options(table.options, "options")
    if not table.server:
        raise DataError("server", "is empty: give one table [[server]] for each server")
    runs = tuple(_run(each, at, table.options) for at, each in enumerate(table.server))
    names = [each.name for each in runs]
    if twice := next((each for each in names if names.count(each) > 1), None):
        raise DataError("name", f"{twice!r} is given twice: each report needs a folder of its own")
    if table.profile not in PROFILES:
        raise DataError("profile", f"must be one of {', '.join(PROFILES)}")
    cores = table.cores if table.cores is not None else os.cpu_count() or 1
    if cores < 1:
        raise DataError("cores", "must be at least 1")
    return Plan(table.profile, cores, runs)


def _run(data: dict[str, Any], at: int, options: tuple[str, ...]) -> PlannedRun:
    within = f"server[{at}]"
    check_keys(data, _RunTable, within)
    table = typed(data, _RunTable, within=within)
    if (table.server is None) == (table.url is None):
        raise DataError(within, "needs either server, such as langgraph-api==0.16.7, or url")
    name = table.name or re.sub("==|@", "-", table.server or "")
    if not name:
        raise DataError(f"{within}.name", "is missing: with url, give the report's folder a name")
    if not _NAME.fullmatch(name):
        raise DataError(
            f"{within}.name",
            "must be made of letters, digits, '.', '_' and '-', and begin with a letter or digit",
        )
    if table.cores < 1:
        raise DataError(f"{within}.cores", "must be at least 1")
    _check_options(table.options, f"{within}.options")
    return PlannedRun(name, table.server, table.url, table.cores, (*options, *table.options))


def _check_options(options: tuple[str, ...], key: str) -> None:
    for each in options:
        if each.partition("=")[0] in _OWN_OPTIONS:
            raise DataError(key, f"has {each}, which the keys of this file give")
