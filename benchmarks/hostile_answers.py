"""What hostile answers cost: peak memory of a run, and how soon it hears Ctrl-C.

    python benchmarks/hostile_answers.py [--for SECONDS] [MODE ...]

In front of the reference stands a server that lets the first requests through and then
answers every request in one hostile way. Of each mode a run of `threads-conformance run`
is measured: the peak of the resident memory of all its processes, the time from Ctrl-C to
its first word, and to its end. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import httpx
import psutil

from conformance.reference.process import ReferenceProcess

HOST = "127.0.0.1"
MIB = 2**20
#: Requests that pass, so that the run has begun and has made threads.
PASSED = 60
LONGEST_END_S = 90.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ENDLESS = HEAD + b"\r\n"
ZEROS = gzip.compress(b"\0" * 64 * MIB)

Send = Callable[[bytes], None]


def whole(body: bytes) -> Callable[[Send], None]:
    return lambda send: send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def again(head: bytes, drop: bytes, pause_s: float = 0.0) -> Callable[[Send], None]:
    def talk(send: Send) -> None:
        send(head)
        while True:
            send(drop)
            time.sleep(pause_s)

    return talk


def hang(_send: Send) -> None:
    time.sleep(3600)


BOMB = HEAD + b"Content-Encoding: gzip\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
MODES: dict[str, Callable[[Send], None]] = {
    "no fault": lambda send: None,
    "gzip bomb": again(BOMB, ZEROS),
    "endless body": again(ENDLESS, b"x" * 65536),
    "event stream that never ends": again(STREAM, b'event: values\ndata: {"a": 1}\n\n', 0.05),
    "event stream, as fast as it can": again(STREAM, b"event: a\ndata: 1\n\n" * 4096),
    "body of 1 byte a second": again(HEAD + b"Content-Length: 999999\r\n\r\n", b" ", 1.0),
    "headers of 1 byte a second": again(HEAD + b"X-Slow: ", b"x", 1.0),
    "headers without end": again(HEAD, b"X-More: " + b"x" * 1000 + b"\r\n"),
    "hang before headers": hang,
    "hang in clean-up": lambda send: None,
    "64 MiB of JSON text": whole(b'["' + b"x" * (64 * MIB - 4) + b'"]'),
    "64 MiB of text, wide": whole(b'["' + "🙂".encode() + b"x" * (64 * MIB - 8) + b'"]'),
    "64 MiB that is no text": whole(b"\xff" * 64 * MIB),
    "64 MiB of empty objects": whole(b"[" + b"{}," * (64 * MIB // 3 - 2) + b"0]"),
    "a million values": whole(b"[" + b'{"a":1},' * 330_000 + b"0]"),
    "100,000 levels": whole(b"[" * 100_000),
}


@dataclass
class Front:
    """A server that passes `starts_at` requests to the reference; `hostile` answers later ones."""

    behind: str
    hostile: Callable[[Send], None]
    starts_at: int
    passed: int = 0
    struck: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def serve(self, connection: socket.socket) -> None:
        with suppress(OSError, httpx.HTTPError), connection, httpx.Client() as http:
            while request := read_request(connection):
                method, path, body = request
                self.passed += 1
                if self.passed > self.starts_at:
                    self.struck += 1
                    self.hostile(connection.sendall)
                    return
                answer = http.request(
                    method,
                    f"{self.behind}{path}",
                    content=body,
                    headers={"Content-Type": "application/json"},
                )
                connection.sendall(
                    b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n"
                    % (answer.status_code, len(answer.content))
                    + answer.content
                )


def read_request(connection: socket.socket) -> tuple[str, str, bytes] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            return None
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    named = dict(line.lower().split(": ", 1) for line in lines)
    while len(body) < int(named.get("content-length", 0)):
        body += connection.recv(65536)
    method, path, _ = first.split(" ")
    return method, path, body


@contextmanager
def fronted(front: Front) -> Iterator[str]:
    listener = socket.create_server((HOST, 0))

    def accept() -> None:
        while not front.over.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=front.serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://{HOST}:{listener.getsockname()[1]}"
    finally:
        front.over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@dataclass
class Measured:
    peak: int = 0
    heard_s: float | None = None
    ended_s: float | None = None
    status: int | None = None
    struck: int = 0


def measure(mode: str, seconds: float) -> Measured:
    found = Measured()
    never = mode in ("no fault", "hang in clean-up")
    with ReferenceProcess() as reference, tempfile.TemporaryDirectory() as directory:
        front = Front(reference.url, MODES[mode], 10**9 if never else PASSED)
        with fronted(front) as url:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "conformance", "run", "--url", url),
                    *("--timeout", "10", "--profile", "full", "--report-dir", directory),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "XDG_STATE_HOME": directory},
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
            said: list[float] = []
            reader = threading.Thread(target=_listen, args=(process, said))
            reader.start()
            begun = time.monotonic()
            while time.monotonic() - begun < seconds and process.poll() is None:
                found.peak = max(found.peak, memory_of(process.pid))
                time.sleep(0.05)
            if mode == "hang in clean-up":
                front.hostile, front.starts_at = hang, 0
            asked = time.monotonic()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            while time.monotonic() - asked < LONGEST_END_S and process.poll() is None:
                found.peak = max(found.peak, memory_of(process.pid))
                time.sleep(0.02)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                found.ended_s = time.monotonic() - asked
            found.status = process.wait()
            reader.join()
            later = [moment for moment in said if moment > asked]
            found.heard_s = later[0] - asked if later else None
            found.struck = front.struck
    return found


def _listen(process: subprocess.Popen[bytes], said: list[float]) -> None:
    assert isinstance(process.stdout, io.BufferedReader)
    while process.stdout.read1(65536):
        said.append(time.monotonic())
    process.stdout.close()


def memory_of(pid: int) -> int:
    """Return the resident memory of a process and its children, in bytes."""
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += each.memory_info().rss
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modes", nargs="*", metavar="MODE", help=", ".join(MODES))
    parser.add_argument("--for", dest="seconds", type=float, default=15.0, metavar="SECONDS")
    given = parser.parse_args()
    for unknown in set(given.modes) - set(MODES):
        parser.error(f"no mode {unknown!r}: one of {', '.join(MODES)}")
    print("| mode | hostile answers | peak MiB | Ctrl-C to first word | to its end | exit |")
    print("|---|---|---|---|---|---|")
    for mode in given.modes or MODES:
        found = measure(mode, given.seconds)
        heard, ended = (
            "never" if each is None else f"{each:.2f} s" for each in (found.heard_s, found.ended_s)
        )
        figures = (mode, found.struck, found.peak // MIB, heard, ended, found.status)
        print(f"| {' | '.join(map(str, figures))} |", flush=True)


if __name__ == "__main__":
    main()
