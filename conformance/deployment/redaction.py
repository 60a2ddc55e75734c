"""Secrets are replaced before anything is stored or shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

import httpx

REDACTED = "[redacted]"

_SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "x-auth-key",
        "cookie",
        "set-cookie",
    }
)
#: A shorter value stands in too many innocent places to be replaced wherever it occurs.
_SHORTEST_REPLACED = 4


class Redactor:
    """Replaces header values that are secret, and known secrets wherever they stand."""

    def __init__(self, headers: Iterable[tuple[str, str]] = (), secrets: Iterable[str] = ()):
        """`headers` are those that the user gave: all their values are secret."""
        given = tuple(headers)
        self._names = _SECRET_HEADERS | {name.lower() for name, _ in given}
        values = {value for _, value in given} | set(secrets)
        # `Bearer abc` is a secret as a whole and in its last word.
        values |= {value.rsplit(" ", 1)[-1] for value in values}
        values |= {quote(value, safe="") for value in values}
        known = sorted(
            (value for value in values if len(value) >= _SHORTEST_REPLACED), key=len, reverse=True
        )
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, value: str) -> str:
        """`value` with every known secret replaced."""
        return self._known.sub(REDACTED, value) if self._known else value

    def headers(self, headers: httpx.Headers) -> tuple[tuple[str, str], ...]:
        """The headers as pairs, secret values replaced."""
        return tuple(
            (name, REDACTED if name.lower() in self._names else self.text(value))
            for name, value in headers.multi_items()
        )

    def url(self, url: httpx.URL | str) -> str:
        """The URL with user and password, and every known secret, replaced."""
        parsed = httpx.URL(url)
        if parsed.userinfo:
            parsed = parsed.copy_with(username="redacted", password=None)
        return self.text(str(parsed))
