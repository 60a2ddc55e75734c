"""`run --server` and `servers`, as a user sees them."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
from packaging.version import Version

from conformance.deployment.launch.launcher import read_launcher
from conformance.deployment.launch.start import launched
from conformance.report.record import load_report
from conformance.report.run.write import report_json
from tests.conftest import arguments_of, command, environment_of, started_process
from tests.launching import (
    FAULT,
    REQUIREMENT,
    assert_gone,
    starts,
    wait_until,
    write_launcher,
    write_wheel,
)
from tests.report_examples import CONFORMANT

pytestmark = pytest.mark.slow

ONE = Version("1.0")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return command(
        folder, "run", "--launcher", str(folder / "fake.toml"), "--requirement", REQUIREMENT,
        "--report-dir", "out", *options,
    )  # fmt: skip


def test_a_server_is_started_checked_and_ended(tmp_path: Path) -> None:
    write_launcher(tmp_path)
    ended = run(tmp_path, "--server", "fake==1.0")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == "starting fake 1.0\n"
    report = load_report(tmp_path / "out" / "report.json")
    assert (report.deployment.server_name, report.deployment.server_version) == ("fake", "1.0")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{report.deployment.url}/ok")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_newest_of_the_users_own_folder(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "threads-conformance" / "launchers"
    folder.mkdir(parents=True)
    write_launcher(folder, known=("1.0", "10.0", "9.0"), changed="10.0")
    ended = command(tmp_path, "run", "--server", "fake@latest", "--requirement", REQUIREMENT)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert starts(folder) == ["10.0"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--server", "fake==1.0", "--url", "http://127.0.0.1:9"), "--url and --server exclude"),
        (("--server", "fak"), "there is no launcher 'fak'; did you mean fake?"),
        (("--server", "fake=1.0"), "'fake=1.0' names no server: write NAME==VERSION"),
        (("--server", "fake==one"), "'one' is not a version"),
        (("--server", "fake==1.0", "--launcher", "wrong.toml"), "wrong.toml: name is missing"),
    ],
)
def test_wrong_usage(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    write_launcher(tmp_path)
    (tmp_path / "wrong.toml").touch()
    ended = run(tmp_path, *options)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert starts(tmp_path) == []


def test_a_failed_start_tells_the_servers_last_lines(tmp_path: Path) -> None:
    write_launcher(tmp_path, broken=("1.0",))
    ended = run(tmp_path, "--server", "fake==1.0")
    assert ended.returncode == 3
    # What was asked in vain meanwhile may follow.
    assert ended.stderr.startswith(
        "starting fake 1.0\n"
        "Error: fake 1.0 ended with status 1 before it was ready: "
        "correct the cause in its last lines:\n"
        "  version 1.0 has a bad day\n"
    )


def test_a_server_that_is_never_ready(tmp_path: Path) -> None:
    write_launcher(tmp_path, more="ready = '/never'\nready_within_s = 0.5")
    ended = run(tmp_path, "--server", "fake==1.0")
    assert ended.returncode == 3
    assert "fake 1.0 was not ready within 0.5 s" in ended.stderr
    assert re.search(r"^  GET /never (is not answered|answered 404)", ended.stderr, re.MULTILINE)


class SeenError(Exception):
    """What was waited for has been told."""


def test_what_a_server_answers_while_it_is_not_ready_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conformance.deployment.launch.start._TOLD_AFTER_S", 0.0)
    launcher = read_launcher(write_launcher(tmp_path, more="ready = '/never'"))
    told: list[str] = []

    def notify(said: str) -> None:
        told.append(said)
        if "answered 404" in said:
            raise SeenError

    with pytest.raises(SeenError), launched(launcher, ONE, notify):
        pass
    assert told[0] == "starting fake 1.0"
    assert re.fullmatch(
        r"waiting for fake, \d+ s of 120 s: GET /never answered 404: "
        "is `ready` in the launcher the path of its health check\\?",
        told[-1],
    )
    # Equal answers are told once.
    assert len(set(told)) == len(told)


def test_the_url_is_where_the_server_says_it_is(tmp_path: Path) -> None:
    words = ["{python}", "-P", "-m", "conformance", "serve", "--port", "0"]
    file = write_launcher(
        tmp_path, command=repr(words), more="printed_url = '(http://[0-9.]+:[0-9]+)'"
    )
    with launched(read_launcher(file), ONE, print) as running:
        assert httpx.get(f"{running.url}/ok").is_success


def test_a_server_that_ends_by_itself_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    # Other tests may have left a process that keeps count of what multiprocessing shares.
    before = psutil.Process().children()
    with launched(read_launcher(write_launcher(tmp_path)), ONE, told.append):
        (keeper,) = set(psutil.Process().children()) - set(before)
        (server,) = keeper.children()
        server.kill()
        # Its status is left for the one who started it.
        os.waitid(os.P_PID, keeper.pid, os.WEXITED | os.WNOWAIT)
    assert "stopped unexpectedly, with status 137" in told[-1]


def test_each_start_has_a_project_folder_of_its_own(tmp_path: Path) -> None:
    launcher = read_launcher(write_launcher(tmp_path))
    with launched(launcher, ONE, print) as one, launched(launcher, ONE, print) as other:
        assert one.url != other.url
        folders = [each.output.parent for each in (one, other)]
        assert folders[0] != folders[1]
        assert all((folder / "project" / "start.py").is_file() for folder in folders)


def test_data_is_kept_for_the_next_start_and_used_by_one_at_a_time(tmp_path: Path) -> None:
    launcher, data = read_launcher(write_launcher(tmp_path)), tmp_path / "data"
    with launched(launcher, ONE, print, data) as running:
        (running.output.parent / "project" / "kept").write_text("yes")
        ended = command(
            tmp_path, "servers", "start", "fake==1.0", "--data", "data", "--launcher", "fake.toml"
        )
        assert ended.returncode == 2
        assert "the folder data is used by a running server" in ended.stderr
    with launched(launcher, ONE, print, data) as running:
        assert (running.output.parent / "project" / "kept").read_text() == "yes"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_an_interrupted_start(number: signal.Signals, tmp_path: Path) -> None:
    write_launcher(tmp_path)
    arguments = arguments_of("servers", "start", "fake==1.0", "--launcher", "fake.toml")
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=environment_of(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert re.fullmatch(r"ready: http://127\.0\.0\.1:\d+\n", process.stdout.readline())
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) == 2  # the keeper and the server
        process.send_signal(number)
    assert_gone(started)
    if number != signal.SIGKILL:
        assert process.returncode == 130
    # A killed process removes nothing itself: its keepers do, as their last deed.
    wait_until(lambda: not any((tmp_path / "tmp").iterdir()))


def test_servers_start_ends_with_a_server_that_ends_by_itself(tmp_path: Path) -> None:
    write_launcher(tmp_path)
    arguments = arguments_of("servers", "start", "fake==1.0", "--launcher", "fake.toml")
    with started_process(
        arguments, cwd=tmp_path, env=environment_of(), stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready: ")
        _, server = psutil.Process(process.pid).children(recursive=True)
        server.kill()
        _, told = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "fake 1.0 stopped unexpectedly" in told


@pytest.mark.parametrize("partial", [False, True])
def test_an_interrupted_run_does_not_replace_the_report_of_a_whole_one(
    partial: bool, tmp_path: Path
) -> None:
    latest = tmp_path / "reports" / "latest"
    latest.mkdir(parents=True)
    earlier = dataclasses.replace(
        CONFORMANT, run=dataclasses.replace(CONFORMANT.run, partial=partial)
    )
    (latest / "report.json").write_text(report_json(earlier), encoding="utf-8")
    with started_process(arguments_of("run"), cwd=tmp_path, env=environment_of()) as process:
        assert process.stdout is not None
        assert next(line for line in process.stdout if line.strip()).startswith("Deployment")
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate()
    kept = load_report(latest)
    made = kept if partial else load_report(tmp_path / "reports" / "selection")
    assert (kept == earlier) is not partial
    assert made.run.interrupted
    assert f"reports/{'latest' if partial else 'selection'}/report.html" in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_its_server(number: signal.Signals, tmp_path: Path) -> None:
    write_launcher(tmp_path)
    arguments = arguments_of("run", "--server", "fake==1.0", "--launcher", "fake.toml")
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=environment_of(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        # The first line that is not empty: the deployment is there and checks begin.
        assert next(line for line in process.stdout if line.strip()).startswith("Deployment")
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        process.stdout.read()
    assert process.returncode in (1, 3)
    assert started
    assert_gone(started)
    # A killed process removes nothing itself: its keepers do, as their last deed.
    wait_until(lambda: not any((tmp_path / "tmp").iterdir()))


def test_what_can_be_launched_and_what_is_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside_python = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    monkeypatch.setenv("PATH", beside_python)
    wheel = write_wheel(tmp_path)
    more = f'[install]\nwith = "python"\npackages = ["{wheel}"]'
    write_launcher(tmp_path, more=more)
    assert run(tmp_path, "--server", "fake==1.0").returncode == 0
    second = run(tmp_path, "--server", "fake==1.0")
    assert second.stderr == "starting fake 1.0\n"  # and installs nothing
    listed = command(tmp_path, "servers", "--launcher", "fake.toml").stdout
    assert re.search(r"^fake: .*\n  known to start: 1\.0\n  cached: 1\.0  \d+ MB$", listed, re.M)
    assert re.search(r"^langgraph-api: ", listed, re.M)
    assert str(tmp_path / "cache") in listed
    assert "fake==1.0" in command(tmp_path, "servers").stdout
    assert command(tmp_path, "servers", "clear", "fake==2.0").stdout == "nothing to clear\n"
    cleared = command(tmp_path, "servers", "clear", "fake==1.0")
    assert re.fullmatch(r"removed fake==1\.0  \d+ MB\n", cleared.stdout)
    assert "cached" not in command(tmp_path, "servers", "--launcher", "fake.toml").stdout


def test_what_names_nothing_to_clear(tmp_path: Path) -> None:
    ended = command(tmp_path, "servers", "clear", "a=1")
    assert ended.returncode == 2
    assert "names no server" in ended.stderr


def test_the_fault_of_these_tests_is_seen(tmp_path: Path) -> None:
    write_launcher(tmp_path, changed="1.0")
    ended = run(tmp_path, "--server", "fake")
    assert ended.returncode == 1, FAULT
