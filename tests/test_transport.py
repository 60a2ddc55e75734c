"""The transport under every request: guard, record without secrets, fresh connections."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from conformance.deployment.connect import connect, exchanges_file, redactor_of
from conformance.deployment.ownership.guard import GuardRefusal
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.record.redaction import REDACTED, Redactor
from conformance.deployment.settings import Settings
from conformance.deployment.transport import RECORDED_BODY
from conformance.reference.server import HOST
from tests.conftest import Reply, answering, as_json

MakeSettings = Callable[..., Settings]


def recorded(settings: Settings) -> list[Exchange]:
    lines = exchanges_file(settings, "main").read_text(encoding="utf-8").splitlines()
    return [Exchange.from_json(line) for line in lines]


def test_an_exchange_is_recorded_with_its_check(settings_for: MakeSettings) -> None:
    with answering(lambda *_: as_json({"found": "ü"})) as url:
        settings = settings_for(f"{url}/base")
        with connect(settings) as connection:
            own = connection.client.ownership.malformed_id("some thread")
            with connection.recorder.check("the check") as seen:
                connection.client.history(own, limit=3)
            connection.client.info()
    exchange, other = recorded(settings)
    assert seen == [exchange]
    assert (exchange.check, other.check) == ("the check", "")
    assert (exchange.operation, exchange.method, exchange.status) == ("history", "GET", 200)
    assert exchange.url == f"{url}/base/threads/{quote(own)}/history?limit=3"
    assert exchange.response_body == '{"found": "\\u00fc"}'
    assert exchange.error is None
    assert exchange.elapsed_ms > 0


def test_what_the_guard_refuses_does_not_leave(settings_for: MakeSettings) -> None:
    asked: list[str] = []

    def reply(method: str, _path: str, _body: bytes) -> Reply:
        asked.append(method)
        return as_json({})

    with answering(reply) as url, connect(settings_for(f"{url}/base")) as connection:
        with pytest.raises(GuardRefusal):
            connection.client.delete("11111111-2222-4333-8444-555555555555")
        connection.client.delete(connection.client.ownership.new_id())
    # Of the first it was asked whose it is.
    assert asked == ["GET", "DELETE"]


SECRETS = {
    "header": "swordfish-in-a-header",
    "bearer": "swordfish-of-a-bearer",
    "key": "swordfish/as+key",
    "password": "swordfish-in-the-url",
}


def test_no_secret_is_stored(settings_for: MakeSettings, tmp_path: Path, own_state: Path) -> None:
    def reply(_method: str, _path: str, body: bytes) -> Reply:
        echo = [*SECRETS.values(), quote(SECRETS["key"], safe=""), body.decode()]
        return as_json({"you sent": echo})

    with answering(reply) as url:
        settings = settings_for(
            url.replace("://", f"://someone:{SECRETS['password']}@"),
            disposable=True,
            headers=(
                ("X-Own", SECRETS["header"]),
                ("Authorization", f"Bearer {SECRETS['bearer']}"),
                ("x-api-key", SECRETS["key"]),
            ),
        )
        with connect(settings) as connection:
            client = connection.client
            with connection.recorder.check("check") as seen:
                client.create({"metadata": {"echo": list(SECRETS.values())}})
                client.create({"thread_id": client.ownership.new_id()})
                client.search({"metadata": {"echo": SECRETS["key"]}})
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} >= {".jsonl"}
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        for secret in (*SECRETS.values(), quote(SECRETS["key"], safe=""), "someone"):
            assert secret not in text, (file, secret)
        credentials = base64.b64encode(f"someone:{SECRETS['password']}".encode()).decode()
        assert credentials not in text
    assert json.dumps([each.summary() for each in seen]).count("swordfish") == 0
    sent = dict(recorded(settings)[0].request_headers)
    assert {name for name, value in sent.items() if value == REDACTED} == {
        "x-own",
        "authorization",
        "x-api-key",
    }


def test_answers_with_secret_headers_are_redacted() -> None:
    headers = httpx.Headers({"Set-Cookie": "session=1", "Content-Type": "text/plain"})
    assert Redactor().headers(headers) == (
        ("set-cookie", REDACTED),
        ("content-type", "text/plain"),
    )


def test_short_values_are_not_replaced_everywhere() -> None:
    redactor = Redactor([("X-Flag", "1")])
    assert redactor.text("11 of 21") == "11 of 21"
    assert redactor.headers(httpx.Headers({"X-Flag": "1"})) == (("x-flag", REDACTED),)


def test_the_longest_secret_is_replaced_first() -> None:
    assert Redactor(secrets=["abcd", "abcdefgh"]).text("abcdefgh abcd") == f"{REDACTED} {REDACTED}"


def test_a_password_with_odd_characters_is_redacted(settings_for: MakeSettings) -> None:
    url = "http://me:p%40ss%2Fword@127.0.0.1:1"
    redactor = redactor_of(settings_for(url))
    assert redactor.text("p@ss/word p%40ss%2Fword") == f"{REDACTED} {REDACTED}"
    assert "me" not in redactor.url(url)


def test_answers_about_strangers_are_not_recorded(settings_for: MakeSettings) -> None:
    with answering(lambda *_: as_json([{"thread_id": "a stranger's"}])) as url:
        settings = settings_for(url)
        with connect(settings) as connection:
            answer = connection.client.search({}, private=True)
            assert answer.body == [{"thread_id": "a stranger's"}]
    assert "stranger" not in exchanges_file(settings, "main").read_text()
    assert recorded(settings)[0].status == 200


@pytest.mark.parametrize(
    ("path", "strangers"),
    [("/openapi.json", 0), ("/assistants/search", 0), ("/threads/search", 1)],
    ids=["openapi", "assistants", "threads"],
)
def test_what_describes_the_server_is_about_no_stranger(
    path: str, strangers: int, settings_for: MakeSettings
) -> None:
    """Ids that stand in an OpenAPI document as examples hid why a check ended as it did."""
    with (
        answering(lambda *_: as_json([{"thread_id": "an example"}])) as url,
        connect(settings_for(url)) as connection,
    ):
        method = "GET" if path == "/openapi.json" else "POST"
        connection.client.send("test", method, path, None if method == "GET" else {})
        assert len(connection.recorder.strangers) == strangers


def test_what_a_check_saw_of_strangers_is_not_recorded_where_it_sends_it_on(
    settings_for: MakeSettings,
) -> None:
    """Values of a thread that was not proved ours became a filter, and stood in the report."""
    words = {"messages": ["what somebody said"]}
    with answering(lambda *_: as_json([{"thread_id": "a stranger's", "values": words}])) as url:
        settings = settings_for(url)
        with connect(settings) as connection:
            with connection.recorder.check("one") as exchanges:
                connection.client.search({"limit": 1})
                connection.client.search({"values": words})
            with connection.recorder.check("another"):
                connection.client.count({"metadata": {"colour": "red"}})
    text = exchanges_file(settings, "main").read_text()
    assert "somebody" not in text
    assert "colour" in text
    assert exchanges[1].request_body == (
        "[not recorded: the check saw what may be of other people's threads]"
    )


def test_a_long_body_is_cut_in_the_record(settings_for: MakeSettings) -> None:
    long = "x" * (RECORDED_BODY + 10)
    with answering(lambda *_: as_json(long)) as url:
        settings = settings_for(url)
        with connect(settings) as connection:
            assert connection.client.search({"metadata": {"long": long}}).body == long
    (exchange,) = recorded(settings)
    for body in (exchange.request_body, exchange.response_body):
        assert body is not None
        assert "characters in all" in body[RECORDED_BODY:]


def test_after_a_server_error_the_next_request_has_a_fresh_connection(
    settings_for: MakeSettings,
) -> None:
    def reply(_method: str, path: str, _body: bytes) -> Reply:
        return as_json({"path": path}, 500 if path == "/info" else 200)

    with (
        answering(reply, drop_after_5xx=True) as url,
        connect(settings_for(url)) as connection,
    ):
        for _ in range(5):
            assert connection.client.info().status == 500
            assert connection.client.search({}).ok


def test_a_refused_connection(settings_for: MakeSettings) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        url = f"http://{HOST}:{taken.getsockname()[1]}"
        settings = settings_for(url)
        with connect(settings, first_contact=True) as connection, pytest.raises(httpx.ConnectError):
            connection.client.info()
    exchange, *_ = recorded(settings)
    assert exchange.status is None
    assert exchange.error


@pytest.mark.slow
def test_a_server_that_says_nothing_is_not_waited_for_longer(settings_for: MakeSettings) -> None:
    with answering(lambda *_: None) as url:
        settings = settings_for(url, timeout_s=0.1, run_timeout_s=0.1)
        with connect(settings) as connection:
            client = connection.client
            with pytest.raises(httpx.ReadTimeout):
                client.run_wait(client.ownership.new_id(), {})
            with pytest.raises(httpx.TransportError):
                client.info()
    assert {each.status for each in recorded(settings)} == {None}
    assert all(each.error for each in recorded(settings))
