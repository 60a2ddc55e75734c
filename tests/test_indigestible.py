"""Whatever a deployment answers, each check ends with a verdict, and the run with its report."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.reference.app import new_store
from conformance.runner.session import run_suite
from tests.conftest import served

MakeSettings = Callable[..., Settings]
DEEP = b"[" * 100_000
Change = Callable[[Any], Any]


def _members(**members: Any) -> Change:
    """Each object of an answer with these members instead of its own."""

    def change(body: Any) -> Any:
        if isinstance(body, list):
            return [change(each) for each in body]
        return {**body, **members} if isinstance(body, dict) else body

    return change


def _without_ids(body: Any) -> Any:
    if isinstance(body, list):
        return [_without_ids(each) for each in body]
    if isinstance(body, dict):
        return {name: each for name, each in body.items() if not name.endswith("_id")}
    return body


def _as_values(body: Any) -> Any:
    return [list(each.values()) for each in body] if isinstance(body, list) else [body, None, 7]


def _nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = {"a": value}
    return value


CHANGES: dict[str, Change | bytes] = {
    "deep": DEEP,
    "nested": _members(values={"deep": _nested(100)}),
    "huge-number": b"[" + b"9" * 5000 + b"]",
    "without-ids": _without_ids,
    "numbers-for-ids": _members(thread_id=7, checkpoint_id=8, run_id=9.5),
    "objects-for-ids": _members(thread_id={}, checkpoint_id=[], parent_checkpoint="x"),
    "lists-for-objects": _as_values,
    "odd-members": _members(
        metadata=[], values=7, checkpoint=None, created_at="0001-01-01T00:00:00+23:59", status=[1]
    ),
}


def changing(change: Change | bytes) -> Callable[[ASGIApp], ASGIApp]:
    """An application whose successful answers about threads are changed."""

    def around(app: ASGIApp) -> ASGIApp:
        async def changed(scope: Scope, receive: Receive, send: Send) -> None:
            head: Message = {}
            body = b""
            is_create = (scope["method"], scope["path"]) == ("POST", "/threads")

            async def take(message: Message) -> None:
                nonlocal head, body
                if message["type"] == "http.response.start":
                    head = message
                    return
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                # What a check stands on is made as it should be, or nothing would be judged.
                if head["status"] < 300 and not is_create and scope["method"] != "DELETE":
                    body = (
                        change
                        if isinstance(change, bytes)
                        else json.dumps(change(json.loads(body or b"null"))).encode()
                    )
                kept = [each for each in head["headers"] if each[0] != b"content-length"]
                length = (b"content-length", str(len(body)).encode())
                await send({**head, "headers": [*kept, length]})
                await send({"type": "http.response.body", "body": body})

            await app(scope, receive, take)

        return changed

    return around


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_check_ends_as_a_check(
    change: Change | bytes, settings_for: MakeSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(new_store(), changing(change)) as url:
        settings = settings_for(
            url,
            capabilities=("get", "history", "state", "copy"),
            visible_within_s=0.05,
            repeat_failures=0,
            shrink=False,
        )
        report = run_suite(settings, ServerInfo(None, None))
    verdicts = {each.verdict for each in report.checks}
    assert len(report.checks) > 25
    assert Verdict.NOT_RUN not in {each.verdict for each in report.requirements}
    assert report.verdict is not RunVerdict.CONFORMANT
    assert verdicts & {Verdict.FAIL, Verdict.ERROR}
    said = capfd.readouterr()
    assert "Traceback" not in said.err + said.out
    if change == DEEP:
        reasons = [each.reason for each in report.checks if each.verdict is Verdict.ERROR]
        assert any("JSON that nests deeper than 500 levels" in each for each in reasons)
