"""Answers to bad requests: any 4xx that says why, never a 5xx, and nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from conformance.deployment.client import Answer, ThreadsClient
from conformance.excerpt import excerpt
from conformance.suite.asking import Asker
from conformance.suite.bad_bodies import (
    MALFORMED_JSON,
    OUT_OF_RANGE,
    WRONG_TYPES,
    sendable,
)
from conformance.suite.expect import (
    assert_equal,
    assert_no_server_error,
    assert_no_thread,
    assert_refused,
    assert_says_why,
    assert_that,
    assert_untouched,
    require_refused,
)
from conformance.suite.messages import saying, texts_in
from conformance.suite.outcomes import Blocked, requires
from conformance.suite.right_requests import REQUESTS, offered
from conformance.suite.shown import Thread, id_of

DEPTH = 5_000
LARGE = 2_000_000


BODIED = tuple(REQUESTS)


def _decides(kind: str, operations: tuple[str, ...]) -> pytest.MarkDecorator:
    """One requirement per operation, numbered as in the catalogue."""
    return pytest.mark.parametrize(
        "operation",
        [
            pytest.param(operation, marks=requires(f"ERROR-{kind}-{number:02}"))
            for number, operation in enumerate(operations, 1)
        ],
    )


@pytest.fixture
def thread(given: Asker) -> Thread:
    """A thread with a history."""
    return given.prepopulated()


@_decides("JSON", BODIED)
def test_malformed_json_is_refused(
    given: Asker, ask: ThreadsClient, thread: Thread, operation: str
) -> None:
    offered(given, thread, operation)
    for raw in MALFORMED_JSON:
        assert_refused(REQUESTS[operation].send_raw(ask, id_of(thread), raw))


@_decides("TYPE", (*BODIED, "history"))
def test_wrong_types_are_refused(
    given: Asker, ask: ThreadsClient, thread: Thread, operation: str
) -> None:
    if operation == "history":
        given.page(thread)
        assert_refused(ask.history(id_of(thread), limit="ten"))
        return
    offered(given, thread, operation)
    for body in WRONG_TYPES[operation]:
        _assert_body_refused(given, ask, thread, operation, body)


@_decides("RANGE", tuple(OUT_OF_RANGE))
def test_values_out_of_range_are_refused(
    given: Asker, ask: ThreadsClient, thread: Thread, operation: str
) -> None:
    offered(given, thread, operation)
    for wrong in OUT_OF_RANGE[operation]:
        right = REQUESTS[operation].right(given, thread)
        _assert_body_refused(given, ask, thread, operation, {**right, **wrong})


@_decides("UNKNOWN", ("copy", "update_state", "post_state_at_checkpoint"))
def test_an_unknown_thread_is_refused(
    given: Asker, ask: ThreadsClient, thread: Thread, operation: str
) -> None:
    absent = ask.ownership.absent_id()
    assert_refused(_send_right(given, ask, thread, operation, absent))
    assert_no_thread(given, absent)


@_decides(
    "ID", ("copy", "update", "delete", "update_state", "post_state_at_checkpoint", "run_wait")
)
def test_a_malformed_id_is_refused(
    given: Asker, ask: ThreadsClient, thread: Thread, operation: str
) -> None:
    malformed = ask.ownership.malformed_id()
    assert_refused(_send_right(given, ask, thread, operation, malformed))


@_decides("ODD", ("create", "update", "search", "update_state"))
@pytest.mark.parametrize("odd", ["nul", "surrogate"])
def test_odd_texts_are_refused_or_kept(
    given: Asker, ask: ThreadsClient, thread: Thread, operation: str, odd: str
) -> None:
    text = {"nul": "a\u0000b", "surrogate": "a\ud800b"}[odd]
    answer = _send_text(given, ask, thread, operation, text)
    assert_no_server_error(answer)
    if answer.ok:
        _assert_kept(given, thread, operation, answer, text)


@_decides("BIG", ("create", "update", "search", "update_state"))
@pytest.mark.parametrize("big", ["deep", "large"])
def test_big_bodies_are_refused_or_kept(
    given: Asker, ask: ThreadsClient, thread: Thread, operation: str, big: str
) -> None:
    if big == "large":
        text = "x" * LARGE
        answer = _send_text(given, ask, thread, operation, text)
        assert_no_server_error(answer)
        if answer.ok:
            _assert_kept(given, thread, operation, answer, text)
        return
    nested = "[" * DEPTH + "]" * DEPTH
    answer = _send_text(
        given, ask, thread, operation, "<nested>", lambda raw: raw.replace('"<nested>"', nested)
    )
    assert_no_server_error(answer)


@_decides("SAFE", ("create", "update", "update_state", "run_wait"))
def test_what_was_refused_changed_nothing(
    given: Asker, ask: ThreadsClient, thread: Thread, operation: str
) -> None:
    if operation == "create":
        body = {**REQUESTS["create"].right(given, thread), "if_exists": "replace"}
        _refused(ask.create(body))
        assert_no_thread(given, body["thread_id"])
        return
    offered(given, thread, operation)

    def refuse() -> None:
        for body in WRONG_TYPES[operation]:
            _refused(REQUESTS[operation].send(ask, id_of(thread), body))

    assert_untouched(given, thread, refuse)


def _refused(answer: Answer) -> None:
    """What a check of a refusal stands on; whether it is refused is another's question."""
    if answer.ok:
        raise Blocked(f"a bad request was accepted: {answer.status} {excerpt(answer.text, 200)}")


