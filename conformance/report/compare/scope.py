"""What two reports have in common, what only one has, and caveats of the comparison."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.contract.catalogue import PROFILES
from conformance.contract.verdicts import Verdict, worst
from conformance.report.record import CheckResult, Report, RequirementResult
from conformance.report.run.wording import Requirements


@dataclass(frozen=True)
class OnlyIn:
    """A requirement with checks that only one of the reports has.

    `checks` are these checks; `no_common_check`: the other report has no check of the requirement;
    `why` is the reason in a few words.
    """

    id: str
    title: str
    level: str
    verdict: Verdict
    checks: tuple[str, ...]
    no_common_check: bool
    why: str


def only_in(here: Report, other: Report, requirements: Requirements) -> tuple[OnlyIn, ...]:
    """Return the requirements with checks that `here` has and `other` does not."""
    elsewhere, results = requirements_by_id(other), checks_by_id(here)
    found = []
    for each in here.requirements:
        counterpart = elsewhere.get(each.id)
        own = tuple(
            check for check in each.checks if not counterpart or check not in counterpart.checks
        )
        if counterpart and not own:
            continue
        found.append(
            OnlyIn(
                id=each.id,
                title=each.title,
                level=each.level,
                verdict=worst(verdict_of(results.get(check)) for check in own),
                checks=own,
                no_common_check=counterpart is None
                or not set(each.checks) & set(counterpart.checks),
                why=_why_only(each, here, other, counterpart, requirements),
            )
        )
    return tuple(found)


def _why_only(
    requirement: RequirementResult,
    here: Report,
    other: Report,
    counterpart: RequirementResult | None,
    requirements: Requirements,
) -> str:
    """Return the reason why the other report does not have the requirement or its checks."""
    if counterpart is None:
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
    """Return whether the reports are from different versions of the suite or its catalogue."""
    return (old.suite_version, old.catalogue_digest) != (new.suite_version, new.catalogue_digest)


def notes_of(old: Report, new: Report) -> tuple[str, ...]:
    """Return the caveats of the comparison, a sentence each."""
    notes = []
    if suites_differ(old, new):
        what = (
            f"versions {old.suite_version} and {new.suite_version}"
            if old.suite_version != new.suite_version
            else "the same version with another catalogue"
        )
        notes.append(
            f"The suites differ ({what}). Checks that only one of them has are not compared, "
            "and those that both have may have changed: to be sure, check the old server with "
            "the new suite."
        )
    differing = [
        f"{name} {before} and {after}"
        for name, before, after in (
            ("servers", old.deployment.server_name, new.deployment.server_name),
            ("graphs", old.deployment.graph_id, new.deployment.graph_id),
            ("profiles", old.run.profile, new.run.profile),
            ("efforts", old.run.effort, new.run.effort),
            ("seeds", old.run.seed, new.run.seed),
            ("users of --load", old.run.load_users, new.run.load_users),
        )
        if before != after
    ]
    if differing:
        notes.append(f"The runs differ: {', '.join(differing)}. Only what both judged is compared.")
    partial = [name for name, each in (("old", old), ("new", new)) if each.run.partial]
    if partial:
        notes.append(
            f"The {' and the '.join(partial)} run judged only a selection: "
            "the other requirements are not compared."
        )
    levels = requirements_by_id(old)
    notes += [
        f"{each.id} was a {levels[each.id].level} and is a {each.level} now."
        for each in new.requirements
        if each.id in levels and levels[each.id].level != each.level
    ]
    return tuple(notes)


def same_selection(old: Report, new: Report) -> bool:
    """Return whether both runs had the same checks, profile, effort, seed and graph."""
    selections = (
        (each.run.profile, each.run.effort, each.run.seed, each.deployment.graph_id, _planned(each))
        for each in (old, new)
    )
    return next(selections) == next(selections)


def _planned(report: Report) -> frozenset[str]:
    return frozenset(check for each in report.requirements for check in each.checks)


def requirements_by_id(report: Report) -> dict[str, RequirementResult]:
    """Return the requirements of a report by id."""
    return {each.id: each for each in report.requirements}


def checks_by_id(report: Report) -> dict[str, CheckResult]:
    """Return the results of checks by id."""
    return {each.id: each for each in report.checks}


def verdict_of(check: CheckResult | None) -> Verdict:
    """Return the verdict of a check; `not_run` if it has no result."""
    return check.verdict if check else Verdict.NOT_RUN
