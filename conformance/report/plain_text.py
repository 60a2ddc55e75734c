"""Formatting of untrusted text: control characters escaped, length limited."""

from __future__ import annotations

from conformance.safe_text import printable

__all__ = ["counted", "cut", "displayable", "listed", "one_line", "printable"]


def one_line(text: str) -> str:
    """Return `text` on one line, each run of white space as one space."""
    return " ".join(printable(text).split())


def cut(text: str, limit: int) -> str:
    """Cut `text` to `limit` characters; a cut text ends with its full length."""
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()}... ({len(text)} characters in all)"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 check`, `2 checks`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(items: tuple[str, ...] | list[str], limit: int) -> str:
    """Join at most `limit` of `items` by commas, and say how many more there are."""
    shown = ", ".join(items[:limit])
    return f"{shown} and {len(items) - limit} more" if len(items) > limit else shown


def displayable(value: str, encoding: str) -> str:
    """Return `value` with what a terminal of this encoding cannot show escaped."""
    return printable(value).encode(encoding, "backslashreplace").decode(encoding)
