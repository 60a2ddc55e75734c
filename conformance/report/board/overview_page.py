"""index.html: servers against areas on one screen, and the versions of each server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from conformance.contract.catalogue import LEVELS
from conformance.report.board.areas import Area
from conformance.report.board.page_context import Context, told
from conformance.report.board.site_model import Judged, Server, Tally, tally
from conformance.report.board.wording import SITE_TITLE
from conformance.report.plain_text import counted


def overview(context: Context) -> str:
    """Return the overview: servers against areas."""
    site = context.site
    catalogues = Counter(each.judgement.suite_and_catalogue for each in site.everything)
    usual = max(catalogues, key=lambda each: catalogues[each], default=None)
    shown = [
        {
            "server": server,
            "judged": judged,
            "other_catalogue": judged.judgement.suite_and_catalogue != usual,
            "all": (whole := tally(judged, context.counted)),
            "all_told": told(f"All, {judged.label}", whole),
            "cells": _area_cells(context, judged),
        }
        for server in site.servers
        for judged in server.shown
    ]
    histories = [_piles(context, server) for server in site.servers if len(server.versions) > 1]
    lead = (
        f"{counted(len(site.servers), 'server')} in {counted(len(site.shown), 'newest version')}, "
        f"judged {_dates(site.shown)}. Each figure is what is kept, of {_of_words(context)}."
    )
    return context.render(
        "overview",
        SITE_TITLE,
        f"{counted(len(site.servers), 'server')} against "
        f"{counted(len(site.rows), 'requirement')}, judged {_dates(site.shown)}.",
        shown=shown,
        histories=histories,
        lead=lead,
        reading=_left_out_words(context),
    )


def _area_cells(context: Context, judged: Judged) -> list[tuple[Area, Tally, str]]:
    found = []
    for area in context.site.areas:
        of = tally(judged, [row for row in context.counted if row.area is area])
        found.append((area, of, told(f"{area.name}, {judged.label}", of)))
    return found


def _piles(context: Context, server: Server) -> dict[str, Any]:
    rows = context.site.common(server.versions)
    piles = []
    for judged in server.versions:
        of = tally(judged, rows)
        piles.append((judged, of, told(judged.version, of)))
    of_words = (
        f"from {server.versions[0].version} to {server.versions[-1].version}: "
        f"{counted(len(server.versions), 'version')} by {counted(len(rows), 'requirement')}"
    )
    return {"server": server, "piles": piles, "of": of_words}


def _of_words(context: Context) -> str:
    counts = {level: sum(row.level == level for row in context.counted) for level in LEVELS}
    parts = [f"{number} {level}" for level, number in counts.items() if number]
    said = " and ".join(parts) or "no requirements"
    return f"the {said} that all of them were judged by"


def _left_out_words(context: Context) -> str:
    optional = sum(not row.counts for row in context.site.rows)
    some = len(context.site.counted) - len(context.counted)
    undecided = len(context.site.rows) - optional - len(context.site.counted)
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


def _dates(versions: Sequence[Judged]) -> str:
    dates = sorted({each.judgement.date for each in versions})
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}" if dates else "never"
