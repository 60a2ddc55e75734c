"""Removal of what a run created, and of nothing else.

Only what is proved to be the run's is deleted, and it counts as deleted only once a GET
answers 404 or 410. After any other answer a thread counts as left. On a disposable deployment
many threads are deleted by one request first; elsewhere one that takes it for all threads would
delete those of others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import httpx

from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.delivery.trouble import CREDENTIAL_STATUSES, GATEWAY_STATUSES
from conformance.deployment.ownership.ledger import LedgerState
from conformance.deployment.ownership.proof import RUN_TAG, GetAnswer, canonical, is_uuid
from conformance.parallel import ConcurrencyLimit, for_each

_PAGE = 100
#: Pages of a search that are read, at most, in case it never ends.
_MOST_PAGES = 1_000
#: How many threads are removed at the same time, at most: a round trip may take long.
_AT_ONCE = 32
#: How many threads one request deletes, at most.
_PRUNED_AT_ONCE = 100
#: After so many requests in a row without a useful answer no more are sent.
_UNANSWERED_IN_A_ROW = 3
#: Statuses that come from a gateway or mean a refused key, and say nothing about a thread.
_OF_NO_USE = GATEWAY_STATUSES | CREDENTIAL_STATUSES | frozenset(range(300, 400))
_GONE = (httpx.codes.NOT_FOUND, httpx.codes.GONE)
_MALFORMED = (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)

_Ask = Callable[[], Answer]


@dataclass(frozen=True)
class Leftover:
    """A thread that exists, or may exist, and the reason why it was not removed.

    `thread_id` is a description where the id is not known. `foreign` is set where a GET did
    not prove that it is this run's: it will not be removed later either.
    """

    thread_id: str
    reason: str
    foreign: bool = False


@dataclass(frozen=True)
class Removal:
    """The result of the removal of a run's threads.

    `existed` holds the ids of the threads that existed at some time, according to an
    answer; `left` those of them that may still exist. `possible` holds ids, or
    descriptions, of threads that may exist, though no answer ever said that this run
    created them.
    """

    existed: frozenset[str] = frozenset()
    left: tuple[Leftover, ...] = ()
    possible: tuple[Leftover, ...] = ()

    @property
    def created(self) -> int:
        """The number of threads that existed."""
        return len(self.existed)

    @property
    def removed(self) -> int:
        """The number of those threads that no longer exist."""
        return len(self.existed) - len({canonical(each.thread_id) for each in self.left})

    @property
    def is_complete(self) -> bool:
        """Whether no thread is left or possibly left."""
        return not (self.left or self.possible)

    @property
    def is_settled(self) -> bool:
        """Whether no thread is left that could be removed later."""
        return not self.left and all(each.foreign for each in self.possible)


def delete_thread(client: ThreadsClient, thread_id: str) -> str:
    """Delete a thread of the run; return why it may still exist, else an empty string.

    The thread counts as deleted only if a GET afterwards shows that it is gone. Errors of the
    connection are part of the reason and are not raised.
    """
    return try_to_delete(client, thread_id)[0]


def try_to_delete(client: ThreadsClient, thread_id: str) -> tuple[str, tuple[int | None, ...]]:
    """Return why the thread may still exist, and the statuses of DELETE and GET.

    A status is None where there was no answer. The reason is empty if the thread is gone.
    """
    status: int | None = None
    try:
        status = client.delete(thread_id).status
        deletion = f"DELETE answers {status}"
    except httpx.HTTPError as broken:
        # The server may have deleted it all the same.
        deletion = f"no answer to DELETE ({type(broken).__name__})"
    try:
        shown = client.get(thread_id)
    except httpx.HTTPError as broken:
        return f"no answer ({type(broken).__name__})", (status, None)
    if is_gone(shown, thread_id):
        return "", (shown.status,)
    return f"{deletion}, GET then {shown.status}", (status, shown.status)


def remove_all(
    client: ThreadsClient,
    ledger: LedgerState,
    keep: Collection[str] = (),
    *,
    disposable: bool = False,
) -> Removal:
    """Delete every thread and cron that is proved to be the run's, except threads in `keep`.

    Errors of the connection do not stop the removal: a thread that could not be deleted counts
    as left, and one that could not be read as possibly left. On a `disposable` deployment many
    threads are deleted by one request where it offers that.
    """
    return _Remover(client, ledger, keep, disposable).removal()


@dataclass
class _Remover:
    """The removal of what the ledger names, then of what a search for the run's tag finds."""

    client: ThreadsClient
    ledger: LedgerState
    keep: Collection[str]
    disposable: bool = False
    #: Threads that a request for many was to delete: a GET says which of them are gone.
    pruned: set[str] = field(default_factory=set)
    existed: dict[str, str] = field(default_factory=dict)
    left: dict[str, Leftover] = field(default_factory=dict)
    possible: dict[str, Leftover] = field(default_factory=dict)
    #: Whether the search for the run's tag succeeded. Only then does a status such as 403 or 502
    #: count as an answer about a thread: otherwise a gateway may answer, or the key be refused.
    search_is_answered: bool = True
    unanswered: int = 0
    #: Deletions in a row without a useful answer, even if other requests are answered.
    failed_deletions_in_a_row: int = 0
    pace: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(_AT_ONCE))

    def removal(self) -> Removal:
        """Remove everything and return the result."""
        self.existed |= {canonical(each): each for each in self.ledger.created}
        gone = self.ledger.gone
        # If the search succeeds, the delivery can repeat it later, to distinguish an expired key
        # from a deployment that itself answers 403 for an id that does not exist.
        self.search_is_answered = self._search(0) is not None
        # Crons first: they could create threads, or history, during the removal.
        self._for_each(self._unschedule, self.ledger.crons)
        scheduled = {each for each in self.ledger.scheduled if not self._is_unscheduled(each)}
        generated = _without(self.ledger.generated, gone)
        if self.disposable:
            self._prune([each for each in generated if self._is_deleted_unasked(each)])
        self._for_each(self._remove_generated, generated)
        self._for_each(self._remove_named, _without(self.ledger.named, gone))
        tagged_are_known = self._remove_tagged()
        for thread_id in scheduled:
            # A cron may exist although its thread does not.
            self._record_left(thread_id, "a cron on it could not be removed")
        if not tagged_are_known:
            self._record_possible(
                self.ledger.unidentified, "no answer told its id, and no search shows the tag"
            )
        self._record_possible(
            self.ledger.unfindable,
            "no answer told its id, and it has no tag of the run",
            findable=False,
        )
        kept = {canonical(each) for each in self.keep}
        return Removal(
            existed=frozenset(each for each in self.existed if each not in kept),
            left=tuple(each for known, each in self.left.items() if known not in kept),
            possible=tuple(self.possible.values()),
        )

    def _for_each(self, remove: Callable[[str], object], ids: Iterable[str]) -> None:
        """Remove several things at a time, fewer while requests get no useful answer, or late."""

        def when_allowed(own_id: str) -> None:
            with self.pace.slot():
                began = time.monotonic()
                remove(own_id)
                took_s = time.monotonic() - began
            self.pace.adjust(
                well=not (self.unanswered or self.failed_deletions_in_a_row), took_s=took_s
            )

        for_each(when_allowed, ids, _AT_ONCE)

    def _is_kept(self, thread_id: str) -> bool:
        return thread_id in self.keep or canonical(thread_id) in self.keep

    # Threads

    def _is_deleted_unasked(self, thread_id: str) -> bool:
        """Return whether the thread is deleted without a GET before: an answer said it exists."""
        return (
            is_uuid(thread_id)
            and canonical(thread_id) in self.existed
            and not self._is_kept(thread_id)
        )

    def _prune(self, thread_ids: list[str]) -> None:
        """Delete many threads by one request, unless it is refused once: not everyone offers it."""
        for first in range(0, len(thread_ids), _PRUNED_AT_ONCE):
            some = thread_ids[first : first + _PRUNED_AT_ONCE]
            body = {"thread_ids": some, "strategy": "delete"}
            answer = self._answer_or_none(partial(self.client.prune, body))
            if answer is None or not answer.ok:
                return
            self.pruned.update(map(canonical, some))

    def _remove_generated(self, thread_id: str) -> None:
        """Delete the thread, if any, under an id that the run generated."""
        if self._is_kept(thread_id):
            return
        known = canonical(thread_id)
        if not is_uuid(thread_id):
            # A deployment that refuses such an id on GET may still have created a thread under it.
            self._delete(thread_id)
            return
        said_created = known in self.existed
        unasked = said_created and known not in self.pruned
        shown = None if unasked else self._get(thread_id)
        if shown is not None and is_gone(shown, thread_id):
            return
        if said_created or (shown is not None and shown.ok):
            self.existed.setdefault(known, thread_id)
            self._delete(thread_id)
            return
        self.possible[known] = Leftover(thread_id, _describe_get(shown))

    def _remove_named(self, thread_id: str) -> None:
        """Delete a thread that an answer named, if a GET proves that it is the run's."""
        known = canonical(thread_id)
        if self._is_kept(thread_id) or known in self.existed:
            return
        shown = self._get(thread_id)
        if shown is not None and is_gone(shown):
            return
        if shown is None or not shown.ok:
            self.possible[known] = Leftover(
                thread_id, f"an answer named it; {_describe_get(shown)}"
            )
            return
        found = GetAnswer(thread_id, shown.status, shown.digested)
        if reason := self.client.ownership.own_thread_if_proved(found, named_by_creation=True):
            said = f"an answer named it, but {reason}: it is not touched"
            self.possible[known] = Leftover(thread_id, said, foreign=True)
            return
        self.existed[known] = thread_id
        self._delete(thread_id)

    def _remove_tagged(self) -> bool:
        """Delete the threads that a search for the tag finds; return whether the search succeeded.

        The search is repeated until it finds nothing new: a thread may become visible late.
        """
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            page = self._search(len(self.left) + len(self.possible))
            if page is None:
                return False
            fresh = [each for each in page if canonical(each) not in seen]
            if not fresh:
                return True
            seen.update(map(canonical, fresh))
            self._for_each(self._remove_found, fresh)
        return True

    def _remove_found(self, thread_id: str) -> None:
        """Delete a thread that a search found, if it is proved to be the run's."""
        if self._is_kept(thread_id) or canonical(thread_id) in self.left:
            return
        if self.client.ownership.is_generated(thread_id):
            self.existed[canonical(thread_id)] = thread_id
            self._delete(thread_id)
            return
        shown = self._get(thread_id)
        if shown is None or is_gone(shown):
            return
        found = GetAnswer(thread_id, shown.status, shown.digested)
        if not self.client.ownership.own_thread_if_proved(found):
            self.existed[canonical(thread_id)] = thread_id
            self._delete(thread_id)

    def _search(self, known_left: int) -> list[str] | None:
        """Return a page of ids that carry the run's tag; None if the search fails.

        `known_left` is the number of threads that are known to be left. The page is longer by
        that number, since the search finds those threads again.
        """
        tag = {RUN_TAG: self.client.tag[RUN_TAG]}
        body = {"metadata": tag, "limit": _PAGE + min(known_left, 10 * _PAGE - _PAGE)}
        answer = self._answer_or_none(lambda: self.client.search(body, private=True))
        if answer is None or not answer.ok or not isinstance(answer.digested, list):
            return None
        return list(_tagged_ids(answer.digested, tag[RUN_TAG]))

    def _delete(self, thread_id: str) -> None:
        """Delete a thread of the run, and record it as left unless it is gone afterwards."""
        if max(self.unanswered, self.failed_deletions_in_a_row) >= _UNANSWERED_IN_A_ROW:
            reason = "no request is answered any more in a way that says anything"
        else:
            reason, statuses = try_to_delete(self.client, thread_id)
            self.failed_deletions_in_a_row = (
                0 if all(map(self._is_of_use, statuses)) else self.failed_deletions_in_a_row + 1
            )
        if reason:
            self._record_left(thread_id, reason)
        else:
            self.left.pop(canonical(thread_id), None)

    def _record_left(self, thread_id: str, reason: str) -> None:
        known = canonical(thread_id)
        if known in self.existed or self.client.ownership.is_generated(thread_id):
            self.existed.setdefault(known, thread_id)
            self.left[known] = Leftover(thread_id, reason)

    def _record_possible(
        self, creations: Iterable[str], reason: str, *, findable: bool = True
    ) -> None:
        for number, what in enumerate(creations, 1):
            self.possible[f"{reason} {number}"] = Leftover(what, reason, foreign=not findable)

    # Crons

    def _unschedule(self, cron_id: str) -> bool:
        """Delete a cron if a GET proves it to be the run's; return whether it no longer exists."""
        shown = self._answer_or_none(lambda: self.client.crons.get(cron_id))
        if shown is None:
            return False
        if is_gone(shown):
            return True
        if self.client.ownership.own_cron_if_proved(
            GetAnswer(cron_id, shown.status, shown.digested)
        ):
            return False
        if self._answer_or_none(lambda: self.client.crons.delete(cron_id)) is None:
            return False
        after = self._answer_or_none(lambda: self.client.crons.get(cron_id))
        return after is not None and is_gone(after)

    def _is_unscheduled(self, thread_id: str) -> bool:
        """Return whether no cron is left on a thread of the run."""
        body = {"thread_id": thread_id, "limit": _PAGE}
        answer = self._answer_or_none(lambda: self.client.crons.search(body))
        if answer is None or not answer.ok or not isinstance(answer.digested, list):
            return all(self._is_cron_gone(each) for each in self.ledger.crons)
        cron_ids = [
            each["cron_id"]
            for each in answer.digested
            if isinstance(each, dict)
            and each.get("thread_id") == thread_id
            and isinstance(each.get("cron_id"), str)
        ]
        unscheduled = [self._unschedule(each) for each in cron_ids]
        return all(unscheduled)

    def _is_cron_gone(self, cron_id: str) -> bool:
        shown = self._answer_or_none(lambda: self.client.crons.get(cron_id))
        return shown is not None and is_gone(shown)

    # Requests

    def _get(self, thread_id: str) -> Answer | None:
        return self._answer_or_none(lambda: self.client.get(thread_id))

    def _answer_or_none(self, ask: _Ask) -> Answer | None:
        """Return the answer; None without one, or if the last requests got no useful answer."""
        if self.unanswered >= _UNANSWERED_IN_A_ROW:
            return None
        try:
            answer = ask()
        except httpx.HTTPError:
            self.unanswered += 1
            return None
        self.unanswered = 0 if self._is_of_use(answer.status) else self.unanswered + 1
        return answer

    def _is_of_use(self, status: int | None) -> bool:
        """Return whether an answer says something about the thread, and not about the key."""
        return status is not None and (self.search_is_answered or status not in _OF_NO_USE)


def _without(thread_ids: Iterable[str], gone: frozenset[str]) -> list[str]:
    """Return the ids that are not known to be gone."""
    return [each for each in thread_ids if canonical(each) not in gone]


def _describe_get(shown: Answer | None) -> str:
    return "GET gets no answer of use" if shown is None else f"GET answers {shown.status}"


def is_gone(shown: Answer, thread_id: str | None = None) -> bool:
    """Return whether the thread does not exist: 404 or 410; for a malformed id also 400 or 422."""
    malformed = thread_id is not None and not is_uuid(thread_id)
    return shown.status in _GONE or (malformed and shown.status in _MALFORMED)


def _tagged_ids(hits: Iterable[object], run_id: str) -> Iterator[str]:
    """Yield the ids of the hits that carry the run's tag; a hit proves no ownership."""
    for each in hits:
        if not isinstance(each, dict):
            continue
        thread_id, metadata = each.get("thread_id"), each.get("metadata")
        tagged = isinstance(metadata, dict) and metadata.get(RUN_TAG) == run_id
        if tagged and isinstance(thread_id, str) and thread_id:
            yield thread_id
