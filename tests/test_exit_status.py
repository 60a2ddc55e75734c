"""What the exit status means: 1 is a broken promise, and 4 a defect of this suite."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from conformance.commands import run as run_module
from conformance.commands.exit_handling import (
    INTERRUPTED,
    NO_READER,
    PipeSafeGroup,
    run_command_line,
)
from conformance.commands.serve import ServedProcess
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.defects import SuiteDefectError
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.reference.process import ReferenceProcess
from conformance.report.record import load_report
from conformance.runner.session import run_suite
from conformance.runner.worker import Checks
from tests.conftest import CHECKOUT, arguments_of, environment_of, threads_of

MakeSettings = Callable[..., Settings]
SELECTED = ("get",)


def ended(body: Callable[[], Any]) -> int:
    """The exit status of a command that does this."""
    group = PipeSafeGroup("does", callback=body, invoke_without_command=True)
    with pytest.raises(SystemExit) as exited:
        run_command_line(group, "does")
    assert isinstance(exited.value.code, int)
    return exited.value.code


def test_an_exception_that_nobody_expected(
    capsys: pytest.CaptureFixture[str], own_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["does"])

    def body() -> None:
        raise KeyError("a server's words")

    assert ended(body) == 4
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("Error: a defect of this suite, which says nothing about")
    assert ": KeyError; please report it, with " in line
    assert "a server's words" not in line
    (file,) = own_state.parent.glob("defect-*.txt")
    assert str(file) in line
    assert "Traceback" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (click.UsageError("no"), 2),
        (click.BadParameter("no"), 2),
        (KeyboardInterrupt(), INTERRUPTED),
        (EOFError(), INTERRUPTED),
        (click.Abort(), INTERRUPTED),
        (BrokenPipeError(32, "Broken pipe"), NO_READER),
        (SystemExit(3), 3),
        (SystemExit(1), 1),
        (MemoryError(), 4),
        (RecursionError(), 4),
        (AssertionError(), 4),
    ],
    ids=repr,
)
def test_every_other_end(
    raised: BaseException,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["does"])

    def body() -> None:
        raise raised

    assert ended(body) == status


def test_a_command_that_simply_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["does"])
    assert ended(lambda: None) == 0
    monkeypatch.setattr("sys.argv", ["does", "--help"])
    assert ended(lambda: None) == 0


# ---- in a run -----------------------------------------------------------------------


def run_in_process(directory: Path, *arguments: str) -> int:
    """The exit status of `run`, made in this process, so that a test can break it."""
    with pytest.raises(SystemExit) as exited:
        run_module.run_command.main(
            [*arguments, "--report-dir", str(directory), "--capability", SELECTED[0]],
            standalone_mode=False,
        )
    assert isinstance(exited.value.code, int)
    return exited.value.code


def breaks_at(third: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the plugin break at a check, not the check itself."""
    attempt, calls = Checks.attempt, iter(range(1000))

    def broken(self: Checks, *rest: Any) -> Any:
        if next(calls) == third:
            raise RuntimeError("a defect that a test made")
        return attempt(self, *rest)

    monkeypatch.setattr(Checks, "attempt", broken)


@pytest.mark.slow
def test_a_run_in_which_pytest_breaks_tells_what_is_known(
    settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    breaks_at(2, monkeypatch)
    with ReferenceProcess() as reference:
        settings = settings_for(reference.url, capabilities=SELECTED)
        with pytest.raises(SuiteDefectError) as defect:
            run_suite(settings, identify_deployment(settings))
        assert threads_of(reference.url) == {}
    report = defect.value.report
    assert "a defect that a test made" in defect.value.found[0]
    assert len(report.checks) == 2
    assert report.verdict is RunVerdict.INCOMPLETE
    assert Verdict.NOT_RUN in {each.verdict for each in report.requirements}
    assert "INTERNALERROR" not in capfd.readouterr().err


@pytest.mark.slow
def test_the_command_says_so_and_writes_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks_at(2, monkeypatch)
    with pytest.raises(click.ClickException) as told:
        run_module.run_command.main(
            ["--report-dir", str(tmp_path / "out"), "--capability", "get"], standalone_mode=False
        )
    assert told.value.exit_code == 4
    assert str(tmp_path / "out" / "defect.txt") in told.value.message
    assert "a defect that a test made" in (tmp_path / "out" / "defect.txt").read_text()
    assert len(load_report(tmp_path / "out" / "report.json").checks) == 2
    monkeypatch.undo()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert run_in_process(tmp_path / "out") == 0
    assert not (tmp_path / "out" / "defect.txt").exists()


@pytest.mark.slow
def test_a_report_that_cannot_be_written_for_a_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RecursionError("swordfish is too deep")

    monkeypatch.setattr("conformance.report.run.write.html_report", broken)
    with pytest.raises(click.ClickException) as told:
        run_module.run_command.main(
            ["--report-dir", str(tmp_path), "--capability", "get", "--api-key", "swordfish"],
            standalone_mode=False,
        )
    assert told.value.exit_code == 4, (tmp_path / "defect.txt").read_text()
    assert load_report(tmp_path / "report.json").verdict is RunVerdict.CONFORMANT
    traceback = (tmp_path / "defect.txt").read_text()
    assert "RecursionError: [redacted] is too deep" in traceback


@pytest.mark.slow
def test_a_worker_that_dies_is_not_lost(settings_for: MakeSettings) -> None:
    with ReferenceProcess() as reference:
        settings = settings_for(reference.url, capabilities=SELECTED)
        with pytest.raises(SuiteDefectError, match="WorkerDied") as defect:
            run_suite(
                settings,
                identify_deployment(settings),
                workers="1",
                pytest_args=["-p", "tests.plugin_dying_worker"],
            )
        assert threads_of(reference.url) == {}
    assert defect.value.report.verdict is RunVerdict.INCOMPLETE
    assert len(defect.value.report.checks) > 1


@pytest.mark.slow
def test_checks_that_cannot_be_loaded(settings_for: MakeSettings) -> None:
    with ReferenceProcess() as reference:
        settings = settings_for(reference.url)
        with pytest.raises(SuiteDefectError, match="no such name"):
            run_suite(
                settings,
                identify_deployment(settings),
                pytest_args=["-p", "tests.plugin_uncollectable"],
            )


@pytest.mark.slow
def test_what_cannot_be_told_of_a_check_is_its_own_error(
    settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> str:
        raise RecursionError

    monkeypatch.setattr("conformance.runner.failure_builder.reproduction", broken)
    with ServedProcess("--fault", "get-leaves-out-updated-at") as reference:
        settings = settings_for(reference.url, capabilities=SELECTED)
        report = run_suite(settings, identify_deployment(settings))
    reasons = {each.verdict: each.reason for each in report.checks}
    assert "RecursionError" in reasons[Verdict.ERROR]
    assert Verdict.FAIL not in reasons
    assert Verdict.PASS in reasons


@pytest.mark.slow
def test_a_reader_that_goes_away_changes_no_verdict(tmp_path: Path) -> None:
    with subprocess.Popen(
        arguments_of("run", "-k", "test_a_copy_is_answered", "--report-dir", str(tmp_path)),
        env=environment_of(),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "conformant"
