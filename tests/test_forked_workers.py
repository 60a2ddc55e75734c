"""Workers that are forked from a process which has imported the checks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import execnet
import psutil
import pytest

from conformance.contract.verdicts import RunVerdict
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.reference.app import new_store
from conformance.runner.forking import forked_workers as forking
from conformance.runner.forking.forked_workers import can_fork, forked_workers
from conformance.runner.session import run_suite
from conformance.waiting import wait_until
from tests.conftest import served, threads_of

needs_fork = pytest.mark.skipif(not can_fork(), reason="workers are not forked on this system")
MakeSettings = Callable[..., Settings]


@pytest.fixture(autouse=True)
def _own_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "")


@needs_fork
@pytest.mark.slow
def test_workers_share_what_one_process_imported_and_end_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    group = execnet.Group(execmodel="main_thread_only")
    code = (
        "import os, sys, signal; channel.send([os.getpid(), os.getppid(), "
        "'conformance.suite.test_copy' in sys.modules, sys.path])"
    )
    with forked_workers() as spec:
        gateways = [group.makegateway(spec) for _ in range(3)]
        told = [gateway.remote_exec(code).receive() for gateway in gateways]
        assert len({pid for pid, *_ in told}) == 3
        assert len({parent for _, parent, *_ in told}) == 1
        assert all(imported for *_, imported, _ in told)
        # The code is that of this process.
        assert all(str(tmp_path) in path for *_, path in told)
        server = psutil.Process(told[0][1])
        # One worker dies: its gateway notices, and the server goes on without it.
        psutil.Process(told[0][0]).kill()
        with pytest.raises(EOFError):
            gateways[0].remote_exec("channel.send(1)").receive(30)
        assert group.makegateway(spec).remote_exec("channel.send(2)").receive() == 2
        # Its client dies: the worker is killed, whatever it does.
        hung = group.makegateway(spec)
        channel = hung.remote_exec(
            "import os, signal; channel.send(os.getpid())\nwhile True: signal.pause()"
        )
        worker = psutil.Process(channel.receive())
        hung._io.kill()
        assert not _is_alive_after_a_while(worker)
        group.terminate(10)
    assert not _is_alive(server)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_alive_after_a_while(process: psutil.Process) -> bool:
    return wait_until(
        lambda: _is_alive(process), lambda alive: not alive, within_s=60, pause_s=0.05
    )


@needs_fork
@pytest.mark.slow
def test_the_server_ends_when_its_user_is_killed() -> None:
    program = (
        "import time, sys; from conformance.runner.forking.forked_workers import forked_workers\n"
        "import psutil\n"
        "with forked_workers(): print(psutil.Process().children()[0].pid, flush=True); "
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout is not None
        server = psutil.Process(int(user.stdout.readline()))
        user.kill()
    assert not _is_alive_after_a_while(server)


@pytest.mark.slow
@pytest.mark.parametrize("forks", [True, False])
def test_a_run_is_the_same_by_both_kinds_of_workers(
    forks: bool, settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not forks:
        monkeypatch.setattr(forking, "can_fork", lambda: False)
    with served(new_store()) as url:
        settings = settings_for(url, capabilities=("create",))
        report = run_suite(settings, ServerInfo("reference", "1"), workers="2")
        assert threads_of(url) == {}
    assert report.verdict is RunVerdict.CONFORMANT
    assert len(report.checks) > 10
