"""Baselines of the servers on the board: derived from their published reports, and shipped.

`known:langgraph-api==0.16.7` in the place of a file names one. With it a team gates from the first
day on what it breaks itself, beside what the server is known to break.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path

from conformance.data import data_root, fixtures_dir
from conformance.report.baseline.file import FORMAT, BaselineError, entries_text, read_table
from conformance.report.baseline.judgement import apply_baseline, new_entries
from conformance.report.record import Report, load_report
from conformance.typed_data import typed

#: What the name of a known baseline begins with, in the place of the path of a file.
PREFIX = "known:"
_NAME = re.compile(r"[A-Za-z0-9._+-]+==[A-Za-z0-9._+-]+", re.ASCII)


@dataclasses.dataclass(frozen=True)
class MadeOf:
    """The report of which a known baseline is derived."""

    server: str
    version: str
    date: date
    profile: str
    catalogue_digest: str

    @property
    def name(self) -> str:
        """The name by which it is asked for, without the prefix."""
        return f"{self.server}=={self.version}"


def known_folder() -> Path:
    """Return the folder of the shipped baselines."""
    return fixtures_dir() / "baselines"


def known_baselines() -> tuple[MadeOf, ...]:
    """Return all that are shipped, ordered by name."""
    found = [made_of(each) for each in sorted(known_folder().glob("*.toml"))]
    return tuple(each for each in found if each)


def known_file(name: str) -> Path:
    """Return the file of a known baseline; raise `BaselineError` that lists them if it is none."""
    file = known_folder() / f"{name}.toml"
    if _NAME.fullmatch(name) and file.is_file():
        return file
    names = [each.name for each in known_baselines()]
    near = get_close_matches(name, names, n=2)
    hint = f" Did you mean {' or '.join(PREFIX + each for each in near)}?" if near else ""
    raise BaselineError(f"there is no baseline {PREFIX}{name}.{hint} There are: {', '.join(names)}")


def made_of(file: Path) -> MadeOf | None:
    """Return what a baseline is derived of; None if a person wrote it."""
    table = read_table(file).get("made_of")
    return typed(table, MadeOf) if table else None


def published_reports() -> tuple[Path, ...]:
    """Return the reports of real servers that this checkout publishes; none where installed."""
    found = sorted((data_root() / "reports").glob("*/report.json.gz"))
    return tuple(each for each in found if each.parent.name != "reference")


def derive(report: Report) -> str:
    """Return the text of the baseline that accepts what a report shows, and nothing else.

    Raise `BaselineError` if the report does not say of which server and version it is, or is of a
    part of the checks.
    """
    deployment, run = report.deployment, report.run
    name = f"{deployment.server_name}=={deployment.server_version}"
    if not (deployment.server_name and deployment.server_version and _NAME.fullmatch(name)):
        raise BaselineError("the report does not name the server and its version")
    if run.partial:
        raise BaselineError(f"the report of {name} is partial: make one of all checks")
    day = datetime.fromisoformat(run.started_at).date()
    # What the run accepted itself is known as well.
    results = tuple(dataclasses.replace(each, baselined=False) for each in report.requirements)
    judgement = apply_baseline(dataclasses.replace(report, requirements=results), (), day)
    reason = f"{name} is known to deviate (report of {day})"
    entries = [dataclasses.replace(each, reason=reason) for each in new_entries(judgement, (), day)]
    return (
        f"# What {name} is known to break: threads-conformance run --baseline {PREFIX}{name}\n"
        "# Derived of its published report by: threads-conformance baselines derive\n"
        f"format = {json.dumps(FORMAT)}\n\n"
        "[made_of]\n"
        f"server = {json.dumps(deployment.server_name)}\n"
        f"version = {json.dumps(deployment.server_version)}\n"
        f"date = {day}\n"
        f"profile = {json.dumps(run.profile)}\n"
        f"catalogue_digest = {json.dumps(report.catalogue_digest)}\n"
        f"{entries_text(entries, judgement)}"
    )


def derive_all(reports: Iterable[Path]) -> dict[Path, str]:
    """Return the text of each baseline of these reports, by the file where it is shipped.

    Raise `BaselineError`, or `ReportError` where a report cannot be read.
    """
    found: dict[Path, str] = {}
    for each in reports:
        report = load_report(each)
        name = f"{report.deployment.server_name}=={report.deployment.server_version}"
        found[known_folder() / f"{name}.toml"] = derive(report)
    return found


def differing(derived: dict[Path, str]) -> tuple[str, ...]:
    """Return the names of the shipped files that are not as derived, missing and extra ones too."""
    shipped = {each: each.read_text("utf-8") for each in known_folder().glob("*.toml")}
    return tuple(
        sorted(
            each.name
            for each in derived.keys() | shipped.keys()
            if derived.get(each) != shipped.get(each)
        )
    )
