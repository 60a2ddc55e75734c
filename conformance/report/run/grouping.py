"""Grouping of failures by cause, by means of fingerprints that are equal in every run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from conformance.contract.catalogue import LEVELS
from conformance.contract.causes import fingerprint
from conformance.contract.verdicts import Verdict
from conformance.report.plain_text import one_line
from conformance.report.record import CheckResult, Report
from conformance.safe_text import masked


def symptom_fingerprint(check: CheckResult) -> str:
    """Return the fingerprint of a failure or block: equal for checks with one cause."""
    if check.failure:
        return check.failure.fingerprint
    if check.blocked_by:
        return fingerprint(str(check.verdict), *(each.fingerprint for each in check.blocked_by))
    # Errors and checks that did not run have no cause as data: the reason only groups the display.
    return fingerprint(str(check.verdict), masked(one_line(check.reason)))


@dataclass(frozen=True)
class FailureGroup:
    """Failed checks with one cause, those of the highest level first.

    `cause` is one line; `level` is the highest level of `requirements`; `baselined`: the
    baseline accepts each of them.
    """

    cause: str
    level: str
    baselined: bool
    requirements: tuple[str, ...]
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True)
class ToldFailure:
    """A group as reports tell it: `ids` without MAYs, that of the title first, and `check`."""

    group: FailureGroup
    ids: tuple[str, ...]
    check: CheckResult


@dataclass(frozen=True)
class UndecidedGroup:
    """Undecided requirements with one verdict and one reason."""

    verdict: Verdict
    reason: str
    requirements: tuple[str, ...]


def failure_groups(report: Report) -> tuple[FailureGroup, ...]:
    """Group the failed checks of `report` by cause: MUST first, accepted ones last.

    Groups that break only MAY requirements are left out: see `unmet_optional_groups`.
    """
    return tuple(group for group in _groups_by_cause(report) if group.level != LEVELS[-1])


def unmet_optional_groups(report: Report) -> tuple[FailureGroup, ...]:
    """Group the failed checks of MAY requirements by cause."""
    return tuple(group for group in _groups_by_cause(report) if group.level == LEVELS[-1])


def _groups_by_cause(report: Report) -> tuple[FailureGroup, ...]:
    levels = {result.id: result.level for result in report.requirements}
    accepted = {result.id for result in report.requirements if result.baselined}
    by_cause: dict[tuple[str, ...], list[CheckResult]] = defaultdict(list)
    for check in report.checks:
        if check.verdict is Verdict.FAIL:
            by_cause[_cause_key(check)].append(check)

    def level_of(requirements: tuple[str, ...]) -> str:
        return min(
            (levels.get(each, LEVELS[-1]) for each in requirements),
            key=LEVELS.index,
            default=LEVELS[-1],
        )

    found = []
    for key, checks in by_cause.items():
        checks.sort(key=lambda check: LEVELS.index(level_of(check.requirements)))
        requirements = tuple(dict.fromkeys(each for check in checks for each in check.requirements))
        found.append(
            FailureGroup(
                cause=_cause_line(key, checks[0]),
                level=level_of(requirements),
                baselined=_is_accepted(requirements, levels, accepted),
                requirements=requirements,
                checks=tuple(checks),
            )
        )
    return tuple(sorted(found, key=lambda group: (group.baselined, LEVELS.index(group.level))))


def _is_accepted(requirements: tuple[str, ...], levels: dict[str, str], accepted: set[str]) -> bool:
    """Return whether the baseline accepts all that counts; a MAY needs no entry beside others."""
    counted = [each for each in requirements if levels.get(each) != LEVELS[-1]] or requirements
    return bool(counted) and accepted.issuperset(counted)


def members(group: FailureGroup, report: Report) -> list[str]:
    """Return the requirements that a group breaks, without MAYs, the highest level first."""
    levels = {result.id: LEVELS.index(result.level) for result in report.requirements}
    counted = [each for each in group.requirements if levels.get(each, 0) < len(LEVELS) - 1]
    return sorted(counted or group.requirements, key=lambda each: (levels.get(each, 0), each))


def told_failures(groups: Sequence[FailureGroup], report: Report) -> tuple[ToldFailure, ...]:
    """Return each group with the requirement that it is told by, and the check that shows it.

    A requirement that an earlier group breaks too gives way to one that has not been told, so that
    each is told by as few groups as can be.
    """
    told: set[str] = set()
    found = []
    for group in groups:
        ids = members(group, report)
        first = next((each for each in ids if each not in told), ids[0])
        told |= set(ids)
        check = next(each for each in group.checks if first in each.requirements)
        others = (each for each in ids if each != first)
        found.append(ToldFailure(group, (first, *others), check))
    return tuple(found)


def undecided_groups(report: Report) -> tuple[UndecidedGroup, ...]:
    """Group undecided and unsupported requirements by verdict and reason."""
    checks = {check.id: check for check in report.checks}
    found: dict[tuple[Verdict, str], tuple[str, list[str]]] = {}
    order = (Verdict.ERROR, Verdict.BLOCKED, Verdict.NOT_RUN, Verdict.UNSUPPORTED)
    for verdict in order:
        for result in report.requirements:
            if result.verdict is not verdict:
                continue
            # One reason for each client, since clients may be undecided for different reasons.
            said: dict[str, tuple[str, str]] = {}
            for check in (checks[each] for each in result.checks if each in checks):
                if check.verdict is verdict:
                    said.setdefault(
                        check.client, (symptom_fingerprint(check), one_line(check.reason))
                    )
            for key, reason in dict.fromkeys(said.values()) or [("", "")]:
                group = found.setdefault((verdict, key), (reason or _WITHOUT_REASON[verdict], []))
                if result.id not in group[1]:
                    group[1].append(result.id)
    return tuple(
        UndecidedGroup(verdict, reason, tuple(requirements))
        for (verdict, _), (reason, requirements) in found.items()
    )


_WITHOUT_REASON = {
    Verdict.ERROR: "the check broke off",
    Verdict.BLOCKED: "a prerequisite failed",
    Verdict.NOT_RUN: "no check of it gave a result",
    Verdict.UNSUPPORTED: "the deployment does not offer the operation",
}


def _cause_key(check: CheckResult) -> tuple[str, ...]:
    """Return a key that is equal for checks that failed for one cause."""
    if broke := _server_error(check):
        return ("server error", *broke)
    return ("symptom", symptom_fingerprint(check))


def _server_error(check: CheckResult) -> tuple[str, str] | None:
    """Return operation and status if the last answer to the check was a 5xx, else None."""
    if check.failure is None or not check.failure.exchanges:
        return None
    last = check.failure.exchanges[-1]
    status = last.get("status")
    if not isinstance(status, int) or not 500 <= status <= 599:
        return None
    return str(last.get("operation") or last.get("method")), str(status)


def _cause_line(key: tuple[str, ...], check: CheckResult) -> str:
    if key[0] == "server error":
        return f"{key[1]} answers {key[2]}"
    said = check.reason or (check.failure.message if check.failure else "")
    first = next((line for line in said.splitlines() if line.strip()), check.id)
    return one_line(first)
