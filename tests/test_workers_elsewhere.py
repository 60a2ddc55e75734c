"""Workers on other machines: how they are named, and that their files come back."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.contract.verdicts import RunVerdict
from conformance.defects import SuiteDefectError
from conformance.deployment.ownership.ledger import Ledger, ledgers_dir
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.reference.app import new_store
from conformance.runner import start_elsewhere
from conformance.runner.elsewhere import (
    WorkerCommandError,
    WorkerElsewhere,
    check_worker,
    take_over,
    worker_specification,
)
from conformance.runner.operation_timings import all_exchanges
from conformance.runner.session import run_suite
from conformance.runner.settings import new_settings
from tests.conftest import command, environment_of, served, threads_of


@pytest.mark.parametrize(
    ("given", "specification"),
    [
        ("ssh build2 /opt/bin/python", "1*popen//python=START ssh build2 /opt/bin/python"),
        ("4* ssh build2 python", "4*popen//python=START ssh build2 python"),
        ("run*this", "1*popen//python=START run*this"),
    ],
)
def test_a_command_becomes_a_specification(given: str, specification: str) -> None:
    made, *environment = worker_specification(given).split("//env:")
    starter = shlex.join([sys.executable, "-P", start_elsewhere.__file__])
    assert made == specification.replace("START", starter)
    assert "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1" in environment


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "names no command"),
        ("3*", "names no command"),
        ("0*python", "starts no worker"),
        ("ssh 'build2", "is no command"),
        ("ssh build2 //python", "has //"),
    ],
)
def test_a_command_that_cannot_be_used_is_told(given: str, said: str) -> None:
    with pytest.raises(WorkerCommandError, match=said):
        worker_specification(given)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("/bin/false", "starts no Python"),
        ("no-such-program", "starts no Python"),
        ("echo not a Python", "starts no Python"),
        (f"{sys.executable} -I -S", "has no threads-conformance"),
    ],
)
def test_a_command_that_starts_no_worker_is_told(words: str, said: str) -> None:
    with pytest.raises(WorkerCommandError, match=said):
        check_worker(worker_specification(words), words)


@pytest.mark.slow
def test_a_command_may_pass_through_a_shell_at_the_other_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ssh joins its words to a line for a shell, which has brackets and semicolons of its own."""
    monkeypatch.setenv("PYTHONPATH", environment_of()["PYTHONPATH"])
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n', encoding="utf-8")
    ssh.chmod(0o755)
    words = f"{ssh} build2 {sys.executable} -P"
    check_worker(worker_specification(words), words)
    with served(new_store()) as url:
        # Of one check the id is escaped, and the worker of this machine has collected it before.
        settings = new_settings(url, tmp_path / "run", requirements=("SEARCH-02",))
        Path(settings.run_dir).mkdir(exist_ok=True)
        report = run_suite(
            settings,
            ServerInfo("reference", "1"),
            workers="1",
            elsewhere=[worker_specification(f"2*{words}")],
        )
    assert any("\\" in each.id for each in report.checks)
    assert report.verdict is RunVerdict.CONFORMANT


@pytest.mark.slow
def test_a_worker_of_another_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # So that the worker has the same code, wherever the tests have it from.
    monkeypatch.setenv("PYTHONPATH", environment_of()["PYTHONPATH"])
    words = f"{sys.executable} -P"
    check_worker(worker_specification(words), words)
    monkeypatch.setattr("conformance.runner.elsewhere.__version__", "0.0.0")
    with pytest.raises(WorkerCommandError, match=r"has the version .* and here it is 0\.0\.0"):
        check_worker(worker_specification(words), words)


@pytest.mark.slow
def test_the_command_line_tells_it_as_wrong_usage(tmp_path: Path) -> None:
    ended = command(tmp_path, "run", "--worker-command", "0*python")
    assert ended.returncode == 2
    assert "starts no worker" in ended.stderr


def test_a_ledger_that_is_handed_over_is_removed_here_and_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "there"))
    settings = new_settings("http://127.0.0.1:1", tmp_path)
    there = ledgers_dir() / settings.run_id
    with WorkerElsewhere(settings, "gw0") as worker:
        with Ledger(there, "gw0", settings.url) as ledger, Ledger(there, "gw1", "x") as other:
            ledger.record_planned("an id")
            other.record_planned("of another worker")
        handed_over = worker.hand_over()
        assert Path(worker.settings.run_dir) != Path(settings.run_dir)
    assert not Path(worker.settings.run_dir).exists()
    assert {each.stem for each in there.iterdir()} == {"gw1"}
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "here"))
    take_over(settings, handed_over, "gw0")
    (file,) = (ledgers_dir() / settings.run_id).iterdir()
    assert "an id" in file.read_text()


