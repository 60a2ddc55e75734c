"""The gateway of the documented clients: guard, ledger and record apply to their requests too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from conformance.clients.gateway import Gateway
from conformance.deployment.connect import Connection, connect, exchanges_file
from conformance.deployment.delivery.circuit_breaker import GivenUpError
from conformance.deployment.ownership.guard import NotOursRefusal
from conformance.deployment.ownership.ledger import read_ledger, remaining_ledgers
from conformance.deployment.settings import Settings
from tests.conftest import Reply, answering, as_json

MakeSettings = Callable[..., Settings]
STRANGER = "11111111-2222-4333-8444-555555555555"


@contextmanager
def opened(connection: Connection) -> Iterator[Gateway]:
    gateway = Gateway(connection.client.forward)
    try:
        yield gateway
    finally:
        gateway.close()


def test_a_request_goes_on_as_it_came(settings_for: MakeSettings) -> None:
    asked: list[tuple[str, str, bytes]] = []

    def reply(method: str, path: str, body: bytes) -> Reply:
        asked.append((method, path, body))
        return as_json([{"found": "ü"}], 207)

    with (
        answering(reply) as url,
        connect(settings_for(f"{url}/base")) as connection,
        opened(connection) as gateway,
        gateway.flow() as passed,
    ):
        answer = httpx.post(f"{gateway.url}/threads/search?a=%2Fb", content=b'{"limit": 1 }')
    assert asked == [("POST", "/base/threads/search?a=%2Fb", b'{"limit": 1 }')]
    assert (answer.status_code, answer.json()) == (207, [{"found": "ü"}])
    assert passed.last() == [{"found": "ü"}]
    assert [each.status_code for each in passed.answers] == [207]


def test_a_stranger_s_thread_is_not_touched(settings_for: MakeSettings) -> None:
    asked: list[str] = []

    def reply(method: str, path: str, _body: bytes) -> Reply:
        asked.append(f"{method} {path}")
        return as_json({})

    with (
        answering(reply) as url,
        connect(settings_for(url)) as connection,
        opened(connection) as gateway,
        gateway.flow() as passed,
    ):
        answer = httpx.post(f"{gateway.url}/threads/{STRANGER}/copy")
    # It is looked at, whether it is this run's.
    assert asked == [f"GET /threads/{STRANGER}"]
    assert answer.status_code == 403
    assert [type(each) for each in passed.problems] == [NotOursRefusal]


@pytest.mark.slow
def test_an_unknown_path_is_not_served(settings_for: MakeSettings, reference: str) -> None:
    with connect(settings_for(reference)) as connection, opened(connection) as gateway:
        with gateway.flow() as passed:
            root = gateway.url.rpartition("/")[0]
            assert httpx.get(f"{root}/info").status_code == 404
            assert httpx.get(f"{gateway.url}x/info").status_code == 404
            assert httpx.get(f"{gateway.url}/info").status_code == 200
        assert len(passed.answers) == 1


def test_what_a_client_makes_stands_in_the_ledger(
    settings_for: MakeSettings, reference: str
) -> None:
    with connect(settings_for(reference)) as connection, opened(connection) as gateway:
        body = {"metadata": connection.client.tag}
        made = httpx.post(f"{gateway.url}/threads", json=body).json()["thread_id"]
        copy = httpx.post(f"{gateway.url}/threads/{made}/copy").json()["thread_id"]
        ((folder, ledger),) = remaining_ledgers()
        assert set(ledger.named) == {made, copy}
        assert connection.client.ownership.is_ours(copy)
    assert read_ledger(folder).unidentified == ()


def test_a_client_brings_no_key_and_is_given_the_run_s(settings_for: MakeSettings) -> None:
    seen: list[dict[str, str]] = []

    class Recorded:
        def __init__(self, forward: Callable[..., httpx.Response]) -> None:
            self.forward = forward

        def __call__(self, *request: object, **options: object) -> httpx.Response:
            answer = self.forward(*request, **options)
            seen.append(dict(answer.request.headers))
            return answer

    with answering(lambda *_: as_json({})) as url:
        settings = settings_for(url, headers=(("x-api-key", "the-run-s-own-key"),))
        with connect(settings) as connection:
            gateway = Gateway(Recorded(connection.client.forward))
            brought = {"X-Api-Key": "of-this-machine", "Authorization": "Bearer of-this-machine"}
            httpx.get(f"{gateway.url}/info", headers={**brought, "User-Agent": "the client/1"})
            gateway.close()
        recorded = exchanges_file(settings, "main").read_text()
    (headers,) = seen
    assert headers["x-api-key"] == "the-run-s-own-key"
    assert headers["user-agent"] == "the client/1"
    assert "authorization" not in headers
    assert "the-run-s-own-key" not in recorded


@pytest.mark.parametrize("private", [True, False])
def test_other_people_s_threads_are_not_recorded(private: bool, settings_for: MakeSettings) -> None:
    with answering(lambda *_: as_json([{"thread_id": "a stranger's"}])) as url:
        settings = settings_for(url)
        with (
            connect(settings) as connection,
            opened(connection) as gateway,
            gateway.flow(private=private) as passed,
        ):
            httpx.post(f"{gateway.url}/threads/search", json={"limit": 1})
        recorded = json.loads(exchanges_file(settings, "main").read_text())
    assert passed.last() == [{"thread_id": "a stranger's"}]
    # Nor where nobody said so: it is not proved to be this run's.
    assert "a stranger's" not in recorded["response_body"]
    assert recorded["response_body"].startswith("[not recorded: 1 in the list")


@pytest.mark.slow
def test_a_deployment_that_is_gone_is_no_answer(settings_for: MakeSettings) -> None:
    with (
        connect(settings_for("http://127.0.0.1:1")) as connection,
        opened(connection) as gateway,
        gateway.flow() as passed,
    ):
        assert httpx.get(f"{gateway.url}/info").status_code == 403
    assert passed.answers == []
    assert [type(each) for each in passed.problems] == [GivenUpError]
