"""The board: requirements against deployments, made from their reports alone.

`make_board` takes reports in any order. Results are shown as reported, except that
baselines are ignored: an accepted failure is still a failure on the board.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count, pairwise

from packaging.version import InvalidVersion, Version

from conformance.contract.catalogue import EFFORTS, PROFILES
from conformance.contract.verdicts import Stability, Verdict
from conformance.report.compare.model import ReportComparison, compare_reports
from conformance.report.compare.scope import suites_differ
from conformance.report.record import CheckResult, Report, ReportError, RequirementResult
from conformance.report.run.grouping import symptom_fingerprint
from conformance.report.run.wording import server_name
from conformance.report.score import UNDECIDED, run_verdict

_LONGEST_SLUG = 100
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Column:
    """One deployment. `slug` is its unique name in file names and anchors."""

    label: str
    slug: str
    report: Report


@dataclass(frozen=True)
class Cell:
    """The result of one deployment for one requirement.

    `checks` are its checks that have a result, those that did not pass first.
    """

    verdict: Verdict
    checks: tuple[CheckResult, ...]

    @property
    def not_passed(self) -> tuple[CheckResult, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if check.verdict is not Verdict.PASS)

    @property
    def flaky(self) -> bool:
        """Whether one of its failures did not occur on every repetition."""
        return any(check.stability is Stability.FLAKY for check in self.not_passed)

    @property
    def symptom(self) -> tuple[tuple[str, str, str], ...]:
        """A value that is equal for deployments that fail in the same way."""
        return tuple(
            (
                check.id,
                str(check.verdict),
                symptom_fingerprint(check),
            )
            for check in self.not_passed
        )


@dataclass(frozen=True)
class Row:
    """One requirement; a cell for each column, None where it was not judged."""

    id: str
    title: str
    level: str
    capability: str
    cells: tuple[Cell | None, ...]

    @property
    def all_pass(self) -> bool:
        """Whether every deployment for which it was judged passes."""
        return all(cell is None or cell.verdict is Verdict.PASS for cell in self.cells)


@dataclass(frozen=True)
class Count:
    """Counts of the requirements of one level: `passed` of `judged`."""

    passed: int
    failed: int
    unsupported: int
    undecided: int

    @property
    def judged(self) -> int:
        """The number of requirements that were judged."""
        return self.passed + self.failed + self.unsupported + self.undecided


@dataclass(frozen=True)
class Step:
    """What changed from one version of a server to the next one on the board."""

    old: Column
    new: Column
    comparison: ReportComparison


@dataclass(frozen=True)
class Board:
    """The board; `notes` are caveats that are shown above it."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    steps: tuple[Step, ...]
    notes: tuple[str, ...]

    @cached_property
    def by_id(self) -> dict[str, Row]:
        """The rows by id."""
        return {row.id: row for row in self.rows}

    def capabilities(self) -> tuple[str, ...]:
        """Return the capabilities, in the order of the rows."""
        return tuple(dict.fromkeys(row.capability for row in self.rows))

    def count(self, column: int, level: str, capability: str | None = None) -> Count:
        """Count the results of a column at one level, in one capability or in all."""
        found: Counter[Verdict] = Counter()
        for row in self.rows:
            cell = row.cells[column]
            if cell and row.level == level and capability in (None, row.capability):
                found[cell.verdict] += 1
        return Count(
            passed=found[Verdict.PASS],
            failed=found[Verdict.FAIL],
            unsupported=found[Verdict.UNSUPPORTED],
            undecided=sum(found[verdict] for verdict in UNDECIDED),
        )


def make_board(reports: Iterable[Report]) -> Board:
    """Make the board of the reports; their order does not matter.

    Raise `ReportError` if one run is given twice.
    """
    ordered = sorted(map(_without_baseline, reports), key=_sort_key)
    runs = Counter(report.run.id for report in ordered)
    for report in ordered:
        if runs[report.run.id] > 1:
            raise ReportError(
                f"the run {report.run.id} of {server_name(report)} is given twice: give it once"
            )
    columns = _columns(ordered)
    return Board(columns, _rows(ordered), _steps(columns), _notes(ordered))


def _without_baseline(report: Report) -> Report:
    results = tuple(dataclasses.replace(each, baselined=False) for each in report.requirements)
    return dataclasses.replace(report, requirements=results, verdict=run_verdict(results))


