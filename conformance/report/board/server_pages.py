"""servers/ and versions/: what a server keeps, what is broken since when, and what it means."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from conformance.contract.verdicts import RunVerdict
from conformance.report.board.areas import Area
from conformance.report.board.evidence import cause_of
from conformance.report.board.page_context import Context, anchor_of, told
from conformance.report.board.site_model import Judged, Row, Server, tally, verdict_of
from conformance.report.board.timeline import Standing, Timeline
from conformance.report.export.badge import VERDICT_COLORS, Badge
from conformance.report.plain_text import counted, printable
from conformance.report.run.wording import VERDICT_WORDS

#: The longest cause of a verdict in a list, in characters.
_CAUSE = 140
_VERDICT_CLASSES = {
    RunVerdict.CONFORMANT: "kept",
    RunVerdict.NON_CONFORMANT: "broken",
    RunVerdict.INCOMPLETE: "undecided",
}


def server(context: Context, server: Server) -> str:
    """Return the page of a server: its versions, and what is broken since when."""
    current, number = server.current, context.numbers[server.current.slug]
    judged_rows = [
        row
        for row in context.site.rows
        if any(row.id in each.judgement.verdicts for each in server.versions)
    ]
    found: dict[str, list[tuple[Row, Timeline, str]]] = {}
    for row in judged_rows:
        line = context.timelines[server.slug, row.id]
        found.setdefault(_part_of(row, line, number), []).append((row, line, line.since(number)))
    parts = [
        {
            "slug": slug,
            "title": title.format(current.version),
            "about": about,
            "rows": len(found[slug]),
            "groups": context.groups(found[slug], lambda row: anchor_of(current), slug == "broken"),
        }
        for slug, (title, about) in _PARTS.items()
        if slug in found
    ]
    shown = badge(context, server)
    return context.render(
        "server",
        server.name,
        f"{current.label}: {shown.message}. {told('MUST and SHOULD', context.whole(current))}.",
        trail=[(server.name, "")],
        server=server,
        badge=f"{shown.label}: {shown.message}",
        lead=f"{told(current.version, context.whole(current))}, judged {current.judgement.date}.",
        of=_history_words(context, server),
        versions=_version_rows(context, server),
        parts=parts,
        always=[row for row, _, _ in found.get("always", ())],
    )


def badge(context: Context, server: Server) -> Badge:
    """Return the badge of a server, by the MUSTs of its newest release."""
    current = server.current
    of = tally(current, [row for row in context.site.rows if row.level == "MUST"])
    verdict = verdict_of(current, context.site)
    said = f"{current.version}: {of.kept} of {of.all} MUST kept"
    if verdict is RunVerdict.NON_CONFORMANT:
        said += f", {of.broken} broken"
    elif verdict is RunVerdict.INCOMPLETE:
        said += ", incomplete"
    label = f"Threads API {current.judgement.profile}"
    return Badge(printable(label), printable(said), VERDICT_COLORS[verdict])


def _history_words(context: Context, server: Server) -> str:
    rows = context.site.common(server.versions)
    if len(server.versions) == 1:
        return f"{counted(len(rows), 'requirement')}, MAY left out"
    return f"By {counted(len(rows), 'requirement')} that every version was judged by, MAY left out"


def _version_rows(context: Context, server: Server) -> list[dict[str, Any]]:
    """Return the versions, newest first, each with what changed against the one before."""
    rows = context.site.common(server.versions)
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


def version(context: Context, judged: Judged, server: Server | None, why_apart: str = "") -> str:
    """Return the page of one version: by area, what is broken and what it means."""
    parts = [_part(context, judged, server, area) for area in context.site.areas]
    verdict = verdict_of(judged, context.site)
    given, whole = judged.judgement, told("MUST and SHOULD", context.whole(judged))
    name = server.name if server else judged.judgement.server or "unknown server"
    return context.render(
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


def _part(context: Context, judged: Judged, server: Server | None, area: Area) -> dict[str, Any]:
    rows = [
        row for row in context.site.rows if row.area is area and row.id in judged.judgement.verdicts
    ]
    of = tally(judged, [row for row in context.site.counted if row.area is area])
    entries = []
    for row in rows:
        standing = judged.standing(row.id)
        if standing is Standing.KEPT:
            continue
        since = ""
        if server and len(server.versions) > 1:
            since = context.timelines[server.slug, row.id].since(context.numbers[judged.slug])
        cell = context.cells[judged.column.slug].get(row.id) if judged.column else None
        entries.append((row, standing, since, _shortened(cause_of(cell)) if cell else ""))
    groups = [
        replace(
            group,
            broken=any(each[0].counts and each[1] is Standing.BROKEN for each in group.rows),
        )
        for group in context.groups(entries, lambda row: anchor_of(judged))
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
    "broken": ("Broken in {}", "MUST and SHOULD that it breaks."),
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


def _shortened(text: str) -> str:
    return text if len(text) <= _CAUSE else f"{text[: _CAUSE - 1].rstrip()}…"
