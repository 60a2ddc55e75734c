"""Threads that runs with a lost ledger left behind, found by the tag that all of them carry."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from conformance.deployment.cleanup.removal import delete_thread
from conformance.deployment.client import ThreadsClient
from conformance.deployment.ownership.proof import (
    RUN_TAG,
    SUITE_TAG,
    GetAnswer,
    canonical,
    is_uuid,
    parse_timestamp,
)

#: Key of the metadata of a planted thread, which is to be kept.
PLANT_TAG = "threads_conformance_plant"

_PAGE = 1000
_MOST_PAGES = 1_000


@dataclass(frozen=True)
class LostThread:
    """A thread that some run created, according to a GET; `created_at` is by the server's clock."""

    thread_id: str
    run_id: str
    created_at: datetime


def find_lost(
    client: ThreadsClient, older_than: timedelta, known_runs: Collection[str]
) -> Iterator[LostThread]:
    """Yield the threads of runs that are not in `known_runs`, with one GET for each candidate.

    A thread is yielded if its GET shows the tags of the suite and of a run, and if it is older
    than `older_than` by the server's clock. Threads of plants are left out. Raises
    `httpx.HTTPError` for errors of the connection.
    """
    for thread_id in list(_tagged_ids(client)):
        shown = client.get(thread_id)
        metadata = shown.digested.get("metadata") if isinstance(shown.digested, dict) else None
        if not shown.ok or not isinstance(metadata, dict) or PLANT_TAG in metadata:
            continue
        run_id, created_at = (
            metadata.get(RUN_TAG),
            parse_timestamp(shown.digested.get("created_at")),
        )
        if not _is_tagged(metadata) or not isinstance(run_id, str) or run_id in known_runs:
            continue
        now = client.ownership.clock.now()
        if created_at is not None and now - created_at >= older_than:
            yield LostThread(thread_id, run_id, created_at)


def remove_lost(client: ThreadsClient, lost: LostThread) -> str:
    """Delete a lost thread; return why it may still exist, else an empty string.

    `client` acts for the lost run: it proves again by GET that the thread is that run's.
    """
    try:
        shown = client.get(lost.thread_id)
        doubt = client.ownership.own_thread_if_proved(
            GetAnswer(lost.thread_id, shown.status, shown.digested)
        )
    except httpx.HTTPError as broken:
        return f"no answer ({type(broken).__name__})"
    return doubt or delete_thread(client, lost.thread_id)


def _tagged_ids(client: ThreadsClient) -> Iterator[str]:
    """Yield the ids that a search for the suite's tag finds; a hit proves no ownership."""
    seen: set[str] = set()
    for _ in range(_MOST_PAGES):
        body = {"metadata": SUITE_TAG, "limit": _PAGE, "offset": len(seen)}
        answer = client.search(body, private=True)
        hits = answer.digested if answer.ok and isinstance(answer.digested, list) else []
        fresh = [
            each["thread_id"]
            for each in hits
            if isinstance(each, dict)
            and isinstance(each.get("thread_id"), str)
            and canonical(each["thread_id"]) not in seen
            and _is_tagged(each.get("metadata"))
        ]
        if not fresh:
            return
        seen |= set(map(canonical, fresh))
        yield from fresh


def _is_tagged(metadata: object) -> bool:
    """Return whether metadata has the tags of the suite and of a run."""
    if not isinstance(metadata, dict):
        return False
    run_id = metadata.get(RUN_TAG)
    return (
        all(metadata.get(name) == value for name, value in SUITE_TAG.items())
        and isinstance(run_id, str)
        and is_uuid(run_id)
    )
