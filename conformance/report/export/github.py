"""What GitHub Actions shows of a run: annotations, the summary of the job, outputs of the step.

An annotation is a workflow command, a line that the runner reads on standard output. All that it
holds is escaped here, so that nothing of a server's text can end it or begin another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conformance.contract.catalogue import LEVELS, Requirement
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.report.plain_text import counted, cut, listed, one_line, printable
from conformance.report.record import Report
from conformance.report.run.grouping import FailureGroup, failure_groups, members, undecided_groups
from conformance.report.run.wording import WORDS, Requirements, verdict_meaning
from conformance.report.score import UNDECIDED
from conformance.safe_text import without_fresh

#: GitHub shows so many errors and so many warnings of a step.
MOST_SHOWN = 10
_IDS = 4
_LIMIT = 1_000
_KINDS = {"MUST": "error", "SHOULD": "warning"}


@dataclass(frozen=True)
class Annotation:
    """One message of a step; `kind` is error, warning or notice."""

    kind: str
    title: str
    message: str

    def command(self) -> str:
        """Return the line that the runner reads, without an end of line."""
        title = _escaped(one_line(self.title)).replace(":", "%3A").replace(",", "%2C")
        return f"::{self.kind} title={title}::{_escaped(printable(self.message))}"


def annotations_of(
    report: Report, requirements: Requirements, limit: int = MOST_SHOWN
) -> tuple[Annotation, ...]:
    """Return at most `limit` errors and `limit` warnings: one for each cause of broken promises.

    Errors are what fails the run: a broken MUST, or MUSTs that are undecided. Warnings are broken
    SHOULDs. What the baseline accepts, and a MAY, is none. If there are more, the last one says
    which.
    """
    broken = [each for each in failure_groups(report) if not each.baselined]
    found = []
    for level, kind in _KINDS.items():
        own = [
            _of_failure(each, kind, report, requirements) for each in broken if each.level == level
        ]
        if kind == "error" and report.verdict is RunVerdict.INCOMPLETE:
            own += _of_undecided(report)
        shown = own if len(own) <= limit else own[: limit - 1]
        if rest := own[len(shown) :]:
            ids = dict.fromkeys(each for one in rest for each in one.title.split(", "))
            said = f"{counted(len(rest), 'more cause')}, see the job summary: {listed([*ids], 40)}"
            shown.append(Annotation(kind, f"{len(rest)} more", said))
        found += shown
    return tuple(found)


def without_report(status: int) -> Annotation:
    """Return the annotation of a run that ended with this exit status and wrote no report."""
    why = {
        2: "the command line or the baseline is wrong",
        3: "the deployment cannot be reached",
        4: "a defect of threads-conformance",
    }
    said = why.get(status, "it wrote no report")
    return Annotation("error", "No verdict", f"The run ended with {status}: {said}; see its log.")


def outputs(report: Report | None, status: int, folder: Path) -> dict[str, str]:
    """Return the outputs of the step, each on one line: counts are those of MUSTs.

    Without a report only those are there that are known.
    """
    found = {"exit-status": str(status), "report-dir": str(folder)}
    if report:
        counts = report.totals[LEVELS[0]]
        found |= {
            "verdict": str(report.verdict),
            "summary": verdict_meaning(report),
            "kept": str(counts[Verdict.PASS]),
            "broken": str(counts[Verdict.FAIL]),
            "undecided": str(sum(counts[each] for each in UNDECIDED)),
        }
    return {name: one_line(value) for name, value in found.items()}


def _of_failure(
    group: FailureGroup, kind: str, report: Report, requirements: Requirements
) -> Annotation:
    ids = members(group, report)
    first = requirements.get(ids[0])
    title = listed(ids, _IDS)
    said = [
        f"{group.level}: {_title_of(first, report, ids[0])}",
        cut(without_fresh(one_line(group.cause)), _LIMIT),
    ]
    if first:
        said.insert(1, first.statement)
    return Annotation(kind, title, "\n".join(said))


def _of_undecided(report: Report) -> list[Annotation]:
    levels = {each.id: each.level for each in report.requirements if not each.baselined}
    found = []
    for group in undecided_groups(report):
        ids = [each for each in group.requirements if levels.get(each) == LEVELS[0]]
        if ids and group.verdict in UNDECIDED:
            reason = cut(without_fresh(group.reason), _LIMIT)
            said = f"MUST undecided, {WORDS[group.verdict]}: {reason}"
            found.append(Annotation("error", listed(ids, _IDS), said))
    return found


def _title_of(known: Requirement | None, report: Report, id_: str) -> str:
    if known:
        return known.title
    return next((each.title for each in report.requirements if each.id == id_), id_)


def _escaped(text: str) -> str:
    """Return `text` as the data of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
