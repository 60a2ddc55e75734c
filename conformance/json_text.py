"""Parsing of untrusted JSON, within limits of depth and size."""

from __future__ import annotations

import gc
import json
import sys
from typing import Any

import psutil

#: Deepest nesting: more breaks the recursive functions that compare, show and write values.
DEEPEST = 500
#: Most values: a small text could otherwise fill the memory with objects.
MOST_VALUES = 1_000_000
#: Largest text, in bytes of memory: in a text with an emoji, every character takes four bytes. A
#: failed check keeps some answers alive, each as text and as values.
LARGEST_TEXT = 40 * 2**20

# Memory of the process, in bytes, beyond which it parses no more texts of many values.
_most_memory = 480 * 2**20
_MANY_VALUES = 100_000
#: Size of an object with one member, in bytes, including its key.
_OF_AN_OBJECT = 240

_WITHIN_CHARACTERS = bytes(range(0x80, 0xC0))
_BELOW_FOUR_BYTES = bytes(range(0xF0))


def allow_memory(size: int) -> None:
    """Let this process use `size` bytes of memory: many runs of the checks in it need more."""
    global _most_memory
    _most_memory = size


def as_json(value: Any) -> str:
    """Return a value as the JSON that people know from requests, never as Python writes it."""
    return json.dumps(value, ensure_ascii=False, default=repr)


def text_of(content: bytes) -> str:
    """Decode UTF-8; raise `JsonTooLargeError` if the text would be too large in memory."""
    if _memory_of(content) <= LARGEST_TEXT:
        text = content.decode("utf-8", errors="replace")
        # Invalid UTF-8 may give more characters than estimated.
        if sys.getsizeof(text) <= LARGEST_TEXT + 100:
            return text
    raise JsonTooLargeError(f"a body of {len(content) / 2**20:.0f} MiB, too large as text")


def _memory_of(content: bytes) -> int:
    """Return an estimate of the memory that the decoded text takes, in bytes."""
    if content.isascii():
        return len(content)
    wide = bool(content.translate(None, _BELOW_FOUR_BYTES))
    return len(content.translate(None, _WITHIN_CHARACTERS)) * (4 if wide else 2)


class JsonTooLargeError(ValueError):
    """A text that may be JSON but exceeds the limits; the message says which."""


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises `ValueError` if it is not JSON, and its subclass `JsonTooLargeError` if it
    exceeds the limits.
    """
    openings = _count(text, "[") + _count(text, "{")
    values = openings + _count(text, ",")
    if sys.getsizeof(text) > LARGEST_TEXT + 100 or values > MOST_VALUES:
        raise JsonTooLargeError(f"JSON of more than {MOST_VALUES} values or too large to parse")
    if values > _MANY_VALUES and not _has_room_for(openings * _OF_AN_OBJECT):
        raise JsonTooLargeError(
            f"JSON of {values} values, beside others for which {_most_memory // 2**20} MiB are used"
        )
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep_error() from None
    if openings > DEEPEST and _nests_deeper(value):
        raise _too_deep_error()
    return value


def json_or_none(text: str | bytes) -> Any:
    """Return the value of a JSON text; None if it is none, or too large to read."""
    try:
        return parse_json(text)
    except ValueError:
        return None


def _has_room_for(size: int) -> bool:
    """Return whether this process may take `size` more bytes of memory."""
    process = psutil.Process()
    if process.memory_info().rss + size <= _most_memory:
        return True
    gc.collect()
    return process.memory_info().rss + size <= _most_memory


def _too_deep_error() -> JsonTooLargeError:
    return JsonTooLargeError(f"JSON that nests deeper than {DEEPEST} levels")


def _count(text: str | bytes, mark: str) -> int:
    return text.count(mark) if isinstance(text, str) else text.count(mark.encode())


def _nests_deeper(value: Any) -> bool:
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
