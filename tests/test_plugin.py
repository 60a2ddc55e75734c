"""The verdict of a check by the way in which it ends, under `run` and under plain pytest."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
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
from conformance.runner.pytest_names import DATA_KEY
from conformance.runner.session import run_suite
from tests.conftest import CHECKOUT, Reply, answering, as_json, environment_of, threads_of
from threads_conformance import pytest_plugin

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
    """pytest in a folder of its own, with the plugin of the project, installed or not.

    `paths` is where Python looks for modules before all else.
    """
    # An environment may have another version of the project installed.
    loaded = ("-p", "no:threads-conformance-options", "-p", "threads_conformance.pytest_plugin")
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
        for part in ("conformance", "threads_conformance", "schemas", "fixtures"):
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


#: A test that looks at what its own process has loaded and knows.
LOOKING = """
import sys
import pytest

def test_other(pytestconfig):
    assert not [name for name in sys.modules if name.startswith("conformance")]
    assert "httpx" not in sys.modules
    assert not [mark for mark in pytestconfig.getini("markers") if "requires" in mark]
"""


@pytest.mark.slow
def test_without_a_url_nothing_of_the_suite_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(LOOKING)
    ended = plain_pytest(tmp_path, "-p", "no:schemathesis")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_entry_point_knows_the_key_of_a_worker() -> None:
    assert pytest_plugin.HANDED_OVER == DATA_KEY


#: A package of the same name as the suite's.
OTHER_PACKAGE = "def kept(): return True\n"


@pytest.mark.slow
def test_a_package_conformance_that_is_imported_already_is_told_in_a_sentence(
    tmp_path: Path,
) -> None:
    (tmp_path / "conformance").mkdir()
    (tmp_path / "conformance" / "__init__.py").write_text(OTHER_PACKAGE)
    (tmp_path / "conftest.py").write_text("from conformance import kept\n")
    ended = plain_pytest(tmp_path, "--deployment-url", "http://127.0.0.1:1")
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    (said,) = ended.stderr.strip().splitlines()
    assert str(tmp_path / "conformance") in said
    assert "`threads-conformance run --url URL`" in said


@pytest.mark.slow
@pytest.mark.parametrize("named", ["url", "fixture"])
def test_the_users_own_tests_stay_as_they_are_among_the_checks(
    named: str, reference: str, tmp_path: Path
) -> None:
    (tmp_path / "conftest.py").write_text(
        "import pytest\n"
        '@pytest.fixture(scope="session")\n'
        f"def deployment_url(): return {reference!r}\n"
    )
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = --strict-markers\nmarkers = requires(what)\n"
    )
    (tmp_path / "test_own.py").write_text(
        "import pytest\n"
        '@pytest.mark.requires("not a requirement")\n'
        "def test_z(): assert 'told by the pytest of the user' == 0\n"
        "def test_a(): pass\n"
    )
    options = ("--deployment-url", reference) if named == "url" else ()
    ended = plain_pytest(
        tmp_path,
        *("test_own.py", "--pyargs", "conformance.suite", "-n", "1", "-v", *options),
        *("-m", "requirement(id='GET-01') or not level"),
    )
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout + ended.stderr
    assert re.findall(r"^\[gw0\] .*::(\w+)", ended.stdout, re.MULTILINE) == [
        *("test_z", "test_a", "test_a_thread_has_every_documented_member")
    ]
    # By the usual traceback, which shows the values.
    assert "AssertionError: assert 'told by the pytest of the user' == 0" in ended.stdout
    assert "Traceback (most recent call last)" not in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("requirement(id='GET-01')", {"test_a_thread_has_every_documented_member"}),
        (
            "capability(name='create') and level(name='SHOULD')",
            {"test_a_new_thread_was_never_updated"},
        ),
    ],
)
def test_marks_select_checks(expression: str, chosen: set[str], tmp_path: Path) -> None:
    ended = plain_pytest(
        tmp_path,
        *("--pyargs", "conformance.suite", "--collect-only", "-q", "--strict-markers"),
        *("-m", expression),
    )
    collected = {each.partition("::")[2] for each in ended.stdout.splitlines() if "::" in each}
    assert collected >= chosen, ended.stdout + ended.stderr
    assert len(collected) < 10


# ---- a deployment that the user's fixtures name --------------------------------------

CONFTEST = """
import pytest
from pathlib import Path

