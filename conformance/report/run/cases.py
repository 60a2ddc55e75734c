"""The checks of a report as CI systems know them: passed, failed, undecided, not counted.

Every format that other programs read is made of these. Their texts hold no id, time or port of
one run (`safe_text.without_fresh`), so that two runs that found the same say the same.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum

from conformance.contract.catalogue import LEVELS
from conformance.contract.verdicts import Verdict
from conformance.report.plain_text import cut, one_line, printable
from conformance.report.record import CheckResult, Report
from conformance.report.run.grouping import symptom_fingerprint
from conformance.report.run.wording import WORDS, Promise, Requirements, promises, stability_note
from conformance.safe_text import without_fresh

_SUMMARY_LIMIT = 500
_TEXT_LIMIT = 20_000


class Outcome(StrEnum):
    """What a check comes to for those who gate on it.

    Only `FAILED` and `ERROR` are red. `ACCEPTED` failed as the baseline says; `OPTIONAL` did not
    pass, and judges only what is a MAY; `UNDECIDED` was blocked or did not run.
    """

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    ACCEPTED = "accepted"
    OPTIONAL = "optional"
    UNDECIDED = "undecided"
    UNSUPPORTED = "unsupported"


_OUTCOMES = {
    Verdict.PASS: Outcome.PASSED,
    Verdict.FAIL: Outcome.FAILED,
    Verdict.ERROR: Outcome.ERROR,
    Verdict.BLOCKED: Outcome.UNDECIDED,
    Verdict.NOT_RUN: Outcome.UNDECIDED,
    Verdict.UNSUPPORTED: Outcome.UNSUPPORTED,
}


@dataclass(frozen=True)
class Case:
    """One check with its promises. All texts but `curl` are equal in runs that found the same.

    `name` begins with the ids of the requirements; `level` is the highest of theirs, empty if
    unknown. `summary` is one line, empty if the check passed; `evidence` is the promise, what was
    expected and what came, empty unless it failed. `curl` repeats the requests, with the ids of
    this run. `fingerprint` is equal for failures of one kind.
    """

    check: CheckResult
    name: str
    promises: tuple[Promise, ...]
    level: str
    outcome: Outcome
    summary: str
    evidence: str
    curl: str
    fingerprint: str

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its requirements."""
        return tuple(each.id for each in self.promises)


def cases(report: Report, requirements: Requirements) -> tuple[Case, ...]:
    """Return a case for each check of the report, and for each that gave no result."""
    accepted = frozenset(result.id for result in report.requirements if result.baselined)
    everything = (*report.checks, *_missing_results(report))
    return tuple(_case(each, report, requirements, accepted) for each in everything)


def explain_command(case: Case) -> str:
    """Return the command that shows a case with every request; it is equal in every run."""
    return f"threads-conformance explain {shlex.quote(case.check.id)}"


def _case(
    check: CheckResult, report: Report, requirements: Requirements, accepted: frozenset[str]
) -> Case:
    decided = promises(check.requirements, report, requirements)
    levels = [promise.level for promise in decided if promise.level in LEVELS]
    outcome = _OUTCOMES[check.verdict]
    if outcome is not Outcome.PASSED and set(levels) == {LEVELS[-1]}:
        outcome = Outcome.OPTIONAL
    elif (
        outcome is Outcome.FAILED and check.requirements and accepted.issuperset(check.requirements)
    ):
        outcome = Outcome.ACCEPTED
    prefix = " ".join(each for each in check.requirements if each != check.id)
    return Case(
        check=check,
        name=printable(f"{prefix} {check.id}".strip()),
        promises=decided,
        level=min(levels, key=LEVELS.index, default=""),
        outcome=outcome,
        summary=_summary(check, outcome),
        evidence=_evidence(check, decided),
        curl=_curl(check),
        fingerprint="" if outcome is Outcome.PASSED else symptom_fingerprint(check),
    )


def _curl(check: CheckResult) -> str:
    """Return the commands; where they are too long, what prints them: a part would do harm."""
    curl = check.failure.curl if check.failure else ""
    if len(curl) > _TEXT_LIMIT:
        return f"# too long to show: threads-conformance explain {shlex.quote(check.id)}"
    return printable(curl)


def _summary(check: CheckResult, outcome: Outcome) -> str:
    if outcome is Outcome.PASSED:
        return ""
    said = check.reason or (check.failure.message if check.failure else "")
    text = cut(one_line(without_fresh(said)), _SUMMARY_LIMIT) or WORDS[check.verdict]
    if outcome is Outcome.OPTIONAL:
        return f"optional or disputed (MAY), {WORDS[check.verdict]}: {text}"
    if outcome is Outcome.ACCEPTED:
        return f"accepted by the baseline: {text}"
    if outcome in (Outcome.UNDECIDED, Outcome.UNSUPPORTED):
        return f"{WORDS[check.verdict]}: {text}"
    return text


def _evidence(check: CheckResult, decided: tuple[Promise, ...]) -> str:
    if check.failure is None:
        return ""
    lines = [f"promise: {promise.id}: {promise.statement}" for promise in decided]
    lines += [f"expected: {check.failure.expected}", f"actual: {check.failure.actual}"]
    lines += [f"difference: {line}" for line in check.failure.diff]
    lines += [stability_note(check)] if stability_note(check) else []
    text = without_fresh("\n".join(lines))
    sources = "".join(f"\nsource: {source}" for promise in decided for source in promise.sources)
    return printable(cut(text, _TEXT_LIMIT) + sources)


_NO_RESULT = "the check gave no result"


def _missing_results(report: Report) -> tuple[CheckResult, ...]:
    """Return a `not_run` result for each selected check that has no result."""
    known = {check.id for check in report.checks}
    lost: dict[str, CheckResult] = {}
    for result in report.requirements:
        for check_id in result.checks or (result.id,):
            if check_id in known:
                continue
            earlier = lost[check_id].requirements if check_id in lost else ()
            lost[check_id] = CheckResult(
                id=check_id,
                requirements=(*earlier, result.id),
                verdict=Verdict.NOT_RUN,
                capability=result.capability,
                reason=(
                    "the run was interrupted before this check"
                    if report.run.interrupted
                    else _NO_RESULT
                ),
            )
    return tuple(lost.values())
