"""The documents' clients: what each returns, and what is reported where one is not installed.

These need Node.js with npm (which reaches its registry once), curl, jq and bash.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.clients import install, opened
from conformance.clients.client import Client, FlowFailedError, NotInstalledError
from conformance.clients.curl import Curl
from conformance.clients.flows import Flow, load_flows
from conformance.clients.js_sdk import JsSdk
from conformance.clients.python_sdk import PythonSdk
from conformance.contract.catalogue import DOCUMENTED_CLIENTS, load_catalogue
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.model.store import ThreadStore
from conformance.report.record import Report, load_report
from conformance.report.run.grouping import undecided_groups
from conformance.runner.session import run_suite
from conformance.runner.settings import client_names
from tests.conftest import Reply, answering, as_json, command, served, threads_of, written_report
from tests.test_own_graph import CONFIGURATION, NOTEBOOK

MakeSettings = Callable[..., Settings]
SERVER = ServerInfo(None, None)
ALL = ("--client", "all", "--capability", "clients")
IDS = sorted(each.id for each in load_catalogue().in_profile("documented", DOCUMENTED_CLIENTS))
KINDS: list[Callable[[float], Client]] = [PythonSdk, JsSdk, Curl]
PATIENT_S = 60.0
SHORT_S = 0.5


def new_store() -> ThreadStore:
    return ThreadStore(lambda: datetime.now(UTC), uuid.uuid4)


def judged(report: Report) -> dict[str, Verdict]:
    return {each.id: each.verdict for each in report.requirements}


def failed(report: Report) -> set[tuple[str, str]]:
    """Requirement and client of every check that failed."""
    return {
        (check.requirements[0], check.client)
        for check in report.checks
        if check.verdict is Verdict.FAIL
    }


# On a deployment that keeps its promises


@pytest.mark.slow
def test_all_flows_by_all_clients_on_the_reference(tmp_path: Path) -> None:
    with served(new_store()) as url:
        ended = command(tmp_path, "run", "--url", url, *ALL, "-n", "2", "--disposable")
        assert threads_of(url) == {}
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = load_report(written_report(tmp_path))
    assert judged(report) == dict.fromkeys(IDS, Verdict.PASS)
    for check in report.checks:
        assert check.id.endswith(f"[{check.client}]"), check.id
    by_client = [
        {c.id.partition("[")[0] for c in report.checks if c.client == client}
        for client in DOCUMENTED_CLIENTS
    ]
    assert by_client[0] == by_client[1] == by_client[2]
    assert report.cleanup.created == report.cleanup.removed > 0
    agents = json.dumps((written_report(tmp_path).with_name("exchanges.har")).read_text())
    for agent in ("curl/", "node", "langgraph"):
        assert agent in agents, agent


@pytest.mark.slow
def test_headers_graph_and_base_path_hold_for_every_client(tmp_path: Path) -> None:
    (tmp_path / "threads-conformance.toml").write_text(
        CONFIGURATION.replace('profile = "extended"', 'profile = "documented"')
    )
    store = ThreadStore(lambda: datetime.now(UTC), uuid.uuid4, {NOTEBOOK.graph_id: NOTEBOOK})
    with served(store, _Guarded) as url:
        ended = command(
            tmp_path,
            *("run", "--url", f"{url}/base", *ALL, "--disposable"),
            *("--api-key", _Guarded.key.decode(), "-H", f"X-Own: {_Guarded.own.decode()}"),
            # A key that stands ready on this machine is for someone else.
            LANGSMITH_API_KEY="of-this-machine",
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    texts = [file.read_text() for file in (tmp_path / "reports").rglob("*") if file.is_file()]
    assert not [text for text in texts if "swordfish" in text or "of-this-machine" in text]


class _Guarded:
    """A deployment below /base that wants a key and a header of one's own."""

    key, own = b"swordfish-key", b"swordfish-own"

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = dict(scope["headers"])
        path = scope["path"].removeprefix("/base")
        known = (sent.get(b"x-api-key"), sent.get(b"x-own")) == (self.key, self.own)
        if not known or path == scope["path"]:
            path = "/no-such-thing"
        raw_path = path.encode()
        await self._app({**scope, "path": path, "raw_path": raw_path}, receive, send)


@pytest.mark.slow
def test_only_the_clients_asked_for_are_judged(tmp_path: Path, reference: str) -> None:
    ended = command(tmp_path, "run", "--url", reference, "--client", "curl", "--disposable")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = load_report(written_report(tmp_path))
    assert judged(report) == dict.fromkeys(IDS, Verdict.PASS)
    assert {check.client for check in report.checks} == {"curl"}
    assert report.run.partial


def test_by_default_the_clients_requirements_do_not_count(settings_for: MakeSettings) -> None:
    settings = settings_for("http://127.0.0.1:1")
    assert settings.clients == ("http",)
    catalogue = load_catalogue()
    assert not {each.id for each in catalogue.in_profile("full")}.intersection(IDS)
    everything = catalogue.in_profile("full", client_names("all"))
    assert len(everything) == len(catalogue.requirements)