@pytest.fixture(scope="session")
def {name}():
    with Path("log").open("a") as log:
        print("opened", file=log)
    yield {value}
    with Path("log").open("a") as log:
        print("closed", file=log)
    {after}
"""


def fixture_pytest(
    directory: Path, *arguments: str, name: str = "deployment_url", value: str, after: str = ""
) -> subprocess.CompletedProcess[str]:
    """pytest on the checks with a conftest that names the deployment; its log tells its life."""
    (directory / "conftest.py").write_text(CONFTEST.format(name=name, value=value, after=after))
    return plain_pytest(directory, "--pyargs", "conformance.suite", *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_each_process_opens_the_deployment_of_a_fixture_once(
    workers: str, reference: str, tmp_path: Path, own_state: Path
) -> None:
    before = threads_of(reference)
    ended = fixture_pytest(
        tmp_path, *("-m", "capability(name='get')", "-n", workers), value=repr(reference)
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout
    opened = (tmp_path / "log").read_text().split()
    assert opened.count("opened") == opened.count("closed") == max(1, int(workers))
    # What the checks made is removed before the fixture ends.
    assert threads_of(reference) == before
    assert not list(own_state.glob("*"))


@pytest.mark.slow
def test_an_app_of_a_fixture_is_served_with_its_lifespan(tmp_path: Path) -> None:
    (tmp_path / "own_app.py").write_text(
        "from contextlib import asynccontextmanager\n"
        "from pathlib import Path\n"
        "from starlette.applications import Starlette\n"
        "from starlette.routing import Mount\n"
        "from conformance.reference.app import create_app\n"
        "@asynccontextmanager\n"
        "async def lifespan(app):\n"
        "    Path('log').open('a').write('started ')\n"
        "    yield\n"
        "    Path('log').open('a').write('stopped ')\n"
        "app = Starlette(routes=[Mount('/', create_app())], lifespan=lifespan)\n"
    )
    ended = fixture_pytest(
        tmp_path,
        *("-m", "requirement(id='GET-01')"),
        name="deployment_app",
        value="__import__('own_app').app",
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout
    assert (tmp_path / "log").read_text().split() == ["opened", "started", "stopped", "closed"]


@pytest.mark.slow
def test_a_check_that_fails_is_repeated_on_the_same_deployment(tmp_path: Path) -> None:
    with answering(lambda *_: as_json({"detail": "no"}, 500)) as url:
        # The last check of the session is the one that fails.
        ended = fixture_pytest(tmp_path, "-m", "requirement(id='COPY-01')", value=repr(url))
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout + ended.stderr
    assert "1 failed" in ended.stdout
    assert (tmp_path / "log").read_text().split() == ["opened", "closed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("deployment_url", "1 / 0", "ZeroDivisionError: division by zero"),
        ("deployment_url", "None", "gives a NoneType, and must give a URL as text"),
        ("deployment_url", "'nowhere'", "'nowhere' is not the URL of a deployment"),
        ("deployment_app", "'no app'", "an ASGI app is callable, and this is a str"),
        ("other", "None", "no deployment is named: give --deployment-url URL"),
    ],
)
def test_a_deployment_that_cannot_be_opened_is_told_once(
    name: str, value: str, said: str, tmp_path: Path
) -> None:
    ended = fixture_pytest(tmp_path, *("-m", "capability(name='get')"), name=name, value=value)
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert " passed" not in ended.stdout
    told = ended.stdout.partition("short test summary")[0]
    assert told.count(said) == 1, ended.stdout
    assert "no deployment: see the error of " in told
    assert "INTERNALERROR" not in ended.stdout


@pytest.mark.slow
def test_a_fixture_that_breaks_as_it_ends_is_an_error_of_the_last_check(
    reference: str, tmp_path: Path
) -> None:
    ended = fixture_pytest(
        tmp_path, "-m", "requirement(id='GET-01')", value=repr(reference), after="1 / 0"
    )
    assert "1 passed" in ended.stdout
    assert "1 error" in ended.stdout
    assert "ZeroDivisionError" in ended.stdout
    assert "INTERNALERROR" not in ended.stdout + ended.stderr
