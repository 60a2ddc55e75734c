"""Removing what a run made, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import httpx

from conformance.deployment.bookkeeping import CLOCK_TOLERANCE, is_newer, is_uuid
from conformance.deployment.client import ThreadsClient
from conformance.deployment.guard import RUN_TAG, canonical
from conformance.deployment.ledger import Account

_PAGE = 100
#: A deployment that breaks so many connections in a row is not asked again.
_PATIENCE = 3


@dataclass(frozen=True)
class Removal:
    """Threads that a run made and that were removed; `left` are the ids that remain.

    A thread on which a cron may still stand counts as left. `unknown` are ids under
    which a thread may stand: the deployment never said.
    """

    created: int
    removed: int
    left: tuple[str, ...]
    unknown: tuple[str, ...] = ()


def remove_all(client: ThreadsClient, account: Account, keep: Collection[str] = ()) -> Removal:
    """Delete every cron and thread of a run: those of its ledger, and those with its tag.

    Threads of `keep` stay. Errors of the connection do not stop it: what could not be
    asked for is left.
    """
    planned = (*account.planned, *account.created)
    ids = dict.fromkeys(each for each in planned if is_uuid(each) or each in account.created)
    # First what could make more threads, or history where it is being removed.
    scheduled = _unschedule(client, account)
    ids.update(dict.fromkeys(_kept(client, account)))
    ids = {each: None for each in ids if each not in keep}
    for thread_id in ids:
        client.ownership.adopt(thread_id)
    created = {each for each in account.created if each in ids}
    tagged = _tagged(client, keep)
    for thread_id in tagged:
        client.ownership.adopt(thread_id)
    ids.update(dict.fromkeys(tagged))
    created.update(tagged)
    left: dict[str, None] = {}
    broken = 0
    for thread_id in ids:
        found = delete_one(client, thread_id) if broken < _PATIENCE else None
        broken = broken + 1 if found is None else 0
        if found == "removed":
            created.add(thread_id)
        elif found != "absent":
            left[thread_id] = None
    if broken < _PATIENCE:
        left.update(dict.fromkeys(_tagged(client, keep)))
    left.update(dict.fromkeys(scheduled))
    created.update(scheduled)
    remaining = tuple(each for each in left if each in created)
    unknown = tuple(each for each in left if each not in created)
    return Removal(len(created), len(created) - len(remaining), remaining, unknown)


def delete_one(client: ThreadsClient, thread_id: str) -> str | None:
    """`removed`, `absent` or `left`; None where the connection broke."""
    try:
        answer = client.delete(thread_id)
        if answer.ok:
            return "removed"
        # A deployment that cannot delete answers 404 as well: look whether it stands.
        return "left" if client.get(thread_id).ok else "absent"
    except httpx.HTTPError:
        return None


def _unschedule(client: ThreadsClient, account: Account) -> list[str]:
    """Delete the crons of a run; the threads on which one may still stand."""
    known = [_delete_cron(client, each) for each in account.crons]
    return [
        each for each in account.scheduled if not _unscheduled(client, each, otherwise=all(known))
    ]


def _unscheduled(client: ThreadsClient, thread_id: str, *, otherwise: bool) -> bool:
    """Whether no cron is left on a thread; `otherwise` where the deployment does not say."""
    try:
        answer = client.crons.search({"thread_id": thread_id, "limit": _PAGE})
    except httpx.HTTPError:
        return False
    if not answer.ok or not isinstance(answer.body, list):
        return otherwise
    standing = [
        each["cron_id"]
        for each in answer.body
        if isinstance(each, dict)
        and each.get("thread_id") == thread_id
        and isinstance(each.get("cron_id"), str)
    ]
    deleted = [_delete_cron(client, each) for each in standing]
    return all(deleted)


def _delete_cron(client: ThreadsClient, cron_id: str) -> bool:
    client.ownership.adopt_cron(cron_id)
    try:
        answer = client.crons.delete(cron_id)
    except httpx.HTTPError:
        return False
    return answer.ok or answer.status == httpx.codes.NOT_FOUND


def _kept(client: ThreadsClient, account: Account) -> Iterator[str]:
    """The threads of stateless runs that still stand, and are no older than the run."""
    for thread_id in account.temporary:
        try:
            answer = client.get(thread_id)
            opened_at = datetime.fromisoformat(account.opened_at) - CLOCK_TOLERANCE
        except (httpx.HTTPError, ValueError):
            continue
        if answer.ok and is_newer(answer.body, opened_at):
            yield thread_id


def _tagged(client: ThreadsClient, keep: Collection[str]) -> list[str]:
    """The ids of the threads that carry the run's tag; other answers are ignored."""
    found: dict[str, None] = {}
    try:
        while True:
            body = {"metadata": client.tag, "limit": _PAGE, "offset": len(found)}
            answer = client.search(body)
            page = answer.body if answer.ok and isinstance(answer.body, list) else []
            fresh = {
                canonical(each["thread_id"]): None
                for each in page
                if isinstance(each, dict)
                and isinstance(each.get("thread_id"), str)
                and isinstance(each.get("metadata"), dict)
                and each["metadata"].get(RUN_TAG) == client.tag[RUN_TAG]
            }
            if not fresh.keys() - found.keys():
                return [each for each in found if each not in keep]
            found.update(fresh)
            if len(page) < _PAGE:
                return [each for each in found if each not in keep]
    except httpx.HTTPError:
        return [each for each in found if each not in keep]
