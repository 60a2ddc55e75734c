"""The verdict of a check by the way in which it ends, under `run` and under plain pytest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from shutil import copytree
from uuid import uuid4

import httpx
import pytest

from conformance.checks.outcomes import Blocked, NotRun, PromiseBroken, Unsupported
from conformance.contract.causes import Cause
from conformance.contract.verdicts import Stability, Verdict
from conformance.defects import SuiteDefectError
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.report.record import CheckResult, Report
from conformance.runner import pytest_engine
from conformance.runner.judging import verdict_of
from conformance.runner.session import run_suite
from tests.conftest import CHECKOUT, Reply, answering, as_json, environment_of, threads_of

MakeSettings = Callable[..., Settings]
SERVER = ServerInfo(None, None)


@pytest.mark.parametrize(
    ("ended", "verdict"),
    [
        (PromiseBroken("a", "b"), Verdict.FAIL),
        (AssertionError(), Verdict.FAIL),
        (Blocked("why"), Verdict.BLOCKED),
        (Unsupported("why", by=Cause.at("here")), Verdict.UNSUPPORTED),
        (NotRun("install what"), Verdict.NOT_RUN),
        (httpx.ReadTimeout("slow"), Verdict.ERROR),
        (httpx.RemoteProtocolError("gone"), Verdict.ERROR),
        (KeyError("ours"), Verdict.ERROR),
        (ExceptionGroup("", [PromiseBroken("a", "b"), httpx.ReadError("gone")]), Verdict.FAIL),
        (ExceptionGroup("", [Blocked("why"), KeyError("ours")]), Verdict.ERROR),
    ],
)
def test_what_an_exception_says_of_the_promise(ended: BaseException, verdict: Verdict) -> None:
    assert verdict_of(ended) is verdict


#: A suite of few checks, one for each way to end. The files count the attempts.
CHECKS = """
from pathlib import Path
import pytest
from conformance.contract.causes import Cause
from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported, requires

ATTEMPTS = Path(__file__).parent / "attempts"

def attempt(name):
    with (ATTEMPTS / name).open("a") as file:
        file.write(".")
    return len((ATTEMPTS / name).read_text())

@requires("COPY-01")
def test_passes():
    attempt("passes")

@requires("COPY-02")
def test_fails():
    attempt("fails")
    raise PromiseBroken("one thing", "another", ("$.a: expected 1, got 2",))

@requires("COPY-03")
def test_flaky():
    assert attempt("flaky") > 1, "only the first time"

@requires("COPY-04")
def test_flaky_at_last():
    assert attempt("flaky_at_last") == 3, "but for the last time"

@requires("COPY-05")
def test_blocked():
    attempt("blocked")
    raise Blocked("no graph")

@requires("COPY-06")
def test_documented_stands_on_unsupported():
    raise Unsupported("not offered", by=Cause.refused("count", 404, "missing"))

@requires("COUNT-01")
def test_unsupported():
    raise Unsupported("not offered", by=Cause.refused("count", 404, "missing"))

@requires("COPY-07")
def test_connection_broken(client):
    attempt("connection_broken")
    client.info()

@requires("COPY-08")
def test_suite_broken():
    raise KeyError("ours")

@requires("COPY-09", "COPY-10")
@pytest.mark.parametrize("way", ["a", "b"])
def test_of_two_ways(way):
    assert way == "a", "the second way \\ud800"

@requires("COPY-11")
def test_notes(context):
    context.note("waited 7 ms")

@requires("COPY-12")
def test_set_up_fails(broken):
    pass

@requires("CREATE-16")
def test_of_another_capability():
    pass

@pytest.fixture
def broken(client):
    raise PromiseBroken("a fixture", "none")
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands in for the suite's modules."""
    folder = tmp_path / "suite"
    (folder / "attempts").mkdir(parents=True)
    # No two modules of one name: pytest keeps what it imported.
    (folder / f"test_{uuid4().hex}.py").write_text(CHECKS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "conftest.py").write_text("from conformance.suite.conftest import *\n")
    monkeypatch.setattr(pytest_engine, "_SUITE", folder)
    return folder


