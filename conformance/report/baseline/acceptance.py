"""Which requirements fall short in no way that has not been accepted.

The rule is DESIGN.md's: a failure in the baseline, and what is blocked by it, is
accepted. An error, and a check that did not run, never is: nothing was seen of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from conformance.contract.verdicts import Verdict
from conformance.report.record import CheckResult, RequirementResult

#: Whether how a check of a requirement failed, or was blocked, is accepted as such.
Accepts = Callable[[RequirementResult, CheckResult], bool]


def with_accepted(
    results: Iterable[RequirementResult], checks: Iterable[CheckResult], accepts: Accepts
) -> tuple[RequirementResult, ...]:
    """The results, `baselined` where all that makes a requirement fall short is accepted."""
    everything, found = tuple(results), {check.id: check for check in checks}
    accepted: dict[str, RequirementResult] = {}
    added = True
    while added:
        # What is blocked by what is accepted is accepted, through any depth.
        causes = _Causes(accepted, found)
        added = False
        for result in everything:
            if result.id not in accepted and _is_accepted(result, found, accepts, causes):
                accepted[result.id] = result
                added = True
    return tuple(dataclasses.replace(each, baselined=each.id in accepted) for each in everything)


class _Causes:
    """What accepted requirements block: known by their ids, and by how their checks failed."""

    def __init__(
        self, accepted: dict[str, RequirementResult], checks: dict[str, CheckResult]
    ) -> None:
        self._ids = set(accepted)
        self._fingerprints = {
            check.failure.fingerprint
            for check in checks.values()
            if check.verdict is Verdict.FAIL
            and check.failure
            and self._ids.issuperset(check.requirements)
        }

    def block(self, check: CheckResult) -> bool:
        """Whether a blocked check is blocked by nothing else.

        A cause either names the requirement whose promise does not hold, or has the
        fingerprint of the refusal by which an accepted check failed as well.
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
        blocked = check.verdict is Verdict.BLOCKED and causes.block(check)
        if not blocked and not accepts(result, check):
            return False
    return True
