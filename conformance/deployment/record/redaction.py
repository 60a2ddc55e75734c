"""Redaction: secrets are replaced before anything is stored or shown."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

import httpx

from conformance.deployment.record.escape_decoding import layers, unescaped
from conformance.safe_text import printable

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
#: A shorter value is not replaced: it occurs in too many other places by chance.
_SHORTEST_REPLACED = 4
#: The same for a part of a value, such as a parameter, and for the output of commands,
#: which must stay readable.
_SHORTEST_PART = 8
_HEADER_TO_REDACT = re.compile("key|token|secret|auth|pass|cookie|sess|sign|cred", re.IGNORECASE)
_LONGEST_URL = 200
#: A redactor remembers at most so many texts, of at most so many characters each.
_MOST_KNOWN = 1000
_LONGEST_KNOWN = 200

_PARAMETER = re.compile(r"""(?<![=\s])=\s*"?([^\s"',;=][^\s"',;]*)""")
_CRUMB = re.compile(r"""=\s*"?([^\s";][^";]*)""")
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*:[/\\]+)?")


class Redactor:
    """A function that replaces values of secret headers, and known secrets wherever they occur.

    A secret is found in plain text, in every escape of HTTP, JSON, URLs, HTML, cookies and
    source code, in base64 (also inside a longer text), and in hexadecimal. Redactors of the
    same secrets are equal.
    """

    def __init__(
        self,
        headers: Iterable[tuple[str, str]] = (),
        secrets: Iterable[str] = (),
        *,
        shortest: int = _SHORTEST_REPLACED,
    ):
        """Prepare to replace the values of the user's `headers`, and `secrets`.

        All values of `headers` are secret. Values shorter than `shortest` characters are
        not replaced.
        """
        given = tuple(headers)
        self._names = _SECRET_HEADERS | {name.lower() for name, _ in given}
        values = {each for name, value in given for each in _secrets_in(name, value)}
        for secret in secrets:
            values |= {secret, secret.rpartition(" ")[2]}
        # A value also occurs with its own escapes decoded.
        values |= {unquote(value) for value in values} | {unescaped(value) for value in values}
        self._secrets = frozenset(value for value in values if len(value) >= shortest)
        self._as_written = tuple(dict.fromkeys(_forms_of_all(self._secrets, _literal_forms)))
        self._as_base64 = tuple(dict.fromkeys(_forms_of_all(self._secrets, _base64_cores)))
        self._known: dict[str, str] = {}
        self._known_headers: dict[tuple[bytes, bytes], tuple[str, str]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Redactor) and self._secrets == other._secrets

    def __hash__(self) -> int:
        return hash(self._secrets)

    def __call__(self, value: str) -> str:
        """Return `text(value)`, so that a redactor can be passed as a function."""
        return self.text(value)

    def text(self, value: str) -> str:
        """Return `value` with every known secret replaced."""
        if not self._secrets:
            return value
        found = sorted(
            layer.span(*place)
            for layer in layers(value)
            for place in self._find_secrets(layer.text)
        )
        pieces, position = [], 0
        for start, end in found:
            if start >= position:
                pieces += [value[position:start], REDACTED]
            position = max(position, end)
        return "".join((*pieces, value[position:])) if pieces else value

    def json(self, value: Any) -> Any:
        """Return a copy of a JSON value with every known secret replaced, also in names."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(each) for each in value]
        if isinstance(value, dict):
            return {self.text(key): self.json(each) for key, each in value.items()}
        return value

    def headers(self, headers: httpx.Headers) -> tuple[tuple[str, str], ...]:
        """Return the headers as pairs, secret values replaced."""
        try:
            return tuple([self._known_headers[pair] for pair in headers.raw])
        except KeyError:
            pass
        pairs = tuple(
            (
                self._cached_text(name),
                REDACTED if name.lower() in self._names else self._cached_text(value),
            )
            for name, value in headers.multi_items()
        )
        # How others are decoded depends on all headers of a message.
        if headers.encoding == "ascii":
            for (name, value), pair in zip(headers.raw, pairs, strict=True):
                if len(self._known_headers) < _MOST_KNOWN and len(name + value) <= _LONGEST_KNOWN:
                    self._known_headers[name, value] = pair
        return pairs

    def url(self, url: httpx.URL | str) -> str:
        """Return the URL without user and password, and with every known secret replaced."""
        try:
            parsed = url if isinstance(url, httpx.URL) else httpx.URL(url)
        except (httpx.InvalidURL, TypeError):
            return self.text(bare_url(str(url)))
        # Only where needed: few URLs have user-info, and every request has a URL.
        bare = parsed.copy_with(username=None, password=None) if parsed.userinfo else parsed
        return self.text(str(bare))

    def _cached_text(self, value: str) -> str:
        """Return `text(value)` of a text that is likely to occur again, such as a header."""
        if (known := self._known.get(value)) is None:
            known = self.text(value)
            if len(self._known) < _MOST_KNOWN and len(value) <= _LONGEST_KNOWN:
                self._known[value] = known
        return known

    def _find_secrets(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield start and end of every secret in a text."""
        for secret in self._as_written:
            yield from _occurrences(secret, text)
        for core in self._as_base64:
            for start, end in _occurrences(core, text):
                # The characters next to the core hold bits of the secret as well.
                yield start - (text[start - 1 : start] in _ALPHABET), _end_of_base64(text, end)


