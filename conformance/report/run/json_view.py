"""JSON as a person reads it: one member on a line, and the lines that differ marked.

The values of a report may be cut, or stand after words (`values to be {...`). What is there is laid
out without being parsed into values, so that a number keeps its digits and a cut text its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice

from conformance.json_differences import json_path

_TOKEN = re.compile(
    r'\s*(?:(?P<mark>[{}\[\],:])|(?P<string>"(?:[^"\\]|\\.)*"?)'
    r"|(?P<literal>(?:true|false|null|-?\d[\d.eE+-]*)(?![\w'])))"
)
#: What a text ends with that was cut: by `excerpt`, or by `cut` and its like.
_CUT = re.compile(r"(?:…|(?:\.\.\.|…) \(\d+ characters in all\))$")
#: A path as `json_path` writes it.
_PATH = r"\$(?:\.\w+|\[\d+\]|\['(?:[^'\\]|\\.)*'\]|\[\"(?:[^\"\\]|\\.)*\"\])*"
_DIFFERENCE = re.compile(
    rf"(?P<path>{_PATH}): (?:missing, expected (?P<missing>.*)|not expected, got (?P<added>.*)"
    r"|expected (?P<expected>.*?), got (?P<actual>.*))",
    re.DOTALL,
)
#: How often the start of JSON is looked for in one text, which may be made to cost much.
_STARTS = 3
_CLOSING = {"{": "}", "[": "]"}


@dataclass(frozen=True)
class Line:
    """A line of a value: how deep it is nested, its text, and whether it differs."""

    depth: int
    text: str
    marked: bool = False


@dataclass(frozen=True)
class Difference:
    """One line of `Failure.diff`, in parts.

    None stands for a value that is not there. A line of another form has the path "" and is all
    in `actual`.
    """

    path: str
    expected: str | None
    actual: str | None


@dataclass(frozen=True)
class View:
    """A value to be shown: words before it, and its lines. A text that is no JSON is all words."""

    words: str
    lines: tuple[Line, ...] = ()


def view(text: str, marked: Collection[str] = ()) -> View:
    """Return a text laid out, with the lines at and below the paths `marked` marked."""
    for found in islice(re.finditer(r"[{\[]", text), _STARTS):
        lines = _laid_out(text[found.start() :], frozenset(marked) - {"$"})
        if lines is not None:
            return View(text[: found.start()].rstrip(), lines)
    return View(text)


def parse_difference(line: str) -> Difference:
    """Return a line of `Failure.diff` in parts."""
    found = _DIFFERENCE.fullmatch(line)
    if found is None:
        return Difference("", None, line)
    if found["missing"] is not None:
        return Difference(found["path"], found["missing"], None)
    if found["added"] is not None:
        return Difference(found["path"], None, found["added"])
    return Difference(found["path"], found["expected"], found["actual"])


@dataclass
class _Open:
    """A list or object that is being laid out, and the key or index of its current member."""

    bracket: str
    key: str | int | None = None


@dataclass
class _Layout:
    """Lines as they are laid out; `line` is the one that is being written."""

    marked: frozenset[str]
    lines: list[Line] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    line: str = ""
    depth: int = 0

    def end_line(self) -> None:
        if self.line:
            self.lines.append(Line(self.depth, self.line, self._is_marked()))
        self.line = ""
        self.depth = len(self.stack)

    def _is_marked(self) -> bool:
        if not self.marked:
            return False
        keys = [each.key for each in self.stack if each.key is not None]
        return any(json_path(keys[:end]) in self.marked for end in range(1, len(keys) + 1))


def _laid_out(text: str, marked: frozenset[str]) -> tuple[Line, ...] | None:
    """Return the lines of a text that starts with a list or object; None if it is no JSON."""
    end = _CUT.search(text)
    body = text[: end.start()] if end else text
    layout = _Layout(marked)
    position = 0
    for kind, token, position in _tokens(body):  # noqa: B007 - used after the loop
        if not _take(layout, kind, token):
            return None
        if not layout.stack and layout.line[-1:] in ("}", "]"):
            break
    if layout.stack and (end is None or body[position:].strip()) and not _is_cut(body, position):
        return None
    rest = body[position:].strip() + (end[0] if end else "")
    layout.line += rest if layout.stack else f" {rest}" if rest else ""
    layout.end_line()
    return tuple(layout.lines)


def _is_cut(body: str, position: int) -> bool:
    """Return whether a text was cut within a literal, which is then no token."""
    rest = body[position:].strip()
    return len(rest) < 5 and any(each.startswith(rest) for each in ("true", "false", "null", "-"))


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    position = 0
    while found := _TOKEN.match(text, position):
        position = found.end()
        yield str(found.lastgroup), found[0].strip(), position


def _take(layout: _Layout, kind: str, token: str) -> bool:
    """Add a token to the lines; return whether it may stand here."""
    top = layout.stack[-1] if layout.stack else None
    if token in _CLOSING:
        layout.line += token
        layout.end_line()
        layout.stack.append(_Open(token, 0 if token == "[" else None))
        layout.depth = len(layout.stack)
        return True
    if top is None:
        return False
    if token in ("}", "]"):
        if _CLOSING[top.bracket] != token:
            return False
        if not layout.line and layout.lines and layout.lines[-1].text.endswith(top.bracket):
            # Nothing is in it: it stands on one line.
            opened = layout.lines.pop()
            layout.stack.pop()
            layout.line, layout.depth = f"{opened.text}{token}", opened.depth
            return True
        layout.end_line()
        layout.stack.pop()
        layout.line, layout.depth = token, len(layout.stack)
        return True
    if token == ",":
        layout.line += ","
        layout.end_line()
        if isinstance(top.key, int):
            top.key += 1
        return True
    if token == ":":
        layout.line += ": "
        return top.bracket == "{"
    if layout.marked and kind == "string" and top.bracket == "{" and not layout.line:
        top.key = _unquoted(token)
    layout.line += token
    return True


def _unquoted(token: str) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return token.strip('"')
