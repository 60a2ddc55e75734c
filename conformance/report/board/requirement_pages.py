"""requirements/: a page for each requirement, who keeps it since when, and a list of all."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.contract.catalogue import LEVELS
from conformance.contract.quotations import cited
from conformance.report.board.areas import words_of
from conformance.report.board.evidence import evidence_of
from conformance.report.board.page_context import Context, anchor_of
from conformance.report.board.site_model import Judged, Row
from conformance.report.board.timeline import STANDING_WORDS, Standing
from conformance.report.board.wording import cell_words
from conformance.report.plain_text import counted
from conformance.report.run.wording import Promise, stability_note


def all_requirements(context: Context) -> str:
    """Return the list of all requirements, with search."""
    shown = context.site.shown
    entries = []
    for row in context.site.rows:
        standings = [judged.standing(row.id) for judged in shown]
        entries.append((row, _differ(standings), standings))
    return context.render(
        "requirements",
        "All requirements",
        "Every requirement, and who keeps it.",
        trail=[("Requirements", "")],
        lead=f"{counted(len(context.site.rows), 'requirement')} against the newest "
        f"{'version' if len(shown) == 1 else 'versions'}. Each sign leads to the evidence.",
        groups=context.groups(entries, lambda row: row.slug),
        levels=LEVELS,
        labels=[judged.label for judged in shown],
        names=[(context.site.server_of(each).name, each.version) for each in shown],
        slugs=[anchor_of(judged) for judged in shown],
    )


def requirement(context: Context, row: Row) -> str:
    """Return the page of a requirement: who keeps it since when, and the evidence."""
    site = context.site
    evidence = evidence_of(row.id, site.board)
    shown_below = {column.slug for found in evidence for column in found.columns}

    def chip(judged: Judged) -> tuple[Judged, Standing, str]:
        below = judged.column and judged.column.slug in shown_below
        address = (
            f"#{anchor_of(judged)}" if below else f"../versions/{judged.slug}.html#{row.area.slug}"
        )
        return judged, judged.standing(row.id), address

    keepers = []
    for server in site.servers:
        line = context.timelines[server.slug, row.id]
        number = context.numbers[server.current.slug]
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
    known = context.requirements.get(row.id)
    promise = (
        Promise(row.id, row.level, known.statement, known.sources, known.disputed)
        if known
        else Promise(row.id, row.level, row.title, (), "")
    )
    siblings = [each for each in site.rows if each.capability == row.capability]
    at = siblings.index(row)
    keeps = sum(each["standing"] is Standing.KEPT for each in keepers)
    return context.render(
        "requirement",
        f"{row.id}: {row.title}",
        f"{promise.statement} Kept by {keeps} of {counted(len(keepers), 'server')}.",
        trail=[("Requirements", "requirements/index.html"), (row.id, "")],
        row=row,
        promise=promise,
        sources=cited(known) if known else (),
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
        checks=_checks(context, row),
        neighbours=[
            ("Before", siblings[at - 1] if at else None),
            ("Next", siblings[at + 1] if at + 1 < len(siblings) else None),
        ],
        capability_slug=context.capability_slugs[row.capability],
        capability_title=words_of(row.capability).title,
    )


def _checks(context: Context, row: Row) -> list[str]:
    cells = [found[row.id] for found in context.cells.values() if row.id in found]
    return list(dict.fromkeys(check.id for cell in cells for check in cell.checks))


def _differ(standings: Sequence[Standing]) -> bool:
    return len(set(standings) - {Standing.UNJUDGED}) > 1
