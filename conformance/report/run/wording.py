"""Text of a report that all output formats share: the verdict in words, counts, promises."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from conformance.contract.catalogue import EFFORTS, LEVELS, PROFILES, Requirement
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.report.record import CheckResult, Deployment, Report, RunInfo
from conformance.report.run.grouping import (
    unmet_optional_groups,
)
from conformance.report.score import UNDECIDED

Requirements = Mapping[str, Requirement]

#: Verdicts in words, in the order of tables.
WORDS = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.UNSUPPORTED: "unsupported",
    Verdict.BLOCKED: "blocked",
    Verdict.ERROR: "error",
    Verdict.NOT_RUN: "not run",
}
VERDICT_WORDS = {
    RunVerdict.CONFORMANT: "CONFORMANT",
    RunVerdict.NON_CONFORMANT: "NON-CONFORMANT",
    RunVerdict.INCOMPLETE: "INCOMPLETE",
}


@dataclass(frozen=True)
class CapabilityRow:
    """The results of one capability: by level, how many passed of how many; the ids that failed.

    `failing` does not include a MAY.
    """

    capability: str
    passed: dict[str, tuple[int, int]]
    failing: tuple[str, ...]


@dataclass(frozen=True)
class Promise:
    """A requirement in the form in which failures quote it."""

    id: str
    level: str
    statement: str
    sources: tuple[str, ...]
    disputed: str


def capability_rows(report: Report) -> tuple[CapabilityRow, ...]:
    """Return one row per capability, in the order of the report's requirements."""
    rows = []
    for capability in dict.fromkeys(result.capability for result in report.requirements):
        results = [result for result in report.requirements if result.capability == capability]
        passed = {}
        for level in LEVELS:
            verdicts = [result.verdict for result in results if result.level == level]
            passed[level] = (verdicts.count(Verdict.PASS), len(verdicts))
        failing = tuple(
            result.id
            for result in results
            if result.verdict is Verdict.FAIL and result.level != LEVELS[-1]
        )
        rows.append(CapabilityRow(capability, passed, failing))
    return tuple(rows)


def verdict_words(report: Report) -> str:
    """Return the verdict in capitals, with a remark if the run ended early or is partial."""
    if ended := _early_end(report.run):
        return f"{VERDICT_WORDS[report.verdict]} ({ended})"
    return VERDICT_WORDS[report.verdict] + (" (partial)" if report.run.partial else "")


def verdict_meaning(report: Report) -> str:
    """Return one sentence on the MUSTs: how many are kept, broken, undecided."""
    counts = report.totals["MUST"]
    of = sum(counts.values())
    undecided = {verdict: counts[verdict] for verdict in UNDECIDED if counts[verdict]}
    accepted = sum(result.baselined and result.level == "MUST" for result in report.requirements)
    if of:
        said = (
            f"{counts[Verdict.PASS]} kept · {counts[Verdict.FAIL]} broken · "
            f"{sum(undecided.values())} undecided of {of} MUST requirements"
        )
        if undecided:
            each = (f"{number} {WORDS[verdict]}" for verdict, number in undecided.items())
            said += f" ({', '.join(each)})"
    elif report.verdict is RunVerdict.INCOMPLETE:
        said = "nothing was judged"
    else:
        said = "no MUST requirement was selected"
    if counts[Verdict.UNSUPPORTED]:
        said += f"; {counts[Verdict.UNSUPPORTED]} of {of} unsupported"
    if accepted:
        said += f"; the baseline accepts {accepted} of {of}"
    if report.run.interrupted:
        said += "; the run was interrupted, and the remaining requirements were not judged"
    elif report.run.given_up:
        said += (
            "; the deployment did not answer for longer than --outage-within in total, "
            "and the remaining requirements were not judged"
        )
    elif report.run.read_only:
        said += "; read-only: only requirements that can be decided by reading were judged"
    elif report.run.partial:
        said += "; only the selected requirements were judged"
    return f"{said[0].upper()}{said[1:]}."


def unmet_optional_line(report: Report) -> str:
    """Return a line on the MAY requirements that failed; empty if there are none.

    A failed MAY is information only and changes no verdict.
    """
    ids = [each for group in unmet_optional_groups(report) for each in group.requirements]
    if not ids:
        return ""
    return (
        "MAY requirements (optional or disputed) that do not hold, without effect on the verdict: "
        f"{', '.join(sorted(ids))}"
    )


def _early_end(run: RunInfo) -> str:
    if run.interrupted:
        return "interrupted"
    return "given up" if run.given_up else ""


