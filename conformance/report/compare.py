"""What changed between two reports: `compare_reports` takes two, and judges nothing anew.

Only what both judged is compared: the checks that stand in both reports. A check that
passed and does not any more is a regression of its requirements, also where they fell
short before, so that a known deviation never hides a new one. What only one report
holds is told apart, and so is what the suite, not the server, changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from conformance.contract.catalogue import PROFILES
from conformance.contract.verdicts import Stability, Verdict, worst
from conformance.report.compare_speed import SpeedComparison, compare_speed
from conformance.report.record import CheckResult, Failure, Report, RequirementResult
from conformance.report.summary import Requirements, server_name, verdict_words

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
        return _verdict(self.before), _verdict(self.after)

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
class OnlyIn:
    """A requirement of which one report judged what the other did not.

    `checks` are its checks that only this report has; `whole` says that the other
    judged none of its checks; `why` says in a few words where that comes from.
    """

    id: str
    title: str
    level: str
    verdict: Verdict
    checks: tuple[str, ...]
    whole: bool
    why: str


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
    before, after = _by_id(old), _by_id(new)
    both = [after[each] for each in after if each in before]
    changes = []
    compared: set[str] = set()
    judged = 0
    for requirement in both:
        ids = [each for each in requirement.checks if each in before[requirement.id].checks]
        compared.update(ids)
        judged += bool(ids)
        if change := _change(requirement, ids, _checks(old), _checks(new)):
            changes.append(change)
    return ReportComparison(
        old=old,
        new=new,
        notes=_notes(old, new),
        compared_requirements=judged,
        compared_checks=len(compared),
        changes=tuple(changes),
        only_old=_only_in(old, new, requirements or {}),
        only_new=_only_in(new, old, requirements or {}),
        speed=compare_speed(old, new, same_questions=_same_questions(old, new)),
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


def _only_in(here: Report, other: Report, requirements: Requirements) -> tuple[OnlyIn, ...]:
    """What `here` judged and `other` did not."""
    elsewhere, results = _by_id(other), _checks(here)
    found = []
    for each in here.requirements:
        twin = elsewhere.get(each.id)
        own = tuple(check for check in each.checks if not twin or check not in twin.checks)
        if twin and not own:
            continue
        found.append(
            OnlyIn(
                id=each.id,
                title=each.title,
                level=each.level,
                verdict=worst(_verdict(results.get(check)) for check in own),
                checks=own,
                whole=twin is None or not set(each.checks) & set(twin.checks),
                why=_why_only(each, here, other, twin, requirements),
            )
        )
    return tuple(found)


def _why_only(
    requirement: RequirementResult,
    here: Report,
    other: Report,
    twin: RequirementResult | None,
    requirements: Requirements,
) -> str:
    """Why the other report does not have it."""
    if twin is None:
        if PROFILES.index(requirement.profile) > PROFILES.index(other.run.profile):
            return f"the other run's profile is {other.run.profile}"
        known = requirements.get(requirement.id)
        if known and known.effort == here.run.effort != other.run.effort:
            return f"the other run's effort is {other.run.effort}"
    if here.run.partial or other.run.partial:
        return "not selected in the other run"
    if suites_differ(here, other):
        return "the suites differ"
    return "not made in the other run"


def suites_differ(old: Report, new: Report) -> bool:
    """Whether the reports were made by other versions of the suite or its catalogue."""
    return (old.suite_version, old.catalogue_digest) != (new.suite_version, new.catalogue_digest)


def _notes(old: Report, new: Report) -> tuple[str, ...]:
    """What a reader must know before the changes, a sentence each."""
    notes = []
    if suites_differ(old, new):
        what = (
            f"versions {old.suite_version} and {new.suite_version}"
            if old.suite_version != new.suite_version
            else "the same version with another catalogue"
        )
        notes.append(
            f"The suites differ ({what}). What only one of them checks is no regression; a check "
            "that both have may have been changed too: to be sure, run the new suite on the old "
            "server."
        )
    differing = [
        f"{name} {before} and {after}"
        for name, before, after in (
            ("servers", old.deployment.server_name, new.deployment.server_name),
            ("graphs", old.deployment.graph_id, new.deployment.graph_id),
            ("profiles", old.run.profile, new.run.profile),
            ("efforts", old.run.effort, new.run.effort),
            ("seeds", old.run.seed, new.run.seed),
        )
        if before != after
    ]
    if differing:
        notes.append(f"The runs differ: {', '.join(differing)}. Only what both judged is compared.")
    partial = [name for name, each in (("old", old), ("new", new)) if each.run.partial]
    if partial:
        notes.append(
            f"The {' and the '.join(partial)} run judged a selection only: "
            "nothing is said of the rest."
        )
    levels = _by_id(old)
    notes += [
        f"{each.id} was a {levels[each.id].level} and is a {each.level} now."
        for each in new.requirements
        if each.id in levels and levels[each.id].level != each.level
    ]
    return tuple(notes)


def told_server(report: Report) -> str:
    """Server and verdict of one side: `langgraph-api 0.16.7: NON-CONFORMANT`."""
    return f"{server_name(report)}: {verdict_words(report)}"


def _same_questions(old: Report, new: Report) -> bool:
    """Whether both runs made the same checks with the same choices."""
    asked = (
        (each.run.profile, each.run.effort, each.run.seed, each.deployment.graph_id, _planned(each))
        for each in (old, new)
    )
    return next(asked) == next(asked)


def _planned(report: Report) -> frozenset[str]:
    return frozenset(check for each in report.requirements for check in each.checks)


def _by_id(report: Report) -> dict[str, RequirementResult]:
    return {each.id: each for each in report.requirements}


def _checks(report: Report) -> dict[str, CheckResult]:
    return {each.id: each for each in report.checks}


def _verdict(check: CheckResult | None) -> Verdict:
    return check.verdict if check else Verdict.NOT_RUN


def _symptom(check: CheckResult | None) -> tuple[str, str]:
    """What a failure looks like; the symptoms of a flaky one are not told apart."""
    if check is None or check.failure is None:
        return ("", "")
    flaky = check.stability is Stability.FLAKY
    return (str(check.stability), "" if flaky else check.failure.fingerprint)
