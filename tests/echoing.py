"""A server that shows the credentials it is sent, in every form; and a search for leaks of them."""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Secrets of characters as odd as headers can carry; no eight characters of one occur elsewhere.
API_KEY = "Kq7/Zr+4\"Wv\\n9&<Xp>'%41jT=Gd"
BEARER = "Bw3fTz8qLm2yRk6v/Hc9+Ns5"
COOKIE = "Cj8hVb4nXw2tQz7k"
PASSWORD = "Pd5/Yg2@Mf8:Ua3+Ke"
HEADERS = (
    *("-H", f"Authorization: Bearer {BEARER}"),
    *("-H", f"Cookie: theme=dark; session={COOKIE}"),
    *("--api-key", API_KEY),
)
SECRETS = (API_KEY, BEARER, COOKIE, PASSWORD)
#: The lengths at which texts are cut: a secret is placed across each of them.
CUTS = (80, 120, 160, 200, 300, 400, 500, 4_000, 65_536)
#: Instructions that a server could write to a CI system, a terminal or rich.
INSTRUCTIONS = (
    "::error::owned\n  ::set-env name=A::owned\n::owned::\n##[error]owned\n##vso[task.owned]1\n"
    "\x1b[31mowned\x1b[0m\x1b]0;owned\x07\r::owned::\x85::owned::\u2028::owned::\x9b2J"
    "[red]owned[/red] [link=http://owned]owned[/link]"
)
_WINDOW = 8


def with_user(url: str) -> str:
    """Return the URL with user and password."""
    return url.replace("://", f"://someone:{quote(PASSWORD, safe='')}@")


def forms_of(secret: str) -> dict[str, str]:
    """Return a secret as HTTP, JSON, URLs, HTML, programs and base64 write it, by form."""
    every_other = "".join(
        f"%{ord(each):02x}" if place % 2 else quote(each, safe="")
        for place, each in enumerate(secret)
    )
    escaped = "".join(f"\\u{ord(each):04X}" for each in secret)
    return {
        "raw": secret,
        "json": json.dumps(secret),
        "json in json": json.dumps(json.dumps(secret)),
        "json with slashes": json.dumps(secret).replace("/", "\\/"),
        "json escapes": escaped,
        "json escapes in json": json.dumps(escaped.lower()),
        "percent": quote(secret, safe=""),
        "percent, each": "".join(f"%{ord(each):02x}" for each in secret),
        "percent, every other": every_other,
        "percent twice": quote(quote(secret, safe=""), safe=""),
        "percent in json": json.dumps(quote(secret, safe="")).replace("%", "\\u0025"),
        "html": html.escape(secret),
        "html, decimal": "".join(f"&#{ord(each)};" for each in secret),
        "html, hex": "".join(f"&#x{ord(each):X};" for each in secret),
        "html twice": html.escape(html.escape(secret)),
        "repr": repr(secret),
        "repr of bytes": repr(secret.encode()),
        "hex escapes": "".join(f"\\x{ord(each):02x}" for each in secret),
        "base64": base64.b64encode(secret.encode()).decode(),
        "base64, shifted once": base64.b64encode(b"u" + secret.encode() + b"v").decode(),
        "base64, shifted twice": base64.b64encode(b"me" + secret.encode()).decode(),
        "base64 of user and secret": base64.b64encode(f"user:{secret}".encode()).decode(),
        "base64url": base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
        "base64 in lines": base64.encodebytes(b"x" * 50 + secret.encode()).decode(),
        "base64 in json": json.dumps(base64.b64encode(secret.encode()).decode()).replace(
            "/", "\\/"
        ),
        "base64 in a url": quote(base64.b64encode(secret.encode()).decode(), safe=""),
        "hex": secret.encode().hex(),
        "hex, capitals": secret.encode().hex().upper(),
        "cookie": f"a=b; key={secret}; path=/",
    }


