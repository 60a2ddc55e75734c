"""Decoding of the escapes of HTTP, JSON, URLs, HTML and source code in a text.

A piece of the decoded text can be traced back to its place in the original, to be replaced
there. Decoding takes time linear in the length of the text.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Iterator

# Escapes of escapes (`%252F`, `\\\\u002f`, `&amp;#47;`) are decoded at once. Each pattern starts
# with a literal character, so that `re` skips quickly over the rest.
_BYTE = "%(?:25)*[89a-fA-F][0-9a-fA-F]"
_PERCENT = rf"%(?:25)*u[0-9a-fA-F]{{4}}|{_BYTE}(?:{_BYTE})*|%(?:25)*[0-7][0-9a-fA-F]"
_BACKSLASH = (
    r"\\(?<!\\\\)\\*+(?:"
    r"u[dD][89abAB][0-9a-fA-F]{2}\\++u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}"
    r"|[0-3][0-7]{2}|.)"
)
_ENTITY = r"&(?:amp;)*(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?"
# Base64 and header values are folded into lines.
_FOLD = r"\n(?<=[\w+/-]{4}\n)[ \t]*(?=[\w+/=-])|\r\n(?<=[\w+/-]{4}\r\n)[ \t]*(?=[\w+/=-])"
_ONE_KIND = tuple(re.compile(each, re.DOTALL) for each in (_PERCENT, _BACKSLASH, _ENTITY))
_ANY = re.compile("|".join((_PERCENT, _BACKSLASH, _ENTITY, _FOLD)), re.DOTALL)
_WITHOUT_FOLDS = re.compile("|".join((_PERCENT, _BACKSLASH, _ENTITY)), re.DOTALL)
_STARTS = "%\\&"
_TWICE = re.compile("%(?:25)*(?=u[0-9a-fA-F]{4}|[0-9a-fA-F]{2})")

_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
#: How many levels of encodings within encodings are decoded, at most.
_DEEPEST = 6


class Layer:
    """A text with one more level of escapes decoded, and its positions in the original."""

    def __init__(
        self, text: str, below: Layer | None = None, marks: PositionMap | None = None
    ) -> None:
        self.text = text
        self._below = below
        self._marks = marks

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the original text of the piece from `start` to `end`."""
        if self._below is None or self._marks is None:
            return start, end
        return self._below.span(self._marks.start(start), self._marks.end(end))


class PositionMap:
    """A map from positions in a decoded text to positions in the text that was decoded."""

    def __init__(self) -> None:
        self._decoded_starts: list[int] = []
        self._encoded_starts: list[int] = []
        self._ends: list[int | None] = []

    def add(self, decoded_start: int, encoded_start: int, end: int | None) -> None:
        """Add a piece that begins at these positions of the decoded and of the encoded text.

        `end` is where an escape ends in the encoded text; None for a piece without escapes.
        """
        self._decoded_starts.append(decoded_start)
        self._encoded_starts.append(encoded_start)
        self._ends.append(end)

    def start(self, position: int) -> int:
        """Return where the character at `position` begins in the encoded text."""
        piece = bisect_right(self._decoded_starts, position) - 1
        if self._ends[piece] is not None:
            return self._encoded_starts[piece]
        return self._encoded_starts[piece] + position - self._decoded_starts[piece]

    def end(self, position: int) -> int:
        """Return where the character before `position` ends in the encoded text."""
        piece = bisect_right(self._decoded_starts, position - 1) - 1
        end = self._ends[piece]
        return (
            end
            if end is not None
            else self._encoded_starts[piece] + position - self._decoded_starts[piece]
        )


def layers(text: str) -> Iterator[Layer]:
    """Yield the text itself, then the text with escapes decoded, level by level.

    Where escapes of several kinds are mixed, each kind is also decoded alone: in
    `C:\\token%2F1` the backslash is not an escape.
    """
    original = Layer(text)
    yield original
    # The search for folded lines is slow: only where there may be some.
    yield from _layers_above(original, _ANY if "\n" in text or "\\" in text else _WITHOUT_FOLDS)
    kinds = [kind for kind, start in zip(_ONE_KIND, _STARTS, strict=True) if start in text]
    for kind in kinds if len(kinds) > 1 else ():
        yield from _layers_above(original, kind)


def unescaped(text: str) -> str:
    """Return the text with all its escapes decoded."""
    *_, last = (Layer(text), *_layers_above(Layer(text), _ANY))
    return last.text


def _layers_above(layer: Layer, pattern: re.Pattern[str]) -> Iterator[Layer]:
    for _ in range(_DEEPEST):
        above = _layer_above(layer, pattern)
        if above is None:
            return
        yield above
        layer = above


def _layer_above(layer: Layer, pattern: re.Pattern[str]) -> Layer | None:
    """Return the text with one level of escapes decoded; None where there are none."""
    text, marks, pieces = layer.text, PositionMap(), []
    position = length = 0
    for found in pattern.finditer(text):
        if found.start() > position:
            pieces.append(text[position : found.start()])
            marks.add(length, position, None)
            length += len(pieces[-1])
        position = found.end()
        if undone := _decode_escape(found[0]):
            pieces.append(undone)
            marks.add(length, found.start(), position)
            length += len(undone)
    if not position:
        return None
    if position < len(text):
        pieces.append(text[position:])
        marks.add(length, position, None)
    above = "".join(pieces)
    return Layer(above, layer, marks) if above and above != text else None


def _decode_escape(escape: str) -> str:
    """Return the character that an escape stands for; empty for the end of a folded line."""
    match escape[0]:
        case "%":
            return _decode_percent(_TWICE.sub("%", escape))
        case "\\":
            return _decode_backslash(escape.lstrip("\\"))
        case "&":
            return html.unescape(escape.replace("amp;", ""))
    return ""


def _decode_percent(escape: str) -> str:
    if escape[1] == "u":
        return chr(int(escape[2:], 16))
    return bytes.fromhex(escape.replace("%", "")).decode("utf-8", "replace")


def _decode_backslash(escape: str) -> str:
    if escape[0] in "uUx" and len(escape) > 1:
        codes = re.findall("[0-9a-fA-F]+", escape)
        if len(codes) == 2:
            pair = "".join(chr(int(each, 16)) for each in codes)
            return pair.encode("utf-16", "surrogatepass").decode("utf-16")
        code = int(codes[0], 16)
        return chr(code) if code < 0x110000 else "\ufffd"
    if len(escape) == 3:
        return chr(int(escape, 8))
    return _CONTROL.get(escape, escape)