def broken_after_preflight(_method: str, path: str, _body: bytes) -> Reply | None:
    return None if path == "/info" else as_json([])


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_every_way_to_end(workers: str, suite: Path, settings_for: MakeSettings) -> None:
    with answering(broken_after_preflight) as url:
        settings = settings_for(
            url, timeout_s=0.2, profile="extended", capabilities=("copy", "count")
        )
        report = run_suite(settings, SERVER, workers=workers)
    found = by_name(report)
    assert len(found) == len(report.checks)  # each check has one result
    assert {name: (each.verdict.value, each.stability.value) for name, each in found.items()} == {
        "test_passes": ("pass", "stable"),
        "test_fails": ("fail", "stable"),
        "test_flaky": ("fail", "flaky"),
        "test_flaky_at_last": ("fail", "flaky"),
        "test_blocked": ("blocked", "stable"),
        "test_documented_stands_on_unsupported": ("blocked", "stable"),
        "test_unsupported": ("unsupported", "stable"),
        "test_connection_broken": ("error", "stable"),
        "test_suite_broken": ("error", "stable"),
        "test_of_two_ways[a]": ("pass", "stable"),
        "test_of_two_ways[b]": ("fail", "stable"),
        "test_notes": ("pass", "stable"),
        "test_set_up_fails": ("fail", "stable"),
    }
    attempts = {file.name: len(file.read_text()) for file in (suite / "attempts").iterdir()}
    assert attempts == {
        "passes": 1,
        "fails": 3,
        "flaky": 2,
        "flaky_at_last": 3,
        "blocked": 1,
        "connection_broken": 1,
    }
    assert found["test_blocked"].reason == "no graph"
    assert found["test_connection_broken"].reason.startswith("trouble on the way")
    assert found["test_suite_broken"].reason == "KeyError: 'ours'"
    assert found["test_notes"].reason == "waited 7 ms"
    assert found["test_of_two_ways[b]"].requirements == ("COPY-09", "COPY-10")
    json.dumps(report.to_json(), ensure_ascii=False).encode()  # every text can be written


def by_name(report: Report) -> dict[str, CheckResult]:
    return {each.id.partition("::")[2]: each for each in report.checks}


def test_a_failure_tells_its_story_in_order(suite: Path, settings_for: MakeSettings) -> None:
    with answering(lambda *_: as_json([])) as url:
        report = run_suite(settings_for(url, requirements=("COPY-02",)), SERVER)
    (check,) = report.checks
    assert check.stability is Stability.STABLE
    assert check.failure is not None
    lines = check.failure.message.splitlines()
    assert [line.partition(": ")[0] for line in lines][:5] == [
        "COPY-02",
        "expected",
        "got",
        "difference",
        "reproduce",
    ]
    assert lines[-1].startswith("source: ")
    assert report.run.partial


def test_the_worst_check_decides_a_requirement(suite: Path, settings_for: MakeSettings) -> None:
    with answering(lambda *_: as_json([])) as url:
        report = run_suite(settings_for(url, requirements=("COPY-09",)), SERVER)
    (requirement,) = report.requirements
    assert (requirement.id, requirement.verdict) == ("COPY-09", Verdict.FAIL)
    assert len(requirement.checks) == 2


def test_a_check_that_names_an_unknown_requirement_is_a_defect(
    suite: Path, settings_for: MakeSettings
) -> None:
    (suite / "test_slip.py").write_text(
        "from conformance.checks.outcomes import requires\n"
        '@requires("GET-66")\n'
        "def test_slips(): ...\n"
    )
    with (
        answering(lambda *_: as_json([])) as url,
        pytest.raises(SuiteDefectError, match="test_slips names the unknown requirement GET-66"),
    ):
        run_suite(settings_for(url), SERVER)


# ---- plain pytest -------------------------------------------------------------------


