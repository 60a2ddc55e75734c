"""The main job: one command, one verdict that can be trusted."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from conformance.contract.catalogue import ACCESS_CAPABILITY, RESTART_CAPABILITY, load_catalogue
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import DEFAULT_SEED, Settings
from conformance.model.entities import Checkpoint, Thread
from conformance.model.errors import NotFoundError
from conformance.model.threads import Threads
from conformance.reference.process import ReferenceProcess
from conformance.reference.server import HOST
from conformance.report.record import CheckResult, Report, load_report
from conformance.runner.session import collect_checks, run_suite
from tests.conftest import answering, command, served, written_report
from tests.store_variants import store_of

pytestmark = pytest.mark.slow

MakeSettings = Callable[..., Settings]
FILES = {"report.json", "junit.xml", "report.md", "report.html", "exchanges.har"}
ONE_CHECK = "test_copying_an_empty_thread_does_not_fail"
WITH_GRAPH = "test_a_copy_has_the_state_of_its_source"


def assert_keeps_every_promise(report: Report) -> None:
    short = {
        each.id: each.verdict.value
        for each in report.requirements
        if each.level != "MAY"
        and each.verdict is not Verdict.PASS
        # Of doors nothing is said without the options that say that there are some, and of
        # restarts nothing without leave to restart.
        and not (
            each.capability in (ACCESS_CAPABILITY, RESTART_CAPABILITY)
            and each.verdict is Verdict.NOT_RUN
        )
    }
    assert short == {}
    assert report.verdict is RunVerdict.CONFORMANT
    assert report.cleanup.created == report.cleanup.removed > 0
    assert report.cleanup.left == ()


# ---- the reference keeps every promise ----------------------------------------------


@pytest.mark.parametrize(("workers", "effort"), [("0", "standard"), ("2", "quick")])
def test_the_reference_conforms_to_all(workers: str, effort: str, tmp_path: Path) -> None:
    ended = command(tmp_path, "run", "--profile", "extended", "-n", workers, "--effort", effort)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "CONFORMANT" in ended.stdout
    assert ended.stderr == ""
    latest = tmp_path / "reports" / "latest"
    assert {file.name for file in latest.iterdir()} == FILES
    report = load_report(latest / "report.json")
    assert_keeps_every_promise(report)
    assert {each.id for each in report.requirements} == {
        each.id
        for each in load_catalogue().in_profile("extended")
        if effort == "standard" or each.effort == "quick"
    }
    assert len({each.id for each in report.checks}) == len(report.checks)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_no_temporary_folder_stands_after_a_run(workers: str, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    ended = command(
        tmp_path,
        *("run", "--requirement", "CREATE-0*", "-n", workers),
        TMPDIR=str(temporary),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(("workers", "processes"), [("0", {"main"}), ("1", {"main", "gw0"})])
def test_where_time_went_and_what_was_asked(
    workers: str, processes: set[str], tmp_path: Path
) -> None:
    ended = command(tmp_path, "run", "--requirement", "GET-*", "--timings", "-n", workers)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "\nTime: " in ended.stdout
    report = load_report(tmp_path / "reports" / "selection")
    assert report.timings.keys() == processes
    for name, spent in report.timings.items():
        # The process that the user started asks who is there, whoever judges.
        assert spent["server"] > 0
        assert spent["wire"] > 0
        assert (spent["judging"] > 0) is (name == "gw0" or workers == "0")
        assert (spent["clean-up"] > 0) is (spent["reporting"] > 0) is (name == "main")
    assert sum(report.timings["main"].values()) > report.run.duration_s
    # What was asked before the first check is not among the requests of the run.
    of_checks = sum(each.requests for each in report.checks)
    assert 0 < of_checks <= report.run.requests
    requests = {each.id: each.requests for each in report.requirements}
    assert all(requests.values())
    assert requests["GET-03"] == sum(
        each.requests for each in report.checks if "GET-03" in each.requirements
    )


def test_the_reference_conforms_to_the_documents(tmp_path: Path) -> None:
    ended = command(tmp_path, "run", "--effort", "quick", "--report-dir", "here")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert {file.name for file in (tmp_path / "here").iterdir()} == FILES
    assert_keeps_every_promise(load_report(tmp_path / "here" / "report.json"))


@pytest.mark.parametrize(
    "order",
    [
        ("-p", "pytest_reverse", "--reverse"),
        ("-p", "random_order.plugin", "--random-order", "--random-order-seed=1"),
    ],
    ids=["reversed", "shuffled"],
)
def test_in_any_order(order: tuple[str, ...], reference: str, settings_for: MakeSettings) -> None:
    settings = settings_for(reference)
    view = Order()
    report = run_suite(settings, identify_deployment(settings), view, pytest_args=order)
    assert_keeps_every_promise(report)
    collected = list(map(function_of, collect_checks(settings)))
    seen = list(map(function_of, view.seen))
    assert sorted(seen) == sorted(collected)
    assert seen != collected


def function_of(check_id: str) -> str:
    return check_id.partition("[")[0]


class Order:
    """Notes in which order the checks end."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def start(self, *_given: object) -> None:
        """Nothing to note."""

    def check_finished(self, result: CheckResult) -> None:
        self.seen.append(result.id)

    def stop(self) -> None:
        """Nothing to note."""

    def interrupted(self) -> None:
        """Nothing to note."""


