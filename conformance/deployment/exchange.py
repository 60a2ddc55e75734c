"""One recorded request with its response, as it may be stored and shown."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

#: Set in `request.extensions` where such statuses are the question, not trouble on the way.
EXPECTED_STATUSES = "threads_conformance_expects"
#: Longest body, in characters, that a report quotes of one exchange.
QUOTED_BODY = 4_000


@dataclass(frozen=True)
class Exchange:
    """A request and its answer, secrets already replaced.

    `operation` is a name of `conformance.contract.operations`; `elapsed_ms` is in
    milliseconds; `started_at` is RFC 3339 in UTC. `status` is None, and `error` says
    why, where no answer came. Bodies are text; None means that there was none.
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

    def curl(self) -> str:
        """A command that sends the same request from a shell."""
        parts = ["curl", "-sS", "-X", self.method, _quoted(self.url)]
        for name, value in self.request_headers:
            if name.lower() in _SENT_BY_CURL_ITSELF:
                continue
            parts += ["-H", _quoted(f"{name}: {value}")]
        if self.request_body is not None:
            parts += ["--data-raw", _quoted(self.request_body)]
        return " ".join(parts)

    def summary(self) -> dict[str, Any]:
        """What a report quotes of it: bodies cut at `QUOTED_BODY` characters."""
        return {
            "operation": self.operation,
            "method": self.method,
            "url": self.url,
            "request_body": _cut(self.request_body),
            "status": self.status,
            "response_body": _cut(self.response_body),
            "error": self.error,
            "elapsed_ms": round(self.elapsed_ms, 2),
            "curl": self.curl(),
        }

    def to_json(self) -> str:
        """One line of the file through which workers hand over their exchanges."""
        return json.dumps(asdict(self), ensure_ascii=True)

    @classmethod
    def from_json(cls, line: str) -> Exchange:
        """Read what `to_json` wrote."""
        data = json.loads(line)
        for name in ("request_headers", "response_headers"):
            data[name] = tuple((key, value) for key, value in data[name])
        return cls(**data)


_SENT_BY_CURL_ITSELF = frozenset(
    {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length"}
)


def _quoted(text: str) -> str:
    """`text` in single quotes, always, so that a shell variable can be set into it."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _cut(body: str | None) -> str | None:
    if body is None or len(body) <= QUOTED_BODY:
        return body
    return f"{body[:QUOTED_BODY]}… ({len(body)} characters in all)"
