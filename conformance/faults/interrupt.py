"""Faults of graphs that interrupt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_answer, change_request, without
from conformance.faults.kit.runs import (
    RUN_STARTS,
    command_of,
    ending_at_its_start,
    found_run,
    goes_on,
    having,
    ignoring,
    of_graph,
    resuming,
    runs_on,
    source_of,
    where,
)
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Run, Task, Thread
from conformance.model.executor import Executor
from conformance.model.runs import Runs
from conformance.model.superstep_execution import ResumeValue, Steps
from conformance.model.supersteps import with_task_ids
from conformance.model.threads import Threads
from conformance.reference.wire import Json, WireAnswer, WireRequest

# Showing interrupts


def _interrupts(change: Callable[[Json], Json]) -> Apply:
    """Change the interrupts that GET shows of a thread."""
    return change_answer(
        "get",
        to=lambda _, thread: (
            {**thread, "interrupts": change(thread["interrupts"])}
            if thread.get("interrupts")
            else thread
        ),
    )


fault(
    "interrupts-of-threads-are-never-shown",
    breaks="INTERRUPT-01 INTERRUPT-04 NESTED-01 CONDITION-03 CONDITION-16",
)(_interrupts(lambda _: {}))

fault(
    "interrupts-of-threads-have-no-value",
    breaks="INTERRUPT-01 INTERRUPT-04 CONDITION-03 CONDITION-16",
)(
    _interrupts(
        lambda shown: {
            task: [without(each, "value") for each in asked] for task, asked in shown.items()
        }
    )
)


fault(
    "task-that-asked-shows-nothing",
    breaks="INTERRUPT-02 INTERRUPT-03 NESTED-01 CONDITION-04 CONDITION-16",
)(
    change_answer(
        "state",
        to=lambda _, state: {
            **state,
            "tasks": [{**task, "interrupts": []} for task in state["tasks"]],
        },
    )
)


fault("state-shows-each-interrupt-twice", breaks="INTERRUPT-03 CONDITION-04 CONDITION-16")(
    change_answer("state", to=lambda _, state: {**state, "interrupts": state["interrupts"] * 2})
)

# A second interrupt


def _resumed_before(broken: FaultyDeployment, thread_id: str) -> bool:
    """Return whether the thread is interrupted, and was resumed before."""
    thread = stored_thread(broken, thread_id)
    asks = thread is not None and bool(broken.store.views.pending_interrupts(thread))
    return asks and any(
        "resume" in (run.kwargs.get("command") or {}) for run in runs_on(broken.store, thread_id)
    )


@fault("second-question-of-a-thread-is-not-shown", breaks="INTERRUPT-01 INTERRUPT-04 CONDITION-16")
def second_question_is_not_shown(broken: FaultyDeployment) -> None:
    @broken.wire.answers("get")
    def hide(request: WireRequest, thread: Json) -> Json:
        again = _resumed_before(broken, request.thread_id)
        return {**thread, "interrupts": {}} if again else thread


@fault("second-question-of-a-task-is-not-shown", breaks="INTERRUPT-02 CONDITION-16")
def second_question_of_a_task_is_not_shown(broken: FaultyDeployment) -> None:
    @broken.wire.answers("state")
    def hide(request: WireRequest, state: Json) -> Json:
        if not _resumed_before(broken, request.thread_id):
            return state
        return {**state, "tasks": [{**task, "interrupts": []} for task in state["tasks"]]}


@fault("second-question-is-shown-as-the-first", breaks="INTERRUPT-04 CONDITION-16")
def second_question_is_shown_as_the_first(broken: FaultyDeployment) -> None:
    first: dict[str, Json] = {}

    @broken.wire.answers("get")
    def show_first(request: WireRequest, thread: Json) -> Json:
        if _resumed_before(broken, request.thread_id):
            return {**thread, "interrupts": first.get(request.thread_id, thread["interrupts"])}
        return thread

    @broken.wire.before(*RUN_STARTS, when=resuming)
    def note(request: WireRequest) -> None:
        known = stored_thread(broken, request.thread_id)
        if known is not None:
            shown = broken.store.views.pending_interrupts(known)
            first.setdefault(request.thread_id, shown)


@fault("second-answer-is-the-first", breaks="INTERRUPT-05 INTERRUPT-28 INTERRUPT-29")
def second_answer_is_the_first(broken: FaultyDeployment) -> None:
    @broken.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> ResumeValue | None:
        found = right(run, here)
        thread = next(
            (each for each in broken.store.records.threads_by_id.values() if run in each.runs), None
        )
        for earlier in thread.runs if thread is not None and found is not None else ():
            again = earlier.run_id != run.run_id
            if again and "resume" in (earlier.kwargs.get("command") or {}):
                return ResumeValue(earlier.kwargs["command"]["resume"])
        return found  # type: ignore[no-any-return]


# Resuming


def _with_command(change: Callable[[dict[str, Any]], dict[str, Any]], *also: Any) -> Apply:
    return _changing_command(change, where(resuming, *also))


def _changing_command(
    change: Callable[[dict[str, Any]], dict[str, Any]], when: Callable[[WireRequest], bool]
) -> Apply:
    return change_request(
        *RUN_STARTS, to=lambda body: {**body, "command": change(body["command"])}, when=when
    )


fault(
    "answer-that-is-an-object-arrives-as-its-keys",
    breaks=("INTERRUPT-05 INTERRUPT-15 INTERRUPT-27 INTERRUPT-28 INTERRUPT-29 NESTED-11"),
)(
    _with_command(
        lambda command: {**command, "resume": list(command["resume"])},
        lambda request: isinstance(command_of(request)["resume"], dict),
    )
)

fault(
    "answer-arrives-in-capitals",
    breaks=["INTERRUPT-05", "INTERRUPT-11", "INTERRUPT-12"],
)(
    _with_command(
        lambda command: {**command, "resume": command["resume"].upper()},
        of_graph("interrupter"),
        lambda request: isinstance(command_of(request)["resume"], str),
    )
)


@fault(
    "answer-by-id-arrives-with-the-id", breaks="INTERRUPT-15 INTERRUPT-28 INTERRUPT-29 NESTED-11"
)
def answer_by_id_arrives_whole(broken: FaultyDeployment) -> None:
    @broken.override(Executor.resume_value_of)
    def resume_value_of(_right: Any, run: Run, _here: Checkpoint) -> ResumeValue | None:
        resume = (run.kwargs.get("command") or {}).get("resume")
        return None if resume is None else ResumeValue(resume)


@fault(
    "answer-by-id-reaches-nobody",
    breaks="INTERRUPT-15 INTERRUPT-28 INTERRUPT-29 NESTED-11 THREAD-STREAM-28",
)
def answer_by_id_reaches_nobody(broken: FaultyDeployment) -> None:
    @broken.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> ResumeValue | None:
        answer: ResumeValue | None = right(run, here)
        return None if answer and answer.by_interrupt is not None else answer


@fault(
    "answered-interrupt-stays-on-the-thread",
    breaks=["INTERRUPT-06", "INTERRUPT-04", "CONDITION-16"],
)
def answered_interrupt_stays(broken: FaultyDeployment) -> None:
    stale: dict[str, Json] = {}

    @broken.wire.before(*RUN_STARTS, when=where(resuming, of_graph("interrupter")))
    def note(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        if thread is not None:
            stale[request.thread_id] = broken.store.views.pending_interrupts(thread)

    @broken.wire.answers("get")
    def show_stale(request: WireRequest, thread: Json) -> Json:
        return {**thread, "interrupts": stale.get(request.thread_id, thread["interrupts"])}


@fault("answered-node-is-still-next", breaks=["INTERRUPT-06", "THREAD-STREAM-28", "CONDITION-16"])
def answered_node_is_still_next(broken: FaultyDeployment) -> None:
    @broken.wire.answers("state")
    def show_answered_node(request: WireRequest, state: Json) -> Json:
        last = state["metadata"].get("writes") or {}
        return {**state, "next": ["ask"]} if "ask" in last else state


fault("update-of-a-resuming-run-is-lost", breaks=["INTERRUPT-07"])(
    _with_command(
        lambda command: without(command, "update"),
        lambda request: "update" in command_of(request),
    )
)


def _updates_and_goes_on(request: WireRequest) -> bool:
    return {"update", "goto"} <= {*command_of(request)}


fault("goto-beside-an-update-is-lost", breaks=["INTERRUPT-30"])(
    _changing_command(lambda command: without(command, "goto"), _updates_and_goes_on)
)
fault("update-beside-a-goto-is-lost", breaks=["INTERRUPT-30"])(
    _changing_command(lambda command: without(command, "update"), _updates_and_goes_on)
)


@fault("resuming-run-writes-its-update-only-first", breaks=["INTERRUPT-07"])
def resuming_run_loses_its_update(broken: FaultyDeployment) -> None:
    @broken.wire.after(*RUN_STARTS, when=where(resuming, lambda r: "update" in command_of(r)))
    def lose(request: WireRequest, _answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        latest = thread.latest if thread else None
        if thread is None or latest is None:
            return
        messages = latest.values.get("messages", [])
        values = {**latest.values, "messages": [*messages[:1], *messages[-1:]]}
        broken.store.records.keep(
            broken.store.records.with_replaced(thread, replace(latest, values=values))
        )


fault("answer-at-a-checkpoint-is-lost", breaks="INTERRUPT-31 NESTED-12")(
    change_request(
        *RUN_STARTS,
        to=lambda body: without(body, "command"),
        when=where(resuming, having("checkpoint")),
    )
)


def _answers_late(broken: FaultyDeployment, thread_id: str, request: dict[str, Any]) -> bool:
    """Return whether a run resumes a thread that has come to its end."""
    thread = stored_thread(broken, thread_id)
    ended = thread is not None and thread.latest is not None and not thread.latest.tasks
    resumes = (request.get("command") or {}).get("resume") is not None
    return ended and resumes and not (request.get("checkpoint") or {}).get("checkpoint_id")


@fault("second-answer-is-recorded-after-the-first", breaks="INTERRUPT-32")
def second_answer_is_recorded(broken: FaultyDeployment) -> None:
    @broken.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        if _answers_late(broken, thread_id, request):
            said = {"type": "ai", "content": f"You answered: {request['command']['resume']}"}
            command = {**request["command"], "update": {"messages": [said]}}
            request = {**request, "command": command}
        run: Run = right(thread_id, request)
        return run


@fault("late-answer-is-kept-for-the-next-question", breaks="INTERRUPT-32")
def late_answer_is_kept(broken: FaultyDeployment) -> None:
    late: dict[str, Any] = {}

    @broken.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        if _answers_late(broken, thread_id, request):
            late[thread_id.lower()] = request["command"]["resume"]
        run: Run = right(thread_id, request)
        return run

    @broken.override(Steps.run_task)
    def run_task(
        right: Any, graph: Any, here: Checkpoint, task: Task, resume: Any, metadata: Any
    ) -> Task:
        found = found_run(broken.store, str(metadata.get("run_id")))
        if found and resume is None and task.name == "ask" and found[0] in late:
            resume = ResumeValue(late.pop(found[0]))
        done: Task = right(graph, here, task, resume, metadata)
        return done


# Copies


def _copying(change: Callable[[Task], Task], when: Callable[[Task], bool]) -> Apply:
    """Change the interrupted tasks of a copy where `when(task)`."""

    def copied(checkpoint: Checkpoint) -> Checkpoint:
        tasks = tuple(change(task) if when(task) else task for task in checkpoint.tasks)
        return replace(checkpoint, tasks=tasks)

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Threads.copied_checkpoints)
        def copied_checkpoints(right: Any, source: Thread) -> Any:
            return tuple(copied(checkpoint) for checkpoint in right(source))

    return apply


fault("copy-forgets-what-was-asked", breaks="INTERRUPT-08 INTERRUPT-10")(
    _copying(
        lambda task: replace(task, interrupts=()),
        lambda task: task.is_interrupted and not task.inner,
    )
)

fault("copy-asks-under-new-ids", breaks="INTERRUPT-08 INTERRUPT-10")(
    _copying(
        lambda task: replace(
            task,
            interrupts=tuple(
                replace(each, interrupt_id=each.interrupt_id[::-1]) for each in task.interrupts
            ),
        ),
        lambda task: task.is_interrupted and not task.inner,
    )
)


@fault("copy-of-an-interrupted-thread-is-idle", breaks=["INTERRUPT-09"])
def copy_of_an_interrupted_thread_is_idle(broken: FaultyDeployment) -> None:
    @broken.wire.after("copy")
    def idle(_request: WireRequest, answer: WireAnswer) -> None:
        thread = stored_thread(broken, answer.body.get("thread_id")) if answer.ok else None
        if thread is not None and broken.store.views.pending_interrupts(thread):
            broken.store.records.keep(replace(thread, status="idle"))
            answer.body = {**answer.body, "status": "idle"}


@fault(
    "copy-shows-no-interrupts-of-its-own",
    breaks="INTERRUPT-10 CONDITION-03 CONDITION-15 CONDITION-16",
)
def copy_shows_no_interrupts(broken: FaultyDeployment) -> None:
    @broken.wire.answers("get")
    def hide_interrupts(request: WireRequest, thread: Json) -> Json:
        source = source_of(broken.store, request.thread_id)
        return {**thread, "interrupts": {}} if source else thread


@fault("resuming-a-copy-reaches-the-original", breaks=["INTERRUPT-11", "INTERRUPT-12", "NESTED-09"])
def resuming_a_copy_reaches_the_original(broken: FaultyDeployment) -> None:
    @broken.wire.before(*RUN_STARTS, when=resuming)
    def reach(request: WireRequest) -> None:
        own = request.thread_id
        request.path = request.path.replace(own, source_of(broken.store, own) or own)


@fault("answer-to-a-copy-is-given-to-both", breaks=["INTERRUPT-12", "NESTED-09"])
def answer_to_a_copy_is_given_to_both(broken: FaultyDeployment) -> None:
    @broken.wire.after(*RUN_STARTS, when=resuming)
    def answer_both(request: WireRequest, answer: WireAnswer) -> None:
        source = source_of(broken.store, request.thread_id)
        if answer.ok and source is not None:
            broken.store.runs.run(source, request.body)


@fault("original-forgets-its-question-with-its-copy", breaks=["INTERRUPT-12"])
def original_forgets_its_question(broken: FaultyDeployment) -> None:
    @broken.wire.after(*RUN_STARTS, when=where(resuming, of_graph("interrupter")))
    def forget(request: WireRequest, _answer: WireAnswer) -> None:
        thread = stored_thread(broken, source_of(broken.store, request.thread_id) or "")
        latest = thread.latest if thread else None
        if thread is not None and latest is not None:
            asked = tuple(replace(task, interrupts=()) for task in latest.tasks)
            broken.store.records.keep(
                broken.store.records.with_replaced(thread, replace(latest, tasks=asked))
            )


@fault("copy-cannot-be-resumed", breaks=["INTERRUPT-11", "NESTED-09"])
def copy_cannot_be_resumed(broken: FaultyDeployment) -> None:
    @broken.wire.before(*RUN_STARTS, when=resuming)
    def refuse(request: WireRequest) -> WireAnswer | None:
        unknown = source_of(broken.store, request.thread_id) is not None
        return WireAnswer(404, b'{"detail": "no such thread"}') if unknown else None


# Before and after nodes

fault("interrupt-before-is-ignored", breaks="INTERRUPT-13 INTERRUPT-20 INTERRUPT-21")(
    ignoring("interrupt_before", *RUN_STARTS)
)

fault("interrupt-before-stops-after-the-node", breaks="INTERRUPT-13 INTERRUPT-20 INTERRUPT-21")(
    change_request(
        *RUN_STARTS,
        to=lambda body: {
            **without(body, "interrupt_before"),
            "interrupt_after": body["interrupt_before"],
        },
        when=having("interrupt_before"),
    )
)

fault("interrupt-after-is-ignored", breaks="INTERRUPT-14 INTERRUPT-20 INTERRUPT-21 INTERRUPT-22")(
    ignoring("interrupt_after", *RUN_STARTS)
)

fault(
    "interrupt-after-stops-before-the-node",
    breaks="INTERRUPT-14 INTERRUPT-20 INTERRUPT-21 INTERRUPT-22",
)(
    change_request(
        *RUN_STARTS,
        to=lambda body: {
            **without(body, "interrupt_after"),
            "interrupt_before": body["interrupt_after"],
        },
        when=having("interrupt_after"),
    )
)

# Continuing


def _begun_anew(when: Callable[[Run], bool]) -> Apply:
    """Give runs without input and command an empty input, where `when(run)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Executor.first_position)
        def first_position(right: Any, graph: Any, base: Any, run: Run) -> Checkpoint:
            goes_on = run.kwargs.get("input") is None and not run.kwargs.get("command")
            if goes_on and base is not None and when(run):
                run = replace(run, kwargs={**run.kwargs, "input": {}})
            return right(graph, base, run)  # type: ignore[no-any-return]

    return apply


fault(
    "run-without-an-input-begins-anew",
    breaks="INTERRUPT-16 INTERRUPT-17 INTERRUPT-18",
)(_begun_anew(lambda run: True))
fault("run-without-an-input-begins-anew-at-its-checkpoint", breaks="INTERRUPT-18")(
    _begun_anew(lambda run: "checkpoint" in run.kwargs)
)
fault("run-with-the-input-null-begins-anew", breaks="INTERRUPT-17 INTERRUPT-18")(
    _begun_anew(lambda run: "input" in run.kwargs)
)
fault("streamed-run-without-an-input-ignores-its-checkpoint", breaks=["INTERRUPT-18"])(
    ignoring(
        "checkpoint",
        "run_stream",
        when=where(having("checkpoint"), lambda request: "input" not in request.members),
    )
)


fault("run-without-an-input-does-nothing", breaks="RUN-30 INTERRUPT-16 INTERRUPT-17 INTERRUPT-18")(
    ending_at_its_start(lambda _thread, run: goes_on(run))
)


def _names_the_node_again(thread: Thread, run: Run) -> bool:
    named = run.kwargs.get("interrupt_before") or []
    waits = thread.latest.next if thread.latest else ()
    return goes_on(run) and named != "*" and bool(set(named) & set(waits))


fault("run-that-goes-on-ends-where-it-names-the-node-again", breaks="INTERRUPT-16")(
    ending_at_its_start(_names_the_node_again, "interrupted")
)


@fault("run-goes-on-with-the-node-where-it-stopped", breaks="INTERRUPT-17")
def run_goes_on_with_the_node_where_it_stopped(broken: FaultyDeployment) -> None:
    """Execute the node again after which a run was stopped by `interrupt_after`."""

    @broken.override(Executor.first_position)
    def first_position(right: Any, graph: Any, base: Any, run: Run) -> Checkpoint:
        found = right(graph, base, run)
        thread = next(
            each
            for each in broken.store.records.threads_by_id.values()
            if any(one.run_id == run.run_id for one in each.runs)
        )
        stopped = len(thread.runs) > 1 and thread.runs[-2].kwargs.get("interrupt_after")
        goes_on = run.kwargs.get("input") is None and not run.kwargs.get("command")
        if not stopped or thread.runs[-2].kwargs.get("interrupt_before") or not goes_on:
            return found  # type: ignore[no-any-return]
        tasks = with_task_ids(found.checkpoint_id, [Task("", stopped[0])])
        return replace(found, tasks=tasks)  # type: ignore[no-any-return]


def kept_for_later_runs(*names: str) -> Apply:
    """Add to each run the members `names` that it lacks, as earlier runs of the thread had them."""

    def apply(broken: FaultyDeployment) -> None:
        kept: dict[str, dict[str, Any]] = {}

        @broken.override(Runs.begin_run)
        def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Any:
            known = kept.setdefault(thread_id, {})
            known |= {name: request[name] for name in names if request.get(name)}
            return right(thread_id, {**known, **request})

    return apply


fault("breakpoints-hold-for-later-runs", breaks="INTERRUPT-19")(
    kept_for_later_runs("interrupt_before", "interrupt_after")
)
fault("breakpoint-before-a-node-holds-for-later-runs", breaks="INTERRUPT-19")(
    kept_for_later_runs("interrupt_before")
)
fault("breakpoint-after-a-node-holds-for-later-runs", breaks="INTERRUPT-19")(
    kept_for_later_runs("interrupt_after")
)
fault("checkpoint-counts-for-later-runs", breaks="RUN-18")(kept_for_later_runs("checkpoint"))
