"""What the pages of the board share: signs, words, groups, and what is computed once for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from conformance.report.board.areas import Words, words_of
from conformance.report.board.model import Cell, unique_slug
from conformance.report.board.site_model import Judged, Row, Site, Tally, tally
from conformance.report.board.timeline import STANDING_WORDS, Standing, Timeline
from conformance.report.run.html import page_template
from conformance.report.run.wording import Requirements

#: Signs of standings, so that colour is never the only difference.
SIGNS = {
    Standing.KEPT: "✓",
    Standing.BROKEN: "✗",
    Standing.UNDECIDED: "⊘",
    Standing.UNSUPPORTED: "–",
    Standing.UNJUDGED: "·",
}
#: Where a span of a strip begins, of 10 units from the top: what is broken is as high as the strip.
_HEIGHTS = {
    Standing.KEPT: 6,
    Standing.BROKEN: 0,
    Standing.UNDECIDED: 3,
    Standing.UNSUPPORTED: 8,
    Standing.UNJUDGED: 10,
}


@dataclass(frozen=True)
class Group:
    """Requirements of one capability on a page; `anchor` gives the place on their own page."""

    slug: str
    words: Words
    rows: list[Any]
    anchor: Callable[[Row], str]
    broken: bool = False


def anchor_of(judged: Judged) -> str:
    """Return the anchor of a version on the page of a requirement."""
    return f"on-{judged.slug}"


def told(what: str, of: Tally) -> str:
    """Return a tally in words: `Copy, aegra 0.6.0: 2 kept, 1 broken of 3`."""
    parts = [
        f"{number} {STANDING_WORDS[standing]}"
        for standing, number in of.parts
        if number or standing is Standing.KEPT
    ]
    return f"{what}: {', '.join(parts)} of {of.all}"


@dataclass(frozen=True)
class Context:
    """The site, the catalogue, and what several pages need."""

    site: Site
    requirements: Requirements

    @cached_property
    def counted(self) -> tuple[Row, ...]:
        """The requirements that count on the overview."""
        return self.site.common(self.site.shown)

    @cached_property
    def timelines(self) -> dict[tuple[str, str], Timeline]:
        """What became of each requirement, by the slug of the server and the id."""
        return {
            (server.slug, row.id): server.timeline(row.id)
            for server in self.site.servers
            for row in self.site.rows
        }

    @cached_property
    def capability_slugs(self) -> dict[str, str]:
        """The anchors of the capabilities."""
        taken: set[str] = set()
        names = dict.fromkeys(row.capability for row in self.site.rows)
        return {name: unique_slug(name, taken) for name in names}

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each version among those of its server, by slug."""
        return {
            judged.slug: number
            for server in self.site.servers
            for number, judged in enumerate(server.versions)
        }

    @cached_property
    def cells(self) -> dict[str, dict[str, Cell]]:
        """The cells of each report by requirement, by the slug of its column."""
        board = self.site.board
        return {
            column.slug: {row.id: cell for row in board.rows if (cell := row.cells[number])}
            for number, column in enumerate(board.columns)
        }

    def render(self, name: str, title: str, description: str, /, **given: Any) -> str:
        """Return the page of a template with what all pages show."""
        root = "" if name == "overview" else "../"
        return page_template(f"board/{name}.html.j2").render(
            {
                "site": self.site,
                "title": title,
                "description": description,
                "root": root,
                "trail": (),
                "measure": self.measure(),
                "signs": SIGNS,
                "words": STANDING_WORDS,
                "heights": _HEIGHTS,
                **given,
            }
        )

    def measure(self) -> str:
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

    def groups(
        self, entries: Iterable[tuple[Any, ...]], anchor: Callable[[Row], str], broken: bool = False
    ) -> list[Group]:
        """Return entries, each of which begins with a row, by capability."""
        return [
            Group(self.capability_slugs[name], words_of(name), list(found), anchor, broken)
            for name, found in groupby(entries, key=lambda each: each[0].capability)
        ]

    def whole(self, judged: Judged) -> Tally:
        """Count how a version stands to all that count."""
        return tally(judged, self.site.counted)
