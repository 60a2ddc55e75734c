"""Faults that show only when a certain operation meets a thread in a certain condition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import copies_of
from conformance.faults.kit.state import afterwards, pruned_threads, stored_thread
from conformance.faults.registry import FaultyDeployment, fault
from conformance.model.entities import Thread
from conformance.model.search import Query, Searches
from conformance.model.threads import Threads
from conformance.model.views import Views
from conformance.reference.wire import Json, WireAnswer, WireRequest

# Operations that must leave a thread as it was


@fault("a-cancellation-that-is-refused-ends-an-error", breaks="CONDITION-16")
def refused_cancellation_ends_an_error(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_cancel", status=404)
    def settle(request: WireRequest, _answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        if thread is not None and thread.status == "error":
            broken.store.records.keep(replace(thread, status="idle"))


@fault("a-creation-that-does-nothing-withdraws-questions", breaks="CONDITION-16")
def doing_nothing_withdraws_questions(broken: FaultyDeployment) -> None:
    @broken.override(Threads.for_existing_id)
    def for_existing_id(right: Any, thread: Thread, if_exists: str) -> Thread:
        found: Thread = right(thread, if_exists)
        if found.status != "interrupted":
            return found
        return broken.store.records.keep(replace(found, status="idle"))


@fault("a-copy-takes-the-question-of-a-pruned-thread", breaks="PRUNE-27")
def takes_the_question(broken: FaultyDeployment) -> None:
    pruned = pruned_threads(broken)

    @broken.wire.after("copy")
    def settle(request: WireRequest, answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        if answer.ok and thread is not None and thread.thread_id in pruned:
            broken.store.records.keep(replace(thread, status="idle"))


# Ways to read the same fact


@fault("post-of-an-old-state-of-a-thread-in-error-has-no-values", breaks="CONDITION-16")
def has_no_values(broken: FaultyDeployment) -> None:
    @broken.wire.answers("post_state_at_checkpoint")
    def show(request: WireRequest, state: Json) -> Json:
        thread = stored_thread(broken, request.thread_id)
        in_error = thread is not None and thread.status == "error"
        return {**state, "values": {}} if in_error else state


def _updated_in_error(broken: FaultyDeployment) -> set[str]:
    """Return the ids of the threads that are updated while in error, filled as this is asked."""
    found: set[str] = set()

    @broken.wire.before("update_state")
    def note(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        if thread is not None and thread.status == "error":
            found.add(thread.thread_id)

    return found


@fault("a-count-by-idle-leaves-out-an-error-past-a-state-update", breaks="CONDITION-17")
def leaves_out_an_error(broken: FaultyDeployment) -> None:
    stale = _updated_in_error(broken)

    @broken.wire.answers("count", when=lambda request: request.members.get("status") == "idle")
    def leave_out(request: WireRequest, counted: Json) -> Json:
        threads = [stored_thread(broken, each) for each in stale]
        wanted = (request.members.get("metadata") or {}).items()
        return counted - sum(
            each is not None and each.status == "idle" and wanted <= each.metadata.items()
            for each in threads
        )


@fault("search-keeps-the-error-past-a-state-update", breaks="CONDITION-17")
def keeps_the_error(broken: FaultyDeployment) -> None:
    stale = _updated_in_error(broken)

    @broken.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> Any:
        known = replace(thread, status="error") if thread.thread_id in stale else thread
        return right(known, query)


@fault("values-of-a-pruned-thread-stand-still", breaks="PRUNE-26 PRUNE-28")
def stand_still(broken: FaultyDeployment) -> None:
    pruned = pruned_threads(broken)

    @broken.override(Views.thread_view)
    def thread_view(right: Any, thread: Thread) -> Any:
        kept = pruned.get(thread.thread_id, thread)
        return {**right(thread), "values": right(kept)["values"]}


@fault("threads-deleted-while-they-ask-are-still-found", breaks="CONDITION-17")
def are_still_found(broken: FaultyDeployment) -> None:
    deleted: dict[str, Json] = {}

    @broken.wire.before("delete")
    def note(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        if thread is not None and thread.status == "interrupted":
            deleted[thread.thread_id] = broken.store.views.thread_view(thread)

    @broken.wire.answers("search", when=lambda request: "ids" in request.members)
    def show(request: WireRequest, found: Json) -> Json:
        return [*found, *(deleted[each] for each in request.members["ids"] if each in deleted)]


# What GET shows after an operation


fault("a-waited-run-leaves-the-question-before-it", breaks="CONDITION-18")(
    afterwards(
        lambda before, now: (
            replace(now, status="interrupted") if before.status == "interrupted" else now
        ),
        "run_wait",
        when=lambda request: "command" not in request.members,
    )
)


fault("a-streamed-run-of-a-thread-with-a-ttl-leaves-updated-at", breaks="CONDITION-18")(
    afterwards(
        lambda before, now: replace(now, updated_at=before.updated_at) if now.ttl else now,
        "run_stream",
    )
)


@fault("a-run-joined-on-a-thread-with-a-ttl-answers-no-values", breaks="CONDITION-18")
def answers_no_values(broken: FaultyDeployment) -> None:
    @broken.wire.answers("run_join")
    def show(request: WireRequest, values: Json) -> Json:
        thread = stored_thread(broken, request.thread_id)
        return {"messages": []} if thread is not None and thread.ttl else values


@fault("a-streamed-checkpoint-counts-for-the-next-run-beside-a-ttl", breaks="CONDITION-18")
def counts_for_the_next(broken: FaultyDeployment) -> None:
    named: dict[str, Json] = {}

    @broken.wire.before("run_stream")
    def note(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        if "checkpoint" in request.members and thread is not None and thread.ttl:
            named[request.thread_id] = request.members["checkpoint"]

    @broken.wire.before("run_background")
    def start_there(request: WireRequest) -> None:
        if request.thread_id in named and "checkpoint" not in request.members:
            request.body = {**request.members, "checkpoint": named.pop(request.thread_id)}


@fault("a-command-on-a-copy-moves-updated-at-of-a-source-in-error", breaks="CONDITION-18")
def moves_updated_at_of_a_source_in_error(broken: FaultyDeployment) -> None:
    copies = copies_of(broken)

    @broken.wire.after("thread_command")
    def move(request: WireRequest, answer: WireAnswer) -> None:
        source = stored_thread(broken, copies.get(request.thread_id, ""))
        if answer.ok and source is not None and source.status == "error":
            broken.store.records.keep(replace(source, updated_at=broken.store.records.now()))


@fault("a-state-update-of-a-pruned-thread-leaves-updated-at", breaks="PRUNE-28")
def update_of_a_pruned_thread_leaves_updated_at(broken: FaultyDeployment) -> None:
    pruned = pruned_threads(broken)
    afterwards(
        lambda before, now: (
            replace(now, updated_at=before.updated_at) if now.thread_id in pruned else now
        ),
        "update_state",
    )(broken)


# Copies


@fault("pruning-a-thread-in-error-prunes-its-copies", breaks="CONDITION-15")
def prunes_its_copies(broken: FaultyDeployment) -> None:
    sources = copies_of(broken)

    @broken.override(Threads.pruned)
    def pruned(right: Any, thread: Thread) -> Thread:
        copies = [each for each, of in sources.items() if of == thread.thread_id]
        for each in copies if thread.status == "error" else ():
            copy = stored_thread(broken, each)
            if copy is not None:
                broken.store.records.keep(right(copy))
        kept: Thread = right(thread)
        return kept


@fault("updates-of-a-copy-reach-a-source-in-error", breaks="CONDITION-15 CONDITION-18")
def reach_a_source_in_error(broken: FaultyDeployment) -> None:
    sources = copies_of(broken)

    @broken.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Any = None, ttl: Any = None) -> Any:
        source = stored_thread(broken, sources.get(thread_id, ""))
        if source is not None and source.status == "error":
            right(source.thread_id, metadata, ttl)
        return right(thread_id, metadata, ttl)


# Times


fault("an-update-of-a-thread-in-error-leaves-updated-at", breaks="CONDITION-11 CONDITION-18")(
    afterwards(
        lambda before, now: (
            replace(now, updated_at=before.updated_at) if before.status == "error" else now
        ),
        "update",
    )
)
