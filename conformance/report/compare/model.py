"""What changed between two reports (`compare_reports`).

Only checks that both reports contain are compared. A check that passed and no longer
does is a regression of its requirements, even if they failed before, so that a known
deviation never hides a new one. Results that only one report has are listed separately,
and notes name differences between the suites and the runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from conformance.contract.catalogue import COUNTED_LEVELS
from conformance.contract.verdicts import Stability, Verdict, worst
from conformance.report.compare.scope import (
    OnlyIn,
    checks_by_id,
    notes_of,
    only_in,
    requirements_by_id,
    same_selection,
    verdict_of,
)
from conformance.report.compare.speed import SpeedComparison, compare_load, compare_speed
from conformance.report.record import (
    CheckResult,
    Failure,
    Report,
    ReportError,
    RequirementResult,
)
from conformance.report.run.wording import Requirements


class Kind(StrEnum):
    """The kind of change of a requirement that both reports judged."""

    #: A check passed and no longer does.
    REGRESSION = "regression"
    #: The requirement did not pass, and all its compared checks pass now.
    REPAIR = "repair"
    #: The requirement fails in both reports, in different ways.
    CHANGED_FAILURE = "changed_failure"
    #: The requirement passes in neither report, with different verdicts.
    OTHER = "other"


@dataclass(frozen=True)
class CheckChange:
    """One check in both reports; `before` or `after` is None if it has no result."""

    id: str
    before: CheckResult | None
    after: CheckResult | None

    @property
    def verdicts(self) -> tuple[Verdict, Verdict]:
        """The verdict before and after."""
        return verdict_of(self.before), verdict_of(self.after)

    @property
    def regressed(self) -> bool:
        """Whether it passed before and does not now."""
        before, after = self.verdicts
        return before is Verdict.PASS and after is not Verdict.PASS

    @property
    def flaky(self) -> bool:
        """Whether it is flaky in one of the reports."""
        return any(each and each.stability is Stability.FLAKY for each in (self.before, self.after))

    @property
    def changed(self) -> bool:
        """Whether its verdict or its failure is different."""
        before, after = self.verdicts
        return before is not after or _failure_key(self.before) != _failure_key(self.after)

    @property
    def failure(self) -> Failure | None:
        """The failure in the later run."""
        return self.after.failure if self.after else None

    @property
    def reason(self) -> str:
        """Why it did not pass in the later run."""
        return self.after.reason if self.after else "the check gave no result"


@dataclass(frozen=True)
class RequirementChange:
    """A changed requirement that both reports judged.

    `before` and `after` are the worst verdicts of its `compared` checks, which both reports
    contain; `checks` are those of them that changed, the worst first. `baselined`: the
    baseline of the later run accepts its failures.
    """

    id: str
    title: str
    level: str
    capability: str
    kind: Kind
    before: Verdict
    after: Verdict
    baselined: bool
    compared: int
    checks: tuple[CheckChange, ...]

    @property
    def is_counted_regression(self) -> bool:
        """Whether it is a regression that gives exit status 1."""
        return self.kind is Kind.REGRESSION and self.level in COUNTED_LEVELS and not self.baselined

    @property
    def flaky(self) -> bool:
        """Whether one of the changed checks is flaky."""
        return any(check.flaky for check in self.checks)


@dataclass(frozen=True)
class ReportComparison:
    """All changes from `old` to `new`; `notes` are caveats that are shown first."""

    old: Report
    new: Report
    notes: tuple[str, ...]
    compared_requirements: int
    compared_checks: int
    changes: tuple[RequirementChange, ...]
    only_old: tuple[OnlyIn, ...]
    only_new: tuple[OnlyIn, ...]
    speed: SpeedComparison
    #: What the users of --load measured, `alone` and `under load`; empty without a load.
    load_speed: dict[str, SpeedComparison] = field(default_factory=dict)

    def of_kind(self, kind: Kind) -> tuple[RequirementChange, ...]:
        """Return the changes of one kind."""
        return tuple(each for each in self.changes if each.kind is kind)

    @property
    def regressed(self) -> bool:
        """Whether a MUST or SHOULD that the baseline does not accept has regressed."""
        return any(each.is_counted_regression for each in self.changes)


def compare_reports(
    old: Report,
    new: Report,
    requirements: Requirements | None = None,
    repeated: Sequence[Report] = (),
) -> ReportComparison:
    """Compare two reports, the earlier first.

    `requirements` of the installed catalogue give the effort that a requirement needs. `repeated`
    are reports of further runs like the earlier one, which bound the noise of durations; raises
    `ReportError` for one that did not ask the same.
    """
    for each in repeated:
        if not same_selection(old, each) or old.run.load_users != each.run.load_users:
            raise ReportError(
                f"a repeated run, {each.run.id}, did not ask the same as the old one: give runs "
                "with the same checks, profile, effort, seed, graph and load"
            )
    before, after = requirements_by_id(old), requirements_by_id(new)
    was, now = checks_by_id(old), checks_by_id(new)
    both = [after[each] for each in after if each in before]
    changes = []
    compared: set[str] = set()
    judged = 0
    for requirement in both:
        ids = [each for each in requirement.checks if each in before[requirement.id].checks]
        compared.update(ids)
        judged += bool(ids)
        if change := _requirement_change(requirement, ids, was, now):
            changes.append(change)
    return ReportComparison(
        old=old,
        new=new,
        notes=notes_of(old, new),
        compared_requirements=judged,
        compared_checks=len(compared),
        changes=tuple(changes),
        only_old=only_in(old, new, requirements or {}),
        only_new=only_in(new, old, requirements or {}),
        speed=compare_speed(old, new, same_selection=same_selection(old, new), repeated=repeated),
        load_speed=compare_load(old, new, repeated=repeated),
    )


def _requirement_change(
    requirement: RequirementResult,
    ids: list[str],
    before: dict[str, CheckResult],
    after: dict[str, CheckResult],
) -> RequirementChange | None:
    """Return how a requirement changed in the checks `ids`; None if it did not."""
    checks = [CheckChange(each, before.get(each), after.get(each)) for each in ids]
    changed = [each for each in checks if each.changed]
    if not changed:
        return None
    was, now = (worst(each.verdicts[side] for each in checks) for side in (0, 1))
    if any(each.regressed for each in changed):
        kind = Kind.REGRESSION
    elif now is Verdict.PASS:
        kind = Kind.REPAIR
    elif was is now is Verdict.FAIL:
        kind = Kind.CHANGED_FAILURE
    else:
        kind = Kind.OTHER
    return RequirementChange(
        id=requirement.id,
        title=requirement.title,
        level=requirement.level,
        capability=requirement.capability,
        kind=kind,
        before=was,
        after=now,
        baselined=requirement.baselined,
        compared=len(checks),
        checks=tuple(
            sorted(changed, key=lambda each: (not each.regressed, each.verdicts[1] != "fail"))
        ),
    )


def _failure_key(check: CheckResult | None) -> tuple[str, str]:
    """Return stability and fingerprint of a failure; all flaky failures have the same key."""
    if check is None or check.failure is None:
        return ("", "")
    flaky = check.stability is Stability.FLAKY
    return (str(check.stability), "" if flaky else check.failure.fingerprint)
