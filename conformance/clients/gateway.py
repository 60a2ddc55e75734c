"""A gateway from every documented client to the deployment, through our own client.

A client is given the URL of a small server on loopback. Its requests are forwarded through
the suite's client, so that guard, ledger, record, redaction and the user's headers apply as
for everything else, and the answer is returned unchanged.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from conformance.json_text import parse_json

HOST = "127.0.0.1"
#: Called with method, path with query, body and headers; `private` if the answer may hold
#: other people's threads.
Forward = Callable[..., httpx.Response]

# Headers that belong to one connection or are set again later, and credentials that a client found
# on this machine.
_NOT_SENT_ON = frozenset(
    {
        *("host", "connection", "keep-alive", "te", "transfer-encoding", "content-length"),
        *("accept-encoding", "expect", "x-api-key", "authorization", "cookie"),
    }
)
_NOT_SENT_BACK = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"}
)


@dataclass
class FlowTraffic:
    """The traffic of one flow: the answers, and the errors that kept a request from being sent."""

    private: bool = False
    answers: list[httpx.Response] = field(default_factory=list)
    problems: list[Exception] = field(default_factory=list)

    def last(self) -> Any:
        """Return the body of the last answer as JSON; None if there is none."""
        try:
            return parse_json(self.answers[-1].content)
        except (IndexError, ValueError):
            return None


class Gateway:
    """A local server at `url`, whose path other users of this machine cannot guess."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._passed = FlowTraffic()
        self._prefix = f"/{secrets.token_urlsafe(16)}"
        self._server = _Server((HOST, 0), partial(_Handler, self.pass_on))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://{HOST}:{self._server.server_port}{self._prefix}"

    @contextmanager
    def flow(self, *, private: bool = False) -> Iterator[FlowTraffic]:
        """Attribute the traffic in the block to one flow. With `private` it is not recorded."""
        self._passed = FlowTraffic(private)
        try:
            yield self._passed
        finally:
            self._passed = FlowTraffic()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def pass_on(
        self, method: str, target: str, content: bytes, headers: dict[str, str]
    ) -> httpx.Response:
        """Forward a request and return the answer; 403 if it could not be sent."""
        passed = self._passed
        if not target.startswith(f"{self._prefix}/"):
            return httpx.Response(404)
        kept = {name: value for name, value in headers.items() if name not in _NOT_SENT_ON}
        below = target.removeprefix(self._prefix)
        try:
            answer = self._forward(method, below, content, kept, private=passed.private)
        except Exception as problem:
            passed.problems.append(problem)
            # A status after which no client retries.
            return httpx.Response(403, json={"detail": f"not sent on: {type(problem).__name__}"})
        passed.answers.append(answer)
        return answer


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: a client reports a broken connection itself."""


class _Handler(BaseHTTPRequestHandler):
    """Serves one request per connection (HTTP/1.0), so that none stays open."""

    def __init__(self, pass_on: Callable[..., httpx.Response], *connection: Any) -> None:
        self._pass_on = pass_on
        super().__init__(*connection)

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        response = self._pass_on(self.command, self.path, content, headers)
        self.send_response_only(response.status_code)
        for name, value in response.headers.multi_items():
            if name.lower() not in _NOT_SENT_BACK:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.content)))
        self.end_headers()
        self.wfile.write(response.content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the exchanges are recorded."""
