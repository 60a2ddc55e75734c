"""Headers that replace the user's credentials: none, wrong ones, or another tenant's."""

from __future__ import annotations

import base64
import binascii
import random
import re
import string
from collections.abc import Callable
from urllib.parse import unquote

import httpx

from conformance.deployment.settings import Settings

Headers = tuple[tuple[str, str], ...]

#: Statuses that count as the deployment's answers to such credentials, not as network trouble.
REFUSALS = (httpx.codes.UNAUTHORIZED.value, httpx.codes.FORBIDDEN.value)

_HEADER_TO_REPLACE = re.compile(r"auth|key|token|secret|cookie|session|jwt|passw", re.IGNORECASE)


def own_headers(settings: Settings) -> Headers:
    """Return all headers that identify the user, including user and password of the URL."""
    url = httpx.URL(settings.url)
    if not url.userinfo or any(name.lower() == "authorization" for name, _ in settings.headers):
        return settings.headers
    plain = unquote(url.userinfo.decode("ascii"))
    return (*settings.headers, ("Authorization", f"Basic {_to_base64(plain)}"))


def without_credentials(settings: Settings) -> Headers:
    """Return the user's headers without those that are credentials."""
    headers = own_headers(settings)
    secret = _credentials(headers)
    return tuple(each for each in headers if each not in secret)


def wrong_credentials(settings: Settings) -> Headers:
    """Return the user's headers with credentials of the same form that were never issued.

    The credentials are the same in every process of a run, so that each process can redact them.
    """
    random_source = random.Random(settings.run_id)
    return _with_changed_secrets(settings, lambda secret: _random_like(secret, random_source))


def cut_credentials(settings: Settings) -> Headers:
    """Return the user's headers with the last character of each credential removed."""
    return _with_changed_secrets(settings, lambda secret: secret[:-1])


def other_credentials(settings: Settings) -> Headers:
    """Return the headers of the other tenant.

    They replace headers of the same name; where they contain credentials, none of the
    user's own credentials remains.
    """
    others = {name.lower() for name, _ in settings.other_headers}
    replaced = any(_HEADER_TO_REPLACE.search(name) for name in others)
    headers = without_credentials(settings) if replaced else own_headers(settings)
    return (*(each for each in headers if each[0].lower() not in others), *settings.other_headers)


def secret_headers(settings: Settings) -> Headers:
    """Return every header whose value must not be shown, of any tenant or variant."""
    found = dict.fromkeys((*settings.headers, *settings.other_headers))
    if settings.protected:
        found |= dict.fromkeys((*wrong_credentials(settings), *cut_credentials(settings)))
    return tuple(found)


def _credentials(headers: Headers) -> Headers:
    """Return the headers whose names indicate credentials; all headers if no name does."""
    return tuple(each for each in headers if _HEADER_TO_REPLACE.search(each[0])) or headers


def _with_changed_secrets(settings: Settings, change: Callable[[str], str]) -> Headers:
    headers = own_headers(settings)
    secret = _credentials(headers)
    return tuple(
        (name, _change_secret(value, change)) if (name, value) in secret else (name, value)
        for name, value in headers
    )


def _change_secret(value: str, change: Callable[[str], str]) -> str:
    """Change the secret in a header's value: the part after the scheme, or the password."""
    scheme, space, secret = value.rpartition(" ")
    if scheme.lower() == "basic" and (plain := _from_base64(secret)) is not None:
        user, colon, password = plain.partition(":")
        return f"{scheme}{space}{_to_base64(f'{user}{colon}{change(password)}')}"
    return f"{scheme}{space}{change(secret)}".rstrip()


def _random_like(secret: str, random_source: random.Random) -> str:
    """Return a different text of the same form."""
    generated = "".join(_random_character(each, random_source) for each in secret)
    return generated if generated != secret else f"{secret}x"


def _random_character(character: str, random_source: random.Random) -> str:
    for alphabet in (string.digits, string.ascii_lowercase, string.ascii_uppercase):
        if character in alphabet:
            return random_source.choice(alphabet)
    return character


def _to_base64(plain: str) -> str:
    return base64.b64encode(plain.encode()).decode("ascii")


def _from_base64(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
