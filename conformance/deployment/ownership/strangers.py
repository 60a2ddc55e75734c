"""Descriptions, without content, of other people's threads, runs and crons in an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from conformance.contract.operations import Operation
from conformance.contract.schemas import member_names
from conformance.deployment.ownership.guard import UnprovedId
from conformance.deployment.ownership.proof import Ownership
from conformance.json_text import JsonTooLargeError, parse_json

#: Operations that answer with a list of all matches.
_LISTING = frozenset({"search", "cron_search", "run_list", "assistants_search"})
#: The kind of the hits, for lists whose hits count as this run's only after a GET of each.
_PROVED_BY_GET = {"run_list": "run", "cron_search": "cron"}
_THREAD_ID = re.compile(rb'"thread_id"\s*:\s*("(?:[^"\\]|\\.)*")')


def facts_of_strangers(
    operation: Operation | None, path: str, body: bytes, ownership: Ownership
) -> str | None:
    """Describe, without content, other people's data in an answer; return None if there is none.

    `path` is that of the request, below the deployment's URL. The description contains only
    counts, and which of the published members occur.
    """
    if ownership.launched_for_run:
        return None
    if operation is not None:
        thread_id, run_id = operation.id_in(path, "thread_id"), operation.id_in(path, "run_id")
        if thread_id is not None and not ownership.may_be_shown(thread_id):
            return "about a thread that is not proved to be this run's"
        if run_id is not None and not ownership.is_our_run(run_id):
            return "about a run that is not proved to be this run's"
        cron_id = operation.id_in(path, "cron_id")
        if cron_id is not None and not ownership.is_our_cron(cron_id):
            return "about a cron that is not proved to be this run's"
    if operation is not None and operation.name in _LISTING:
        return _describe_list(operation, body, ownership)
    named = {each for each in _ids_in(body) if not ownership.may_be_shown(each)}
    if not named:
        return None
    return f"names {len(named)} thread(s) not proved to be this run's"


def _describe_list(operation: Operation, body: bytes, ownership: Ownership) -> str | None:
    try:
        hits = parse_json(body)
    except JsonTooLargeError as undigested:
        return str(undigested)
    except ValueError:
        return None
    if not isinstance(hits, list) or not hits:
        return None
    foreign = [each for each in hits if not _is_ours(operation, each, ownership)]
    if not foreign:
        return None
    members = {name for each in foreign if isinstance(each, dict) for name in each}
    known = sorted(members & member_names())
    others = len(members) - len(known)
    shown = ", ".join(known) + (f" and {others} more" if others else "")
    return (
        f"{len(hits)} in the list, {len(foreign)} not proved to be this run's, "
        f"which show the members {shown or 'none'}"
    )


def unproved_in_list(
    operation: Operation, body: bytes, ownership: Ownership
) -> tuple[UnprovedId, ...]:
    """Return the runs or crons in a list that are on this run's threads and not proved yet."""
    kind = _PROVED_BY_GET.get(operation.name)
    if kind is None or ownership.visits:
        return ()
    try:
        hits = parse_json(body)
    except ValueError:
        return ()
    return tuple(
        UnprovedId(kind, own_id, each["thread_id"])
        for each in (hits if isinstance(hits, list) else [])
        if _is_on_our_thread(each, ownership)
        and isinstance(own_id := each.get(f"{kind}_id"), str)
        and not _is_proved(kind, own_id, ownership)
    )


def _is_ours(operation: Operation, hit: Any, ownership: Ownership) -> bool:
    if not _is_on_our_thread(hit, ownership):
        return False
    kind = _PROVED_BY_GET.get(operation.name)
    if kind is None or ownership.visits:
        return True
    # A run or cron of somebody else may be shown as if it were on a thread of ours.
    own_id = hit.get(f"{kind}_id")
    return isinstance(own_id, str) and _is_proved(kind, own_id, ownership)


def _is_on_our_thread(hit: Any, ownership: Ownership) -> bool:
    thread_id = hit.get("thread_id") if isinstance(hit, dict) else None
    return isinstance(thread_id, str) and ownership.may_be_shown(thread_id)


def _is_proved(kind: str, own_id: str, ownership: Ownership) -> bool:
    return ownership.is_our_run(own_id) if kind == "run" else ownership.is_our_cron(own_id)


def _ids_in(body: bytes) -> Iterator[str]:
    for found in _THREAD_ID.finditer(body):
        try:
            yield str(parse_json(found[1]))
        except ValueError:
            yield found[1].decode(errors="replace")
