"""A check in which the way was in trouble cannot end as a failure: it is made again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.contract.verdicts import RunVerdict, Stability, Verdict
from conformance.deployment.ownership.created_by_check import CHECK_TAG
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.faults.kit.http_changes import refusing
from conformance.faults.registry import all_faults, faulty_deployment
from conformance.model.runs import Runs
from conformance.reference.app import create_app, new_store
from conformance.report.record import Report
from conformance.runner.session import run_suite
from tests.conftest import served

pytestmark = pytest.mark.slow

MakeSettings = Callable[..., Settings]
FAULT = "copy-forgets-the-oldest-state"
LOGIN = (302, b"text/html", b"")
GATEWAY = (503, b"text/html", b"<html><title>503</title></html>")


class Way:
    """Stands in front of a deployment, and lets `pick` choose the requests that it spoils."""

    def __init__(self, pick: Callable[[int, Scope], bool], spoil: str) -> None:
        self.pick, self.spoil = pick, spoil
        self.asked = self.spoiled = 0

    def around(self, app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            self.asked += 1
            if not self.pick(self.asked, scope):
                await app(scope, receive, send)
                return
            self.spoiled += 1
            body = (await receive())["body"]
            if self.spoil in ("after", "twice"):
                await app(scope, _once(body), _nowhere)
            if self.spoil == "twice":
                await app(scope, _once(body), send)
            else:
                await _answer(send, *(LOGIN if self.spoil == "login" else GATEWAY))

        return answer


def _once(body: bytes) -> Receive:
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not unread:  # the client stays connected
            await asyncio.Event().wait()
        return unread.pop()

    return receive


async def _nowhere(_message: Message) -> None:
    return None


async def _answer(send: Send, status: int, kind: bytes, text: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def run(way: Way, settings_for: MakeSettings, store: Any = None, **options: Any) -> Report:
    chosen = {"capabilities": ("copy", "state"), **options}
    with served(store or new_store(), way.around) as url:
        settings = settings_for(url, **chosen)
        return run_suite(settings, identify_deployment(settings))


def every(number: int) -> Callable[[int, Scope], bool]:
    # The first few are asked before the run.
    return lambda asked, scope: asked > 8 and asked % number == 0


def failed(report: Report) -> list[str]:
    """The MUSTs and SHOULDs that fail."""
    return [
        each.id
        for each in report.requirements
        if each.verdict is Verdict.FAIL and each.level != "MAY"
    ]


@pytest.mark.parametrize("spoil", ["before", "after", "twice"])
def test_a_request_in_fifty_changes_no_verdict(spoil: str, settings_for: MakeSettings) -> None:
    way = Way(every(47), spoil)
    # There nothing is removed beside the checks, so that the same requests are always spoiled.
    report = run(way, settings_for, capabilities=("copy",), disposable=True)
    assert way.spoiled > 4
    assert failed(report) == []
    assert report.verdict is RunVerdict.CONFORMANT
    assert (report.cleanup.left, report.cleanup.possibly_left) == ((), ())


@pytest.mark.parametrize("spoil", ["before", "after", "twice"])
def test_a_request_in_three_is_never_a_verdict(spoil: str, settings_for: MakeSettings) -> None:
    way = Way(every(3), spoil)
    report = run(way, settings_for, requirements=("COPY-03", "COPY-06", "STATE-01", "DELETE-01"))
    assert way.spoiled > 5
    assert failed(report) == []
    assert report.verdict is not RunVerdict.NON_CONFORMANT


@pytest.mark.parametrize("spoil", ["before", "after", "twice"])
def test_a_broken_server_does_not_pass_for_that(spoil: str, settings_for: MakeSettings) -> None:
    fault = all_faults()[FAULT]
    way = Way(every(47), spoil)

    def around(_app: ASGIApp) -> ASGIApp:
        return way.around(faulty_deployment(fault)[1])

    with served(new_store(), around) as url:
        chosen = ("COPY-03", "COPY-04", "COPY-05")
        settings = settings_for(url, requirements=chosen, disposable=True)
        report = run_suite(settings, identify_deployment(settings))
    assert way.spoiled > 1
    assert report.verdict is not RunVerdict.CONFORMANT
    assert "COPY-03" in failed(report)


def test_what_stays_in_trouble_is_an_error_that_names_it(settings_for: MakeSettings) -> None:
    way = Way(lambda _, scope: str(scope["path"]).endswith("/copy"), "before")
    report = run(way, settings_for, requirements=("COPY-03",))
    assert report.checks
    for check in report.checks:
        assert check.verdict is Verdict.ERROR
        assert check.failure is None
        assert check.reason.startswith("trouble on the way to the deployment")
        assert "copy: answered 503" in check.reason
    assert report.verdict is RunVerdict.INCOMPLETE


@pytest.mark.parametrize("times", [3, 4, 5])
def test_what_came_often_by_chance_is_no_failure(times: int, settings_for: MakeSettings) -> None:
    """A login page answers one GET as often as is needed to take it for the deployment's."""
    spoiled: list[str] = []

    def pick(_: int, scope: Scope) -> bool:
        path = str(scope["path"])
        if scope["method"] != "GET" or not path.endswith("/state") or len(spoiled) >= times:
            return False
        spoiled.append(path)
        return True

    report = run(Way(pick, "login"), settings_for, requirements=("STATE-01",), repeat_failures=2)
    assert len(spoiled) == times
    assert failed(report) == []
    if times == 3:
        (check,) = [each for each in report.checks if each.verdict is Verdict.ERROR]
        assert "state: redirected by 302 (3 times)" in check.reason


