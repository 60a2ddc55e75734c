"""Verdicts of requirements and of the run, and the exit status, from the verdicts of checks.

A requirement takes the worst verdict of its checks. A run is non-conformant if a MUST
fails, else incomplete if a MUST is undecided, else conformant; a MUST whose failures
the baseline accepts does not count. Pure functions without I/O.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from conformance.contract.catalogue import LEVELS, Requirement
from conformance.contract.verdicts import WORST_FIRST, RunVerdict, Verdict, worst
from conformance.report.record import CheckResult, RequirementResult

#: A requirement with one of these verdicts is undecided.
UNDECIDED = (Verdict.ERROR, Verdict.BLOCKED, Verdict.NOT_RUN)


def requirement_results(
    checks: Iterable[CheckResult],
    requirements: Iterable[Requirement],
    checks_of: Mapping[str, Collection[str]],
) -> tuple[RequirementResult, ...]:
    """Return the result of each of `requirements`: the worst verdict of its checks.

    `checks_of` gives the ids of the selected checks of each requirement. A selected check
    without a result counts as `not_run`, so that a lost result never counts as passed.
    `baselined` is False in all of them: see `acceptance.with_accepted`.
    """
    by_requirement: dict[str, list[CheckResult]] = defaultdict(list)
    for check in checks:
        for requirement_id in check.requirements:
            by_requirement[requirement_id].append(check)
    judged = []
    for requirement in requirements:
        found = by_requirement[requirement.id]
        ids = tuple(
            dict.fromkeys([*checks_of.get(requirement.id, ()), *(check.id for check in found)])
        )
        lost = len(ids) - len({check.id for check in found})
        verdicts = [check.verdict for check in found] + [Verdict.NOT_RUN] * lost
        judged.append(
            RequirementResult(
                id=requirement.id,
                title=requirement.title,
                level=requirement.level,
                profile=requirement.profile,
                capability=requirement.capability,
                verdict=worst(verdicts),
                baselined=False,
                checks=ids,
                requests=sum(check.requests for check in found),
            )
        )
    return tuple(judged)


def totals(results: Iterable[RequirementResult]) -> dict[str, dict[Verdict, int]]:
    """Count the requirements by level and verdict, zeros included."""
    shown_first = (Verdict.PASS, Verdict.FAIL, Verdict.UNSUPPORTED)
    order = (*shown_first, *(each for each in WORST_FIRST[::-1] if each not in shown_first))
    counts = {level: dict.fromkeys(order, 0) for level in LEVELS}
    for result in results:
        counts[result.level][result.verdict] += 1
    return counts


def run_verdict(results: Iterable[RequirementResult]) -> RunVerdict:
    """Return the verdict of the run; a run that judged nothing is incomplete."""
    everything = tuple(results)
    if not everything:
        return RunVerdict.INCOMPLETE
    must_verdicts = {
        result.verdict for result in everything if result.level == "MUST" and not result.baselined
    }
    if Verdict.FAIL in must_verdicts:
        return RunVerdict.NON_CONFORMANT
    if must_verdicts.intersection(UNDECIDED):
        return RunVerdict.INCOMPLETE
    return RunVerdict.CONFORMANT


def exit_status(verdict: RunVerdict, reachable: bool = True) -> int:
    """Return the exit status: 0 conformant, 1 non-conformant, 3 incomplete or unreachable."""
    if not reachable:
        return 3
    statuses = {RunVerdict.CONFORMANT: 0, RunVerdict.NON_CONFORMANT: 1, RunVerdict.INCOMPLETE: 3}
    return statuses[verdict]
