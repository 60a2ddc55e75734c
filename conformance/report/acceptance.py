"""Which requirements fall short in no way that has not been accepted.

The rule is DESIGN.md's: a failure in the baseline, and what is blocked by it, is
accepted. An error, and a check that did not run, never is: nothing was seen of it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable

from conformance.contract.operations import BY_NAME
from conformance.contract.verdicts import Verdict
from conformance.report.grouping import masked
from conformance.report.record import CheckResult, RequirementResult

#: Whether how a check of a requirement failed, or was blocked, is accepted as such.
Accepts = Callable[[RequirementResult, CheckResult], bool]

_REQUIREMENT_ID = re.compile(r"\b[A-Z]+(?:-[A-Z]+)?-\d{2}\b")


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
        failed = [
            check
            for check in checks.values()
            if check.verdict is Verdict.FAIL and self._ids.issuperset(check.requirements)
        ]
        self._refusals = {
            (check.capability, refusal) for check in failed for refusal in _refusals(check)
        }
        self._missing = {line for check in failed for line in _missing_operation(check)}

    def block(self, check: CheckResult) -> bool:
        """Whether a blocked check is blocked by nothing else.

        A reason either names requirements, or tells the refusal that ended the check:
        the one by which an accepted check of the same capability failed.
        """
        if named := set(_REQUIREMENT_ID.findall(check.reason)):
            return named <= self._ids
        reason = masked(check.reason)
        return reason in self._missing or (check.capability, reason) in self._refusals


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


def _refusals(check: CheckResult) -> list[str]:
    """The words in which another check would be blocked by what this one failed by."""
    failure = check.failure
    return [masked(f"expected {failure.expected}, got {failure.actual}")] if failure else []


def _missing_operation(check: CheckResult) -> list[str]:
    """The same where a documented operation is not there at all."""
    last = check.failure.exchanges[-1] if check.failure and check.failure.exchanges else {}
    operation = BY_NAME.get(str(last.get("operation")))
    if operation is None:
        return []
    line = f"{operation.method} {operation.path} answers {last.get('status')}"
    return [masked(f"{line}: the operation is missing")]
