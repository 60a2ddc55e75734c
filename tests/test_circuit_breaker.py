"""A deployment that is gone or hangs is waited for once; after that, nothing is sent to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.deployment.connect import connect
from conformance.deployment.delivery.circuit_breaker import (
    HANGS_AFTER,
    TROUBLED_IN_A_ROW,
    UNANSWERED_IN_A_ROW,
    GivenUpError,
)
from conformance.deployment.delivery.trouble import TroubleError
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.reference.app import create_app, new_store
from conformance.report.run.wording import verdict_meaning, verdict_words
from conformance.runner.session import run_suite
from tests.conftest import Reply, answering, as_json, served

MakeSettings = Callable[..., Settings]


class Hanging:
    """Answers only paths that end so, and counts what comes in."""

    def __init__(self, *answered: str) -> None:
        self.answered = answered
        self.asked: list[str] = []

    def __call__(self, _method: str, path: str, _body: bytes) -> Reply | None:
        self.asked.append(path)
        return as_json([]) if path.endswith(self.answered) else None


@pytest.mark.slow
def test_nothing_is_sent_once_a_deployment_has_stopped_answering(
    settings_for: MakeSettings,
) -> None:
    hanging = Hanging("/nothing")
    with answering(hanging) as url, connect(settings_for(url, timeout_s=0.1)) as connection:
        with pytest.raises(httpx.ReadTimeout):
            connection.client.search({})
        with pytest.raises(GivenUpError, match=r"3 requests in a row, the last POST search"):
            connection.client.search({})
        asked = list(hanging.asked)
        assert asked.count("/threads/search") == UNANSWERED_IN_A_ROW
        assert set(asked) == {"/threads/search", "/info"}
        with pytest.raises(GivenUpError, match="nothing more is asked of it"):
            connection.client.info()
        assert hanging.asked == asked


@pytest.mark.slow
def test_one_operation_that_hangs_does_not_end_a_run(settings_for: MakeSettings) -> None:
    hanging = Hanging("/info")
    many = 3 * UNANSWERED_IN_A_ROW
    with answering(hanging) as url, connect(settings_for(url, timeout_s=0.05)) as connection:
        for number in range(many):
            with (
                connection.recorder.check("check"),
                pytest.raises(httpx.ReadTimeout),
            ):
                connection.client.search({})
            assert any(each.hangs for each in connection.recorder.troubles)
            if number == 0:
                assert hanging.asked.count("/threads/search") == HANGS_AFTER
        assert connection.client.info().ok
    # It is tried again once, and from then on each request is sent once.
    assert hanging.asked.count("/threads/search") == many + HANGS_AFTER - 1


def test_an_answer_between_begins_the_count_anew(settings_for: MakeSettings) -> None:
    hanging = Hanging("/count")
    limits = {"timeout_s": 0.5, "run_timeout_s": 0.5}
    with answering(hanging) as url, connect(settings_for(url, **limits)) as connection:
        for _ in range(UNANSWERED_IN_A_ROW):
            with pytest.raises(httpx.ReadTimeout):
                connection.client.runs.cancel(
                    connection.client.ownership.new_id(), connection.client.ownership.absent_id()
                )
            connection.client.count({})
    assert "/info" not in hanging.asked


class Interrupted:
    """A way that is closed for a while: refuses as long as `down` counts, of all requests."""

    def __init__(self, app: Callable[[httpx.Request], httpx.Response]) -> None:
        self.app = app
        self.down = 0
        self.lock = threading.Lock()

    def handle(self, request: httpx.Request) -> httpx.Response:
        with self.lock:
            if self.down > 0:
                self.down -= 1
                raise httpx.ConnectError("connection refused")
        return self.app(request)


@pytest.mark.slow
def test_an_outage_is_waited_out_once(settings_for: MakeSettings) -> None:
    way = Interrupted(lambda request: httpx.Response(200, json=[]))
    settings = settings_for("http://deployment.test", outage_within_s=5.0)
    with connect(settings, make_transport=lambda: httpx.MockTransport(way.handle)) as connection:
        way.down = 8
        assert connection.client.search({}).ok
        assert way.down == 0
        # What is waited for in all is bounded: what is left is not enough for this one.
        way.down = 10**6
        with pytest.raises(GivenUpError):
            connection.client.search({})
        sent = way.down
        with pytest.raises(GivenUpError):
            connection.client.search({})
        assert way.down == sent


@pytest.mark.slow
def test_a_run_on_a_deployment_that_hangs_ends_and_says_so(settings_for: MakeSettings) -> None:
    asked = 0

    def hanging(app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal asked
            asked += 1
            if asked > 40:
                await asyncio.Event().wait()
            await app(scope, receive, send)

        return answer

    with served(new_store(), hanging) as url:
        settings = settings_for(url, capabilities=("copy",), timeout_s=0.3)
        report = run_suite(settings, identify_deployment(settings))
    given_up = [each.reason for each in report.checks if "GivenUpError" in each.reason]
    assert len(given_up) > len(report.checks) / 2
    assert "the deployment has stopped answering" in given_up[0]
    assert report.verdict is RunVerdict.INCOMPLETE
    assert report.run.partial
    assert report.run.given_up
    assert {each.given_up for each in report.checks if "GivenUpError" in each.reason} == {True}
    assert verdict_words(report) == "INCOMPLETE (given up)"
    assert "did not answer for longer than --outage-within" in verdict_meaning(report)
    assert len(report.cleanup.left) + len(report.cleanup.possibly_left) > 0
    assert asked < 40 + 8 * UNANSWERED_IN_A_ROW


@pytest.mark.slow
def test_a_restart_in_the_middle_of_a_run_is_no_verdict(settings_for: MakeSettings) -> None:
    """The deployment loses all that it held, and refuses a few connections, again and again."""
    asked = 0
    apps = [create_app(new_store())]

    def restarting(_app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal asked
            asked += 1
            if asked % 150 == 0:
                apps.append(create_app(new_store()))
            if asked % 150 < 3:
                await send({"type": "http.response.start", "status": 503, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
            await apps[-1](scope, receive, send)

        return answer

    with served(new_store(), restarting) as url:
        # There nothing is removed beside the checks: the order of requests is the same each time.
        settings = settings_for(url, capabilities=("copy", "state"), disposable=True)
        report = run_suite(settings, identify_deployment(settings))
    assert len(apps) > 2
    assert [each.id for each in report.checks if each.verdict is Verdict.FAIL] == [
        "test_copy.py::test_the_recipe_of_the_documents"
    ]
    assert report.verdict is RunVerdict.CONFORMANT


#: What stays for good once it has begun: to all requests, or to all but GET /info.
FOR_GOOD: dict[str, Callable[[], tuple[int, dict[str, str], bytes]]] = {
    "the key expires": lambda: (401, {"content-type": "application/json"}, b'{"detail": "no"}'),
    "a gateway is busy": lambda: (503, {"retry-after": "0"}, b"busy"),
    "a login page": lambda: (302, {"location": "/login"}, b""),
}


@pytest.mark.parametrize("what", FOR_GOOD)
def test_trouble_that_stays_for_good_ends_the_asking(what: str, settings_for: MakeSettings) -> None:
    asked = 0

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked <= 2 or (what == "a login page" and request.url.path == "/info"):
            return httpx.Response(200, json=[])
        status, headers, content = FOR_GOOD[what]()
        return httpx.Response(status, headers=headers, content=content)

    settings = settings_for("http://deployment.test", outage_within_s=0.05)
    with connect(settings, make_transport=lambda: httpx.MockTransport(handle)) as connection:
        for _ in range(2):
            assert connection.client.search({}).ok
        for _ in range(TROUBLED_IN_A_ROW - 1):
            with pytest.raises(TroubleError):
                connection.client.count({})
        with pytest.raises(GivenUpError, match=f"{TROUBLED_IN_A_ROW} requests in a row, the last"):
            connection.client.count({})
        before = asked
        with pytest.raises(GivenUpError, match="nothing more is asked of it"):
            connection.client.search({})
    assert asked == before


def test_an_answer_between_troubles_begins_their_count_anew(settings_for: MakeSettings) -> None:
    expired = False

    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401 if expired else 200, json=[])

    settings = settings_for("http://deployment.test", outage_within_s=0.0)
    with connect(settings, make_transport=lambda: httpx.MockTransport(handle)) as connection:
        for _ in range(2 * TROUBLED_IN_A_ROW):
            expired = False
            assert connection.client.search({}).ok
            expired = True
            with pytest.raises(TroubleError):
                connection.client.count({})


@pytest.mark.slow
def test_a_run_in_which_the_key_expires_ends_and_says_so(settings_for: MakeSettings) -> None:
    asked = 0

    def expiring(app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal asked
            asked += 1
            if asked > 40:
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b""})
            else:
                await app(scope, receive, send)

        return answer

    with served(new_store(), expiring) as url:
        settings = settings_for(url, capabilities=("copy",))
        report = run_suite(settings, identify_deployment(settings))
    assert report.verdict is RunVerdict.INCOMPLETE
    assert report.run.given_up
    assert "answers nothing of use any more" in "".join(each.reason for each in report.checks)
    left = len(report.cleanup.left) + len(report.cleanup.possibly_left)
    assert left > 0
    # A few tries of a few requests, and then a few of each thing that is to be removed.
    assert asked < 40 + 20 * (TROUBLED_IN_A_ROW + left)
