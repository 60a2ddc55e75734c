"""A client that hands each request to one transport, by a shorter way than `httpx.Client`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import httpx

_AUTHORIZATION = "Authorization"


class DirectClient:
    """A client whose requests are, byte for byte, those of an `httpx.Client`.

    What such a client does for others is left out: it follows no redirects, calls no hooks, and
    reads the environment for nothing. That takes a third of the time of a request on loopback.
    Cookies of answers are sent back, and user-info of `base_url` by Basic authentication.
    Time limits are in seconds.
    """

    def __init__(
        self,
        *,
        base_url: httpx.URL,
        transport: httpx.BaseTransport,
        headers: Sequence[tuple[str, str]],
        timeout_s: float,
    ) -> None:
        self._transport = transport
        self._headers = httpx.Client(headers=list(headers), transport=transport).headers
        self._headers_raw = self._headers.raw
        self._base = str(base_url).rstrip("/")
        self._authorization = _basic_authorization(base_url)
        self._timeout = httpx.Timeout(timeout_s).as_dict()
        self._cookies = httpx.Cookies()

    def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        params: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        extensions: dict[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """Send a request and return its answer, read to the end; raise `httpx.HTTPError`.

        `url` is path and query below `base_url`, and begins with a slash. Without `timeout_s` the
        time limit is that of the client.
        """
        limits = self._timeout if timeout_s is None else httpx.Timeout(timeout_s).as_dict()
        request = httpx.Request(
            method,
            _url(f"{self._base}/{url.lstrip('/')}"),
            content=content,
            params=params,
            headers=self._merged(headers) if headers else self._headers_raw,
            cookies=self._cookies if len(self._cookies.jar) else None,
            extensions={**(extensions or {}), "timeout": limits},
        )
        if self._authorization:
            request.headers[_AUTHORIZATION] = self._authorization
        response = self._transport.handle_request(request)
        response.request = request
        if "set-cookie" in response.headers:
            self._cookies.extract_cookies(response)
        return response

    def _merged(self, headers: Mapping[str, str]) -> httpx.Headers:
        merged = self._headers.copy()
        merged.update(headers)
        return merged


@lru_cache(maxsize=1024)
def _url(text: str) -> httpx.URL:
    """Return a parsed URL: a thread is read again and again."""
    return httpx.URL(text)


def _basic_authorization(url: httpx.URL) -> str | None:
    """Return the header for the user-info of a URL; None without any."""
    if not (url.username or url.password):
        return None
    flow = httpx.BasicAuth(url.username, url.password).sync_auth_flow(httpx.Request("GET", url))
    return next(flow).headers[_AUTHORIZATION]
