"""Bookkeeping of creations: what a request may create is in the ledger before it is sent."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from conformance.contract.operations import Operation, Scope
from conformance.deployment.ownership.ledger import Ledger
from conformance.deployment.ownership.proof import (
    GetAnswer,
    Ownership,
    canonical,
    has_tag,
    moment_of,
)
from conformance.json_text import parse_json

_THREAD_IN_PATH = re.compile(r"/threads/([^/]+)")

#: Reads a thread by GET; None if there is no answer.
ReadThread = Callable[[str], GetAnswer | None]


@dataclass
class UseCount:
    """The number of writes that have named one id of this run."""

    number: int = 0


@dataclass(frozen=True)
class Creation:
    """A request that may create something, as recorded before it is sent.

    `own_id` is the id of this run under which a thread is requested, and `uses` counts the
    writes that named it. `number` is the ledger's number of a creation whose id the
    deployment chooses.
    """

    operation: str
    thread_id: str | None
    body: Any
    own_id: str | None
    uses: UseCount
    number: int | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether no other request has named its own id."""
        return self.own_id is not None and self.uses.number == 1


class CreationTracker:
    """Writes to the ledger what a request may create, and what its answer says it created.

    An id in an answer that this run did not draw is read by `read_thread`, and owned only
    if that proves it to be this run's.
    """

    def __init__(
        self, ledger: Ledger | None, ownership: Ownership, read_thread: ReadThread
    ) -> None:
        self._ledger = ledger
        self._ownership = ownership
        self._read_thread = read_thread
        self._uses: dict[str, UseCount] = {}
        #: Ids in the answers to creations that were sent without a tag and without an id.
        self._named_untagged: set[str] = set()
        self._lock = threading.Lock()

    def record_request(self, operation: Operation, thread_id: str | None, raw: bytes) -> Creation:
        """Record what a write may create, before it is sent."""
        body = _parsed(raw)
        members = body if isinstance(body, dict) else {}
        own_id = thread_id
        number = None
        if operation.scope is Scope.NEW_THREAD:
            named = members.get("thread_id")
            own_id = named if isinstance(named, str) and self._ownership.is_drawn(named) else None
        # A deployment may create a thread under any id that a write names, though it should not.
        uses = self._count_use(own_id) if own_id is not None else UseCount()
        if self._ledger:
            if operation.name == "copy":
                number = self._ledger.record_begun(f"a copy of {thread_id}")
            elif operation.scope is Scope.NEW_THREAD and own_id is None:
                number = self._ledger.record_begun(
                    "a thread created without an id of this run's", tagged=self._is_tagged(body)
                )
            elif operation.scope is Scope.NEW_RUN and _keeps_thread(body):
                number = self._ledger.record_begun("the kept thread of a stateless run")
            elif operation.name == "cron_create":
                self._ledger.record_scheduled(str(thread_id))
        return Creation(operation.name, thread_id, body, own_id, uses, number)

    def record_response(
        self, operation: Operation, creation: Creation, response: httpx.Response
    ) -> None:
        """Record what the answer says was created, and prove the ids that it names."""
        made = response.is_success
        answer = _parsed(response.content) if made else None
        match operation.scope:
            case Scope.NEW_THREAD:
                self._record_created(creation, response, answer)
            case Scope.NEW_RUN:
                self._record_runs(creation, response, answer)
            case _ if operation.name == "copy":
                self._record_copied(creation, answer)
            case _ if operation.name == "cron_create" and self._ledger:
                cron_id = answer.get("cron_id") if isinstance(answer, dict) else None
                if isinstance(cron_id, str):
                    self._ledger.record_cron(cron_id)

    def _count_use(self, own_id: str) -> UseCount:
        """Count a use of an id, and record the id the first time."""
        with self._lock:
            uses = self._uses.setdefault(canonical(own_id), UseCount())
            uses.number += 1
            if uses.number == 1 and self._ledger and self._ownership.is_drawn(own_id):
                self._ledger.record_planned(own_id)
        return uses

    def _record_created(self, creation: Creation, response: httpx.Response, answer: Any) -> None:
        named = _thread_id_in(answer)
        if creation.own_id is None:
            if not self._left_unfindable(creation, response, named):
                self._close(creation, named)
            self._prove(named)
        elif named is None:
            return
        elif canonical(named) == canonical(creation.own_id):
            self._ownership.ids_are_kept = True
            if self._ledger:
                self._ledger.record_created(creation.own_id)
            if creation.is_fresh:
                self._learn_clock(answer)
        else:
            if self._ownership.ids_are_kept is None:
                self._ownership.ids_are_kept = False
            if self._ledger:
                self._ledger.record_named(named)
            self._prove(named)

    def _is_tagged(self, body: Any) -> bool:
        metadata = body.get("metadata") if isinstance(body, dict) else None
        return has_tag(metadata, self._ownership.run_id)

    def _left_unfindable(
        self, creation: Creation, response: httpx.Response, named: str | None
    ) -> bool:
        """Return whether a creation may have left a thread that cannot be found again.

        Neither the search for the run's tag nor the answer leads to it: the creation has no tag,
        it was not refused, and the answer names no id, or one that an earlier answer named.
        """
        if self._is_tagged(creation.body) or response.is_client_error:
            return False
        with self._lock:
            known = named is None or canonical(named) in self._named_untagged
            if named is not None:
                self._named_untagged.add(canonical(named))
        return known

    def _record_copied(self, creation: Creation, answer: Any) -> None:
        named = _thread_id_in(answer)
        if named is not None and canonical(named) == canonical(str(creation.thread_id)):
            named = None  # The answer names the source: no thread was created.
        self._close(creation, named)
        self._prove(named)

    def _record_runs(self, creation: Creation, response: httpx.Response, answer: Any) -> None:
        if not response.is_success:
            self._close(creation, None)
            return
        for thread_id in dict.fromkeys(_threads_of_runs(response, answer)):
            if self._ledger:
                self._ledger.record_named(thread_id)
            if creation.number is not None:
                self._prove(thread_id)
        self._close(creation, None)

    def _close(self, creation: Creation, named: str | None) -> None:
        if self._ledger and creation.number is not None:
            self._ledger.record_ended(creation.number, named)

    def _prove(self, thread_id: str | None) -> None:
        if thread_id is None or self._ownership.is_ours(thread_id):
            return
        if shown := self._read_thread(thread_id):
            self._ownership.adopt_thread(shown, named_by_creation=True)

    def _learn_clock(self, thread: Any) -> None:
        created_at = moment_of(thread.get("created_at"))
        if created_at is None:
            return
        clock = self._ownership.clock
        if (
            clock.learn_from_creation(created_at, datetime.now(UTC))
            and self._ledger
            and clock.offset
        ):
            self._ledger.record_clock(clock.offset)


def _thread_id_in(answer: Any) -> str | None:
    thread_id = answer.get("thread_id") if isinstance(answer, dict) else None
    return thread_id if isinstance(thread_id, str) and thread_id else None


def _keeps_thread(body: Any) -> bool:
    bodies = body if isinstance(body, list) else [body]
    return any(isinstance(each, dict) and each.get("on_completion") == "keep" for each in bodies)


def _threads_of_runs(response: httpx.Response, answer: Any) -> Iterator[str]:
    """Yield the ids of the threads on which stateless runs took place, if the answer says so."""
    for run in answer if isinstance(answer, list) else [answer]:
        if isinstance(run, dict) and "run_id" in run and (found := _thread_id_in(run)):
            yield found
    if located := _THREAD_IN_PATH.search(response.headers.get("content-location", "")):
        yield located[1]


def _parsed(raw: bytes) -> Any:
    try:
        return parse_json(raw)
    except ValueError:
        return None
