"""The operations that take a body: a right body for each, and how to send any."""

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
    """An operation on a thread, a body that is right for it, and how to send one."""

    send: Callable[[ThreadsClient, str, Any], Answer]
    send_raw: Callable[[ThreadsClient, str, bytes], Answer]
    right: Callable[[ThreadsApi, Thread], Any]


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
        # What is pruned is another thread than the one at hand.
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
        lambda given, thread: {"checkpoint": {"checkpoint_id": checkpoint_of(given, thread)}},
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
    """The metadata by which the threads of one check are known."""
    return {**given.client.tag, **given.context.tag}


def offered(given: ThreadsApi, thread: Thread, operation: str) -> None:
    """The operation answers a right request on this thread, so that a refusal means something."""
    request = REQUESTS[operation]
    body = request.right(given, thread)
    given.granted(request.send(given.client, id_of(thread), body), thread)


def offering(given: ThreadsApi, operation: str) -> Thread:
    """A thread on which the operation answers a right request: the simplest that there is.

    What bad requests are answered needs no history; a deployment that takes an update of a
    state only where there is one is given a thread with a history.
    """
    if operation == "update_state":
        thread = given.empty(metadata={"graph_id": given.context.graph().id})
        if _updated(given, thread):
            return thread
        thread = given.prepopulated()
    elif operation == "post_state_at_checkpoint":
        thread = stated(given)
    else:
        thread = given.empty()
    offered(given, thread, operation)
    return thread


def stated(given: ThreadsApi) -> Thread:
    """A thread with a state: by one update of an empty one, or else with a history."""
    thread = given.empty(metadata={"graph_id": given.context.graph().id})
    return thread if _updated(given, thread) else given.prepopulated()


def checkpoint_of(given: ThreadsApi, thread: Thread) -> str:
    """The id of the checkpoint that the newest state of a thread shows, or else blocked."""
    try:
        return checkpoint_id_of(given.state(thread))
    except PromiseBroken as unnamed:
        raise Blocked.because(unnamed) from None


def _updated(given: ThreadsApi, thread: Thread) -> bool:
    request = REQUESTS["update_state"]
    return request.send(given.client, id_of(thread), request.right(given, thread)).ok
