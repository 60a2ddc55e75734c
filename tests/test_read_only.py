"""A read-only run: it writes nothing, reports no content of others, and fails what is broken."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.probe.threads_to_visit import MOST_VISITED, threads_to_visit
from conformance.deployment.settings import Settings
from conformance.faults.registry import all_faults, faulty_deployment
from conformance.model.entities import Thread
from conformance.model.search import Query, Searches
from conformance.model.store import ThreadStore
from conformance.reference.app import new_store
from conformance.report.record import Report, load_report
from conformance.runner.session import collect_checks, run_suite
from tests.conftest import answering, as_json, command, served, threads_of, written_report
from tests.store_variants import store_of

pytestmark = pytest.mark.slow

MakeSettings = Callable[..., Settings]
Asked = list[tuple[str, str]]

#: Stands in every value that others gave their threads.
SESAME = "sesame"
#: All that a read-only run may send: nothing of it can write.
READING = re.compile(
    r"GET /(info|nothreads-[0-9a-f]{12}/[^/]+"
    r"|threads/[^/]+|threads/[^/]+/(history|state(/[^/]+)?))"
    r"|POST /(threads/(search|count|[^/]+/history|[^/]+/state/checkpoint)|assistants/search)"
)


def filled(url: str, threads: int = 3, runs: int = 2) -> list[str]:
    """Threads of other people, with content that can be recognised; their ids."""
    made = []
    with httpx.Client(base_url=url) as http:
        for number in range(threads):
            metadata = {"owner": f"{SESAME} {number}", f"key {SESAME}": SESAME, "graph_id": "agent"}
            answer = http.post("/threads", json={"metadata": metadata}).raise_for_status()
            made.append(answer.json()["thread_id"])
            for run in range(runs):
                text = {"type": "human", "content": f"open {SESAME} {run}"}
                body = {"assistant_id": "agent", "input": {"messages": [text]}}
                http.post(f"/threads/{made[-1]}/runs/wait", json=body).raise_for_status()
    return made


def ids_in(url: str, threads: list[str]) -> set[str]:
    """Every id that the deployment gave these threads and what is in them."""
    found: set[str] = set(threads)
    with httpx.Client(base_url=url) as http:
        for each in threads:
            text = http.get(f"/threads/{each}/history", params={"limit": 100}).text
            found |= set(re.findall(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", text))
    return found


class Listening:
    """An application around another that writes down what it is asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.asked: Asked = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.asked.append((scope["method"], scope["path"]))
        await self._app(scope, receive, send)


