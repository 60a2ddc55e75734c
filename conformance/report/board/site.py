"""The pages of the board: a small static site that is read without scripts and without network.

`index.html` shows servers against areas, `servers/NAME.html` the versions of a server and what is
broken since when, `versions/SLUG.html` one version, `requirements/ID.html` a requirement with who
keeps it and the evidence, `requirements/index.html` all of them with search.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from itertools import groupby, pairwise
from typing import Any

from conformance.contract.catalogue import LEVELS
from conformance.contract.verdicts import RunVerdict
from conformance.report.board.areas import Area, Words, words_of
from conformance.report.board.badge import badge_svg
from conformance.report.board.evidence import cause_of, evidence_of
from conformance.report.board.model import Cell, unique_slug
from conformance.report.board.site_model import (
    Judged,
    Row,
    Server,
    Site,
    Tally,
    tally,
    verdict_of,
)
from conformance.report.board.timeline import STANDING_WORDS, Standing, Timeline
from conformance.report.board.wording import SITE_TITLE, cell_words
from conformance.report.plain_text import counted
from conformance.report.run.html import page_template
from conformance.report.run.wording import (
    VERDICT_WORDS,
    Promise,
    Requirements,
    stability_note,
)

#: Signs of standings, so that colour is never the only difference.
SIGNS = {
    Standing.KEPT: "✓",
    Standing.BROKEN: "✗",
    Standing.UNDECIDED: "⊘",
    Standing.UNSUPPORTED: "–",
    Standing.UNJUDGED: "·",
}
#: The longest cause of a verdict in a list, in characters.
_CAUSE = 140
#: Where a span of a strip begins, of 10 units from the top: what is broken is as high as the strip.
_HEIGHTS = {
    Standing.KEPT: 6,
    Standing.BROKEN: 0,
    Standing.UNDECIDED: 3,
    Standing.UNSUPPORTED: 8,
    Standing.UNJUDGED: 10,
}
_VERDICT_CLASSES = {
    RunVerdict.CONFORMANT: "kept",
    RunVerdict.NON_CONFORMANT: "broken",
    RunVerdict.INCOMPLETE: "undecided",
}


@dataclass(frozen=True)
class Group:
    """Requirements of one capability on a page; `anchor` gives the place on their own page."""

    slug: str
    words: Words
    rows: list[Any]
    anchor: Callable[[Row], str]
    broken: bool = False


def site_files(site: Site, requirements: Requirements) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every file of the site."""
    yield "style.css", _template_text("style.css") + _template_text("board.css")
    yield "board.js", _template_text("board.js")
    pages = _Pages(site, requirements)
    yield "index.html", pages.overview()
    yield "requirements/index.html", pages.all_requirements()
    for row in site.rows:
        yield f"requirements/{row.slug}.html", pages.requirement(row)
    for server in site.servers:
        yield f"servers/{server.slug}.html", pages.server(server)
        yield f"badges/{server.slug}.svg", badge_svg(*pages.badge(server))
        for judged in server.versions:
            yield f"versions/{judged.slug}.html", pages.version(judged, server)
    for apart in site.apart:
        yield f"versions/{apart.judged.slug}.html", pages.version(apart.judged, None, apart.why)


def _template_text(name: str) -> str:
    return (files("conformance.report") / "templates" / name).read_text(encoding="utf-8")


def anchor_of(judged: Judged) -> str:
    """Return the anchor of a version on the page of a requirement."""
    return f"on-{judged.slug}"


