"""exchanges.har: every request of a run, as HTTP Archive 1.2.

Source: the HAR 1.2 specification, http://www.softwareishard.com/blog/har-12-spec/.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TextIO
from urllib.parse import parse_qsl, urldefrag, urlsplit

import harfile

from conformance.deployment.record.exchange import Exchange

#: Longer bodies are truncated to this many bytes.
BODY_LIMIT = 64 * 1024


def write_har(exchanges: Iterable[Exchange], file: TextIO, suite_version: str) -> None:
    """Write `exchanges` to `file` one at a time, without keeping them in memory."""
    creator = harfile.Creator(name="threads-conformance", version=suite_version)
    with harfile.HarFile(file, creator=creator) as archive:
        for exchange in exchanges:
            archive.add_entry(
                startedDateTime=exchange.started_at,
                time=exchange.elapsed_ms,
                request=_request(exchange),
                response=_response(exchange),
                timings=harfile.Timings(send=0, wait=exchange.elapsed_ms, receive=0),
                comment=f"{exchange.operation} in {exchange.check}",
            )


def _request(exchange: Exchange) -> harfile.Request:
    body, size, comment = _truncate(exchange.request_body)
    post = None
    if body is not None:
        mime_type = _header_value(exchange.request_headers, "content-type")
        post = harfile.PostData(mimeType=mime_type, text=body, comment=comment)
    return harfile.Request(
        method=exchange.method,
        url=urldefrag(exchange.url).url,
        httpVersion=exchange.http_version,
        headers=_records(exchange.request_headers),
        queryString=_records(parse_qsl(urlsplit(exchange.url).query, keep_blank_values=True)),
        postData=post,
        bodySize=size,
    )


def _response(exchange: Exchange) -> harfile.Response:
    body, size, comment = _truncate(exchange.response_body)
    status = exchange.status or 0
    return harfile.Response(
        status=status,
        statusText=_reason_phrase(status),
        httpVersion=exchange.http_version,
        headers=_records(exchange.response_headers),
        content=harfile.Content(
            size=size,
            mimeType=_header_value(exchange.response_headers, "content-type"),
            text=body,
            comment=comment,
        ),
        redirectURL=_header_value(exchange.response_headers, "location"),
        bodySize=size if exchange.status is not None else -1,
        comment=exchange.error,
    )


def _truncate(body: str | None) -> tuple[str | None, int, str | None]:
    """Return the body, truncated if too long, its full size in bytes, and a remark if truncated."""
    if body is None:
        return None, 0, None
    data = body.encode("utf-8", "surrogatepass")
    if len(data) <= BODY_LIMIT:
        return body, len(data), None
    kept = data[:BODY_LIMIT].decode("utf-8", "ignore")
    return kept, len(data), f"cut to the first {BODY_LIMIT} of {len(data)} bytes"


def _records(pairs: Iterable[tuple[str, str]]) -> list[harfile.Record]:
    return [harfile.Record(name=name, value=value) for name, value in pairs]


def _header_value(headers: tuple[tuple[str, str], ...], wanted: str) -> str:
    return next((value for name, value in headers if name.lower() == wanted), "")


def _reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
