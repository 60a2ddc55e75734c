"""The history of servers: the verdict of every requirement for every version, in small files.

`HISTORY/SERVER/VERSION.json` holds one letter per requirement, in one line per prefix of ids, so
that another version is another file, and another verdict a changed line. Reports hold the evidence;
the history is what is left of a version whose report is not kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import EFFORTS, PROFILES
from conformance.contract.verdicts import Verdict
from conformance.report.record import Report, ReportError
from conformance.report.run.wording import server_name
from conformance.report.run.write import write_text
from conformance.safe_text import excerpt, safe_name
from conformance.typed_data import DataError, check_keys, typed

FORMAT = "threads-conformance-history/1"
#: One letter for each verdict.
LETTERS = {
    Verdict.PASS: "k",
    Verdict.FAIL: "b",
    Verdict.UNSUPPORTED: "u",
    Verdict.BLOCKED: "x",
    Verdict.ERROR: "e",
    Verdict.NOT_RUN: "n",
}
_MEANINGS = {
    "k": "kept",
    "b": "broken",
    "u": "unsupported",
    "x": "blocked",
    "e": "error",
    "n": "not run",
}
_VERDICTS = {letter: verdict for verdict, letter in LETTERS.items()}
_ID = re.compile(r"[A-Z]+(-[A-Z]+)*-\d{2,}")
_LARGEST = 4 * 2**20


@dataclass(frozen=True)
class Judgement:
    """What one run said about one version of a server: how it was judged, and the verdicts by id.

    `date` is the UTC day of the run.
    """

    server: str
    version: str
    suite: str
    catalogue: str
    date: str
    run: str
    profile: str
    effort: str
    seed: int
    partial: bool
    verdicts: dict[str, Verdict]

    @property
    def measure(self) -> tuple[str, str, bool]:
        """What must be equal for judgements to be compared: profile, effort, partial or whole."""
        return (self.profile, self.effort, self.partial)

    @property
    def suite_and_catalogue(self) -> tuple[str, str]:
        """Version of the suite and digest of its catalogue."""
        return (self.suite, self.catalogue)


def judgement_of(report: Report) -> Judgement:
    """Return the judgement of a report; server and version are empty if they are not known."""
    return Judgement(
        server=report.deployment.server_name or "",
        version=report.deployment.server_version or "",
        suite=report.suite_version,
        catalogue=report.catalogue_digest,
        date=report.run.started_at[:10],
        run=report.run.id,
        profile=report.run.profile,
        effort=report.run.effort,
        seed=report.run.seed,
        partial=report.run.partial or report.run.read_only,
        verdicts={each.id: each.verdict for each in report.requirements},
    )


def history_file(directory: Path, judgement: Judgement) -> Path:
    """Return the file of a judgement; raise `ReportError` if it has no usable name."""
    names = (judgement.server, judgement.version)
    for name in names:
        if not name or name != safe_name(name) or name.startswith("."):
            raise ReportError(
                f"the report of {judgement.server or 'an unknown server'} "
                f"{judgement.version or 'without a version'} cannot be added to the history: it "
                "needs the name and the version of a server, as `run --server NAME==VERSION` or "
                "the server's /info gives them"
            )
    server, version = (name.replace("/", "__") for name in names)
    return directory / server / f"{version}.json"


def add_to_history(directory: Path, reports: Iterable[Report]) -> tuple[Path, ...]:
    """Write the judgement of each report; one of the same version is replaced. Return the files.

    Raise `ReportError` if a report is partial or has no name, if two are of one version, if one
    would replace a run of another profile or effort, or if the folder cannot be written to.
    """
    texts: dict[Path, str] = {}
    for report in reports:
        judgement = judgement_of(report)
        if judgement.partial:
            raise ReportError(
                f"the report of {server_name(report)} is partial: only whole runs are added to "
                "the history"
            )
        if unknown := [each for each in judgement.verdicts if not _ID.fullmatch(each)]:
            raise ReportError(
                f"the report of {server_name(report)} cannot be added to the history: "
                f"{excerpt(unknown[0], 80)!r} is no id of a requirement"
            )
        file = history_file(directory, judgement)
        if file in texts:
            raise ReportError(
                f"two reports are of {server_name(report)}: the history holds one for each "
                "version, give the one that it shall hold"
            )
        if file.exists() and (kept := _read(file)).measure != judgement.measure:
            raise ReportError(
                f"{file} is of a run of profile {kept.profile}, effort {kept.effort}, and the "
                f"report of {server_name(report)} of profile {judgement.profile}, effort "
                f"{judgement.effort}: give a run like the others, or remove the file first"
            )
        texts[file] = history_text(judgement)
    for file, text in texts.items():
        write_text(file, text, option="--history")
    return tuple(texts)


def history_text(judgement: Judgement) -> str:
    """Return the text of a history file; equal judgements give equal text."""
    groups: dict[str, list[str]] = {}
    for id_, verdict in sorted(judgement.verdicts.items()):
        prefix, _, number = id_.rpartition("-")
        groups.setdefault(prefix, []).append(f"{number}{LETTERS[verdict]}")
    head = {
        "format": FORMAT,
        **{name: getattr(judgement, name) for name in _HEAD},
        "letters": _MEANINGS,
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
    rows = [
        f"    {json.dumps(prefix)}: {json.dumps(' '.join(given))}"
        for prefix, given in groups.items()
    ]
    return "\n".join(["{", *lines, '  "verdicts": {', ",\n".join(rows), "  }", "}"]) + "\n"


_HEAD = ("server", "version", "suite", "catalogue", "date", "run", "profile", "effort", "seed")


def read_history(directory: Path) -> tuple[Judgement, ...]:
    """Read all judgements below a folder, none if it is not there; they are sorted by file.

    Raise `ReportError`, which names the file, if one cannot be used.
    """
    return tuple(_read(file) for file in sorted(directory.glob("*/*.json")))


def _read(file: Path) -> Judgement:
    try:
        if file.stat().st_size > _LARGEST:
            raise ReportError(f"{file} is larger than any history of a version: remove it")
        data = json.loads(file.read_text(encoding="utf-8"))
        made = _parsed(data)
    except (OSError, UnicodeDecodeError, RecursionError) as unreadable:
        raise ReportError(f"cannot read {file}: {unreadable}") from unreadable
    except (json.JSONDecodeError, DataError) as broken:
        raise ReportError(
            f"{file} is no history of a version ({broken}): write it again with "
            "`threads-conformance board REPORT --add`"
        ) from broken
    if history_file(file.parents[1], made) != file:
        raise ReportError(
            f"{file} is of {safe_name(made.server)} {safe_name(made.version)}: it must be "
            "SERVER/VERSION.json of what it holds"
        )
    return made


@dataclass(frozen=True)
class _File:
    """A history file as it is written."""

    format: str
    server: str
    version: str
    suite: str
    catalogue: str
    date: str
    run: str
    profile: str
    effort: str
    seed: int
    letters: dict[str, str]
    verdicts: dict[str, str]


def _parsed(data: Any) -> Judgement:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DataError("format", f"must be {FORMAT!r}")
    check_keys(data, _File)
    file = typed(data, _File)
    if file.letters != _MEANINGS:
        raise DataError("letters", f"must be {json.dumps(_MEANINGS)}")
    for key, known in (("profile", PROFILES), ("effort", EFFORTS)):
        if getattr(file, key) not in known:
            raise DataError(key, f"must be one of {', '.join(known)}")
    verdicts: dict[str, Verdict] = {}
    for prefix, given in file.verdicts.items():
        for each in given.split():
            verdict = _VERDICTS.get(each[-1])
            if verdict is None or not _ID.fullmatch(f"{prefix}-{each[:-1]}"):
                raise DataError(
                    f"verdicts.{prefix}", f"holds {each!r}: write a number and one of {_ALL}"
                )
            verdicts[f"{prefix}-{each[:-1]}"] = verdict
    return Judgement(
        **{name: getattr(file, name) for name in _HEAD}, partial=False, verdicts=verdicts
    )


_ALL = ", ".join(_VERDICTS)
