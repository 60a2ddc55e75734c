"""Freedoms of visibility: delayed search, count, GET and copies; the order of results."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conformance.faults.kit.http_changes import change_request, without
from conformance.freedoms.registry import freedom
from conformance.json_differences import same_json
from conformance.model.crons import Crons
from conformance.model.entities import Cron, Thread
from conformance.model.records import Records
from conformance.model.search import Query, Searches
from conformance.model.threads import Threads
from conformance.model.views import Views
from conformance.reference.altered import Altered, Apply
from conformance.reference.wire import Json, WireRequest

#: The delay in seconds until search and count show a change, below the declared deadline.
_LAG_S = 0.5
_AWAITED = "Rules of fairness: visibility in search and count is awaited."
_ORDER = "No source says in which order a search gives threads that nothing tells apart."


class _Past:
    """The threads of a store as they were `_LAG_S` ago."""

    def __init__(self, altered: Altered) -> None:
        self._store = altered.store
        self._known: list[tuple[float, str, Thread | None]] = []

        @altered.override(Records.keep)
        def keep(right: Any, thread: Thread) -> Any:
            self._known.append((time.monotonic(), thread.thread_id, thread))
            return right(thread)

        @altered.override(Records.forget)
        def forget(right: Any, thread_id: str) -> None:
            self._known.append((time.monotonic(), thread_id, None))
            right(thread_id)

    def threads(self, at_least: float = 0.0) -> dict[str, Thread]:
        """Return the threads by id as of `_LAG_S` ago, or of `at_least` if that is later."""
        until = max(time.monotonic() - _LAG_S, at_least)
        then: dict[str, Thread] = {}
        for moment, thread_id, thread in self._known:
            if moment > until:
                break
            if thread is None:
                then.pop(thread_id, None)
            else:
                then[thread_id] = thread
        return then

    def is_older(self, one: Thread, other: Thread) -> bool:
        """Return whether the version `one` of a thread was stored before `other`."""
        for _, _, known in reversed(self._known):
            if known is one:
                return False
            if known is other:
                return True
        return False

    def matching(self, right: Any, query: Query) -> Any:
        """Return the threads that matched `query` `_LAG_S` ago."""
        then = self.threads()
        records = self._store.records
        now, records.threads_by_id = records.threads_by_id, then
        try:
            return right(query)
        finally:
            records.threads_by_id = now


def _lagging(operation: Callable[..., Any]) -> Apply:
    def apply(altered: Altered) -> None:
        past = _Past(altered)

        @altered.override(operation)
        def ask(right: Any, *given: Any, **named: Any) -> Any:
            now = altered.store.searches.matching
            altered.store.searches.matching = lambda query: past.matching(now, query)  # type: ignore[method-assign]
            try:
                return right(*given, **named)
            finally:
                altered.store.searches.matching = now  # type: ignore[method-assign]

    return apply


freedom("search-lags", allowed_by=_AWAITED)(_lagging(Searches.search))
freedom("count-lags", allowed_by=_AWAITED)(_lagging(Searches.count))


@freedom("crons-are-found-later", allowed_by=_AWAITED, profile="full")
def crons_are_found_later(altered: Altered) -> None:
    records = altered.store.records
    #: All crons by id after each change, with the time of the change.
    known: list[tuple[float, dict[str, Cron]]] = [(time.monotonic(), {})]

    def note() -> None:
        known.append((time.monotonic(), dict(records.crons_by_id)))

    @altered.override(Records.keep_cron)
    def keep_cron(right: Any, cron: Cron) -> Cron:
        kept: Cron = right(cron)
        note()
        return kept

    @altered.override(Records.forget_cron)
    def forget_cron(right: Any, cron_id: str) -> None:
        right(cron_id)
        note()

    @altered.override(Crons.matching_crons)
    def matching_crons(right: Any, filters: dict[str, Any]) -> Any:
        until = time.monotonic() - _LAG_S
        then = [crons for moment, crons in known if moment <= until]
        now, records.crons_by_id = records.crons_by_id, then[-1] if then else {}
        try:
            return right(filters)
        finally:
            records.crons_by_id = now


freedom("searches-that-name-no-order-go-by-id", allowed_by=_ORDER, choice="default order")(
    change_request(
        "search",
        to=lambda body: {"sort_order": "asc", **body, "sort_by": "thread_id"},
        when=lambda request: "sort_by" not in request.members,
    )
)
freedom(
    "searches-that-name-no-direction-rise",
    allowed_by="The published sort_order has no default.",
    choice="default direction",
)(
    change_request(
        "search",
        to=lambda body: {**body, "sort_order": "asc"},
        when=lambda request: "sort_order" not in request.members,
    )
)


@freedom("equals-stand-in-another-order", allowed_by=_ORDER)
def equals_stand_in_another_order(altered: Altered) -> None:
    @altered.override(Searches.ordered_threads)
    def ordered(_right: Any, threads: Sequence[Thread], sort_by: str, sort_order: str) -> Any:
        by_id = sorted(threads, key=lambda thread: thread.thread_id[::-1])
        return sorted(
            by_id, key=lambda each: str(getattr(each, sort_by)), reverse=sort_order != "asc"
        )


@freedom(
    "objects-are-found-by-equality",
    allowed_by="The documents show filters of texts; no source says that an object is found by a "
    "part of it.",
    choice="filters by objects",
)
def objects_are_found_by_equality(altered: Altered) -> None:
    @altered.override(Searches.matches)
    def matches(_right: Any, thread: Thread, query: Query) -> bool:
        return (
            (query.status is None or thread.status == query.status)
            and all(
                name in there and same_json(there[name], value)
                for there, wanted in (
                    (thread.metadata, query.metadata),
                    (thread.values, query.values),
                )
                for name, value in (wanted or {}).items()
            )
            # That exclude_metadata matches a part of the metadata is published.
            and not (query.exclude_metadata and altered.store.searches.excluded(thread, query))
        )


_VALUES_FOLLOW = (
    "004 prints no values in its output of get; that they follow the state within the "
    "declared deadline is all that is asked of them."
)


def _lagging_values(altered: Altered, flushed: Mapping[str, float]) -> None:
    """Let GET show the values of `_LAG_S` ago, or of the thread's time in `flushed` if later."""
    past = _Past(altered)
    shown: dict[str, Thread] = {}

    @altered.override(Views.thread_view)
    def thread_view(right: Any, thread: Thread) -> Any:
        since = flushed.get(thread.thread_id)
        then = past.threads(since or 0.0).get(thread.thread_id)
        # A thread that was just created shows its initial values, and never older ones again.
        if then is None or (since is None and not then.checkpoints):
            then = thread
        last = shown.get(thread.thread_id, then)
        if past.is_older(then, last):
            then = last
        shown[thread.thread_id] = then
        return {**right(thread), "values": right(then)["values"]}