@dataclass(frozen=True)
class _Pages:
    """Makes each page; what several of them need is computed once."""

    site: Site
    requirements: Requirements

    # ---- what pages share ---------------------------------------------------------------

    @cached_property
    def _counted(self) -> tuple[Row, ...]:
        return self.site.common(self.site.shown)

    @cached_property
    def _timelines(self) -> dict[tuple[str, str], Timeline]:
        return {
            (server.slug, row.id): server.timeline(row.id)
            for server in self.site.servers
            for row in self.site.rows
        }

    @cached_property
    def _capability_slugs(self) -> dict[str, str]:
        taken: set[str] = set()
        names = dict.fromkeys(row.capability for row in self.site.rows)
        return {name: unique_slug(name, taken) for name in names}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """The number of each version among those of its server, by slug."""
        return {
            judged.slug: number
            for server in self.site.servers
            for number, judged in enumerate(server.versions)
        }

    @cached_property
    def _cells(self) -> dict[str, dict[str, Cell]]:
        """The cells of each report by requirement, by the slug of its column."""
        board = self.site.board
        return {
            column.slug: {row.id: cell for row in board.rows if (cell := row.cells[number])}
            for number, column in enumerate(board.columns)
        }

    def _render(self, name: str, title: str, description: str, /, **given: Any) -> str:
        root = "" if name == "overview" else "../"
        return page_template(f"board/{name}.html.j2").render(
            {
                "site": self.site,
                "title": title,
                "description": description,
                "root": root,
                "trail": (),
                "measure": self._measure(),
                "signs": SIGNS,
                "words": STANDING_WORDS,
                "heights": _HEIGHTS,
                **given,
            }
        )

    def _measure(self) -> str:
        """Return by what the versions were judged."""
        judgements = [each.judgement for each in self.site.everything]
        if not judgements:
            return ""
        one = judgements[0]
        dates = sorted({each.date for each in judgements})
        span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        suites = sorted({each.suite for each in judgements})
        digests = sorted({each.catalogue[:14] for each in judgements})
        runs = "partial runs" if one.partial else "whole runs"
        return (
            f"Judged by threads-conformance {', '.join(suites)}: profile {one.profile}, effort "
            f"{one.effort}, {runs} of {span}, catalogue {', '.join(digests)}. What a baseline "
            "accepts is shown as broken."
        )

    def _groups(
        self, entries: Iterable[tuple[Any, ...]], anchor: Callable[[Row], str], broken: bool = False
    ) -> list[Group]:
        """Return entries, each of which begins with a row, by capability."""
        return [
            Group(self._capability_slugs[name], words_of(name), list(found), anchor, broken)
            for name, found in groupby(entries, key=lambda each: each[0].capability)
        ]

    # ---- index.html ---------------------------------------------------------------------

    def overview(self) -> str:
        """Return the overview: servers against areas."""
        site = self.site
        catalogues = Counter(each.judgement.suite_and_catalogue for each in site.everything)
        usual = max(catalogues, key=lambda each: catalogues[each], default=None)
        shown = [
            {
                "server": server,
                "judged": judged,
                "other_catalogue": judged.judgement.suite_and_catalogue != usual,
                "all": (whole := tally(judged, self._counted)),
                "all_told": told(f"All, {judged.label}", whole),
                "cells": self._area_cells(judged),
            }
            for server in site.servers
            for judged in server.shown
        ]
        histories = [self._piles(server) for server in site.servers if len(server.versions) > 1]
        lead = (
            f"{counted(len(site.servers), 'server')}, newest {_plural(site.shown, 'version')}, "
            f"judged {_dates(site.shown)}. Each figure is what is kept, of {self._of_words()}."
        )
        return self._render(
            "overview",
            SITE_TITLE,
            f"{counted(len(site.servers), 'server')} against "
            f"{counted(len(site.rows), 'requirement')}, judged {_dates(site.shown)}.",
            shown=shown,
            histories=histories,
            lead=lead,
            reading=self._left_out_words(),
        )

    def _area_cells(self, judged: Judged) -> list[tuple[Area, Tally, str]]:
        found = []
        for area in self.site.areas:
            of = tally(judged, [row for row in self._counted if row.area is area])
            found.append((area, of, told(f"{area.name}, {judged.label}", of)))
        return found

    def _piles(self, server: Server) -> dict[str, Any]:
        rows = self.site.common(server.versions)
        piles = []
        for judged in server.versions:
            of = tally(judged, rows)
            piles.append((judged, of, told(judged.version, of)))
        of_words = (
            f"from {server.versions[0].version} to {server.versions[-1].version}: "
            f"{counted(len(server.versions), 'version')} by {counted(len(rows), 'requirement')}"
        )
        return {"server": server, "piles": piles, "of": of_words}

    def _of_words(self) -> str:
        counts = {level: sum(row.level == level for row in self._counted) for level in LEVELS}
        parts = [f"{number} {level}" for level, number in counts.items() if number]
        said = " and ".join(parts) or "no requirements"
        return f"the {said} that all of them were judged by"

    def _left_out_words(self) -> str:
        optional = sum(not row.counts for row in self.site.rows)
        some = len(self.site.counted) - len(self._counted)
        undecided = len(self.site.rows) - optional - len(self.site.counted)
        parts = [
            f"{number} {words}"
            for number, words in (
                (some, "that not all of these were judged by"),
                (undecided, "that none of these runs decides, such as those that need a restart"),
                (optional, "MAY"),
            )
            if number
        ]
        left_out = f" Not counted: {', '.join(parts)}; their pages tell." if parts else ""
        return f"Every bar leads to what it counts.{left_out}"

    # ---- requirements/index.html -----------------------------------------------------------

    def all_requirements(self) -> str:
        """Return the list of all requirements, with search."""
        shown = self.site.shown
        entries = []
        for row in self.site.rows:
            standings = [judged.standing(row.id) for judged in shown]
            entries.append((row, _differ(standings), standings))
        return self._render(
            "requirements",
            "All requirements",
            "Every requirement, and who keeps it.",
            trail=[("Requirements", "")],
            lead=f"{counted(len(self.site.rows), 'requirement')} against the newest "
            f"{_plural(shown, 'version')}. Each sign leads to the evidence.",
            groups=self._groups(entries, lambda row: row.slug),
            levels=LEVELS,
            labels=[judged.label for judged in shown],
            names=[(self.site.server_of(each).name, each.version) for each in shown],
            slugs=[anchor_of(judged) for judged in shown],
        )

    # ---- requirements/ID.html ----------------------------------------------------------------

    def requirement(self, row: Row) -> str:
        """Return the page of a requirement: who keeps it since when, and the evidence."""
        site = self.site
        evidence = evidence_of(row.id, site.board)
        shown_below = {column.slug for found in evidence for column in found.columns}

        def chip(judged: Judged) -> tuple[Judged, Standing, str]:
            below = judged.column and judged.column.slug in shown_below
            address = (
                f"#{anchor_of(judged)}"
                if below
                else f"../versions/{judged.slug}.html#{row.area.slug}"
            )
            return judged, judged.standing(row.id), address

        keepers = []
        for server in site.servers:
            line = self._timelines[server.slug, row.id]
            number = self._numbers[server.current.slug]
            keepers.append(
                {
                    "server": server,
                    "line": line,
                    "standing": line.standing(number),
                    "since": line.since(number)
                    if len(server.versions) > 1
                    else STANDING_WORDS[line.standing(number)],
                    "versions": [chip(judged) for judged in server.versions],
                }
            )
        everyone = [*site.everything, *(each.judged for each in site.apart)]
        known = self.requirements.get(row.id)
        promise = (
            Promise(row.id, row.level, known.statement, known.sources, known.disputed)
            if known
            else Promise(row.id, row.level, row.title, (), "")
        )
        siblings = [each for each in site.rows if each.capability == row.capability]
        at = siblings.index(row)
        keeps = sum(each["standing"] is Standing.KEPT for each in keepers)
        return self._render(
            "requirement",
            f"{row.id}: {row.title}",
            f"{promise.statement} Kept by {keeps} of {counted(len(keepers), 'server')}.",
            trail=[("Requirements", "requirements/index.html"), (row.id, "")],
            row=row,
            promise=promise,
            means=words_of(row.capability).means,
            servers=keepers,
            apart=[chip(each.judged) for each in site.apart],
            anchors={
                judged.slug: "" if judged.slug in shown_below else anchor_of(judged)
                for judged in everyone
            },
            evidence=evidence,
            column_anchor=lambda column: f"on-{column.slug}",
            cell_words=cell_words,
            note=stability_note,
            checks=self._checks(row),
            neighbours=[
                ("Before", siblings[at - 1] if at else None),
                ("Next", siblings[at + 1] if at + 1 < len(siblings) else None),
            ],
            capability_slug=self._capability_slugs[row.capability],
            capability_title=words_of(row.capability).title,
        )

    def _checks(self, row: Row) -> list[str]:
        cells = [found[row.id] for found in self._cells.values() if row.id in found]
        return list(dict.fromkeys(check.id for cell in cells for check in cell.checks))

    # ---- servers/NAME.html ---------------------------------------------------------------

    def server(self, server: Server) -> str:
        """Return the page of a server: its versions, and what is broken since when."""
        current, number = server.current, self._numbers[server.current.slug]
        judged_rows = [
            row
            for row in self.site.rows
            if any(row.id in each.judgement.verdicts for each in server.versions)
        ]
        found: dict[str, list[tuple[Row, Timeline, str]]] = {}
        for row in judged_rows:
            line = self._timelines[server.slug, row.id]
            found.setdefault(_part_of(row, line, number), []).append(
                (row, line, line.since(number))
            )
        parts = [
            {
                "slug": slug,
                "title": title.format(current.version),
                "about": about,
                "rows": len(found[slug]),
                "groups": self._groups(
                    found[slug], lambda row: anchor_of(current), slug == "broken"
                ),
            }
            for slug, (title, about) in _PARTS.items()
            if slug in found
        ]
        _, message, _ = self.badge(server)
        return self._render(
            "server",
            server.name,
            f"{current.label}: {message}. {told('MUST and SHOULD', self._whole(current))}.",
            trail=[(server.name, "")],
            server=server,
            badge=f"Threads API: {message}",
            lead=f"{told(current.version, self._whole(current))}, judged {current.judgement.date}.",
            of=self._history_words(server),
            versions=self._version_rows(server),
            parts=parts,
            always=[row for row, _, _ in found.get("always", ())],
        )

    def badge(self, server: Server) -> tuple[str, str, RunVerdict]:
        """Return label, message and verdict of the badge of a server, by its newest release."""
        current = server.current
        musts = [row for row in self.site.rows if row.level == "MUST"]
        of = tally(current, musts)
        verdict = verdict_of(current, self.site)
        if verdict is RunVerdict.CONFORMANT:
            said = f"{of.kept} of {of.all} MUST kept"
        elif verdict is RunVerdict.NON_CONFORMANT:
            said = f"{of.broken} of {of.all} MUST broken"
        else:
            said = f"{of.undecided} of {of.all} MUST undecided"
        return "Threads API", f"{current.version}: {said}", verdict

    def _whole(self, judged: Judged) -> Tally:
        return tally(judged, self.site.counted)

    def _history_words(self, server: Server) -> str:
        rows = self.site.common(server.versions)
        if len(server.versions) == 1:
            return f"{counted(len(rows), 'requirement')}, MAY left out"
        return (
            f"By {counted(len(rows), 'requirement')} that every version was judged by, MAY left out"
        )

    def _version_rows(self, server: Server) -> list[dict[str, Any]]:
        """Return the versions, newest first, each with what changed against the one before."""
        rows = self.site.common(server.versions)
        found = [
            {
                "judged": server.versions[0],
                "tally": tally(server.versions[0], rows),
                "changes": (),
                "first": True,
            }
        ]
        for old, new in pairwise(server.versions):
            changes = [
                (
                    word,
                    str(to),
                    [
                        row
                        for row in rows
                        if new.standing(row.id) is to and old.standing(row.id) is from_
                    ],
                )
                for word, from_, to in (
                    ("newly broken", Standing.KEPT, Standing.BROKEN),
                    ("newly kept", Standing.BROKEN, Standing.KEPT),
                )
            ]
            found.append(
                {
                    "judged": new,
                    "tally": tally(new, rows),
                    "changes": [each for each in changes if each[2]],
                    "first": False,
                }
            )
        return found[::-1]

    # ---- versions/SLUG.html --------------------------------------------------------------

    def version(self, judged: Judged, server: Server | None, why_apart: str = "") -> str:
        """Return the page of one version: by area, what is broken and what it means."""
        parts = [self._part(judged, server, area) for area in self.site.areas]
        verdict = verdict_of(judged, self.site)
        given, whole = judged.judgement, told("MUST and SHOULD", self._whole(judged))
        name = server.name if server else judged.judgement.server or "unknown server"
        return self._render(
            "version",
            judged.label,
            f"{VERDICT_WORDS[verdict].capitalize()}: {whole}.",
            trail=[
                (name, f"servers/{server.slug}.html" if server else ""),
                (judged.version, ""),
            ],
            judged=judged,
            verdict=VERDICT_WORDS[verdict],
            verdict_class=_VERDICT_CLASSES[verdict],
            why_apart=why_apart,
            asked=f"{whole}. Judged {given.date}, profile "
            f"{given.profile}, effort {given.effort}, seed {given.seed}, suite {given.suite}, "
            f"catalogue {given.catalogue[:14]}."
            + ("" if judged.column else " Its report is not kept here: verdicts only."),
            parts=parts,
        )

    def _part(self, judged: Judged, server: Server | None, area: Area) -> dict[str, Any]:
        rows = [
            row
            for row in self.site.rows
            if row.area is area and row.id in judged.judgement.verdicts
        ]
        of = tally(judged, [row for row in self.site.counted if row.area is area])
        entries = []
        for row in rows:
            standing = judged.standing(row.id)
            if standing is Standing.KEPT:
                continue
            since = ""
            if server and len(server.versions) > 1:
                since = self._timelines[server.slug, row.id].since(self._numbers[judged.slug])
            cell = self._cells[judged.column.slug].get(row.id) if judged.column else None
            entries.append((row, standing, since, _shortened(cause_of(cell)) if cell else ""))
        groups = [
            replace(group, broken=any(each[1] is Standing.BROKEN for each in group.rows))
            for group in self._groups(entries, lambda row: anchor_of(judged))
        ]
        return {
            "area": area,
            "tally": of,
            "told": told(area.name, of),
            "groups": groups,
            "kept": [row for row in rows if judged.standing(row.id) is Standing.KEPT],
        }


