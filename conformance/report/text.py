"""Text from a server, made fit to be shown: nothing unseen, nothing endless."""

from __future__ import annotations

import re

# Control characters (a terminal obeys them, XML forbids them), lone surrogates (UTF-8
# cannot hold them) and marks that turn the direction of writing or hide a character.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069"
    "\ud800-\udfff\ufeff\ufffe\uffff]"
)


def printable(text: str) -> str:
    """`text` with every character that cannot be shown written as `\\uXXXX`."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """`text` on one line, white space joined."""
    return " ".join(printable(text).split())


def cut(text: str, limit: int) -> str:
    """At most `limit` characters of `text`, and how long it is where that is less."""
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()}... ({len(text)} characters in all)"


def counted(number: int, noun: str) -> str:
    """`1 check`, `2 checks`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(items: tuple[str, ...] | list[str], limit: int) -> str:
    """`items` joined by commas, at most `limit` of them, with how many more there are."""
    shown = ", ".join(items[:limit])
    return f"{shown} and {len(items) - limit} more" if len(items) > limit else shown
