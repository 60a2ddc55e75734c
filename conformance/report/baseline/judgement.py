"""Accepted deviations (a baseline), and their comparison with the report of a run.

`apply_baseline` applies a baseline to a report. An entry accepts failures of its
requirement, or of its check, that have one of its fingerprints; any other failure is
new. A blocked check has a fingerprint as well, made of its causes, so that it can be
accepted too. An error cannot be accepted.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date

from conformance.contract.catalogue import COUNTED_LEVELS
from conformance.contract.verdicts import Stability, Verdict
from conformance.report.baseline.acceptance import with_accepted
from conformance.report.record import CheckResult, Report, RequirementResult
from conformance.report.run.grouping import symptom_fingerprint
from conformance.report.score import run_verdict

_DEVIATING = (Verdict.FAIL, Verdict.BLOCKED)


@dataclass(frozen=True)
class Entry:
    """One accepted deviation: of `requirement`, or of `check`; the other is empty.

    Without `fingerprints` any failure is accepted. `expires` is the last valid day.
    """

    requirement: str = ""
    check: str = ""
    reason: str = ""
    link: str = ""
    expires: date | None = None
    fingerprints: tuple[str, ...] = ()
    flaky: bool = False

    @property
    def name(self) -> str:
        """The requirement or check of the entry."""
        return self.requirement or self.check

    def concerns(self, result: RequirementResult, check: CheckResult) -> bool:
        """Return whether the entry applies to `check` as a check of the requirement `result`."""
        return self.requirement == result.id or self.check == check.id

    def knows(self, seen: str) -> bool:
        """Return whether the entry accepts failures with the fingerprint `seen`."""
        return not self.fingerprints or seen in self.fingerprints

    def expired(self, today: date) -> bool:
        """Return whether its last day is before `today`."""
        return self.expires is not None and self.expires < today


@dataclass(frozen=True)
class Stale:
    """An entry whose failures are gone: all of them, or those with the `gone_fingerprints`."""

    entry: Entry
    gone_fingerprints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changed:
    """Failures to which an entry applies but which it does not accept."""

    entry: Entry
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True)
class Judgement:
    """The result of applying a baseline to a report.

    `report` has accepted requirements marked as `baselined`. `stale` are entries whose
    failures no longer all occur, `expired` entries that would accept a failure but are past
    their last day, `changed` entries whose requirement or check fails in another way.
    `unaccepted` are the failures and blocks of MUST and SHOULD that no entry covers.
    """

    report: Report
    stale: tuple[Stale, ...]
    expired: tuple[Entry, ...]
    changed: tuple[Changed, ...]
    unaccepted: tuple[tuple[RequirementResult, CheckResult], ...]

    @property
    def outdated(self) -> int:
        """The number of entries that `--strict-baseline` rejects."""
        return len(self.stale) + len(self.expired) + len(self.changed)


def apply_baseline(
    report: Report, entries: tuple[Entry, ...], today: date, *, whole: bool = True
) -> Judgement:
    """Apply a baseline to the report of a run.

    `whole` says that each judged requirement was judged by all its checks. After a
    selection by keyword (`-k`) a passed requirement does not make its entry stale.
    """
    valid = tuple(entry for entry in entries if not entry.expired(today))

    def accepts(result: RequirementResult, check: CheckResult) -> bool:
        return _is_covered(result, check, valid)

    results = with_accepted(report.requirements, report.checks, accepts)
    judged = dataclasses.replace(report, requirements=results, verdict=run_verdict(results))
    deviating = [
        (result, check)
        for result, check in _pairs(judged)
        if check.verdict in _DEVIATING
        # A check that is blocked by accepted failures needs no entry.
        and (check.verdict is Verdict.FAIL or not result.baselined or accepts(result, check))
    ]
    stale, expired, changed = [], [], []
    for entry in entries:
        concerned = [
            (result, check) for result, check in deviating if entry.concerns(result, check)
        ]
        seen = {symptom_fingerprint(check) for _, check in concerned}
        known = any(map(entry.knows, seen))
        others = [check for result, check in concerned if not _is_covered(result, check, entries)]
        if entry.expired(today) and known:
            expired.append(entry)
        if others:
            changed.append(Changed(entry, tuple({check.id: check for check in others}.values())))
        elif not known and _is_decided(entry, report, whole):
            stale.append(Stale(entry))
        elif known and entry.requirement and _is_decided(entry, report, whole):
            gone_fingerprints = tuple(each for each in entry.fingerprints if each not in seen)
            stale += [Stale(entry, gone_fingerprints)] if gone_fingerprints else []
    return Judgement(
        report=judged,
        stale=tuple(stale),
        expired=tuple(expired),
        changed=tuple(changed),
        unaccepted=tuple(
            (result, check)
            for result, check in deviating
            if result.level in COUNTED_LEVELS and not _is_covered(result, check, entries)
        ),
    )


def new_entries(judgement: Judgement, entries: tuple[Entry, ...], today: date) -> tuple[Entry, ...]:
    """Return an entry without reason for each requirement with failures that no entry covers."""
    failed = [pair for pair in judgement.unaccepted if pair[1].verdict is Verdict.FAIL]
    # Once the failures are accepted, the checks that they block are too.
    then = apply_baseline(judgement.report, (*entries, *_entries_of(failed)), today)
    return _entries_of([*failed, *then.unaccepted])


def _entries_of(deviating: list[tuple[RequirementResult, CheckResult]]) -> tuple[Entry, ...]:
    found: dict[str, list[CheckResult]] = {}
    for result, check in deviating:
        found.setdefault(result.id, []).append(check)
    return tuple(
        Entry(
            requirement=requirement,
            fingerprints=()
            if _any_flaky(checks)
            else tuple(dict.fromkeys(map(symptom_fingerprint, checks))),
            flaky=_any_flaky(checks),
        )
        for requirement, checks in found.items()
    )


def _is_covered(result: RequirementResult, check: CheckResult, entries: tuple[Entry, ...]) -> bool:
    seen = symptom_fingerprint(check)
    return any(entry.concerns(result, check) and entry.knows(seen) for entry in entries)


def _pairs(report: Report) -> list[tuple[RequirementResult, CheckResult]]:
    """Return every requirement with each of its checks that has a result."""
    checks = {check.id: check for check in report.checks}
    return [
        (result, checks[check_id])
        for result in report.requirements
        for check_id in result.checks
        if check_id in checks
    ]


def _is_decided(entry: Entry, report: Report, whole: bool) -> bool:
    """Return whether the run can show that an entry is stale."""
    if entry.flaky or (entry.requirement and not whole):
        return False
    concerned = [check for result, check in _pairs(report) if entry.concerns(result, check)]
    undecided = (Verdict.ERROR, Verdict.NOT_RUN)
    return bool(concerned) and not any(check.verdict in undecided for check in concerned)


def _any_flaky(checks: list[CheckResult]) -> bool:
    return any(check.stability is Stability.FLAKY for check in checks)
