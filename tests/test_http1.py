"""A connection by HTTP/1.1: what is a response, where it ends, and when the connection is kept."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import httpx
import pytest

from conformance.deployment.wire.http import HttpTransport
from tests.sockets import head_of, raw_server, reply_with, response

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def client(timeout: float = 20.0) -> httpx.Client:
    return httpx.Client(transport=HttpTransport(), timeout=timeout)


def answered(*parts: bytes, method: str = "GET") -> httpx.Response:
    """Return the response to one request that a server answers with these bytes."""
    with raw_server(reply_and_close(*parts)) as at, client() as http:
        return http.request(method, f"http://{at}/")


def reply_and_close(*parts: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def handle(connection: socket.socket, _over: threading.Event) -> None:
        head_of(connection)
        for part in parts:
            connection.sendall(part)

    return handle


# ---- what is read --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "status", "text"),
    [
        pytest.param([response(b"whole")], 200, "whole", id="with a length"),
        pytest.param([OK + b"\r\nto the", b" end"], 200, "to the end", id="to the end"),
        pytest.param([b"HTTP/1.0 200 OK\r\n\r\nold"], 200, "old", id="HTTP/1.0"),
        pytest.param(
            [CHUNKED, b"2\r\nin\r\n", b"3\r\nto \r\n0\r\n\r\n"], 200, "into ", id="chunks"
        ),
        pytest.param([CHUNKED + b"2;a=b\r\nin\r\n0\r\nX: y\r\n\r\n"], 200, "in", id="trailers"),
        pytest.param([CHUNKED + b"2 \r\nin\r\n0\r\n\r\n"], 200, "in", id="padded size"),
        pytest.param([b"HTTP/1.1 200 OK\nContent-Length: 2\n\nin"], 200, "in", id="LF alone"),
        pytest.param([b"HTTP/1.1 204\r\n\r\n"], 204, "", id="no reason"),
        pytest.param([b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n"], 304, "", id="304"),
        pytest.param(
            [
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\n",
                response(b"at last"),
            ],
            200,
            "at last",
            id="interim responses",
        ),
        pytest.param(
            [b"HTTP/1.1 104 I\r\nContent-Length: 2\r\n\r\nxx", response(b"in")],
            200,
            "in",
            id="an interim response with a body",
        ),
        pytest.param(
            [b"HTTP/1.1 103 Early\r\nConnection: close\r\n\r\n" + response(b"in")],
            200,
            "in",
            id="an interim response that announces the end",
        ),
        pytest.param([OK + b"Transfer-Encoding: identity\r\n\r\nin"], 200, "in", id="no coding"),
        pytest.param(
            [b"HTTP/1.1 304 Same\r\nContent-Length: 99999999999\r\n\r\n"], 304, "", id="long 304"
        ),
        pytest.param(
            [OK + b"Content-Length: " + b"0" * 5000 + b"2\r\n\r\nin"], 200, "in", id="zeros"
        ),
        pytest.param(
            [b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n\0\0"],
            101,
            "",
            id="another protocol",
        ),
        pytest.param(
            [OK + b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nin"],
            200,
            "in",
            id="another protocol is offered",
        ),
    ],
)
def test_a_response_is_read_to_its_end(parts: list[bytes], status: int, text: str) -> None:
    got = answered(*parts)
    assert (got.status_code, got.text) == (status, text)
    assert "x" not in got.headers


def test_a_response_to_head_has_no_body() -> None:
    got = answered(OK + b"Content-Length: 5\r\n\r\n", method="HEAD")
    assert (got.headers["content-length"], got.content) == ("5", b"")


def test_the_length_of_what_head_does_not_send_is_no_matter() -> None:
    got = answered(OK + b"Content-Length: 99999999999\r\n\r\n", method="HEAD")
    assert got.content == b""


def test_a_folded_header_is_one_line() -> None:
    got = answered(OK + b"X: a\r\n b\r\n\tc\r\nContent-Length: 0\r\n\r\n")
    assert got.headers["x"].split() == ["a", "b", "c"]
    assert "\n" not in got.headers["x"]


def test_an_answer_that_comes_while_a_large_body_is_sent() -> None:
    def handle(connection: socket.socket, _over: threading.Event) -> None:
        head_of(connection)
        connection.sendall(response(b"too large", status="413 Content Too Large"))

    with raw_server(handle) as at, client() as http:
        for _ in range(3):
            assert http.post(f"http://{at}/", content=b"x" * 2**23).status_code == 413


def test_headers_are_as_they_were_sent() -> None:
    got = answered(
        OK + b"X-One: a\r\nx-one:  b \r\nX-Empty:\r\nX-Bytes: \xfc\r\nContent-Length: 0\r\n\r\n"
    )
    assert got.headers.raw[:4] == [
        (b"X-One", b"a"),
        (b"x-one", b"b"),
        (b"X-Empty", b""),
        (b"X-Bytes", b"\xfc"),
    ]
    assert (got.http_version, got.reason_phrase) == ("HTTP/1.1", "OK")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        pytest.param([], "without sending a response", id="nothing"),
        pytest.param([b"HTTP/1.1 20"], "within the head", id="part of a head"),
        pytest.param(
            [OK + b"Content-Length: 5\r\n\r\nin"], "complete message body", id="too short"
        ),
        pytest.param([CHUNKED + b"5\r\nin"], "complete message body", id="part of a chunk"),
        pytest.param([CHUNKED + b"2\r\nin\r\n"], "complete message body", id="no last chunk"),
        pytest.param([CHUNKED + b"2\r\nin\r\nzz\r\n"], "not HTTP/1.1", id="no chunk"),
        pytest.param([b"SSH-2.0-x\r\n"], "not HTTP/1.1", id="another protocol"),
        pytest.param([b"HTTP/1.1 two OK\r\n\r\n"], "not HTTP/1.1", id="no status"),
        pytest.param([OK + b"a b: c\r\n\r\n"], "not HTTP/1.1", id="no header name"),
        pytest.param([OK + b"a: b\0c\r\n\r\n"], "not HTTP/1.1", id="no header value"),
        pytest.param([OK + b"a: b\x01c\r\n\r\n"], "control character", id="a control character"),
        *(
            pytest.param(
                [OK + b"Transfer-Encoding: " + coding + b"\r\n\r\n2\r\nin\r\n0\r\n\r\n"],
                "transfer coding",
                id=coding.decode(),
            )
            for coding in (b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked")
        ),
        pytest.param(
            [CHUNKED + b"2\r\nin\r\n0\r\nX: " + b"y" * 300_000], "more framing", id="trailers"
        ),
        pytest.param([OK + b"Content-Length: -1\r\n\r\n"], "not HTTP/1.1", id="no length"),
        pytest.param(
            [OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nin"], "not HTTP/1.1", id="lengths"
        ),
        pytest.param(
            [OK, *[b"X: " + b"y" * 1000 + b"\r\n"] * 200], "longer than 100 KiB", id="head"
        ),
        pytest.param(
            [CHUNKED, b"1;" + b"x" * 300_000 + b"\r\na\r\n"], "more framing than body", id="framing"
        ),
    ],
)
def test_what_is_no_response(parts: list[bytes], told: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match=told):
        answered(*parts)


# ---- what is sent --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "secret\r\nY: b"),
        ("X", "secret\nb"),
        ("X", "secret\0"),
        ("X", " secret"),
        ("X Y", "secret"),
        ("", "secret"),
    ],
)
def test_what_would_be_another_header_is_not_sent(name: str, value: str) -> None:
    with (
        raw_server(no_request) as at,
        client() as http,
        pytest.raises(httpx.LocalProtocolError) as raised,
    ):
        http.get(f"http://{at}/", headers={name: value})
    # The value may be a credential.
    assert "secret" not in str(raised.value)


def no_request(connection: socket.socket, _over: threading.Event) -> None:
    assert connection.recv(1) == b""


def test_another_scheme_is_refused() -> None:
    with client() as http, pytest.raises(httpx.UnsupportedProtocol):
        http.get("ftp://127.0.0.1/")


# ---- when the connection is kept -----------------------------------------------------


def connections_for(requests: int, *parts: bytes, method: str = "GET") -> tuple[int, list[str]]:
    """Return how many connections so many requests take, one after another, and their bodies."""
    connections = 0

    def handle(connection: socket.socket, over: threading.Event) -> None:
        nonlocal connections
        connections += 1
        reply_with(*parts)(connection, over)

    with raw_server(handle) as at, client() as http:
        texts = [http.request(method, f"http://{at}/").text for _ in range(requests)]
    return connections, texts


@pytest.mark.parametrize(
    "parts",
    [
        [response(b"in")],
        [CHUNKED + b"2\r\nin\r\n0\r\n\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\n" + response(b"in")],
        [b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nin"],
    ],
)
def test_a_connection_is_kept_for_the_next_request(parts: list[bytes]) -> None:
    assert connections_for(3, *parts) == (1, ["in"] * 3)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([response(b"in", "Connection: close")], id="closed by the server"),
        pytest.param([b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nin"], id="HTTP/1.0"),
        pytest.param([response(b"in") + b"more"], id="more than its length"),
        pytest.param(
            [
                b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"2\r\nin\r\n0\r\n\r\n"
            ],
            id="chunked by HTTP/1.0",
        ),
        pytest.param([response(b"in") + response(b"another")], id="another response"),
    ],
)
def test_a_connection_is_not_kept(parts: list[bytes]) -> None:
    assert connections_for(3, *parts) == (3, ["in"] * 3)


def test_the_body_of_a_204_is_not_read_as_the_next_response() -> None:
    assert connections_for(3, b"HTTP/1.1 204 No\r\n\r\n{}") == (3, [""] * 3)


@pytest.mark.parametrize("after", [b"", b"\0\0data", response(b"another")])
def test_a_connection_that_speaks_another_protocol_is_not_kept(after: bytes) -> None:
    switch = b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    assert connections_for(3, switch + after) == (3, [""] * 3)


def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    closed = threading.Event()

    def handle(connection: socket.socket, _over: threading.Event) -> None:
        head_of(connection)
        connection.sendall(response(b"once"))
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with raw_server(handle) as at, client() as http:
        for _ in range(3):
            closed.clear()
            assert http.get(f"http://{at}/").text == "once"
            assert closed.wait(10)


def test_requests_at_the_same_time_have_connections_of_their_own() -> None:
    both = threading.Barrier(2)
    texts: list[str] = []

    def handle(connection: socket.socket, _over: threading.Event) -> None:
        head_of(connection)
        both.wait(10)
        connection.sendall(response(b"together"))

    with raw_server(handle) as at, client() as http:
        asking = [
            threading.Thread(target=lambda: texts.append(http.get(f"http://{at}/").text))
            for _ in range(2)
        ]
        for each in asking:
            each.start()
        for each in asking:
            each.join(20)
    assert texts == ["together"] * 2
