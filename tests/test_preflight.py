"""Before a run: is there such a server? One sentence says what to do if not."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest

from conformance.deployment.connect import connect
from conformance.deployment.preflight import ServerInfo, UnreachableError, graph_missing
from conformance.deployment.settings import Settings
from conformance.engine import identify_deployment
from conformance.reference.server import HOST
from tests.conftest import Reply, answering, as_json

MakeSettings = Callable[..., Settings]
HTML: Reply = (200, "text/html", b"<html>hello</html>")
NOT_FOUND: Reply = as_json({"detail": "Not Found"}, 404)


def refusal(settings: Settings) -> str:
    with pytest.raises(UnreachableError) as refused:
        identify_deployment(settings)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_the_reference_says_who_it_is(reference: str, settings_for: MakeSettings) -> None:
    info = identify_deployment(settings_for(reference))
    assert info.name
    assert info.version


def test_looking_leaves_nothing(
    reference: str, settings_for: MakeSettings, own_state: object
) -> None:
    identify_deployment(settings_for(reference))
    assert not own_state.exists()  # type: ignore[attr-defined]


def test_no_server(settings_for: MakeSettings) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        url = f"http://{HOST}:{taken.getsockname()[1]}"
        message = refusal(settings_for(url))
    assert f"cannot connect to {url}" in message
    assert "start the server" in message


def test_a_name_that_no_one_has(settings_for: MakeSettings) -> None:
    assert "cannot connect to" in refusal(settings_for("http://nowhere.invalid"))


@pytest.mark.parametrize("reply", [HTML, NOT_FOUND, as_json([1], 500), as_json({"version": 1})])
def test_a_server_of_something_else(reply: Reply, settings_for: MakeSettings) -> None:
    with answering(lambda *_: reply) as url:
        message = refusal(settings_for(url))
    assert f"no LangGraph Server at {url}" in message
    assert f"answers {reply[0]} ({reply[1]})" in message


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_a_key(status: int, settings_for: MakeSettings) -> None:
    with answering(lambda *_: as_json({"detail": "who?"}, status)) as url:
        message = refusal(settings_for(url, headers=(("x-api-key", "swordfish"),)))
    assert f"answers {status}" in message
    assert "--api-key" in message
    assert "swordfish" not in message


def test_a_server_that_does_not_answer(settings_for: MakeSettings) -> None:
    with answering(lambda *_: None) as url:
        assert "does not answer in time" in refusal(settings_for(url, timeout_s=0.1))


def test_a_server_that_speaks_no_http(settings_for: MakeSettings) -> None:
    with answering(lambda *_: HTML) as url:
        message = refusal(settings_for(url.replace("http", "https")))
    assert message.startswith(("cannot connect", "https://"))


def test_passwords_are_not_shown(settings_for: MakeSettings) -> None:
    with answering(lambda *_: HTML) as url:
        message = refusal(settings_for(url.replace("://", "://me:swordfish@")))
    assert "swordfish" not in message


@pytest.mark.parametrize("works", ["/threads/search", "/info", "/threads/{id}"])
def test_one_working_operation_is_enough(works: str, settings_for: MakeSettings) -> None:
    working = {
        "/threads/search": as_json([]),
        "/info": as_json({"version": "0.1"}),
        "/threads/{id}": as_json({"detail": "Thread not found"}, 404),
    }

    def reply(_method: str, path: str, _body: bytes) -> Reply:
        known = path if path in working else "/threads/{id}"
        return working[known] if known == works else as_json({"detail": "broken"}, 500)

    with answering(reply) as url:
        found = identify_deployment(settings_for(url))
    assert found == ServerInfo(None, "0.1" if works == "/info" else None)


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ({"langgraph_py_version": "1.0"}, "langgraph-api"),
        ({"langgraph_js_version": "1.0"}, "langgraph-js"),
        ({"name": "another", "langgraph_py_version": "1.0"}, "another"),
        ({"name": 7}, None),
        ([], None),
    ],
)
def test_what_a_server_is_called(
    info: object, name: str | None, settings_for: MakeSettings
) -> None:
    def reply(_method: str, path: str, _body: bytes) -> Reply:
        return as_json(info if path == "/info" else [])

    with answering(reply) as url:
        assert identify_deployment(settings_for(url)).name == name


@pytest.mark.parametrize(
    ("listed", "missing"),
    [
        (lambda body: as_json([{"graph_id": "agent"}]), False),
        (lambda body: as_json([] if "graph_id" in body else [{}]), True),
        (lambda body: as_json({}, 404), False),
        (lambda body: as_json({}, 422) if "graph_id" in body else as_json([]), True),
    ],
)
def test_a_missing_graph(
    listed: Callable[[object], Reply], missing: bool, settings_for: MakeSettings
) -> None:
    def reply(_method: str, _path: str, body: bytes) -> Reply:
        return listed(json.loads(body))

    with answering(reply) as url, connect(settings_for(url)) as connection:
        sentence = graph_missing(connection.client, "agent")
    assert (sentence is not None) is missing
    if sentence:
        assert "fixtures/deployments/langgraph-python" in sentence
