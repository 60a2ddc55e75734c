"""A good guest: the suite removes what it makes, and leaves alone what others made."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.deployment.ownership.ledger import Ledger, ledgers_dir, remaining_ledgers
from conformance.deployment.ownership.proof import RUN_TAG
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.reference.app import new_store
from conformance.reference.process import ReferenceProcess
from conformance.report.record import Cleanup, LeftThreads, Report, load_report
from conformance.runner.cleanup import clean_up
from conformance.runner.session import run_suite
from tests.conftest import (
    Reply,
    answering,
    arguments_of,
    as_json,
    command,
    environment_of,
    served,
    threads_of,
    written_report,
)

pytestmark = pytest.mark.slow

QUICK = ("--effort", "quick")
FEW = ("--effort", "quick", "--capability", "copy")
DEADLINE_S = 60.0


@pytest.fixture
def deployment() -> Iterator[str]:
    """A deployment that holds some threads of other people."""
    with ReferenceProcess() as process, httpx.Client(base_url=process.url) as http:
        for number in range(3):
            http.post("/threads", json={"metadata": {"other": number}}).raise_for_status()
        yield process.url


def report_in(directory: Path) -> Report:
    return load_report(written_report(directory))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


def created() -> int:
    """So many threads stand in the ledgers as created."""
    return sum(len(ledger.created) for _, ledger in remaining_ledgers())


def some_created() -> bool:
    return created() >= 20


@contextmanager
def under_way(
    directory: Path, *arguments: str, far_enough: Callable[[], bool] = some_created
) -> Iterator[subprocess.Popen[str]]:
    """A run that has come so far and is not done."""
    # Where the tests run in the background of a shell, Ctrl-C would be ignored by heritage.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        arguments_of("run", *arguments),
        cwd=directory,
        env=environment_of(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, inherited)
    try:
        until(lambda: far_enough() or process.poll() is not None)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_leaves_the_deployment_as_it_was(
    workers: str, deployment: str, tmp_path: Path, own_state: Path
) -> None:
    before = threads_of(deployment)
    ended = command(
        tmp_path, "run", "--url", deployment, "--profile", "extended", *QUICK, "-n", workers
    )
    # What could mean other people's threads as well is not run beside them.
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert threads_of(deployment) == before
    report = report_in(tmp_path)
    assert for_the_disposable_alone(report)
    cleanup = report.cleanup
    assert cleanup.created == cleanup.removed > 100
    assert (cleanup.left, cleanup.reasons, cleanup.possibly_left) == ((), (), ())
    assert f"created {cleanup.created}, removed {cleanup.removed}" in ended.stdout
    assert not list(own_state.iterdir())


def for_the_disposable_alone(report: Report) -> set[str]:
    """The MUST requirements that were not decided; nothing but the guest's rule kept them."""
    undecided = {
        each.id
        for each in report.requirements
        if each.level == "MUST" and each.verdict is not Verdict.PASS
    }
    reasons = {
        each.reason
        for each in report.checks
        if undecided & set(each.requirements) and each.verdict is not Verdict.PASS
    }
    assert report.verdict is RunVerdict.INCOMPLETE
    assert {each.verdict for each in report.requirements if each.id in undecided} == {
        Verdict.NOT_RUN
    }
    assert all("say --disposable" in each for each in reasons), reasons
    return undecided


def test_what_is_kept_is_swept(deployment: str, tmp_path: Path) -> None:
    before = threads_of(deployment)
    assert command(tmp_path, "run", "--url", deployment, *FEW, "--keep").returncode == 0
    kept = threads_of(deployment)
    assert len(kept) > len(before) + 10
    cleanup = report_in(tmp_path).cleanup
    assert cleanup.removed == 0
    # A thread under an id that the server chose, as a copy, is told as well, without its id.
    untold = kept.keys() - before.keys() - set(cleanup.left)
    assert len(untold) <= sum(each.threads for each in cleanup.possibly_left)
    assert len(cleanup.left) == cleanup.created
    swept = command(tmp_path, "sweep", "--url", deployment)
    assert swept.returncode == 0, swept.stdout + swept.stderr
    said = re.search(r"created (\d+), removed (\d+)", swept.stdout)
    assert said, swept.stdout
    assert int(said[1]) == int(said[2]) >= cleanup.created
    assert threads_of(deployment) == before
    again = command(tmp_path, "sweep", "--url", deployment)
    assert again.returncode == 0
    assert "nothing to sweep" in again.stdout


