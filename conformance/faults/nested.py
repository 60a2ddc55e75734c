"""Faults of subgraphs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from conformance.faults.kit.runs import (
    BEGINNING,
    ignoring,
    of_graph,
    resuming,
    source_of,
    streaming,
    where,
)
from conformance.faults.kit.state import stored_thread
from conformance.faults.kit.wire import change_answer, change_request, mapped
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Thread
from conformance.model.steps import Steps
from conformance.model.threads import Threads
from conformance.reference.wire import Json, WireAnswer, WireRequest


def _including(request: WireRequest) -> bool:
    return request.query.get("subgraphs") == "true"


def _named_subgraph(request: WireRequest) -> bool:
    checkpoint = request.members.get("checkpoint")
    return isinstance(checkpoint, dict) and bool(checkpoint.get("checkpoint_ns"))


_NESTED_ANSWER = where(resuming, of_graph("nested"))

# States


@fault("interrupt-of-a-subgraph-stays-inside", breaks=["NESTED-01"])
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


@fault("subgraphs-are-always-included", breaks=["NESTED-03"])
def subgraphs_are_always_included(broken: FaultyDeployment) -> None:
    @broken.wire.answers("state")
    def include(request: WireRequest, state: Json) -> Json:
        within = broken.store.states.state(request.thread_id, subgraphs=True)
        tasks = zip(state["tasks"], within["tasks"], strict=True)
        return {**state, "tasks": [{**one, **other} for one, other in tasks]}


@fault("state-at-a-subgraph-is-that-of-the-graph", breaks=["NESTED-04"])
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


# Resuming and copying


@fault("answer-does-not-reach-the-subgraph", breaks=["NESTED-06", "NESTED-09"])
def answer_does_not_reach_the_subgraph(broken: FaultyDeployment) -> None:
    @broken.override(Steps.performed_inside)
    def performed_inside(
        right: Any, graph: Any, here: Any, task: Any, given: Any, answer: Any, metadata: Any
    ) -> Any:
        return right(graph, here, task, given, None, metadata)


fault("answer-reaches-the-subgraph-in-capitals", breaks=["NESTED-06", "NESTED-09"])(
    change_request(
        *BEGINNING,
        to=lambda body: {
            **body,
            "command": {**body["command"], "resume": str(body["command"]["resume"]).upper()},
        },
        when=_NESTED_ANSWER,
    )
)


@fault("copy-leaves-the-subgraph-behind", breaks=["NESTED-07", "NESTED-08", "NESTED-09"])
def copy_leaves_the_subgraph_behind(broken: FaultyDeployment) -> None:
    @broken.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> Any:
        return tuple(
            replace(each, tasks=tuple(replace(task, inner=()) for task in each.tasks))
            for each in right(source)
        )


@fault("subgraph-of-a-copy-names-the-source", breaks=["NESTED-08"])
def subgraph_of_a_copy_names_the_source(broken: FaultyDeployment) -> None:
    @broken.wire.answers("state", when=_including)
    def name_the_source(request: WireRequest, state: Json) -> Json:
        own = request.thread_id
        source = source_of(broken.store, own)
        inner = mapped(state["tasks"], lambda leaf: source if source and leaf == own else leaf)
        return {**state, "tasks": inner}


@fault("subgraph-is-shared-with-its-copy", breaks=["NESTED-09"])
def subgraph_is_shared_with_its_copy(broken: FaultyDeployment) -> None:
    @broken.wire.after(*BEGINNING, when=_NESTED_ANSWER)
    def share(request: WireRequest, answer: WireAnswer) -> None:
        source = source_of(broken.store, request.thread_id)
        if answer.ok and source is not None:
            broken.store.runs.run(source, request.body)


# Streams

fault("stream-never-tells-of-subgraphs", breaks=["NESTED-10"])(
    ignoring("stream_subgraphs", *BEGINNING)
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
