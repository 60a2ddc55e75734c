"""A good guest with runs and crons too: strangers' are left alone, the run's own removed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from conformance.deployment.bookkeeping import is_newer
from conformance.deployment.cleanup import remove_all
from conformance.deployment.connect import connect, exchanges_file
from conformance.deployment.exchange import Exchange
from conformance.deployment.guard import GuardRefusal, Ownership, check_request
from conformance.deployment.ledger import Ledger, read_account
from conformance.deployment.settings import Settings
from conformance.engine import clean_up
from conformance.reference.app import new_store
from tests.conftest import Reply, answering, as_json, served, threads_of

MakeSettings = Callable[..., Settings]
STRANGER = "11111111-2222-4333-8444-555555555555"
RARELY = {"assistant_id": "agent", "schedule": "0 0 1 1 *"}


@pytest.fixture
def ours() -> Ownership:
    return Ownership(str(uuid4()))


@pytest.fixture
def deployment() -> Iterator[str]:
    with served(new_store()) as url:
        yield url


def send(method: str, path: str, body: Any, ours: Ownership) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    check_request(method, path, raw, ours)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", f"/threads/{{}}/runs/{STRANGER}"),
        ("POST", f"/threads/{{}}/runs/{STRANGER}/cancel"),
        ("POST", "/threads/{}/runs/crons"),
    ],
)
def test_runs_and_crons_are_changed_on_own_threads_only(
    method: str, path: str, ours: Ownership
) -> None:
    send(method, path.format(ours.new_id()), {}, ours)
    with pytest.raises(GuardRefusal, match="which this run did not make"):
        send(method, path.format(STRANGER), {}, ours)


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_only_own_crons_are_changed(method: str, ours: Ownership) -> None:
    with pytest.raises(GuardRefusal, match=STRANGER):
        send(method, f"/runs/crons/{STRANGER}", {}, ours)
    ours.adopt_cron(STRANGER.upper())
    send(method, f"/runs/crons/{STRANGER}", {}, ours)
    send(method, f"/runs/crons/{ours.absent_id()}", {}, ours)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "all"},
        {"run_ids": []},
        {"thread_id": STRANGER, "run_ids": []},
        [],
        b"",
        b"{",
        b'{"thread_id": "OWN", "status": "all"}',
        b'{"thread_id": "OWN", "run_ids": [], "thread_id": "' + STRANGER.encode() + b'"}',
    ],
)
def test_runs_of_others_are_never_cancelled(body: Any, ours: Ownership) -> None:
    own = ours.new_id()
    send("POST", "/runs/cancel", {"thread_id": own, "run_ids": []}, ours)
    if isinstance(body, bytes):
        body = body.replace(b"OWN", own.encode())
    with pytest.raises(GuardRefusal):
        send("POST", "/runs/cancel", body, ours)


@pytest.mark.parametrize("way", ["", "/wait", "/stream", "/batch"])
def test_a_stateless_run_names_no_stranger(way: str, ours: Ownership) -> None:
    body = {"assistant_id": "agent", "config": {"configurable": {"thread_id": STRANGER}}}
    send("POST", f"/runs{way}", {"assistant_id": "agent"}, ours)
    with pytest.raises(GuardRefusal, match=STRANGER):
        send("POST", f"/runs{way}", [body] if way == "/batch" else body, ours)


def test_a_cron_stands_in_the_ledger_before_it_is_made(
    settings_for: MakeSettings, own_state: Path
) -> None:
    seen = []
    cron = str(uuid4())

    def reply(_method: str, path: str, _body: bytes) -> Reply:
        seen.append(read_account(next(own_state.iterdir())))
        return as_json({"thread_id": path.split("/")[2], "cron_id": cron})

    with answering(reply) as url, connect(settings_for(url)) as connection:
        own = connection.client.ownership.new_id()
        connection.client.crons.create(own, RARELY)
        assert connection.client.ownership.may_use_cron(cron)
    assert (seen[0].scheduled, seen[0].crons) == ((own,), ())
    account = read_account(next(own_state.iterdir()))
    assert (account.scheduled, account.crons) == ((own,), (cron,))


def test_a_cron_of_another_thread_is_not_adopted(settings_for: MakeSettings) -> None:
    answer = {"thread_id": STRANGER, "cron_id": STRANGER}
    with answering(lambda *_: as_json(answer)) as url, connect(settings_for(url)) as connection:
        connection.client.crons.create(connection.client.ownership.new_id(), RARELY)
        assert not connection.client.ownership.may_use_cron(STRANGER)


def test_crons_are_removed_with_their_threads(deployment: str, settings_for: MakeSettings) -> None:
    settings = settings_for(deployment)
    with httpx.Client(base_url=deployment) as http:
        other = http.post("/threads", json={}).json()["thread_id"]
        others = http.post(f"/threads/{other}/runs/crons", json=RARELY).json()["cron_id"]
        with connect(settings) as connection:
            client = connection.client
            own = client.ownership.new_id()
            client.create({"thread_id": own})
            assert client.crons.create(own, RARELY).ok
            # Another one, whose answer was never read.
            assert http.post(f"/threads/{own}/runs/crons", json=RARELY).is_success
        cleanup = clean_up(settings)
        left = [each["cron_id"] for each in http.post("/runs/crons/search", json={}).json()]
    assert (cleanup.created, cleanup.removed, cleanup.left) == (1, 1, ())
    assert left == [others]


def test_a_cron_that_cannot_be_removed_is_told(settings_for: MakeSettings, own_state: Path) -> None:
    def reply(method: str, path: str, body: bytes) -> Reply:
        if method == "DELETE" and "crons" in path:
            return as_json({"detail": "no"}, 500)
        if path.endswith("/crons"):
            return as_json({"thread_id": own, "cron_id": STRANGER})
        return as_json([] if path.endswith("search") else {}, 404 if method == "GET" else 200)

    with answering(reply) as url:
        settings = settings_for(url)
        with connect(settings) as connection:
            own = connection.client.ownership.new_id()
            connection.client.crons.create(own, RARELY)
            account = read_account(next(own_state.iterdir()))
            # The search shows nothing: the cron is not on that thread any more.
            assert remove_all(connection.client, account).left == ()
    with answering(lambda *_: as_json({"detail": "no"}, 500)) as url:
        settings = settings_for(url)
        with connect(settings) as connection:
            assert remove_all(connection.client, account).left == (own,)


def test_the_kept_thread_of_a_stateless_run_is_removed(
    deployment: str, settings_for: MakeSettings
) -> None:
    settings = settings_for(deployment)
    body = {"assistant_id": "agent", "input": {"messages": []}, "on_completion": "keep"}
    with connect(settings) as connection:
        assert connection.client.runs.stateless("background", body).ok
        assert connection.client.runs.stateless("wait", body).ok
    assert len(threads_of(deployment)) == 2
    assert clean_up(settings).left == ()
    assert threads_of(deployment) == {}


def test_a_thread_that_is_older_than_the_run_is_left(settings_for: MakeSettings) -> None:
    asked = []

    def reply(method: str, path: str, _body: bytes) -> Reply:
        asked.append((method, path))
        if path == "/runs":
            return as_json({"thread_id": STRANGER, "run_id": STRANGER})
        if path.startswith("/threads/search"):
            return as_json([])
        return as_json({"thread_id": STRANGER, "created_at": "2020-01-01T00:00:00+00:00"})

    with answering(reply) as url:
        settings = settings_for(url)
        with connect(settings) as connection:
            connection.client.runs.stateless("background", {"assistant_id": "agent"})
        clean_up(settings)
    assert ("GET", f"/threads/{STRANGER}") in asked
    assert not [each for each in asked if each[0] == "DELETE"]


def test_a_run_that_creates_its_thread_is_written_ahead(
    settings_for: MakeSettings, own_state: Path
) -> None:
    with answering(lambda *_: as_json({})) as url, connect(settings_for(url)) as connection:
        own = connection.client.ownership.new_id()
        connection.client.run_wait(own, {"assistant_id": "agent", "if_not_exists": "create"})
    assert read_account(next(own_state.iterdir())).planned == (own,)


def test_many_ask_at_once(settings_for: MakeSettings, own_state: Path) -> None:
    many = 50
    with answering(lambda _method, _path, body: (200, "application/json", body)) as url:
        settings = settings_for(url)
        with (
            connect(settings) as connection,
            connection.recorder.check("the check") as seen,
            ThreadPoolExecutor(many) as pool,
        ):
            client = connection.client

            def create(_: int) -> str:
                own = client.ownership.new_id()
                answer = client.create({"thread_id": own})
                assert answer.body == {"thread_id": own}
                return own

            made = list(pool.map(create, range(many)))
    assert len(set(made)) == many == len(seen)
    lines = exchanges_file(settings, "main").read_text(encoding="utf-8").splitlines()
    assert {Exchange.from_json(line).check for line in lines} == {"the check"}
    assert len(lines) == many
    account = read_account(own_state / settings.run_id)
    assert set(account.planned) == set(made) == account.created


def test_what_is_begun_at_once_has_different_numbers(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main", "http://127.0.0.1:1") as ledger, ThreadPoolExecutor(20) as pool:
        numbers = list(pool.map(lambda each: ledger.begun(f"copy {each}"), range(200)))
        assert len(set(numbers)) == 200
    assert len(read_account(tmp_path).nameless) == 200


def test_an_error_of_the_server_ends_no_other_request(settings_for: MakeSettings) -> None:
    failed, others = threading.Event(), threading.Barrier(4)

    def reply(_method: str, path: str, _body: bytes) -> Reply:
        if path == "/info":
            return as_json({}, 500)
        others.wait(30)
        failed.wait(30)
        return as_json({"slow": True})

    with (
        answering(reply) as url,
        connect(settings_for(url)) as connection,
        ThreadPoolExecutor(3) as pool,
    ):
        waiting = [pool.submit(connection.client.ok) for _ in range(3)]
        others.wait(30)
        assert connection.client.info().status == 500
        failed.set()
        assert [each.result().body for each in waiting] == [{"slow": True}] * 3


@pytest.mark.parametrize(
    ("thread", "newer"),
    [
        ({"created_at": "2026-01-01T00:00:00Z"}, True),
        ({"created_at": "2026-01-01T00:00:01"}, True),
        ({"created_at": "2025-12-31T23:59:59+00:00"}, False),
        ({"created_at": "some day"}, False),
        ({}, False),
        ("2026-01-01T00:00:00Z", False),
    ],
)
def test_what_is_newer(thread: Any, newer: bool) -> None:
    assert is_newer(thread, datetime(2026, 1, 1, tzinfo=UTC)) is newer