@contextmanager
def listened(around: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> Iterator[tuple[str, Asked]]:
    """A reference deployment, and what it is asked from now on."""
    listening: list[Listening] = []

    def listen(app: ASGIApp) -> ASGIApp:
        listening.append(Listening(around(app)))
        return listening[0]

    with served(new_store(), listen) as url:
        yield url, listening[0].asked


def report_in(directory: Path) -> Report:
    return load_report(written_report(directory))


def read_only(url: str, directory: Path, *arguments: str) -> Any:
    return command(directory, "run", "--url", url, "--read-only", *arguments)


# ---- nothing is written -------------------------------------------------------------


@dataclass(frozen=True)
class WholeRun:
    """A run of all that can be judged by looking, of which several tests judge one thing each.

    `looked_at` and `others` are the ids of the threads; `sent` is what the deployment was
    asked, `told` all that stands in both outputs and in every file.
    """

    ended: Any
    report: Report
    sent: Asked
    told: str
    looked_at: list[str]
    others: list[str]
    theirs: set[str]
    unchanged: bool
    wrote_state: bool


@pytest.fixture(scope="module", params=["found", "named"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WholeRun:
    """Of the threads that a search shows, in one process; of two of three by name, in two."""
    folder = tmp_path_factory.mktemp("whole")
    state = tmp_path_factory.mktemp("state") / "state"
    with listened() as (url, asked):
        made = filled(url, 3)
        theirs = ids_in(url, made)
        before = threads_of(url)
        options: tuple[str, ...] = ("-n", "0")
        looked_at = made
        if request.param == "named":
            looked_at = made[:2]
            names = [made[0].upper(), made[0], made[1]]
            options = ("-n", "2", *(each for one in names for each in ("--thread", one)))
        asked.clear()
        arguments = ("run", "--url", url, "--read-only", "--profile", "full", *options)
        ended = command(folder, *arguments, XDG_STATE_HOME=str(state))
        sent = list(asked)
        unchanged = threads_of(url) == before
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return WholeRun(
        ended=ended,
        report=report_in(folder),
        sent=sent,
        told=told(ended, folder),
        looked_at=looked_at,
        others=[each for each in made if each not in looked_at],
        theirs=theirs,
        unchanged=unchanged,
        wrote_state=(state / "threads-conformance" / "ledgers").exists(),
    )


def test_nothing_is_sent_that_could_write(whole: WholeRun) -> None:
    written = {f"{method} {path}" for method, path in whole.sent}
    assert [each for each in sorted(written) if not READING.fullmatch(each)] == []
    assert len(whole.sent) > 100
    assert whole.unchanged
    assert not whole.wrote_state
    report = whole.report
    assert report.verdict is RunVerdict.CONFORMANT
    assert report.run.partial
    assert report.run.read_only
    assert (report.cleanup.created, report.cleanup.removed, report.cleanup.left) == (0, 0, ())
    assert {each.verdict for each in report.requirements} == {Verdict.PASS}
    assert len(report.requirements) > 80
    first, *_ = whole.ended.stdout.splitlines()
    said = f"Read-only: nothing is written; reads {len(whole.looked_at)} threads"
    assert first.startswith(said)
    assert "none created: the run was read-only" in whole.ended.stdout


def test_only_the_threads_that_are_named_are_looked_at(whole: WholeRun) -> None:
    paths = {path for _, path in whole.sent}
    for each in whole.looked_at:
        assert any(each in path for path in paths)
    assert [path for path in paths if any(each in path for each in whole.others)] == []


def test_a_handful_of_those_that_a_search_shows(settings_for: MakeSettings) -> None:
    with listened() as (url, _):
        made = filled(url, MOST_VISITED + 2, runs=0)
        found = threads_to_visit(settings_for(url, read_only=True))
    assert len(found) == len(set(found)) == MOST_VISITED
    assert set(found) < set(made)


def test_what_search_shows_beside_threads_is_left_out(settings_for: MakeSettings) -> None:
    own = str(uuid4())
    hits = [{"thread_id": own}, {"thread_id": own.upper()}, {"thread_id": "x"}, {}, 5, None]
    with answering(lambda *_: as_json(hits)) as url:
        assert threads_to_visit(settings_for(url, read_only=True)) == (own,)
    with answering(lambda *_: as_json({"detail": "no"}, 500)) as url:
        assert threads_to_visit(settings_for(url, read_only=True)) == ()


def test_a_normal_run_is_as_it_was(settings_for: MakeSettings) -> None:
    looking = set(collect_checks(settings_for("http://127.0.0.1", profile="full", read_only=True)))
    normal = set(collect_checks(settings_for("http://127.0.0.1", profile="full")))
    assert len(looking) > 100
    assert {each.partition("::")[0] for each in looking} == {
        "test_visited_errors.py", "test_visited_states.py", "test_visited_threads.py"
    }  # fmt: skip
    assert not looking & normal
    assert len(normal) > 600


# ---- nothing is told ----------------------------------------------------------------


class Echoing:
    """Fails on some requests, and puts what is in the threads wherever a server can speak."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fails = scope["type"] == "http" and scope["path"].endswith(("/state", "/count"))

        async def changed(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = f"{SESAME} {scope['path']}".encode()
                headers = [*message["headers"], (b"x-thread", said), (b"content-location", said)]
                status = 500 if fails else message["status"]
                message = {**message, "headers": headers, "status": status}
            await send(message)

        await self._app(scope, receive, changed)


def told(ended: Any, directory: Path) -> str:
    """All that a run tells: both outputs, and every file."""
    files = sorted((directory / "reports").rglob("*"))
    assert len([each for each in files if each.is_file()]) == 5
    texts = [each.read_text(encoding="utf-8") for each in files if each.is_file()]
    return "\n".join([ended.stdout, ended.stderr, *texts])


def test_no_content_and_no_id_is_told_by_a_run_that_passes(whole: WholeRun) -> None:
    assert SESAME not in whole.told
    assert [each for each in whole.theirs if each in whole.told] == []
    assert "/threads/$THREAD_2/state" in whole.told


@pytest.mark.parametrize(
    ("fault", "capabilities"),
    [
        ("get-leaves-out-updated-at", ()),
        ("search-shows-former-values", ("--capability", "search", "--capability", "state")),
    ],
)
def test_no_content_and_no_id_is_told_by_a_run_that_fails(
    fault: str, capabilities: tuple[str, ...], tmp_path: Path
) -> None:
    broken, wire = faulty_deployment(all_faults()[fault])
    with served(broken.store, lambda _: Echoing(wire)) as url:
        made = filled(url)
        theirs = ids_in(url, made)
        options = ("--profile", "full", "--visible-within", "0", *capabilities)
        ended = read_only(url, tmp_path, *options)
        report = written_report(tmp_path)
        failed = [each.id for each in report_in(tmp_path).checks if each.failure]
        explained = [command(tmp_path, "explain", str(report), each) for each in failed[:1]]
    assert ended.returncode == 1, ended.stdout + ended.stderr
    text = told(ended, tmp_path) + "".join(each.stdout + each.stderr for each in explained)
    assert SESAME not in text
    assert [each for each in theirs if each in text] == []
    assert "$THREAD" in "".join(each.stdout for each in explained)


def test_a_failure_tells_facts_and_how_to_see_it_again(tmp_path: Path) -> None:
    broken, wire = faulty_deployment(all_faults()["get-leaves-out-updated-at"])
    with served(broken.store, lambda _: wire) as url:
        (made,) = filled(url, 1)
        ended = read_only(url, tmp_path, "--requirement", "GET-01", "--thread", made)
        assert ended.returncode == 1
        (check,) = report_in(tmp_path).checks
        assert check.failure is not None
        assert check.reason == check.failure.actual
        assert check.reason == (
            "thread 1 of 1: does not fit schemas/thread.json: updated_at is missing"
        )
        assert check.failure.curl == (
            f"URL='{url}'\ncurl -sS -X GET \"$URL\"'/threads/'\"$THREAD\"''"
            r" -w '%{stderr} -> %{http_code}\n'"
        )
        assert check.failure.exchanges[0]["curl"] == (
            f"curl -sS -X GET '{url}/threads/'\"$THREAD\"''"
        )


# ---- what is broken fails -----------------------------------------------------------


def judged(
    url: str, requirements: tuple[str, ...], settings_for: MakeSettings, **options: Any
) -> Report:
    """What a read-only run for some requirements finds, without waiting for what is late."""
    settings = settings_for(
        url,
        profile="full",
        read_only=True,
        requirements=requirements,
        visible_within_s=0.0,
        repeat_failures=0,
        **options,
    )
    server = identify_deployment(settings)
    settings = dataclasses.replace(settings, thread_ids=threads_to_visit(settings))
    return run_suite(settings, server)


#: By fault: what a read-only run notices of it.
NOTICED = {
    "state-at-a-checkpoint-is-that-of-the-thread": (
        "CHECKPOINT-02 CHECKPOINT-03 CHECKPOINT-04 CHECKPOINT-05 "
        "CHECKPOINT-06 CHECKPOINT-07 CHECKPOINT-08 CHECKPOINT-POST-01"
    ),
    "bytes-that-are-no-utf-8-are-500": "ERROR-JSON-02 ERROR-JSON-03 ERROR-JSON-07 ERROR-JSON-08",
    "without-select-only-ids-are-shown": "SEARCH-11 SEARCH-12 SEARCH-13 SELECT-03",
    "sort-order-is-turned-round": "SORT-01 SORT-02 SORT-03 SORT-04",
    "count-is-one-too-many": "COUNT-01 COUNT-02 COUNT-05",
    "get-shows-a-neighbouring-id": "GET-04 SEARCH-08 SELECT-02",
    "before-includes-its-checkpoint": "HISTORY-10 HISTORY-FILTER-01 HISTORY-FILTER-04",
    "checkpoint-of-the-state-has-no-id": "STATE-04 STATE-06 STATE-10",
    "unknown-checkpoint-is-500": "CHECKPOINT-09",
    "state-at-a-checkpoint-of-an-unknown-thread-is-empty": "CHECKPOINT-10",
    "post-unknown-checkpoint-is-200-with-its-error": "CHECKPOINT-POST-02 ERROR-UNKNOWN-03",
    "refused-search-says-nothing": "ERROR-BODY-01 ERROR-BODY-02",
    "search-looks-at-the-first-id-only": "FILTER-01 FILTER-02",
    "history-by-get-limit-is-one-more": "HISTORY-11",
    "short-history-gives-messages-other-ids": "HISTORY-04",
    "offset-leaves-out-one-less": "PAGE-02 PAGE-03",
    "parents-is-null": "HISTORY-01 STATE-09",
    "state-has-no-parent": "STATE-05 STATE-07",
    "state-at-a-checkpoint-is-404": "CHECKPOINT-01",
    "search-takes-limit-zero-for-ten": "ERROR-RANGE-02",
    "extract-is-ignored": "EXTRACT-01",
    "get-of-an-unknown-thread-is-400": "GET-02",
    "history-oldest-first": "HISTORY-02",
    "history-of-an-unknown-thread-is-empty": "HISTORY-05",
    "metadata-is-ignored-by-history": "HISTORY-FILTER-02",
    "search-without-a-match-is-404": "SEARCH-05",
    "select-is-ignored": "SELECT-01",
}


@pytest.mark.parametrize(("fault", "requirements"), NOTICED.items())
def test_what_is_broken_fails(fault: str, requirements: str, settings_for: MakeSettings) -> None:
    broken, wire = faulty_deployment(all_faults()[fault])
    with served(broken.store, lambda _: wire) as url:
        filled(url, 4, runs=4)
        report = judged(url, tuple(requirements.split()), settings_for)
    failing = [each.id for each in report.requirements if each.verdict is Verdict.FAIL]
    assert sorted(failing) == sorted(requirements.split())
    for check in report.checks:
        if check.verdict is Verdict.FAIL:
            assert check.reason
            assert "no more is told" not in check.reason


class IgnoresFilters(Searches):
    """A search gives any thread, whatever it is asked for."""

    def matching(self, query: Query = Query()) -> list[Thread]:  # noqa: B008
        return super().matching(Query())


class Rewriting:
    """Changes the lists that a server answers to requests whose path ends so."""

    def __init__(self, app: ASGIApp, path: str, change: Callable[[list[Any]], list[Any]]) -> None:
        self._app, self._path, self._change = app, path, change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].endswith(self._path):
            await self._app(scope, receive, send)
            return
        start: list[Message] = []
        body = bytearray()

        async def held(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                answer = json.loads(bytes(body))
                if isinstance(answer, list) and answer:
                    answer = self._change(answer)
                text = json.dumps(answer).encode()
                headers = [
                    (name, str(len(text)).encode() if name == b"content-length" else value)
                    for name, value in start[0]["headers"]
                ]
                await send({**start[0], "headers": headers})
                await send({"type": "http.response.body", "body": text})

        await self._app(scope, receive, held)


@pytest.mark.parametrize(
    ("change", "requirement"),
    [
        (lambda states: [*states[:-2], states[-1]], "HISTORY-03"),
        (lambda states: [states[0], *states], "HISTORY-08"),
    ],
)
def test_a_history_that_is_not_whole(
    change: Callable[[list[Any]], list[Any]], requirement: str, settings_for: MakeSettings
) -> None:
    with served(new_store(), lambda app: Rewriting(app, "/history", change)) as url:
        filled(url, 2, runs=2)
        report = judged(url, (requirement,), settings_for)
    assert [each.verdict for each in report.requirements] == [Verdict.FAIL]


def test_a_search_that_ignores_its_filters(settings_for: MakeSettings) -> None:
    store = store_of(IgnoresFilters)
    with served(store) as url:
        filled(url, 3, runs=0)
        report = judged(url, ("SEARCH-02", "SEARCH-05", "FILTER-01", "COUNT-05"), settings_for)
    assert {each.verdict for each in report.requirements} == {Verdict.FAIL}


def test_a_search_that_shows_another_status(settings_for: MakeSettings) -> None:
    def busy(threads: list[Any]) -> list[Any]:
        return [{**each, "status": "busy"} for each in threads]

    with served(new_store(), lambda app: Rewriting(app, "/search", busy)) as url:
        filled(url, 3, runs=0)
        report = judged(url, ("SEARCH-01", "SEARCH-08"), settings_for)
    assert {each.verdict for each in report.requirements} == {Verdict.FAIL}


# ---- others use the deployment too --------------------------------------------------


class Restless:
    """Whenever a thread is looked at, its owner changes it."""

    def __init__(self, app: ASGIApp, store: ThreadStore) -> None:
        self._app, self._store = app, store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = re.fullmatch(r"/threads/([0-9a-f-]{36})(/.*)?", scope.get("path", ""))
        if found and scope["method"] == "GET":
            values = {"messages": [{"type": "ai", "content": SESAME}]}
            self._store.threads.update(found[1], {"looked": str(uuid4())})
            self._store.states.update_state(found[1], values, as_node="call_model")
        await self._app(scope, receive, send)


@pytest.mark.parametrize("requirement", ["STATE-10", "SEARCH-08", "CHECKPOINT-02", "HISTORY-10"])
def test_a_thread_that_changes_all_the_time_breaks_no_promise(
    requirement: str, settings_for: MakeSettings
) -> None:
    store = new_store()
    with served(store) as url:
        made = tuple(filled(url, 2))
    with served(store, lambda app: Restless(app, store)) as url:
        report = judged(url, (requirement,), settings_for, thread_ids=made)
    (check,) = report.checks
    assert check.verdict is Verdict.BLOCKED
    assert "changes all the time" in check.reason


# ---- usage --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--thread", str(uuid4()), "--url", "http://127.0.0.1:9"), "add --read-only"),
        (("--read-only",), "of a running deployment: name it with --url URL"),
        (("--read-only", "--server", "langgraph-api==0.16.7"), "no threads to look at"),
        (("--read-only", "--url", "http://127.0.0.1:9", "--keep"), "--keep exclude each other"),
        (
            ("--read-only", "--url", "http://127.0.0.1:9", "--schema-url"),
            "a read-only run records no answers that could be compared",
        ),
        (("--read-only", "--url", "http://127.0.0.1:9", "--thread", "x"), "is a UUID"),
        (
            ("--read-only", "--url", "http://127.0.0.1:9", "--client", "curl"),
            "a read-only run uses only the suite's own HTTP client",
        ),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ended = command(tmp_path, "run", *arguments)
    assert ended.returncode == 2
    assert said in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr


def test_a_named_thread_that_is_not_there(tmp_path: Path) -> None:
    absent = str(uuid4())
    with listened() as (url, asked):
        (there,) = filled(url, 1)
        asked.clear()
        ended = read_only(url, tmp_path, "--thread", there, "--thread", absent)
        assert not any(path.endswith("/state") for _, path in asked)
    assert ended.returncode == 3
    assert "--thread number 2 is not on the deployment (GET answers 404)" in ended.stderr
    assert absent not in ended.stdout + ended.stderr


def test_a_baseline_may_name_a_check_of_a_read_only_run(tmp_path: Path) -> None:
    check = "test_visited_threads.py::test_a_thread_has_every_documented_member"
    entry = f'[[accepted]]\ncheck = "{check}"\nreason = "known"\n'
    whole = f'format = "threads-conformance-baseline/1"\n{entry}'
    (tmp_path / "baseline.toml").write_text(whole)
    ended = read_only("http://127.0.0.1:9", tmp_path, "--baseline", "baseline.toml")
    assert "cannot connect" in ended.stderr
    assert ended.returncode == 3


def test_a_deployment_without_threads_is_not_judged(tmp_path: Path) -> None:
    with served(new_store()) as url:
        ended = read_only(url, tmp_path, "--capability", "get", "-v")
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "reads 0 threads" in ended.stdout.splitlines()[0]
    assert "name one with --thread ID" in " ".join(ended.stdout.split())
