"""What the pages of the board show: servers with their versions, from reports and the history.

Only runs of one measure (profile and effort, whole) are compared; others are set apart, with the
reason. Counts are of the requirements that all that are compared were judged by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from packaging.version import InvalidVersion, Version

from conformance.contract.catalogue import COUNTED_LEVELS, EFFORTS, PROFILES
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.report.board.areas import OTHER, Area, area_of, areas
from conformance.report.board.history import Judgement, judgement_of
from conformance.report.board.model import Board, Column, unique_slug, version_key
from conformance.report.board.timeline import Standing, Timeline, standing_of, timeline
from conformance.report.run.wording import Requirements
from conformance.report.score import UNDECIDED


@dataclass(frozen=True)
class Row:
    """A requirement as the pages name it; `slug` is the name of its page."""

    id: str
    slug: str
    title: str
    level: str
    capability: str

    @property
    def counts(self) -> bool:
        """Whether it is counted: a MAY never is."""
        return self.level in COUNTED_LEVELS

    @property
    def area(self) -> Area:
        """The area of its capability."""
        return area_of(self.capability)


@dataclass(frozen=True)
class Judged:
    """One version of a server; `column` is that of its report, which holds the evidence, if any."""

    label: str
    slug: str
    judgement: Judgement
    column: Column | None

    @property
    def version(self) -> str:
        """The version in a few characters."""
        return self.judgement.version or "unknown"

    @property
    def is_prerelease(self) -> bool:
        """Whether the version is no release."""
        try:
            return Version(self.judgement.version).is_prerelease
        except InvalidVersion:
            return False

    def standing(self, id_: str) -> Standing:
        """Return how it stands to a requirement."""
        return standing_of(self.judgement.verdicts.get(id_))


@dataclass(frozen=True)
class Server:
    """A server and its judged versions, oldest first."""

    name: str
    slug: str
    versions: tuple[Judged, ...]

    @property
    def current(self) -> Judged:
        """The newest release, else the newest version."""
        releases = [each for each in self.versions if not each.is_prerelease]
        return (releases or self.versions)[-1]

    @property
    def shown(self) -> tuple[Judged, ...]:
        """The versions on the overview: the newest release, and what is newer."""
        newest = self.versions[-1]
        return (self.current,) if newest is self.current else (self.current, newest)

    def number(self, judged: Judged) -> int:
        """Return the number of a version from the oldest."""
        return self.versions.index(judged)

    def timeline(self, id_: str) -> Timeline:
        """Return what became of a requirement from version to version."""
        return timeline(
            [each.version for each in self.versions],
            [each.judgement.verdicts.get(id_) for each in self.versions],
        )


@dataclass(frozen=True)
class Tally:
    """How many of some requirements a version keeps, breaks, leaves undecided, does not offer."""

    kept: int
    broken: int
    undecided: int
    unsupported: int

    @property
    def all(self) -> int:
        """The number of requirements counted."""
        return self.kept + self.broken + self.undecided + self.unsupported

    @property
    def parts(self) -> tuple[tuple[Standing, int], ...]:
        """The numbers with their standings, in the order in which they are drawn."""
        return (
            (Standing.KEPT, self.kept),
            (Standing.BROKEN, self.broken),
            (Standing.UNDECIDED, self.undecided),
            (Standing.UNSUPPORTED, self.unsupported),
        )


@dataclass(frozen=True)
class Apart:
    """A run that is not compared, and why."""

    judged: Judged
    why: str


@dataclass(frozen=True)
class Site:
    """All that the pages show. `rows` are in the order of areas; `notes` are caveats."""

    board: Board
    servers: tuple[Server, ...]
    apart: tuple[Apart, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    by_id: dict[str, Row] = field(default_factory=dict)

    @cached_property
    def shown(self) -> tuple[Judged, ...]:
        """The versions on the overview."""
        return tuple(judged for server in self.servers for judged in server.shown)

    @cached_property
    def everything(self) -> tuple[Judged, ...]:
        """All versions that are compared."""
        return tuple(judged for server in self.servers for judged in server.versions)

    @cached_property
    def areas(self) -> tuple[Area, ...]:
        """The areas that have requirements here."""
        used = {row.area.name for row in self.rows}
        return tuple(each for each in (*areas(), OTHER) if each.name in used)

    @cached_property
    def counted(self) -> tuple[Row, ...]:
        """The requirements that count: MUST and SHOULD that at least one version decides.

        What needs a second tenant, say, or a restart, is decided by no run that was given none.
        """
        decided = {
            id_
            for each in self.everything
            for id_, verdict in each.judgement.verdicts.items()
            if verdict not in UNDECIDED
        }
        return tuple(row for row in self.rows if row.counts and row.id in decided)

    def common(self, versions: Sequence[Judged]) -> tuple[Row, ...]:
        """Return the requirements that count and that all these versions were judged by."""
        judged = [each.judgement.verdicts.keys() for each in versions]
        return tuple(row for row in self.counted if all(row.id in ids for ids in judged))

    def server_of(self, judged: Judged) -> Server:
        """Return the server of a version that is compared."""
        return next(each for each in self.servers if judged in each.versions)


def tally(judged: Judged, rows: Iterable[Row]) -> Tally:
    """Count how a version stands to these requirements; what it was not judged by is left out."""
    found = Counter(judged.standing(row.id) for row in rows)
    return Tally(
        found[Standing.KEPT],
        found[Standing.BROKEN],
        found[Standing.UNDECIDED],
        found[Standing.UNSUPPORTED],
    )


def verdict_of(judged: Judged, site: Site) -> RunVerdict:
    """Return the verdict of the whole run, by its MUSTs; baselines are ignored."""
    verdicts = {
        verdict
        for id_, verdict in judged.judgement.verdicts.items()
        if id_ in site.by_id and site.by_id[id_].level == "MUST"
    }
    if Verdict.FAIL in verdicts:
        return RunVerdict.NON_CONFORMANT
    if not verdicts or verdicts.intersection(UNDECIDED):
        return RunVerdict.INCOMPLETE
    return RunVerdict.CONFORMANT


def make_site(board: Board, history: Iterable[Judgement], requirements: Requirements) -> Site:
    """Put reports and history together; a report stands for the history of its version."""
    judged = _judged(board, history)
    measure = _measure([each for each in judged if each.column])
    compared, apart = _split(judged, measure)
    rows = _rows(board, judged, requirements)
    return Site(
        board=board,
        servers=_servers(compared),
        apart=apart,
        rows=rows,
        notes=_notes(compared),
        by_id={row.id: row for row in rows},
    )


def _judged(board: Board, history: Iterable[Judgement]) -> list[Judged]:
    found = [
        Judged(column.label, column.slug, judgement_of(column.report), column)
        for column in board.columns
    ]
    reported = {(each.judgement.server, each.judgement.version) for each in found}
    slugs = {each.slug.lower() for each in found}
    for judgement in history:
        if (judgement.server, judgement.version) not in reported:
            label = f"{judgement.server} {judgement.version}"
            found.append(Judged(label, unique_slug(label, slugs), judgement, None))
    return sorted(found, key=_order)


def _order(judged: Judged) -> tuple[object, ...]:
    return (judged.judgement.server, version_key(judged.judgement.version))


def _measure(reported: Sequence[Judged]) -> tuple[str, str, bool]:
    """Return the measure of most reports, the widest of those that are used equally often."""
    used = Counter(each.judgement.measure for each in reported)

    def rank(measure: tuple[str, str, bool]) -> tuple[object, ...]:
        profile, effort, partial = measure
        return (not partial, used[measure], PROFILES.index(profile), EFFORTS.index(effort))

    return max(used, key=rank)


def _split(
    judged: Sequence[Judged], measure: tuple[str, str, bool]
) -> tuple[list[Judged], tuple[Apart, ...]]:
    """Part what is compared from what is set apart; of runs of one version the newest counts."""
    compared: dict[tuple[str, str], Judged] = {}
    apart: list[Apart] = []
    for each in judged:
        key = (each.judgement.server, each.judgement.version)
        if why := _why_apart(each, measure):
            apart.append(Apart(each, why))
        elif (other := compared.get(key)) and other.column and each.column:
            older, newer = sorted(
                (other, each),
                key=lambda one: one.column.report.run.started_at if one.column else "",
            )
            apart.append(Apart(older, "a newer run of the same version is compared"))
            compared[key] = newer
        else:
            compared[key] = each
    return list(compared.values()), tuple(apart)


def _why_apart(judged: Judged, measure: tuple[str, str, bool]) -> str:
    profile, effort, partial = measure
    judgement = judged.judgement
    if judgement.partial and not partial:
        return _why_partial(judged.column)
    return ", ".join(
        f"its {name} is {own}, not {common}"
        for name, own, common in (
            ("profile", judgement.profile, profile),
            ("effort", judgement.effort, effort),
        )
        if own != common
    )


def _why_partial(column: Column | None) -> str:
    run = column.report.run if column else None
    if run and run.given_up:
        return "its run ended early, since the server stopped answering"
    if run and run.interrupted:
        return "its run was interrupted"
    if run and run.read_only:
        return "its run only read what was there"
    return "it judged only a selection"


def _servers(compared: Sequence[Judged]) -> tuple[Server, ...]:
    slugs: set[str] = set()
    names = dict.fromkeys(each.judgement.server for each in compared)
    return tuple(
        Server(
            name or "unknown server",
            unique_slug(name or "unknown server", slugs),
            tuple(each for each in compared if each.judgement.server == name),
        )
        for name in names
    )


def _rows(board: Board, judged: Sequence[Judged], requirements: Requirements) -> tuple[Row, ...]:
    """Return what reports or the catalogue have words for, in the order of areas."""
    known = {row.id: (row.title, row.level, row.capability) for row in board.rows}
    for each in judged:
        for id_ in each.judgement.verdicts:
            if id_ not in known and (found := requirements.get(id_)):
                known[id_] = (found.title, found.level, found.capability)
    order = {
        name: number
        for number, name in enumerate(name for area in areas() for name in area.capabilities)
    }
    slugs = {"index"}
    return tuple(
        Row(id_, unique_slug(id_, slugs), *known[id_])
        for id_ in sorted(known, key=lambda id_: (order.get(known[id_][2], len(order)), id_))
    )


def _notes(compared: Sequence[Judged]) -> tuple[str, ...]:
    notes = []
    if len({each.judgement.suite_and_catalogue for each in compared}) > 1:
        notes.append(
            "They were judged by different catalogues of requirements, whose checks may differ "
            "too. Counted is only what all of them were judged by."
        )
    if any(each.judgement.partial for each in compared):
        notes.append("Only a selection of the requirements was judged.")
    return tuple(notes)


def unequal(site: Site) -> tuple[str, ...]:
    """Return why the runs are not equal, a line for each reason; empty if they are."""
    reasons = [f"{each.judged.label}: {each.why}" for each in site.apart]
    catalogues: dict[tuple[str, str], list[str]] = {}
    for each in site.everything:
        catalogues.setdefault(each.judgement.suite_and_catalogue, []).append(each.label)
    if len(catalogues) > 1:
        reasons += [
            f"suite {suite}, catalogue {digest[:14]}: {', '.join(labels)}"
            for (suite, digest), labels in catalogues.items()
        ]
    if any(each.judgement.partial for each in site.everything):
        reasons.append("only a selection of the requirements was judged")
    return tuple(reasons)
