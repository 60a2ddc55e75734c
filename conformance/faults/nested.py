"""Faults of subgraphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from conformance.faults.kit.http_changes import change_answer, change_request, mapped, without
from conformance.faults.kit.runs import (
    RUN_STARTS,
    ignoring,
    of_graph,
    resuming,
    source_of,
    streaming,
    where,
)
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Run, Task, Thread
from conformance.model.executor import Executor
from conformance.model.records import Records
from conformance.model.superstep_execution import ResumeValue, Steps
from conformance.model.threads import Threads
from conformance.reference.wire import Json, WireAnswer, WireRequest


def _including(request: WireRequest) -> bool:
    return request.query.get("subgraphs") == "true"


def _named_subgraph(request: WireRequest) -> bool:
    checkpoint = request.members.get("checkpoint")
    return isinstance(checkpoint, dict) and bool(checkpoint.get("checkpoint_ns"))


_NESTED_ANSWER = where(resuming, of_graph("nested"))

# States


@fault(
    "interrupt-of-a-subgraph-stays-inside",
    breaks="NESTED-01 CONDITION-02 CONDITION-03 CONDITION-16",
)
def interrupt_of_a_subgraph_stays_inside(broken: FaultyDeployment) -> None:
    @broken.wire.answers("get")
    def hide_interrupts(request: WireRequest, thread: Json) -> Json:
        known = stored_thread(broken, request.thread_id)
        latest = known.latest if known else None
        nested = latest is not None and any(task.inner for task in latest.tasks)
        return {**thread, "interrupts": {}} if nested else thread


def _inner_state(change: Any) -> Apply:
    return change_answer(
        "state",
        to=lambda _, state: {
            **state,
            "tasks": [
                {**task, "state": change(task["state"])} if task.get("state") else task
                for task in state["tasks"]
            ],
        },
        when=_including,
    )


@fault("subgraphs-are-never-included", breaks=["NESTED-02"])
def subgraphs_are_never_included(broken: FaultyDeployment) -> None:
    @broken.wire.before("state", when=_including)
    def leave_out(request: WireRequest) -> None:
        request.query = {}


fault("included-subgraph-is-at-its-start", breaks=["NESTED-02", "NESTED-04", "NESTED-05"])(
    _inner_state(
        lambda state: {
            **state,
            "next": ["__start__"],
            "values": {"messages": []},
        }
    )
)


@fault("subgraphs-are-always-included", breaks="NESTED-03 CONDITION-04 CONDITION-16")
def subgraphs_are_always_included(broken: FaultyDeployment) -> None:
    @broken.wire.answers("state")
    def include(request: WireRequest, state: Json) -> Json:
        within = broken.store.states.state(request.thread_id, subgraphs=True)
        tasks = zip(state["tasks"], within["tasks"], strict=True)
        return {**state, "tasks": [{**one, **other} for one, other in tasks]}


@fault("state-at-a-subgraph-is-that-of-the-graph", breaks="NESTED-04 NESTED-15")
def state_at_a_subgraph_is_that_of_the_graph(broken: FaultyDeployment) -> None:
    @broken.wire.before("post_state_at_checkpoint", when=_named_subgraph)
    def outer(request: WireRequest) -> None:
        request.body = {**request.body, "checkpoint": {}}

    @broken.wire.answers("post_state_at_checkpoint", when=_named_subgraph)
    def show_state_of_graph(request: WireRequest, _state: Json) -> Json:
        return broken.store.states.state(request.thread_id)


fault("history-of-a-subgraph-is-oldest-first", breaks=["NESTED-05"])(
    change_answer("post_history", to=lambda _, states: states[::-1], when=_named_subgraph)
)


def _in_history(change: Callable[[dict[str, Any]], str]) -> Apply:
    """Change the namespace of the parents in the history of a subgraph."""

    def changed(state: Any) -> Any:
        parent = state.get("parent_checkpoint")
        if not parent:
            return state
        return {**state, "parent_checkpoint": {**parent, "checkpoint_ns": change(parent)}}

    return change_answer(
        "post_history", to=lambda _, page: [changed(each) for each in page], when=_named_subgraph
    )


fault("parents-of-a-subgraph-are-in-the-graph-around-it", breaks=["NESTED-14"])(
    _in_history(lambda _: "")
)
fault("parents-of-a-subgraph-are-in-one-of-the-same-node", breaks=["NESTED-14"])(
    _in_history(lambda parent: parent["checkpoint_ns"][:-8] + "00000000")
)


def _finished(change: Callable[[Sequence[Checkpoint]], Sequence[Checkpoint]]) -> Apply:
    """Change the history of a subgraph that has finished."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Records.with_history_of)
        def with_history_of(right: Any, thread: Thread, namespace: str) -> Thread:
            found: Thread = right(thread, namespace)
            latest = found.checkpoints[-1] if namespace and found.checkpoints else None
            if latest is None or latest.tasks:
                return found
            return replace(found, checkpoints=change(found.checkpoints))

    return apply


