"""The client of the suite sends what `httpx.Client` would send."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from conformance.deployment.wire.direct_client import DirectClient

HEADERS = [("Accept-Encoding", "gzip"), ("X-Api-Key", "secret"), ("X-Two", "a"), ("X-Two", "b")]
COOKIE = "a=1; Path=/"


class Sent:
    """A transport that keeps what it is handed, and answers with a cookie."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(204, headers={"Set-Cookie": COOKIE}, request=request)


@pytest.mark.parametrize(
    "base", ["http://h", "http://h:81/some%20/path/", "https://me:p%40ss@h/x", "http://[::1]:5"]
)
@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/threads/%00", {}),
        ("GET", "/threads/a%2Fb/history", {"params": {"limit": 5, "before": "a b/ü"}}),
        ("GET", "/threads?a=1&b=%20", {}),
        ("POST", "/threads", {"content": b"{}", "headers": {"Content-Type": "text/plain"}}),
        ("POST", "/threads/1/copy", {"headers": {"x-two": "c", "Accept": "none"}}),
        ("PATCH", "/threads/1", {"content": b""}),
        ("DELETE", "/threads/1", {}),
    ],
)
def test_requests_are_those_of_an_ordinary_client(
    base: str, method: str, path: str, options: dict[str, Any]
) -> None:
    direct, ordinary = Sent(), Sent()
    one = DirectClient(
        base_url=httpx.URL(base), transport=direct.transport, headers=HEADERS, timeout_s=7.0
    )
    with httpx.Client(
        base_url=base, transport=ordinary.transport, headers=HEADERS, timeout=7.0
    ) as other:
        for _ in range(2):  # the second request sends the cookie back
            one.request(method, path, **options)
            other.request(method, path, **options)
    for ours, theirs in zip(direct.requests, ordinary.requests, strict=True):
        assert ours.method == theirs.method
        assert str(ours.url) == str(theirs.url)
        assert ours.url.raw_path == theirs.url.raw_path
        assert ours.headers.raw == theirs.headers.raw
        assert ours.content == theirs.content
        assert ours.extensions == theirs.extensions
    assert direct.requests[1].headers["cookie"] == "a=1"


def test_a_request_may_have_a_time_limit_of_its_own() -> None:
    sent = Sent()
    client = DirectClient(
        base_url=httpx.URL("http://h"), transport=sent.transport, headers=(), timeout_s=7.0
    )
    client.request("GET", "/ok", timeout_s=1.5)
    client.request("GET", "/ok")
    assert [each.extensions["timeout"]["read"] for each in sent.requests] == [1.5, 7.0]