def across_cuts() -> str:
    """Return a text in which a secret lies across each place at which texts are cut."""
    text = ""
    for place, cut in enumerate(CUTS):
        secret = SECRETS[place % len(SECRETS)]
        text = text.ljust(cut - len(secret) // 2 - 3 * (place % 3), ".") + secret
    return text


def leaks(text: str) -> list[str]:
    """Return the pieces of secrets that are in a text, in whatever form it is written.

    Pieces of eleven characters or more are found.
    """
    windows = {
        each[start : start + _WINDOW]
        for each in SECRETS
        for start in range(0, len(each) - _WINDOW + 1, _WINDOW // 2)
    }
    return sorted({window for layer in _layers(text) for window in windows if window in layer})


def strings_of(text: str) -> str:
    """Return each string of a JSON text once, as it is written in the text, one per line."""
    return "\n".join(dict.fromkeys(re.split(r'(?<!\\)"', text)))


def _layers(text: str) -> Iterator[str]:
    yield text
    yield from _decoded(text)
    for unescape in (unquote, html.unescape, _unescaped, _all_unescaped):
        layer, above = text, unescape(text)
        for _ in range(4):
            if layer == above:
                break
            yield above
            layer, above = above, unescape(above)
    yield from _decoded(above)


def _unescaped(text: str) -> str:
    text = re.sub(r"\\+(?:u00|x)([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"\\(.)", r"\1", text)


def _all_unescaped(text: str) -> str:
    return html.unescape(unquote(_unescaped(text)))


def _decoded(text: str) -> Iterator[str]:
    joined = re.sub(r"(?<=\S)(?:\\n|\n)(?=\S)", "", text)
    found = []
    for run in {*re.findall(r"[\w+/-]{12,}", text), *re.findall(r"[\w+/-]{12,}", joined)}:
        standard = run.replace("-", "+").replace("_", "/")
        for start in range(4):
            whole = standard[start : start + (len(standard) - start) // 4 * 4]
            with contextlib.suppress(binascii.Error, ValueError):
                found.append(base64.b64decode(whole).decode("latin-1"))
        if re.fullmatch("[0-9a-fA-F]+", run):
            found.append(bytes.fromhex(run[: len(run) // 2 * 2]).decode("latin-1"))
    yield "\n".join(found)


class Echo:
    """An application around another one that shows the secrets it is sent.

    It adds members to every JSON object that is answered, and headers to every answer. What
    `refused` selects, by (method, path), is answered by 418 with only secrets and `INSTRUCTIONS`.
    """

    def __init__(self, app: ASGIApp, refused: Callable[[str, str], bool]) -> None:
        self._app = app
        self._refused = refused
        #: The names of the headers in which credentials were received.
        self.seen: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        sent = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        self.seen |= sent.keys() & {"x-api-key", "authorization", "cookie"}
        if self._refused(scope["method"], scope["path"]):
            text = f"{across_cuts()}\n{INSTRUCTIONS}\n{everything()}"
            # An answer that cannot be read ends a check with an error.
            more = [(b"content-encoding", b"gzip")] if "/history" in scope["path"] else []
            await _answer(send, 418, b"text/plain; charset=utf-8", text.encode(), more)
            return
        started: list[Message] = []
        body = bytearray()

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message)
            else:
                body.extend(message.get("body", b""))

        await self._app(scope, receive, keep)
        kind = dict(started[0]["headers"]).get(b"content-type", b"")
        await _answer(send, started[0]["status"], kind, _with_echo(bytes(body), scope["path"]))


def everything() -> str:
    """Return every secret in every form, one per line."""
    return "\n".join(form for secret in SECRETS for form in forms_of(secret).values())


def _with_echo(body: bytes, path: str) -> bytes:
    try:
        value: Any = json.loads(body)
    except ValueError:
        return body
    if isinstance(value, dict) and path != "/info":
        # Always the same secret at one path, so that repeated answers are equal.
        secret = SECRETS[len(path) % len(SECRETS)]
        value["echo"] = {secret: forms_of(secret)}
        # As much as messages quote; the later cut, of recorded texts, is covered by refusals.
        value["across"] = across_cuts()[:5_000]
        value["orders"] = INSTRUCTIONS
    elif isinstance(value, dict):
        value |= {"name": f"srv {API_KEY} ../{INSTRUCTIONS}", "version": f"1.0 {INSTRUCTIONS}"}
    return json.dumps(value).encode()


async def _answer(
    send: Send, status: int, kind: bytes, body: bytes, more: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    echo = json.dumps([API_KEY, base64.b64encode(PASSWORD.encode()).decode()]).encode()
    headers = [
        (b"content-type", kind),
        (b"x-echo", echo),
        (b"set-cookie", f"session={COOKIE}".encode()),
        (b"content-length", str(len(body)).encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
