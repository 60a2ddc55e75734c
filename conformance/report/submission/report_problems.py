"""What keeps a report from being added to the board, in words.

A report is believed only as far as it can be computed again: its verdicts are those of its checks,
its totals those of its requirements, and neither a requirement nor a check is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from conformance.contract.catalogue import EFFORTS, PROFILES, SCALE_CAPABILITY, Catalogue
from conformance.contract.verdicts import Verdict, worst
from conformance.report.plain_text import listed
from conformance.report.record import CheckResult, Report
from conformance.report.score import run_verdict, totals
from conformance.report.submission.releases import Release

#: What every report on the board is made with.
PROFILE, EFFORT = PROFILES[-1], "standard"
#: The requirement that the suite itself decides, of answers that no check was about.
_DECIDED_BY_THE_SUITE = "ERROR-INTERNAL-01"
_SHOWN = 6


def report_problems(
    report: Report,
    catalogue: Catalogue,
    checks: Mapping[str, Collection[str]],
    this: Release,
    released: Iterable[Release],
) -> tuple[str, ...]:
    """Return what is wrong with a report, each in a sentence; empty if it can be added.

    `checks` are the checks of a whole run by this suite, each with its requirements. A report of
    another release is not compared with them, nor with the catalogue.
    """
    found = [*_of_the_run(report), *_of_the_server(report), *_of_the_sums(report)]
    if this.made(report):
        found += [*_of_the_requirements(report, catalogue), *_of_the_checks(report, checks)]
    elif not any(each.made(report) for each in released):
        found += _of_the_suite(report, this)
    return tuple(found)


def _of_the_run(report: Report) -> Iterator[str]:
    run = report.run
    if run.profile != PROFILE:
        yield f"it was made with the profile {run.profile}: run with --profile {PROFILE}"
    if run.effort != EFFORT:
        yield f"it was made at the effort {run.effort}: run with --effort {EFFORT}"
    ended = [
        (run.interrupted, "the run was interrupted: run it to its end"),
        (
            run.given_up,
            "the run was given up, since the deployment stopped answering: run it again",
        ),
        (run.read_only, "the run was read-only: run without --read-only"),
        (bool(run.shard), f"it is shard {run.shard} of a run: merge all shards"),
        (run.narrowed, "options chose some of the checks: run without -k, --requirement, --client"),
    ]
    said = [why for is_so, why in ended if is_so]
    yield from said
    if run.partial and not said:
        yield "it is partial: run all checks"
    if run.load_users:
        yield "it was made under --load: run without"
    if accepted := [each.id for each in report.requirements if each.baselined]:
        yield f"a baseline accepts {listed(accepted, _SHOWN)}: run without --baseline"


def _of_the_server(report: Report) -> Iterator[str]:
    deployment = report.deployment
    for what, known in (("name", deployment.server_name), ("version", deployment.server_version)):
        if not known:
            yield (
                f"it does not say the {what} of the server: run with --server NAME==VERSION and a "
                "launcher, or let GET /info tell it"
            )


def _of_the_suite(report: Report, this: Release) -> Iterator[str]:
    install = "install this checkout, or a release, and run again"
    if report.suite_version != this.version:
        yield f"it was made by version {report.suite_version}, this is {this.version}: {install}"
    if report.catalogue_digest != this.catalogue_digest:
        yield f"it was made with other requirements ({report.catalogue_digest}): {install}"
    if not report.suite_digest:
        yield f"it does not hold the digest of the suite: {install}"
    elif report.suite_digest != this.digest:
        yield f"it was made by other code of the suite ({report.suite_digest}): {install}"


def _of_the_requirements(report: Report, catalogue: Catalogue) -> Iterator[str]:
    expected = {
        each.id: each
        for each in catalogue.in_profile(PROFILE)
        if EFFORTS.index(each.effort) <= EFFORTS.index(EFFORT)
        and each.capability != SCALE_CAPABILITY
    }
    given = {each.id: each for each in report.requirements}
    if len(given) != len(report.requirements):
        yield "a requirement is there twice"
    if missing := [each for each in expected if each not in given]:
        yield f"{len(missing)} requirements are missing: {listed(missing, _SHOWN)}"
    if unknown := [each for each in given if each not in expected]:
        yield f"{len(unknown)} requirements do not belong to it: {listed(unknown, _SHOWN)}"
    changed = [
        id_
        for id_ in expected.keys() & given.keys()
        if any(
            getattr(expected[id_], member) != getattr(given[id_], member)
            for member in ("level", "profile", "capability", "title")
        )
    ]
    if changed:
        yield f"level, profile, capability or title is changed of {listed(sorted(changed), _SHOWN)}"


def _of_the_checks(report: Report, checks: Mapping[str, Collection[str]]) -> Iterator[str]:
    given = {each.id: each for each in report.checks}
    if len(given) != len(report.checks):
        yield "a check is there twice"
    if missing := [each for each in checks if each not in given]:
        yield f"{len(missing)} checks have no result: {listed(missing, _SHOWN)}"
    unknown = [
        each.id
        for each in report.checks
        if each.id not in checks and each.requirements != (_DECIDED_BY_THE_SUITE,)
    ]
    if unknown:
        yield f"{len(unknown)} checks are not of this suite: {listed(unknown, _SHOWN)}"
    moved = [
        each
        for each, requirements in checks.items()
        if each in given and set(given[each].requirements) != set(requirements)
    ]
    if moved:
        yield f"the requirements are changed of the checks {listed(moved, _SHOWN)}"


def _of_the_sums(report: Report) -> Iterator[str]:
    """Yield where verdicts and counts are not those that the results give."""
    by_requirement: dict[str, list[CheckResult]] = {}
    for check in report.checks:
        for each in check.requirements:
            by_requirement.setdefault(each, []).append(check)
    wrong = []
    for result in report.requirements:
        own = by_requirement.get(result.id, [])
        verdicts = [each.verdict for each in own]
        # A check that was planned and gave no result counts as not run.
        if set(result.checks) - {each.id for each in own}:
            verdicts.append(Verdict.NOT_RUN)
        if result.verdict is not worst(verdicts) or {each.id for each in own} - set(result.checks):
            wrong.append(result.id)
    if wrong:
        yield f"the verdict is not that of the checks: {listed(wrong, _SHOWN)}"
    if strays := by_requirement.keys() - {each.id for each in report.requirements}:
        yield f"checks decide requirements that are left out: {listed(sorted(strays), _SHOWN)}"
    if report.totals != totals(report.requirements):
        yield "the totals are not the counts of the requirements"
    if report.verdict is not run_verdict(report.requirements):
        yield f"the verdict {report.verdict} is not what the requirements give"
    mute = [
        each.id
        for each in report.checks
        if each.verdict is Verdict.FAIL and not (each.failure and each.failure.fingerprint)
    ]
    if mute:
        yield f"failures have no evidence: {listed(mute, _SHOWN)}"
