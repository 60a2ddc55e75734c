"""The HTTP client: no answer can make it hang, fill the memory, or be read as something else."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
from httpcore._backends.sync import SyncStream

from conformance import json_text
from conformance.deployment.client import UndigestedAnswerError
from conformance.deployment.connect import connect, exchanges_file, http_transport
from conformance.deployment.settings import Settings, SettingsError
from conformance.deployment.wire.content_decoding import (
    AnswerTooLargeError,
    BrokenEncodingError,
    EncodingRefusedError,
    read_body,
)
from conformance.deployment.wire.deadline_connections import (
    CutError,
    DeadlineError,
    NameNotFoundError,
    NoTlsError,
    UntrustedCertificateError,
)
from conformance.deployment.wire.http import CUT, HttpTransport
from conformance.json_text import LARGEST_TEXT, JsonTooLargeError, parse_json
from tests.conftest import answering, as_json
from tests.sockets import certificate, head_of, raw_server, reply_slowly, reply_with, response

MakeSettings = Callable[..., Settings]
MIB = 2**20
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
STREAM = OK + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def asked(
    at: str, timeout: float | None = 20.0, max_body: int = MIB, cut: threading.Event | None = None
) -> httpx.Response:
    transport = HttpTransport(max_body=max_body)
    with httpx.Client(transport=transport, timeout=timeout) as http:
        return http.get(f"http://{at}/info", extensions={CUT: cut} if cut else None)


# ---- how a request is sent ----------------------------------------------------------


def posted(at: str, body: bytes) -> httpx.Response:
    with httpx.Client(transport=HttpTransport(max_body=MIB), timeout=20.0) as http:
        return http.post(f"http://{at}/threads", content=body)


@pytest.mark.parametrize(("length", "pieces"), [(0, 1), (100, 1), (15_000, 1), (40_000, 3)])
def test_head_and_short_body_are_sent_at_once(
    length: int, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    write = SyncStream.write

    def noting(stream: SyncStream, buffer: bytes, timeout: float | None = None) -> None:
        sent.append(buffer)
        write(stream, buffer, timeout)

    def answer(connection: socket.socket, _over: threading.Event) -> None:
        received = head_of(connection)
        while len(received.partition(b"\r\n\r\n")[2]) < length:
            received += connection.recv(65536)
        connection.sendall(response(b"{}"))

    monkeypatch.setattr(SyncStream, "write", noting)
    with raw_server(answer) as at:
        assert posted(at, b"x" * length).status_code == 200
    assert len(sent) == pieces
    assert b"".join(sent).endswith(b"\r\n\r\n" + b"x" * length)


def test_an_answer_to_a_request_that_could_not_be_sent_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def closed(_stream: SyncStream, _buffer: bytes, timeout: float | None = None) -> None:
        raise httpcore.WriteError("closed by the other side")

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(response(b"{}", status="413 Content Too Large"))
        over.wait(10)

    monkeypatch.setattr(SyncStream, "write", closed)
    with raw_server(answer) as at:
        assert posted(at, b"{}").status_code == 413


# ---- one deadline for the whole answer ----------------------------------------------


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 O", b"K"),
        (OK, b"X-Slow: 1\r\n"),
        (OK + b"Content-Length: 1000000\r\n\r\n", b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (STREAM, b"a\r\n: waiting\n\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["nothing", "status-line", "headers", "body", "chunks", "events", "1xx"],
)
def test_what_never_ends_is_given_up_at_the_deadline(head: bytes, drop: bytes) -> None:
    with (
        raw_server(reply_slowly(head, drop)) as at,
        pytest.raises(DeadlineError, match=r"no whole answer within 0\.3 s"),
    ):
        asked(at, timeout=0.3)


def test_a_deadline_is_a_read_timeout_to_all_who_know_httpx() -> None:
    assert issubclass(DeadlineError, httpx.ReadTimeout)


def test_a_request_that_is_not_read_is_given_up_too() -> None:
    def deaf(_connection: socket.socket, over: threading.Event) -> None:
        over.wait()

    with (
        raw_server(deaf) as at,
        httpx.Client(transport=HttpTransport(), timeout=0.3) as http,
        pytest.raises(httpx.WriteTimeout),
    ):
        http.post(f"http://{at}/", content=b"x" * 64 * MIB)


def test_a_connection_on_which_an_answer_was_given_up_is_not_used_again() -> None:
    connections = 0

    def handle(connection: socket.socket, over: threading.Event) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            head_of(connection)
            connection.sendall(CHUNKED)
            over.wait()
        reply_with(response(b"fresh"))(connection, over)

    with raw_server(handle) as at, httpx.Client(transport=HttpTransport()) as http:
        with pytest.raises(DeadlineError):
            http.get(f"http://{at}/", timeout=0.2)
        assert [http.get(f"http://{at}/").text for _ in range(3)] == ["fresh"] * 3
    assert connections == 2


def test_a_request_can_be_cut_from_another_thread() -> None:
    cut = threading.Event()

    def handle(connection: socket.socket, over: threading.Event) -> None:
        head_of(connection)
        cut.set()
        over.wait()

    with raw_server(handle) as at, pytest.raises(CutError):
        asked(at, timeout=None, cut=cut)


def test_a_name_that_is_not_resolved_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait() and [])
    with pytest.raises(httpx.ConnectTimeout, match=r"no address of deployment\.test within 0\.3 s"):
        asked("deployment.test", timeout=0.3)
    over.set()


def test_a_name_that_no_one_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NameNotFoundError, match=r"deployment\.test has no address: .*not known"):
        asked("deployment.test")


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(lambda *_: as_json({})) as url:
        port = int(url.rpartition(":")[2])
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)),
        ]
        resolve = socket.getaddrinfo

        def both(host: str, *rest: Any, **more: Any) -> object:
            return found if host == "deployment.test" else resolve(host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", both)
        assert asked(f"deployment.test:{port}").status_code == 200


# ---- a cap on the size --------------------------------------------------------------


def test_a_body_of_the_largest_size_is_read_and_one_of_a_byte_more_is_not() -> None:
    with raw_server(reply_with(response(b"x" * MIB))) as at:
        assert len(asked(at).content) == MIB
        with pytest.raises(AnswerTooLargeError, match="--max-body"):
            asked(at, max_body=MIB - 1)


@pytest.mark.parametrize(
    "head", [OK + b"\r\n", CHUNKED, OK + b"Content-Encoding: gzip\r\n\r\n"], ids=str
)
def test_an_endless_body_is_cut_off(head: bytes) -> None:
    zeros = b"\0" * 65536
    packer = zlib.compressobj(wbits=31)
    drop = b"10000\r\n" + zeros + b"\r\n" if head == CHUNKED else zeros
    if b"gzip" in head:
        # Nothing but a header and empty blocks, for ever: it makes no byte.
        head += packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
        drop = packer.flush(zlib.Z_FULL_FLUSH) or b"\0\0\0\xff\xff" * 10_000
    with raw_server(reply_slowly(head, drop, 0.0)) as at, pytest.raises(AnswerTooLargeError):
        asked(at)


@pytest.mark.parametrize("members", [1, 20])
def test_a_bomb_is_not_unpacked(members: int) -> None:
    bomb = gzip.compress(b"\0" * (32 * MIB // members)) * members
    produced = 0

    def chunks() -> Iterator[bytes]:
        nonlocal produced
        for start in range(0, len(bomb), 1000):
            produced += 1000
            yield bomb[start : start + 1000]

    with pytest.raises(AnswerTooLargeError):
        read_body(chunks(), "gzip", MIB)
    assert produced < len(bomb) / 4


# ---- encodings ----------------------------------------------------------------------

TEXT = b"what was sent, " * 100
RAW = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("X-GZip", gzip.compress(TEXT, mtime=0)),
        ("gzip", gzip.compress(TEXT[:700], mtime=0) + gzip.compress(TEXT[700:], mtime=0)),
        ("gzip", gzip.compress(TEXT, mtime=0) + b"padding"),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", RAW.compress(TEXT) + RAW.flush()),
        ("identity, gzip", gzip.compress(TEXT, mtime=0)),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_bodies_are_decoded(encoding: str, sent: bytes, size: int) -> None:
    pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
    assert read_body(pieces, encoding, MIB) == TEXT


def test_what_is_handed_on_has_no_encoding() -> None:
    packed = gzip.compress(TEXT, mtime=0)
    with raw_server(reply_with(response(packed, "Content-Encoding: gzip", "X-Kept: yes"))) as at:
        answer = asked(at)
    assert (answer.content, answer.headers["x-kept"]) == (TEXT, "yes")
    assert not {"content-encoding", "content-length"} & set(answer.headers)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip, br", "rot13"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with (
        raw_server(reply_with(response(b"x", f"Content-Encoding: {encoding}"))) as at,
        pytest.raises(EncodingRefusedError, match="gzip, deflate was asked for"),
    ):
        asked(at)


@pytest.mark.parametrize(
    "sent", [gzip.compress(TEXT, mtime=0)[:-20], b"no gzip at all", b"\x1f\x8b\0\0"]
)
def test_a_broken_encoding_is_no_answer(sent: bytes) -> None:
    with (
        raw_server(reply_with(response(sent, "Content-Encoding: gzip"))) as at,
        pytest.raises(BrokenEncodingError),
    ):
        asked(at)


def test_only_what_can_be_decoded_is_asked_for(settings_for: MakeSettings) -> None:
    heads: list[bytes] = []

    def handle(connection: socket.socket, _over: threading.Event) -> None:
        heads.append(head_of(connection))
        connection.sendall(response(b"{}"))

    with raw_server(handle) as at, connect(settings_for(f"http://{at}")) as connection:
        connection.client.info()
    assert b"accept-encoding: gzip, deflate\r\n" in heads[0].lower()


@pytest.mark.parametrize("charset", ["rot13", "base64", "utf-16", "hex", "nothing", "'", "latin-1"])
def test_json_is_utf_8_whatever_the_charset_says(charset: str, settings_for: MakeSettings) -> None:
    sent = response(
        json.dumps({"ü": 1}, ensure_ascii=False).encode(),
        f"Content-Type: application/json; charset={charset}",
    )
    with raw_server(reply_with(sent)) as at, connect(settings_for(f"http://{at}")) as connection:
        assert connection.client.info().body == {"ü": 1}


def test_bytes_that_are_no_text_are_replaced(settings_for: MakeSettings) -> None:
    with (
        raw_server(reply_with(response(b'"\xff"'))) as at,
        connect(settings_for(f"http://{at}")) as made,
    ):
        assert made.client.info().body == "\ufffd"


# ---- what cannot be digested --------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[" * 501 + "]" * 501, '{"a":' * 600 + "1" + "}" * 600, "[[]," * 600_000],
    ids=["brackets", "lists", "objects", "values"],
)
def test_json_that_nests_too_deep_or_holds_too_much(text: str, settings_for: MakeSettings) -> None:
    at_once = reply_with(response(text.encode()))
    with raw_server(at_once) as at, connect(settings_for(f"http://{at}")) as connection:
        answer = connection.client.info()
        for look in (lambda: answer.body, lambda: answer.is_json):
            with pytest.raises(UndigestedAnswerError, match="info answers 200 with JSON"):
                look()


@pytest.mark.parametrize(
    "body",
    [
        b"\xff" * (LARGEST_TEXT // 4 + 1),
        "ü".encode() * (LARGEST_TEXT // 2 + 101),
        "🙂".encode() + b"x" * (LARGEST_TEXT // 4),
        b"x" * (LARGEST_TEXT + 101),
        b"\x80" * (LARGEST_TEXT // 2 + 101),
    ],
    ids=["no-text", "bmp", "wide", "ascii", "within-characters"],
)
def test_a_body_too_large_as_text_is_not_digested(body: bytes, settings_for: MakeSettings) -> None:
    with raw_server(reply_with(response(body))) as at:
        settings = settings_for(f"http://{at}", max_body_mib=128)
        with connect(settings) as made, pytest.raises(UndigestedAnswerError, match="too large"):
            made.client.info()


def test_a_long_body_is_redacted_before_it_is_cut(settings_for: MakeSettings) -> None:
    secret = "swordfish-" * 100
    with raw_server(reply_with(response(b'"' + secret.encode() * 3000 + b'"'))) as at:
        settings = settings_for(f"http://{at}", headers=(("x-api-key", secret),))
        with connect(settings) as made:
            made.client.info()
    recorded = exchanges_file(settings, "main").read_text()
    assert "swordfish" not in recorded
    assert "3000002 bytes in all" in recorded


def test_what_would_fill_the_memory_beside_what_is_there_is_not_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = "[" + '{"a":1},' * 60_000 + "0]"
    assert len(parse_json(many)) == 60_001
    monkeypatch.setattr(json_text, "_most_memory", 2**20)
    with pytest.raises(JsonTooLargeError, match="JSON of 120001 values, beside others"):
        parse_json(many)
    assert len(parse_json(many[: 1 + 8 * 40_000] + "0]")) == 40_001


def test_json_within_the_limits_is_digested(settings_for: MakeSettings) -> None:
    text = "[" * 500 + "]" * 500
    with (
        raw_server(reply_with(response(text.encode()))) as at,
        connect(settings_for(f"http://{at}")) as c,
    ):
        assert json.dumps(c.client.info().body) == text


# ---- paths, proxies, certificates ---------------------------------------------------


@pytest.mark.parametrize("base", ["/a%20b", "/a%20b/", "/%C3%BC", "/a%2Fb", "/plain"])
def test_a_base_path_is_kept_as_it_is_written(base: str, settings_for: MakeSettings) -> None:
    paths: list[str] = []

    def reply(_method: str, path: str, _body: bytes) -> tuple[int, str, bytes]:
        paths.append(path)
        return as_json([])

    with answering(reply) as url, connect(settings_for(url + base)) as connection:
        client = connection.client
        assert client.search({}).body == []
        client.delete(client.ownership.new_id())
    assert paths[0] == f"{base.rstrip('/')}/threads/search"
    assert paths[1].startswith(f"{base.rstrip('/')}/threads/")


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the environment's proxies, and no others."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def set_to(**named: str) -> None:
        for name, value in named.items():
            monkeypatch.setenv(name, value)

    return set_to


def through(settings: Settings) -> httpx.Response:
    with httpx.Client(transport=http_transport(settings)) as http:
        return http.get(f"{settings.url}/info")


def test_a_proxy_of_the_environment_is_used(
    settings_for: MakeSettings, environment: Callable[..., None]
) -> None:
    heads: list[bytes] = []

    def handle(connection: socket.socket, _over: threading.Event) -> None:
        heads.append(head_of(connection))
        connection.sendall(response(b"by proxy"))

    with raw_server(handle) as at:
        environment(HTTP_PROXY=f"http://me:swordfish@{at}")
        assert through(settings_for("http://deployment.test")).text == "by proxy"
    assert heads[0].startswith(b"GET http://deployment.test/info HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6c3dvcmRmaXNo" in heads[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nothing_on_this_machine_is_asked_through_a_proxy(
    host: str, settings_for: MakeSettings, environment: Callable[..., None]
) -> None:
    environment(HTTP_PROXY="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9")
    with raw_server(reply_with(response(b"direct"))) as at:
        url = f"http://{at}".replace("127.0.0.1", host)
        assert through(settings_for(url)).text == "direct"


def test_no_proxy_excludes_a_host(
    settings_for: MakeSettings, environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="deployment.test")
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: resolve(
            "127.0.0.1" if host == "deployment.test" else host, *rest, **more
        ),
    )
    with raw_server(reply_with(response(b"direct"))) as at:
        assert through(settings_for(f"http://deployment.test:{at.split(':')[1]}")).text == "direct"


@pytest.mark.parametrize("proxy", ["socks5://me:swordfish@127.0.0.1:1", "http://", "ftp://a:1"])
def test_a_proxy_that_cannot_be_used(
    proxy: str, settings_for: MakeSettings, environment: Callable[..., None]
) -> None:
    environment(HTTP_PROXY=proxy)
    with pytest.raises(SettingsError, match="HTTP_PROXY") as told:
        http_transport(settings_for("http://deployment.test"))
    assert "swordfish" not in str(told.value)


def test_a_proxy_that_wants_credentials_or_is_not_there(
    settings_for: MakeSettings, environment: Callable[..., None]
) -> None:
    refused = response(b"<html>", status="407 Proxy Authentication Required")
    with raw_server(reply_with(refused)) as at:
        environment(HTTP_PROXY=f"http://{at}", HTTPS_PROXY=f"http://{at}")
        for url in ("http://deployment.test", "https://deployment.test"):
            with pytest.raises(httpx.ProxyError, match="407"):
                through(settings_for(url))
    with pytest.raises(httpx.ProxyError, match=f"the proxy {at} cannot be reached"):
        through(settings_for("http://deployment.test"))


def test_certificates(tmp_path: Path, settings_for: MakeSettings) -> None:
    made = certificate(tmp_path)
    if made is None:
        pytest.skip("openssl is not installed")
    context, pem = made
    with raw_server(reply_with(response(b"secured")), context) as at:
        ask = partial(settings_for, f"https://{at}")
        with pytest.raises(UntrustedCertificateError, match="self-signed"):
            through(ask())
        assert through(ask(ca_bundle=str(pem))).text == "secured"
        assert through(ask(insecure=True)).text == "secured"
        with pytest.raises(UntrustedCertificateError, match="localhost"):
            through(settings_for(f"https://localhost:{at.split(':')[1]}", ca_bundle=str(pem)))


def test_a_tunnel_through_a_proxy(
    tmp_path: Path, settings_for: MakeSettings, environment: Callable[..., None]
) -> None:
    made = certificate(tmp_path)
    if made is None:
        pytest.skip("openssl is not installed")
    context, pem = made

    def handle(connection: socket.socket, over: threading.Event) -> None:
        assert head_of(connection).startswith(b"CONNECT deployment.test:443 ")
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as secured:
            reply_with(response(b"through"))(secured, over)

    with raw_server(handle) as at:
        environment(HTTPS_PROXY=f"http://{at}")
        settings = settings_for("https://deployment.test", ca_bundle=str(pem))
        assert through(settings).text == "through"


def test_a_file_without_certificates(tmp_path: Path, settings_for: MakeSettings) -> None:
    file = tmp_path / "no.pem"
    file.write_text("hello")
    with pytest.raises(SettingsError, match="PEM"):
        http_transport(settings_for("https://127.0.0.1:1", ca_bundle=str(file)))


@pytest.mark.slow
def test_http_where_tls_is_spoken_to() -> None:
    with (
        raw_server(reply_with(response(b"plain"))) as at,
        httpx.Client(transport=HttpTransport(tls=None)) as http,
        pytest.raises((NoTlsError, httpx.ConnectTimeout)),
    ):
        http.get(f"https://{at}/", timeout=0.5)