freedom("values-that-get-shows-lag", allowed_by=_VALUES_FOLLOW)(
    lambda altered: _lagging_values(altered, {})
)


@freedom(
    "values-that-get-shows-lag-until-the-thread-is-pruned",
    allowed_by=_VALUES_FOLLOW,
)
def values_lag_until_the_thread_is_pruned(altered: Altered) -> None:
    flushed: dict[str, float] = {}
    _lagging_values(altered, flushed)

    @altered.override(Threads.create)
    def create(right: Any, *given: Any, **named: Any) -> Any:
        there = set(altered.store.records.threads_by_id)
        made = right(*given, **named)
        if made["thread_id"] not in there:
            flushed[made["thread_id"]] = time.monotonic()
        return made

    @altered.override(Threads.pruned)
    def pruned(right: Any, thread: Thread) -> Thread:
        flushed[thread.thread_id] = time.monotonic()
        kept: Thread = right(thread)
        return kept


@freedom(
    "interrupts-that-get-shows-lag",
    allowed_by="No output of the documents shows the interrupts of a thread, and no source says "
    "how soon after its run GET shows them: like its values, within the declared deadline.",
)
def interrupts_that_get_shows_lag(altered: Altered) -> None:
    past = _Past(altered)

    @altered.override(Views.thread_view)
    def thread_view(right: Any, thread: Thread) -> Any:
        then = past.threads().get(thread.thread_id)
        shown = altered.store.views.pending_interrupts(then) if then is not None else {}
        return {**right(thread), "interrupts": shown}


@freedom(
    "copies-get-their-status-a-moment-later",
    allowed_by="Only the history of a copy is promised; no source says at which moment its status "
    "follows from it.",
)
def copies_get_their_status_later(altered: Altered) -> None:
    copied: dict[str, float] = {}

    @altered.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        made = right(thread_id)
        copied[made["thread_id"]] = time.monotonic()
        return {**made, "status": "idle"}

    @altered.override(Views.thread_view)
    def thread_view(right: Any, thread: Thread) -> Any:
        fresh = time.monotonic() - copied.get(thread.thread_id, 0.0) < _LAG_S
        return {**right(thread), "status": "idle"} if fresh else right(thread)


class _New:
    """The threads whose first state was stored less than `_LAG_S` ago."""

    def __init__(self, altered: Altered) -> None:
        self._since: dict[str, float] = {}

        @altered.override(Records.keep)
        def keep(right: Any, thread: Thread) -> Any:
            if thread.checkpoints:
                self._since.setdefault(thread.thread_id, time.monotonic())
            return right(thread)

    def __contains__(self, thread_id: object) -> bool:
        return time.monotonic() - self._since.get(str(thread_id), 0.0) < _LAG_S


@freedom(
    "values-of-new-threads-that-get-shows-lag",
    allowed_by="004 prints no values in its output of get; that they follow the state within the "
    "declared deadline is all that is asked of them, also where a creation answers them at once.",
    # A thread that still changes before a restart cannot be compared after it.
    may_block="DURABLE-15",
)
def values_of_new_threads_that_get_shows_lag(altered: Altered) -> None:
    new = _New(altered)

    @altered.wire.answers("get")
    def show(request: WireRequest, thread: Json) -> Json:
        lags = "values" in thread and request.thread_id in new
        return {**thread, "values": {}} if lags else thread


@freedom(
    "values-that-searches-show-lag-and-are-left-out-until-then",
    allowed_by=f"{_AWAITED} The published Thread does not require values.",
)
def values_that_searches_show_lag(altered: Altered) -> None:
    new = _New(altered)

    @altered.wire.answers("search")
    def show(_request: WireRequest, found: Json) -> Json:
        return [without(each, "values") if each.get("thread_id") in new else each for each in found]


@freedom(
    "creations-answer-idle-before-the-status-follows",
    allowed_by="003 prints the status of a thread prepopulated to its end alone; no source says at "
    "which moment that of another follows from its state.",
)
def creations_answer_idle(altered: Altered) -> None:
    @altered.override(Threads.create)
    def create(right: Any, *, thread_id: str | None = None, **members: Any) -> Any:
        known = thread_id in altered.store.records.threads_by_id
        made = right(thread_id=thread_id, **members)
        return made if known else {**made, "status": "idle"}
