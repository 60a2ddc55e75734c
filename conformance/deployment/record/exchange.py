"""One recorded request with its response, as it is stored and shown."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from conformance.safe_text import harmless

#: Longest body, in characters, that a report quotes of one exchange.
QUOTED_BODY = 4_000
#: The status of a server that failed to handle a request. Other 5xx come from a gateway, or say
#: that an operation is missing.
INTERNAL_SERVER_ERROR = 500


@dataclass(frozen=True)
class Exchange:
    """A request and its response, secrets already replaced.

    `operation` is a name of `conformance.contract.operations`; `elapsed_ms` is in
    milliseconds; `started_at` is RFC 3339 in UTC. Without a response `status` is None and
    `error` says why. Bodies are text; None means that there was none. `after_restart`: the suite
    restarted the deployment before this request.
    """

    check: str
    operation: str
    method: str
    url: str
    request_headers: tuple[tuple[str, str], ...]
    request_body: str | None
    started_at: str
    elapsed_ms: float
    status: int | None = None
    response_headers: tuple[tuple[str, str], ...] = ()
    response_body: str | None = None
    error: str | None = None
    after_restart: bool = False
    #: As HAR names it, such as `HTTP/2`.
    http_version: str = "HTTP/1.1"

    def curl(self) -> str:
        """Return a shell command that sends the same request."""
        parts = ["curl", "-sS", "-X", self.method, shell_quote(self.url)]
        for name, value in self.request_headers:
            if name.lower() in SENT_BY_CURL_ITSELF:
                continue
            parts += ["-H", shell_quote(f"{name}: {value}")]
        if self.request_body is not None:
            parts += ["--data-raw", shell_quote(self.request_body)]
        return " ".join(parts)

    def summary(self) -> dict[str, Any]:
        """Return what a report quotes: bodies are cut at `QUOTED_BODY` characters."""
        return {
            "operation": self.operation,
            "method": self.method,
            "url": self.url,
            "request_body": _shorten_body(self.request_body),
            "status": self.status,
            "response_body": _shorten_body(self.response_body),
            "error": harmless(self.error) if self.error else self.error,
            "elapsed_ms": round(self.elapsed_ms, 2),
            "curl": self.curl(),
        }

    @property
    def is_server_error(self) -> bool:
        """Whether the status is 500 and the body is not HTML, which a proxy may have written."""
        if self.status != INTERNAL_SERVER_ERROR:
            return False
        kinds = [value for name, value in self.response_headers if name.lower() == "content-type"]
        begins = (self.response_body or "").lstrip()[:9].lower()
        return "html" not in "".join(kinds).lower() and not begins.startswith(
            ("<!doctype", "<html")
        )

    def to_json(self) -> str:
        """Serialise as one line of the file in which a worker records its exchanges."""
        try:
            return _ENCODER.encode(self).decode()
        except UnicodeEncodeError:
            # UTF-8 has no lone surrogates, which only an escape can show.
            return json.dumps(asdict(self), ensure_ascii=True)

    @classmethod
    def from_json(cls, line: str | bytes) -> Exchange:
        """Parse a line that `to_json` wrote; raise `ValueError` for an incomplete one."""
        try:
            return _DECODER.decode(line)
        except msgspec.DecodeError:
            # A lone surrogate, or an incomplete line.
            data = json.loads(line)
        for name in ("request_headers", "response_headers"):
            data[name] = tuple((key, value) for key, value in data[name])
        return cls(**data)


#: Every request of a run is written and read by these: `json` takes ten times as long.
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Exchange)

#: Headers that curl sends by itself.
SENT_BY_CURL_ITSELF = frozenset(
    {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length"}
)


def shell_quote(text: str) -> str:
    """Quote for a shell, always in single quotes, so that a variable can be inserted later."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _shorten_body(body: str | None) -> str | None:
    if body is None:
        return None
    # Lines of an event stream may end with CR LF.
    shown = harmless(body.replace("\r\n", "\n"))
    if len(shown) <= QUOTED_BODY:
        return shown
    return f"{shown[:QUOTED_BODY]}… ({len(shown)} characters in all)"
