"""A good guest with runs and crons: strangers' ones are left alone, the run's own are removed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.types import ASGIApp

from conformance.deployment.cleanup.removal import remove_all
from conformance.deployment.connect import connect, exchanges_file
from conformance.deployment.ownership.guard import NotOursRefusal
from conformance.deployment.ownership.ledger import Ledger, read_ledger
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.settings import Settings
from conformance.reference.app import new_store
from conformance.reference.wire import Wire, WireRequest
from conformance.report.record import LeftThreads
from conformance.runner.cleanup import clean_up
from tests.conftest import Reply, answering, as_json, served, threads_of

MakeSettings = Callable[..., Settings]
STRANGER = "11111111-2222-4333-8444-555555555555"
LATER = "2999-01-01T00:00:00+00:00"
RARELY = {"assistant_id": "agent", "schedule": "0 0 1 1 *"}


@pytest.fixture
def deployment() -> Iterator[str]:
    with served(new_store()) as url:
        yield url


def test_a_cron_stands_in_the_ledger_before_it_is_made(
    settings_for: MakeSettings, own_state: Path
) -> None:
    seen = []
    cron = str(uuid4())

    def reply(method: str, path: str, _body: bytes) -> Reply:
        if method == "POST":
            seen.append(read_ledger(next(own_state.iterdir())))
            return as_json({"thread_id": path.split("/")[2], "cron_id": cron})
        shown = {"thread_id": own, "cron_id": cron, "created_at": LATER}
        return as_json({**shown, "metadata": tag} if method == "GET" else {})

    with answering(reply) as url, connect(settings_for(url)) as connection:
        tag = connection.client.tag
        own = connection.client.ownership.new_id()
        connection.client.crons.create(own, RARELY)
        # It is proved when it is first to be changed.
        assert not connection.client.ownership.is_our_cron(cron)
        assert connection.client.crons.delete(cron).ok
        assert connection.client.ownership.is_our_cron(cron)
    assert (seen[0].scheduled, seen[0].crons) == ((own,), ())
    ledger = read_ledger(next(own_state.iterdir()))
    assert (ledger.scheduled, ledger.crons) == ((own,), (cron,))


@pytest.mark.parametrize("thread_id", [STRANGER, None])
def test_a_cron_of_another_thread_is_not_touched(
    thread_id: str | None, settings_for: MakeSettings
) -> None:
    asked = []

    def reply(method: str, _path: str, _body: bytes) -> Reply:
        asked.append(method)
        shown = {"thread_id": thread_id, "cron_id": STRANGER, "created_at": LATER}
        return as_json({**shown, "metadata": tag})

    with answering(reply) as url, connect(settings_for(url)) as connection:
        tag = connection.client.tag
        connection.client.crons.create(connection.client.ownership.new_id(), RARELY)
        with pytest.raises(NotOursRefusal):
            connection.client.crons.delete(STRANGER)
    assert asked == ["POST", "GET"]


@pytest.mark.parametrize(("tagged", "left"), [(True, 1), (False, 2)])
def test_crons_are_removed_with_their_threads(
    tagged: bool, left: int, deployment: str, settings_for: MakeSettings
) -> None:
    settings = settings_for(deployment)
    with httpx.Client(base_url=deployment) as http:
        other = http.post("/threads", json={}).json()["thread_id"]
        http.post(f"/threads/{other}/runs/crons", json=RARELY).raise_for_status()
        with connect(settings) as connection:
            client = connection.client
            own = client.ownership.new_id()
            client.create({"thread_id": own, "metadata": client.tag})
            assert client.crons.create(own, {**RARELY, "metadata": client.tag}).ok
            # Another one, whose answer was never read, or that somebody else has put there.
            body = {**RARELY, "metadata": client.tag if tagged else {}}
            assert http.post(f"/threads/{own}/runs/crons", json=body).is_success
        cleanup = clean_up(settings)
        crons = http.post("/runs/crons/search", json={}).json()
    if tagged:
        assert (cleanup.created, cleanup.removed, cleanup.left) == (1, 1, ())
        assert [each["thread_id"] for each in crons] == [other]
    else:
        assert (cleanup.created, cleanup.left) == (1, (own,))
        assert cleanup.reasons == (LeftThreads(1, "a cron on it could not be removed"),)


#: What a stranger wrote into the input of a run or cron.
PRIVATE_WORDS = "what somebody else wrote"


@pytest.mark.parametrize("kind", ["runs", "crons"])
@pytest.mark.parametrize("forged", [True, False])
def test_a_list_is_recorded_only_if_all_of_it_is_proved(
    kind: str, forged: bool, settings_for: MakeSettings
) -> None:
    """A server shows a stranger's run or cron as if it were on a thread of the run."""
    wire = Wire()
    theirs: list[dict[str, Any]] = []

    @wire.answers("run_list", "cron_search")
    def forge(request: WireRequest, listed: Any) -> Any:
        thread_id = request.thread_id or request.members["thread_id"]
        return listed + [{**each, "thread_id": thread_id} for each in theirs if forged]

    def around(app: ASGIApp) -> ASGIApp:
        wire.app = app
        return wire

    with served(new_store(), around) as url, httpx.Client(base_url=url) as http:
        other = http.post("/threads", json={}).json()["thread_id"]
        said = {"messages": [{"type": "human", "content": PRIVATE_WORDS}]}
        path, body = (
            ("/runs", {"assistant_id": "agent"}) if kind == "runs" else ("/runs/crons", RARELY)
        )
        made = http.post(f"/threads/{other}{path}", json={**body, "input": said})
        theirs.append(made.raise_for_status().json())
        with connect(settings_for(url)) as connection:
            client = connection.client
            own = client.ownership.new_id()
            client.create({"thread_id": own, "metadata": client.tag})
            ours = {**body, "input": {"messages": []}, "metadata": client.tag}
            with connection.recorder.check("check") as exchanges:
                if kind == "runs":
                    assert client.run_background(own, ours).ok
                    listed = client.runs.list(own)
                else:
                    assert client.crons.create(own, ours).ok
                    listed = client.crons.search({"thread_id": own})
                assert len(listed.body) == 1 + forged
                assert bool(connection.recorder.strangers) is forged
    (recorded,) = (each for each in exchanges if each.operation in ("run_list", "cron_search"))
    assert PRIVATE_WORDS not in str(recorded.response_body)
    assert ("not proved to be this run's" in str(recorded.response_body)) is forged
    assert (own in str(recorded.response_body)) is not forged