def test_a_ledger_that_is_not_handed_over_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "there"))
    settings = new_settings("http://127.0.0.1:1", tmp_path)
    there = ledgers_dir() / settings.run_id
    with WorkerElsewhere(settings, "gw0"), Ledger(there, "gw0", settings.url) as ledger:
        ledger.record_planned("an id")
    assert (there / "gw0.jsonl").exists()


def test_a_name_from_elsewhere_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "here"))
    settings = new_settings("http://127.0.0.1:1", tmp_path / "run")
    take_over(settings, {"exchanges": {"../../of/another": "{}"}}, "gw0")
    assert [each.name for each in Path(settings.run_dir).iterdir()] == ["another-of-gw0.jsonl"]


@pytest.mark.slow
def test_a_worker_that_always_dies_is_not_replaced_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python imports this module when it starts, in the worker alone.
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "sitecustomize.py").write_text(
        "import os, pathlib, threading\n"
        f"with pathlib.Path({str(tmp_path / 'started')!r}).open('a') as file: file.write('.')\n"
        "threading.Timer(0.5, os._exit, [9]).start()\n"
    )
    starting = tmp_path / "starting.py"
    starting.write_text(
        "import os, sys\n"
        f"os.environ['PYTHONPATH'] = {str(tmp_path / 'there')!r} + os.pathsep + "
        "os.environ['PYTHONPATH']\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
    )
    monkeypatch.setenv("PYTHONPATH", environment_of()["PYTHONPATH"])
    specification = worker_specification(f"{sys.executable} {starting}")
    with served(new_store()) as url:
        settings = new_settings(url, tmp_path / "run", capabilities=("create",))
        Path(settings.run_dir).mkdir(exist_ok=True)
        with pytest.raises(SuiteDefectError, match="WorkerDied"):
            run_suite(settings, ServerInfo("reference", "1"), elsewhere=[specification])
        assert threads_of(url) == {}
    assert 2 <= len((tmp_path / "started").read_text()) <= 6


# ---- over a socket -----------------------------------------------------------------------

#: What execnet starts here: it passes its streams on to the machine at the other end.
_RELAY = """\
import os, socket, sys, threading

connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))

def send():
    while data := os.read(0, 65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)

threading.Thread(target=send, daemon=True).start()
while data := connection.recv(65536):
    os.write(1, data)
"""
#: A Python there, which does not see the folder of the run.
_WORKER = (
    "import sys, conformance.runner.elsewhere as elsewhere; "
    "elsewhere.is_elsewhere = lambda _settings: True; "
    "exec(eval(sys.stdin.readline()))"
)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[int]:
    """Yield the port of a machine that starts a Python, with a home of its own, for each call."""
    environment = {**environment_of(), "XDG_STATE_HOME": str(tmp_path / "there")}
    children: list[subprocess.Popen[bytes]] = []

    def serve() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with connection:
                children.append(
                    subprocess.Popen(
                        [sys.executable, "-u", "-c", _WORKER],
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        env=environment,
                    )
                )

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    assert children
    for child in children:
        assert child.wait(10) == 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_run_over_sockets_is_whole(
    workers: str, machine: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "here"))
    relay = tmp_path / "relay.py"
    relay.write_text(_RELAY)
    specification = worker_specification(f"2*{sys.executable} {relay} {machine}")
    with served(new_store()) as url:
        settings: Settings = new_settings(url, tmp_path / "run", capabilities=("create",))
        Path(settings.run_dir).mkdir(exist_ok=True)
        report = run_suite(
            settings,
            ServerInfo("reference", "1"),
            workers=workers,
            elsewhere=[specification],
        )
        assert threads_of(url) == {}
    assert report.verdict is RunVerdict.CONFORMANT
    assert len(report.checks) > 10
    assert sum(each.requests for each in report.checks) > 0
    assert len(list(all_exchanges(settings))) == report.run.requests
    assert list(Path(settings.run_dir).glob("exchanges-*-of-gw*.jsonl"))
    assert report.cleanup.created == report.cleanup.removed > 0
    ledgers = [tmp_path / each / "threads-conformance" / "ledgers" for each in ("here", "there")]
    assert not any(list(each.iterdir()) for each in ledgers if each.is_dir())
