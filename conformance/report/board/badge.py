"""A badge for a server: one line of text on two colours."""

from __future__ import annotations

from html import escape

from conformance.contract.verdicts import RunVerdict
from conformance.safe_text import printable

_COLOURS = {
    RunVerdict.CONFORMANT: "#116329",
    RunVerdict.NON_CONFORMANT: "#a40e26",
    RunVerdict.INCOMPLETE: "#7d4e00",
}
#: About the width of a character at 11 px, in px.
_CHARACTER = 6.6
_PADDING = 12


def badge_svg(label: str, message: str, verdict: RunVerdict) -> str:
    """Return a badge as an SVG document, 20 px high."""
    widths = [round(len(text) * _CHARACTER) + _PADDING for text in (label, message)]
    left, whole = widths[0], sum(widths)
    label, message = (escape(printable(text)) for text in (label, message))
    texts = "".join(
        f'<text x="{middle:g}" y="14" text-anchor="middle" '
        f'textLength="{width - _PADDING}">{text}</text>'
        for middle, width, text in (
            (left / 2, widths[0], label),
            (left + widths[1] / 2, widths[1], message),
        )
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" '
        f'aria-label="{label}: {message}"><rect width="{whole}" height="20" rx="3" fill="#3d444d"/>'
        f'<path d="M{left} 0h{whole - left - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H{left}z" '
        f'fill="{_COLOURS[verdict]}"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{texts}</g>'
        "</svg>\n"
    )