@pytest.mark.parametrize(
    ("workers", "options"),
    [
        # There no thread is removed beside the checks: many are left, some without the run's tag.
        pytest.param("0", ["--disposable"], id="disposable"),
        pytest.param("2", [], id="guest"),
    ],
)
def test_what_a_killed_run_left_is_swept(
    workers: str, options: list[str], deployment: str, tmp_path: Path
) -> None:
    before = threads_of(deployment)

    def far_enough() -> bool:
        new = [each for key, each in threads_of(deployment).items() if key not in before]
        untagged = [each for each in new if RUN_TAG not in each["metadata"]]
        return some_created() and len(untagged) >= (3 if options else 0)

    arguments = ("--url", deployment, "-n", workers, *options)
    with under_way(tmp_path, *arguments, far_enough=far_enough) as process:
        # It must not end before it is killed.
        process.send_signal(signal.SIGSTOP)
        alive = command(tmp_path, "sweep", "--url", deployment)
        assert "still under way, left alone" in alive.stdout
        assert alive.returncode == 0
        process.kill()
        process.wait()
    if options:
        assert len(threads_of(deployment)) > len(before) + 10
    told: list[str] = []
    unanswered = 0

    def swept() -> bool:
        # The workers of a killed run end a moment later.
        nonlocal unanswered
        unanswered = sum(
            len(ledger.unidentified) + len(ledger.unfindable) for _, ledger in remaining_ledgers()
        )
        told.append(command(tmp_path, "sweep", "--url", deployment).stdout)
        return "still under way" not in told[-1]

    until(swept)
    after = threads_of(deployment)
    possible = told[-1].count("  possibly left: ")
    assert possible <= unanswered, told[-1]
    assert len(after) - len(before) <= possible
    assert {key: after[key] for key in before} == before
    assert not list(remaining_ledgers())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_interrupted_run_cleans_up(
    number: signal.Signals, workers: str, deployment: str, tmp_path: Path
) -> None:
    before = threads_of(deployment)
    with under_way(tmp_path, "--url", deployment, "-n", workers) as process:
        if number is signal.SIGINT:
            # A terminal tells all processes of the group.
            signal_group(process, number)
        else:
            process.send_signal(number)
        out, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 3, out + errors
    assert "Traceback" not in out + errors
    report = report_in(tmp_path)
    assert report.verdict is RunVerdict.INCOMPLETE
    assert report.cleanup.created == report.cleanup.removed >= 20
    assert f"created {report.cleanup.created}, removed {report.cleanup.removed}" in out
    assert threads_of(deployment) == before


def signal_group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    os.killpg(process.pid, number)


def test_a_second_ctrl_c_names_sweep(tmp_path: Path) -> None:
    with (
        slow_to_delete() as (url, asked),
        # There nothing is deleted before the clean-up.
        under_way(tmp_path, "--url", url, "--disposable") as process,
    ):
        process.send_signal(signal.SIGINT)
        assert asked.wait(DEADLINE_S)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 3, out + errors
    assert "Traceback" not in out + errors
    assert errors.splitlines()[-1].startswith("Error: interrupted")
    assert f"threads-conformance sweep --url {url}" in errors


@contextmanager
def slow_to_delete() -> Iterator[tuple[str, threading.Event]]:
    """A disposable deployment whose first deletion in the clean-up never ends."""
    asked = threading.Event()
    with ReferenceProcess() as process, httpx.Client(base_url=process.url) as http:

        def reply(method: str, path: str, body: bytes) -> Reply | None:
            if path == "/threads/prune":
                asked.set()
                return None
            answer = http.request(method, path, content=body)
            return answer.status_code, answer.headers.get("content-type", ""), answer.content

        with answering(reply) as url:
            yield url, asked


def test_sweep_when_the_server_lost_its_threads(deployment: str, tmp_path: Path) -> None:
    assert command(tmp_path, "run", "--url", deployment, *FEW, "--keep").returncode == 0
    with httpx.Client(base_url=deployment) as http:
        for thread_id in threads_of(deployment):
            http.delete(f"/threads/{thread_id}").raise_for_status()
    swept = command(tmp_path, "sweep", "--url", deployment)
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert "left:" not in swept.stdout
    assert not list(remaining_ledgers())


def test_sweep_of_a_server_that_is_gone(deployment: str, tmp_path: Path) -> None:
    ended = command(tmp_path, "sweep", "--url", "http://127.0.0.1:1")
    assert ended.returncode == 3
    assert ended.stderr.startswith("Error: cannot connect to")


def test_sweep_tells_of_what_was_left_under_another_name(deployment: str, tmp_path: Path) -> None:
    by_name = deployment.replace("127.0.0.1", "localhost")
    assert command(tmp_path, "run", "--url", by_name, *FEW, "--keep").returncode == 0
    ended = command(tmp_path, "sweep", "--url", deployment)
    assert (
        f"a run of {by_name} may have left threads: sweep it with --url {by_name}" in ended.stdout
    )
    ended = command(tmp_path, "sweep", "--url", by_name)
    assert (ended.returncode, list(remaining_ledgers())) == (0, [])


