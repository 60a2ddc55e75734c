"""No output of any command holds a piece of a secret, or an instruction from the server.

The server shows all that it is sent, in every form, and across every place at which
texts are cut; the commands are run whole, with all that they write to files.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.reference.app import new_store
from conformance.reference.server import HOST
from conformance.report.record import Report, load_report
from tests.conftest import arguments_of, command, environment_of, served
from tests.echoing import (
    API_KEY,
    BEARER,
    COOKIE,
    HEADERS,
    INSTRUCTIONS,
    Echo,
    everything,
    leaks,
    strings_of,
    with_user,
)

pytestmark = pytest.mark.slow

QUICK = ("--effort", "quick", "--visible-within", "0.05", "--report-dir", "out")
#: Checks that pass whatever else an answer shows.
PASSING = "test_the_id_is_a_uuid or test_a_copy_is_answered or test_identical_histories"
#: Some of these fail at their own request, others at a prerequisite.
FAILING = "test_copy and (answered or identical or empty) or test_history and limit and GET-5"
DEADLINE_S = 60.0
_ORDER = re.compile(r"^(?:\s|\x1b\[[0-9;]*m)*::|##\w*\[", re.MULTILINE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028]")


@contextmanager
def echoing(
    refused: Callable[[str, str], bool] = lambda method, path: False,
) -> Iterator[tuple[str, Echo]]:
    """The URL, with user and password, of a server that shows all that it is sent."""
    made: list[Echo] = []

    def around(app: ASGIApp) -> ASGIApp:
        made.append(Echo(app, refused))
        return made[0]

    with served(new_store(), around) as url:
        yield with_user(url), made[0]


def assert_nothing_comes_out(directory: Path, *streams: str) -> None:
    """No file below a folder, and no stream, shows a secret or gives an order."""
    texts = dict(enumerate(streams)) | {
        file: file.read_text(encoding="utf-8")
        for file in directory.rglob("*")
        if file.is_file() and file.name not in GIVEN
    }
    for name, text in texts.items():
        shown = strings_of(text) if str(name).endswith((".har", ".json")) else text
        assert not leaks(shown), name
        assert "someone" not in text, name
        assert not _CONTROL.search(text), name
        if not str(name).endswith((".har", ".json")):
            assert not _ORDER.search(text), name


#: Files that the test wrote.
GIVEN = {"key", "headers"}


def report_in(directory: Path) -> Report:
    return load_report(directory / "out" / "report.json")


def run(directory: Path, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    return command(directory, "run", "--url", url, *HEADERS, *QUICK, *options)


def test_the_test_finds_what_it_looks_for() -> None:
    assert leaks(API_KEY[3:14])
    assert leaks(everything())
    assert _ORDER.search(INSTRUCTIONS)
    assert not leaks("[redacted]" * 3 + "/threads/00000000-0000-4000-8000-000000000000")


def test_a_run_that_passes(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{API_KEY}\n")
    (tmp_path / "headers").write_text(f"Cookie: theme=dark; session={COOKIE}\n")
    with echoing() as (url, echo):
        ended = command(
            tmp_path,
            *("run", "--url", url, *QUICK, "-k", PASSING),
            *("--api-key-file", "key", "--header-file", "headers"),
            THREADS_CONFORMANCE_HEADER=f"Authorization: Bearer {BEARER}",
        )
    assert report_in(tmp_path).verdict is RunVerdict.CONFORMANT, ended.stdout + ended.stderr
    assert ended.returncode == 0
    assert echo.seen == {"x-api-key", "authorization", "cookie"}
    assert_nothing_comes_out(tmp_path, ended.stdout, ended.stderr)
    # The evidence is there, without the secrets.
    assert "[redacted]" in (tmp_path / "out" / "exchanges.har").read_text()


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run in which most checks fail, are blocked, or break."""
    directory = tmp_path_factory.mktemp("failed")
    with echoing(lambda method, path: path.endswith(("/copy", "/state", "/history"))) as (url, _):
        ended = run(directory, url, "-k", FAILING)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    (directory / "stdout").write_text(ended.stdout)
    (directory / "stderr").write_text(ended.stderr)
    return directory


def test_a_run_that_fails(failed: Path) -> None:
    verdicts = {check.verdict for check in report_in(failed).checks}
    assert {Verdict.FAIL, Verdict.BLOCKED, Verdict.ERROR} <= verdicts
    assert_nothing_comes_out(failed)
    assert "418" in (failed / "stdout").read_text()
    for name in ("report.md", "report.html", "junit.xml", "report.json"):
        assert "[redacted]" in (failed / "out" / name).read_text(), name