#: The parts of a server's page with title and explanation.
_PARTS = {
    "broken": ("Broken in {}", "MUST and SHOULD that it breaks, and since when."),
    "open": (
        "Undecided or not offered in {}",
        "Something that they stand on is broken, the server says that it does not offer them, or "
        "the run was not given what they need.",
    ),
    "optional": ("Optional, and not kept in {}", "MAY: they count for nothing."),
    "mended": ("Kept in {}, not by every version", "What other versions break, or do not offer."),
}


def _part_of(row: Row, line: Timeline, number: int) -> str:
    """Return the part of a server's page for a requirement, by how version `number` stands."""
    if {span.standing for span in line.spans} <= {Standing.KEPT, Standing.UNJUDGED}:
        return "always"
    standing = line.standing(number)
    if standing is Standing.KEPT:
        return "mended"
    if standing is not Standing.BROKEN:
        return "open"
    return "broken" if row.counts else "optional"


def told(what: str, of: Tally) -> str:
    """Return a tally in words: `Copy, aegra 0.6.0: 2 kept, 1 broken of 3`."""
    parts = [
        f"{number} {STANDING_WORDS[standing]}"
        for standing, number in of.parts
        if number or standing is Standing.KEPT
    ]
    return f"{what}: {', '.join(parts)} of {of.all}"


def _shortened(text: str) -> str:
    return text if len(text) <= _CAUSE else f"{text[: _CAUSE - 1].rstrip()}…"


def _differ(standings: Sequence[Standing]) -> bool:
    return len(set(standings) - {Standing.UNJUDGED}) > 1


def _plural(versions: Sequence[Judged], noun: str) -> str:
    return noun if len(versions) == 1 else f"{noun}s"


def _dates(versions: Sequence[Judged]) -> str:
    dates = sorted({each.judgement.date for each in versions})
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}" if dates else "never"