def test_a_cron_that_cannot_be_removed_is_told(settings_for: MakeSettings, own_state: Path) -> None:
    broken = False

    def reply(method: str, path: str, body: bytes) -> Reply:
        if broken:
            return as_json({"detail": "no"}, 500)
        if path.endswith("/crons"):
            return as_json({"thread_id": own, "cron_id": STRANGER})
        return as_json([] if path.endswith("search") else {}, 404 if method == "GET" else 200)

    with answering(reply) as url:
        settings = settings_for(url)
        with connect(settings) as connection:
            own = connection.client.ownership.new_id()
            connection.client.crons.create(own, RARELY)
        ledger = read_ledger(next(own_state.iterdir()))
        with connect(settings, ledger=ledger) as connection:
            # The search shows nothing: the cron is not on that thread any more.
            assert remove_all(connection.client, ledger).left == ()
        broken = True
        with connect(settings, ledger=ledger) as connection:
            removal = remove_all(connection.client, ledger)
    assert [each.thread_id for each in removal.left] == [own]


@pytest.mark.parametrize("tagged", [True, False])
def test_the_kept_thread_of_a_stateless_run_is_removed_if_it_is_proved(
    tagged: bool, deployment: str, settings_for: MakeSettings
) -> None:
    settings = settings_for(deployment)
    body = {"assistant_id": "agent", "input": {"messages": []}, "on_completion": "keep"}
    with connect(settings) as connection:
        if tagged:
            body["metadata"] = connection.client.tag
        assert connection.client.runs.stateless("background", body).ok
        assert connection.client.runs.stateless("wait", body).ok
    assert len(threads_of(deployment)) == 2
    cleanup = clean_up(settings)
    assert (cleanup.created, cleanup.removed, cleanup.left) == (
        (2, 2, ()) if tagged else (0, 0, ())
    )
    assert len(threads_of(deployment)) == (0 if tagged else 2)
    doubt = "an answer named it, but a GET of it does not show this run's tag: it is not touched"
    assert cleanup.possibly_left == (() if tagged else (LeftThreads(2, doubt),))


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
        cleanup = clean_up(settings)
    (told,) = cleanup.possibly_left
    assert told.threads == 1
    assert STRANGER not in told.reason
    assert ("GET", f"/threads/{STRANGER}") in asked
    assert not [each for each in asked if each[0] == "DELETE"]


def test_a_run_that_creates_its_thread_is_written_ahead(
    settings_for: MakeSettings, own_state: Path
) -> None:
    with answering(lambda *_: as_json({})) as url, connect(settings_for(url)) as connection:
        own = connection.client.ownership.new_id()
        connection.client.run_wait(own, {"assistant_id": "agent", "if_not_exists": "create"})
    assert read_ledger(next(own_state.iterdir())).generated == (own,)


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
                body = {"thread_id": own, "metadata": client.tag}
                assert client.create(body).body == body
                return own

            made = list(pool.map(create, range(many)))
    assert len(set(made)) == many == len(seen)
    lines = exchanges_file(settings, "main").read_text(encoding="utf-8").splitlines()
    assert {Exchange.from_json(line).check for line in lines} == {"the check"}
    assert len(lines) == many
    ledger = read_ledger(own_state / settings.run_id)
    assert set(ledger.generated) == set(made) == ledger.created


def test_what_is_begun_at_once_has_different_numbers(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main", "http://127.0.0.1:1") as ledger, ThreadPoolExecutor(20) as pool:
        numbers = list(pool.map(lambda each: ledger.record_begun(f"copy {each}"), range(200)))
        assert len(set(numbers)) == 200
    assert len(read_ledger(tmp_path).unidentified) == 200


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
