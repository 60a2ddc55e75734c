"""Faults of copying threads: the copy as an independent thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_shown, copies_of, refusing
from conformance.faults.kit.state import nested, stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.errors import ConflictError
from conformance.model.records import Records
from conformance.model.search import Searches
from conformance.model.states import States
from conformance.model.threads import Threads
from conformance.model.views import Views
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer

# The answer

fault("copy-is-not-offered", breaks=["COPY-01"])(refusing("copy", status=405))
fault(
    "copy-answers-an-error-with-200",
    breaks=(
        "COPY-01 COPY-03 COPY-04 COPY-05 COPY-06 COPY-07 COPY-12 COPY-14 COPY-19 COPY-29 PREPOP-18 "
        "RUN-04 RUN-05 RUN-06 CONCURRENT-04 CONCURRENT-05 CONCURRENT-06 "
        "INTERRUPT-08 NESTED-07"
    ),
)(change_shown("copy", to=lambda _thread: {"detail": "no"}))
fault("copy-answers-only-an-id", breaks=["COPY-24"])(
    change_shown("copy", to=lambda thread: {"thread_id": thread["thread_id"]})
)


@fault(
    "copy-answers-its-source",
    breaks=(
        "COPY-02 COPY-14 COPY-15 COPY-16 COPY-18 COPY-19 UPDATE-12 CONCURRENT-06 "
        "INTERRUPT-12 NESTED-09 CONDITION-15 PRUNE-25"
    ),
)
def copy_answers_its_source(broken: FaultyDeployment) -> None:
    @broken.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        return broken.store.threads.get(thread_id)


@fault("copying-an-empty-thread-conflicts", breaks=["COPY-12"])
def copying_an_empty_thread_conflicts(broken: FaultyDeployment) -> None:
    @broken.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        if not broken.store.records.thread(thread_id).checkpoints:
            raise ConflictError("there is nothing to copy")
        return right(thread_id)


# What is copied

fault("copy-loses-metadata", breaks=["COPY-10"])(
    lambda broken: _metadata(broken, lambda _thread, _right: {})
)
fault("copy-keeps-the-graph-id-alone", breaks=["COPY-10"])(
    lambda broken: _metadata(
        broken, lambda _, right: {k: v for k, v in right.items() if k == "graph_id"}
    )
)


def _metadata(
    broken: FaultyDeployment, change: Callable[[Any, dict[str, Any]], dict[str, Any]]
) -> None:
    @broken.override(Threads.copied_metadata)
    def copied_metadata(right: Any, source: Any) -> Any:
        return change(source, right(source))


def with_copy(change: Callable[[FaultyDeployment, Any], Any]) -> Apply:
    """Store `change(broken, copy)` as the copy."""

    def apply(broken: FaultyDeployment) -> None:
        store = broken.store

        @broken.override(Threads.copy)
        def copy(right: Any, thread_id: str) -> Any:
            made = store.records.thread(right(thread_id)["thread_id"])
            return store.views.thread_view(store.records.keep(change(broken, made)))

    return apply


fault("copy-is-always-idle", breaks="COPY-11 INTERRUPT-09 CONDITION-10")(
    with_copy(lambda _, thread: replace(thread, status="idle"))
)


@fault("get-shows-no-values-of-a-copy", breaks="COPY-08 SEQ-12 CONDITION-03")
def get_shows_no_values_of_a_copy(broken: FaultyDeployment) -> None:
    copies = copies_of(broken)

    @broken.wire.answers("get")
    def hide(request: WireRequest, thread: Any) -> Any:
        return {**thread, "values": {}} if request.thread_id in copies else thread


@fault("copies-are-not-found", breaks="COPY-22 CONDITION-06")
def copies_are_not_found(broken: FaultyDeployment) -> None:
    copies = copies_of(broken)

    @broken.override(Searches.matches)
    def matches(right: Any, thread: Any, query: Any) -> Any:
        return thread.thread_id not in copies and right(thread, query)


@fault("copy-keeps-updated-at", breaks=["COPY-28"])
def copy_keeps_updated_at(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        made = store.records.thread(right(thread_id)["thread_id"])
        former = store.records.thread(thread_id).updated_at
        return store.views.thread_view(store.records.keep(replace(made, updated_at=former)))


# Copies of copies, and several copies


@fault("copy-of-a-copy-is-empty", breaks=["COPY-13", "COPY-20", "SEQ-03"])
def copy_of_a_copy_is_empty(broken: FaultyDeployment) -> None:
    copies = copies_of(broken)

    @broken.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Any) -> Any:
        return () if source.thread_id in copies else right(source)


def from_nth_copy(nth: int, change: Callable[[Any], Any]) -> Apply:
    """Change the n-th copy of a thread, and all later ones."""

    def apply(broken: FaultyDeployment) -> None:
        made: dict[str, int] = {}

        @broken.override(Threads.copied_checkpoints)
        def copied_checkpoints(right: Any, source: Any) -> Any:
            made[source.thread_id] = made.get(source.thread_id, 0) + 1
            states = right(source)
            return states if made[source.thread_id] < nth else change(states)

    return apply


fault("third-copy-is-empty", breaks=["COPY-14", "CONCURRENT-04", "CONCURRENT-05", "CONCURRENT-06"])(
    from_nth_copy(3, lambda _states: ())
)


@fault("second-copy-is-the-first", breaks=["COPY-14", "CONCURRENT-06"])
def second_copy_is_the_first(broken: FaultyDeployment) -> None:
    first: dict[str, str] = {}

    @broken.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        if thread_id in first and first[thread_id] in broken.store.records.threads_by_id:
            return broken.store.threads.get(first[thread_id])
        made = right(thread_id)
        first[thread_id] = made["thread_id"]
        return made


# Independence of source and copy


def sharing(*, to_copy: bool, from_write: int) -> Apply:
    """Show the states written to a source also on its copy (`to_copy`), or the other way round.

    Begin with the state number `from_write` that is written after the copy was made.
    """

    def apply(broken: FaultyDeployment) -> None:
        store, others, writes = broken.store, dict[str, list[str]](), dict[str, int]()
        broken.from_first = frozenset({"copy"})

        @broken.override(Threads.copy)
        def copy(right: Any, thread_id: str) -> Any:
            made = right(thread_id)
            ends = [store.records.thread(thread_id).thread_id, made["thread_id"]]
            written, shows = ends if to_copy else ends[::-1]
            others.setdefault(written, []).append(shows)
            writes[written] = 0
            return made

        @broken.override(Records.keep)
        def keep(right: Any, thread: Any) -> Any:
            known = store.records.threads_by_id.get(thread.thread_id)
            kept = right(thread)
            if known and len(thread.checkpoints) > len(known.checkpoints):
                writes[thread.thread_id] = writes.get(thread.thread_id, 0) + 1
                if writes[thread.thread_id] >= from_write:
                    for other in others.get(thread.thread_id, ()):
                        if other in store.records.threads_by_id:
                            shared = replace(
                                store.records.threads_by_id[other], checkpoints=thread.checkpoints
                            )
                            right(shared)
            return kept

    return apply


fault(
    "states-of-a-copy-show-on-its-source",
    breaks="COPY-15 INTERRUPT-12 NESTED-09 SEQ-02 CONDITION-15",
)(sharing(to_copy=False, from_write=1))
fault("fourth-state-of-a-copy-shows-on-its-source", breaks=["COPY-15", "SEQ-02"])(
    sharing(to_copy=False, from_write=4)
)
fault("states-of-a-source-show-on-its-copy", breaks="COPY-16 COPY-19 SEQ-02 CONDITION-15")(
    sharing(to_copy=True, from_write=1)
)
fault("fourth-state-of-a-source-shows-on-its-copy", breaks=["COPY-16"])(
    sharing(to_copy=True, from_write=4)
)


def deleting_reaches(*, the_copy: bool) -> Apply:
    """Empty the copies when their source is deleted (`the_copy`), or the source when a copy is."""

    def apply(broken: FaultyDeployment) -> None:
        store, copies = broken.store, copies_of(broken)

        @broken.override(Threads.delete)
        def delete(right: Any, thread_id: str) -> None:
            right(thread_id)
            for copy, source in copies.items():
                gone, other = (source, copy) if the_copy else (copy, source)
                if gone == thread_id and other in store.records.threads_by_id:
                    store.records.keep(replace(store.records.threads_by_id[other], checkpoints=()))

    return apply


fault("deleting-a-source-empties-its-copies", breaks="COPY-18 PRUNE-25")(
    deleting_reaches(the_copy=True)
)
fault("deleting-a-copy-empties-its-source", breaks=["COPY-18"])(deleting_reaches(the_copy=False))

# Runs on copies


@fault("copy-cannot-be-run", breaks=["COPY-17", "COPY-23", "INTERRUPT-11", "NESTED-09"])
def copy_cannot_be_run(broken: FaultyDeployment) -> None:
    copies = copies_of(broken)

    @broken.wire.before("run_wait")
    def refuse(request: WireRequest) -> WireAnswer | None:
        return json_answer(409, {"detail": "busy"}) if request.thread_id in copies else None


@fault("copy-of-an-empty-thread-cannot-be-run", breaks=["COPY-23"])
def copy_of_an_empty_thread_cannot_be_run(broken: FaultyDeployment) -> None:
    copies = copies_of(broken)

    @broken.wire.before("run_wait")
    def refuse(request: WireRequest) -> WireAnswer | None:
        empty = request.thread_id in copies and not broken.store.states.history(request.thread_id)
        return json_answer(409, {"detail": "no checkpoint to start from"}) if empty else None


def of_copies_of_empty(broken: FaultyDeployment) -> Callable[[WireRequest], bool]:
    """Return a condition: the request is for a copy of a thread that had no states when copied."""
    copies = copies_of(broken)
    empty: set[str] = set()

    @broken.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Any) -> Any:
        if not source.checkpoints:
            empty.add(source.thread_id)
        return right(source)

    return lambda request: copies.get(request.thread_id) in empty


@fault("state-of-a-copy-of-an-empty-thread-is-500", breaks=["COPY-27"])
def state_of_a_copy_of_an_empty_thread_is_500(broken: FaultyDeployment) -> None:
    concerns = of_copies_of_empty(broken)

    @broken.wire.before("state")
    def refuse(request: WireRequest) -> WireAnswer | None:
        lost = concerns(request) and not broken.store.states.history(request.thread_id)
        return json_answer(500, {"detail": "no checkpoint"}) if lost else None


@fault("run-copy-of-an-empty-thread-shows-no-values", breaks=["CONDITION-17", "COPY-25"])
def run_copy_of_an_empty_thread_shows_no_values(broken: FaultyDeployment) -> None:
    concerns = of_copies_of_empty(broken)

    @broken.wire.answers("state")
    def hide(request: WireRequest, state: Any) -> Any:
        return {**state, "values": {}} if concerns(request) else state


@fault("run-of-a-copy-of-an-empty-thread-breaks-its-state", breaks=["COPY-23", "COPY-25"])
def run_of_a_copy_of_an_empty_thread_breaks_its_state(broken: FaultyDeployment) -> None:
    concerns = of_copies_of_empty(broken)
    tried: set[str] = set()

    @broken.wire.before("run_wait")
    def fail(request: WireRequest) -> WireAnswer | None:
        if not concerns(request) or broken.store.states.history(request.thread_id):
            return None
        tried.add(request.thread_id)
        return json_answer(200, {"__error__": {"error": "KeyError", "message": "''"}})

    @broken.wire.before("state")
    def refuse(request: WireRequest) -> WireAnswer | None:
        return json_answer(500, {"detail": "no"}) if request.thread_id in tried else None


@fault("run-copy-of-an-empty-thread-has-no-history", breaks=["COPY-26"])
def run_copy_of_an_empty_thread_has_no_history(broken: FaultyDeployment) -> None:
    concerns = of_copies_of_empty(broken)

    @broken.wire.answers("history")
    def hide(request: WireRequest, states: Any) -> Any:
        return [] if concerns(request) else states


@fault("checkpoints-of-a-copy-name-its-source", breaks=["COPY-20"])
def checkpoints_of_a_copy_name_its_source(broken: FaultyDeployment) -> None:
    sources: dict[str, str] = {}

    @broken.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        made = right(thread_id)
        sources[made["thread_id"]] = sources.get(thread_id, thread_id)
        return made

    @broken.override(Views.state_view)
    def state_view(right: Any, thread: Any, *given: Any, **named: Any) -> Any:
        state = right(thread, *given, **named)
        source = sources.get(thread.thread_id)
        for name in ("checkpoint", "parent_checkpoint") if source else ():
            if state.get(name):
                state = {**state, name: {**state[name], "thread_id": source}}
        return state


@fault("copy-of-a-thread-never-read-has-no-state", breaks=["COPY-27"])
def copy_of_a_thread_never_read(broken: FaultyDeployment) -> None:
    read: set[str] = set()
    spoiled: set[str] = set()

    @broken.wire.after("state", "get", "history", "search")
    def note(request: WireRequest, answer: WireAnswer) -> None:
        if request.thread_id:
            read.add(request.thread_id)

    @broken.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        made = right(thread_id)
        thread = broken.store.records.thread(thread_id)
        if thread_id not in read and not thread.checkpoints and "graph_id" in thread.metadata:
            spoiled.add(made["thread_id"])
        return made

    @broken.wire.before("state")
    def break_state(request: WireRequest) -> WireAnswer | None:
        thread = stored_thread(broken, request.thread_id)
        spoilt = request.thread_id in spoiled and thread is not None and not thread.checkpoints
        return json_answer(500, {"detail": "KeyError"}) if spoilt else None


@fault("copy-of-a-copy-names-its-source-in-its-states", breaks=["COPY-20"])
def copy_of_a_copy_names_its_source(broken: FaultyDeployment) -> None:
    sources = copies_of(broken)

    @broken.wire.answers("state_at_checkpoint")
    def name_the_source(request: WireRequest, state: Json) -> Json:
        source = sources.get(request.thread_id)
        return nested(state, "checkpoint", thread_id=source) if source in sources else state


@fault("parents-in-a-copy-name-its-source", breaks=["COPY-20"])
def parents_in_a_copy_name_its_source(broken: FaultyDeployment) -> None:
    sources = copies_of(broken)

    @broken.wire.answers("state", "state_at_checkpoint")
    def name_the_source(request: WireRequest, state: Json) -> Json:
        source = sources.get(request.thread_id)
        if not source or not state.get("parent_checkpoint"):
            return state
        return nested(state, "parent_checkpoint", thread_id=source)


@fault("checkpoints-of-a-copy-show-no-tasks", breaks=["CONDITION-05"])
def checkpoints_of_a_copy_show_no_tasks(broken: FaultyDeployment) -> None:
    copies = copies_of(broken)

    @broken.wire.answers("state_at_checkpoint")
    def hide(request: WireRequest, state: Json) -> Json:
        return {**state, "tasks": []} if request.thread_id in copies else state


@fault("fork-in-a-copy-goes-to-its-source", breaks="STATE-UPDATE-08 CONDITION-09 SEQ-02")
def fork_in_a_copy_goes_to_its_source(broken: FaultyDeployment) -> None:
    sources = copies_of(broken)

    @broken.override(States.update_state)
    def update_state(right: Any, thread_id: str, *given: Any, **named: Any) -> Any:
        at = (named.get("checkpoint") or {}).get("checkpoint_id")
        return right(sources.get(thread_id, thread_id) if at else thread_id, *given, **named)


@fault("pages-of-a-copy-go-on-in-its-source", breaks=["HISTORY-FILTER-04"])
def pages_of_a_copy_go_on_in_its_source(broken: FaultyDeployment) -> None:
    # As if a checkpoint were found by its id alone: the newest thread that has it is taken.
    sources = copies_of(broken)

    @broken.wire.answers("history", when=lambda request: "before" in request.query)
    def go_on_elsewhere(request: WireRequest, page: Json) -> Json:
        source = stored_thread(broken, sources.get(request.thread_id, ""))
        own = stored_thread(broken, request.thread_id)
        if source is None or own is None or len(source.checkpoints) <= len(own.checkpoints):
            return page
        limit = int(request.query.get("limit", "10"))
        return broken.store.states.history(source.thread_id, limit=limit)
