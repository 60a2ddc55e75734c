"""Failures of one cause, found by what stays the same from run to run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from conformance.contract.causes import fingerprint
from conformance.contract.verdicts import Verdict
from conformance.excerpt import masked
from conformance.report.record import LEVELS, CheckResult, Report
from conformance.report.text import one_line


def symptom(check: CheckResult) -> str:
    """Equal for checks that fall short alike: by what they failed of, or are blocked by."""
    if check.failure:
        return check.failure.fingerprint
    if check.blocked_by:
        return fingerprint(str(check.verdict), *(each.fingerprint for each in check.blocked_by))
    # Errors, and what did not run, are told apart for display alone.
    return fingerprint(str(check.verdict), masked(one_line(check.reason)))


@dataclass(frozen=True)
class FailureGroup:
    """Failed checks of one cause, the one that says most about it first.

    `cause` is one line; `level` the highest level of `requirements`; `baselined` says
    that each of them is accepted.
    """

    cause: str
    level: str
    baselined: bool
    requirements: tuple[str, ...]
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True)
class UndecidedGroup:
    """Requirements that ended alike without a decision, for one reason."""

    verdict: Verdict
    reason: str
    requirements: tuple[str, ...]


def groups(report: Report) -> tuple[FailureGroup, ...]:
    """The failed checks of `report` by cause: MUST first, what is accepted last.

    A MAY is no failure, and not among them: see `not_kept`.
    """
    return tuple(group for group in _all_groups(report) if group.level != LEVELS[-1])


def not_kept(report: Report) -> tuple[FailureGroup, ...]:
    """What of the optional and disputed (MAY) was not found, by cause."""
    return tuple(group for group in _all_groups(report) if group.level == LEVELS[-1])


def _all_groups(report: Report) -> tuple[FailureGroup, ...]:
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
                cause=_cause(key, checks[0]),
                level=level_of(requirements),
                baselined=bool(requirements) and accepted.issuperset(requirements),
                requirements=requirements,
                checks=tuple(checks),
            )
        )
    return tuple(sorted(found, key=lambda group: (group.baselined, LEVELS.index(group.level))))


def undecided(report: Report) -> tuple[UndecidedGroup, ...]:
    """What was not decided, by verdict and reason: error, blocked, not run, unsupported."""
    checks = {check.id: check for check in report.checks}
    found: dict[tuple[Verdict, str], tuple[str, list[str]]] = {}
    order = (Verdict.ERROR, Verdict.BLOCKED, Verdict.NOT_RUN, Verdict.UNSUPPORTED)
    for verdict in order:
        for result in report.requirements:
            if result.verdict is not verdict:
                continue
            # One reason for each client: another may be missing for another reason.
            said: dict[str, tuple[str, str]] = {}
            for check in (checks[each] for each in result.checks if each in checks):
                if check.verdict is verdict:
                    said.setdefault(check.client, (symptom(check), one_line(check.reason)))
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
    """Equal for checks that failed of one cause."""
    if broke := _server_error(check):
        return ("server error", *broke)
    return ("symptom", symptom(check))


def _server_error(check: CheckResult) -> tuple[str, str] | None:
    """Operation and status where the last answer that the check got was a 5xx."""
    if check.failure is None or not check.failure.exchanges:
        return None
    last = check.failure.exchanges[-1]
    status = last.get("status")
    if not isinstance(status, int) or not 500 <= status <= 599:
        return None
    return str(last.get("operation") or last.get("method")), str(status)


def _cause(key: tuple[str, ...], check: CheckResult) -> str:
    if key[0] == "server error":
        return f"{key[1]} answers {key[2]}"
    said = check.reason or (check.failure.message if check.failure else "")
    first = next((line for line in said.splitlines() if line.strip()), check.id)
    return one_line(first)
