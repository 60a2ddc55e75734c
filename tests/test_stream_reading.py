"""A stream that does not end is read until it is left; what has come by then is the answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import httpx
import pytest

from conformance.deployment.wire.deadline_connections import CutError
from conformance.deployment.wire.http import HttpTransport
from conformance.deployment.wire.stream_reading import READER, Reader, always_enough
from conformance.parallel import start
from tests.sockets import ConnectionHandler, head_of, raw_server, reply_with

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: "
STREAM = HEAD + b"text/event-stream; charset=utf-8\r\n\r\n"
EVENT = b"event: a\ndata: 1\n\n"
CHUNK = f"{len(EVENT):x}\r\n".encode() + EVENT + b"\r\n"
WAITS_S = 10.0


def staying_open(said: bytes) -> ConnectionHandler:
    """Say this, and stay until the client has left or the test is over."""

    def handle(connection: socket.socket, over: threading.Event) -> None:
        head_of(connection)
        connection.sendall(said)
        connection.settimeout(WAITS_S)
        connection.recv(1)

    return handle


def read(at: str, reader: Reader, timeout: float | None = WAITS_S) -> httpx.Response:
    with httpx.Client(transport=HttpTransport(), timeout=timeout) as http:
        return http.get(f"http://{at}/", extensions={READER: reader})


def until(holds: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(int(WAITS_S / 0.01)):
        if holds():
            return
        waited.wait(0.01)
    raise AssertionError


def test_what_has_come_is_seen_and_is_the_answer_once_it_is_left() -> None:
    reader = Reader()
    with raw_server(staying_open(STREAM + CHUNK)) as at:
        reading = start(lambda: read(at, reader))
        until(lambda: reader.body == EVENT)
        assert reader.opened
        assert not reading.done()
        reader.leave()
        answer = reading.result(WAITS_S)
    assert (answer.status_code, answer.content) == (200, EVENT)
    assert not reader.late


def test_it_is_left_when_enough_has_come() -> None:
    with raw_server(staying_open(STREAM + CHUNK + CHUNK)) as at:
        assert read(at, Reader(lambda body: EVENT in body)).content.startswith(EVENT)


def test_a_stream_that_ends_is_read_to_its_end() -> None:
    reader = Reader()
    with raw_server(reply_with(STREAM + CHUNK + b"0\r\n\r\n")) as at:
        assert read(at, reader).content == EVENT
    assert not reader.is_set()


def test_at_once_a_stream_is_left_and_a_refusal_is_not() -> None:
    with raw_server(staying_open(STREAM)) as at:
        assert read(at, Reader(always_enough)).content == b""
    with raw_server(reply_with(HEAD + b"application/json\r\n\r\n2\r\n{}\r\n0\r\n\r\n")) as at:
        assert read(at, Reader(always_enough)).json() == {}


def test_what_has_come_by_the_deadline_is_the_answer() -> None:
    reader = Reader()
    with raw_server(staying_open(STREAM + CHUNK)) as at:
        assert read(at, reader, timeout=0.3).content == EVENT
    assert reader.late


def test_before_its_headers_there_is_nothing_to_leave_with() -> None:
    reader = Reader()
    with raw_server(staying_open(b"")) as at:
        reading = start(lambda: read(at, reader))
        reader.leave()
        with pytest.raises(CutError):
            reading.result(WAITS_S)
    assert not reader.opened


def test_another_try_begins_anew() -> None:
    reader = Reader()
    with raw_server(reply_with(STREAM + CHUNK + b"0\r\n\r\n")) as at:
        for _ in range(2):
            assert read(at, reader).content == EVENT
    assert reader.body == EVENT
