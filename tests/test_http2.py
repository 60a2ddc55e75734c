"""HTTP/2, where a server offers it in the TLS handshake: one request at a time on a connection."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.settings
import hpack
import httpx
import pytest
from hyperframe.frame import GoAwayFrame, HeadersFrame, RstStreamFrame

from conformance.deployment.connect import connect
from conformance.deployment.settings import Settings
from conformance.deployment.wire.deadline_connections import DeadlineError
from conformance.deployment.wire.http import HttpTransport
from conformance.deployment.wire.stream_reading import READER, Reader
from tests.sockets import certificate, raw_server, reply_with, response

MakeSettings = Callable[..., Settings]
Answer = Callable[["Http2Server", int], None]
#: Bytes of bodies that HTTP/2 allows to be sent before the server allows more.
FIRST_WINDOW = 65535
#: Bytes of a response that our client allows beside them.
RECEIVED_WINDOW = 2**24
EVENTS = [(":status", "200"), ("content-type", "text/event-stream")]


class Http2Server:
    """The server's side of one connection; `answer` is called with the id of each request."""

    def __init__(self, connection: socket.socket, answer: Answer) -> None:
        self.socket = connection
        self._answer = answer
        self.ended = False
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config=config)

    def serve(self) -> None:
        """Answer requests until the client disconnects, or `answer` has ended the connection."""
        self.h2.initiate_connection()
        self.flush()
        while not self.ended and (received := self.socket.recv(65536)):
            for event in self.h2.receive_data(received):
                if isinstance(event, h2.events.DataReceived):
                    assert event.flow_controlled_length is not None
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    assert event.stream_id is not None
                    self._answer(self, event.stream_id)
            self.flush()
        # To close with something unread would take back what was sent.
        while self.socket.recv(65536):
            continue

    def flush(self) -> None:
        """Send what is to be sent."""
        self.socket.sendall(self.h2.data_to_send())

    def send(self, request: int, text: str) -> None:
        """Answer a request with 200 and a text."""
        self.h2.send_headers(request, [(":status", "200"), ("content-length", str(len(text)))])
        self.h2.send_data(request, text.encode(), end_stream=True)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context that offers HTTP/2, and the file of its certificate."""
    made = certificate(tmp_path_factory.mktemp("tls"))
    if made is None:
        pytest.skip("openssl is not installed")
    made[0].set_alpn_protocols(["h2", "http/1.1"])
    return made


@contextmanager
def serving(tls: tuple[ssl.SSLContext, Path], answer: Answer) -> Iterator[tuple[str, httpx.Client]]:
    """Yield the URL of a server that answers by HTTP/2, and a client."""

    def handle(connection: socket.socket, _over: threading.Event) -> None:
        Http2Server(connection, answer).serve()

    with raw_server(handle, tls[0]) as at, client(tls) as http:
        yield f"https://{at}/", http


def client(tls: tuple[ssl.SSLContext, Path]) -> httpx.Client:
    trusting = ssl.create_default_context(cafile=str(tls[1]))
    return httpx.Client(transport=HttpTransport(tls=trusting), timeout=20.0)


def test_it_is_used_where_it_is_offered(tls: tuple[ssl.SSLContext, Path]) -> None:
    requests: list[tuple[int, int]] = []

    def answer(server: Http2Server, request: int) -> None:
        requests.append((id(server), request))
        server.send(request, f"request {request}")

    with serving(tls, answer) as (url, http):
        answers = [http.post(url, content=b"x" * 100_000) for _ in range(3)]
    assert [each.http_version for each in answers] == ["HTTP/2"] * 3
    assert [each.text for each in answers] == ["request 1", "request 3", "request 5"]
    assert len({server for server, _ in requests}) == 1


def test_it_is_recorded(tls: tuple[ssl.SSLContext, Path], settings_for: MakeSettings) -> None:
    with serving(tls, lambda server, request: server.send(request, "{}")) as (url, _):
        settings = settings_for(url.rstrip("/"), ca_bundle=str(tls[1]))
        with connect(settings) as connection, connection.recorder.check("any") as seen:
            connection.client.info()
    assert [each.http_version for each in seen] == ["HTTP/2"]


def test_it_is_not_used_where_it_is_not_offered(tls: tuple[ssl.SSLContext, Path]) -> None:
    context, pem = tls
    context.set_alpn_protocols(["http/1.1"])
    try:
        with raw_server(reply_with(response(b"in")), context) as at, client((context, pem)) as http:
            assert http.get(f"https://{at}/").http_version == "HTTP/1.1"
    finally:
        context.set_alpn_protocols(["h2", "http/1.1"])


def test_the_time_limit_of_one_request_ends_no_other(tls: tuple[ssl.SSLContext, Path]) -> None:
    late = threading.Event()
    texts: list[str] = []
    lock, seen = threading.Lock(), 0

    def answer(server: Http2Server, request: int) -> None:
        nonlocal seen
        with lock:
            seen += 1
            first = seen == 1
        if first:
            return
        # The other's time is over while this one is asked.
        late.wait(10)
        server.send(request, "in time")

    with serving(tls, answer) as (url, http):

        def ask() -> None:
            with pytest.raises(DeadlineError):
                http.get(url, timeout=0.3)
            late.set()

        asking = threading.Thread(target=ask)
        asking.start()
        while not seen:
            asking.join(0.01)
        texts.append(http.get(url).text)
        asking.join(20)
    assert texts == ["in time"]


def test_who_leaves_a_stream_disconnects(tls: tuple[ssl.SSLContext, Path]) -> None:
    connections: list[Http2Server] = []
    left = threading.Event()

    def answer(server: Http2Server, request: int) -> None:
        connections.append(server)
        if len(connections) > 1:
            server.send(request, "another connection")
            return
        server.h2.send_headers(request, EVENTS)
        server.h2.send_data(request, b"data: 1\n\n")
        server.flush()
        while server.socket.recv(65536):
            continue
        left.set()

    with serving(tls, answer) as (url, http):
        reader = Reader(enough=lambda body: b"data: 1" in body)
        assert http.get(url, extensions={READER: reader}).text == "data: 1\n\n"
        assert left.wait(10)
        assert http.get(url).text == "another connection"
    assert connections[0] is not connections[1]


def test_a_request_after_the_end_of_a_connection_goes_by_another(
    tls: tuple[ssl.SSLContext, Path],
) -> None:
    servers: list[Http2Server] = []

    def answer(server: Http2Server, request: int) -> None:
        servers.append(server)
        server.send(request, "in")
        # As servers do after so many requests: what is asked later is not looked at.
        server.h2.close_connection(last_stream_id=request)
        server.ended = True

    with serving(tls, answer) as (url, http):
        assert [http.get(url).text for _ in range(3)] == ["in"] * 3
    assert len(set(map(id, servers))) == 3


@pytest.mark.parametrize("when", ["before", "within", "after"])
def test_the_last_response_of_a_connection_is_read(
    when: str, tls: tuple[ssl.SSLContext, Path]
) -> None:
    servers: list[Http2Server] = []

    def answer(server: Http2Server, request: int) -> None:
        servers.append(server)
        goaway = GoAwayFrame(0, last_stream_id=request).serialize()
        head, data = [(":status", "200")], b"the last"
        if when == "before":
            server.socket.sendall(goaway)
        server.h2.send_headers(request, head)
        server.flush()
        if when == "within":
            server.socket.sendall(goaway)
        server.h2.send_data(request, data, end_stream=True)
        server.flush()
        if when == "after":
            server.socket.sendall(goaway)
        server.ended = True

    with serving(tls, answer) as (url, http):
        assert [http.get(url).text for _ in range(2)] == ["the last"] * 2
    assert servers[0] is not servers[1]


def test_a_request_that_the_server_did_not_take_goes_by_another_connection(
    tls: tuple[ssl.SSLContext, Path],
) -> None:
    servers: list[Http2Server] = []

    def answer(server: Http2Server, request: int) -> None:
        servers.append(server)
        if len(servers) == 2:
            server.socket.sendall(GoAwayFrame(0, last_stream_id=request - 2).serialize())
            server.ended = True
            return
        server.send(request, "in")

    with serving(tls, answer) as (url, http):
        assert [http.get(url).text for _ in range(2)] == ["in"] * 2
    assert len(servers) == 3
    assert servers[0] is servers[1] is not servers[2]


def test_a_server_that_takes_no_request_on_any_connection(
    tls: tuple[ssl.SSLContext, Path],
) -> None:
    asked: list[int] = []

    def answer(server: Http2Server, request: int) -> None:
        asked.append(request)
        server.socket.sendall(GoAwayFrame(0, last_stream_id=0).serialize())
        server.ended = True

    with (
        serving(tls, answer) as (url, http),
        pytest.raises(httpx.RemoteProtocolError, match="before it took the request"),
    ):
        http.get(url)
    assert asked == [1, 1]


@pytest.mark.slow
def test_what_comes_while_a_body_cannot_be_sent_does_not_fill_the_memory(
    tls: tuple[ssl.SSLContext, Path],
) -> None:
    sent = 0

    def flood(server: Http2Server, number: int, _acknowledged: bool) -> None:
        nonlocal sent
        server.h2.send_headers(number, [(":status", "200")])
        server.socket.settimeout(0.3)
        while sent < 3 * RECEIVED_WINDOW:
            if not (room := min(server.h2.local_flow_control_window(number), 2**14)):
                with suppress(TimeoutError):
                    server.h2.receive_data(server.socket.recv(65536))
                    continue
                break
            server.h2.send_data(number, bytes(room))
            server.flush()
            sent += room
        server.socket.settimeout(None)
        while server.socket.recv(65536):
            continue

    with counting(tls, flood) as (url, http), pytest.raises(DeadlineError):
        http.post(url, content=b"x" * 100_000, timeout=2.0)
    assert RECEIVED_WINDOW <= sent <= RECEIVED_WINDOW + FIRST_WINDOW


def test_a_response_that_breaks_off_with_its_connection(tls: tuple[ssl.SSLContext, Path]) -> None:
    def answer(server: Http2Server, request: int) -> None:
        server.h2.send_headers(request, [(":status", "200")])
        server.flush()
        server.socket.sendall(GoAwayFrame(0, last_stream_id=0).serialize())
        server.ended = True

    with serving(tls, answer) as (url, http), pytest.raises(httpx.RemoteProtocolError):
        http.get(url)


@pytest.mark.parametrize("reset", [False, True])
def test_an_answer_that_comes_before_the_whole_body_is_sent(
    reset: bool, tls: tuple[ssl.SSLContext, Path]
) -> None:
    def handle(connection: socket.socket, over: threading.Event) -> None:
        server = Http2Server(connection, lambda *_: None)
        server.h2.initiate_connection()
        server.flush()
        number = 0
        while not number:
            for event in server.h2.receive_data(connection.recv(65536)):
                if isinstance(event, h2.events.RequestReceived):
                    number = event.stream_id or 0
        # No further byte of the body is allowed.
        server.h2.send_headers(number, [(":status", "413")], end_stream=True)
        server.flush()
        if reset:
            connection.sendall(RstStreamFrame(number, error_code=0).serialize())
        over.wait(10)

    with raw_server(handle, tls[0]) as at, client(tls) as http:
        assert http.post(f"https://{at}/", content=b"x" * 300_000).status_code == 413


@contextmanager
def counting(
    tls: tuple[ssl.SSLContext, Path], meanwhile: Callable[[Http2Server, int, bool], None]
) -> Iterator[tuple[str, httpx.Client]]:
    """A server that answers how many bytes the body of a request has.

    Whenever it has received something, it calls `meanwhile` with the id of the request, once the
    first window is used up, and whether the client has acknowledged settings since then.
    """

    def handle(connection: socket.socket, _over: threading.Event) -> None:
        server = Http2Server(connection, lambda *_: None)
        server.h2.initiate_connection()
        server.flush()
        received, number, ended = 0, 0, False
        while not ended:
            was_full, acknowledged = received >= FIRST_WINDOW, False
            if not (arrived := connection.recv(65536)):
                return
            for event in server.h2.receive_data(arrived):
                if isinstance(event, h2.events.DataReceived):
                    received += len(event.data or b"")
                    number = event.stream_id or 0
                acknowledged |= isinstance(event, h2.events.SettingsAcknowledged)
                ended |= isinstance(event, h2.events.StreamEnded)
            if received >= FIRST_WINDOW and not ended:
                meanwhile(server, number, was_full and acknowledged)
            server.flush()
        server.send(number, str(received))
        server.flush()

    with raw_server(handle, tls[0]) as at, client(tls) as http:
        yield f"https://{at}/", http


def allow_more(server: Http2Server, number: int) -> None:
    server.h2.increment_flow_control_window(10**6)
    server.h2.increment_flow_control_window(10**6, number)


def test_a_request_that_is_refused_before_it_is_sent(tls: tuple[ssl.SSLContext, Path]) -> None:
    def refuse(server: Http2Server, number: int, _acknowledged: bool) -> None:
        server.socket.sendall(RstStreamFrame(number, error_code=8).serialize())
        while server.socket.recv(65536):
            continue

    with counting(tls, refuse) as (url, http), pytest.raises(httpx.RemoteProtocolError):
        http.post(url, content=b"x" * 100_000, timeout=3.0)


def test_the_last_request_of_a_connection_is_sent_to_its_end(
    tls: tuple[ssl.SSLContext, Path],
) -> None:
    ended: list[int] = []

    def end(server: Http2Server, number: int, _acknowledged: bool) -> None:
        if not ended:
            server.socket.sendall(GoAwayFrame(0, last_stream_id=number).serialize())
            allow_more(server, number)
            ended.append(number)

    with counting(tls, end) as (url, http):
        assert http.post(url, content=b"x" * 300_000).text == "300000"
    assert ended == [1]


def test_a_window_may_become_smaller_than_nothing(tls: tuple[ssl.SSLContext, Path]) -> None:
    shrunk: list[int] = []

    def shrink(server: Http2Server, number: int, acknowledged: bool) -> None:
        if not shrunk:
            server.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1000})
            shrunk.append(number)
        elif acknowledged:
            allow_more(server, number)

    with counting(tls, shrink) as (url, http):
        assert http.post(url, content=b"x" * 100_000).text == "100000"
    assert shrunk == [1]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x", b"y")],
        [(b":status", b"200"), (b":status", b"404")],
        [(b"x", b"y"), (b":status", b"200")],
        [(b":status", b"200"), (b"X", b"y")],
        [(b":status", b"200"), (b"connection", b"close")],
        [(b":status", b"200"), (b"", b"y")],
    ],
)
def test_what_is_no_head(
    headers: list[tuple[bytes, bytes]], tls: tuple[ssl.SSLContext, Path]
) -> None:
    def answer(server: Http2Server, request: int) -> None:
        block = hpack.Encoder().encode(headers, huffman=False)
        frame = HeadersFrame(request, data=block, flags=["END_HEADERS", "END_STREAM"])
        server.socket.sendall(frame.serialize())
        server.ended = True

    with serving(tls, answer) as (url, http), pytest.raises(httpx.RemoteProtocolError):
        http.get(url)


@pytest.mark.parametrize(
    ("name", "value"), [("X", "a\r\nb"), ("X", "a\0"), ("X Y", "a"), ("", "a"), ("te", "gzip")]
)
def test_what_cannot_be_sent(name: str, value: str, tls: tuple[ssl.SSLContext, Path]) -> None:
    with (
        serving(tls, lambda server, request: server.send(request, "in")) as (url, http),
        pytest.raises(httpx.LocalProtocolError),
    ):
        http.get(url, headers={name: value})


def test_a_connection_that_breaks_after_a_response_is_not_used(
    tls: tuple[ssl.SSLContext, Path],
) -> None:
    broken = threading.Event()

    def answer(server: Http2Server, request: int) -> None:
        server.send(request, "in")
        server.flush()
        server.socket.shutdown(socket.SHUT_RDWR)
        server.ended = True
        broken.set()

    with serving(tls, answer) as (url, http):
        for _ in range(3):
            broken.clear()
            assert http.get(url).text == "in"
            assert broken.wait(10)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", id="HTTP/1.1"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0\0\0\4\0\0\0\0\0" + b"\0\0\4\1\4\0\0\0\1abcd", id="no headers"),
    ],
)
def test_what_is_no_response(tls: tuple[ssl.SSLContext, Path], sent: bytes) -> None:
    def handle(connection: socket.socket, _over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(sent)

    with (
        raw_server(handle, tls[0]) as at,
        client(tls) as http,
        pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)) as raised,
    ):
        http.get(f"https://{at}/", timeout=5.0)
    assert not isinstance(raised.value, httpx.LocalProtocolError)


@pytest.mark.parametrize("status", ["two", "99999999999999999999", "-1", "2_0", "0200", "+20"])
def test_what_is_no_status(tls: tuple[ssl.SSLContext, Path], status: str) -> None:
    def answer(server: Http2Server, request: int) -> None:
        server.h2.send_headers(request, [(":status", status)], end_stream=True)

    with serving(tls, answer) as (url, http), pytest.raises(httpx.RemoteProtocolError):
        http.get(url)


def test_a_request_that_is_refused_by_a_reset(tls: tuple[ssl.SSLContext, Path]) -> None:
    def answer(server: Http2Server, request: int) -> None:
        server.h2.reset_stream(request)

    with serving(tls, answer) as (url, http), pytest.raises(httpx.RemoteProtocolError):
        http.get(url)
