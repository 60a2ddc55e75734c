"""Threads of checks that have ended are removed while others run, and no other thread is."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.contract.verdicts import RunVerdict
from conformance.deployment.cleanup.background import BackgroundRemoval
from conformance.deployment.connect import Connection, connect
from conformance.deployment.ownership.ledger import LedgerState, ledgers_dir, read_ledger
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.reference.app import new_store
from conformance.runner.cleanup import clean_up
from conformance.runner.session import run_suite
from conformance.runner.worker import background_removal
from conformance.waiting import wait_until
from tests.conftest import Reply, answering, as_json, served, threads_of

MakeSettings = Callable[..., Settings]
NOW = "2999-01-01T00:00:00+00:00"


@contextmanager
def removing(settings: Settings) -> Iterator[tuple[Connection, BackgroundRemoval]]:
    """A worker's connection, and the removal beside it."""
    with connect(settings, "gw0") as connection, background_removal(settings, connection) as it:
        yield connection, it


def ledger_of(settings: Settings) -> LedgerState:
    return read_ledger(ledgers_dir() / settings.run_id)


def made_in(connection: Connection) -> str:
    client = connection.client
    thread_id = client.ownership.new_id()
    assert client.create({"thread_id": thread_id, "metadata": client.tag}).ok
    return thread_id


def gone_after_a_while(settings: Settings, *ids: str) -> bool:
    return wait_until(
        lambda: ledger_of(settings).gone >= set(ids),
        lambda there: there,
        within_s=30,
        pause_s=0.01,
    )


def test_what_ended_checks_made_is_removed_and_what_a_check_uses_stays(
    settings_for: MakeSettings,
) -> None:
    with served(new_store()) as url:
        settings = settings_for(url)
        with removing(settings) as (connection, removal):
            thread = made_in(connection)
            copy = connection.client.copy(thread).body["thread_id"]
            absent = connection.client.ownership.new_id()
            assert connection.client.update(absent, {"metadata": {}}).status == 404
            removal.check_ended()
            used = made_in(connection)
            assert gone_after_a_while(settings, thread, copy, absent)
            assert threads_of(url).keys() == {used}
            assert connection.recorder.server_errors == removal.server_errors == []
        cleanup = clean_up(settings)
        assert threads_of(url) == {}
    # What never was a thread does not count.
    assert (cleanup.created, cleanup.removed, cleanup.left) == (3, 3, ())


