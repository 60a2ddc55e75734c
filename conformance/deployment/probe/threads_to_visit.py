"""The threads that a read-only run reads: those that are named, or some that a search finds."""

from __future__ import annotations

from conformance.deployment.client import ThreadsClient
from conformance.deployment.connect import connect
from conformance.deployment.ownership.proof import canonical, is_uuid
from conformance.deployment.probe.preflight import UnreachableError
from conformance.deployment.settings import Settings

#: Number of threads that are taken from a search, at most.
MOST_VISITED = 10
#: Statuses of a thread that does not exist, or not for this key.
_NOT_THERE = (404, 410, 422)
_NOT_ALLOWED = (401, 403)


def threads_to_visit(settings: Settings) -> tuple[str, ...]:
    """Return the ids of the threads to read, each once; empty if a search finds none.

    Raises `UnreachableError` where a thread that the user named does not exist. The message
    names it by its position among the options, since logs are kept and ids are other
    people's.
    """
    named = tuple(dict.fromkeys(map(canonical, settings.thread_ids)))
    with connect(settings, "visits", record=False) as connection:
        if not named:
            return _search_ids(connection.client)
        for number, thread_id in enumerate(named, 1):
            _check_there(connection.client, thread_id, f"--thread number {number}")
    return named


def _search_ids(client: ThreadsClient) -> tuple[str, ...]:
    found = client.search({"limit": MOST_VISITED}, private=True).digested
    hits = found if isinstance(found, list) else []
    ids = [str(each.get("thread_id")) for each in hits if isinstance(each, dict)]
    return tuple(dict.fromkeys(canonical(each) for each in ids if is_uuid(each)))[:MOST_VISITED]


def _check_there(client: ThreadsClient, thread_id: str, name: str) -> None:
    status = client.get(thread_id).status
    if status in _NOT_THERE:
        raise UnreachableError(
            f"{name} is not on the deployment (GET answers {status}): give the id of a thread "
            "that is there, or no --thread, to look at some that a search shows"
        )
    if status in _NOT_ALLOWED:
        raise UnreachableError(
            f"{name} may not be read (GET answers {status}): give the key of its owner with "
            "--api-key KEY, or another thread"
        )
