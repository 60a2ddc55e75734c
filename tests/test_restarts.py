"""Runs with `--restart` and `--restart-command`: who is restarted, when, and what is reported."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from conformance.contract.catalogue import RESTART_CAPABILITY, load_catalogue
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.deployment.connect import connect
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.restart import NotBackError, Restarter, restart_by_command
from conformance.deployment.settings import Settings
from conformance.reference.process import ReferenceProcess
from conformance.report.record import Report, load_report
from conformance.report.run.grouping import failure_groups
from conformance.runner.session import run_suite
from tests.conftest import (
    Reply,
    answering,
    arguments_of,
    as_json,
    command,
    environment_of,
    started_process,
    written_report,
)
from tests.launching import assert_gone, starts, wait_until, write_launcher

MakeSettings = Callable[..., Settings]
DURABLE = tuple(
    each.id
    for each in load_catalogue().requirements.values()
    if each.capability == RESTART_CAPABILITY
)
FEW = ("DURABLE-01", "DURABLE-02", "DURABLE-10")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[ReferenceProcess]:
    """A reference that keeps its threads in a file."""
    with ReferenceProcess(store=tmp_path / "store") as process:
        yield process


def run(settings: Settings, restart: Callable[[], None], workers: str = "0") -> Report:
    return run_suite(
        settings, identify_deployment(settings), workers=workers, restarter=Restarter(restart)
    )


def verdicts(report: Report) -> dict[str, Verdict]:
    return {each.id: each.verdict for each in report.requirements}


# ---- who is restarted, and when -------------------------------------------------------


@pytest.mark.slow
def test_without_an_option_nothing_is_restarted_and_the_options_are_named(
    kept: ReferenceProcess, settings_for: MakeSettings
) -> None:
    settings = settings_for(kept.url, profile="full", requirements=FEW)
    report = run_suite(settings, identify_deployment(settings))
    assert verdicts(report) == dict.fromkeys(FEW, Verdict.NOT_RUN)
    for check in report.checks:
        assert "--restart stop" in check.reason
        assert "--restart-command CMD" in check.reason
    assert report.run.requests == 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "1"])
def test_restarts_come_after_all_other_checks(
    workers: str, kept: ReferenceProcess, settings_for: MakeSettings
) -> None:
    restarts: list[int] = []

    def restart() -> None:
        restarts.append(len(httpx.post(f"{kept.url}/threads/search", json={}).json()))
        kept.restart(kill=True)

    # In the order of the suite these stand on both sides of the durable ones.
    requirements = ("CREATE-01", "DURABLE-01", "GET-01")
    settings = settings_for(
        kept.url, profile="full", requirements=requirements, restart="kill", disposable=True
    )
    report = run(settings, restart, workers)
    assert verdicts(report) == dict.fromkeys(requirements, Verdict.PASS)
    assert len(restarts) == 1
    exchanges = sorted(_exchanges(settings), key=lambda each: str(each["started_at"]))
    in_order = [each["check"] for each in exchanges if each["check"]]
    assert in_order[-1].startswith("test_durable.py")
    assert [each.startswith("test_durable.py") for each in in_order].count(True) == len(
        in_order
    ) - next(place for place, each in enumerate(in_order) if each.startswith("test_durable"))


def _exchanges(settings: Settings) -> Iterator[dict[str, Any]]:
    import json

    for file in Path(settings.run_dir).glob("exchanges-*.jsonl"):
        yield from map(json.loads, file.read_text(encoding="utf-8").splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("way", ["stop", "kill"])
def test_the_embedded_reference_keeps_all(way: str, tmp_path: Path) -> None:
    ended = command(tmp_path, "run", "--restart", way, "--requirement", "DURABLE-0*", "--effort",
                    "quick")  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = load_report(written_report(tmp_path))
    assert set(verdicts(report).values()) == {Verdict.PASS}
    assert report.cleanup.created == report.cleanup.removed > 0
    assert all("restarted in" in each.reason for each in report.checks)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["stop", "kill"])
def test_a_launched_server_is_restarted_on_its_port_and_in_its_folder(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    words = ["{python}", "-P", "-m", "conformance", "serve", "--port", "{port}"]
    write_launcher(tmp_path, command=repr([*words, "--store", "kept"]))
    ended = command(
        tmp_path, "run", "--server", "fake==1.0", "--launcher", "fake.toml", "--restart", way,
        *(f"--requirement={each}" for each in FEW), XDG_CACHE_HOME=str(tmp_path / "cache"),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = load_report(written_report(tmp_path))
    assert verdicts(report) == dict.fromkeys(FEW, Verdict.PASS)
    # Neither processes nor the folder of the server are left.
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{report.deployment.url}/ok")
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.slow
def test_nothing_is_left_of_a_run_that_is_interrupted_while_it_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ["{python}", "-P", "-m", "conformance", "serve", "--port", "{port}"]
    write_launcher(tmp_path, command=repr([*words, "--store", "kept"]))
    arguments = arguments_of(
        "run", "--server", "fake==1.0", "--launcher", "fake.toml", "--restart", "kill",
        "--requirement", "DURABLE-*",
    )  # fmt: skip
    with started_process(
        arguments, cwd=tmp_path, env=environment_of(), stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert next(line for line in process.stdout if line.strip()).startswith("Deployment")
        before = psutil.Process(process.pid).children(recursive=True)
        # The keeper of the first server ends with it, and another one starts.
        wait_until(lambda: not all(each.is_running() for each in before))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    # No MUST was asked for, so that none is undecided.
    assert process.returncode in (0, 3)
    assert "stopped unexpectedly" not in said
    assert before
    assert_gone(before)
    wait_until(lambda: not any((tmp_path / "tmp").iterdir()))


# ---- what is told ----------------------------------------------------------------------


@pytest.mark.slow
def test_what_is_kept_in_memory_only_is_told_as_one_cause(settings_for: MakeSettings) -> None:
    with ReferenceProcess() as process:
        restarts: list[None] = []

        def restart() -> None:
            restarts.append(None)
            process.restart(kill=False)

        settings = settings_for(
            process.url, profile="full", requirements=FEW, restart="stop", disposable=True
        )
        report = run(settings, restart)
    assert verdicts(report) == {
        "DURABLE-01": Verdict.FAIL,
        "DURABLE-02": Verdict.FAIL,
        "DURABLE-10": Verdict.BLOCKED,
    }
    (group,) = failure_groups(report)
    assert group.requirements == ("DURABLE-01", "DURABLE-02")
    assert "as if the deployment kept its threads in memory" in group.cause
    assert all("# here the deployment was restarted" in str(each.failure and each.failure.curl)
               for each in report.checks if each.verdict is Verdict.FAIL)  # fmt: skip
    # Once each, and twice again for a failure: what is gone by a restart is no doubt about the way.
    assert len(restarts) == 3 + 3 + 1
    assert report.verdict is RunVerdict.CONFORMANT


@pytest.mark.slow
def test_a_deployment_that_does_not_come_back_is_an_error_and_is_not_asked_again(
    settings_for: MakeSettings, own_state: Path
) -> None:
    with ReferenceProcess() as process:
        restarts: list[None] = []

        def restart() -> None:
            restarts.append(None)
            process.__exit__(None, None, None)
            raise NotBackError("the deployment was killed and did not come back: on purpose")

        settings = settings_for(
            process.url, profile="full", requirements=FEW, restart="kill", timeout_s=1.0
        )
        report = run(settings, restart)
    assert verdicts(report) == dict.fromkeys(FEW, Verdict.ERROR)
    assert all("did not come back: on purpose" in each.reason for each in report.checks)
    assert len(restarts) == 1
    # What was made may be there once the deployment is: a sweep can remove it.
    assert report.cleanup.left
    assert list(own_state.iterdir())


@pytest.mark.slow
def test_a_server_that_does_not_come_back_ends_with_status_3(tmp_path: Path) -> None:
    once = (
        "import os, pathlib, sys; from conformance.commands.serve import serve_command; "
        "pathlib.Path('been').exists() and sys.exit('not today'); pathlib.Path('been').touch(); "
        "serve_command(['--port', sys.argv[1]])"
    )
    write_launcher(tmp_path, command=repr(["{python}", "-P", "-c", once, "{port}"]))
    ended = command(
        tmp_path, "run", "--server", "fake==1.0", "--launcher", "fake.toml", "--restart", "kill",
        "--requirement", "DURABLE-02", XDG_CACHE_HOME=str(tmp_path / "cache"),
        THREADS_CONFORMANCE_OUTAGE_WITHIN="0.2", THREADS_CONFORMANCE_TIMEOUT="2",
    )  # fmt: skip
    assert ended.returncode == 3, ended.stdout + ended.stderr
    last = [line for line in ended.stderr.splitlines() if line.startswith("Error")]
    assert (
        "the deployment was killed and did not come back: fake 1.0 ended with status 1" in last[0]
    )
    assert "not today" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def test_what_is_not_back_is_not_restarted_again() -> None:
    tried: list[None] = []

    def restart() -> None:
        tried.append(None)
        raise NotBackError("gone")

    restarter = Restarter(restart)
    for _ in range(2):
        with pytest.raises(NotBackError, match="gone"):
            restarter()
    assert (len(tried), restarter.problem) == (1, "gone")


def test_after_a_restart_the_connections_are_new(settings_for: MakeSettings) -> None:
    opened: list[httpx.MockTransport] = []

    def make_transport() -> httpx.BaseTransport:
        opened.append(httpx.MockTransport(lambda request: httpx.Response(200, json={})))
        return opened[-1]

    with connect(
        settings_for("http://reference.test"), make_transport=make_transport
    ) as connection:
        connection.client.send("info", "GET", "/info")
        connection.reconnect()
        connection.client.send("info", "GET", "/info")
    assert len(opened) == 2


# ---- a command of the user's -----------------------------------------------------------


def restarting_command(folder: Path, body: str) -> list[str]:
    (folder / "restart.py").write_text(body)
    return [sys.executable, str(folder / "restart.py")]


@pytest.mark.slow
def test_a_command_restarts_a_deployment_by_its_url(
    kept: ReferenceProcess, tmp_path: Path, settings_for: MakeSettings
) -> None:
    # The command cannot restart a child of this process: it asks for it, and waits.
    asked = tmp_path / "asked"
    words = restarting_command(tmp_path, f"import pathlib; pathlib.Path({str(asked)!r}).touch()")
    settings = settings_for(kept.url, profile="full", requirements=FEW, restart="stop")

    def restart() -> None:
        kept.restart(kill=False)
        restart_by_command(words, settings)

    report = run(settings, restart)
    assert asked.exists()
    assert verdicts(report) == dict.fromkeys(FEW, Verdict.PASS)


@pytest.mark.slow
def test_a_command_is_run_as_often_as_there_are_restarts(
    kept: ReferenceProcess, tmp_path: Path
) -> None:
    restarted: list[str] = []

    def reply(_method: str, path: str, _body: bytes) -> Reply:
        kept.restart(kill=True)
        restarted.append(path)
        return as_json({})

    ask = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()"
    with answering(reply) as asked:
        words = shlex.join(
            [*restarting_command(tmp_path, ask), f"{asked}/a path".replace(" ", "-")]
        )
        ended = command(
            tmp_path, "run", "--url", kept.url, "--restart-command", words,
            *(f"--requirement={each}" for each in FEW),
        )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = load_report(written_report(tmp_path))
    assert verdicts(report) == dict.fromkeys(FEW, Verdict.PASS)
    assert restarted == ["/a-path"] * len(report.checks)
    assert report.cleanup.created == report.cleanup.removed > 0


@pytest.mark.slow
def test_a_command_is_waited_for_until_the_deployment_is_ready(
    tmp_path: Path, settings_for: MakeSettings
) -> None:
    with ReferenceProcess() as process:
        settings = settings_for(process.url)
        restart_by_command(restarting_command(tmp_path, ""), settings)
    with pytest.raises(NotBackError, match=r"was not ready within 0\.1 s after"):
        restart_by_command(restarting_command(tmp_path, ""), settings, within_s=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("print('no right to'); raise SystemExit(4)", "ended with status 4: no right to"),
        ("import time; time.sleep(1000)", "must return when the deployment is back"),
    ],
)
def test_a_command_that_fails_is_told(
    body: str, said: str, tmp_path: Path, settings_for: MakeSettings
) -> None:
    words = restarting_command(tmp_path, body)
    within_s = 60.0 if "SystemExit" in body else 0.5
    with pytest.raises(NotBackError, match=said):
        restart_by_command(words, settings_for("http://127.0.0.1:9"), within_s)


@pytest.mark.slow
def test_a_command_may_leave_a_process_that_keeps_its_output_open(
    reference: str, tmp_path: Path, settings_for: MakeSettings
) -> None:
    body = (
        "import subprocess, sys; "
        "left = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE, "
        "start_new_session=True); print(left.pid)"
    )
    # Its input ends with the command, and so does what was left.
    restart_by_command(restarting_command(tmp_path, body), settings_for(reference))


# ---- wrong usage -----------------------------------------------------------------------

_TRUE = shlex.quote(sys.executable)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--url", "http://127.0.0.1:9", "--restart", "kill"), "with --restart-command CMD"),
        (("--restart-command", _TRUE), "restarts a deployment at --url"),
        (
            ("--server", "fake==1.0", "--restart-command", _TRUE),
            "by --restart stop or --restart kill",
        ),
        (("--restart", "sometimes"), "'sometimes' is not one of 'stop', 'kill'"),
        (("--url", "http://127.0.0.1:9", "--restart-command", "' '"), "there is no program ' '"),
        (("--url", "http://127.0.0.1:9", "--restart-command", " "), "it is empty"),
        (("--url", "http://127.0.0.1:9", "--restart-command", "a 'b"), "cannot be split"),
        (
            ("--url", "http://127.0.0.1:9", "--read-only", "--restart-command", _TRUE),
            "--read-only and --restart-command exclude each other",
        ),
        (("--restart", "stop"), "add --profile full, or give --requirement 'DURABLE-*'"),
        (("--restart", "stop", "--profile", "full", "--capability", "copy"), "judges none of them"),
    ],
)
def test_wrong_usage(options: tuple[str, ...], says: str, tmp_path: Path) -> None:
    write_launcher(tmp_path)
    more = ("--launcher", "fake.toml") if "--server" in options else ()
    ended = command(tmp_path, "run", *options, *more)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    told = ended.stderr.strip().splitlines()[-1]
    assert told.startswith("Error: ")
    assert says in told
    assert starts(tmp_path) == []


def test_every_requirement_about_restarts_says_should(settings_for: MakeSettings) -> None:
    catalogue = load_catalogue().requirements
    assert {catalogue[each].level for each in DURABLE} == {"SHOULD", "MAY"}
    assert {catalogue[each].profile for each in DURABLE} == {"full"}
