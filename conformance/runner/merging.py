"""One report from those of all shards of a run, with the verdicts that one machine would give."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from conformance.contract.catalogue import Catalogue
from conformance.contract.verdicts import Stability
from conformance.report.plain_text import listed
from conformance.report.record import (
    CheckResult,
    Cleanup,
    LeftThreads,
    Load,
    LoadTiming,
    OperationTiming,
    Report,
    ReportError,
)
from conformance.report.score import requirement_results, run_verdict, totals
from conformance.runner.server_errors import without_reported
from conformance.runner.shards import Shard, parse_shard


def merge(
    reports: Sequence[Report], catalogue: Catalogue, operations: dict[str, OperationTiming]
) -> Report:
    """Return the report of the whole run, from the reports of all its shards in any order.

    `operations` are the durations over all shards. Raises `ReportError` if the reports are not the
    shards of one run: one is missing, there twice, or was made of something else.
    """
    first, *others = _in_order(reports)
    for other in others:
        _require_same_run(first, other)
    if first.catalogue_digest != catalogue.digest:
        raise ReportError(
            "the reports were made by another version of the requirements: merge them with the "
            f"threads-conformance {first.suite_version} that made them"
        )
    every = [first, *others]
    checks = _checks(every)
    known = {result.id for each in every for result in each.requirements}
    results = requirement_results(
        checks,
        [each for each in catalogue.requirements.values() if each.id in known],
        _checks_of(every, checks),
    )
    ended_early = any(each.run.interrupted or each.run.given_up for each in every)
    return dataclasses.replace(
        first,
        run=dataclasses.replace(
            first.run,
            started_at=min(each.run.started_at for each in every),
            duration_s=max(each.run.duration_s for each in every),
            requests=sum(each.run.requests for each in every),
            partial=first.run.narrowed or ended_early,
            interrupted=any(each.run.interrupted for each in every),
            given_up=any(each.run.given_up for each in every),
            shard="",
            divided="",
        ),
        verdict=run_verdict(results),
        totals=totals(results),
        cleanup=_cleanup(each.cleanup for each in every),
        operations=operations,
        requirements=results,
        checks=checks,
        load=_load([each.load for each in every if each.load]),
        # They are of one machine.
        timings={},
    )


def _in_order(reports: Sequence[Report]) -> list[Report]:
    """Return the reports by the numbers of their shards; raise `ReportError` if one is missing."""
    by_shard: dict[Shard, Report] = {}
    for report in reports:
        if not report.run.shard:
            raise ReportError(
                f"a report ({_name(report)}) is of no shard: give those of `run --shard I/N`"
            )
        try:
            shard = parse_shard(report.run.shard)
        except ValueError as damaged:
            raise ReportError(f"a report is damaged: run.shard: {damaged}") from damaged
        if shard in by_shard:
            raise ReportError(f"shard {shard} is given twice: give each report once")
        by_shard[shard] = report
    parts = {shard.parts for shard in by_shard}
    if len(parts) > 1:
        given = listed([str(each) for each in by_shard], 8)
        raise ReportError(f"the reports are of runs that were divided differently: {given}")
    every = (Shard(number, *parts) for number in range(1, max(parts) + 1))
    if missing := [str(each) for each in every if each not in by_shard]:
        raise ReportError(f"not all shards are given: {listed(missing, 8)} missing")
    return [by_shard[shard] for shard in sorted(by_shard)]


def _require_same_run(one: Report, other: Report) -> None:
    """Raise `ReportError` if two reports differ in what was checked, or how."""
    for what, values in (
        ("versions of threads-conformance", [each.suite_version for each in (one, other)]),
        ("requirements", [each.catalogue_digest for each in (one, other)]),
        ("code of threads-conformance", [each.suite_digest for each in (one, other)]),
        ("servers", [_name(each) for each in (one, other)]),
        ("graphs", [each.deployment.graph_id for each in (one, other)]),
        ("profiles", [each.run.profile for each in (one, other)]),
        ("efforts", [each.run.effort for each in (one, other)]),
        ("seeds", [str(each.run.seed) for each in (one, other)]),
        ("selections", [each.run.divided for each in (one, other)]),
        ("values of --disposable", [str(each.run.disposable) for each in (one, other)]),
        ("values of --load", [str(each.run.load_users) for each in (one, other)]),
        ("values of --read-only", [str(each.run.read_only) for each in (one, other)]),
    ):
        if values[0] != values[1]:
            raise ReportError(
                f"shards {one.run.shard} and {other.run.shard} are of different {what}: "
                f"{values[0]} and {values[1]}; give the shards of one run"
            )


def _checks(reports: Sequence[Report]) -> tuple[CheckResult, ...]:
    """Return all checks by id, each answer by 500 once."""
    found: dict[str, CheckResult] = {}
    for check in (each for report in reports for each in report.checks):
        # An operation may be answered by 500 in several shards; what recurred in one, recurs.
        if check.id not in found or check.stability is Stability.STABLE:
            found[check.id] = check
    return tuple(sorted(without_reported(found.values()), key=lambda each: each.id))


def _checks_of(
    reports: Sequence[Report], checks: Iterable[CheckResult]
) -> dict[str, dict[str, None]]:
    """Return the ids of the checks of each requirement, those without a result among them."""
    kept = {each.id for each in checks}
    seen = {each.id for report in reports for each in report.checks}
    ids: dict[str, dict[str, None]] = defaultdict(dict)
    for result in (each for report in reports for each in report.requirements):
        ids[result.id] |= dict.fromkeys(
            each for each in result.checks if each in kept or each not in seen
        )
    return ids


def _cleanup(every: Iterable[Cleanup]) -> Cleanup:
    parts = list(every)
    return Cleanup(
        created=sum(each.created for each in parts),
        removed=sum(each.removed for each in parts),
        left=tuple(sorted(left for each in parts for left in each.left)),
        reasons=_counted(reason for each in parts for reason in each.reasons),
        possibly_left=_counted(reason for each in parts for reason in each.possibly_left),
    )


def _load(parts: Sequence[Load]) -> Load | None:
    """Return the load of all shards: counts are added, durations are those of the slowest shard."""
    if not parts:
        return None
    failures: Counter[str] = Counter()
    for each in parts:
        failures.update(each.failures)
    operations = sorted({name for each in parts for name in each.operations})
    return Load(
        users=sum(each.users for each in parts),
        processes=sum(each.processes for each in parts),
        pause_s=max(each.pause_s for each in parts),
        duration_s=max(each.duration_s for each in parts),
        requests=sum(each.requests for each in parts),
        requests_per_s=round(sum(each.requests_per_s for each in parts), 2),
        failures=dict(sorted(failures.items())),
        operations={
            name: LoadTiming(
                alone=_slowest(each.alone for each in _timings(parts, name)),
                under_load=_slowest(each.under_load for each in _timings(parts, name)),
            )
            for name in operations
        },
        problem="; ".join(dict.fromkeys(each.problem for each in parts if each.problem)),
    )


def _timings(parts: Sequence[Load], name: str) -> list[LoadTiming]:
    return [each.operations[name] for each in parts if name in each.operations]


def _slowest(timings: Iterable[OperationTiming | None]) -> OperationTiming | None:
    """Return all requests of an operation, with the longest of their durations."""
    measured = [each for each in timings if each]
    if not measured:
        return None
    return OperationTiming(
        requests=sum(each.requests for each in measured),
        p50_ms=max(each.p50_ms for each in measured),
        p95_ms=max(each.p95_ms for each in measured),
    )


def _counted(reasons: Iterable[LeftThreads]) -> tuple[LeftThreads, ...]:
    counts: Counter[str] = Counter()
    for each in reasons:
        counts[each.reason] += each.threads
    return tuple(LeftThreads(threads, reason) for reason, threads in sorted(counts.items()))


def _name(report: Report) -> str:
    return f"{report.deployment.server_name} {report.deployment.server_version}"
