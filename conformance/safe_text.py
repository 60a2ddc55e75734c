"""Functions that make untrusted text safe to store and to show.

Secrets are replaced first, then sequences that a terminal or a CI system would execute, and
only then is a text cut: a secret that is cut in two would not be found any more.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Redaction = Callable[[str], str]

# Control characters (a terminal executes them, XML forbids them), lone surrogates (UTF-8
# cannot encode them) and marks that change the direction of writing or hide a character.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069"
    "\ud800-\udfff\ufeff\ufffe\uffff]"
)
# `::error::` at the start of a line, after blanks and colours; `##[error]`, `##vso[...]`
# and `##teamcity[...]` anywhere, and `[[ATTACHMENT|...]]`, which GitLab and Jenkins read in JUnit.
_COMMAND = re.compile(
    r"(?<![^\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029])(?:[^\S\n]|\x1b\[[0-9;]*m)*:(?=:)|##\w*(?=\[)"
    r"|\[\[ATTACHMENT(?=\|)"
)

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9 ._+~@/-]+")
_LONGEST_NAME = 80

_lock = threading.Lock()
_redactions: list[Redaction] = []


@contextmanager
def redacting(redaction: Redaction) -> Iterator[None]:
    """Apply `redaction` in `redacted`, `harmless` and `excerpt` during the block.

    It applies to all threads of this process.
    """
    with _lock:
        _redactions.append(redaction)
    try:
        yield
    finally:
        with _lock:
            _redactions.remove(redaction)


def redacted(text: str) -> str:
    """Return `text` with the secrets of every open connection replaced."""
    # Equal redactions, such as those of two connections of one run, are applied once.
    for each in dict.fromkeys(_redactions):
        text = each(text)
    return text


def printable(text: str) -> str:
    """Return `text` with every character that cannot be shown written as `\\uXXXX`."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def without_commands(text: str) -> str:
    """Return `text` with a blank inserted into whatever a CI system takes for a command.

    A blank keeps JSON, XML and HTML valid.
    """
    return _COMMAND.sub(lambda found: f"{found[0]} ", text)


def harmless(text: str) -> str:
    """Return `text` without secrets, invisible characters and commands to a CI system."""
    return without_commands(printable(redacted(text)))


def excerpt(text: str, width: int = 400, *, end: bool = False) -> str:
    """Return at most `width` characters of `text`, made harmless before it is cut.

    It is the beginning of the text or, if `end` is true, its end.
    """
    whole = harmless(text)
    if len(whole) <= width:
        return whole
    return f"…{whole[1 - width :]}" if end else f"{whole[: width - 1]}…"


def safe_name(text: str) -> str:
    """Return the name or version of a server, in characters that are safe in any output."""
    return _NOT_IN_A_NAME.sub("_", excerpt(text, _LONGEST_NAME)).strip()


# What each run draws anew. In this order: a later pattern would match parts of what an earlier one
# matches.
_FRESH = (
    (re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"(?<=[\w\]]):\d{2,5}(?=[/\s'\"),?]|$)"), ":<port>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.I), "<id>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b", re.I), "<id>"),
    # The beginning of an id or a time where a text was cut.
    (re.compile(r"(?<=[\"'])[0-9a-f]{1,8}(?:-[0-9a-f]{0,12}){0,4}(?=…)", re.I), "<id>"),
    (re.compile(r"<id>(?:-[0-9a-f]{0,12}){1,4}(?=…)", re.I), "<id>"),
    (re.compile(r"(?<=[\"'])\d{4}-\d\d-[\dT:.]*(?=…)"), "<time>"),
)
# Numbers, but not a status such as 404 and not the number in a name such as COPY-03.
_NUMBER = re.compile(r"(?<![\w.-])(?![1-5]\d\d(?![\d.]))-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.I)


def without_fresh(text: str) -> str:
    """Return `text` with ids, times and ports replaced, so that two runs say the same."""
    for pattern, placeholder in _FRESH:
        text = pattern.sub(placeholder, text)
    return text


def masked(text: str) -> str:
    """Return `text` with the ids, times, ports and numbers of one run replaced."""
    return _NUMBER.sub("<n>", without_fresh(text))