fault("finished-subgraph-has-its-last-state-alone", breaks=["NESTED-13"])(
    _finished(lambda states: states[-1:])
)
fault("finished-subgraph-is-shown-as-it-waited", breaks=["NESTED-13"])(
    _finished(lambda states: states[:-1])
)
fault("finished-subgraph-has-no-history", breaks=["NESTED-13"])(_finished(lambda _: ()))


def _of_visit(choose: Callable[[list[Task], Task], Task]) -> Apply:
    """Show, of a subgraph that was visited several times, the visit that `choose` returns.

    It is called with all visits of the same node, the oldest first, and the one asked for.
    """

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Records.with_history_of)
        def with_history_of(right: Any, thread: Thread, namespace: str) -> Thread:
            found: Thread = right(thread, namespace)
            tasks = [task for state in thread.checkpoints for task in state.tasks if task.inner]
            asked = [task for task in tasks if task.namespace == namespace]
            if not namespace or not asked:
                return found
            visits = [task for task in tasks if task.name == asked[0].name]
            return replace(found, checkpoints=choose(visits, asked[-1]).inner)

    return apply


fault("each-visit-of-a-subgraph-has-the-history-of-the-first", breaks=["NESTED-13"])(
    _of_visit(lambda visits, _: visits[0])
)
fault("history-of-a-subgraph-loses-its-answer-at-the-next-visit", breaks=["NESTED-13"])(
    _of_visit(
        lambda visits, asked: (
            asked
            if asked.namespace == visits[-1].namespace
            else replace(asked, inner=asked.inner[:-1])
        )
    )
)


@fault("older-states-of-a-subgraph-are-its-newest", breaks=["NESTED-15"])
def older_states_of_a_subgraph_are_its_newest(broken: FaultyDeployment) -> None:
    @broken.wire.before("post_state_at_checkpoint", when=_named_subgraph)
    def forget(request: WireRequest) -> None:
        checkpoint = without(request.members["checkpoint"], "checkpoint_id")
        request.body = {**request.members, "checkpoint": checkpoint}


@fault("older-states-of-a-subgraph-are-unknown", breaks=["NESTED-15"])
def older_states_of_a_subgraph_are_unknown(broken: FaultyDeployment) -> None:
    def older(request: WireRequest) -> bool:
        return _named_subgraph(request) and "checkpoint_id" in request.members["checkpoint"]

    @broken.wire.before("post_state_at_checkpoint", when=older)
    def refuse(_request: WireRequest) -> WireAnswer:
        return WireAnswer(404, b'{"detail": "no such checkpoint"}')


# At a checkpoint


fault("subgraphs-are-not-included-at-a-checkpoint", breaks=["CHECKPOINT-13"])(
    change_answer("state_at_checkpoint", to=lambda _, state: _bare(state), when=_including)
)
fault("subgraphs-are-not-included-in-what-is-posted-for", breaks=["CHECKPOINT-POST-04"])(
    change_answer("post_state_at_checkpoint", to=lambda _, state: _bare(state))
)


def _bare(state: Any) -> Any:
    """Return a state whose tasks do not include the states of their subgraphs."""
    return {**state, "tasks": [without(task, "state") for task in state["tasks"]]}


@fault("subgraph-at-a-checkpoint-is-at-its-start", breaks=["CHECKPOINT-13", "CHECKPOINT-POST-04"])
def subgraph_at_a_checkpoint_is_at_its_start(broken: FaultyDeployment) -> None:
    @broken.wire.answers("state_at_checkpoint", "post_state_at_checkpoint")
    def show_start(_request: WireRequest, state: Json) -> Json:
        start = {"next": ["__start__"], "values": {"messages": []}}
        tasks = [
            {**task, "state": {**task["state"], **start}} if task.get("state") else task
            for task in state["tasks"]
        ]
        return {**state, "tasks": tasks}


@fault(
    "state-shows-the-question-of-its-subgraph-twice",
    breaks="INTERRUPT-03 CONDITION-04 CONDITION-16",
)
def state_shows_the_question_twice(broken: FaultyDeployment) -> None:
    @broken.wire.answers("state")
    def show_twice(_request: WireRequest, state: Json) -> Json:
        inside = [task for task in state["tasks"] if task.get("checkpoint") or task.get("state")]
        more = [each for task in inside for each in task["interrupts"]]
        return {**state, "interrupts": [*state["interrupts"], *more]}


