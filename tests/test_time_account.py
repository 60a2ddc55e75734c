"""Where time goes is counted once for each second, for what was done innermost."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from conformance import time_account
from conformance.deployment.wire.http import HttpTransport
from conformance.deployment.wire.stream_reading import READER, Reader
from conformance.time_account import Activity, TimeAccount, close_account, open_account, spend
from tests.sockets import head_of, raw_server


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> TimeAccount:
    counted = TimeAccount(already_s=2.0, clock=clock)
    monkeypatch.setattr(time_account, "_account", counted)
    return counted


def spent(account: TimeAccount) -> dict[str, float]:
    return {name: seconds for name, seconds in account.seconds().items() if seconds}


def test_each_second_counts_for_the_innermost(clock: Clock, account: TimeAccount) -> None:
    clock.now += 1
    account.has_started()
    clock.now += 10
    with spend(Activity.JUDGING):
        clock.now += 100
        with spend(Activity.WIRE):
            clock.now += 1_000
            with spend(Activity.SERVER):
                clock.now += 10_000
        clock.now += 100_000
    assert spent(account) == {
        "starting": 3,
        "other": 10,
        "judging": 100_100,
        "wire": 1_000,
        "server": 10_000,
    }


def test_what_clean_up_does_is_clean_up(clock: Clock, account: TimeAccount) -> None:
    with spend(Activity.CLEANING), spend(Activity.WIRE), spend(Activity.SERVER):
        clock.now += 5
    assert spent(account) == {"starting": 2, "clean-up": 5}


def test_an_error_ends_an_activity(clock: Clock, account: TimeAccount) -> None:
    with pytest.raises(ZeroDivisionError), spend(Activity.JUDGING):
        clock.now += 1 / 0
    clock.now += 5
    assert spent(account) == {"starting": 7}


def test_other_threads_are_not_counted(clock: Clock, account: TimeAccount) -> None:
    def work() -> None:
        with spend(Activity.SERVER):
            clock.now += 5

    other = threading.Thread(target=work)
    with spend(Activity.WAITING):
        other.start()
        other.join()
    assert spent(account) == {"starting": 2, "waiting": 5}


def test_waiting_for_the_body_of_an_answer_is_the_servers_time(
    clock: Clock, account: TimeAccount
) -> None:
    def handle(connection: socket.socket, over: threading.Event) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        assert receiving.wait(10)
        while account._open[-1] is not Activity.SERVER:
            over.wait(0.001)
        clock.now += 8
        connection.sendall(b"{}")

    receiving = threading.Event()
    with raw_server(handle) as at, HttpTransport() as transport:
        request = httpx.Request("GET", f"http://{at}/", extensions={READER: Opening(receiving)})
        with spend(Activity.WIRE):
            assert transport.handle_request(request).text == "{}"
    assert spent(account) == {"starting": 2, "server": 8}


class Opening(Reader):
    """A reader that tells when the headers have been received."""

    def __init__(self, opened: threading.Event) -> None:
        super().__init__()
        self._told = opened

    def open(self, content_type: str) -> None:
        super().open(content_type)
        self._told.set()


@pytest.fixture
def closed() -> Iterator[None]:
    yield
    close_account()


@pytest.mark.usefixtures("closed")
def test_the_start_of_the_process_counts() -> None:
    account = open_account()
    assert account.seconds()["starting"] > 0
    close_account()
    with spend(Activity.SERVER):
        pass
    assert not account.seconds()["server"]


def test_the_start_counts_for_no_longer_than_the_process_exists() -> None:
    told = "from conformance.time_account import open_account; print(open_account().seconds())"
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    existed_s = time.perf_counter() - began
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    assert 0 < ast.literal_eval(ended.stdout)["starting"] < existed_s + tick_s