# What is not right is noticed


class _TellsNodeSomethingElse:
    """A deployment that shows one kind of client another status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        by_node = b"node" in dict(scope["headers"]).get(b"user-agent", b"")

        async def changed(message: Message) -> None:
            if by_node and message["type"] == "http.response.body":
                body = message["body"].replace(b'"idle"', b'"busy"')
                message = {**message, "body": body}
            await send(message)

        await self._app(scope, receive, changed)


@pytest.mark.slow
def test_a_deployment_that_answers_one_client_otherwise_is_noticed(
    settings_for: MakeSettings,
) -> None:
    with served(new_store(), _TellsNodeSomethingElse) as url:
        settings = settings_for(
            url, clients=("js-sdk", "curl"), visible_within_s=0.5, disposable=True
        )
        report = run_suite(settings, SERVER)
    showing_a_status = {f"CLIENT-0{number}" for number in (1, 2, 3, 5, 6, 7, 8)}
    assert failed(report) == {(each, "js-sdk") for each in showing_a_status}
    assert report.verdict is RunVerdict.NON_CONFORMANT


class _Inventive(Curl):
    """Returns what no one answered."""

    def run(self, flow: Flow, program: str, names: Mapping[str, Any]) -> Any:
        given = super().run(flow, program, names)
        if isinstance(given, dict):
            return {**given, "created_at": "2001-01-01T00:00:00+00:00"}
        return given[1:] if isinstance(given, list) else "The histories are alike."


@pytest.mark.slow
def test_a_client_that_returns_something_else_is_noticed(
    settings_for: MakeSettings, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(opened.KNOWN, "curl", _Inventive)
    report = run_suite(settings_for(reference, clients=("curl",), disposable=True), SERVER)
    verdicts = judged(report)
    # A recipe that cannot tell two threads apart says nothing of a copy.
    assert verdicts.pop("CLIENT-04") is Verdict.BLOCKED
    assert set(verdicts.values()) == {Verdict.FAIL}


class _Meddler(Curl):
    """Copies a thread that the run did not make."""

    def run(self, flow: Flow, program: str, names: Mapping[str, Any]) -> Any:
        return super().run(flow, program, {**names, "THREAD_ID": str(uuid.uuid4())})


@pytest.mark.slow
def test_a_client_cannot_touch_the_threads_of_others(
    settings_for: MakeSettings, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(opened.KNOWN, "curl", _Meddler)
    settings = settings_for(reference, clients=("curl",), requirements=("CLIENT-03",))
    (check,) = run_suite(settings, SERVER).checks
    assert check.verdict is Verdict.BLOCKED
    assert "names a thread that is not proved to be this run's" in check.reason


# One client by itself


@pytest.fixture(params=KINDS, ids=DOCUMENTED_CLIENTS)
def kind(request: pytest.FixtureRequest) -> Callable[[float], Client]:
    kind: Callable[[float], Client] = request.param
    return kind


@pytest.fixture
def client(kind: Callable[[float], Client]) -> Iterator[Client]:
    made = kind(PATIENT_S)
    yield made
    made.close()


def done(client: Client, name: str, url: str, **names: str) -> Any:
    flow = load_flows()[name][client.name]
    return client.run(flow, flow.program(verbatim=True), {"DEPLOYMENT_URL": url, **names})


def test_a_client_gives_what_is_answered(client: Client) -> None:
    thread = {"thread_id": "t", "values": {"ü": [1, 2.5, None, True]}}
    with answering(lambda *_: as_json(thread)) as url:
        assert done(client, "get", url, THREAD_ID="t") == thread


def test_an_id_is_never_part_of_a_program(client: Client, tmp_path: Path) -> None:
    asked: list[str] = []

    def reply(_method: str, path: str, _body: bytes) -> Reply:
        asked.append(path)
        return as_json({})

    mark = tmp_path / "mark"
    for odd in (f"'; touch {mark}; '", f"$(touch {mark})", '"); throw 1; ("', "[1-3]"):
        with answering(reply) as url:
            done(client, "get", url, THREAD_ID=odd)
    assert len(asked) == 4
    assert not mark.exists()


def test_a_recipe_tells_copies_from_others(client: Client) -> None:
    def reply(_method: str, path: str, _body: bytes) -> Reply:
        thread_id = path.split("/")[2]
        state = {
            "values": {"other": thread_id == "other"},
            "metadata": {"thread_id": thread_id},
            "checkpoint": {"thread_id": thread_id, "checkpoint_id": "1"},
            "parent_checkpoint": None,
        }
        return as_json([state])

    with answering(reply) as url:
        said = [
            done(client, "verify_copy", url, THREAD_ID="one", COPIED_THREAD_ID=each)
            for each in ("copy", "other")
        ]
    assert said == ["The histories are the same.", "The histories are different."]


@pytest.mark.slow
def test_a_client_that_gives_up_says_why(kind: Callable[[float], Client]) -> None:
    client = kind(SHORT_S)
    with answering(lambda *_: None) as url:
        with pytest.raises(FlowFailedError, match=r"no answer within 0\.5 s"):
            done(client, "get", url, THREAD_ID="t")
        client.close()


@pytest.mark.slow
@pytest.mark.parametrize("made", [PythonSdk, JsSdk], ids=["python-sdk", "js-sdk"])
def test_an_sdk_that_is_refused_says_so(made: Callable[[float], Client]) -> None:
    client = made(PATIENT_S)
    with (
        answering(lambda *_: as_json({"detail": "no such thread"}, 404)) as url,
        pytest.raises(FlowFailedError, match="no such thread"),
    ):
        done(client, "get", url, THREAD_ID="t")
    client.close()


@pytest.mark.slow
def test_node_is_started_again_and_ended() -> None:
    client = JsSdk(PATIENT_S)
    first = client._node.process
    first.kill()
    first.wait()
    with answering(lambda *_: as_json({"again": True})) as url:
        assert done(client, "get", url, THREAD_ID="t") == {"again": True}
    client.close()
    assert client._node.process is not first
    assert client._node.process.poll() == 0


def test_node_ends_with_who_asked_even_in_a_flow() -> None:
    client = JsSdk(PATIENT_S)
    node = client._node
    asked = threading.Event()

    def reply(_method: str, _path: str, _body: bytes) -> Reply | None:
        asked.set()
        return None

    with answering(reply) as url:
        flow = load_flows()["get"]["js-sdk"]
        names = {"DEPLOYMENT_URL": url, "THREAD_ID": "t"}
        node.send({"program": flow.program(), "result": flow.result, "names": names})
        assert asked.wait(PATIENT_S)
        assert node.process.stdin is not None
        node.process.stdin.close()
        assert node.process.wait(PATIENT_S) == 0
    client.close()


def test_as_written_the_slips_do_break() -> None:
    """Each slip of Python and JavaScript that a parser or the engine can see."""
    prepopulate = load_flows()["prepopulate"]["python-sdk"].text
    with pytest.raises(NameError, match="updates"):
        eval(prepopulate.partition("supersteps=")[2].partition("])")[0] + "]", {})
    with pytest.raises(SyntaxError, match="comma"):
        compile("get_state(\n  thread_id=1\n  checkpoint_id=2\n)", "written", "exec")
    text = "const assistantId = agent;"
    assert text in load_flows()["create_with_metadata"]["js-sdk"].text
    ended = subprocess.run(["node", "-e", text], capture_output=True, text=True, check=False)
    assert "ReferenceError" in ended.stderr


# Not installed


def test_without_curl_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalledError, match="bash and curl and jq cannot be found"):
        Curl(PATIENT_S)


def test_without_node_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalledError, match="install Node"):
        JsSdk(PATIENT_S)


def test_without_the_python_sdk_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langgraph_sdk", None)
    with pytest.raises(NotInstalledError, match=r"threads-conformance\[clients\]"):
        PythonSdk(PATIENT_S)


def tool(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands that stands before all others, and a cache of one's own."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_where_npm_fails_what_it_said_is_told(tools: Path) -> None:
    tool(tools, "npm", "echo 'npm error network no way out' >&2; exit 1")
    with pytest.raises(NotInstalledError, match="network no way out"):
        JsSdk(PATIENT_S)
    assert [each for each in install.clients_dir().iterdir() if each.is_dir()] == []


def test_what_is_installed_is_used_again(tools: Path) -> None:
    tool(tools, "npm", 'echo once >> "$(dirname "$0")/calls"')
    assert install.installed_js() == install.installed_js()
    assert (tools / "calls").read_text() == "once\n"


def test_an_sdk_that_node_cannot_load_is_not_installed(tools: Path) -> None:
    tool(tools, "npm", "exit 0")
    with pytest.raises(NotInstalledError, match="Cannot find package"):
        JsSdk(PATIENT_S)


def test_a_cache_that_cannot_be_written_is_named(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    tool(tools, "npm", "exit 0")
    with pytest.raises(NotInstalledError, match="set XDG_CACHE_HOME"):
        JsSdk(PATIENT_S)


@pytest.mark.slow
def test_what_is_not_installed_is_not_run_and_named(
    settings_for: MakeSettings,
    reference: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(sys.modules, "langgraph_sdk", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = settings_for(
        reference, clients=client_names("all"), capabilities=("clients",), disposable=True
    )
    report = run_suite(settings, SERVER)
    assert judged(report) == dict.fromkeys(IDS, Verdict.NOT_RUN)
    assert report.verdict is RunVerdict.INCOMPLETE
    for check in report.checks:
        assert check.verdict is Verdict.NOT_RUN
        assert check.reason.startswith(f"{check.client}: ")
        assert "install" in check.reason
    assert {group.reason.partition(":")[0] for group in undecided_groups(report)} == {
        *DOCUMENTED_CLIENTS
    }
