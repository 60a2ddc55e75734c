"""What changed between two reports: `compare_reports` takes two, and judges nothing anew.

Only what both judged is compared: the checks that stand in both reports. A check that
passed and does not any more is a regression of its requirements, also where they fell
short before, so that a known deviation never hides a new one. What only one report
holds is told apart, and so is what the suite, not the server, changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from conformance.contract.verdicts import Stability, Verdict, worst
from conformance.report.compare.scope import (
    OnlyIn,
    checks_by_id,
    notes_of,
    only_in,
    requirements_by_id,
    same_questions,
    verdict_of,
)
from conformance.report.compare.speed import SpeedComparison, compare_speed
from conformance.report.record import CheckResult, Failure, Report, RequirementResult
from conformance.report.run.text import Requirements

#: Levels whose regressions end the command with status 1; those of a MAY are only told.
COUNTED_LEVELS = ("MUST", "SHOULD")


class Kind(StrEnum):
    """How a requirement that both reports judged has changed."""

    #: A check passed and does not any more.
    REGRESSION = "regression"
    #: It fell short, and all its compared checks pass now.
    REPAIR = "repair"
    #: It fails in both, in another way.
    CHANGED_FAILURE = "changed_failure"
    #: It passed in neither, with another verdict.
    OTHER = "other"


@dataclass(frozen=True)
class CheckChange:
    """One check in both reports; None stands for a check that left no result."""

    id: str
    before: CheckResult | None
    after: CheckResult | None

    @property
    def verdicts(self) -> tuple[Verdict, Verdict]:
        """The verdict before and after."""
        return verdict_of(self.before), verdict_of(self.after)

    @property
    def regressed(self) -> bool:
        """Whether it passed, and does not any more."""
        before, after = self.verdicts
        return before is Verdict.PASS and after is not Verdict.PASS

    @property
    def flaky(self) -> bool:
        """Whether a failure of it, before or after, did not come on every repetition."""
        return any(each and each.stability is Stability.FLAKY for each in (self.before, self.after))

    @property
    def changed(self) -> bool:
        """Whether its verdict is another, or its failure is."""
        before, after = self.verdicts
        return before is not after or _symptom(self.before) != _symptom(self.after)

    @property
    def failure(self) -> Failure | None:
        """The failure of the later run."""
        return self.after.failure if self.after else None

    @property
    def reason(self) -> str:
        """Why it did not pass in the later run."""
        return self.after.reason if self.after else "it gave no result"


@dataclass(frozen=True)
class RequirementChange:
    """A requirement that both judged, and that changed.

    `before` and `after` are the worst verdicts of the `compared` checks that both made;
    `checks` are those of them that changed, the worst first. `baselined` says that the
    baseline of the later run accepts how it falls short.
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
    def counts(self) -> bool:
        """Whether it is a regression that ends the command with status 1."""
        return self.kind is Kind.REGRESSION and self.level in COUNTED_LEVELS and not self.baselined

    @property
    def flaky(self) -> bool:
        """Whether one of the changed checks is flaky."""
        return any(check.flaky for check in self.checks)


@dataclass(frozen=True)
class ReportComparison:
    """All that changed from `old` to `new`; `notes` are sentences to be read first."""

    old: Report
    new: Report
    notes: tuple[str, ...]
    compared_requirements: int
    compared_checks: int
    changes: tuple[RequirementChange, ...]
    only_old: tuple[OnlyIn, ...]
    only_new: tuple[OnlyIn, ...]
    speed: SpeedComparison

    def of_kind(self, kind: Kind) -> tuple[RequirementChange, ...]:
        """The changes of one kind."""
        return tuple(each for each in self.changes if each.kind is kind)

    @property
    def regressed(self) -> bool:
        """Whether a MUST or SHOULD that the baseline does not accept has regressed."""
        return any(each.counts for each in self.changes)


def compare_reports(
    old: Report, new: Report, requirements: Requirements | None = None
) -> ReportComparison:
    """Compare two reports, the earlier first.

    `requirements` of the catalogue at hand tell which effort a requirement needs.
    """
    before, after = requirements_by_id(old), requirements_by_id(new)
    both = [after[each] for each in after if each in before]
    changes = []
    compared: set[str] = set()
    judged = 0
    for requirement in both:
        ids = [each for each in requirement.checks if each in before[requirement.id].checks]
        compared.update(ids)
        judged += bool(ids)
        if change := _change(requirement, ids, checks_by_id(old), checks_by_id(new)):
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
        speed=compare_speed(old, new, same_questions=same_questions(old, new)),
    )


def _change(
    requirement: RequirementResult,
    ids: list[str],
    before: dict[str, CheckResult],
    after: dict[str, CheckResult],
) -> RequirementChange | None:
    """How a requirement changed, over the checks `ids`; None where it did not."""
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


def _symptom(check: CheckResult | None) -> tuple[str, str]:
    """What a failure looks like; the symptoms of a flaky one are not told apart."""
    if check is None or check.failure is None:
        return ("", "")
    flaky = check.stability is Stability.FLAKY
    return (str(check.stability), "" if flaky else check.failure.fingerprint)
