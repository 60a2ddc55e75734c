"""Where a deployment's own OpenAPI document is read, and what is no such document."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from conformance.deployment.probe import own_openapi
from conformance.deployment.probe.own_openapi import AUTO, document_url, read_own_openapi
from conformance.deployment.probe.preflight import UnreachableError
from conformance.deployment.settings import Settings, SettingsError
from conformance.reference.server import HOST
from tests.conftest import Reply, answering, as_json

MakeSettings = Callable[..., Settings]


@pytest.mark.parametrize(
    ("url", "given", "expected"),
    [
        ("http://server:1", AUTO, "http://server:1/openapi.json"),
        ("http://server:1/base/", AUTO, "http://server:1/base/openapi.json"),
        ("http://server:1", "http://docs/api.json?v=2", "http://docs/api.json?v=2"),
    ],
)
def test_where_the_document_is(
    url: str, given: str, expected: str, settings_for: MakeSettings
) -> None:
    assert str(document_url(settings_for(url), given)) == expected


def test_headers_go_to_the_deployment_alone(settings_for: MakeSettings) -> None:
    """And not to another origin: another port is one."""
    secret = "a-secret-of-the-user"
    with keeping_headers() as (own, own_seen), keeping_headers() as (other, other_seen):
        settings = settings_for(own, headers=(("x-api-key", secret),))
        read_own_openapi(settings, AUTO)
        read_own_openapi(settings, f"{own}/elsewhere.json")
        read_own_openapi(settings, f"{other}/openapi.json")
    assert [each.get("x-api-key") for each in own_seen] == [secret, secret]
    assert [each.get("x-api-key") for each in other_seen] == [None]


NO_DOCUMENT: dict[str, tuple[Reply, str]] = {
    "nothing there": (as_json({"detail": "Not Found"}, 404), "answers 404"),
    "a redirection": (as_json({}, 302), "answers 302"),
    "no JSON": ((200, "text/html", b"<html>"), "is not JSON"),
    "no OpenAPI": (as_json([1]), "no OpenAPI document"),
    "no paths": (as_json({"openapi": "3.1.0"}), "no OpenAPI document"),
    "too deep": ((200, "application/json", b"[" * 100_000), "nests deeper than 500 levels"),
}


@pytest.mark.parametrize("case", NO_DOCUMENT)
def test_what_is_no_document_is_refused(case: str, settings_for: MakeSettings) -> None:
    reply, said = NO_DOCUMENT[case]
    with (
        answering(lambda *_: reply) as url,
        pytest.raises(SettingsError, match=said) as refused,
    ):
        read_own_openapi(settings_for(url), AUTO)
    assert f"{url}/openapi.json" in str(refused.value)
    assert "--schema-url" in str(refused.value)


def test_a_document_that_is_too_large(
    settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_openapi, "LARGEST", 2**20)
    reply = as_json({"paths": {}, "x": "x" * 2**20})
    with (
        answering(lambda *_: reply) as url,
        pytest.raises(SettingsError, match="longer than 1 MiB"),
    ):
        read_own_openapi(settings_for(url), AUTO)


def test_nobody_answers(settings_for: MakeSettings, reference: str) -> None:
    with pytest.raises(UnreachableError, match=r"no answer from http://127\.0\.0\.1:1/x"):
        read_own_openapi(settings_for(reference), "http://127.0.0.1:1/x")


@pytest.mark.parametrize("given", ["no url", "ftp://server/x", "http://", "http://[::"])
def test_what_is_no_url(given: str, settings_for: MakeSettings) -> None:
    with pytest.raises(SettingsError, match="is not a URL"):
        document_url(settings_for("http://server"), given)


@contextmanager
def keeping_headers() -> Iterator[tuple[str, list[Any]]]:
    """A server of a document, and the headers of each request that it got."""
    seen: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"paths": {}}')

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
