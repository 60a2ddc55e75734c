"""The commands that a person may want after a run, by its verdict."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from conformance.contract.catalogue import LEVELS, PROFILES
from conformance.contract.verdicts import RunVerdict
from conformance.report.record import Report
from conformance.report.run.folders import SELECTION_DIR, WHOLE_DIR
from conformance.report.run.grouping import failure_groups, members, undecided_groups
from conformance.report.score import UNDECIDED

_PROGRAM = "threads-conformance"
#: Most requirements that the command names which makes what failed again.
_MOST_NAMED = 6


@dataclass(frozen=True)
class RunAgain:
    """The parts of a command line that makes a run again, quoted for a shell.

    `target` are the options that name the deployment and the credentials, empty for the embedded
    reference; `options` are these and others, except profile, what selects checks, and how the
    report is written.
    """

    target: str = ""
    options: str = ""

    def command(self, *more: str) -> str:
        """Return the command with further arguments, already quoted."""
        return " ".join(filter(None, [_PROGRAM, "run", self.options, *more]))


@dataclass(frozen=True)
class NextCommand:
    """A command to paste, and in a few words what it is good for."""

    command: str
    why: str


def next_commands(
    report: Report, report_dir: Path | None, again: RunAgain | None
) -> tuple[NextCommand, ...]:
    """Return three commands for what to do after this run, the most useful first.

    `report_dir` is where the report is, None if nowhere; without `again` no command of them makes
    the run again, because this report was not made by one.
    """
    failures = [each for each in failure_groups(report) if not each.baselined]
    if failures:
        return _after_failures(report, report_dir, again)
    if report.verdict is RunVerdict.CONFORMANT:
        return _after_success(report, again)
    return _after_nothing_decided(report, report_dir, again)


def _after_failures(
    report: Report, report_dir: Path | None, again: RunAgain | None
) -> tuple[NextCommand, ...]:
    failed = list(
        dict.fromkeys(
            members(group, report)[0] for group in failure_groups(report) if not group.baselined
        )
    )
    found = []
    if report_dir is not None:
        explain = _explain(report_dir, failed[0])
        found.append(NextCommand(explain, "why, with every request"))
        if again is not None:
            replay = " ".join(filter(None, [explain, "--replay", again.target]))
            found.append(NextCommand(replay, "ask the same again"))
    if again is not None:
        names = ",".join(failed[:_MOST_NAMED])
        said = "only what failed" if len(failed) <= _MOST_NAMED else "some of what failed"
        found.append(NextCommand(again.command("--requirement", names), f"{said}, again"))
    return tuple(found)


def _after_success(report: Report, again: RunAgain | None) -> tuple[NextCommand, ...]:
    if again is None:
        return ()
    position = PROFILES.index(report.run.profile)
    wider = f"--profile {PROFILES[min(position + 1, len(PROFILES) - 1)]}"
    more = NextCommand(again.command(wider), "more of the Threads API")
    if position == len(PROFILES) - 1 or report.run.narrowed:
        more = NextCommand(again.command("--profile", report.run.profile), "all checks of it")
    if not report.run.partial and position == len(PROFILES) - 1:
        more = NextCommand(
            again.command(wider, "--effort", "thorough"), "more requests of each property"
        )
    if not again.target:
        return (
            more,
            NextCommand(f"{_PROGRAM} run http://127.0.0.1:2024", "a deployment of yours"),
            NextCommand(f"{_PROGRAM} servers", "what --server can install and check"),
        )
    return (
        more,
        NextCommand(again.command("--client", "all"), "the documents' flows, by SDKs and curl"),
        NextCommand(again.command("--write-baseline", "accepted.toml"), "a gate for CI"),
    )


def _after_nothing_decided(
    report: Report, report_dir: Path | None, again: RunAgain | None
) -> tuple[NextCommand, ...]:
    levels = {each.id: LEVELS.index(each.level) for each in report.requirements}
    open_ids = [
        each
        for group in undecided_groups(report)
        if group.verdict in UNDECIDED
        for each in group.requirements
    ]
    found = []
    if open_ids and report_dir is not None:
        first = min(open_ids, key=lambda each: levels.get(each, len(LEVELS)))
        found.append(NextCommand(_explain(report_dir, first), "why it could not be decided"))
    if again is not None:
        doctor = " ".join(filter(None, [f"{_PROGRAM} doctor", again.target]))
        found.append(NextCommand(doctor, "whether graph and settings fit"))
        profile = () if report.run.profile == PROFILES[0] else ("--profile", report.run.profile)
        found.append(NextCommand(again.command(*profile), "again"))
    return tuple(found)


def _explain(report_dir: Path, name: str) -> str:
    if report_dir in (WHOLE_DIR, SELECTION_DIR):
        return f"{_PROGRAM} explain {shlex.quote(name)}"
    return f"{_PROGRAM} explain {shlex.quote(str(report_dir))} {shlex.quote(name)}"
