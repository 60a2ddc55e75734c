"""The requests of one user of the load: the documented operations, on threads of the run's own."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial

import httpx

from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.ownership.guard import GuardRefusal
from conformance.deployment.settings import GraphSettings, numbered

#: The name under which the current request is counted; empty: that of its operation.
REQUEST_NAME: ContextVar[str] = ContextVar("request_name", default="")
#: The name of a creation with supersteps, which takes longer than that of an empty thread.
SUPERSTEPS = "supersteps"
#: Key of the metadata by which the searches of a user find its thread and nobody else's.
_LOAD_TAG = "threads_conformance_load"
_STATES = 10
_HITS = 10


class Story:
    """The story of one user, played again and again, each time on two fresh threads and a copy.

    `between` is called before each request. It waits as long as the user does; what it raises ends
    the story. Every thread has an id that the run drew and the run's tag, and is deleted at the
    end of its story; what an aborted story leaves stands in the ledger.
    """

    def __init__(
        self, client: ThreadsClient, graph: GraphSettings, between: Callable[[], None]
    ) -> None:
        self._client, self._graph, self._between = client, graph, between

    def play(self, number: int) -> None:
        """Send all requests of the story once; `number` makes the texts of its messages differ.

        An operation that is refused, or gets no answer, ends nothing: a story shorter by it goes
        on, unless no thread was made at all.
        """
        client, graph = self._client, self._graph
        ids = [client.ownership.new_id() for _ in range(2)]
        empty, full = ids
        made = [self._create(empty), self._create_with_supersteps(full, number)]
        if not any(made):
            return
        thread_id = full if made[1] else empty
        self._ask(lambda: client.get(thread_id))
        self._ask(lambda: client.state(thread_id))
        self._ask(lambda: client.history(thread_id, limit=_STATES))
        run = {"assistant_id": graph.id, "input": numbered(graph.run_input, number)}
        self._ask(lambda: client.run_wait(thread_id, run))
        self._ask(lambda: client.update(thread_id, {"metadata": {"visit": number}}))
        found = {"metadata": {_LOAD_TAG: thread_id}}
        self._ask(lambda: client.search({**found, "limit": _HITS}))
        self._ask(lambda: client.count(found))
        copy_id = _id_in(self._ask(lambda: client.copy(thread_id)))
        if copy_id and client.ownership.is_ours(copy_id):
            ids.append(copy_id)
        for each, exists in zip(ids, [*made, True], strict=False):
            if exists:
                self._ask(partial(client.delete, each))

    def _create(self, thread_id: str) -> bool:
        body = {"thread_id": thread_id, "metadata": self._metadata(thread_id)}
        answer = self._ask(lambda: self._client.create(body))
        return answer is not None and answer.ok

    def _create_with_supersteps(self, thread_id: str, number: int) -> bool:
        body = {
            "thread_id": thread_id,
            "metadata": {**self._metadata(thread_id), "graph_id": self._graph.id},
            "supersteps": [numbered(each, number) for each in self._graph.supersteps],
        }
        named = REQUEST_NAME.set(SUPERSTEPS)
        try:
            answer = self._ask(lambda: self._client.create(body))
        finally:
            REQUEST_NAME.reset(named)
        return answer is not None and answer.ok

    def _metadata(self, thread_id: str) -> dict[str, str]:
        return {**self._client.tag, _LOAD_TAG: thread_id}

    def _ask(self, request: Callable[[], Answer]) -> Answer | None:
        """Send one request; return None if it gets no answer, or must not be sent."""
        self._between()
        try:
            return request()
        except (httpx.HTTPError, GuardRefusal):
            return None


def _id_in(answer: Answer | None) -> str | None:
    """Return the id of the thread in an answer, whatever that answer holds."""
    body = answer.digested if answer is not None and answer.ok else None
    thread_id = body.get("thread_id") if isinstance(body, dict) else None
    return thread_id if isinstance(thread_id, str) and thread_id else None