def _sort_key(report: Report) -> tuple[object, ...]:
    """Return the sort key: server, version, profile, effort, then the time of the run."""
    return (
        report.deployment.server_name or "",
        version_key(report.deployment.server_version or ""),
        PROFILES.index(report.run.profile),
        EFFORTS.index(report.run.effort),
        report.run.started_at,
        report.run.id,
    )


def version_key(text: str) -> tuple[object, ...]:
    """Return the sort key of a version; texts that are not PEP 440 versions sort first."""
    try:
        return (1, Version(text), text)
    except InvalidVersion:
        return (0, text)


def unique_slug(label: str, taken: set[str]) -> str:
    """Return a name for files and anchors that is not `taken`, and take it.

    File systems may ignore case, so that names that differ only in case count as equal.
    """
    name = _NOT_IN_A_NAME.sub("-", label).strip("-.")[:_LONGEST_SLUG] or "server"
    slug = next(
        each
        for each in chain([name], (f"{name}-{number}" for number in count(2)))
        if each.lower() not in taken
    )
    taken.add(slug.lower())
    return slug


def _columns(reports: list[Report]) -> tuple[Column, ...]:
    """Return a column for each report, under the shortest label that no other report has."""
    choices = [_label_choices(report) for report in reports]
    taken = Counter(label for labels in choices for label in labels)
    columns: list[Column] = []
    slugs: set[str] = set()
    for report, labels in zip(reports, choices, strict=True):
        label = next((each for each in labels if taken[each] == 1), labels[-1])
        columns.append(Column(label, unique_slug(label, slugs), report))
    return tuple(columns)


def _label_choices(report: Report) -> tuple[str, ...]:
    name = server_name(report)
    profile = f"{name}, {report.run.profile}"
    return (
        name,
        profile,
        f"{profile}, {report.run.started_at}",
        f"{profile}, run {report.run.id}",
    )


def _rows(reports: list[Report]) -> tuple[Row, ...]:
    """Return a row for each requirement, in the order of the report with the most requirements."""
    widest = sorted(reports, key=lambda report: -len(report.requirements))
    known: dict[str, RequirementResult] = {}
    for report in widest:
        for result in report.requirements:
            known.setdefault(result.id, result)
    order = list(dict.fromkeys(result.capability for result in known.values()))
    results = [{each.id: each for each in report.requirements} for report in reports]
    checks = [{each.id: each for each in report.checks} for report in reports]
    rows = []
    for result in sorted(known.values(), key=lambda each: order.index(each.capability)):
        cells: list[Cell | None] = []
        for own, found in zip(results, checks, strict=True):
            judged = own.get(result.id)
            cells.append(
                Cell(
                    judged.verdict,
                    tuple(
                        sorted(
                            (found[each] for each in judged.checks if each in found),
                            key=lambda check: (check.verdict is Verdict.PASS, check.id),
                        )
                    ),
                )
                if judged
                else None
            )
        rows.append(Row(result.id, result.title, result.level, result.capability, tuple(cells)))
    return tuple(rows)


def _steps(columns: tuple[Column, ...]) -> tuple[Step, ...]:
    """Compare each version of a server with the one before, by the most extensive reports."""
    latest: dict[tuple[str, str], Column] = {}
    for column in columns:
        deployment = column.report.deployment
        if deployment.server_name and deployment.server_version:
            latest[deployment.server_name, deployment.server_version] = column
    chosen = list(latest.values())
    return tuple(
        Step(old, new, compare_reports(old.report, new.report))
        for old, new in pairwise(chosen)
        if old.report.deployment.server_name == new.report.deployment.server_name
    )


def _notes(reports: list[Report]) -> tuple[str, ...]:
    notes = []
    if any(suites_differ(reports[0], other) for other in reports[1:]):
        notes.append(
            "The reports were made with different versions of the suite or its catalogue: what "
            "only some of them judge is shown as not judged in the others."
        )
    asked = {(each.run.profile, each.run.effort) for each in reports}
    if len(asked) > 1:
        notes.append("The reports differ in profile or effort: counts have different denominators.")
    if any(each.run.partial for each in reports):
        notes.append("A partial verdict covers only the selected requirements.")
    return tuple(notes)
