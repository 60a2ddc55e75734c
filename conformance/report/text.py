"""Text from a server, made fit to be shown: nothing unseen, nothing endless."""

from __future__ import annotations

from conformance.excerpt import printable

__all__ = ["counted", "cut", "listed", "one_line", "printable"]


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
