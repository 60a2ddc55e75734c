"""The baseline options of `run`, their checks before a run, and the output after it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from conformance.contract.catalogue import COUNTED_LEVELS, EFFORTS, PROFILES, load_catalogue
from conformance.report.baseline.file import (
    BaselineError,
    add_entries,
    check_names,
    check_writable,
    read_baseline,
)
from conformance.report.baseline.judgement import Entry, Judgement, apply_baseline, new_entries
from conformance.report.baseline.known import PREFIX, known_file, made_of
from conformance.report.plain_text import counted, cut, listed, one_line, printable
from conformance.report.record import Report
from conformance.report.run.wording import WORDS
from conformance.runner.session import collect_checks
from conformance.runner.settings import new_settings

_CLIENT = re.compile(r"\[(python-sdk|js-sdk|curl)\]$")
_SHOWN = 8
_SYMPTOM_LIMIT = 200

_OPTIONS = (
    click.option(
        "--baseline",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="TOML file of accepted deviations; exit 0 if it accepts every deviation of the run. "
        "known:NAME==VERSION is what that server is known to break; `baselines list` lists them.",
    ),
    click.option(
        "--strict-baseline",
        is_flag=True,
        help="Exit 1 also if entries of the baseline are stale, expired or changed; refuse "
        "entries without a reason.",
    ),
    click.option(
        "--write-baseline",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write the deviations of this run to a new baseline, or add them to an existing "
        "one; you fill in the reasons.",
    ),
)


def baseline_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options `--baseline`, `--strict-baseline` and `--write-baseline`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class RunBaseline:
    """The baseline of one run. `file` may be None; `write`: entries for new failures are added."""

    file: Path | None
    entries: tuple[Entry, ...]
    strict: bool
    write: bool
    today: date

    @classmethod
    def from_options(cls, read: Path | None, written: Path | None, *, strict: bool) -> RunBaseline:
        """Read the file that the options name; raise click's usage errors."""
        if read and written and read != written:
            raise click.UsageError(
                "--write-baseline reads its own file and adds to it: leave out --baseline, or name "
                "the same file"
            )
        if strict and written:
            raise click.UsageError(
                "--write-baseline leaves reasons empty, which --strict-baseline refuses: "
                "run with --write-baseline, fill in the reasons, then run with --strict-baseline"
            )
        if strict and not read:
            raise click.UsageError("--strict-baseline needs --baseline FILE")
        try:
            read, written = _resolve(read), _not_known(written)
            file = written or read
            if written:
                check_writable(written)
            starts = written and not written.exists()
            entries = read_baseline(file) if file and not starts else ()
            if file and entries:
                check_names(entries, load_catalogue().requirements, _check_ids(entries), file)
        except BaselineError as unusable:
            raise click.UsageError(str(unusable)) from unusable
        if empty := [entry.name for entry in entries if not entry.reason]:
            said = (
                f"{file}: no reason is given for {listed(empty, _SHOWN)}: "
                "write why each is accepted"
            )
            if strict:
                raise click.UsageError(said)
            click.echo(f"Warning: {said}", err=True)
        return cls(file, entries, strict, bool(written), datetime.now(UTC).date())

    def apply(self, report: Report, *, keyword: str) -> Judgement | None:
        """Apply the baseline to the report of a run; return None if there is no baseline."""
        if self.file is None:
            return None
        return apply_baseline(report, self.entries, self.today, whole=not keyword)

    def lines(self, judgement: Judgement | None) -> list[str]:
        """Return what the baseline accepts, and which of its entries are out of date."""
        if judgement is None or self.file is None:
            return []
        return list(map(printable, _result_lines(judgement, self.entries, write=self.write)))

    def finish(self, judgement: Judgement | None, status: int, *, err: bool = False) -> int:
        """Write new entries, and return the exit status of the command.

        What is to be said is printed, with `err` on standard error.
        """
        if judgement is None or self.file is None:
            return status
        if self.write:
            self._add_new_entries(self.file, judgement, err=err)
        if self.strict and judgement.outdated and status == 0:
            click.echo(
                "The baseline is out of date: change the entries listed above. "
                "Exit status 1 because of --strict-baseline.",
                err=err,
            )
            return 1
        return status

    def _add_new_entries(self, file: Path, judgement: Judgement, *, err: bool) -> None:
        added = new_entries(judgement, self.entries, self.today)
        if self.entries and not added:
            click.echo(f"{file} is unchanged: no entry is missing.", err=err)
            return
        try:
            add_entries(file, added, judgement)
        except BaselineError as refused:
            click.echo(f"Error: {refused}", err=True)
            return
        kept = f", {_entry_count(len(self.entries))} kept" if self.entries else ""
        click.echo(
            f"{file}: {_entry_count(len(added))} added{kept}. "
            f"Write the reasons, then run with --baseline {file}.",
            err=err,
        )


