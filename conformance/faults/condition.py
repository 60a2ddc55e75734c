"""Faults that show only in one condition of a thread: forked, interrupted, failed, copied …"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import copies_of
from conformance.faults.kit.runs import resuming
from conformance.faults.kit.state import afterwards, stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Run, Task, Thread
from conformance.model.errors import NotFoundError
from conformance.model.executor import Executor
from conformance.model.runs import Runs
from conformance.model.search import Query, Searches
from conformance.model.states import States
from conformance.model.threads import Threads
from conformance.model.views import Views
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer

# Different ways to read the same fact


def _values_become(change: Callable[[Thread], Any]) -> Apply:
    """Show threads with the values `change(thread)`; their states stay as they are."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Views.thread_view)
        def thread_view(right: Any, thread: Thread) -> Any:
            return {**right(thread), "values": change(thread)}

    return apply


def _before_its_last_run(thread: Thread) -> Any:
    if thread.status != "error":
        return thread.values
    last = thread.runs[-1].run_id if thread.runs else None
    left = [each for each in thread.checkpoints if each.metadata.get("run_id") != last]
    return left[-1].values if left else {}


fault("thread-in-error-shows-the-values-before-its-run", breaks="CONDITION-01 PRUNE-24")(
    _values_become(_before_its_last_run)
)


def _before_the_cancelled_state(thread: Thread) -> Any:
    """Return the values before the newest state, if the last run was cancelled."""
    last = thread.runs[-1] if thread.runs else None
    if last is None or last.cancel_reason is None or len(thread.checkpoints) < 2:
        return thread.values
    return thread.checkpoints[-2].values


fault(
    "thread-shows-the-values-before-the-state-of-a-cancelled-run", breaks="CANCEL-22 CONDITION-01"
)(_values_become(_before_the_cancelled_state))
fault("thread-shows-null-as-an-empty-text", breaks="CONDITION-01 CONDITION-18")(
    _values_become(
        lambda thread: {name: "" if each is None else each for name, each in thread.values.items()}
    )
)


@fault("thread-shows-a-question-that-an-update-answered", breaks="CONDITION-02")
def shows_an_answered_question(broken: FaultyDeployment) -> None:
    @broken.override(Views.pending_interrupts)
    def pending_interrupts(right: Any, thread: Thread) -> Any:
        latest = thread.latest
        if latest is None or latest.tasks or latest.metadata["source"] != "update":
            return right(thread)
        asking = [task for each in thread.checkpoints for task in each.tasks if task.interrupts]
        return {task.task_id: [{"id": None, "value": {"stale": True}}] for task in asking}