def test_what_came_often_by_chance_blocks_nothing(settings_for: MakeSettings) -> None:
    spoiled: list[str] = []

    def pick(_: int, scope: Scope) -> bool:
        path = str(scope["path"])
        if scope["method"] != "GET" or not path.endswith("/history") or len(spoiled) >= 3:
            return False
        spoiled.append(path)
        return True

    report = run(Way(pick, "login"), settings_for, capabilities=(), requirements=("CHECKPOINT-01",))
    assert len(spoiled) == 3
    assert [each.verdict for each in report.requirements] == [Verdict.PASS]


def test_a_fork_that_came_in_twice_blocks_nothing(settings_for: MakeSettings) -> None:
    seen: list[str] = []

    def pick(_: int, scope: Scope) -> bool:
        if scope["method"] != "POST" or not str(scope["path"]).endswith("/state"):
            return False
        seen.append("update")
        return len(seen) == 1

    options = {"capabilities": (), "requirements": ("STATE-UPDATE-10",), "profile": "extended"}
    report = run(Way(pick, "twice"), settings_for, **options)
    assert len(seen) > 1
    assert [each.verdict for each in report.requirements] == [Verdict.PASS]


@pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
def test_a_pruning_that_came_in_twice_counts_fewer(
    always: bool, settings_for: MakeSettings
) -> None:
    seen: list[str] = []

    def pick(_: int, scope: Scope) -> bool:
        if not str(scope["path"]).endswith("/prune"):
            return False
        seen.append("prune")
        # The first is that of a single thread; the second is the one that is judged.
        return always or len(seen) == 2

    options = {"capabilities": (), "requirements": ("PRUNE-02",), "profile": "extended"}
    report = run(Way(pick, "twice"), settings_for, **options)
    assert [each.verdict for each in report.requirements] == [
        Verdict.FAIL if always else Verdict.PASS
    ]


def test_a_server_that_doubles_by_itself_is_found(settings_for: MakeSettings) -> None:
    way = Way(lambda _, scope: str(scope["path"]).endswith("/copy"), "twice")
    report = run(way, settings_for, requirements=("COPY-01", "COPY-03", "COPY-10"))
    failures = [each for each in report.checks if each.verdict is Verdict.FAIL]
    # What is the same each time is how the deployment is.
    assert [each.stability for each in failures] == [Stability.STABLE] * len(failures)
    assert not [each for each in report.checks if each.verdict is Verdict.ERROR]


def test_an_operation_that_is_always_forbidden_blocks_what_stands_on_it(
    settings_for: MakeSettings,
) -> None:
    """As crons are on langgraph-api 0.7.13, by 403, to who has no licence; not a refused key."""
    deployment, app = faulty_deployment(None)
    refusing("cron_create", status=403)(deployment)
    with served(deployment.store, lambda _: app) as url:
        settings = settings_for(url, profile="full", requirements=("CRON-01", "CRON-04"))
        report = run_suite(settings, identify_deployment(settings))
    assert [each.verdict for each in report.requirements] == [Verdict.FAIL, Verdict.BLOCKED]


def test_the_threads_of_stateless_runs_are_no_trouble(settings_for: MakeSettings) -> None:
    """A thread has the metadata of its stateless run, and some are there longer than others."""
    deployment, app = faulty_deployment(all_faults()["stateless-run-ignores-unknown-on-completion"])
    attempts: dict[str, int] = {}

    @deployment.override(Runs.begin_stateless_run)
    def begin_stateless_run(right: Any, request: Any) -> Any:
        tag = request["metadata"][CHECK_TAG]
        attempts[tag] = attempts.get(tag, 0) + 1
        # One thread in an attempt, two in the next.
        kept = attempts[tag] <= 1 + list(attempts).index(tag) % 2
        return right({**request, "on_completion": "keep" if kept else "delete"})

    with served(deployment.store, lambda _: app) as url:
        settings = settings_for(
            url, profile="full", requirements=("ERROR-RANGE-10",), disposable=True
        )
        report = run_suite(settings, identify_deployment(settings))
    assert [each.verdict for each in report.requirements] == [Verdict.FAIL]
    assert not [each for each in report.checks if each.verdict is Verdict.ERROR]


def test_a_thread_that_a_restart_lost_is_no_verdict(settings_for: MakeSettings) -> None:
    """Nothing is refused: the deployment is just another one, once in a while."""
    apps = [create_app(new_store())]
    asked = 0

    def around(_app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal asked
            asked += 1
            if asked % 61 == 0:
                apps.append(create_app(new_store()))
            await apps[-1](scope, receive, send)

        return answer

    with served(new_store(), around) as url:
        settings = settings_for(url, capabilities=("state",), disposable=True)
        report = run_suite(settings, identify_deployment(settings))
    assert len(apps) > 2
    assert failed(report) == []
    assert report.verdict is RunVerdict.CONFORMANT