_REFUSALS: dict[str, Callable[[ThreadsClient, str], Answer]] = {
    "create": lambda ask, _: ask.create({"thread_id": ask.ownership.new_id(), "metadata": 5}),
    "search": lambda ask, _: ask.search({"limit": -1}),
    "get": lambda ask, _: ask.get(ask.ownership.absent_id()),
    "copy": lambda ask, _: ask.copy(ask.ownership.absent_id()),
    "update": lambda ask, thread_id: ask.update(thread_id, {"metadata": 5}),
    "delete": lambda ask, _: ask.delete(ask.ownership.absent_id()),
    "state": lambda ask, _: ask.state(ask.ownership.absent_id()),
    "history": lambda ask, _: ask.history(ask.ownership.absent_id()),
    "post_history": lambda ask, thread_id: ask.post_history(thread_id, {"limit": -1}),
    "update_state": lambda ask, thread_id: ask.update_state(thread_id, {"values": 5}),
    "run_wait": lambda ask, thread_id: ask.run_wait(thread_id, {}),
    "json": lambda ask, _: ask.create(raw=b"{"),
}


@requires("ERROR-BODY-01")
@pytest.mark.parametrize("refusal", _REFUSALS)
def test_a_refusal_says_why(given: Asker, ask: ThreadsClient, thread: Thread, refusal: str) -> None:
    assert_says_why(_REFUSALS[refusal](ask, id_of(thread)))


@requires("ERROR-BODY-02")
@pytest.mark.parametrize("refusal", _REFUSALS)
def test_a_refusal_has_detail(
    given: Asker, ask: ThreadsClient, thread: Thread, refusal: str
) -> None:
    answer = _REFUSALS[refusal](ask, id_of(thread))
    require_refused(answer)
    detail = answer.body.get("detail") if isinstance(answer.body, dict) else None
    assert_that(isinstance(detail, str) and bool(detail), "a text in detail", answer.text)


def _assert_body_refused(
    given: Asker, ask: ThreadsClient, thread: Thread, operation: str, body: Any
) -> None:
    body = sendable(given, operation, body)
    answer = REQUESTS[operation].send(ask, id_of(thread), body)
    if not 400 <= answer.status < 500:
        shown = json.dumps(body)
        assert_that(False, f"a refusal by 4xx of {shown}", f"{answer.status} {answer.text}")


def _send_right(
    given: Asker, ask: ThreadsClient, thread: Thread, operation: str, thread_id: str
) -> Answer:
    """A right request, but about another thread id."""
    if operation == "copy":
        given.copy(thread)
        return ask.copy(thread_id)
    if operation == "delete":
        given.delete(given.empty())
        return ask.delete(thread_id)
    offered(given, thread, operation)
    request = REQUESTS[operation]
    return request.send(ask, thread_id, request.right(given, thread))


def _send_text(
    given: Asker,
    ask: ThreadsClient,
    thread: Thread,
    operation: str,
    text: str,
    change: Callable[[str], str] = lambda raw: raw,
) -> Answer:
    """A request with this text in a place where any text may stand."""
    offered(given, thread, operation)
    right = REQUESTS[operation].right(given, thread)
    if operation == "update_state":
        graph = given.case.graph()
        right["values"] = saying(text, graph)
        if not right["values"]:
            raise Blocked("append of the [graph] settings has no place for a text")
    else:
        right["metadata"] = {**right["metadata"], "text": text}
    raw = change(json.dumps(right)).encode()
    return REQUESTS[operation].send_raw(ask, id_of(thread), raw)


def _assert_kept(given: Asker, thread: Thread, operation: str, answer: Answer, text: str) -> None:
    """What was accepted was done to the letter."""
    if operation == "search":
        assert_equal(answer.body, [], "the threads found, of which none has that text")
    elif operation == "update_state":
        # As an escape, so that a text that UTF-8 cannot hold is compared as well.
        state = given.client.state(id_of(thread))
        kept = list(texts_in(state.body["values"]))
        assert_that(text in kept, "the text in the values, as sent", ascii(kept))
    else:
        shown = answer.body if operation == "create" else given.get(thread)
        assert_that(
            shown["metadata"].get("text") == text,
            "metadata.text as sent",
            ascii(shown["metadata"].get("text")),
        )