@fault("thread-shows-the-question-that-a-fork-has-left", breaks="CONDITION-02")
def shows_a_question_that_was_left(broken: FaultyDeployment) -> None:
    """Keep the interrupts of a thread beside it, and renew them at the end of a run alone."""
    kept: dict[str, Any] = {}

    @broken.wire.before(
        "update_state", when=lambda request: bool(request.members.get("checkpoint"))
    )
    def keep(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        if thread is not None:
            kept.setdefault(thread.thread_id, broken.store.views.pending_interrupts(thread))

    @broken.override(Executor.keep_after_run)
    def keep_after_run(right: Any, thread: Thread) -> None:
        kept.pop(thread.thread_id, None)
        right(thread)

    @broken.override(Views.pending_interrupts)
    def pending_interrupts(right: Any, thread: Thread) -> Any:
        return kept.get(thread.thread_id) or right(thread)


def _found_as(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Apply:
    """Show the threads of a search as `change(thread)`, where they are shown whole."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.answers("search", when=lambda each: "select" not in each.members)
        def show(_request: WireRequest, found: Json) -> Json:
            return [change(each) for each in found]

    return apply


fault("search-shows-threads-in-error-without-values", breaks="CONDITION-03 CONDITION-16")(
    _found_as(lambda each: {**each, "values": {}} if each["status"] == "error" else each)
)
fault("search-shows-no-questions", breaks="CONDITION-03 CONDITION-16")(
    _found_as(lambda each: {**each, "interrupts": {}})
)


@fault("state-of-a-failed-thread-names-no-node", breaks="CONDITION-04 CONDITION-16")
def names_no_node(broken: FaultyDeployment) -> None:
    @broken.wire.answers("state")
    def show(_request: WireRequest, state: Json) -> Json:
        failed = any(task.get("error") for task in state["tasks"])
        return {**state, "next": []} if failed else state


@fault("older-state-forgets-its-question-once-it-is-answered", breaks="CONDITION-05")
def forgets_its_question(broken: FaultyDeployment) -> None:
    @broken.wire.answers("state_at_checkpoint")
    def show(_request: WireRequest, state: Json) -> Json:
        answered = all(task.get("result") is not None for task in state["tasks"])
        return {**state, "interrupts": []} if answered else state


# Search and count


@fault("copies-in-error-are-found-as-idle", breaks="CONDITION-06 CONDITION-07")
def copies_in_error_are_found_as_idle(broken: FaultyDeployment) -> None:
    sources = copies_of(broken)

    @broken.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> Any:
        if thread.thread_id in sources and thread.status in ("error", "interrupted"):
            thread = replace(thread, status="idle")
        return right(thread, query)


@fault("search-by-status-overlooks-runs-to-come", breaks="CONDITION-06")
def overlooks_runs_to_come(broken: FaultyDeployment) -> None:
    @broken.override(Searches.search)
    def search(right: Any, query: Query, **named: Any) -> Any:
        found = right(query, **named)
        return found if query.status is None else [each for each in found if not _waits(each)]

    def _waits(shown: dict[str, Any]) -> bool:
        thread = stored_thread(broken, str(shown.get("thread_id")))
        return thread is not None and any(run.status == "pending" for run in thread.runs)


@fault("count-by-status-leaves-out-copies", breaks="CONDITION-07")
def leaves_out_copies(broken: FaultyDeployment) -> None:
    sources = copies_of(broken)

    @broken.override(Searches.count)
    def count(right: Any, query: Query) -> Any:
        if query.status != "interrupted":
            return right(query)
        found = broken.store.searches.matching(query)
        return len([each for each in found if each.thread_id not in sources])


# Copies


def _tasks_copied_as(change: Callable[[Task], Task]) -> Apply:
    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Threads.copied_checkpoints)
        def copied(right: Any, source: Thread) -> tuple[Checkpoint, ...]:
            return tuple(
                replace(each, tasks=tuple(map(change, each.tasks))) for each in right(source)
            )

    return apply


fault("copy-forgets-questions-that-were-answered", breaks="CONDITION-08")(
    _tasks_copied_as(lambda task: replace(task, interrupts=()) if task.done else task)
)
fault("copy-forgets-errors", breaks="CONDITION-08 COPY-29")(
    _tasks_copied_as(lambda task: replace(task, error=None))
)


@fault("copies-without-a-state-cannot-be-copied", breaks="CONDITION-08")
def cannot_be_copied(broken: FaultyDeployment) -> None:
    sources = copies_of(broken)

    @broken.wire.before("copy")
    def refuse(request: WireRequest) -> WireAnswer | None:
        thread = stored_thread(broken, request.thread_id)
        empty = thread is not None and not thread.checkpoints
        if not (empty and request.thread_id in sources):
            return None
        return json_answer(404, {"detail": "there is no state to copy"})


@fault("copies-know-no-checkpoint-of-before-them", breaks="CONDITION-09 STATE-UPDATE-08")
def know_no_checkpoint_of_before(broken: FaultyDeployment) -> None:
    sources = copies_of(broken)

    @broken.override(States.update_state)
    def update_state(right: Any, thread_id: str, *given: Any, **named: Any) -> Any:
        thread = broken.store.records.thread(thread_id)
        at = broken.store.records.named_checkpoint(thread, named.get("checkpoint"))
        if thread.thread_id in sources and at is not None and at.created_at < thread.created_at:
            raise NotFoundError(f"there is no checkpoint {at.checkpoint_id}")
        return right(thread_id, *given, **named)


@fault("copy-of-a-thread-in-error-is-interrupted", breaks="CONDITION-10")
def copy_in_error_is_interrupted(broken: FaultyDeployment) -> None:
    @broken.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        made = right(thread_id)
        if made["status"] != "error":
            return made
        thread = broken.store.records.thread(made["thread_id"])
        broken.store.records.keep(replace(thread, status="interrupted"))
        return {**made, "status": "interrupted"}


# Times


fault("answer-leaves-updated-at", breaks="CONDITION-11")(
    afterwards(
        lambda before, now: replace(now, updated_at=before.updated_at), "run_wait", when=resuming
    )
)
fault("fork-moves-no-time", breaks="CONDITION-11 CONDITION-12")(
    afterwards(
        lambda before, now: replace(
            now, updated_at=before.updated_at, state_updated_at=before.state_updated_at
        ),
        "update_state",
        when=lambda request: bool(request.members.get("checkpoint")),
    )
)
fault("update-past-a-question-leaves-state-updated-at", breaks="CONDITION-12")(
    afterwards(
        lambda before, now: (
            replace(now, state_updated_at=before.state_updated_at)
            if before.status == "interrupted"
            else now
        ),
        "update_state",
    )
)


@fault("listing-runs-moves-updated-at", breaks="CONDITION-13")
def listing_runs_moves_updated_at(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_list")
    def touch(request: WireRequest, answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        if answer.ok and thread is not None:
            broken.store.records.keep(replace(thread, updated_at=broken.store.records.now()))


@fault("members-added-during-a-run-are-lost-at-its-end", breaks="CONDITION-14")
def members_are_lost(broken: FaultyDeployment) -> None:
    known: dict[str, Any] = {}

    @broken.override(Executor.start)
    def start(right: Any, thread: Thread, run: Run) -> Any:
        known[run.run_id] = thread.metadata
        return right(thread, run)

    @broken.override(Executor.keep_after_run)
    def keep_after_run(right: Any, thread: Thread) -> None:
        for run in thread.runs:
            if not run.active and run.run_id in known:
                at_start = known.pop(run.run_id)
                kept = {name: each for name, each in thread.metadata.items() if name in at_start}
                thread = replace(thread, metadata=kept)
        right(thread)


# Copies are independent


def _with_copies(broken: FaultyDeployment) -> Callable[[str], list[Thread]]:
    """Return a function from the id of a thread to those of its copies that still exist."""
    sources = copies_of(broken)

    def copies(thread_id: str) -> list[Thread]:
        stored = (stored_thread(broken, each) for each, of in sources.items() if of == thread_id)
        return [each for each in stored if each is not None]

    return copies


@fault("rollback-removes-what-the-run-made-in-copies", breaks="CONDITION-15")
def removes_in_copies(broken: FaultyDeployment) -> None:
    copies = _with_copies(broken)

    @broken.override(Runs.cancel_run)
    def cancel_run(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        right(thread_id, run_id, action)
        for copy in copies(thread_id) if action == "rollback" else ():
            kept = [each for each in copy.checkpoints if each.metadata.get("run_id") != run_id]
            broken.store.records.keep(replace(copy, checkpoints=tuple(kept)))


@fault("update-past-a-question-withdraws-it-from-copies", breaks="CONDITION-15")
def withdraws_it_from_copies(broken: FaultyDeployment) -> None:
    copies = _with_copies(broken)

    @broken.override(States.update_state)
    def update_state(right: Any, thread_id: str, *given: Any, **named: Any) -> Any:
        asked = broken.store.records.thread(thread_id).status == "interrupted"
        answer = right(thread_id, *given, **named)
        for copy in copies(thread_id) if asked else ():
            states = tuple(
                replace(each, tasks=tuple(replace(task, interrupts=()) for task in each.tasks))
                for each in copy.checkpoints
            )
            broken.store.records.keep(replace(copy, checkpoints=states))
        return answer
