"""The number of workers of `-n auto`: from what the deployment makes a run wait for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.commands.requirements import find_requirements
from conformance.contract.catalogue import load_catalogue
from conformance.contract.verdicts import RunVerdict
from conformance.deployment.connect import exchanges_file
from conformance.deployment.ownership.ledger import ledgers_dir, read_ledger
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.reference.app import new_store
from conformance.runner import worker_count as counting
from conformance.runner.cleanup import clean_up
from conformance.runner.session import run_suite
from conformance.runner.worker_count import (
    AUTO,
    FORKED,
    OWN_PYTHON,
    Pace,
    measure_pace,
    worker_count,
    workers_for,
)
from tests.conftest import Reply, answering, as_json, served, threads_of

MakeSettings = Callable[..., Settings]
WAY_S = 0.1


@pytest.mark.parametrize(
    ("pace", "cores", "expected"),
    [
        pytest.param(Pace(0.0, 0.0, 0.0), 2, 2, id="nothing to wait for: the cores"),
        pytest.param(Pace(0.002, 0.004, 0.005), 2, 3, id="it computes more than it waits"),
        pytest.param(Pace(0.003, 0.002, 0.4), 2, 8, id="runs wait in a queue, which is short"),
        pytest.param(Pace(0.01, 0.005, 0.08), 2, 5, id="its runs do not take turns"),
        pytest.param(Pace(0.01, 0.005, 0.08, 0.06), 2, 3, id="its runs take turns"),
        pytest.param(Pace(0.1, 0.0, 0.0), 2, 31, id="it is far away"),
        pytest.param(Pace(0.1, 0.0, 0.1), 1, 16, id="it is far away, and there is one core"),
        pytest.param(Pace(0.1, 0.0, 0.1), 16, 32, id="no more than memory allows"),
        pytest.param(Pace(0.1, 0.0, 0.1), 64, 32, id="no more than memory allows, on many cores"),
        pytest.param(Pace(0.1, 0.1, 1.0), 2, 2, id="it serves one request at a time"),
    ],
)
def test_workers_fill_what_is_waited_for(pace: Pace, cores: int, expected: int) -> None:
    assert workers_for(pace, cores, FORKED) == expected


def test_workers_that_are_not_forked_are_fewer() -> None:
    far = Pace(0.1, 0.0, 0.1)
    assert [workers_for(far, cores, OWN_PYTHON) for cores in (1, 2, 16)] == [4, 8, 16]


def slowed(app: ASGIApp) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(WAY_S)
        await app(scope, receive, send)

    return serve


def test_a_deployment_far_away_is_told_from_one_that_computes(settings_for: MakeSettings) -> None:
    with served(new_store(), slowed) as url:
        pace = measure_pace(settings_for(url))
    assert pace.read_s >= WAY_S
    assert pace.run_s >= WAY_S
    # Many reads at once take hardly longer than one, and connections were opened before.
    assert pace.serving_s < WAY_S / 2


def test_what_is_made_to_measure_is_removed_with_the_rest(settings_for: MakeSettings) -> None:
    with served(new_store()) as url:
        settings = settings_for(url)
        measure_pace(settings)
        assert len(threads_of(url)) == 1 + counting._SHORT_RUNS
        assert exchanges_file(settings, "pace").read_text().count("\n") > counting._READS
        cleanup = clean_up(settings)
        assert threads_of(url) == {}
    assert cleanup.created == cleanup.removed == 1 + counting._SHORT_RUNS
    assert read_ledger(ledgers_dir() / settings.run_id).is_empty


def test_a_deployment_that_refuses_is_measured_by_its_refusals(settings_for: MakeSettings) -> None:
    asked: list[str] = []

    def refuse(method: str, path: str, _body: bytes) -> tuple[int, str, bytes]:
        asked.append(f"{method} {path}")
        return as_json({"detail": "no"}, 422)

    with answering(refuse) as url:
        pace = measure_pace(settings_for(url))
    assert pace.read_s > 0
    # No run is started on a thread that may be somebody else's.
    assert not any(each.endswith("/runs/wait") for each in asked)


@pytest.mark.parametrize("checks", [0, 1, 4, 7])
def test_few_checks_get_no_workers_and_nothing_is_sent(
    checks: int, settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "measure_pace", lambda _settings: pytest.fail("measured"))
    assert worker_count(settings_for("http://127.0.0.1:9"), checks) == 0


def test_there_are_no_more_workers_than_the_checks_are_worth(
    settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "measure_pace", lambda _settings: Pace(1.0, 0.0, 1.0))
    monkeypatch.setattr(counting, "_cores", lambda: 4)
    settings = settings_for("http://127.0.0.1:9")
    assert [worker_count(settings, checks) for checks in (8, 20, 1000)] == [2, 5, 32]
    read_only = settings_for("http://127.0.0.1:9", read_only=True)
    assert worker_count(read_only, 1000) == 4


def test_a_deployment_that_stops_answering_is_asked_no_more(settings_for: MakeSettings) -> None:
    asked: list[str] = []

    def answer_the_creation(method: str, path: str, body: bytes) -> Reply | None:
        asked.append(method)
        made = {"created_at": "2026-11-30T12:00:00Z", **json.loads(body or b"{}")}
        return as_json(made) if (method, path) == ("POST", "/threads") else None

    with answering(answer_the_creation) as url, pytest.raises(httpx.HTTPError):
        measure_pace(settings_for(url, timeout_s=0.2))
    assert asked == ["POST", "GET"]


def test_a_run_that_takes_too_long_counts_as_what_was_waited(
    settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_RUN_WITHIN_S", 0.2)

    def never_end_a_run(app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if str(scope.get("path")).endswith("/runs/wait"):
                await asyncio.sleep(5)
            await app(scope, receive, send)

        return serve

    with served(new_store(), never_end_a_run) as url:
        assert measure_pace(settings_for(url)).run_s == 0.2


@pytest.mark.parametrize(("one_at_a_time", "first_s"), [(True, 0.05), (False, 0.05), (False, 0.4)])
def test_runs_that_take_turns_are_told_from_those_that_wait(
    one_at_a_time: bool, first_s: float, settings_for: MakeSettings
) -> None:
    started: list[str] = []
    turn = asyncio.Lock()

    def take(app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if str(scope.get("path")).endswith("/runs/wait"):
                started.append(scope["path"])
                if one_at_a_time:
                    async with turn:
                        await asyncio.sleep(first_s)
                else:
                    await asyncio.sleep(first_s)
            await app(scope, receive, send)

        return serve

    with served(new_store(), take) as url:
        pace = measure_pace(settings_for(url))
    assert pace.run_s >= first_s
    if first_s >= counting._SHORT_RUN_S:
        assert (len(started), pace.run_serving_s) == (1, 0.0)
    else:
        assert len(started) == 2 + counting._SHORT_RUNS
        assert (pace.run_serving_s > first_s / 2) is one_at_a_time


def test_an_interrupt_while_it_is_measured_leaves_no_thread(
    settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(settings: Settings, _checks: int) -> int:
        measure_pace(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr("conformance.runner.session.worker_count", interrupted)
    with served(new_store()) as url:
        settings = settings_for(url, capabilities=("create",))
        report = run_suite(settings, ServerInfo("reference", "1"), workers=AUTO)
        assert threads_of(url) == {}
    assert report.run.interrupted
    assert report.cleanup.created == report.cleanup.removed > 0


@pytest.mark.parametrize("requirement", ["CREATE-01", "CREATE-*"])
def test_a_run_with_as_many_workers_as_are_worth_it_is_whole(
    requirement: str, settings_for: MakeSettings
) -> None:
    wanted = find_requirements(load_catalogue(), (requirement,))
    with served(new_store()) as url:
        settings = settings_for(url, requirements=wanted)
        report = run_suite(settings, ServerInfo("reference", "1"), workers=AUTO)
    assert report.verdict is RunVerdict.CONFORMANT
    assert report.cleanup.created == report.cleanup.removed > 0


def test_without_an_answer_the_cores_are_taken(
    settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_cores", lambda: 3)
    with answering(lambda *_request: None) as url:
        assert worker_count(settings_for(url, timeout_s=0.2), 1000) == 3
