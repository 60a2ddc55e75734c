"""Whether the settings of a graph fit a deployment, found out before a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.cli import cli
from conformance.deployment.settings import GraphSettings, Settings, graph_settings
from conformance.doctor.diagnosis import Diagnosis, diagnose
from conformance.doctor.findings import Kind
from conformance.doctor.schema_samples import sample_value
from conformance.doctor.table import as_toml
from conformance.model.graphs import AGENT, GRAPHS, START, Channel, Graph, Node, add_up, keep_last
from conformance.model.store import ThreadStore
from conformance.reference.wire import Wire, WireRequest
from tests.conftest import CHECKOUT, served

MakeSettings = Callable[..., Settings]


def grown(current: Any, update: Any, _new_id: object) -> Any:
    return [*current, *update]


LEDGER = Graph(
    graph_id="ledger",
    channels={
        "log": Channel([], grown, schema={"type": "array", "items": {"type": "string"}}),
        "count": Channel(0, add_up, schema={"anyOf": [{"type": "null"}, {"type": "integer"}]}),
        "about": Channel({}, keep_last, schema={"type": "object"}),
    },
    nodes={
        START: Node(then=("read",)),
        "read": Node(run=lambda values: {}, then=("write",)),
        "write": Node(run=lambda values: {"log": [f"after {len(values['log'])}"]}),
    },
)
RIGHT: dict[str, Any] = {
    "id": "ledger",
    "appending": ["log"],
    "adding": ["count"],
    "replacing": ["about"],
    "run_input": {"log": ["asked {n}"]},
    "append": {"as_node": "write", "values": {"log": ["written {n}"]}},
    "supersteps": [
        {"updates": [{"as_node": "__input__", "values": {}}]},
        {"updates": [{"as_node": START, "values": {"log": ["a"], "about": {"of": [1]}}}]},
        {"updates": [{"as_node": "read", "values": {}}]},
        {"updates": [{"as_node": "write", "values": {"log": ["b"], "count": 2}}]},
    ],
}


def without_schemas(app: ASGIApp) -> ASGIApp:
    """A deployment that says nothing of its graphs."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/assistants"):
            await JSONResponse({"detail": "no"}, 404)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return answered


