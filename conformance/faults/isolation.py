"""Faults of the isolation of threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import without
from conformance.faults.kit.runs import found_run, run_id_in
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Run
from conformance.model.errors import NotFoundError
from conformance.model.records import Records
from conformance.model.states import States
from conformance.model.threads import Threads
from conformance.reference.wire import Json, WireRequest


def other_thread(request: WireRequest, *members: str) -> str | None:
    """Return the thread id under `members` of the body, if it differs from the one in the path."""
    found: Any = request.members
    for name in members:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) and found != request.thread_id else None


def following(operation: str, *members: str, forget: bool = False) -> Apply:
    """Use the thread id under `members` of the body in place of the one in the path.

    With `forget`, remove the first of `members` from the body.
    """

    def apply(broken: FaultyDeployment) -> None:
        def names_another(request: WireRequest) -> bool:
            return other_thread(request, *members) is not None

        @broken.wire.before(operation, when=names_another)
        def follow(request: WireRequest) -> None:
            other = other_thread(request, *members)
            if other in broken.store.records.threads_by_id:
                request.path = request.path.replace(request.thread_id, other)
                if forget:
                    request.body = without(request.members, members[0])

    return apply


fault("state-update-follows-the-thread-of-its-checkpoint", breaks=["ISOLATE-01"])(
    following("update_state", "checkpoint", "thread_id")
)
fault("run-follows-the-thread-of-its-checkpoint", breaks=["ISOLATE-02"])(
    following("run_wait", "checkpoint", "thread_id")
)
fault("run-follows-the-thread-of-its-config", breaks=["ISOLATE-02"])(
    following("run_wait", "config", "configurable", "thread_id")
)
fault("state-at-checkpoint-follows-the-thread-of-its-checkpoint", breaks=["ISOLATE-03"])(
    following("post_state_at_checkpoint", "checkpoint", "thread_id")
)
fault("history-follows-the-thread-of-its-checkpoint", breaks=["ISOLATE-04"])(
    following("post_history", "checkpoint", "thread_id")
)
fault("history-follows-the-thread-of-before", breaks=["ISOLATE-04"])(
    following("post_history", "before", "thread_id", forget=True)
)


def _of_another(broken: FaultyDeployment, config: Any) -> Any:
    """Return the checkpoint that a config names, on any thread; None if there is none."""
    config = config or {}
    thread = stored_thread(broken, config.get("thread_id") or "")
    for each in thread.checkpoints if thread else ():
        if each.checkpoint_id == config.get("checkpoint_id"):
            return each
    return None


@fault("state-update-starts-from-the-checkpoint-of-another-thread", breaks=["ISOLATE-01"])
def update_starts_from_another(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.override(States.update_state)
    def update_state(right: Any, thread_id: str, *values: Any, **members: Any) -> Any:
        base = _of_another(broken, members.get("checkpoint"))
        thread = store.records.thread(thread_id)
        if base is None or base in thread.checkpoints:
            return right(thread_id, *values, **members)
        store.records.keep(replace(thread, checkpoints=(*thread.checkpoints, base)))
        return right(thread_id, *values, **{**members, "checkpoint": None})


@fault("checkpoints-are-looked-up-in-all-threads", breaks=["ISOLATE-05"])
def checkpoints_are_looked_up_everywhere(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.wire.after("state_at_checkpoint")
    def look_everywhere(request: WireRequest, answer: Any) -> None:
        if answer.status != 404 or request.thread_id not in store.records.threads_by_id:
            return
        wanted = request.path.rsplit("/", 1)[-1]
        for thread in store.records.threads_by_id.values():
            for each in thread.checkpoints:
                if each.checkpoint_id == wanted:
                    answer.status, answer.body = 200, store.views.state_view(thread, each)


@fault("unknown-checkpoint-id-is-looked-up-in-all-threads", breaks=["ISOLATE-03", "ISOLATE-05"])
def unknown_ids_are_looked_up_everywhere(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.override(Records.checkpoint)
    def checkpoint(right: Any, thread: Any, checkpoint_id: Any) -> Any:
        try:
            return right(thread, checkpoint_id)
        except NotFoundError:
            for other in store.records.threads_by_id.values():
                for each in other.checkpoints:
                    if each.checkpoint_id == checkpoint_id:
                        return each
            raise


@fault(
    "checkpoints-of-copies-are-looked-up-with-those-of-their-source",
    breaks=["ISOLATE-09", "ISOLATE-10"],
)
def copies_are_looked_up_with_their_source(broken: FaultyDeployment) -> None:
    # As where the copies of a thread and the thread itself keep their states in one place.
    store = broken.store

    def first(thread: Any) -> list[str]:
        return [each.checkpoint_id for each in thread.checkpoints[:1]]

    @broken.override(States.state)
    def state(right: Any, thread_id: str, checkpoint: Any = None, **options: Any) -> Json:
        try:
            return right(thread_id, checkpoint, **options)
        except NotFoundError:
            thread, wanted = (
                stored_thread(broken, thread_id),
                (checkpoint or {}).get("checkpoint_id"),
            )
            for other in store.records.threads_by_id.values():
                found = [each for each in other.checkpoints if each.checkpoint_id == wanted]
                if thread is not None and found and first(thread) == first(other):
                    return store.views.state_view(thread, found[0])
            raise


def changing_other_threads(operation: str, change: Callable[[FaultyDeployment, Any], Any]) -> Apply:
    """Change every other thread as well, whenever this operation succeeds."""

    def apply(broken: FaultyDeployment) -> None:
        store = broken.store

        @broken.wire.answers(operation)
        def reach(request: WireRequest, body: Json) -> Json:
            for each in list(store.records.threads_by_id.values()):
                if each.thread_id != request.thread_id:
                    store.records.keep(change(broken, each))
            return body

    return apply


def _touched(broken: FaultyDeployment, thread: Any) -> Any:
    return replace(thread, updated_at=broken.store.records.now())


fault(
    "runs-move-updated-at-of-every-thread",
    breaks=(
        "COPY-15 COPY-16 ISOLATE-02 ISOLATE-06 INTERRUPT-12 NESTED-09 SEQ-01 SEQ-02 CONDITION-15"
    ),
)(changing_other_threads("run_wait", _touched))
fault("copying-moves-updated-at-of-every-thread", breaks=["ISOLATE-06", "SEQ-02", "SEQ-12"])(
    changing_other_threads("copy", _touched)
)
fault(
    "updates-reach-the-metadata-of-every-thread",
    breaks=["ISOLATE-06", "UPDATE-12", "SEQ-01", "SEQ-02"],
)(
    changing_other_threads(
        "update", lambda _, thread: replace(thread, metadata={**thread.metadata, "x": 1})
    )
)


@fault("deleting-empties-the-thread-made-before", breaks=["COPY-18", "ISOLATE-06"])
def deleting_empties_its_neighbour(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.override(Threads.delete)
    def delete(right: Any, thread_id: str) -> None:
        ids = list(store.records.threads_by_id)
        right(thread_id)
        place = ids.index(thread_id) if thread_id in ids else 0
        for neighbour in ids[:place][-1:]:
            store.records.keep(replace(store.records.threads_by_id[neighbour], checkpoints=()))


# Runs


def looking_up_anywhere(*operations: str, runs: Callable[[Run], bool] = lambda _run: True) -> Apply:
    """Find runs that satisfy `runs` by their id alone, whatever thread the path names."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(*operations)
        def find(request: WireRequest) -> None:
            found = found_run(broken.store, run_id_in(request))
            if found and runs(found[1]) and stored_thread(broken, request.thread_id):
                request.path = request.path.replace(request.thread_id, found[0])

    return apply


fault("run-is-joined-under-any-thread", breaks=["ISOLATE-07"])(looking_up_anywhere("run_join"))
fault("run-under-way-is-joined-under-any-thread", breaks=["ISOLATE-07"])(
    looking_up_anywhere("run_join", runs=lambda run: run.active)
)
fault("stream-of-a-run-is-joined-under-any-thread", breaks=["ISOLATE-07"])(
    looking_up_anywhere("run_join_stream")
)
fault("stream-of-a-run-that-began-is-joined-under-any-thread", breaks=["ISOLATE-07"])(
    looking_up_anywhere("run_join_stream", runs=lambda run: run.started)
)
fault("run-is-deleted-under-any-thread", breaks=["ISOLATE-08"])(looking_up_anywhere("run_delete"))
