"""The users of a load, driven by Locust: begun, ended, and cleaned up after."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from conformance.deployment.ownership.ledger import read_ledger
from conformance.deployment.settings import Settings
from conformance.load import generator
from conformance.reference.process import ReferenceProcess
from conformance.report.record import load_report
from conformance.runner.cleanup import clean_up
from conformance.waiting import wait_until
from tests.conftest import arguments_of, command, environment_of, started_process, threads_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not generator.is_installed(), reason="needs the extra `load`"),
]

MakeSettings = Callable[..., Settings]
#: Longer than any of this takes.
DEADLINE_S = 120.0


@pytest.fixture
def deployment() -> Iterator[str]:
    with ReferenceProcess() as process:
        yield process.url


def processes_of(pid: int) -> list[psutil.Process]:
    """Return the processes of the load of a run."""
    return [
        each
        for each in psutil.Process(pid).children(recursive=True)
        if generator.PROGRAM in each.cmdline()
    ]


def running(folder: Path, url: str, *more: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Start a run under load; one of the whole profile lasts for seconds after its checks began."""
    arguments = arguments_of("run", "--url", url, "--load", "4", "--load-pause", "0.05", *more)
    return started_process(arguments, cwd=folder, env=environment_of())


def under_load(process: subprocess.Popen[str], url: str) -> list[psutil.Process]:
    """Wait until checks run and threads are there; return the processes of the load."""
    assert process.stdout is not None
    assert next(line for line in process.stdout if re.match(r"\d+ checks, profile", line))
    # The load was started before the checks.
    processes = processes_of(process.pid)
    assert wait_until(lambda: threads_of(url), bool, within_s=DEADLINE_S, pause_s=0.05)
    return processes


def made_by(ledger: Path) -> int:
    """Return how many threads a run has made or is about to make."""
    return len(read_ledger(ledger).generated)


def have_ended(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=DEADLINE_S)[1]


@pytest.mark.parametrize("processes", [1, 2])
def test_users_ask_until_the_load_ends(
    deployment: str, settings_for: MakeSettings, own_state: Path, processes: int
) -> None:
    settings = settings_for(
        deployment, load_users=4, load_processes=processes, load_pause_s=0.02, launched=True
    )
    with generator.LoadGenerator(settings) as load:
        assert load.start()
        found = wait_until(lambda: threads_of(deployment), bool, within_s=30.0, pause_s=0.05)
        # One user has asked alone before; now all do.
        before = made_by(own_state / settings.run_id)
        assert wait_until(
            lambda: made_by(own_state / settings.run_id) - before,
            lambda number: number > 20,
            within_s=DEADLINE_S,
            pause_s=0.1,
        )
    result = load.result
    assert found
    assert result.problem == ""
    assert (result.users, result.processes) == (4, processes)
    assert result.requests > 0
    assert result.failures == {}
    assert {"create", "supersteps"} <= result.operations.keys()
    copying = result.operations["copy"]
    assert copying.alone is not None
    assert copying.alone.p50_ms <= copying.alone.p95_ms
    # Every thread of a user was in the ledger of its process.
    names = {file.stem for file in (own_state / settings.run_id).glob("*.jsonl")}
    assert {"load-alone", "load-0"} == names if processes == 1 else "load-1" in names
    account = clean_up(settings)
    assert account.left == ()
    assert threads_of(deployment) == {}


def test_a_run_under_load_keeps_its_verdict_and_leaves_nothing(tmp_path: Path) -> None:
    secret = "a-key-that-nobody-may-see"
    with ReferenceProcess() as process:
        ended = command(
            tmp_path,
            *("run", "--url", process.url, "--load", "4", "--load-pause", "0.05"),
            *("--capability", "get", "--capability", "state"),
            THREADS_CONFORMANCE_API_KEY=secret,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert threads_of(process.url) == {}
    report = load_report(tmp_path / "reports" / "selection")
    assert report.load is not None
    assert report.run.load_users == report.load.users == 4
    assert report.load.requests > 0
    assert re.search(r"Load: 4 users, \d+ requests in", ended.stdout)
    written = "".join(
        file.read_text(encoding="utf-8") for file in (tmp_path / "reports" / "selection").iterdir()
    )
    assert secret not in ended.stdout + ended.stderr + written
    assert '"operation": "supersteps"' not in written


def test_users_send_the_credentials_and_nobody_sees_them(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("the-key-of-the-users\n", encoding="utf-8")
    serving = arguments_of("serve", "--port", "0", "--api-key", "the-key-of-the-users")
    with started_process(serving, env=environment_of()) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        with running(tmp_path, url, "--api-key-file", str(key), "--capability", "get") as process:
            seen = wait_until(
                lambda: processes_of(process.pid), bool, within_s=DEADLINE_S, pause_s=0.05
            )
            shown = json.dumps([[*each.cmdline(), *each.environ().values()] for each in seen])
            said, _ = process.communicate()
    assert seen
    assert process.returncode == 0, said
    assert "the-key-of-the-users" not in shown + said
    load = load_report(tmp_path / "reports" / "selection").load
    assert load is not None
    assert load.requests > 0
    assert load.failures == {}


def test_ctrl_c_ends_the_load_and_removes_its_threads(deployment: str, tmp_path: Path) -> None:
    with running(tmp_path, deployment) as process:
        processes = under_load(process, deployment)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate()
    assert process.returncode == 3
    assert "Traceback" not in said
    assert processes
    assert have_ended(processes)
    assert threads_of(deployment) == {}


def test_a_killed_run_ends_the_load_and_sweep_finds_its_threads(
    deployment: str, tmp_path: Path
) -> None:
    with running(tmp_path, deployment, "--load-processes", "2") as process:
        processes = under_load(process, deployment)
        process.kill()
    assert len(processes) == 3
    assert have_ended(processes)
    assert threads_of(deployment)
    assert command(tmp_path, "sweep", "--url", deployment).returncode == 0
    assert threads_of(deployment) == {}


def test_a_load_that_is_killed_gives_no_verdict_of_its_own(deployment: str, tmp_path: Path) -> None:
    with running(tmp_path, deployment) as process:
        (load,) = under_load(process, deployment)
        os.kill(load.pid, signal.SIGKILL)
        said, _ = process.communicate()
    assert process.returncode == 3
    assert "Error: the load broke off" in said
    report = load_report(tmp_path / "reports" / "latest")
    assert report.verdict == "conformant"
    assert report.load is not None
    assert report.load.problem
    assert threads_of(deployment) == {}