def without_supersteps(app: ASGIApp) -> ASGIApp:
    """A deployment that takes supersteps and applies none."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", "/threads"):
            await app(scope, receive, send)
            return
        body = await Request(scope, receive).json()
        body.pop("supersteps", None)
        raw = json.dumps(body).encode()

        async def shorter() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        headers = [each for each in scope["headers"] if each[0] != b"content-length"]
        await app({**scope, "headers": headers}, shorter, send)

    return answered


@contextmanager
def ledger(around: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> Iterator[tuple[str, Any]]:
    graphs = {LEDGER.graph_id: LEDGER, **GRAPHS}
    store = ThreadStore(lambda: datetime.now(UTC), uuid.uuid4, graphs)
    with served(store, around) as url:
        yield url, store


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ledger() as (found, _store):
        yield found


def diagnosed(settings_for: MakeSettings, url: str, **table: Any) -> Diagnosis:
    graph = graph_settings({**RIGHT, **table})
    return diagnose(settings_for(url, graph=graph), propose=False)


def sentences(found: Diagnosis, kind: Kind = Kind.WRONG) -> list[str]:
    return [each.sentence for each in found.findings if each.kind is kind]


def test_right_settings_have_nothing_to_mend(settings_for: MakeSettings, url: str) -> None:
    found = diagnosed(settings_for, url)
    assert [each.kind for each in found.findings] == [Kind.ABSENT]
    assert "holds messages" in found.findings[0].sentence
    assert "STATE-15" in found.findings[0].undecided


def test_the_default_fits_the_reference(settings_for: MakeSettings, url: str) -> None:
    assert diagnose(settings_for(url), propose=False).findings == ()


def _append(node: str = "write", **values: Any) -> dict[str, Any]:
    return {"as_node": node, "values": values or {"log": ["written {n}"]}}


def _steps(position: int, **update: Any) -> list[Any]:
    steps = [{"updates": [{**each["updates"][0]}]} for each in RIGHT["supersteps"]]
    steps[position]["updates"][0] |= update
    return steps


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "graph": ({"id": "no-such"}, ["no graph 'no-such'", "write one of ledger, agent"]),
    "node": (
        {"append": _append("wirte")},
        ["append", "has no node wirte", "write one of __start__, read, write"],
    ),
    "node-of-a-superstep": (
        {"supersteps": _steps(2, as_node="raed")},
        ["superstep 3", "has no node raed"],
    ),
    "key": (
        {"append": _append(lgo=["{n}"])},
        ["append of [graph] names lgo", "they have log, count, about"],
    ),
    "counter-in-appending": (
        {"appending": ["log", "count"], "adding": []},
        ["appending of [graph] names count, but it holds no list", "put it into adding"],
    ),
    "added-in-replacing": (
        {"replacing": ["about", "count"], "adding": [], "append": _append(log=["{n}"], count=3)},
        ["replacing of [graph] names count", "it holds 5", "leave it out of all three"],
    ),
    "nothing-added": (
        {"appending": ["log", "about"], "replacing": [], "supersteps": _steps(1, values={})},
        ["appending of [graph] names about, to which no superstep and no append adds"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_settings_are_told_in_a_sentence(
    settings_for: MakeSettings, url: str, name: str
) -> None:
    table, expected = WRONG[name]
    told = sentences(diagnosed(settings_for, url, **table))
    assert any(all(each in sentence for each in expected) for sentence in told), told


def test_a_list_that_is_replaced_does_not_append(settings_for: MakeSettings, url: str) -> None:
    step = {"updates": [{"as_node": "call_model", "values": {"plan": ["y"]}}]}
    table = {
        "append": {"as_node": "call_model", "values": {"plan": ["x {n}"]}},
        "appending": ["plan"],
        "supersteps": [step],
    }
    (said,) = sentences(diagnose(settings_for(url, graph=graph_settings(table)), propose=False))
    assert "appending of [graph] names plan, but an update replaces" in said
    assert "put it into replacing" in said


def test_texts_that_become_messages_are_told(settings_for: MakeSettings) -> None:
    def as_messages(current: Any, update: Any, _new_id: object) -> Any:
        return [*current, *({"type": "human", "content": each, "id": each} for each in update)]

    lenient = replace(LEDGER, channels={"log": Channel([], as_messages)})
    store = ThreadStore(lambda: datetime.now(UTC), uuid.uuid4, {"ledger": lenient})
    with served(store) as found:
        (said,) = sentences(
            diagnosed(settings_for, found, adding=[], replacing=[], supersteps=_steps(3, values={}))
        )[-1:]
    assert "appending of [graph] names log, whose items are messages" in said
    assert 'write each as { type = "human", content = "…" }' in said


def test_an_input_that_is_refused_is_told(settings_for: MakeSettings, url: str) -> None:
    told = sentences(diagnosed(settings_for, url, run_input={"count": "many"}))
    assert any("run_input of [graph]" in each and "log, count, about" in each for each in told), (
        told
    )


def test_a_server_without_schemas_is_right(settings_for: MakeSettings) -> None:
    with ledger(without_schemas) as (found, _store):
        assert sentences(diagnosed(settings_for, found)) == []
        (wrong,) = sentences(diagnosed(settings_for, found, append=_append("wirte")))[:1]
    assert "append of [graph], as node wirte, is refused" in wrong
    assert "correct its as_node or its values" in wrong


def test_a_server_without_supersteps_is_right(settings_for: MakeSettings) -> None:
    with ledger(without_supersteps) as (found, _store):
        diagnosis = diagnosed(settings_for, found)
    assert sentences(diagnosis) == []
    (absent,) = [each for each in diagnosis.findings if each.kind is Kind.ABSENT]
    assert "applies none" in absent.sentence
    assert "prepopulate" in absent.undecided


def test_what_the_doctor_made_is_removed(settings_for: MakeSettings, own_state: Path) -> None:
    with ledger() as (found, store):
        diagnosis = diagnose(settings_for(found, graph=graph_settings(RIGHT)))
        assert diagnosis.cleanup.created == diagnosis.cleanup.removed > 0
        assert store.searches.count() == 0
    assert not [*own_state.glob("*")]


def test_the_table_that_is_made_fits(settings_for: MakeSettings, url: str) -> None:
    found = diagnose(settings_for(url, graph=graph_settings({"id": "ledger"})))
    assert sentences(found)
    assert found.proposal is not None
    assert not [each for each in found.proposal.findings if each.kind is Kind.WRONG]
    graph = graph_settings(tomllib.loads(found.proposal.toml)["graph"])
    assert (graph.id, graph.appending, graph.adding) == ("ledger", ("log",), ("count",))
    assert graph.replacing == ("about",)
    assert graph.append["as_node"] == "write"
    assert [each["updates"][0]["as_node"] for each in graph.supersteps] == [
        "__input__",
        "__start__",
        "read",
        "write",
    ]
    assert graph.channels.keys() == {"count", "about"}


def test_of_an_unknown_graph_a_table_is_made_for_one_that_there_is(
    settings_for: MakeSettings, url: str
) -> None:
    found = diagnose(settings_for(url, graph=GraphSettings(id="no-such")))
    assert found.proposal is not None
    assert found.proposal.graph_id == "ledger"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "text {n}"),
        ({"type": ["null", "integer"]}, 2),
        ({"enum": ["red", "blue"]}, "red"),
        ({"const": None}, None),
        ({"type": "boolean"}, True),
        ({"$ref": "#/$defs/Name"}, "text {n}"),
        ({"$ref": "#/$defs/Round"}, {"again": {"again": {"again": {"again": {}}}}}),
        ({"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "number"}}]}, [2]),
        (
            {"type": "array", "items": {"$ref": "#/$defs/AIMessage"}},
            [{"type": "human", "content": "human says {n}"}],
        ),
        ({"properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]}, {"a": "text {n}"}),
        (True, "text {n}"),
    ],
    ids=str,
)
def test_a_sample_fits_its_schema(schema: Any, expected: Any) -> None:
    definitions = {
        "Name": {"type": "string"},
        "AIMessage": {"type": "object"},
        "Round": {"type": "object", "properties": {"again": {"$ref": "#/$defs/Round"}}},
    }
    assert sample_value(schema, definitions) == expected


def test_a_table_can_be_read_again() -> None:
    table = {
        "id": 'a "quoted"\nid\x7f',
        "appending": [],
        "run_input": {"a b": [1, 2.5, True, {"ü": "x"}], "c": {}},
        "supersteps": [{"updates": [{"as_node": "n", "values": {}}]}],
    }
    assert tomllib.loads(as_toml(table)) == {"graph": table}


# The command


def doctor(url: str, *arguments: str, config: str = "") -> Result:
    Path("threads-conformance.toml").write_text(config, encoding="utf-8")
    return CliRunner().invoke(cli, ["doctor", "--url", url, *arguments])


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_command_says_what_was_asked_and_gives_a_table(url: str) -> None:
    result = doctor(url)
    assert result.exit_code == 0, result.output
    assert "Graph       agent" in result.output
    assert "POST /threads with supersteps and append" in result.output
    assert "The settings fit the deployment" in result.output
    assert '[graph]\nid = "agent"' in result.output
    assert "Threads: created 5, removed 5" in result.output


def test_wrong_settings_are_status_2(url: str) -> None:
    result = doctor(url, "--graph", "ledger")
    assert result.exit_code == 2, result.output
    assert "Mend in the settings" in result.output
    assert "A [graph] table for 'ledger'" in result.output


@pytest.mark.slow
def test_a_deployment_that_cannot_be_reached_is_status_3() -> None:
    result = doctor("http://127.0.0.1:9")
    assert result.exit_code == 3
    assert "cannot connect" in result.output
    assert "Traceback" not in result.output


def test_a_deployment_that_breaks_is_status_3() -> None:
    def breaking(app: ASGIApp) -> ASGIApp:
        async def answered(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"].endswith("/runs/wait"):
                await JSONResponse({"detail": "broken"}, 500)(scope, receive, send)
            else:
                await app(scope, receive, send)

        return answered

    with ledger(breaking) as (found, _store):
        result = doctor(found, "--graph", AGENT.graph_id)
    assert result.exit_code == 3, result.output
    assert "a run is answered 500" in result.output


@pytest.mark.parametrize(
    ("operation", "status"), [("create", 3), ("update_state", 0), ("run_wait", 0)]
)
def test_a_deployment_that_names_other_peoples_threads_is_told(operation: str, status: int) -> None:
    """A write to a thread that is not proved the run's is refused by the guard."""
    stranger = str(uuid.uuid4())

    def naming(app: ASGIApp) -> ASGIApp:
        wire = Wire(app)

        @wire.answers(operation)
        def another(_request: WireRequest, body: Any) -> Any:
            return {**body, "thread_id": stranger}

        return wire

    with ledger(naming) as (found, _store):
        result = doctor(found, "--graph", AGENT.graph_id)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == status, result.output
    assert ("not proved to be ours" in result.output) is (status == 3)


@pytest.mark.slow
def test_a_run_warns_of_settings_that_do_not_fit(url: str, tmp_path: Path) -> None:
    (tmp_path / "threads-conformance.toml").write_text('[graph]\nid = "ledger"\n', "utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "conformance", "run", "--url", url, "--requirement", "CREATE-01"],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Warning: [graph] settings: superstep 3 of [graph], as node call_model" in ended.stderr
    assert "run `threads-conformance doctor` for details" in ended.stderr
    # What the trial made is no part of the run.
    assert "2 requests" in ended.stdout
