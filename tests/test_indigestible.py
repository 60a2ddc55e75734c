"""Whatever a deployment answers, each check ends as a check, and the run with its report."""

from __future__ import annotations

import json
import signal
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.checks.concurrency import poll_while, run_together
from conformance.checks.events import MOST_LINES, parse_events
from conformance.checks.outcomes import PromiseBroken
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.exception_frames import release_frames
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


def test_a_stream_of_far_too_many_lines_is_not_read() -> None:
    with pytest.raises(PromiseBroken, match="at most"):
        parse_events("event: a\ndata: 1\n\n" * MOST_LINES)


# ---- asking at once -----------------------------------------------------------------


def test_an_interrupt_waits_for_no_thread() -> None:
    over, under_way = threading.Event(), threading.Event()
    main = threading.get_ident()

    def hang() -> None:
        under_way.set()
        over.wait()

    def interrupt() -> None:
        under_way.wait()
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run_together(hang, hang)
    assert not over.is_set()
    over.set()


def test_together_gives_all_or_the_first_error_when_all_have_ended() -> None:
    assert run_together(lambda: 1, lambda: 2) == [1, 2]
    ended = threading.Event()

    def slow() -> None:
        failing.wait()
        ended.set()

    failing = threading.Event()

    def fails() -> None:
        failing.set()
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        run_together(fails, slow)
    assert ended.is_set()


def test_while_doing_looks_until_it_is_done_and_tells_what_broke() -> None:
    looked = threading.Event()

    def act() -> None:
        looked.wait()

    def look() -> int:
        looked.set()
        return 1

    assert len(poll_while(act, look, 3)) >= 3

    def broken() -> None:
        raise ValueError("acting")

    with pytest.raises(ValueError, match="acting"):
        poll_while(broken, lambda: 1, 1)


# ---- what failures keep alive -------------------------------------------------------


class Large:
    """Something that a function held when it failed."""


def test_what_an_exception_kept_alive_is_let_go() -> None:
    held: list[weakref.ref[Large]] = []

    def fails() -> None:
        large = Large()
        held.append(weakref.ref(large))
        try:
            raise ValueError
        except ValueError as first:
            raise KeyError from first

    with pytest.raises(KeyError) as told:
        fails()
    assert held[0]() is not None
    release_frames(told.value)
    assert held[0]() is None
    assert told.traceback
