"""Blind faults: the mistakes of a server behind chat applications.

What the builder of a chat meets with the SDKs: messages that are edited and regenerated, questions
to people, copies, tabs, runs that are cancelled, streams that are joined again, search screens,
pruning. Nearly all show only in a condition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from benchmarks.blind.kit import header, known_thread
from benchmarks.blind.registry import blind
from conformance.faults.kit.http_changes import copies_of
from conformance.faults.kit.runs import encode_events, events_in
from conformance.model.containment import contains
from conformance.model.entities import Checkpoint, Run, Task, Thread
from conformance.model.errors import ConflictError, NotFoundError
from conformance.model.executor import Advance, Executor
from conformance.model.records import Records
from conformance.model.runs import Runs
from conformance.model.search import Query, Searches
from conformance.model.states import States
from conformance.model.streams import RunEvent, StreamEvents
from conformance.model.superstep_execution import ResumeValue, Steps
from conformance.model.supersteps import with_task_ids
from conformance.model.thread_streams import ThreadStreams
from conformance.model.threads import Threads
from conformance.model.views import Views, checkpoint_config
from conformance.reference.altered import Altered
from conformance.reference.wire import WireAnswer, WireRequest

Json = Any

_CHECKPOINT = "SDK runs.stream: 'checkpoint: The checkpoint to resume from.'"
_INPUT = "SDK runs.stream: 'input: The input to the graph.'"
_INDEPENDENT = "document 001: 'create independent runs that do not affect the original thread'"
_IDENTICAL = (
    "documents 002, 003: 'an independent thread whose history is identical to the original "
    "thread at the time of the operation'"
)
_DOUBLE_TEXTING = "https://docs.langchain.com/langsmith/double-texting"
_LATEST_STATE = (
    "SDK threads.prune: keep_latest 'prunes old checkpoints but keeps threads and their latest "
    "state'"
)
_LAST_EVENT = "SDK runs.join_stream: 'last_event_id: The last event ID to use for the stream.'"
_HISTORY = "SDK threads.get_history: 'The state history of the thread.'"
_ALL = 1_000_000


# Threads, checkpoints and runs


def _threads(deployment: Altered) -> dict[str, Thread]:
    return deployment.store.records.threads_by_id


def _found(thread: Thread | None, checkpoint_id: object) -> Checkpoint | None:
    checkpoints = thread.checkpoints if thread else ()
    return next((each for each in checkpoints if each.checkpoint_id == checkpoint_id), None)


def _named(request: dict[str, Any]) -> Json:
    """Return the checkpoint id that a request for a run names; None without one."""
    return (request.get("checkpoint") or {}).get("checkpoint_id")


def _at_latest(request: dict[str, Any]) -> dict[str, Any]:
    named = {k: v for k, v in request["checkpoint"].items() if k != "checkpoint_id"}
    return {**request, "checkpoint": named}


def _command(run: Run) -> dict[str, Any]:
    return run.kwargs.get("command") or {}


def _resumes(command: dict[str, Any]) -> bool:
    return command.get("resume") is not None


def _asks(checkpoint: Checkpoint | None) -> bool:
    return checkpoint is not None and any(task.is_interrupted for task in checkpoint.tasks)


def _of_run(thread: Thread, run_id: str) -> list[Checkpoint]:
    return [each for each in thread.checkpoints if each.metadata.get("run_id") == run_id]


def _without(thread: Thread, checkpoint_ids: set[str]) -> Thread:
    kept = tuple(each for each in thread.checkpoints if each.checkpoint_id not in checkpoint_ids)
    return replace(thread, checkpoints=kept)


def _ids(checkpoints: Sequence[Checkpoint]) -> set[str]:
    return {each.checkpoint_id for each in checkpoints}


def _with_tasks(checkpoint: Checkpoint, change: Callable[[Task], Task]) -> Checkpoint:
    return replace(checkpoint, tasks=tuple(change(task) for task in checkpoint.tasks))


def _lineage(checkpoints: Sequence[Checkpoint]) -> set[str]:
    """Return the ids of the newest checkpoint and of its ancestors."""
    by_id = {each.checkpoint_id: each for each in checkpoints}
    found: set[str] = set()
    here = checkpoints[-1] if checkpoints else None
    while here is not None:
        found.add(here.checkpoint_id)
        here = by_id.get(here.parent_id or "")
    return found


# Editing a message, regenerating an answer


@blind("d-branch-second-edit-starts-from-the-first", source=_CHECKPOINT)
def second_edit_starts_from_first(deployment: Altered) -> None:
    """Start a second edit of a message where the first edit of it has ended."""
    heads: dict[tuple[str, str], str] = {}

    @deployment.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        named = _named(request)
        if named is None or request.get("input") is None:
            run: Run = right(thread_id, request)
            return run
        thread, earlier = known_thread(deployment, thread_id), heads.get((thread_id, named))
        made = _of_run(thread, earlier) if thread and earlier else []
        if made:
            at = {**request["checkpoint"], "checkpoint_id": made[-1].checkpoint_id}
            request = {**request, "checkpoint": at}
        run = right(thread_id, request)
        heads[thread_id, named] = run.run_id
        return run


@blind("d-branch-regenerate-without-input-continues-the-latest", source=_CHECKPOINT)
def regenerate_continues_latest(deployment: Altered) -> None:
    """Take the checkpoint of a run only for its input: without one continue the latest state."""

    @deployment.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        if _named(request) and request.get("input") is None and not request.get("command"):
            request = _at_latest(request)
        run: Run = right(thread_id, request)
        return run


@blind(
    "d-branch-abandoned-question-stays-on-the-thread",
    source="SDK Thread.values and .interrupts: 'The current state of the thread', 'interrupts "
    "that were raised in that task'; ThreadStatus idle: 'not currently processing any task'",
)
def abandoned_question_stays(deployment: Altered) -> None:
    """Show on a thread the open questions of states that it has left for another branch."""

    @deployment.override(Views.pending_interrupts)
    def pending_interrupts(right: Any, thread: Thread) -> Json:
        shown: dict[str, Any] = {}
        for checkpoint in thread.checkpoints:
            shown |= right(replace(thread, checkpoints=(checkpoint,)))
        return shown


@blind("d-branch-history-forgets-the-other-branch", source=_HISTORY)
def history_forgets_other_branch(deployment: Altered) -> None:
    """Follow the parents of the latest state, so that what was edited away is not in a history."""

    @deployment.override(States.made_before)
    def made_before(
        right: Any, checkpoints: Sequence[Checkpoint], bound: Checkpoint | None
    ) -> Sequence[Checkpoint]:
        own = _lineage(checkpoints)
        return [each for each in right(checkpoints, bound) if each.checkpoint_id in own]


@blind("d-branch-edit-with-a-known-message-id-is-dropped", source=_INPUT)
def edit_with_known_id_dropped(deployment: Altered) -> None:
    """Take a message whose id another branch of the thread has for one that was sent twice."""

    def ids_in(checkpoint: Checkpoint | None) -> set[str]:
        return {
            each["id"] for each in (checkpoint.values.get("messages", ()) if checkpoint else ())
        }

    @deployment.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        thread, given = known_thread(deployment, thread_id), request.get("input")
        given = given if isinstance(given, dict) else {}
        messages = given.get("messages")
        if thread is not None and isinstance(messages, list):
            base = _found(thread, _named(request)) or thread.latest
            known = set().union(*map(ids_in, thread.checkpoints)) - ids_in(base)
            new = [m for m in messages if not (isinstance(m, dict) and m.get("id") in known)]
            request = {**request, "input": {**given, "messages": new}}
        run: Run = right(thread_id, request)
        return run


@blind(
    "d-branch-update-without-as-node-takes-the-latest-writer",
    source="SDK threads.update_state: 'checkpoint: The checkpoint to update the state of'; "
    "LangGraph docs: as_node is by default 'the last node that updated the state'",
)
def update_takes_latest_writer(deployment: Altered) -> None:
    """Find the node of an update at an older checkpoint in the latest one."""

    @deployment.override(States.update_state)
    def update_state(
        right: Any,
        thread_id: str,
        values: object = None,
        *,
        as_node: str | None = None,
        checkpoint: dict[str, Any] | None = None,
    ) -> Json:
        thread = known_thread(deployment, thread_id)
        if thread is not None and as_node is None and (checkpoint or {}).get("checkpoint_id"):
            as_node = deployment.store.states.default_node(thread.latest)
        return right(thread_id, values, as_node=as_node, checkpoint=checkpoint)


@blind("d-branch-answer-at-a-checkpoint-goes-to-the-latest", source=_CHECKPOINT)
def answer_goes_to_latest(deployment: Altered) -> None:
    """Ignore the checkpoint of a run that resumes with a command."""

    @deployment.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        if _named(request) and _resumes(request.get("command") or {}):
            request = _at_latest(request)
        run: Run = right(thread_id, request)
        return run


@blind(
    "d-branch-stream-begins-with-the-values-of-the-latest",
    source=f"SDK StreamMode values: 'Stream only the values'; {_CHECKPOINT}",
)
def stream_begins_with_latest(deployment: Altered) -> None:
    """Begin the stream of a regenerated answer with the values of the branch that was left."""

    @deployment.override(StreamEvents.start_events)
    def start_events(right: Any, thread: Thread, run: Run, at: Checkpoint) -> tuple[RunEvent, ...]:
        return tuple(
            replace(each, data=thread.values) if each.event == "values" else each
            for each in right(thread, run, at)
        )


# People who answer questions


@blind(
    "d-hitl-form-is-taken-for-answers-by-interrupt",
    source="published Command.resume: an object is a value; changelog v0.5.15: 'map-style null "
    "resume interpretation'",
)
def form_taken_for_map(deployment: Altered) -> None:
    """Read every object as a map of interrupt ids, so that a filled-in form answers nothing."""

    @deployment.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> ResumeValue | None:
        resume = _command(run).get("resume")
        if isinstance(resume, dict) and resume:
            return ResumeValue(None, dict(resume))
        answer: ResumeValue | None = right(run, here)
        return answer


@blind(
    "d-hitl-late-second-answer-replaces-the-first",
    source="SDK runs.stream, strict_resume: by default an answer to an interrupt that isn't "
    "waiting is ignored",
)
def late_answer_replaces(deployment: Altered) -> None:
    """Resume from the last state that asked, answered or not, when a second tab answers as well."""

    @deployment.override(Executor.start)
    def start(right: Any, thread: Thread, run: Run) -> Advance:
        latest = thread.latest
        done = latest is not None and not latest.tasks
        if done and run.base_id is None and _resumes(_command(run)):
            asked = [c for c in thread.checkpoints if any(task.interrupts for task in c.tasks)]
            run = replace(run, base_id=asked[-1].checkpoint_id if asked else None)
        advance: Advance = right(thread, run)
        return advance


@blind(
    "d-hitl-update-beside-the-answer-is-lost",
    source="published Command: update, resume and goto are members of one command",
)
def update_beside_answer_lost(deployment: Altered) -> None:
    """Drop the update of a command that also resumes."""

    @deployment.override(Executor.first_position)
    def first_position(right: Any, graph: Any, base: Checkpoint | None, run: Run) -> Checkpoint:
        command = _command(run)
        if _resumes(command) and command.get("update") is not None:
            kwargs = {**run.kwargs, "command": {**command, "update": None}}
            run = replace(run, kwargs=kwargs)
        position: Checkpoint = right(graph, base, run)
        return position


@blind("d-hitl-message-instead-of-an-answer-is-lost", source=_INPUT)
def message_instead_of_answer_lost(deployment: Altered) -> None:
    """Only ask again when a new message comes while a question is open."""

    @deployment.override(Executor.first_position)
    def first_position(right: Any, graph: Any, base: Checkpoint | None, run: Run) -> Checkpoint:
        if run.kwargs.get("input") is not None and _asks(base):
            run = replace(run, kwargs={**run.kwargs, "input": None})
        position: Checkpoint = right(graph, base, run)
        return position


@blind(
    "d-hitl-same-breakpoint-stops-forever",
    source="SDK runs.stream: 'interrupt_before: Nodes to interrupt immediately before they get "
    "executed'; LangGraph docs, breakpoints: continue with the input null",
)
def same_breakpoint_stops_forever(deployment: Altered) -> None:
    """Stop again at the node where the thread waits if the run that continues names it as well."""

    @deployment.override(Executor._step)
    def step(right: Any, thread: Thread, run: Run) -> Advance:
        if run.kwargs.get("interrupt_before") and not _command(run):
            run = replace(run, base_id=None)
        advance: Advance = right(thread, run)
        return advance


@blind(
    "d-hitl-null-values-do-not-skip-a-node",
    source="published ThreadStateUpdate.values: null; SDK threads.update_state: 'as_node: Update "
    "the state as if this node had just executed.'",
)
def null_values_do_not_skip(deployment: Altered) -> None:
    """Make no state of an update whose values are null, though it names a node."""

    @deployment.override(States.update_state)
    def update_state(
        right: Any,
        thread_id: str,
        values: object = None,
        *,
        as_node: str | None = None,
        checkpoint: dict[str, Any] | None = None,
    ) -> Json:
        thread = known_thread(deployment, thread_id)
        named = (checkpoint or {}).get("checkpoint_id")
        latest = thread.latest if thread else None
        base = _found(thread, named) if named else latest
        if values is not None or thread is None or base is None or thread.status == "busy":
            return right(thread_id, values, as_node=as_node, checkpoint=checkpoint)
        return {"checkpoint": checkpoint_config(thread, base.checkpoint_id)}


# Copies that are shared


@blind("d-copy-asks-under-another-interrupt-id", source=_IDENTICAL)
def copy_asks_under_another_id(deployment: Altered) -> None:
    """Give the interrupts of a copy ids of their own."""

    def renamed(task: Task) -> Task:
        return replace(
            task,
            interrupts=tuple(
                replace(each, interrupt_id=uuid5(NAMESPACE_OID, each.interrupt_id).hex)
                for each in task.interrupts
            ),
            inner=tuple(_with_tasks(each, renamed) for each in task.inner),
        )

    @deployment.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> tuple[Checkpoint, ...]:
        return tuple(_with_tasks(each, renamed) for each in right(source))


@blind("d-copy-answer-reaches-the-original", source=_INDEPENDENT)
def answer_reaches_original(deployment: Altered) -> None:
    """Keep what a task wrote by the id of its checkpoint alone, which a copy shares."""

    @deployment.override(Records.with_replaced)
    def with_replaced(right: Any, thread: Thread, checkpoint: Checkpoint) -> Thread:
        for other in list(_threads(deployment).values()):
            shared = _found(other, checkpoint.checkpoint_id)
            if shared and other.thread_id != thread.thread_id and shared.tasks != checkpoint.tasks:
                written = replace(shared, tasks=checkpoint.tasks)
                deployment.store.records.keep(right(other, written))
        changed: Thread = right(thread, checkpoint)
        return changed


@blind("d-copy-of-a-pruned-thread-is-empty", source=_IDENTICAL)
def copy_of_pruned_is_empty(deployment: Altered) -> None:
    """Copy from the root on, which a pruned thread does not have any more."""

    @deployment.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> tuple[Checkpoint, ...]:
        copied: tuple[Checkpoint, ...] = right(source)
        return copied if copied and copied[0].step <= 0 else ()


@blind("d-copy-of-a-copy-is-one-of-the-original", source=_IDENTICAL)
def copy_of_copy_is_of_original(deployment: Altered) -> None:
    """Follow a copy to the thread that it was made of when it is copied itself."""
    roots: dict[str, str] = {}

    @deployment.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Json:
        root = roots.get(thread_id, thread_id)
        made = right(root if root in _threads(deployment) else thread_id)
        roots[made["thread_id"]] = root
        return made


@blind("d-copy-is-stripped-when-the-original-is-pruned", source=_IDENTICAL)
def copy_stripped_by_prune(deployment: Altered) -> None:
    """Delete pruned checkpoints by their ids, on whichever thread they are."""

    @deployment.override(Threads.pruned)
    def pruned(right: Any, thread: Thread) -> Thread:
        kept: Thread = right(thread)
        gone = _ids(thread.checkpoints) - _ids(kept.checkpoints)
        for other in list(_threads(deployment).values()):
            if other.thread_id != thread.thread_id and gone & _ids(other.checkpoints):
                deployment.store.records.keep(_without(other, gone))
        return kept


@blind("d-copy-loses-the-states-of-subgraphs", source=_IDENTICAL)
def copy_loses_subgraphs(deployment: Altered) -> None:
    """Copy the checkpoints of the graph itself only; a subgraph that is resumed begins anew."""

    @deployment.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> tuple[Checkpoint, ...]:
        return tuple(
            _with_tasks(each, lambda task: replace(task, inner=())) for each in right(source)
        )

    @deployment.override(Steps.run_subgraph)
    def performed_inside(
        right: Any, graph: Any, here: Checkpoint, task: Task, *others: Any
    ) -> Task:
        begins = replace(task, interrupts=()) if not task.inner else task
        performed: Task = right(graph, here, begins, *others)
        return performed


@blind(
    "d-copy-names-the-original-in-checkpoints-of-subgraphs",
    source=f"{_IDENTICAL}; SDK Checkpoint.thread_id: 'Unique identifier for the thread associated "
    "with this checkpoint.'",
)
def copy_names_original_in_subgraphs(deployment: Altered) -> None:
    """Show with a task that was copied the checkpoint of its subgraph as the original had it."""
    sources = copies_of(deployment)
    copied: dict[str, set[str]] = {}

    @deployment.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> tuple[Checkpoint, ...]:
        tasks = {task.task_id for each in source.checkpoints for task in each.tasks}
        copied.setdefault(source.thread_id, set()).update(tasks)
        checkpoints: tuple[Checkpoint, ...] = right(source)
        return checkpoints

    @deployment.override(Views.task_state_view)
    def task_state_view(right: Any, thread: Thread, task: Task, *, subgraphs: bool) -> Json:
        view, source = right(thread, task, subgraphs=subgraphs), sources.get(thread.thread_id)
        if source is None or "checkpoint" not in view or task.task_id not in copied[source]:
            return view
        return {**view, "checkpoint": {**view["checkpoint"], "thread_id": source}}


@blind("d-copy-shows-what-the-original-did-later", source=_IDENTICAL)
def copy_shows_later_states(deployment: Altered) -> None:
    """Look up a checkpoint by its id in the original too, though it was made after the copy."""
    sources = copies_of(deployment)

    @deployment.override(States.state)
    def state(
        right: Any,
        thread_id: str,
        checkpoint: dict[str, Any] | None = None,
        *,
        subgraphs: bool = False,
    ) -> Json:
        try:
            return right(thread_id, checkpoint, subgraphs=subgraphs)
        except NotFoundError:
            thread = known_thread(deployment, thread_id)
            source = known_thread(deployment, sources.get(thread.thread_id)) if thread else None
            found = _found(source, (checkpoint or {}).get("checkpoint_id"))
            if thread is None or found is None:
                raise
            return deployment.store.views.state_view(thread, found, subgraphs=subgraphs)


# Many tabs on one thread


@blind(
    "d-tabs-rollback-takes-the-turn-before-along",
    source=f"SDK MultitaskStrategy rollback: 'Roll back current task and start new one.'; "
    f"{_DOUBLE_TEXTING}",
)
def rollback_takes_turn_before(deployment: Altered) -> None:
    """Roll back to the state before the last turn that has ended, when a run is superseded."""

    @deployment.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        before = known_thread(deployment, thread_id)
        superseded = before is not None and any(run.active for run in before.runs)
        run: Run = right(thread_id, request)
        thread = known_thread(deployment, thread_id)
        if superseded and thread and request.get("multitask_strategy") == "rollback":
            ended = [each.run_id for each in thread.runs if each.status == "success"]
            gone = _ids(_of_run(thread, ended[-1])) if ended else set()
            deployment.store.records.keep(_without(thread, gone))
        return run


@blind(
    "d-tabs-interrupt-forgets-the-work-so-far",
    source=f"{_DOUBLE_TEXTING}: 'halts the current execution and preserves the progress made up to "
    "the interruption point'",
)
def interrupt_forgets_work(deployment: Altered) -> None:
    """Keep the run that a newer one interrupts, but not the states that it has made."""

    @deployment.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        before = known_thread(deployment, thread_id)
        under_way = [each for each in (before.runs if before else ()) if each.active]
        run: Run = right(thread_id, request)
        thread = known_thread(deployment, thread_id)
        if thread is not None and request.get("multitask_strategy") == "interrupt":
            for each in under_way:
                thread = _without(thread, _ids(_of_run(thread, each.run_id)))
                if each.undo is not None:
                    thread = deployment.store.records.with_replaced(thread, each.undo)
            deployment.store.records.keep(thread)
        return run


@blind(
    "d-tabs-create-if-missing-overwrites-the-metadata",
    source="SDK runs.stream: 'if_not_exists: create (create new thread)', 'metadata: Metadata to "
    "assign to the run.'",
)
def create_if_missing_overwrites(deployment: Altered) -> None:
    """Upsert the thread with the run's metadata where if_not_exists is create and it is there."""

    @deployment.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        existed = known_thread(deployment, thread_id) is not None
        run: Run = right(thread_id, request)
        thread, given = known_thread(deployment, thread_id), request.get("metadata")
        if existed and thread and given and request.get("if_not_exists") == "create":
            upserted = replace(thread, metadata={**thread.metadata, **given})
            deployment.store.records.keep(upserted)
        return run


