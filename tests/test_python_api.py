"""`from conformance import run`: a typed report, and a program that stays as it is."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import conformance
import threads_conformance
from conformance import NotReachedError, OptionsError, RunVerdict, SuiteBrokeError, Verdict, run
from conformance.faults.registry import all_faults, faulty_deployment
from conformance.python_api import run as module
from tests.conftest import CHECKOUT, environment_of, threads_of
from threads_conformance.own_package import OtherPackageError, own_package


def test_the_names_are_the_same_under_both_packages() -> None:
    for name in conformance.__all__:
        assert getattr(threads_conformance, name) is getattr(conformance, name)
    for package in (conformance, threads_conformance):
        with pytest.raises(AttributeError, match="no attribute 'walk'"):
            _ = package.walk


def test_importing_the_package_imports_nothing_else() -> None:
    looked = (
        "import sys, conformance, threads_conformance\n"
        "print([n for n in sys.modules if n.startswith(('conformance.', 'httpx', 'pytest'))])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", looked], env=environment_of(), capture_output=True, text=True
    )
    assert ended.stdout.strip() == "[]", ended.stderr


def test_both_packages_are_typed() -> None:
    for package in ("conformance", "threads_conformance"):
        assert (CHECKOUT / package / "py.typed").exists()


@pytest.mark.slow
def test_a_report_comes_back_and_the_program_stays_as_it_is(
    reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # None of these is heard: the arguments say it all.
    (tmp_path / "threads-conformance.toml").write_text('profile = "nonsense"\n')
    monkeypatch.setenv("THREADS_CONFORMANCE_URL", "http://127.0.0.1:1")
    (tmp_path / "conformance.py").write_text("raise SystemExit('another one')\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{CHECKOUT}")
    before = threads_of(reference)

    def state() -> tuple[Any, ...]:
        handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
        logs = logging.getLogger().handlers, logging.getLogger("httpx").level
        return handlers, dict(os.environ), list(sys.path), logs, sys.stdout, sys.stderr

    at_first = state()
    report = asyncio.run(
        asyncio.to_thread(
            run, reference, requirements=["COPY-01"], headers={"X-Note": "aloud"}, report_dir="out"
        )
    )
    assert state() == at_first
    assert report.verdict is RunVerdict.CONFORMANT
    assert [(each.id, each.verdict) for each in report.requirements] == [("COPY-01", Verdict.PASS)]
    assert report.deployment.url == reference
    written = {"report.json", "junit.xml", "report.md", "report.html", "exchanges.har"}
    assert {each.name for each in (tmp_path / "out").iterdir()} == written
    assert "aloud" not in (tmp_path / "out" / "exchanges.har").read_text()
    others = {"out", "threads-conformance.toml", "conformance.py", "state"}
    assert {each.name for each in tmp_path.iterdir()} <= others
    assert threads_of(reference) == before


@pytest.mark.slow
def test_an_app_that_breaks_a_promise_is_not_conformant() -> None:
    wrong = faulty_deployment(all_faults()["get-of-a-malformed-id-is-200"])[1]
    report = run(wrong, requirements=["GET-03"])
    assert report.verdict is RunVerdict.NON_CONFORMANT
    (failed, *_) = [each for each in report.checks if each.verdict is Verdict.FAIL]
    assert failed.failure is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"deployment": 3}, "a URL or an ASGI app, and this is a int"),
        ({"headers": {"x-key": "a\nb: c"}}, "a header has a name and a value, each on one line"),
        ({"headers": {"#x": "a"}}, "a header has a name and a value"),
        ({"settings_file": "nowhere.toml"}, "cannot read nowhere.toml"),
    ],
)
def test_an_argument_that_cannot_be_used(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionsError, match=said) as told:
        run(**arguments)
    assert "b: c" not in str(told.value)


@pytest.mark.slow
def test_an_option_that_the_command_refuses_is_told_by_its_words(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("colour = 3\n")
    with pytest.raises(OptionsError, match=r"^unknown setting colour in the configuration file"):
        run(settings_file=tmp_path / "own.toml")
    with pytest.raises(OptionsError, match=r"^unknown requirement COPY-99"):
        run(requirements=["COPY-99"])


@pytest.mark.slow
def test_nothing_that_answers_is_told_as_such() -> None:
    with pytest.raises(NotReachedError, match=r"^cannot connect to http://127\.0\.0\.1:1") as told:
        run("http://127.0.0.1:1")
    assert told.value.report is None

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("not today")

    with pytest.raises(NotReachedError):
        run(broken)


def test_an_app_whose_lifespan_fails_is_told() -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(NotReachedError, match="did not start"):
        run(failing)


def test_a_process_that_ends_otherwise_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_run_child", lambda *_: (-9, ""))
    with pytest.raises(SuiteBrokeError, match="ended with status -9"):
        run()


def test_options_become_arguments() -> None:
    given = {"url": None, "requirement": ("A-1", "A-2"), "keep": True, "n": 0, "off": False}
    assert module._arguments(given) == ["--requirement=A-1", "--requirement=A-2", "--keep", "--n=0"]


#: A program that calls the suite, and would take a while.
PROGRAM = "import sys; from conformance import run; run(sys.argv[1], profile='extended')"


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_run_whose_program_ends_removes_what_it_made(
    ending: signal.Signals, reference: str, own_state: Path
) -> None:
    before = threads_of(reference)
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, reference], env=environment_of(), stderr=subprocess.PIPE
    )
    _await(lambda: threads_of(reference) != before)
    program.send_signal(ending)
    _, said = program.communicate(timeout=90)
    assert program.returncode != 0
    if ending is signal.SIGINT:
        assert b"KeyboardInterrupt" in said
        assert threads_of(reference) == before
    _await(lambda: threads_of(reference) == before and not list(own_state.glob("*")))


def _await(condition: Any) -> None:
    # Only so that a slip does not wait for ever: on a busy machine a clean-up takes a while.
    ends = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_another_package_that_is_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("conformance")
    other.__path__ = ["/somewhere/conformance"]
    monkeypatch.setitem(sys.modules, "conformance", other)
    with pytest.raises(OtherPackageError, match=r"from /somewhere/conformance, .*run --url URL"):
        _ = threads_conformance.run


def test_the_own_package_is_found_whatever_comes_first(tmp_path: Path) -> None:
    (tmp_path / "conformance").mkdir()
    (tmp_path / "conformance" / "__init__.py").write_text("")
    ended = subprocess.run(
        [sys.executable, "-c", "from threads_conformance import Verdict; print(Verdict.PASS)"],
        cwd=tmp_path,
        env=environment_of(),
        capture_output=True,
        text=True,
    )
    assert ended.stdout.strip() == "pass", ended.stderr
    assert own_package() is conformance