def test_sweep_touches_only_what_its_ledgers_name(deployment: str, tmp_path: Path) -> None:
    before = threads_of(deployment)
    ended = command(tmp_path, "sweep", "--url", deployment)
    assert ended.returncode == 0
    assert threads_of(deployment) == before


@pytest.mark.parametrize(
    ("disposable", "began_s_ago", "swept"),
    [(True, 60, True), (True, -60, False), (False, 60, False)],
)
def test_an_untagged_thread_is_swept_from_a_disposable_deployment_if_it_is_of_the_run(
    disposable: bool, began_s_ago: int, swept: bool, deployment: str, tmp_path: Path
) -> None:
    """A lying answer may have named a thread that stood there before the run."""
    named, *others = threads_of(deployment)
    began = datetime.now(UTC) - timedelta(seconds=began_s_ago)
    directory = ledgers_dir() / str(UUID(int=1))
    with Ledger(directory, "main", deployment, began.isoformat(), disposable=disposable) as ledger:
        ledger.record_ended(ledger.record_begun("a thread", tagged=False), named)
    assert command(tmp_path, "sweep", "--url", deployment).returncode in (0, 3)
    assert list(threads_of(deployment)) == (others if swept else [named, *others])


def test_a_server_that_falls_silent_is_not_waited_for(
    settings_for: Callable[..., Settings], own_state: Path
) -> None:
    asked: list[str] = []

    def reply(method: str, path: str, _body: bytes) -> Reply | None:
        if method == "DELETE":
            asked.append(path)
            return None
        return as_json([])

    with answering(reply) as url:
        settings = settings_for(url, timeout_s=0.1)
        with Ledger(own_state / settings.run_id, "main", url) as ledger:
            for number in range(50):
                ledger.record_planned(str(UUID(int=number)))
            ledger.record_created(str(UUID(int=49)))
        cleanup = clean_up(settings)
    assert len(asked) < 5
    assert cleanup.removed == 0
    assert str(UUID(int=49)) in cleanup.left
    assert len(cleanup.left) + sum(each.threads for each in cleanup.possibly_left) == 50
    (_, kept) = next(remaining_ledgers())
    assert len(kept.generated) == 50  # nothing is forgotten


def test_what_may_stand_is_not_forgotten(
    settings_for: Callable[..., Settings], own_state: Path
) -> None:
    with answering(lambda *_: None) as url:
        settings = settings_for(url, timeout_s=0.1)
        with Ledger(own_state / settings.run_id, "main", url) as ledger:
            ledger.record_planned(str(UUID(int=1)))
        assert clean_up(settings) == Cleanup(
            possibly_left=(LeftThreads(1, "GET gets no answer of use"),)
        )
    assert [ledger.generated for _, ledger in remaining_ledgers()] == [(str(UUID(int=1)),)]


# ---- beside other people ------------------------------------------------------------