def plain_pytest(
    directory: Path, *arguments: str, paths: Sequence[Path] = (CHECKOUT,)
) -> subprocess.CompletedProcess[str]:
    """pytest in a folder of its own, with the project's entry point, installed or not.

    `paths` is where Python looks for modules before all else.
    """
    module = "conformance.runner.options"
    installed = any(each.value == module for each in entry_points(group="pytest11"))
    loaded = [] if installed else ["-p", module]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *loaded, *arguments],
        cwd=directory,
        env=environment_of(PYTHONPATH=os.pathsep.join(map(str, paths))),
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "keyword"),
    [
        # With what is optional and the reference does not show: it is skipped.
        pytest.param("0", "test_create and not valid or recipe", id="some, here"),
        pytest.param("2", "not nothing", id="all, by workers"),
    ],
)
def test_the_checks_run_under_plain_pytest(
    workers: str, keyword: str, reference: str, tmp_path: Path, own_state: Path
) -> None:
    before = threads_of(reference)
    ended = plain_pytest(
        tmp_path,
        *("--pyargs", "conformance.suite", "--deployment-url", reference),
        *("-k", keyword, "-n", workers, "-rs"),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout
    assert "COPY-21 (MAY) not found" in ended.stdout
    assert " failed" not in ended.stdout
    assert threads_of(reference) == before
    assert not list(own_state.glob("*"))


#: Fixtures that other plugins and projects have too.
OF_OTHERS = """
import pytest

@pytest.fixture
def threads():
    return "somebody else's"

client = settings = context = given = threads
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["plugin", "conftest"])
def test_the_checks_keep_their_fixtures(where: str, reference: str, tmp_path: Path) -> None:
    options: tuple[str, ...] = ()
    if where == "plugin":
        (tmp_path / "of_others.py").write_text(OF_OTHERS)
        options = ("-p", "of_others")
    else:
        # Of a project whose environment, with the suite in it, stands in its own folder.
        (tmp_path / "conftest.py").write_text(OF_OTHERS)
        for part in ("conformance", "schemas", "fixtures"):
            copytree(CHECKOUT / part, tmp_path / part)
    ended = plain_pytest(
        tmp_path,
        *("--pyargs", "conformance.suite", "--deployment-url", reference),
        *("-k", "test_an_unknown_thread_is_404 or test_a_copy_is_answered", *options),
        paths=[tmp_path] if where == "conftest" else [tmp_path, CHECKOUT],
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout


@pytest.mark.slow
def test_plain_pytest_skips_what_only_a_disposable_deployment_is_asked(
    reference: str, tmp_path: Path
) -> None:
    ended = plain_pytest(
        tmp_path,
        *("--pyargs", "conformance.suite", "--deployment-url", reference, "-rs"),
        *("--deployment-profile", "extended", "-k", "test_malformed_json_is_refused"),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "say --disposable" in ended.stdout


@pytest.mark.slow
def test_plain_pytest_shows_the_promise_that_broke(tmp_path: Path) -> None:
    with answering(lambda *_: as_json({"detail": "no"}, 500)) as url:
        ended = plain_pytest(
            tmp_path,
            *("--pyargs", "conformance.suite", "--deployment-url", url),
            *("-k", "test_an_empty_body_creates or test_a_copy_is_answered"),
        )
    assert ended.returncode == 1
    assert "MUST" in ended.stdout
    assert 'curl -sS -X POST "$URL/threads' in ended.stdout


@pytest.mark.slow
def test_plain_pytest_names_the_client_that_is_not_installed(
    tmp_path: Path, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = plain_pytest(
        tmp_path,
        *("--pyargs", "conformance.suite", "--deployment-url", reference),
        *("--deployment-client", "curl", "-k", "getting"),
    )
    assert ended.returncode == 1
    assert "curl: bash and curl and jq cannot be found" in ended.stdout
    assert "Traceback" not in ended.stdout
    assert " passed" not in ended.stdout


@pytest.mark.slow
def test_without_a_url_the_options_load_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "def test_other():\n"
        "    assert not [name for name in sys.modules if name.startswith('conformance.suite')]\n"
        "    assert 'httpx' not in sys.modules\n"
    )
    ended = plain_pytest(tmp_path, "-p", "no:schemathesis")
    assert ended.returncode == 0, ended.stdout + ended.stderr