@pytest.mark.parametrize("seed", [1, 2, 2**63])
def test_with_any_seed(seed: int, reference: str, settings_for: MakeSettings) -> None:
    settings = settings_for(reference, profile="extended", seed=seed)
    report = run_suite(settings, identify_deployment(settings), keyword="test_properties")
    assert_keeps_every_promise(report)
    assert report.run.seed == seed != DEFAULT_SEED


# ---- a server that breaks a promise -------------------------------------------------


class ForgetsOldest(Threads):
    """A copy lacks the oldest checkpoint of its source."""

    def copied_checkpoints(self, source: Thread) -> Sequence[Checkpoint]:
        return super().copied_checkpoints(source)[1:]


class CannotCopy(Threads):
    """A copy is answered as if the operation were not there."""

    def copy(self, thread_id: str) -> dict[str, object]:
        raise NotFoundError("Not Found")


def test_a_forgetful_copy_is_noticed(tmp_path: Path) -> None:
    with served(store_of(ForgetsOldest)) as url:
        ended = command(tmp_path, "run", "--url", url, "--effort", "quick", "--capability", "copy")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "NON-CONFORMANT" in ended.stdout.upper().replace("_", "-")
    report = load_report(written_report(tmp_path))
    verdicts = {each.id: each.verdict for each in report.requirements}
    for requirement in ("COPY-03", "COPY-04", "COPY-05", "COPY-06", "COPY-07"):
        assert verdicts[requirement] is Verdict.FAIL, requirement
    for requirement in ("COPY-01", "COPY-02", "COPY-08", "COPY-10", "COPY-12"):
        assert verdicts[requirement] is Verdict.PASS, requirement
    check = report.check("test_copy.py::test_a_copy_has_the_whole_history")
    assert check.failure is not None
    told = check.failure.message
    assert told.startswith("COPY-03: A copy MUST hold every state of its source")
    assert re.search(r"^difference: \$\S+: ", told, re.MULTILINE)
    assert re.search(rf"^reproduce: \nURL='{url}'\ncurl -sS -X POST \"\$URL/threads\" ", told, re.M)
    # The first check of a run that needs the graph asks for it before it makes a thread, which the
    # failure does not need.
    assert "/assistants/search" not in told
    assert "source: 003_a519280589421030.txt: Copy thread" in told
    assert report.run.partial
    assert report.cleanup.left == ()


def test_a_documented_operation_that_is_missing(settings_for: MakeSettings) -> None:
    with served(store_of(CannotCopy)) as url:
        settings = settings_for(url, capabilities=("copy",))
        report = run_suite(settings, identify_deployment(settings))
    assert report.verdict is RunVerdict.NON_CONFORMANT
    verdicts = {each.id: each.verdict for each in report.requirements}
    assert verdicts.pop("COPY-01") is Verdict.FAIL
    assert set(verdicts.values()) == {Verdict.BLOCKED}


def test_a_server_that_dies_in_the_middle(settings_for: MakeSettings, own_state: Path) -> None:
    with ReferenceProcess() as process:
        # Disposable, so that nothing is removed before it dies.
        settings = settings_for(process.url, capabilities=("copy",), timeout_s=5.0, disposable=True)
        server = identify_deployment(settings)
        report = run_suite(settings, server, DiesAfter(5, process))
    verdicts = [each.verdict for each in report.checks]
    assert verdicts.count(Verdict.PASS) == 5
    assert set(verdicts) == {Verdict.PASS, Verdict.ERROR}
    assert report.verdict is RunVerdict.INCOMPLETE
    assert len(report.cleanup.left) == report.cleanup.created > 0
    assert (own_state / settings.run_id).is_dir()  # for sweep


class DiesAfter(Order):
    """Ends the deployment after so many checks."""

    def __init__(self, checks: int, process: ReferenceProcess) -> None:
        super().__init__()
        self._checks, self._process = checks, process

    def check_finished(self, result: CheckResult) -> None:
        super().check_finished(result)
        if len(self.seen) == self._checks:
            self._process.__exit__(None, None, None)


