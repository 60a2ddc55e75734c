"""The requirements that a baseline accepts.

A failure in the baseline is accepted, and so is what is blocked by it. An error, or a
check that did not run, is never accepted, since it shows nothing about the deployment.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable

from conformance.contract.verdicts import Verdict
from conformance.report.record import CheckResult, RequirementResult

#: Returns whether the baseline itself accepts the failure or block of a check.
Accepts = Callable[[RequirementResult, CheckResult], bool]


def with_accepted(
    results: Iterable[RequirementResult], checks: Iterable[CheckResult], accepts: Accepts
) -> tuple[RequirementResult, ...]:
    """Return the results; `baselined` if every failure or block of a requirement is accepted."""
    everything, found = tuple(results), {check.id: check for check in checks}
    accepted: set[str] = set()
    added = True
    while added:
        # Blocks are accepted transitively: repeat until nothing is added.
        causes = _Causes(accepted, found)
        added = False
        for result in everything:
            if result.id not in accepted and _is_accepted(result, found, accepts, causes):
                accepted.add(result.id)
                added = True
    return tuple(dataclasses.replace(each, baselined=each.id in accepted) for each in everything)


class _Causes:
    """The causes that are accepted: ids of requirements, and fingerprints of their failures."""

    def __init__(self, accepted: Collection[str], checks: dict[str, CheckResult]) -> None:
        self._ids = frozenset(accepted)
        self._fingerprints = {
            check.failure.fingerprint
            for check in checks.values()
            if check.verdict is Verdict.FAIL
            and check.failure
            and self._ids.issuperset(check.requirements)
        }

    def accepts_block_of(self, check: CheckResult) -> bool:
        """Return whether a check is blocked by accepted causes only.

        A cause is accepted if it names an accepted requirement, or if an accepted check
        failed with the same fingerprint.
        """
        return bool(check.blocked_by) and all(
            cause.requirement in self._ids
            if cause.requirement
            else cause.fingerprint in self._fingerprints
            for cause in check.blocked_by
        )


def _is_accepted(
    result: RequirementResult, checks: dict[str, CheckResult], accepts: Accepts, causes: _Causes
) -> bool:
    if result.verdict not in (Verdict.FAIL, Verdict.BLOCKED):
        return False
    for check_id in result.checks:
        check = checks.get(check_id)
        if check is None:
            return False
        if check.verdict in (Verdict.PASS, Verdict.UNSUPPORTED):
            continue
        if check.verdict not in (Verdict.FAIL, Verdict.BLOCKED):
            return False
        blocked = check.verdict is Verdict.BLOCKED and causes.accepts_block_of(check)
        if not blocked and not accepts(result, check):
            return False
    return True
