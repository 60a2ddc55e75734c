"""What requests make, written to the ledger: before they leave, and when they are answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from conformance.contract.operations import Operation
from conformance.deployment.guard import Ownership
from conformance.deployment.ledger import Ledger
from conformance.deployment.redaction import Redactor
from conformance.json_text import parse_json

#: How far the clocks of suite and deployment may differ.
CLOCK_TOLERANCE = timedelta(minutes=5)

_RUNS_ON_A_THREAD = ("run_wait", "run_stream", "run_background")
#: What some deployments answer by making the thread, where it should be refused.
_MAY_MAKE_WHAT_IS_NOT_THERE = (*_RUNS_ON_A_THREAD, "update", "update_state")
_STATELESS = ("stateless_wait", "stateless_stream", "stateless_background", "stateless_batch")
_THREAD_IN_PATH = re.compile(r"/threads/([^/]+)")


@dataclass(frozen=True)
class Entry:
    """A request of which the ledger knows. `number`: of a creation without an id yet."""

    operation: str
    thread_id: str | None
    body: Any
    number: int | None = None


class Bookkeeper:
    """Tells the ledger what a request may make, and then what it made.

    What can only be this run's is adopted: a thread that was created before
    `started_at` is someone's, and is never adopted, changed or removed.
    """

    def __init__(
        self, ledger: Ledger, ownership: Ownership, redactor: Redactor, started_at: datetime
    ) -> None:
        self._ledger = ledger
        self._ownership = ownership
        self._redactor = redactor
        self._not_before = started_at - CLOCK_TOLERANCE

    def before(
        self, operation: Operation | None, thread_id: str | None, raw: bytes
    ) -> Entry | None:
        """A request is about to leave; None if it makes nothing."""
        if operation is None or not operation.writes:
            return None
        body = _parsed(raw)
        members = body if isinstance(body, dict) else {}
        number = None
        if operation.name == "copy":
            number = self._ledger.begun(f"a copy of {thread_id}")
        elif operation.name == "create" and isinstance(members.get("thread_id"), str):
            thread_id = members["thread_id"]
            self._ledger.planned(thread_id)
        elif operation.name == "create":
            shown = self._redactor.text(raw.decode("utf-8", errors="replace"))[:80]
            number = self._ledger.begun(f"a thread created by the body {shown}")
        elif operation.name in _RUNS_ON_A_THREAD and members.get("if_not_exists") == "create":
            self._ledger.planned(str(thread_id))
        elif operation.name in _STATELESS and members.get("on_completion") == "keep":
            number = self._ledger.begun("the kept thread of a stateless run")
        elif operation.name == "cron_create":
            self._ledger.scheduled(str(thread_id))
        return Entry(operation.name, thread_id, members, number)

    def after(self, entry: Entry, response: httpx.Response) -> None:
        """The request was answered."""
        made = response.is_success
        if entry.operation in _STATELESS:
            for thread_id in _temporary(response) if made else ():
                self._ledger.temporary(thread_id)
            if entry.number is not None:
                self._ledger.ended(entry.number, None)
        elif entry.number is not None:
            found = self._new_thread(entry, response) if made else None
            self._ledger.ended(entry.number, found)
            if found is not None:
                self._ownership.adopt(found)
        elif entry.operation == "create" and made and entry.thread_id:
            self._ledger.created(entry.thread_id)
        elif entry.operation == "cron_create" and made:
            self._new_cron(entry, response)
        elif made and entry.operation in _MAY_MAKE_WHAT_IS_NOT_THERE:
            thread_id = entry.thread_id or ""
            if self._ownership.is_absent(thread_id):
                self._ledger.created(thread_id)

    def _new_thread(self, entry: Entry, response: httpx.Response) -> str | None:
        answer = _parsed(response.content)
        if not is_newer(answer, self._not_before):
            return None
        thread_id = answer.get("thread_id")
        return thread_id if isinstance(thread_id, str) and thread_id != entry.thread_id else None

    def _new_cron(self, entry: Entry, response: httpx.Response) -> None:
        answer = _parsed(response.content)
        if isinstance(answer, dict) and answer.get("thread_id") == entry.thread_id:
            cron_id = str(answer.get("cron_id"))
            self._ledger.cron(cron_id)
            self._ownership.adopt_cron(cron_id)


def is_newer(thread: Any, moment: datetime) -> bool:
    """Whether a thread says that it was created at a moment or later."""
    try:
        created_at = datetime.fromisoformat(thread["created_at"])
    except (ValueError, TypeError, KeyError):
        return False
    if created_at.tzinfo is None:
        created_at = created_at.replace(tzinfo=UTC)
    return created_at >= moment


def _temporary(response: httpx.Response) -> Iterator[str]:
    """The ids of the threads that stateless runs were given, as far as the answer says."""
    answer = _parsed(response.content)
    for run in answer if isinstance(answer, list) else [answer]:
        if isinstance(run, dict) and "run_id" in run and is_uuid(run.get("thread_id")):
            yield run["thread_id"]
    if found := _THREAD_IN_PATH.search(response.headers.get("content-location", "")):
        yield found[1]


def is_uuid(value: Any) -> bool:
    """Whether a value is a text that names a UUID."""
    try:
        UUID(value)
    except (ValueError, TypeError, AttributeError):
        return False
    return True


def _parsed(raw: bytes) -> Any:
    try:
        return parse_json(raw)
    except ValueError:
        return None
