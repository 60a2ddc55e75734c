"""Evidence, after a failed check, that one of its requests was lost or delivered twice.

A proxy that delivers a request twice, or a deployment that restarts in between, leaves
traces: more states, runs or threads than were requested, or a thread that disappeared
though nobody deleted it. A check that leaves such a trace is made again. The verdict counts
only if the trace appears each time, so that the deployment itself causes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.ownership.created_by_check import CHECK_TAG, CreatedByCheck

#: Threads of one check that are examined, at most.
_MOST_THREADS = 20
_PAGE = 1000
_GONE = (httpx.codes.NOT_FOUND, httpx.codes.GONE)


def traces_of_trouble(client: ThreadsClient, created: CreatedByCheck) -> tuple[str, ...]:
    """Return the traces that only a network fault or a restart explains; sorted, without ids.

    A request that gets no answer counts as no trace.
    """
    found: Counter[str] = Counter()
    if created.deletions_answered_gone:
        found["a deletion came in twice"] = created.deletions_answered_gone
    if created.pruned_in_vain:
        found["a pruning came in twice"] = created.pruned_in_vain
    standing = [each for each in created.made if each not in created.deleted][:_MOST_THREADS]
    for thread_id in standing:
        found.update(_traces_of_thread(client, created, thread_id))
    if (extra := _extra_threads(client, created)) > 0:
        found["a creation or copy came in twice"] = extra
    return tuple(f"{what} ({number} times)" for what, number in sorted(found.items()))


def _traces_of_thread(
    client: ThreadsClient, created: CreatedByCheck, thread_id: str
) -> Iterator[str]:
    shown = _answer_or_none(lambda: client.get(thread_id))
    if shown is not None and shown.status in _GONE:
        yield "a thread is gone that nobody deleted"
        return
    if created.runs[thread_id]:
        listed = _list_in(_answer_or_none(lambda: client.runs.list(thread_id, limit=100)))
        for _ in range(len(listed) - created.runs[thread_id]):
            yield "a run came in twice"
    if created.updates[thread_id]:
        states = _list_in(_answer_or_none(lambda: client.history(thread_id, limit=_PAGE)))
        # Updates, supersteps and the inputs of runs leave such states.
        written = [each for each in states if _source_of(each) in ("input", "update", "fork")]
        asked_for = created.updates[thread_id] + created.made[thread_id] + created.runs[thread_id]
        for _ in range(len(written) - asked_for):
            yield "an update came in twice"


def _extra_threads(client: ThreadsClient, created: CreatedByCheck) -> int:
    """Return how many more threads than were requested carry the tag of the check.

    While it exists, the thread of a stateless run may have the run's metadata, and so the tag: no
    source forbids that.
    """
    if len(created.tags) != 1:
        return 0
    body = {"metadata": {CHECK_TAG: next(iter(created.tags))}, "limit": 100}
    hits = _list_in(_answer_or_none(lambda: client.search(body)))
    return len(hits) - len(created.made) - created.threads_with_other_ids - created.stateless


def _answer_or_none(ask: Callable[[], Answer]) -> Answer | None:
    try:
        return ask()
    except httpx.HTTPError:
        return None


def _list_in(answer: Answer | None) -> list[Any]:
    body = answer.digested if answer is not None and answer.ok else None
    return body if isinstance(body, list) else []


def _source_of(state: Any) -> Any:
    metadata = state.get("metadata") if isinstance(state, dict) else None
    return metadata.get("source") if isinstance(metadata, dict) else None
