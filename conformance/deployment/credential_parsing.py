"""Parsing of headers and keys that a user writes in options, the environment or files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from conformance.deployment.settings import SettingsError

API_KEY_HEADER = "x-api-key"
Headers = tuple[tuple[str, str], ...]

#: Largest file that is read for a key or for headers, in bytes.
_LARGEST = 256 * 1024
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PRINTABLE_ASCII = re.compile("[ -~]+")
_HEADER_FORM = "a header is written 'Name: value'"


def parse_header(text: str, option: str) -> tuple[str, str]:
    """Parse `Name: value`; raise `SettingsError`, which names `option` and never the value."""
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _NAME.fullmatch(name):
        raise SettingsError(f"{option}: {_HEADER_FORM}")
    if not value:
        raise SettingsError(f"{option}: the header {name} has no value: {_HEADER_FORM}")
    _check_characters(value, f"{option}: the value of the header {name}")
    return name, value


def parse_headers(text: str, option: str) -> Headers:
    """Parse one header per line; empty lines and lines that start with # are skipped.

    Raises `SettingsError`, which names `option` and never a value.
    """
    lines = (line.strip() for line in text.splitlines())
    return tuple(parse_header(line, option) for line in lines if line and line[0] != "#")


def parse_key(text: str, option: str) -> str:
    """Return a key without surrounding white space; raise `SettingsError` if it is unusable."""
    key = text.strip()
    if not key:
        raise SettingsError(f"{option} is empty: give the key, or leave the option out")
    _check_characters(key, f"{option}: the key")
    return key


def read_secret(path: Path, option: str) -> str:
    """Return the text of a file; the message of a `SettingsError` does not show the path.

    A user who confuses this option with the one for the value itself may give a secret as the
    path.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise SettingsError(f"{option} names a file that is too long: name another")
        return content.decode("utf-8-sig")
    except (OSError, ValueError) as unreadable:
        why = (unreadable.strerror if isinstance(unreadable, OSError) else "") or "not a text"
        raise SettingsError(
            f"{option} names no file that can be read ({why}): name the file in which it stands"
        ) from unreadable


def with_key(headers: Iterable[tuple[str, str]], key: str | None) -> Headers:
    """Return the headers to send, including the API key if there is one."""
    return (*headers, (API_KEY_HEADER, key)) if key else tuple(headers)


def _check_characters(value: str, what: str) -> None:
    if not _PRINTABLE_ASCII.fullmatch(value):
        raise SettingsError(
            f"{what} holds a character that no header can carry "
            "(a control character, or one outside of ASCII): remove it"
        )
