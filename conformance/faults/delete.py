"""Faults of deleting threads: data that stays, threads that exist again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import with_status, without
from conformance.faults.kit.state import at_first_request, stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Thread
from conformance.model.errors import ConflictError, ModelError, NotFoundError
from conformance.model.runs import Runs
from conformance.model.search import Query, Searches
from conformance.model.states import States
from conformance.model.threads import Threads
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer

DELETE = "delete"
Gone = dict[str, Thread]
EVERY = Query()


def _remembered(broken: FaultyDeployment) -> Gone:
    """Return a dict that collects the deleted threads by id."""
    gone: Gone = {}

    @broken.wire.before(DELETE)
    def note(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        if thread is not None:
            gone[request.thread_id] = thread

    return gone


def _once_deleted(then: Callable[[FaultyDeployment, Gone], None]) -> Apply:
    """Call `then(broken, deleted threads by id)` at the first DELETE; nothing is altered before."""

    def apply(broken: FaultyDeployment) -> None:
        gone = _remembered(broken)
        at_first_request(DELETE, lambda: then(broken, gone))(broken)

    return apply


# The answer of DELETE


@fault(
    "delete-does-nothing",
    breaks=(
        "DELETE-02 DELETE-03 DELETE-04 DELETE-05 DELETE-06 DELETE-08 DELETE-10 DELETE-11 "
        "DELETE-12 DELETE-13 DELETE-14 DELETE-15 DELETE-16 CRON-11 LINK-01 CONCURRENT-07 SEQ-18"
    ),
)
def delete_does_nothing(broken: FaultyDeployment) -> None:
    @broken.wire.before(DELETE)
    def skip(request: WireRequest) -> WireAnswer | None:
        return json_answer(200, {}) if stored_thread(broken, request.thread_id) else None


@fault("delete-refuses-threads-with-history", breaks=["DELETE-01", "LINK-01"])
def refuses_threads_with_history(broken: FaultyDeployment) -> None:
    @broken.wire.before(DELETE)
    def refuse(request: WireRequest) -> WireAnswer | None:
        thread = stored_thread(broken, request.thread_id)
        if thread is None or not thread.checkpoints:
            return None
        return json_answer(409, {"detail": "the thread has a history"})


fault("delete-is-answered-500", breaks=["DELETE-01"])(with_status(500, DELETE, instead_of=204))


def _unknown_answers(status: int, deleted: bool) -> Apply:
    """Answer DELETE with another status for a deleted thread, or for one that never existed."""

    def apply(broken: FaultyDeployment) -> None:
        gone = _remembered(broken)

        @broken.wire.after(DELETE)
        def change_status(request: WireRequest, answer: WireAnswer) -> None:
            if answer.status == 404 and (request.thread_id in gone) is deleted:
                answer.status = status

    return apply


fault("deleting-twice-succeeds", breaks=["DELETE-08", "LINK-01"])(
    _unknown_answers(200, deleted=True)
)
fault("deleting-twice-is-410", breaks=["DELETE-08"])(_unknown_answers(410, deleted=True))
fault("deleting-what-never-was-succeeds", breaks=["DELETE-09"])(
    _unknown_answers(200, deleted=False)
)
fault("deleting-an-unknown-thread-is-422", breaks=["DELETE-08", "DELETE-09"])(
    with_status(422, DELETE, instead_of=404)
)

# Leftovers of the thread


def _still_there(*operations: str) -> Apply:
    """Answer these operations as if the thread had not been deleted."""

    def then(broken: FaultyDeployment, gone: Gone) -> None:
        @broken.wire.after(*operations)
        def answer_as_before(request: WireRequest, answer: WireAnswer) -> None:
            thread = gone.get(request.thread_id)
            if answer.status != 404 or thread is None or stored_thread(broken, request.thread_id):
                return
            latest = thread.latest
            views = {
                "get": broken.store.views.thread_view(thread),
                "history": [],
                "post_history": [],
            }
            state = broken.store.views.state_view(thread, latest) if latest else None
            answer.status, answer.body = 200, views.get(request.operation, state)

    return _once_deleted(then)


fault(
    "deleted-thread-is-still-shown",
    breaks=["DELETE-02", "CONCURRENT-07", "SEQ-18"],
)(_still_there("get"))
fault("deleted-thread-has-a-state", breaks=["DELETE-03", "CONCURRENT-07", "SEQ-18"])(
    _still_there("state")
)
fault("deleted-thread-has-its-checkpoints", breaks=["DELETE-11"])(
    _still_there("state_at_checkpoint")
)
fault("deleted-thread-has-a-history", breaks=["DELETE-04", "LINK-01", "CONCURRENT-07", "SEQ-18"])(
    _still_there("history")
)
fault("deleted-thread-has-a-history-by-post", breaks=["DELETE-12"])(_still_there("post_history"))


@fault("deleted-thread-is-410", breaks=["DELETE-02"])
@_once_deleted
def deleted_thread_is_410(broken: FaultyDeployment, gone: Gone) -> None:
    @broken.wire.after("get")
    def answer_410(request: WireRequest, answer: WireAnswer) -> None:
        if answer.status == 404 and request.thread_id in gone:
            answer.status = 410


def _found(by: Callable[[Query], Any]) -> Apply:
    """Let searches find deleted threads, where `by(query)` holds."""

    def then(broken: FaultyDeployment, gone: Gone) -> None:
        @broken.override(Searches.search)
        def search(right: Any, query: Query = EVERY, **options: Any) -> Any:
            found = right(query, **options)
            if not gone or not by(query) or options.get("select") or options.get("extract"):
                return found
            return [*_stale(broken, gone, query), *found][: options.get("limit", 10)]

    return _once_deleted(then)


def _stale(broken: FaultyDeployment, gone: Gone, query: Query) -> list[Json]:
    """Return the deleted threads that match a query, as they were."""
    return [
        broken.store.views.thread_view(thread)
        for thread_id, thread in gone.items()
        if stored_thread(broken, thread_id) is None
        and broken.store.searches.matches(thread, query)
        and (query.ids is None or thread_id in query.ids)
    ]


@fault("deleted-threads-that-were-once-found-stay-found", breaks=["DELETE-05"])
def once_found_stay_found(broken: FaultyDeployment) -> None:
    gone = _remembered(broken)
    indexed: set[str] = set()

    @broken.override(Searches.search)
    def search(right: Any, query: Query = EVERY, **options: Any) -> Any:
        found = right(query, **options)
        # With `select`, results may lack their ids.
        if not all("thread_id" in each for each in found):
            return found
        indexed.update(each["thread_id"] for each in found)
        known = {thread_id: gone[thread_id] for thread_id in gone.keys() & indexed}
        return [*_stale(broken, known, query), *found][: options.get("limit", 10)]


fault("deleted-threads-are-found", breaks=["DELETE-05", "SEQ-18"])(_found(lambda query: True))
fault("deleted-threads-are-found-by-status", breaks=["DELETE-05"])(
    _found(lambda query: query.status)
)


@fault("deleted-threads-are-counted", breaks=["DELETE-06"])
@_once_deleted
def deleted_threads_are_counted(broken: FaultyDeployment, gone: Gone) -> None:
    @broken.override(Searches.count)
    def count(right: Any, query: Query = EVERY) -> Any:
        return right(query) + sum(
            broken.store.searches.matches(each, query) for each in gone.values()
        )


# A thread under the id of a deleted one


def _recreated(change: Callable[[Thread, Thread], Thread]) -> Apply:
    """Store `change(new thread, deleted thread)` when a deleted thread is created again."""

    def then(broken: FaultyDeployment, gone: Gone) -> None:
        @broken.wire.answers("create", when=lambda request: "thread_id" in request.members)
        def change_recreated(_request: WireRequest, made: Json) -> Json:
            former, now = gone.get(made["thread_id"]), stored_thread(broken, made["thread_id"])
            if former is None or now is None:
                return made
            return broken.store.views.thread_view(broken.store.records.keep(change(former, now)))

    return _once_deleted(then)


fault("thread-anew-has-the-old-history", breaks=["DELETE-07", "SEQ-19"])(
    _recreated(lambda former, now: replace(now, checkpoints=former.checkpoints))
)
fault("thread-anew-has-the-old-metadata", breaks=["DELETE-07", "SEQ-19"])(
    _recreated(lambda former, now: replace(now, metadata={**former.metadata, **now.metadata}))
)


@fault("empty-history-of-a-thread-anew-lists-the-old-states", breaks=["DELETE-07", "SEQ-19"])
@_once_deleted
def old_states_are_listed(broken: FaultyDeployment, gone: Gone) -> None:
    @broken.wire.answers("history")
    def list_old(request: WireRequest, page: Json) -> Json:
        former = gone.get(request.thread_id)
        if page or former is None:
            return page
        old = [broken.store.views.state_view(former, each) for each in former.checkpoints[::-1]]
        return [without(state, "checkpoint_id") for state in old]


@fault("first-run-of-a-thread-anew-brings-the-old-states-back", breaks=["DELETE-07"])
@_once_deleted
def old_states_come_back(broken: FaultyDeployment, gone: Gone) -> None:
    @broken.wire.before("run_wait")
    def restore(request: WireRequest) -> None:
        former, now = gone.get(request.thread_id), stored_thread(broken, request.thread_id)
        if former is not None and now is not None and not now.checkpoints:
            broken.store.records.keep(replace(now, checkpoints=former.checkpoints))


# The id of a deleted thread


def _under_removed_ids(
    removal: Callable[..., Any], then: Callable[[FaultyDeployment, Json], Any]
) -> Apply:
    """Answer creations under the id of a thread that `removal` removed by `then(broken, made)`."""

    def apply(broken: FaultyDeployment) -> None:
        removed: set[str] = set()

        @broken.override(removal)
        def remove(right: Any, *given: Any, **named: Any) -> Any:
            known = set(broken.store.records.threads_by_id)
            answered = right(*given, **named)
            removed.update(known - set(broken.store.records.threads_by_id))
            return answered

        @broken.override(Threads.create)
        def create(right: Any, **options: Any) -> Any:
            made = right(**options)
            return then(broken, made) if made["thread_id"] in removed else made

    return apply


def _refusing_made(refusal: ModelError) -> Callable[[FaultyDeployment, Json], Any]:
    def refuse(broken: FaultyDeployment, made: Json) -> Any:
        broken.store.records.forget(made["thread_id"])
        raise refusal

    return refuse


fault("ids-of-deleted-threads-are-spent", breaks=["DELETE-20", "DELETE-21"])(
    _under_removed_ids(Threads.delete, _refusing_made(NotFoundError("the thread was deleted")))
)
fault("ids-of-pruned-threads-stay-taken", breaks=["DELETE-21"])(
    _under_removed_ids(Threads.prune, _refusing_made(ConflictError("the thread exists")))
)


# Using a deleted thread


def _revived(decision: Callable[..., Any]) -> Apply:
    """Restore a deleted thread with all its data when `decision` is called for its id."""

    def then(broken: FaultyDeployment, gone: Gone) -> None:
        @broken.override(decision)
        def decide(right: Any, thread_id: str, *arguments: Any, **members: Any) -> Any:
            if stored_thread(broken, thread_id) is None and thread_id in gone:
                broken.store.records.keep(gone[thread_id])
            return right(thread_id, *arguments, **members)

    return _once_deleted(then)


fault("copy-revives-a-deleted-thread", breaks=["DELETE-13"])(_revived(Threads.copy))
fault("update-revives-a-deleted-thread", breaks=["DELETE-14"])(_revived(Threads.update))
fault("run-revives-a-deleted-thread", breaks=["DELETE-10"])(_revived(Runs.begin_run))
fault("state-update-revives-a-deleted-thread", breaks=["DELETE-15"])(_revived(States.update_state))


@fault("deleted-thread-has-its-runs", breaks=["DELETE-16", "RUN-CONTROL-24"])
@_once_deleted
def deleted_thread_has_its_runs(broken: FaultyDeployment, gone: Gone) -> None:
    @broken.wire.after("run_get")
    def show(request: WireRequest, answer: WireAnswer) -> None:
        thread = gone.get(request.thread_id)
        if thread is None or answer.status != 404:
            return
        for run in thread.runs:
            if request.path.endswith(run.run_id):
                answer.status, answer.body = 200, broken.store.views.run_view(thread, run)