# ---- what a person may type wrongly -------------------------------------------------


def assert_one_sentence(ended: subprocess.CompletedProcess[str], status: int, says: str) -> None:
    assert ended.returncode == status, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    told = ended.stderr.strip().splitlines()
    assert told[-1].startswith("Error: "), told
    assert says in told[-1], told[-1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--profile", "everything"], "'everything' is not one of"),
        (["--nonsense"], "No such option"),
        (["-n", "many"], "give a number of processes, or auto"),
        (["-H", "no colon"], "a header is written 'Name: value'"),
        (["-k", "and and"], "is not an expression of names"),
        (["-k", "no_check_has_this_name"], "no check matches"),
        (["--requirement", "COPI-03"], "did you mean COPY-03"),
        (["--requirement", "COPY-99"], "did you mean COPY-"),
        (["--capability", "copying"], "unknown capability 'copying': use one of"),
        (["--url", "127.0.0.1:2024"], "write it like http://127.0.0.1:2024"),
        (["--report-dir", "taken/reports"], "name another folder"),
        (["--timeout", "0"], "is not in the range"),
    ],
)
def test_wrong_usage(arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    assert_one_sentence(command(tmp_path, "run", *arguments), 2, says)


def test_a_state_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    ended = command(tmp_path, "run", "-k", ONE_CHECK, XDG_STATE_HOME=str(tmp_path / "taken"))
    assert_one_sentence(ended, 2, "set XDG_STATE_HOME")


def test_a_connection_that_is_refused(tmp_path: Path, own_state: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        url = f"http://{HOST}:{taken.getsockname()[1]}"
        ended = command(tmp_path, "run", "--url", url)
    assert_one_sentence(ended, 3, f"cannot connect to {url}")
    assert not own_state.exists()


def test_a_server_of_something_else(tmp_path: Path) -> None:
    with answering(lambda *_: (200, "text/html", b"<html>")) as url:
        assert_one_sentence(command(tmp_path, "run", "--url", url), 3, "no LangGraph Server at")


def test_a_graph_that_is_missing_blocks_what_needs_it(tmp_path: Path, reference: str) -> None:
    ended = command(
        tmp_path,
        *("run", "--url", reference, "--graph", "nowhere", "--effort", "quick"),
        *("-k", f"{WITH_GRAPH} or test_the_id_is_a_uuid"),
    )
    assert ended.returncode == 3, ended.stdout + ended.stderr
    report = load_report(written_report(tmp_path))
    verdicts = {each.id.partition("::")[2]: each for each in report.checks}
    assert verdicts["test_the_id_is_a_uuid"].verdict is Verdict.PASS
    assert verdicts[WITH_GRAPH].verdict is Verdict.BLOCKED
    assert "the deployment has no graph 'nowhere'" in verdicts[WITH_GRAPH].reason


# ---- a folder with a pytest of its own ----------------------------------------------


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_hostile_folder_changes_nothing(workers: str, reference: str, tmp_path: Path) -> None:
    hostile = "raise SystemExit('a stranger was imported')\n"
    (tmp_path / "conftest.py").write_text(hostile)
    (tmp_path / "hostile.py").write_text(hostile)
    (tmp_path / "conformance.py").write_text(hostile)
    (tmp_path / "test_own.py").write_text(hostile)
    settings = "addopts = --nonsense\npython_files = nothing*.py\n"
    (tmp_path / "pytest.ini").write_text(f"[pytest]\n{settings}")
    (tmp_path / "tox.ini").write_text(f"[pytest]\n{settings}")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--nonsense'\n")
    ended = command(
        tmp_path,
        *("run", "--url", reference, "-n", workers, "-k", ONE_CHECK),
        PYTEST_ADDOPTS="--nonsense",
        PYTEST_PLUGINS="hostile",
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = load_report(written_report(tmp_path))
    assert [each.id for each in report.checks] == [f"test_copy.py::{ONE_CHECK}"]


def test_no_secret_is_in_any_file_of_the_report(tmp_path: Path) -> None:
    with served(store_of(ForgetsOldest)) as url:
        ended = command(
            tmp_path,
            *("run", "--url", url.replace("://", "://someone:swordfish1@")),
            *("-H", "X-Own: swordfish2", "--api-key", "swordfish3", "--requirement", "COPY-03"),
        )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    texts = [file.read_text(encoding="utf-8") for file in tmp_path.rglob("*") if file.is_file()]
    assert len(texts) >= len(FILES)
    assert not [text for text in (*texts, ended.stdout, ended.stderr) if "swordfish" in text]