def user_info_secrets(url: httpx.URL) -> tuple[str, ...]:
    """Return the secrets of a URL's user-info: the password, and the pair as HTTP sends it."""
    if not url.userinfo:
        return ()
    if not url.password:
        return (url.username, f"{url.username}:")
    return (url.password, f"{url.username}:{url.password}")


def query_secrets(url: httpx.URL) -> tuple[str, ...]:
    """Return the values in a URL's query that may be secret: the long ones."""
    return tuple(value for _, value in url.params.multi_items() if len(value) >= _SHORTEST_PART)


def stream_redactor(
    headers: Iterable[tuple[str, str]] = (), secrets: Iterable[str] = ()
) -> Redactor:
    """Return a redactor for the output of a command: it replaces only long credentials.

    Other headers may hold a word that our own output contains as well, and so may short values.
    """
    credentials = [(name, value) for name, value in headers if _HEADER_TO_REDACT.search(name)]
    return Redactor(credentials, secrets, shortest=_SHORTEST_PART)


def bare_url(text: str) -> str:
    """Return the part of a URL that can be shown: no user-info, query or fragment.

    `text` need not be a valid URL.
    """
    found = _SCHEME.match(text)
    assert found is not None
    scheme, rest = found[1] or "", text[found.end() :].strip()
    authority, tail = re.match(r"([^/?#\\]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "@" in tail or "%40" in tail:
        # A password may hold any character, so its end is unknown.
        return f"{printable(scheme)}…"
    host = re.split("@|%40", authority)[-1]
    return printable(f"{scheme}{host}{re.split('[?#]', tail)[0]}")[:_LONGEST_URL]


def _secrets_in(name: str, value: str) -> Iterator[str]:
    """Yield the secrets in a header's value: the whole, and each part that is secret by itself."""
    yield value
    # In `Bearer abc` the last word alone is a secret as well.
    scheme, _, last = value.rpartition(" ")
    yield last
    if name.lower() in ("cookie", "set-cookie"):
        yield from (crumb.strip() for crumb in _CRUMB.findall(value))
    yield from (each for each in _PARAMETER.findall(value) if len(each) >= _SHORTEST_PART)
    if scheme.strip().lower() == "basic":
        try:
            decoded = base64.b64decode(last, validate=True).decode()
        except (binascii.Error, ValueError):
            return
        yield decoded
        yield decoded.partition(":")[2]


def _forms_of_all(secrets: Iterable[str], forms: Any) -> Iterator[str]:
    for secret in secrets:
        yield from forms(secret)


def _literal_forms(secret: str) -> Iterator[str]:
    yield secret
    if " " in secret:
        # As in form encoding.
        yield secret.replace(" ", "+")
    digits = secret.encode("utf-8", "surrogatepass").hex()
    yield digits
    yield digits.upper()


def _base64_cores(secret: str) -> Iterator[str]:
    """Yield the base64 characters that the secret alone determines, at any offset in a text."""
    data = secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode()
        # A character encodes six bits; the first and the last may also hold bits of neighbours.
        core = encoded[-(-8 * before // 6) : 8 * (before + len(data)) // 6]
        if len(core) >= _SHORTEST_REPLACED:
            yield core
            yield core.replace("+", "-").replace("/", "_")


def _occurrences(wanted: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(wanted)
    while start >= 0:
        yield start, start + len(wanted)
        start = text.find(wanted, start + len(wanted))


def _end_of_base64(text: str, end: int) -> int:
    end += text[end : end + 1] in _ALPHABET
    while text[end : end + 1] == "=":
        end += 1
    return end
