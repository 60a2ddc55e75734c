"""A deployment that hangs is not asked for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.contract.verdicts import RunVerdict
from conformance.deployment.connect import connect
from conformance.deployment.patience import PATIENCE, GivenUpError
from conformance.deployment.settings import Settings
from conformance.engine import identify_deployment, run_suite
from conformance.reference.app import new_store
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


def test_nothing_is_sent_once_a_deployment_has_stopped_answering(
    settings_for: MakeSettings,
) -> None:
    hanging = Hanging("/nothing")
    with answering(hanging) as url, connect(settings_for(url, timeout_s=0.1)) as connection:
        for _ in range(PATIENCE):
            with pytest.raises(httpx.ReadTimeout):
                connection.client.search({})
        assert hanging.asked == ["/threads/search"] * PATIENCE + ["/info"]
        with pytest.raises(GivenUpError, match=r"3 requests in a row, the last POST /threads/sea"):
            connection.client.info()
        assert len(hanging.asked) == PATIENCE + 1


def test_one_operation_that_hangs_does_not_end_a_run(settings_for: MakeSettings) -> None:
    hanging = Hanging("/info")
    with answering(hanging) as url, connect(settings_for(url, timeout_s=0.1)) as connection:
        for _ in range(2 * PATIENCE):
            with pytest.raises(httpx.ReadTimeout):
                connection.client.search({})
        assert connection.client.info().ok
    assert hanging.asked.count("/threads/search") == 2 * PATIENCE


def test_an_answer_between_begins_the_count_anew(settings_for: MakeSettings) -> None:
    hanging = Hanging("/count")
    with answering(hanging) as url, connect(settings_for(url, timeout_s=0.1)) as connection:
        for _ in range(PATIENCE):
            with pytest.raises(httpx.ReadTimeout):
                connection.client.search({})
            if len(hanging.asked) < PATIENCE:
                connection.client.count({})
    assert "/info" not in hanging.asked


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
    assert len(report.cleanup.left) > 0
    assert asked < 40 + 4 * PATIENCE
