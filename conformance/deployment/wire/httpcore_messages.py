"""Requests and responses as httpcore takes and gives them."""

from __future__ import annotations

from collections.abc import Iterable

import httpcore
import httpx

from conformance.deployment.wire.incoming import Incoming


def core_request(request: httpx.Request) -> httpcore.Request:
    """Return the request as httpcore takes it."""
    assert isinstance(request.stream, httpx.SyncByteStream)
    return httpcore.Request(
        method=request.method,
        url=core_url(request.url),
        headers=request.headers.raw,
        content=request.stream,
    )


def core_url(url: httpx.URL) -> httpcore.URL:
    """Return the URL as httpcore takes it."""
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )


def incoming(response: httpcore.Response) -> Incoming:
    """Return what httpcore receives."""
    assert isinstance(response.stream, Iterable)
    kept = {
        name: response.extensions[name]
        for name in ("http_version", "reason_phrase")
        if name in response.extensions
    }
    return Incoming(response.status, response.headers, kept, response.stream)