class Busy(threading.Thread):
    """Changes a thousand threads of its own, one after the other, until told to stop."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._http = httpx.Client(base_url=url)
        self.stopping = threading.Event()
        self.known: dict[str, dict[str, Any]] = {}
        self.rounds = 0
        for number in range(1000):
            body = {"metadata": {"of": "a-stranger", "number": number}}
            made = self._http.post("/threads", json=body).raise_for_status().json()
            self.known[made["thread_id"]] = made

    def run(self) -> None:
        while not self.stopping.is_set():
            self.rounds += 1
            for thread_id in self.known:
                if self.stopping.is_set():
                    break
                answer = self._http.patch(
                    f"/threads/{thread_id}", json={"metadata": {"round": self.rounds}}
                )
                self.known[thread_id] = answer.raise_for_status().json()
        self._http.close()


#: What looks at many threads, or could be told by others what it asks.
BESIDE_OTHERS = ("search", "count", "sort", "page", "filter", "copy", "create", "prune")


def test_a_busy_deployment_changes_no_verdict(tmp_path: Path) -> None:
    capabilities = (part for each in BESIDE_OTHERS for part in ("--capability", each))
    arguments = ("run", "--profile", "extended", *QUICK, *capabilities)
    quiet, busy = tmp_path / "quiet", tmp_path / "busy"
    quiet.mkdir()
    busy.mkdir()
    with ReferenceProcess() as process:
        assert command(quiet, *arguments, "--url", process.url).returncode == 0
    with ReferenceProcess() as process:
        strangers = Busy(process.url)
        strangers.start()
        try:
            ended = command(busy, *arguments, "--url", process.url)
        finally:
            strangers.stopping.set()
            strangers.join()
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert strangers.rounds > 0
        assert threads_of(process.url) == strangers.known
    assert verdicts(report_in(busy)) == verdicts(report_in(quiet))
    texts = {file: file.read_text(encoding="utf-8") for file in busy.rglob("*") if file.is_file()}
    assert len(texts) == 5
    assert [file for file, text in texts.items() if "a-stranger" in text] == []
    assert [
        file for file, text in texts.items() if any(map(text.__contains__, strangers.known))
    ] == []


def verdicts(report: Report) -> dict[str, str]:
    return {each.id: each.verdict.value for each in report.requirements}


class MakesWhatARunNames:
    """Makes a thread of whatever id a run names, as some servers do.

    Unless it `shows` such a thread, it refuses the id wherever else it is named.
    """

    def __init__(self, app: ASGIApp, shows: bool) -> None:
        self.app = app
        self.shows = shows
        self.standing: set[str] = set()
        self.made = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path"))
        named = path.split("/")[2] if path.startswith("/threads/not-a-uuid") else None
        if named and path.endswith("/runs/wait"):
            self.standing.add(named)
            self.made += 1
            await JSONResponse({"messages": []})(scope, receive, send)
        elif named in self.standing and scope["method"] == "GET" and self.shows:
            await JSONResponse({"thread_id": named})(scope, receive, send)
        elif named in self.standing and scope["method"] == "DELETE":
            self.standing.discard(named)
            await Response(status_code=204)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


@pytest.mark.parametrize("shows", [True, False], ids=["shown", "refused"])
def test_a_thread_made_of_a_malformed_id_is_removed(
    shows: bool, settings_for: Callable[..., Settings]
) -> None:
    servers = []

    def around(app: ASGIApp) -> ASGIApp:
        servers.append(MakesWhatARunNames(app, shows))
        return servers[0]

    with served(new_store(), around) as url:
        settings = settings_for(url, profile="extended", requirements=("ERROR-ID-06",))
        report = run_suite(settings, identify_deployment(settings))
    assert report.checks[0].verdict is Verdict.FAIL
    assert servers[0].made > 0
    assert servers[0].standing == set()
    assert report.cleanup.left == ()


@pytest.mark.parametrize("status", [401, 302, 503])
def test_a_clean_up_that_is_refused_throughout_is_not_gone_on_with(
    status: int, settings_for: Callable[..., Settings], own_state: Path
) -> None:
    """A key that has expired: of fifty threads a few are asked for, and all are told as left."""
    asked: list[str] = []

    def reply(_method: str, path: str, _body: bytes) -> Reply:
        asked.append(path)
        return as_json({"detail": "no"}, status)

    with answering(reply) as url:
        settings = settings_for(url)
        with Ledger(own_state / settings.run_id, "main", url) as ledger:
            for number in range(50):
                ledger.record_planned(str(UUID(int=number)))
                ledger.record_created(str(UUID(int=number)))
        cleanup = clean_up(settings)
    assert len({path for path in asked if path.startswith("/threads/0")}) <= 3
    assert len(cleanup.left) == 50
    told = {each.reason: each.threads for each in cleanup.reasons}
    assert sum(told.values()) == 50
    assert told["no request is answered any more in a way that says anything"] >= 47
    (_, kept) = next(remaining_ledgers())
    assert len(kept.generated) == 50


def test_what_a_run_made_is_removed_where_unknown_ids_are_forbidden(
    settings_for: Callable[..., Settings], own_state: Path
) -> None:
    """A server that answers 403, and not 404, for ids under which nothing stands."""
    made = str(UUID(int=9))
    standing = {made}

    def reply(method: str, path: str, _body: bytes) -> Reply:
        thread_id = path.rpartition("/")[2]
        if path.endswith("/search"):
            return as_json([])
        if thread_id != made:
            return as_json({"detail": "no"}, 403)
        if method == "DELETE":
            standing.discard(made)
            return as_json({}, 204)
        return as_json({"thread_id": made}, 200 if standing else 404)

    with answering(reply) as url:
        settings = settings_for(url)
        with Ledger(own_state / settings.run_id, "main", url) as ledger:
            for number in range(10):
                ledger.record_planned(str(UUID(int=number)))
            ledger.record_created(made)
        cleanup = clean_up(settings)
    assert standing == set()
    assert (cleanup.created, cleanup.removed, cleanup.left) == (1, 1, ())
    assert cleanup.possibly_left == (LeftThreads(9, "GET answers 403"),)
