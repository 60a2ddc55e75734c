"""Answers to bad requests: any 4xx that says why, never a 5xx, and nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.expect import (
    assert_equal,
    assert_no_server_error,
    assert_refused,
    assert_says_why,
    assert_that,
    assert_untouched,
    require_refused,
    says_why,
)
from conformance.checks.generators.wrong_bodies import (
    MALFORMED_JSON,
    OUT_OF_RANGE,
    WRONG_TYPES,
    bodies_to_refuse,
    sendable_body,
)
from conformance.checks.messages import node_of_updates, texts_in, values_with_text
from conformance.checks.outcomes import Blocked, PromiseBroken, requires
from conformance.checks.refused_creations import RefusedCreations
from conformance.checks.runs import Runs
from conformance.checks.unknown_checkpoints import UNKNOWN_CHECKPOINT
from conformance.checks.valid_requests import REQUESTS, thread_offering, thread_with_state
from conformance.checks.views import Thread, checkpoint_id_of, id_of
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import GraphSettings
from conformance.safe_text import excerpt

DEPTH = 5_000
LARGE = 2_000_000
#: Texts that JSON can represent but not every store can keep.
ODD_TEXTS = {"nul": "a\u0000b", "surrogate": "a\ud800b"}


BODIED = tuple(REQUESTS)


def _by_operation(kind: str, operations: tuple[str, ...]) -> pytest.MarkDecorator:
    """Parametrize by operation; the requirement of the n-th one is ERROR-`kind`-n."""
    return pytest.mark.parametrize(
        "operation",
        [
            pytest.param(operation, marks=requires(f"ERROR-{kind}-{number:02}"))
            for number, operation in enumerate(operations, 1)
        ],
    )


@_by_operation("JSON", BODIED)
def test_malformed_json_is_refused(
    given: ThreadsApi, client: ThreadsClient, operation: str
) -> None:
    thread = thread_offering(given, operation)
    for raw in MALFORMED_JSON:
        assert_refused(REQUESTS[operation].send_raw(client, id_of(thread), raw))


@_by_operation("TYPE", (*BODIED, "history"))
def test_wrong_types_are_refused(given: ThreadsApi, client: ThreadsClient, operation: str) -> None:
    if operation == "history":
        thread = given.empty()
        given.page(thread)
        assert_refused(client.history(id_of(thread), limit="ten"))
        return
    _assert_bodies_refused(given, client, operation, WRONG_TYPES[operation])


@_by_operation("RANGE", tuple(OUT_OF_RANGE))
def test_values_out_of_range_are_refused(
    given: ThreadsApi, client: ThreadsClient, operation: str
) -> None:
    _assert_bodies_refused(given, client, operation, OUT_OF_RANGE[operation])


@_by_operation("UNKNOWN", ("copy", "update_state", "post_state_at_checkpoint"))
def test_an_unknown_thread_is_refused(
    given: ThreadsApi, client: ThreadsClient, operation: str
) -> None:
    assert_refused(_send_valid_to(given, client, operation, client.ownership.absent_id()))


@_by_operation(
    "ID", ("copy", "update", "delete", "update_state", "post_state_at_checkpoint", "run_wait")
)
def test_a_malformed_id_is_refused(
    given: ThreadsApi, client: ThreadsClient, operation: str
) -> None:
    assert_refused(_send_valid_to(given, client, operation, client.ownership.malformed_id()))


@_by_operation("ODD", ("create", "update", "search", "update_state"))
@pytest.mark.parametrize("odd", ODD_TEXTS)
def test_odd_texts_are_refused_or_kept(
    given: ThreadsApi, client: ThreadsClient, operation: str, odd: str
) -> None:
    text = ODD_TEXTS[odd]
    thread = thread_offering(given, operation)
    answer = _send_text(given, client, thread, operation, text)
    assert_no_server_error(answer)
    if answer.ok:
        _assert_kept(given, thread, operation, answer, text)


@requires("ERROR-ODD-05")
@pytest.mark.parametrize("odd", ODD_TEXTS)
def test_odd_texts_in_an_input_are_refused_or_kept(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient, odd: str
) -> None:
    text = ODD_TEXTS[odd]
    graph = given.context.graph()
    like = graph.run_input if isinstance(graph.run_input, dict) else {}
    values = values_with_text(text, graph, like)
    if not values:
        raise Blocked("run_input of the [graph] settings has no place for a text")
    thread = given.empty()
    raw = json.dumps(given.run_body(input=values)).encode()
    answer = client.run_wait(id_of(thread), raw=raw)
    assert_no_server_error(answer)
    if not answer.ok:
        return
    run = given_runs.only_run(thread)
    assert_equal(given_runs.status_once_ended(run), "success", "status of the run")
    kept = list(texts_in(given.state(thread)["values"]))
    if text not in kept:
        # A graph need not keep its input.
        plain = given.empty()
        given.run(plain, input=values_with_text("plain", graph, like))
        if "plain" not in texts_in(given.state(plain)["values"]):
            raise Blocked("the graph does not keep a text of its input")
    assert_that(text in kept, "the text in the values, as sent", ascii(kept))


@_by_operation("BIG", ("create", "update", "search", "update_state"))
@pytest.mark.parametrize("big", ["deep", "large"])
def test_big_bodies_are_refused_or_kept(
    given: ThreadsApi, client: ThreadsClient, operation: str, big: str
) -> None:
    thread = thread_offering(given, operation)
    if big == "large":
        text = "x" * LARGE
        answer = _send_text(given, client, thread, operation, text)
        assert_no_server_error(answer)
        if answer.ok:
            _assert_kept(given, thread, operation, answer, text)
        return
    nested = "[" * DEPTH + "]" * DEPTH
    answer = _send_text(
        given, client, thread, operation, "<nested>", lambda raw: raw.replace('"<nested>"', nested)
    )
    assert_no_server_error(answer)


@_by_operation("SAFE", ("create", "update", "update_state", "run_wait"))
def test_what_was_refused_changed_nothing(
    given: ThreadsApi, client: ThreadsClient, operation: str
) -> None:
    if operation == "create":
        thread_offering(given, "create")
        creations = RefusedCreations(given, client)
        creations.send({**REQUESTS["create"].valid_body(given, {}), "if_exists": "replace"})
        creations.assert_none_made()
        return
    thread = thread_offering(given, operation)
    if operation == "run_wait":
        # A thread that has just been run may still change.
        thread = given.empty()

    def refuse() -> None:
        for body in WRONG_TYPES[operation]:
            require_refused(REQUESTS[operation].send(client, id_of(thread), body))

    assert_untouched(given, thread, refuse)


@dataclass(frozen=True)
class Refusal:
    """A request to be refused, its operation, and the requirement that decides the refusal."""

    operation: str
    send: Callable[[ThreadsClient, str], Answer]
    decided_by: str


_REFUSALS: dict[str, Refusal] = {
    "create": Refusal(
        "create",
        lambda client, _: client.create({"thread_id": client.ownership.new_id(), "metadata": 5}),
        "ERROR-TYPE-01",
    ),
    "search": Refusal("search", lambda client, _: client.search({"limit": -1}), "ERROR-RANGE-02"),
    "get": Refusal("get", lambda client, _: client.get(client.ownership.absent_id()), "GET-02"),
    "copy": Refusal(
        "copy", lambda client, _: client.copy(client.ownership.absent_id()), "ERROR-UNKNOWN-01"
    ),
    "update": Refusal(
        "update", lambda client, own: client.update(own, {"metadata": 5}), "ERROR-TYPE-05"
    ),
    "delete": Refusal(
        "delete", lambda client, _: client.delete(client.ownership.absent_id()), "DELETE-09"
    ),
    "state": Refusal(
        "state", lambda client, _: client.state(client.ownership.absent_id()), "STATE-11"
    ),
    "history": Refusal(
        "history", lambda client, _: client.history(client.ownership.absent_id()), "HISTORY-05"
    ),
    "post_history": Refusal(
        "post_history",
        lambda client, own: client.post_history(own, {"limit": -1}),
        "ERROR-RANGE-05",
    ),
    "update_state": Refusal(
        "update_state", lambda client, own: client.update_state(own, {"values": 5}), "ERROR-TYPE-06"
    ),
    "run_wait": Refusal("run_wait", lambda client, own: client.run_wait(own, {}), "ERROR-TYPE-09"),
    "json": Refusal("create", lambda client, _: client.create(raw=b"{"), "ERROR-JSON-01"),
}


@requires("ERROR-BODY-01")
@pytest.mark.parametrize("refusal", _REFUSALS)
def test_a_refusal_says_why(given: ThreadsApi, client: ThreadsClient, refusal: str) -> None:
    assert_says_why(_require_refusal(given, client, _REFUSALS[refusal]))


@requires("ERROR-BODY-01")
def test_a_refusal_of_what_is_not_there_says_why(
    given: ThreadsApi, client: ThreadsClient, graph: GraphSettings
) -> None:
    made = given.prepopulated()
    newest = checkpoint_id_of(given.state(made))
    as_node = node_of_updates(graph)
    sends: dict[str, Callable[[ThreadsClient, str, str], Answer]] = {
        **_AT_A_CHECKPOINT,
        "update_state": lambda client, own, at: client.update_state(
            own, {"as_node": as_node, "checkpoint": {"checkpoint_id": at}}
        ),
    }
    answers = []
    for name, send in sends.items():
        # A router may refuse an operation that is not offered in its own way.
        if send(client, id_of(made), newest).ok:
            answers.append(send(client, id_of(made), UNKNOWN_CHECKPOINT))
        else:
            given.context.note(f"not asked at an unknown checkpoint: {name}")
    answers.append(client.create({"thread_id": id_of(made), "metadata": client.tag}))
    given.update(made, metadata={})
    answers.append(client.update(client.ownership.absent_id(), {"metadata": {}}))
    # No source says whether a checkpoint that is not there is refused.
    mute = [each for each in answers if 400 <= each.status < 500 and not says_why(each)]
    if mute:
        raise PromiseBroken(
            "a JSON body that says why in every refusal",
            excerpt("; ".join(f"{each.operation}: {each.status} {each.text}" for each in mute)),
            kinds=tuple(sorted({each.operation for each in mute})),
        )


#: Requests that name a checkpoint of a thread, by the client, the thread's id and the checkpoint's.
_AT_A_CHECKPOINT: dict[str, Callable[[ThreadsClient, str, str], Answer]] = {
    "state_at_checkpoint": lambda client, own, at: client.state_at_checkpoint(own, at),
    "post_state_at_checkpoint": lambda client, own, at: client.post_state_at_checkpoint(
        own, {"checkpoint": {"checkpoint_id": at}}
    ),
    "history": lambda client, own, at: client.history(own, before=at),
    "post_history": lambda client, own, at: client.post_history(
        own, {"before": {"checkpoint_id": at}}
    ),
}


@requires("ERROR-BODY-02")
@pytest.mark.parametrize("refusal", _REFUSALS)
def test_a_refusal_has_detail(given: ThreadsApi, client: ThreadsClient, refusal: str) -> None:
    answer = _require_refusal(given, client, _REFUSALS[refusal])
    detail = answer.body.get("detail") if isinstance(answer.body, dict) else None
    assert_that(isinstance(detail, str) and bool(detail), "a text in detail", answer.text)


def _require_refusal(given: ThreadsApi, client: ThreadsClient, refusal: Refusal) -> Answer:
    """Return the 4xx that answers a bad request; `Blocked` if it is not refused by a 4xx.

    The operation is shown to exist first, since a router may refuse unknown ones in its own way.
    """
    thread = _thread_offering(given, refusal.operation)
    answer = refusal.send(client, id_of(thread))
    if not 400 <= answer.status < 500:
        raise Blocked(
            f"a bad request is not refused by 4xx: {answer.status} {excerpt(answer.text, 200)}",
            by=refusal.decided_by,
        )
    return answer


def _thread_offering(given: ThreadsApi, operation: str) -> Thread:
    """Return a thread on which the operation succeeds; also for operations without a body."""
    if operation in REQUESTS and operation != "search":
        return thread_offering(given, operation)
    thread = given.empty()
    if operation == "search":
        # By the tag of the check: what a search shows of other people's threads is not recorded.
        given.search()
        return thread
    if operation == "delete":
        given.delete(given.empty())
    elif operation == "copy":
        given.copy(thread)
    elif operation == "history":
        given.page(thread)
    elif operation == "state":
        if not given.client.state(id_of(thread)).ok:
            thread = thread_with_state(given)
        given.ensure_success(given.client.state(id_of(thread)), thread)
    else:
        given.get(thread)
    return thread


def _assert_bodies_refused(
    given: ThreadsApi, client: ThreadsClient, operation: str, bodies: Iterable[Any]
) -> None:
    """Assert that each body is refused; objects get the members of a valid body that they lack."""
    thread = thread_offering(given, operation)
    for body in bodies_to_refuse(given, operation, bodies):
        right = REQUESTS[operation].valid_body(given, thread)
        whole = {**right, **body} if isinstance(body, dict) and body else body
        _assert_body_refused(given, client, thread, operation, whole)


def _assert_body_refused(
    given: ThreadsApi, client: ThreadsClient, thread: Thread, operation: str, body: Any
) -> None:
    body = sendable_body(given, operation, body)
    answer = REQUESTS[operation].send(client, id_of(thread), body)
    if not 400 <= answer.status < 500:
        shown = json.dumps(body)
        assert_that(False, f"a refusal by 4xx of {shown}", f"{answer.status} {answer.text}")


def _send_valid_to(
    given: ThreadsApi, client: ThreadsClient, operation: str, thread_id: str
) -> Answer:
    """Send a request that is valid except for its thread id."""
    thread = _thread_offering(given, operation)
    if operation == "copy":
        return client.copy(thread_id)
    if operation == "delete":
        return client.delete(thread_id)
    request = REQUESTS[operation]
    return request.send(client, thread_id, request.valid_body(given, thread))


def _send_text(
    given: ThreadsApi,
    client: ThreadsClient,
    thread: Thread,
    operation: str,
    text: str,
    change: Callable[[str], str] = lambda raw: raw,
) -> Answer:
    """Send a request with `text` where any text is allowed; `change` edits its JSON before."""
    right = REQUESTS[operation].valid_body(given, thread)
    if operation == "update_state":
        graph = given.context.graph()
        right["values"] = values_with_text(text, graph)
        if not right["values"]:
            raise Blocked("append of the [graph] settings has no place for a text")
    else:
        right["metadata"] = {**right["metadata"], "text": text}
    raw = change(json.dumps(right)).encode()
    return REQUESTS[operation].send_raw(client, id_of(thread), raw)


def _assert_kept(
    given: ThreadsApi, thread: Thread, operation: str, answer: Answer, text: str
) -> None:
    """Assert that a text which was accepted is kept, or was searched for, exactly as sent."""
    if operation == "search":
        assert_equal(answer.body, [], "the threads found, of which none has that text")
    elif operation == "update_state":
        # Compared with escapes, since UTF-8 cannot encode every text.
        kept = list(texts_in(given.state(thread)["values"]))
        assert_that(text in kept, "the text in the values, as sent", ascii(kept))
    else:
        shown = answer.body if operation == "create" else given.get(thread)
        assert_that(
            shown["metadata"].get("text") == text,
            "metadata.text as sent",
            ascii(shown["metadata"].get("text")),
        )