def _resolve(file: Path | None) -> Path | None:
    """Return the file of a known baseline for its name, and any other file as it is.

    Say where the known one was made by another version of the requirements.
    """
    if file is None or not str(file).startswith(PREFIX):
        return file
    found = known_file(str(file).removeprefix(PREFIX))
    made = made_of(found)
    if made and made.catalogue_digest != load_catalogue().digest:
        click.echo(
            f"Warning: {file} is of {made.date}, and of an earlier version of the requirements: "
            "deviations from those that are newer are not accepted",
            err=True,
        )
    return found


def _not_known(file: Path | None) -> Path | None:
    """Return the file to write; raise `BaselineError` for the name of a known one."""
    if file and str(file).startswith(PREFIX):
        raise BaselineError(
            f"{file} is shipped and not to be written: begin with `threads-conformance baselines "
            f"show {str(file).removeprefix(PREFIX)} > known.toml`, then --write-baseline known.toml"
        )
    return file


def _check_ids(entries: tuple[Entry, ...]) -> frozenset[str]:
    """Return the ids of all checks; they are collected only if an entry names a check."""
    wanted = {entry.check for entry in entries if entry.check}
    if not wanted:
        return frozenset()
    with TemporaryDirectory(prefix="threads-conformance-") as directory:
        # Collecting sends no request, so any URL is good enough.
        settings = new_settings(
            "http://127.0.0.1", Path(directory), profile=PROFILES[-1], effort=EFFORTS[-1]
        )
        read_only_settings = dataclasses.replace(settings, read_only=True)
        known = {*collect_checks(settings), *collect_checks(read_only_settings)}
    # A check made by a client has the id of the check with the client's name added.
    return frozenset(known | {each for each in wanted if _CLIENT.sub("", each) in known})


def _result_lines(judgement: Judgement, entries: tuple[Entry, ...], *, write: bool) -> list[str]:
    accepted = [each for each in judgement.report.requirements if each.baselined]
    levels = [
        f"{sum(each.level == level for each in accepted)} {level}" for level in COUNTED_LEVELS
    ]
    number = counted(len(accepted), "requirement")
    lines = [f"Baseline: {_entry_count(len(entries))}; {number} accepted ({', '.join(levels)})"]
    for stale in judgement.stale:
        said = "no longer deviates: remove the entry"
        if gone := stale.gone_fingerprints:
            said = (
                f"no longer deviates with {listed(gone, _SHOWN)}: "
                f"remove {'this fingerprint' if len(gone) == 1 else 'these fingerprints'}"
            )
        lines.append(f"  stale    {stale.entry.name} {said}")
    for entry in judgement.expired:
        lines.append(
            f"  expired  {entry.name} was accepted until {entry.expires}: "
            "remove the entry, or give it a later date"
        )
    advice = "" if write else "; to accept this too, run with --write-baseline"
    for changed in judgement.changed:
        for check in changed.checks:
            failure = check.failure
            symptom = failure.symptom if failure else check.reason
            lines.append(
                f"  changed  {changed.entry.name} {WORDS[check.verdict]}, but not as the entry "
                f"accepts: {check.id}: {cut(one_line(symptom), _SYMPTOM_LIMIT)}{advice}"
            )
    return lines


def _entry_count(number: int) -> str:
    return f"{number} entry" if number == 1 else f"{number} entries"
