"""Answers to bad requests that only read: nothing is sent that could write."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from conformance.checks.comparable_members import is_empty_state
from conformance.checks.expect import assert_says_why
from conformance.checks.generators.wrong_bodies import MALFORMED_JSON, OUT_OF_RANGE, WRONG_TYPES
from conformance.checks.outcomes import PromiseBroken, reads_only, requires
from conformance.checks.visit_assertions import expect_refused
from conformance.checks.visits import (
    Visited,
    Visits,
    expect_fact,
    promise_broken,
    require_checkpoint_id,
    undecided,
)
from conformance.deployment.client import Answer, ThreadsClient
from conformance.json_differences import same_json

pytestmark = reads_only

_MOST_PATHS = 10


def _readable_checkpoint_id(visits: Visits, thread: Visited) -> str:
    """Return the id of a checkpoint of the thread that can be read."""
    checkpoint_id = require_checkpoint_id(visits.states(thread)[0])
    visits.state_at(thread, checkpoint_id)
    return checkpoint_id


def _post_state(visits: Visits, thread: Visited) -> None:
    visits.post_state_at(thread, require_checkpoint_id(visits.states(thread)[0]))


#: By operation, a valid request: unless it succeeds, a refusal means nothing.
_OFFERED: dict[str, Callable[[Visits, Visited], object]] = {
    "get": lambda visits, thread: visits.get(thread),
    "state": lambda visits, thread: visits.state(thread),
    "state_at_checkpoint": _readable_checkpoint_id,
    "history": lambda visits, thread: visits.page(thread, limit=1),
    "post_history": lambda visits, thread: visits.post_page(thread, limit=1),
    "post_state_at_checkpoint": _post_state,
}


def _thread_offering(visits: Visits, operation: str) -> Visited:
    """Return a thread on which the operation succeeds."""
    return visits.first_usable(lambda thread: _OFFERED[operation](visits, thread))


# ---- threads and checkpoints that do not exist ----------------------------------------


@requires("GET-02")
def test_an_unknown_thread_is_404(visits: Visits, client: ThreadsClient) -> None:
    _thread_offering(visits, "get")
    status = client.get(client.ownership.absent_id()).status
    expect_fact(status == 404, f"GET of an unknown thread is answered with {status}, not 404")


_OF_A_THREAD: dict[str, Callable[[ThreadsClient, str, str], Answer]] = {
    "get": lambda client, thread_id, _: client.get(thread_id),
    "state": lambda client, thread_id, _: client.state(thread_id),
    "history": lambda client, thread_id, _: client.history(thread_id),
    "post_history": lambda client, thread_id, _: client.post_history(thread_id, {}),
    "state_at_checkpoint": lambda client, thread_id, at: client.state_at_checkpoint(thread_id, at),
    "post_state_at_checkpoint": lambda client, thread_id, at: client.post_state_at_checkpoint(
        thread_id, {"checkpoint": {"checkpoint_id": at, "checkpoint_ns": ""}}
    ),
}


def _expect_refused(visits: Visits, client: ThreadsClient, operation: str, thread_id: str) -> None:
    thread = _thread_offering(visits, operation)
    at = _readable_checkpoint_id(visits, thread) if "checkpoint" in operation else ""
    expect_refused(_OF_A_THREAD[operation](client, thread_id, at), operation)


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param("state", marks=requires("STATE-11")),
        pytest.param("history", marks=requires("HISTORY-05")),
        pytest.param("post_history", marks=requires("HISTORY-05")),
        pytest.param("state_at_checkpoint", marks=requires("CHECKPOINT-10")),
        pytest.param("post_state_at_checkpoint", marks=requires("ERROR-UNKNOWN-03")),
    ],
)
def test_an_unknown_thread_is_refused(
    visits: Visits, client: ThreadsClient, operation: str
) -> None:
    _expect_refused(visits, client, operation, client.ownership.absent_id())


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param("get", marks=requires("GET-03")),
        pytest.param("state", marks=requires("STATE-12")),
        pytest.param("history", marks=requires("HISTORY-06")),
        pytest.param("post_history", marks=requires("HISTORY-06")),
        pytest.param("state_at_checkpoint", marks=requires("CHECKPOINT-11")),
        pytest.param("post_state_at_checkpoint", marks=requires("ERROR-ID-05")),
    ],
)
def test_a_malformed_id_is_refused(visits: Visits, client: ThreadsClient, operation: str) -> None:
    _expect_refused(visits, client, operation, client.ownership.malformed_id())


@requires("CHECKPOINT-09")
def test_an_unknown_checkpoint_is_no_other(visits: Visits, client: ThreadsClient) -> None:
    thread = _thread_offering(visits, "state_at_checkpoint")
    answer = client.state_at_checkpoint(thread.id, client.ownership.absent_id())
    _expect_no_other_state(
        visits, thread, answer, "the state at a checkpoint that the thread does not have"
    )


@requires("CHECKPOINT-12")
def test_a_malformed_checkpoint_id_is_refused(visits: Visits, client: ThreadsClient) -> None:
    thread = _thread_offering(visits, "state_at_checkpoint")
    answer = client.state_at_checkpoint(thread.id, client.ownership.malformed_id())
    expect_refused(answer, "the state at a checkpoint that is no UUID")


@requires("CHECKPOINT-POST-02")
def test_an_unknown_checkpoint_is_no_other_by_post(visits: Visits, client: ThreadsClient) -> None:
    thread = _thread_offering(visits, "post_state_at_checkpoint")
    body = {"checkpoint": {"checkpoint_id": client.ownership.absent_id(), "checkpoint_ns": ""}}
    answer = client.post_state_at_checkpoint(thread.id, body)
    _expect_no_other_state(
        visits, thread, answer, "the state by POST at a checkpoint that the thread does not have"
    )


def _expect_no_other_state(visits: Visits, thread: Visited, answer: Answer, what: str) -> None:
    """Expect a refusal or a state without values; undecided where the values may be defaults."""
    if is_empty_state(answer):
        return
    state = answer.body if answer.ok else None
    values = state.get("values") if isinstance(state, dict) else None
    if isinstance(values, dict) and not any(
        same_json(values, each.get("values")) for each in visits.states(thread)
    ):
        raise undecided("whether a new thread has these values, reading alone does not tell")
    expect_refused(answer, what)


# ---- bodies -------------------------------------------------------------------------


def _senders(
    visits: Visits, client: ThreadsClient, operation: str
) -> tuple[Callable[[Any], Answer], Callable[[bytes], Answer]]:
    """Return functions that send any body, as JSON and raw, once a valid one has succeeded."""
    if operation == "search":
        visits.search(limit=1)
        return lambda body: client.search(body, private=True), lambda raw: client.search(
            raw=raw, private=True
        )
    if operation == "count":
        visits.count()
        return client.count, lambda raw: client.count(raw=raw)
    thread_id = _thread_offering(visits, operation).id
    send = client.post_history if operation == "post_history" else client.post_state_at_checkpoint
    return lambda body: send(thread_id, body), lambda raw: send(thread_id, raw=raw)


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param("search", marks=requires("ERROR-JSON-02")),
        pytest.param("count", marks=requires("ERROR-JSON-03")),
        pytest.param("post_state_at_checkpoint", marks=requires("ERROR-JSON-07")),
        pytest.param("post_history", marks=requires("ERROR-JSON-08")),
    ],
)
def test_malformed_json_is_refused(visits: Visits, client: ThreadsClient, operation: str) -> None:
    _, send_raw = _senders(visits, client, operation)
    for raw in MALFORMED_JSON:
        expect_refused(send_raw(raw), f"{operation} with a body that is no JSON")


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param("search", marks=requires("ERROR-TYPE-02")),
        pytest.param("count", marks=requires("ERROR-TYPE-03")),
        pytest.param("post_state_at_checkpoint", marks=requires("ERROR-TYPE-07")),
        pytest.param("post_history", marks=requires("ERROR-TYPE-08")),
    ],
)
def test_wrong_types_are_refused(visits: Visits, client: ThreadsClient, operation: str) -> None:
    send, _ = _senders(visits, client, operation)
    for body in WRONG_TYPES[operation]:
        expect_refused(send(body), f"{operation} with the body {json.dumps(body)}")


@requires("ERROR-TYPE-10")
def test_a_wrong_type_of_limit_is_refused(visits: Visits, client: ThreadsClient) -> None:
    thread = _thread_offering(visits, "history")
    expect_refused(client.history(thread.id, limit="ten"), "history with the limit 'ten'")


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param("search", marks=requires("ERROR-RANGE-02")),
        pytest.param("count", marks=requires("ERROR-RANGE-03")),
        pytest.param("post_history", marks=requires("ERROR-RANGE-05")),
    ],
)
def test_values_out_of_range_are_refused(
    visits: Visits, client: ThreadsClient, operation: str
) -> None:
    send, _ = _senders(visits, client, operation)
    for body in OUT_OF_RANGE[operation]:
        expect_refused(send(body), f"{operation} with the body {json.dumps(body)}")


@requires("EXTRACT-04")
def test_more_than_ten_paths_are_refused(visits: Visits, client: ThreadsClient) -> None:
    paths = {f"p{number}": "metadata.colour" for number in range(_MOST_PATHS + 1)}
    visits.search(limit=1, extract=dict(list(paths.items())[:_MOST_PATHS]))
    answer = client.search({"limit": 1, "extract": paths}, private=True)
    expect_refused(answer, f"a search with {len(paths)} paths to extract")


# ---- what a refusal says ------------------------------------------------------------

_REFUSALS: dict[str, Callable[[ThreadsClient, str], Answer]] = {
    "search": lambda client, _: client.search({"limit": -1}, private=True),
    "get": lambda client, _: client.get(client.ownership.absent_id()),
    "state": lambda client, _: client.state(client.ownership.absent_id()),
    "history": lambda client, _: client.history(client.ownership.absent_id()),
    "post_history": lambda client, thread_id: client.post_history(thread_id, {"limit": -1}),
}


def _require_refusal(visits: Visits, client: ThreadsClient, refusal: str) -> Answer:
    """Return the 4xx that answers a bad request; undecided if it is not refused by a 4xx.

    The operation is shown to exist first, since a router may refuse unknown ones in its own way.
    """
    if refusal == "search":
        visits.search(limit=1)
    thread = _thread_offering(visits, "get" if refusal == "search" else refusal)
    answer = _REFUSALS[refusal](client, thread.id)
    if not 400 <= answer.status < 500:
        raise undecided(f"{refusal}: a bad request is answered with {answer.status}")
    return answer


@requires("ERROR-BODY-01")
@pytest.mark.parametrize("refusal", _REFUSALS)
def test_a_refusal_says_why(visits: Visits, client: ThreadsClient, refusal: str) -> None:
    answer = _require_refusal(visits, client, refusal)
    try:
        assert_says_why(answer)
    except PromiseBroken:
        raise promise_broken(
            f"the refusal with {answer.status} has no JSON that says why"
        ) from None


@requires("ERROR-BODY-02")
@pytest.mark.parametrize("refusal", _REFUSALS)
def test_a_refusal_has_detail(visits: Visits, client: ThreadsClient, refusal: str) -> None:
    answer = _require_refusal(visits, client, refusal)
    detail = answer.body.get("detail") if isinstance(answer.body, dict) else None
    has_detail = isinstance(detail, str) and bool(detail)
    expect_fact(has_detail, f"the refusal with {answer.status} has no text in detail")