def skipped_by_effort_line(report: Report, requirements: Requirements) -> str:
    """Return a line on requirements that need a higher effort; empty if none, or if partial."""
    if report.run.partial:
        return ""
    judged = {result.id for result in report.requirements}
    profiles = PROFILES[: PROFILES.index(report.run.profile) + 1]
    left = [
        each
        for each in requirements.values()
        if each.profile in profiles
        and each.id not in judged
        and EFFORTS.index(each.effort) > EFFORTS.index(report.run.effort)
    ]
    if not left:
        return ""
    names = ", ".join(each.id for each in left)
    return f"not checked at effort {report.run.effort}: {names}; give --effort {left[0].effort}"


def server_name(report: Report) -> str:
    """Return name and version of the server, as far as known."""
    return deployment_name(report.deployment)


def deployment_name(deployment: Deployment) -> str:
    """Return name and version as the server or its launcher reports them; never a guess."""
    name, version = deployment.server_name, deployment.server_version
    if not (name or version):
        return "unknown server"
    return " ".join(part for part in (name or "unnamed server", version) if part)


def time_rows(report: Report) -> list[tuple[str, str, str]]:
    """Return activity, seconds and share of the time of all processes; empty if not counted."""
    spent: dict[str, float] = {}
    for times in report.timings.values():
        for activity, seconds in times.items():
            spent[activity] = spent.get(activity, 0.0) + seconds
    whole = sum(spent.values())
    if not whole:
        return []
    rows = [(activity, f"{each:.2f}", f"{each / whole:.0%}") for activity, each in spent.items()]
    return [*rows, ("in all", f"{whole:.2f}", "100%")]


def time_line(report: Report) -> str:
    """Return where the time of all processes went, in seconds, on one line."""
    *rows, whole = time_rows(report) or [("in all", "0.00", "")]
    spent = ", ".join(f"{activity} {seconds}" for activity, seconds, _ in rows)
    return f"{whole[1]} s of {_processes(report)}: {spent}"


def time_caption(report: Report) -> str:
    """Return a caption for `time_rows`."""
    return f"Where the time of {_processes(report)} went"


def _processes(report: Report) -> str:
    number = len(report.timings)
    return "1 process" if number == 1 else f"{number} processes"


def cleanup_line(report: Report) -> str:
    """Return the counts of threads: `created 412, removed 412`."""
    if report.run.read_only:
        return "none created: the run was read-only"
    cleanup = report.cleanup
    line = f"created {cleanup.created}, removed {cleanup.removed}"
    if cleanup.left:
        line += f", left {len(cleanup.left)}"
    if cleanup.possibly_left:
        line += f", possibly left {sum(each.threads for each in cleanup.possibly_left)}"
    return line


def cleanup_reasons(report: Report) -> tuple[str, ...]:
    """Return a line for each reason why threads are left, and one with the sweep command."""
    cleanup = report.cleanup
    lines = [f"left: {each.threads} × {each.reason}" for each in cleanup.reasons]
    lines += [f"possibly left: {each.threads} × {each.reason}" for each in cleanup.possibly_left]
    if cleanup.left or cleanup.possibly_left:
        sweep = f"threads-conformance sweep --url {shlex.quote(report.deployment.url)}"
        lines.append(f"to remove them later, run: {sweep}")
    return tuple(lines)


def data_access_line(run: RunInfo) -> str:
    """Return in a few words how the run treats the data on the deployment, and under what load."""
    if run.read_only:
        return "read-only: nothing is written"
    said = "guest: other people's threads are never touched"
    if run.disposable:
        said = "disposable deployment: all of its data may be changed"
    return f"{said}; under the load of {run.load_users} users" if run.load_users else said


def promises(ids: Iterable[str], report: Report, requirements: Requirements) -> tuple[Promise, ...]:
    """Return the promises of these ids, from the catalogue, else from the report."""
    results = {result.id: result for result in report.requirements}
    found = []
    for each in ids:
        if known := requirements.get(each):
            found.append(Promise(each, known.level, known.statement, known.sources, known.disputed))
        elif result := results.get(each):
            found.append(Promise(each, result.level, result.title, (), ""))
        else:
            found.append(Promise(each, "", "not in this version's catalogue", (), ""))
    return tuple(found)


def stability_note(check: CheckResult) -> str:
    """Return a remark on a flaky failure; empty for others."""
    if check.verdict is Verdict.FAIL and check.stability == "flaky":
        return "flaky: it did not fail on every repetition"
    return ""