@pytest.mark.parametrize(
    "arguments",
    [
        ("explain", "out", "COPY-01"),
        ("explain", "out", "COPY-01", "--format", "json"),
        ("compare", "out", "out", "--format", "markdown"),
        ("board", "out", "--output-dir", "board"),
    ],
    ids=" ".join,
)
def test_what_is_made_of_a_report(arguments: tuple[str, ...], failed: Path) -> None:
    ended = command(failed, *arguments)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout
    assert_nothing_comes_out(failed / "board", ended.stdout, ended.stderr)


def test_a_run_that_is_interrupted(tmp_path: Path) -> None:
    with echoing(lambda method, path: path.endswith("/state")) as (url, _):
        process = subprocess.Popen(
            arguments_of("run", "--url", url, *HEADERS, *QUICK),
            cwd=tmp_path,
            env=environment_of(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while not re.match(r"\d+ of \d+ checks", lines[-1]):
            assert lines[-1], "it ended before it was interrupted"
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=DEADLINE_S)
    assert process.returncode != 0
    assert_nothing_comes_out(tmp_path, "".join(lines) + stdout, stderr)


def test_threads_that_are_planted_and_verified(tmp_path: Path) -> None:
    """The second verification finds threads that are refused."""
    broken = threading.Event()
    with echoing(lambda method, path: broken.is_set() and path.endswith("/state")) as (url, _):
        options = ("plant.json", "--url", url, *HEADERS)
        ends = [command(tmp_path, "plant", *options, "--states", "4")]
        ends.append(command(tmp_path, "verify", *options))
        broken.set()
        ends.append(command(tmp_path, "verify", *options, "--visible-within", "0"))
        ends.append(command(tmp_path, "verify", *options, "--format", "json", "--sweep"))
    assert [each.returncode for each in ends] == [0, 0, 1, 1], [each.stderr for each in ends]
    assert_nothing_comes_out(tmp_path, *(text for end in ends for text in (end.stdout, end.stderr)))


def test_a_sweep(tmp_path: Path) -> None:
    with echoing() as (url, _):
        assert run(tmp_path, url, "-k", "test_the_id_is_a_uuid", "--keep").returncode == 0
        ended = command(tmp_path, "sweep", "--url", url, *HEADERS)
        again = command(tmp_path, "sweep", "--url", url, *HEADERS)
    assert ended.returncode == again.returncode == 0, ended.stderr
    assert "removed" in ended.stdout
    assert_nothing_comes_out(tmp_path, ended.stdout, ended.stderr, again.stdout, again.stderr)


#: Of what the doctor asks these are refused, by an answer that shows all that was sent.
REFUSED_TO_THE_DOCTOR = ("/schemas", "/runs/wait", "/state")


def test_a_diagnosis(tmp_path: Path) -> None:
    """By the command itself, and before a run with a graph of one's own."""
    (tmp_path / "threads-conformance.toml").write_text(
        '[graph]\nid = "agent"\nappending = ["log"]\nrun_input = { log = ["a"] }\n'
    )
    with echoing(lambda method, path: path.endswith(REFUSED_TO_THE_DOCTOR)) as (url, _):
        found = command(tmp_path, "doctor", "--url", url, *HEADERS)
        warned = run(tmp_path, url, "-k", "test_the_id_is_a_uuid")
    assert found.returncode == 2, found.stdout + found.stderr
    assert "[redacted]" in found.stdout
    assert "Warning: [graph] settings: run_input of [graph] is refused (418" in warned.stderr
    assert "[redacted]" in warned.stderr
    assert_nothing_comes_out(
        tmp_path, *(text for end in (found, warned) for text in (end.stdout, end.stderr))
    )


@pytest.mark.parametrize("name", ["run", "plant", "sweep"])
def test_a_server_that_breaks_the_protocol(name: str, tmp_path: Path) -> None:
    """What it says instead stands in the error of the HTTP library."""
    with babbling(f"{API_KEY} {BEARER}\x1b[31m\r\n::error::owned\r\n".encode()) as url:
        options = {"plant": ("plant.json",)}.get(name, ())
        ended = command(tmp_path, name, *options, "--url", with_user(url), *HEADERS)
    assert ended.returncode == 3
    assert "breaks the connection" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert_nothing_comes_out(tmp_path, ended.stdout, ended.stderr)


@contextmanager
def babbling(words: bytes) -> Iterator[str]:
    """The URL of a server whose answers have these words where a header stands."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(0.05)
        stopped = threading.Event()

        def serve() -> None:
            while not stopped.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(5)
                    connection.recv(65_536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\n" + words + b"\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}"
        finally:
            stopped.set()
            thread.join()