def test_of_what_is_gone_nothing_is_asked_again_and_what_came_back_is_found(
    settings_for: MakeSettings,
) -> None:
    asked: list[str] = []

    def noting(app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            asked.append(str(scope.get("path")))
            await app(scope, receive, send)

        return serve

    with served(new_store(), noting) as url:
        settings = settings_for(url)
        with removing(settings) as (connection, removal):
            gone, back = made_in(connection), made_in(connection)
            tag = connection.client.tag
            removal.check_ended()
            assert gone_after_a_while(settings, gone, back)
        # A request that was on the way all the time makes a thread again.
        with connect(settings, "late", record=False, ledger=ledger_of(settings)) as late:
            assert late.client.create({"thread_id": back, "metadata": tag}).ok
        asked.clear()
        cleanup = clean_up(settings)
        assert threads_of(url) == {}
    assert (cleanup.created, cleanup.removed) == (2, 2)
    assert not any(gone in each for each in asked)


def test_an_id_that_is_named_again_is_planned_again(settings_for: MakeSettings) -> None:
    with served(new_store()) as url:
        settings = settings_for(url)
        with removing(settings) as (connection, removal):
            thread = made_in(connection)
            removal.check_ended()
            assert gone_after_a_while(settings, thread)
            body = {"thread_id": thread, "metadata": {}}
            assert connection.client.create(body).ok
        # It was planned before it was sent, as if for the first time.
        lines = (ledgers_dir() / settings.run_id / "gw0.jsonl").read_text().splitlines()
        events = [
            each["event"] for each in map(json.loads, lines) if each.get("thread_id") == thread
        ]
        assert events == ["planned", "created", "removed", "planned", "created"]
        # Without a tag no search would show it.
        assert ledger_of(settings).gone == frozenset()
        cleanup = clean_up(settings)
        assert threads_of(url) == {}
    assert (cleanup.created, cleanup.removed) == (1, 1)


def test_nothing_has_ended_while_a_write_is_in_progress(settings_for: MakeSettings) -> None:
    comes_in, goes_on = threading.Event(), threading.Event()

    def reply(method: str, _path: str, body: bytes) -> Reply:
        if method == "POST":
            comes_in.set()
            goes_on.wait(30)
        return as_json({"created_at": NOW, **json.loads(body or b"{}")})

    with answering(reply) as url, connect(settings_for(url), "gw0") as connection:
        assert connection.ledger
        connection.ledger.follow()
        writing = threading.Thread(target=made_in, args=[connection])
        writing.start()
        assert comes_in.wait(30)
        assert connection.take_ended() is None
        goes_on.set()
        writing.join()
        ended = connection.take_ended()
        assert ended is not None
        assert len(ended.generated) == len(ended.created) == 1
        assert connection.take_ended() == LedgerState(ended.run_id, "")


@pytest.mark.parametrize("status", [500, 204])
def test_what_is_not_gone_is_left_to_the_clean_up(status: int, settings_for: MakeSettings) -> None:
    deletions: list[str] = []

    def reply(method: str, path: str, body: bytes) -> Reply:
        if method == "DELETE":
            deletions.append(path)
            return as_json({"detail": "no"}, status)
        return as_json({"created_at": NOW, **json.loads(body or b"{}")})

    with answering(reply) as url:
        settings = settings_for(url)
        with removing(settings) as (connection, removal):
            for _ in range(10):
                made_in(connection)
            removal.check_ended()
            # After a few in vain it is given up.
            assert not wait([removal._work], 60).not_done
            made_in(connection)
            removal.check_ended()
        assert len(set(deletions)) == 3
        assert bool(removal.server_errors) is (status == 500)
        ledger = ledger_of(settings)
        assert len(ledger.created) == len(ledger.generated) == 11
        assert ledger.gone == frozenset()
        assert len(clean_up(settings).left) == 11


def test_a_thread_with_a_cron_is_left_to_the_clean_up(settings_for: MakeSettings) -> None:
    with served(new_store()) as url:
        settings = settings_for(url)
        with removing(settings) as (connection, removal):
            scheduled = made_in(connection)
            tag = connection.client.tag
            body = {"schedule": "0 0 1 1 *", "assistant_id": settings.graph.id, "metadata": tag}
            assert connection.client.crons.create(scheduled, body).ok
            removal.check_ended()
            plain = made_in(connection)
            removal.check_ended()
            assert gone_after_a_while(settings, plain)
            assert ledger_of(settings).gone == {plain}
        assert clean_up(settings).removed == 2
        assert threads_of(url) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "keep", "options", "removes"),
    [
        pytest.param("2", False, {}, True, id="workers"),
        pytest.param("0", False, {}, True, id="one process"),
        # There the clean-up removes many at once.
        pytest.param("0", False, {"disposable": True}, False, id="one process, disposable"),
        pytest.param("2", True, {}, False, id="keep"),
        pytest.param("2", False, {"other_headers": (("k", "v"),)}, False, id="two tenants"),
    ],
)
def test_a_run_removes_what_it_made_beside_its_checks(
    workers: str, keep: bool, options: dict[str, Any], removes: bool, settings_for: MakeSettings
) -> None:
    deleted: dict[str, float] = {}
    deletions: Counter[str] = Counter()

    def noting(app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["method"] == "DELETE":
                thread_id = scope["path"].rpartition("/")[2]
                deletions[thread_id] += 1
                deleted[thread_id] = time.time()
            await app(scope, receive, send)

        return serve

    with served(new_store(), noting) as url:
        settings = settings_for(url, capabilities=("create", "copy", "delete"), **options)
        report = run_suite(settings, ServerInfo("reference", "1"), workers=workers, keep=keep)
        assert report.verdict is RunVerdict.CONFORMANT
        if not keep:
            assert report.cleanup.created == report.cleanup.removed > 100
            assert threads_of(url) == {}
    last_use: dict[str, float] = {}
    own: Counter[str] = Counter()
    for file in Path(settings.run_dir).glob("exchanges-*.jsonl"):
        for each in map(json.loads, file.read_text(encoding="utf-8").split("\n")[:-1]):
            sent_at = datetime.fromisoformat(each["started_at"]).timestamp()
            for thread_id in deletions:
                if thread_id in each["url"]:
                    last_use[thread_id] = max(sent_at, last_use.get(thread_id, 0))
                    own[thread_id] += each["method"] == "DELETE"
    # No check asks for a thread after the suite itself has removed it.
    by_suite = [each for each in deletions if deletions[each] > own[each]]
    assert [each for each in by_suite if deleted[each] < last_use.get(each, 0)] == []
    meanwhile = [each for each in by_suite if deleted[each] < max(last_use.values())]
    assert bool(meanwhile) is removes