@blind(
    "d-tabs-reject-refuses-a-thread-that-waits",
    source="SDK MultitaskStrategy reject: 'Reject new tasks when busy.'; published ThreadStatus: "
    "busy is not interrupted",
)
def reject_refuses_waiting(deployment: Altered) -> None:
    """Take every thread that is not idle for busy: an answer with reject is refused."""

    @deployment.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        thread = known_thread(deployment, thread_id)
        rejects = request.get("multitask_strategy") == "reject"
        if rejects and thread is not None and thread.status != "idle":
            raise ConflictError(f"thread {thread_id} is not idle")
        run: Run = right(thread_id, request)
        return run


# Cancelling, and asking again


@blind(
    "d-cancel-takes-the-queue-along",
    source="SDK runs.cancel: 'run_id: The run ID to cancel.'; MultitaskStrategy enqueue: 'Queue "
    "new tasks for later execution.'",
)
def cancel_takes_queue(deployment: Altered) -> None:
    """Cancel with the run that is under way those that are queued behind it."""
    taken: set[str] = set()

    @deployment.override(Runs.cancel_run)
    def cancel_run(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        if run_id in taken:
            return
        thread = known_thread(deployment, thread_id)
        runs = [run for run in (thread.runs if thread else ()) if run.active]
        target = next((run for run in runs if run.run_id == run_id), None)
        right(thread_id, run_id, action)
        for run in runs:
            if target is not None and target.started and not run.started:
                taken.add(run.run_id)
                right(thread_id, run.run_id, "interrupt")


@blind(
    "d-cancel-of-a-queued-run-stops-the-one-under-way",
    source="SDK runs.cancel: 'run_id: The run ID to cancel.'",
)
def cancel_of_queued_stops_other(deployment: Altered) -> None:
    """Signal the worker of the thread, whichever of its runs is to be cancelled."""

    @deployment.override(Runs.cancel_run)
    def cancel_run(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        thread = known_thread(deployment, thread_id)
        runs = [run for run in (thread.runs if thread else ()) if run.active]
        queued = any(run.run_id == run_id and not run.started for run in runs)
        under_way = [run.run_id for run in runs if run.started]
        right(thread_id, under_way[0] if queued and under_way else run_id, action)


@blind(
    "d-cancel-next-turn-finishes-the-cancelled-one",
    source="https://github.com/aegra/aegra/issues/191: the next run takes up the cancelled loop; "
    f"{_INPUT}",
)
def next_turn_finishes_cancelled(deployment: Altered) -> None:
    """Run, with the next message, also the nodes that were still to run at a cancel."""

    def follows_a_cancelled_run(run: Run) -> bool:
        for thread in _threads(deployment).values():
            ids = [each.run_id for each in thread.runs]
            if run.run_id in ids[1:]:
                return thread.runs[ids.index(run.run_id) - 1].cancel_reason is not None
        return False

    @deployment.override(Executor.first_position)
    def first_position(right: Any, graph: Any, base: Checkpoint | None, run: Run) -> Checkpoint:
        made: Checkpoint = right(graph, base, run)
        if base is None or run.kwargs.get("input") is None or not follows_a_cancelled_run(run):
            return made
        now = {**base.values, "seconds": 0}  # without the time that the node would take
        pending = [
            replace(task, reads_state=False, input=now) if task.reads_state else task
            for task in base.tasks
            if task.name in graph.nodes and not task.done
        ]
        return replace(made, tasks=with_task_ids(made.checkpoint_id, (*made.tasks, *pending)))


@blind(
    "d-cancel-rollback-leaves-a-parent-that-is-gone",
    source="SDK CancelAction rollback: 'delete the run and associated checkpoints'; "
    "ThreadState.parent_checkpoint: 'If missing, this is the root checkpoint.'",
)
def rollback_leaves_parent(deployment: Altered) -> None:
    """Make the first state after a rolled back first turn a child of a checkpoint that is gone."""
    heads: dict[str, str] = {}

    @deployment.override(Runs._ended)
    def ended(right: Any, thread: Thread, run: Run, action: str) -> Thread:
        left: Thread = right(thread, run, action)
        if thread.latest is not None and not left.checkpoints:
            heads[thread.thread_id] = thread.latest.checkpoint_id
        return left

    @deployment.override(Executor.start)
    def start(right: Any, thread: Thread, run: Run) -> Advance:
        advance: Advance = right(thread, run)
        parent, kept = heads.pop(thread.thread_id, None), known_thread(deployment, thread.thread_id)
        if parent and kept and kept.checkpoints and kept.checkpoints[0].parent_id is None:
            child = replace(kept.checkpoints[0], parent_id=parent)
            deployment.store.records.keep(replace(kept, checkpoints=(child, *kept.checkpoints[1:])))
        return advance


@blind(
    "d-cancel-cancelled-runs-are-missing-among-interrupted",
    source="SDK RunStatus interrupted: 'The run was manually stopped or interrupted.'; runs.list: "
    "'status: The status of the run to filter by.'",
)
def cancelled_missing_among_interrupted(deployment: Altered) -> None:
    """List as interrupted only the runs that ask or stop by themselves."""

    @deployment.override(Runs.list_runs)
    def list_runs(
        right: Any, thread_id: str, *, limit: int = 10, offset: int = 0, status: str | None = None
    ) -> Json:
        if status != "interrupted":
            return right(thread_id, limit=limit, offset=offset, status=status)
        found = right(thread_id, limit=_ALL, status=status)
        kept = [run for run in found if run["cancel_reason"] is None]
        return kept[offset : offset + limit]


# Streams that are joined again


@blind(
    "d-stream-rejoined-in-a-mode-drops-subgraphs",
    source="https://github.com/langchain-ai/langgraph/issues/7778; SDK runs.stream: "
    "'stream_subgraphs: Whether to stream output from subgraphs.'",
)
def rejoin_drops_subgraphs(deployment: Altered) -> None:
    """Compare the names of events with the modes asked for, namespace and all."""

    @deployment.wire.after("run_join_stream", when=lambda request: "stream_mode" in request.query)
    def drop(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            events = [each for each in events_in(answer.raw) if "|" not in each[1]]
            answer.raw = encode_events(events)


@blind("d-stream-resumed-after-the-first-event-repeats-it", source=_LAST_EVENT)
def resumed_after_first_repeats(deployment: Altered) -> None:
    """Take the Last-Event-ID 0 for none."""

    @deployment.wire.before(
        "run_join_stream", when=lambda request: header(request, b"last-event-id") == b"0"
    )
    def forget(request: WireRequest) -> None:
        request.headers = [each for each in request.headers if each[0] != b"last-event-id"]


@blind(
    "d-stream-resumed-of-a-failed-run-ends-without-the-error",
    source="SDK runs.stream, stream_resumable: 'the stream can be resumed and replayed in its "
    "entirety even after disconnection'",
)
def resumed_failed_without_error(deployment: Altered) -> None:
    """Keep no error among the events from which a stream is resumed."""

    @deployment.wire.after(
        "run_join_stream", when=lambda request: bool(header(request, b"last-event-id"))
    )
    def drop(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            events = [each for each in events_in(answer.raw) if each[1] != "error"]
            answer.raw = encode_events(events)


@blind(
    "d-stream-of-a-thread-tells-no-end-of-a-cancelled-run",
    source="SDK ThreadStreamMode lifecycle: 'Stream only run start/end events.'; run_modes: 'as "
    "well as run_done events'",
)
def no_end_of_cancelled(deployment: Altered) -> None:
    """Tell those who follow a thread nothing when a run is cancelled."""

    @deployment.override(ThreadStreams.add_end)
    def add_end(right: Any, thread_id: str, run: Run) -> None:
        if run.cancel_reason is None:
            right(thread_id, run)


@blind(
    "d-stream-of-a-thread-tells-no-update-at-a-checkpoint",
    source="SDK ThreadStreamMode state_update: 'Stream state updates on the thread.'",
)
def no_update_at_checkpoint(deployment: Altered) -> None:
    """Tell only of updates that follow the latest state, not of those that fork an older one."""
    forked: set[str] = set()

    @deployment.override(States.update_state)
    def update_state(
        right: Any,
        thread_id: str,
        values: object = None,
        *,
        as_node: str | None = None,
        checkpoint: dict[str, Any] | None = None,
    ) -> Json:
        made = right(thread_id, values, as_node=as_node, checkpoint=checkpoint)
        if (checkpoint or {}).get("checkpoint_id"):
            forked.add(made["checkpoint"]["thread_id"])
        return made

    @deployment.override(ThreadStreams.add_state)
    def add_state(right: Any, thread_id: str) -> None:
        if thread_id in forked:
            forked.discard(thread_id)
        else:
            right(thread_id)


# Search screens


@blind(
    "d-search-sorts-by-the-state-instead-of-the-update",
    source="SDK Thread.updated_at: 'The last time the thread was updated.'; published "
    "ThreadSearchRequest.sort_by: updated_at beside state_updated_at",
)
def sorts_by_state(deployment: Altered) -> None:
    """Sort by updated_at as if it were state_updated_at: a renamed chat does not come first."""

    @deployment.override(Searches.ordered_threads)
    def ordered_threads(
        right: Any, threads: Sequence[Thread], sort_by: str, sort_order: str
    ) -> list[Thread]:
        column = "state_updated_at" if sort_by == "updated_at" else sort_by
        ordered: list[Thread] = right(threads, column, sort_order)
        return ordered


@blind(
    "d-search-pages-by-status-overlap",
    source="SDK threads.search: 'limit', 'offset', 'sort_by: Sort by field.'; published sort_by: "
    "status",
)
def pages_by_status_overlap(deployment: Altered) -> None:
    """Order threads of one status otherwise on the first page than on those after it."""
    offsets: list[int] = [0]

    @deployment.override(Searches.search)
    def search(right: Any, *query: Any, **named: Any) -> Json:
        offsets[0] = named.get("offset", 0)
        return right(*query, **named)

    @deployment.override(Searches.ordered_threads)
    def ordered_threads(
        right: Any, threads: Sequence[Thread], sort_by: str, sort_order: str
    ) -> list[Thread]:
        ordered: list[Thread] = right(threads, sort_by, sort_order)
        if sort_by != "status" or not offsets[0]:
            return ordered
        groups = groupby(ordered, key=lambda thread: thread.status)
        return [thread for _, group in groups for thread in reversed([*group])]


@blind(
    "d-search-extract-sees-only-what-is-selected",
    source="SDK threads.search, extract: 'JSONB paths to extract from thread data'; select: 'List "
    "of fields to include in the response.'",
)
def extract_sees_selected(deployment: Altered) -> None:
    """Extract from the members that `select` keeps: the last message of a list screen is null."""

    @deployment.override(Searches.selected)
    def selected(
        right: Any, view: dict[str, Any], select: Sequence[str] | None, extract: Json
    ) -> Json:
        kept = view if select is None else {name: view[name] for name in select}
        return right(kept, select, extract)


@blind(
    "d-search-values-match-states-that-are-past",
    source="SDK threads.search, count: 'values: State values to filter on'; Thread.values: 'The "
    "current state of the thread.'",
)
def values_match_past_states(deployment: Altered) -> None:
    """Join all checkpoints of a thread in a filter by values, not the latest alone."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        return bool(right(thread, replace(query, values=None))) and (
            not query.values
            or any(contains(each.values, query.values) for each in thread.checkpoints)
        )


@blind(
    "d-search-status-is-that-of-the-last-run",
    source="document 004: search by status shows threads as get does; SDK threads.search: "
    "'status: Thread status to filter on.'",
)
def status_of_last_run(deployment: Altered) -> None:
    """Filter by a status that runs keep up to date, but updates of the state do not."""
    stale: dict[tuple[str, str], str] = {}

    @deployment.override(States.update_state)
    def update_state(right: Any, thread_id: str, *values: Any, **named: Any) -> Json:
        before = known_thread(deployment, thread_id)
        made = right(thread_id, *values, **named)
        if before is not None:
            stale.setdefault((before.thread_id, before.created_at), before.status)
        return made

    @deployment.override(Executor.keep_after_run)
    def keep_after_run(right: Any, thread: Thread) -> None:
        stale.pop((thread.thread_id, thread.created_at), None)
        right(thread)

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        status = stale.get((thread.thread_id, thread.created_at), thread.status)
        return bool(right(replace(thread, status=status), query))


@blind(
    "d-search-interrupted-misses-breakpoints",
    source="SDK ThreadStatus interrupted: 'The thread's execution was interrupted.'; document "
    "004: search by status shows threads as get does",
)
def interrupted_misses_breakpoints(deployment: Altered) -> None:
    """Find as interrupted only the threads with an open question, not those before a node."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        waits = query.status != "interrupted" or _asks(thread.latest)
        return waits and bool(right(thread, query))


@blind(
    "d-history-limit-counts-before-the-metadata",
    source="SDK threads.get_history: 'limit: The maximum number of states to return', 'metadata: "
    "Filter states by metadata key-value pairs'",
)
def limit_before_metadata(deployment: Altered) -> None:
    """Take as many states as the limit says, and then those of them with the metadata."""

    @deployment.override(States.history)
    def history(
        right: Any, thread_id: str, *, metadata: dict[str, Any] | None = None, **named: Any
    ) -> Json:
        found = right(thread_id, **named)
        return [each for each in found if contains(each["metadata"], metadata or {})]


# Time to live, pruning, owners


@blind(
    "d-ttl-patch-keeps-the-former-strategy",
    source="published ThreadPatch.ttl.strategy: default delete; SDK threads.update: '(defaults to "
    '"delete")\'',
)
def patch_keeps_strategy(deployment: Altered) -> None:
    """Keep the strategy of the time to live that was set before where a new one names none."""

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Json = None, ttl: Json = None) -> Json:
        thread = known_thread(deployment, thread_id)
        if thread is not None and thread.ttl is not None and ttl:
            ttl = {"strategy": thread.ttl.strategy, **ttl}
        return right(thread_id, metadata, ttl)


@blind("d-prune-keeps-the-longest-branch", source=_LATEST_STATE)
def prune_keeps_longest(deployment: Altered) -> None:
    """Keep the state of the highest step, which is not the latest on a thread that was forked."""

    @deployment.override(Threads.pruned)
    def pruned(right: Any, thread: Thread) -> Thread:
        if not thread.checkpoints:
            return thread
        _, _, longest = max(
            (each.step, place, each) for place, each in enumerate(thread.checkpoints)
        )
        kept: Thread = right(replace(thread, checkpoints=(longest,)))
        return kept


@blind("d-prune-forgets-the-open-question", source=_LATEST_STATE)
def prune_forgets_question(deployment: Altered) -> None:
    """Delete, with old checkpoints, the interrupts of the one that is kept."""

    @deployment.override(Threads.pruned)
    def pruned(right: Any, thread: Thread) -> Thread:
        kept: Thread = right(thread)
        without = (_with_tasks(c, lambda t: replace(t, interrupts=())) for c in kept.checkpoints)
        return replace(kept, checkpoints=tuple(without))


@blind(
    "d-owner-patch-after-a-run-drops-the-graph",
    source="SDK threads.update: 'metadata: Metadata to merge with existing thread metadata.'",
)
def patch_drops_graph(deployment: Altered) -> None:
    """Merge with the metadata that the user has given, not with what runs have added to it."""

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Json = None, ttl: Json = None) -> Json:
        view = right(thread_id, metadata, ttl)
        thread = deployment.store.records.thread(thread_id)
        if not thread.runs:
            return view
        added = {"graph_id", "assistant_id"} - (metadata or {}).keys()
        own = {name: value for name, value in thread.metadata.items() if name not in added}
        return deployment.store.views.thread_view(
            deployment.store.records.keep(replace(thread, metadata=own))
        )


@blind(
    "d-owner-minimal-patch-forgets-the-ttl",
    source="SDK threads.update: 'return_minimal: If True, request a 204 response with no body.', "
    "'ttl: Optional time-to-live in minutes for the thread.'",
)
def minimal_patch_forgets_ttl(deployment: Altered) -> None:
    """Set no time to live where the answer of a PATCH is asked to be minimal."""

    @deployment.wire.before(
        "update",
        when=lambda request: (
            header(request, b"prefer") == b"return=minimal" and "ttl" in request.members
        ),
    )
    def forget(request: WireRequest) -> None:
        request.body = {name: v for name, v in request.members.items() if name != "ttl"}


# Subgraphs, failures


@blind(
    "d-subgraph-history-of-an-earlier-turn-is-gone",
    source="SDK threads.get_history: 'checkpoint: Return states for this subgraph.'",
)
def subgraph_of_earlier_turn_gone(deployment: Altered) -> None:
    """Look for the namespace of a subgraph among the states of the last turn only."""

    @deployment.override(Records.with_history_of)
    def with_history_of(right: Any, thread: Thread, namespace: str) -> Thread:
        begins = [n for n, c in enumerate(thread.checkpoints) if c.metadata["source"] == "input"]
        turn = thread.checkpoints[begins[-1] if begins else 0 :]
        found: Thread = right(replace(thread, checkpoints=turn) if namespace else thread, namespace)
        return found


@blind(
    "d-failed-thread-is-continued-without-its-node",
    source="SDK ThreadState.next: 'The next nodes to execute.'; .tasks: 'Tasks to execute in this "
    "step. If already attempted, may contain an error.'",
)
def failed_continued_without_node(deployment: Altered) -> None:
    """Take the node that has failed for done when a run continues the thread without input."""

    @deployment.override(Executor.first_position)
    def first_position(right: Any, graph: Any, base: Checkpoint | None, run: Run) -> Checkpoint:
        position: Checkpoint = right(graph, base, run)
        if run.kwargs.get("input") is not None:
            return position
        return replace(position, tasks=tuple(t for t in position.tasks if t.error is None))