# Resuming and copying


@fault("answer-does-not-reach-the-subgraph", breaks="NESTED-06 NESTED-09 NESTED-11 NESTED-12")
def answer_does_not_reach_the_subgraph(broken: FaultyDeployment) -> None:
    @broken.override(Steps.run_subgraph)
    def performed_inside(
        right: Any, graph: Any, here: Any, task: Any, given: Any, answer: Any, metadata: Any
    ) -> Any:
        return right(graph, here, task, given, None, metadata)


def _answer_by_id_inside(change: Callable[[ResumeValue], ResumeValue | None]) -> Apply:
    """Change a resume value by interrupt id where a subgraph is interrupted."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Executor.resume_value_of)
        def resume_value_of(right: Any, run: Run, here: Checkpoint) -> ResumeValue | None:
            answer: ResumeValue | None = right(run, here)
            inside = any(task.inner for task in here.tasks)
            by_id = answer is not None and answer.by_interrupt is not None
            return change(answer) if answer is not None and by_id and inside else answer

    return apply


fault("answer-by-id-does-not-reach-the-subgraph", breaks=["NESTED-11"])(
    _answer_by_id_inside(lambda _: None)
)
fault("answer-by-id-reaches-the-subgraph-with-the-id", breaks=["NESTED-11"])(
    _answer_by_id_inside(lambda answer: ResumeValue(answer.by_interrupt))
)


@fault("subgraph-asks-again-at-the-newest-checkpoint", breaks=["NESTED-12", "INTERRUPT-31"])
def subgraph_asks_again_at_the_newest_checkpoint(broken: FaultyDeployment) -> None:
    @broken.override(Executor.first_position)
    def first_position(right: Any, graph: Any, base: Any, run: Run) -> Any:
        found = right(graph, base, run)
        if "checkpoint" not in run.kwargs or not run.kwargs.get("command"):
            return found
        tasks = tuple(replace(task, interrupts=(), inner=()) for task in found.tasks)
        return replace(found, tasks=tasks)

    @broken.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> Any:
        named = "checkpoint" in run.kwargs
        return None if named and not any(task.inner for task in here.tasks) else right(run, here)


fault("answer-reaches-the-subgraph-in-capitals", breaks="NESTED-06 NESTED-09 NESTED-11 NESTED-12")(
    change_request(
        *RUN_STARTS,
        to=lambda body: {
            **body,
            "command": {**body["command"], "resume": str(body["command"]["resume"]).upper()},
        },
        when=_NESTED_ANSWER,
    )
)


@fault("copy-leaves-the-subgraph-behind", breaks="NESTED-07 NESTED-08 NESTED-09 CONDITION-08")
def copy_leaves_the_subgraph_behind(broken: FaultyDeployment) -> None:
    @broken.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> Any:
        return tuple(
            replace(each, tasks=tuple(replace(task, inner=()) for task in each.tasks))
            for each in right(source)
        )


@fault("subgraph-of-a-copy-names-another-thread", breaks=["NESTED-08"])
def subgraph_of_a_copy_names_another_thread(broken: FaultyDeployment) -> None:
    @broken.wire.answers("state", when=_including)
    def name_another(request: WireRequest, state: Json) -> Json:
        own = request.thread_id
        if source_of(broken.store, own) is None:
            return state
        inner = mapped(state["tasks"], lambda leaf: str(UUID(int=1)) if leaf == own else leaf)
        return {**state, "tasks": inner}


@fault("subgraph-is-shared-with-its-copy", breaks=["NESTED-09"])
def subgraph_is_shared_with_its_copy(broken: FaultyDeployment) -> None:
    @broken.wire.after(*RUN_STARTS, when=_NESTED_ANSWER)
    def share(request: WireRequest, answer: WireAnswer) -> None:
        source = source_of(broken.store, request.thread_id)
        if answer.ok and source is not None:
            broken.store.runs.run(source, request.body)


# Streams

fault("stream-never-tells-of-subgraphs", breaks=["NESTED-10"])(
    ignoring("stream_subgraphs", *RUN_STARTS)
)

fault("stream-always-tells-of-subgraphs", breaks=["NESTED-10"])(
    change_request(
        "run_stream", to=lambda body: {**body, "stream_subgraphs": True}, when=of_graph("nested")
    )
)

for mode in ("values", "updates"):
    fault(f"{mode}-of-subgraphs-are-not-streamed", breaks=["NESTED-10"])(
        streaming(
            "run_stream",
            to=partial(
                lambda mode, events: [
                    each for each in events if not each[1].startswith(f"{mode}|")
                ],
                mode,
            ),
        )
    )
