"""A valid body for every operation that takes one, and how to send any body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.views import Thread, checkpoint_id_of, id_of
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import numbered


@dataclass(frozen=True)
class Request:
    """How to send an operation on a thread with any body, and a body that is valid for it."""

    send: Callable[[ThreadsClient, str, Any], Answer]
    send_raw: Callable[[ThreadsClient, str, bytes], Answer]
    valid_body: Callable[[ThreadsApi, Thread], Any]


REQUESTS: dict[str, Request] = {
    "create": Request(
        lambda client, _, body: client.create(body),
        lambda client, _, raw: client.create(raw=raw),
        lambda given, _: {"thread_id": given.client.ownership.new_id(), "metadata": tags(given)},
    ),
    "search": Request(
        lambda client, _, body: client.search(body, private=True),
        lambda client, _, raw: client.search(raw=raw, private=True),
        lambda given, _: {"metadata": tags(given)},
    ),
    "count": Request(
        lambda client, _, body: client.count(body),
        lambda client, _, raw: client.count(raw=raw),
        lambda given, _: {"metadata": tags(given)},
    ),
    "prune": Request(
        lambda client, _, body: client.prune(body),
        lambda client, _, raw: client.prune(raw=raw),
        # Another thread is pruned, so that the one of the check stays.
        lambda given, _: {"thread_ids": [id_of(given.empty())]},
    ),
    "update": Request(
        lambda client, thread_id, body: client.update(thread_id, body),
        lambda client, thread_id, raw: client.update(thread_id, raw=raw),
        lambda _given, _: {"metadata": {"colour": "red"}},
    ),
    "update_state": Request(
        lambda client, thread_id, body: client.update_state(thread_id, body),
        lambda client, thread_id, raw: client.update_state(thread_id, raw=raw),
        lambda given, _: numbered(given.context.graph().append, 3),
    ),
    "post_state_at_checkpoint": Request(
        lambda client, thread_id, body: client.post_state_at_checkpoint(thread_id, body),
        lambda client, thread_id, raw: client.post_state_at_checkpoint(thread_id, raw=raw),
        lambda given, thread: {
            "checkpoint": {"checkpoint_id": newest_checkpoint_id(given, thread)}
        },
    ),
    "post_history": Request(
        lambda client, thread_id, body: client.post_history(thread_id, body),
        lambda client, thread_id, raw: client.post_history(thread_id, raw=raw),
        lambda _given, _: {"limit": 1},
    ),
    "run_wait": Request(
        lambda client, thread_id, body: client.run_wait(thread_id, body),
        lambda client, thread_id, raw: client.run_wait(thread_id, raw=raw),
        lambda given, _: given.run_body(),
    ),
}


def tags(given: ThreadsApi) -> dict[str, Any]:
    """Return the metadata that marks the threads of one check."""
    return {**given.client.tag, **given.context.tag}


def require_offered(given: ThreadsApi, thread: Thread, operation: str) -> None:
    """Require that a valid request succeeds on this thread, so that a later refusal is evidence."""
    request = REQUESTS[operation]
    body = request.valid_body(given, thread)
    given.ensure_success(request.send(given.client, id_of(thread), body), thread)


def thread_offering(given: ThreadsApi, operation: str) -> Thread:
    """Return the simplest thread on which the operation answers a valid request.

    Bad requests need no history. The thread has a history only if the deployment does not update
    the state of an empty thread.
    """
    if operation == "update_state":
        thread = given.empty(metadata={"graph_id": given.context.graph().id})
        if _try_update(given, thread):
            return thread
        thread = given.prepopulated()
    elif operation == "post_state_at_checkpoint":
        thread = thread_with_state(given)
    else:
        thread = given.empty()
    require_offered(given, thread, operation)
    return thread


def thread_with_state(given: ThreadsApi) -> Thread:
    """Return a thread with a state, by an update of an empty thread or else with a history."""
    thread = given.empty(metadata={"graph_id": given.context.graph().id})
    return thread if _try_update(given, thread) else given.prepopulated()


def newest_checkpoint_id(given: ThreadsApi, thread: Thread) -> str:
    """Return the checkpoint id of the newest state of a thread; `Blocked` if it shows none."""
    try:
        return checkpoint_id_of(given.state(thread))
    except PromiseBroken as unnamed:
        raise Blocked.because(unnamed) from None


def _try_update(given: ThreadsApi, thread: Thread) -> bool:
    request = REQUESTS["update_state"]
    return request.send(given.client, id_of(thread), request.valid_body(given, thread)).ok
