"""GET follows what is done to a thread: each fact is judged by itself, and can be broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from conformance.checks import following
from conformance.checks.acts import NOT_CHANGING, ActContext, subject_of
from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.conditions import ThreadInCondition
from conformance.checks.following import FACTS, FOLLOWED, facts_broken_by_acts
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.runs import Runs
from conformance.checks.ways import answers_that_disagree, shown_of
from conformance.deployment.client import ABSENT, Answer
from conformance.deployment.connect import connect
from conformance.deployment.settings import Settings
from conformance.suite import test_acts as suite

MakeSettings = Callable[..., Settings]
#: Changes the answers of one operation, given how often it was asked so far.
Change = Callable[[Any, int], Any]


@pytest.fixture
def given(reference: str, settings_for: MakeSettings) -> Iterator[ThreadsApi]:
    settings = settings_for(reference, disposable=True, visible_within_s=0.01)
    with connect(settings) as connection:
        yield ThreadsApi(connection.client, CheckContext(settings, {}), arranging=True)


def _answer_otherwise(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch, operation: str, change: Change
) -> None:
    right = given.client.send
    asked: list[str] = []

    def send(name: str, *arguments: Any, **named: Any) -> Answer:
        answer = right(name, *arguments, **named)
        if name != operation or not answer.ok:
            return answer
        asked.append(name)
        return replace(answer, text=json.dumps(change(answer.body, len(asked))))

    monkeypatch.setattr(given.client, "send", send)


def _broken(given: ThreadsApi) -> set[str]:
    with Runs(given) as runs:
        on = ActContext(given, runs, ThreadInCondition(given.prepopulated()))
        return {*facts_broken_by_acts(on)}


def test_all_facts_hold_on_the_reference(given: ThreadsApi) -> None:
    assert _broken(given) == set()
    assert not [each for each in given.context.notes if "left out" in each]


@pytest.mark.parametrize(
    ("operation", "change", "fact"),
    [
        ("get", lambda body, _: {**body, "status": "interrupted"}, "status"),
        ("get", lambda body, _: {**body, "updated_at": "2026-01-01T00:00:00.5Z"}, "updated_at"),
        ("run_wait", lambda body, _: {"messages": []}, "answers"),
        ("run_join", lambda body, _: {"messages": []}, "answers"),
        ("get", lambda body, asked: {**body, "metadata": {"asked": asked}}, "beside"),
    ],
)
def test_a_fact_that_is_broken_leaves_the_others(
    given: ThreadsApi,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    change: Change,
    fact: str,
) -> None:
    _answer_otherwise(given, monkeypatch, operation, change)
    assert _broken(given) == {fact}


def test_a_checkpoint_that_goes_on_to_hold_is_noticed(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = given.client.send
    named: list[Any] = []

    def send(name: str, method: str, path: str, body: Any = ABSENT, **more: Any) -> Answer:
        if name == "run_stream":
            named.append(body["checkpoint"])
        if name == "run_background" and named:
            body = {**body, "checkpoint": named[-1]}
        return right(name, method, path, body, **more)

    monkeypatch.setattr(given.client, "send", send)
    assert _broken(given) == {"checkpoint"}


def test_what_is_refused_is_left_out_with_a_note(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise Blocked("refused")

    monkeypatch.setitem(following.FOLLOWED, "run_wait", refuse)
    assert _broken(given) == set()
    assert "left out: run_wait" in given.context.notes
    for name in FOLLOWED:
        monkeypatch.setitem(following.FOLLOWED, name, refuse)
    with pytest.raises(Blocked, match="no act"):
        _broken(given)


def test_a_fact_that_a_plain_thread_breaks_too_is_left_out(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answer_otherwise(
        given,
        monkeypatch,
        "get",
        lambda body, _: {**body, "updated_at": "2026-01-01T00:00:00.5Z"},
    )
    with Runs(given) as runs:
        suite._judge_following(given, runs, "empty")
    assert "left out, as it is broken on a simpler thread: updated_at" in given.context.notes


def test_a_check_is_blocked_where_each_fact_is_left_out(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = PromiseBroken("this", "that", kinds=("$.status",))
    monkeypatch.setattr(suite, "facts_broken_by_acts", lambda on: dict.fromkeys(FACTS, how))
    with Runs(given) as runs, pytest.raises(Blocked):
        suite._judge_following(given, runs, "empty")


# What requests that look answer


_LOOKS = ("post_history", "state_at_checkpoint", "search", "count", "create", "run_get")


def _looked(given: ThreadsApi, runs: Runs) -> tuple[Any, Any, dict[str, Answer]]:
    thread = given.empty()
    given.run(thread)
    shown = shown_of(given, thread)
    subject = subject_of(given, ThreadInCondition(thread), shown)
    return thread, shown, {name: send(subject) for name, send in NOT_CHANGING.items()}


def test_what_looks_answers_as_the_thread_shows(given: ThreadsApi) -> None:
    with Runs(given) as runs:
        thread, shown, answers = _looked(given, runs)
        assert {*_LOOKS} <= {name for name, each in answers.items() if each.ok}
        # The copy, which was made last, is found and counted by now.
        assert answers_that_disagree(given, thread, shown, answers) == {}


def _other(body: Any) -> Any:
    if isinstance(body, int):
        return body + 1
    if isinstance(body, list):
        return [_other(each) for each in body]
    return {**body, "values": {"messages": ["another"]}, "status": "error"}


@pytest.mark.parametrize("operation", _LOOKS)
def test_what_looks_and_answers_otherwise_is_noticed(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    _answer_otherwise(given, monkeypatch, operation, lambda body, _: _other(body))
    with Runs(given) as runs:
        thread, shown, answers = _looked(given, runs)
        disagreeing = answers_that_disagree(given, thread, shown, answers)
    assert {*disagreeing} == {"search" if operation == "count" else operation}


def test_answers_that_a_plain_thread_gives_too_are_left_out(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answer_otherwise(
        given, monkeypatch, "post_state_at_checkpoint", lambda body, _: {**body, "values": {}}
    )
    with Runs(given) as runs:
        suite._judge_requests_that_leave(given, runs, "prepopulated")
    note = "left out, as it is broken on a simpler thread: post_state_at_checkpoint"
    assert note in given.context.notes
