"""Parsing JSON that somebody else wrote, within limits of depth and of number."""

from __future__ import annotations

import gc
import json
import sys
from typing import Any

import psutil

#: What nests deeper breaks the recursive functions that compare, show and write values.
DEEPEST = 500
#: So many values at most, so that a few bytes of text do not fill the memory as objects.
MOST_VALUES = 1_000_000
#: Largest text, in bytes of memory, where one emoji makes every character take four. A failed
#: check keeps some answers alive, each as text and as values.
LARGEST_TEXT = 40 * 2**20

#: Memory, in bytes, beyond which a process parses no more of what holds many values.
MOST_MEMORY = 480 * 2**20
_MANY_VALUES = 100_000
#: What an object of one member takes, in bytes, its key included.
_OF_AN_OBJECT = 240

_WITHIN_CHARACTERS = bytes(range(0x80, 0xC0))
_BELOW_FOUR_BYTES = bytes(range(0xF0))


def text_of(content: bytes) -> str:
    """UTF-8 as text; `UndigestedJsonError` where the text would fill the memory."""
    if _memory_of(content) <= LARGEST_TEXT:
        text = content.decode("utf-8", errors="replace")
        # What is no UTF-8 may have become more characters than its bytes let expect.
        if sys.getsizeof(text) <= LARGEST_TEXT + 100:
            return text
    raise UndigestedJsonError(f"a body of {len(content) / 2**20:.0f} MiB, too large as text")


def _memory_of(content: bytes) -> int:
    """About what the text of some UTF-8 takes, in bytes of memory."""
    if content.isascii():
        return len(content)
    wide = bool(content.translate(None, _BELOW_FOUR_BYTES))
    return len(content.translate(None, _WITHIN_CHARACTERS)) * (4 if wide else 2)


class UndigestedJsonError(ValueError):
    """A text that may be JSON, and is not parsed; the message says why."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text; `ValueError` for any other, or one beyond the limits."""
    openings = _count(text, "[") + _count(text, "{")
    values = openings + _count(text, ",")
    if sys.getsizeof(text) > LARGEST_TEXT + 100 or values > MOST_VALUES:
        raise UndigestedJsonError(f"JSON of more than {MOST_VALUES} values or too large to parse")
    if values > _MANY_VALUES and not _room_for(openings * _OF_AN_OBJECT):
        raise UndigestedJsonError(
            f"JSON of {values} values, beside others for which {MOST_MEMORY // 2**20} MiB are used"
        )
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    if openings > DEEPEST and _deeper(value):
        raise _too_deep()
    return value


def _room_for(size: int) -> bool:
    """Whether this process may take so much more memory, in bytes."""
    process = psutil.Process()
    if process.memory_info().rss + size <= MOST_MEMORY:
        return True
    gc.collect()
    return process.memory_info().rss + size <= MOST_MEMORY


def _too_deep() -> UndigestedJsonError:
    return UndigestedJsonError(f"JSON that nests deeper than {DEEPEST} levels")


def _count(text: str | bytes, mark: str) -> int:
    return text.count(mark) if isinstance(text, str) else text.count(mark.encode())


def _deeper(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            member
            for each in level
            for member in (each.values() if isinstance(each, dict) else each)
            if isinstance(member, (dict, list))
        ]
        if not level:
            return False
    return True
