"""A badge: the verdict of a run in a few words, as SVG and as JSON for shields.io."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape

from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.report.plain_text import printable
from conformance.report.record import Report

#: By the words of shields.io, and as SVG shows them.
_COLORS = {"brightgreen": "#2a7d2a", "red": "#c0392b", "lightgrey": "#6b6b6b"}
VERDICT_COLORS = {
    RunVerdict.CONFORMANT: "brightgreen",
    RunVerdict.NON_CONFORMANT: "red",
    RunVerdict.INCOMPLETE: "lightgrey",
}
#: Width of an average character of Verdana at 11 px; `textLength` makes the text fit it exactly.
_CHARACTER = 6.6
_PADDING = 6


@dataclass(frozen=True)
class Badge:
    """The two texts of a badge, and a colour of shields.io."""

    label: str
    message: str
    color: str


def badge_of(report: Report) -> Badge:
    """Return the badge of a report: how many MUSTs are kept of how many, and what falls short."""
    counts = report.totals["MUST"]
    of = sum(counts.values())
    label = f"Threads API {report.run.profile}"
    said = f"{counts[Verdict.PASS]} of {of} MUST kept"
    accepted = sum(each.baselined and each.level == "MUST" for each in report.requirements)
    if report.verdict is RunVerdict.NON_CONFORMANT:
        said += f", {counts[Verdict.FAIL] - _accepted_failures(report)} broken"
    elif report.verdict is RunVerdict.INCOMPLETE:
        said += ", incomplete"
    if accepted:
        said += f", {accepted} known"
    if report.run.partial:
        said += ", partial"
    return Badge(printable(label), printable(said), VERDICT_COLORS[report.verdict])


def badge_svg(report: Report) -> str:
    """Return the badge of a report as an SVG image."""
    return drawn(badge_of(report))


def drawn(badge: Badge) -> str:
    """Return a badge as an SVG image of 20 px height, which needs no other file."""
    label, message = escape(badge.label), escape(badge.message)
    left, right = _width(badge.label), _width(badge.message)
    whole = left + right
    texts = "".join(
        f'<text x="{begin + width / 2:g}" y="14" '
        f'textLength="{width - 2 * _PADDING:g}">{text}</text>'
        for begin, width, text in ((0, left, label), (left, right, message))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole:g}" height="20" role="img" '
        f'aria-label="{label}: {message}">'
        f"<title>{label}: {message}</title>"
        f'<clipPath id="r"><rect width="{whole:g}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left:g}" height="20" fill="#444"/>'
        f'<rect x="{left:g}" width="{right:g}" height="20" fill="{_COLORS[badge.color]}"/></g>'
        f'<g fill="#fff" text-anchor="middle" '
        f'font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{texts}</g></svg>\n'
    )


def badge_json(report: Report) -> str:
    """Return the JSON that an endpoint badge of shields.io reads."""
    badge = badge_of(report)
    shown = {
        "schemaVersion": 1,
        "label": badge.label,
        "message": badge.message,
        "color": badge.color,
        "isError": report.verdict is not RunVerdict.CONFORMANT,
    }
    return json.dumps(shown, indent=2) + "\n"


def _accepted_failures(report: Report) -> int:
    return sum(
        each.baselined and each.level == "MUST" and each.verdict is Verdict.FAIL
        for each in report.requirements
    )


def _width(text: str) -> float:
    return round(len(text) * _CHARACTER + 2 * _PADDING, 1)
