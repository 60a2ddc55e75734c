"""Blind faults, set a: bugs that people reported of LangGraph, LangGraph.js and Aegra, or could.

Most depend on a condition: a copy, a fork, a second run, an argument left out, another way to ask.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.blind.registry import blind
from conformance.faults.kit.http_changes import HISTORIES, STATES, copies_of, each_shown, without
from conformance.faults.kit.runs import (
    RUN_STARTS,
    command_of,
    encode_events,
    events_in,
    found_run,
    run_id_in,
    runs_on,
)
from conformance.faults.kit.search import comparing, empty_is_missing, filtered_metadata
from conformance.faults.kit.state import stored_thread
from conformance.model.crons import Crons
from conformance.model.entities import Checkpoint, Cron, Run, Task, Thread, Ttl
from conformance.model.errors import ModelError, NotFoundError
from conformance.model.executor import Advance, Executor
from conformance.model.ids_and_times import JsonObject, canonical_id
from conformance.model.records import Records
from conformance.model.runs import Runs
from conformance.model.search import DEFAULT_SORT, Query, Searches
from conformance.model.states import States
from conformance.model.streams import INTERRUPT, RunEvent, StreamEvents
from conformance.model.superstep_execution import ResumeValue, Step, Steps
from conformance.model.threads import Threads
from conformance.model.views import Views, checkpoint_config
from conformance.reference.altered import Altered
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer

#: Prefix of the metadata keys by which a run marks its threads; the faults leave them alone.
_TAG = "threads_conformance"
_SDK = "https://github.com/langchain-ai/langgraph/blob/main/libs/sdk-py/langgraph_sdk"
_DOC_COPY = "000_31e26eeb5287a5ec.txt"
#: The query that every thread matches.
_ANY = Query()


def _by_id(thread: Thread, checkpoint_id: str) -> Checkpoint:
    return next(each for each in thread.checkpoints if each.checkpoint_id == checkpoint_id)


def _by_run(checkpoint: Checkpoint) -> bool:
    return "run_id" in checkpoint.metadata


def _without_interrupts(checkpoint: Checkpoint) -> Checkpoint:
    tasks = tuple(replace(task, interrupts=(), inner=()) for task in checkpoint.tasks)
    return replace(checkpoint, tasks=tasks)


def _has_input(request: WireRequest) -> bool:
    return request.members.get("input") is not None


def _names_checkpoint(request: WireRequest) -> bool:
    members = request.members
    named = members.get("checkpoint")
    inside = isinstance(named, dict) and named.get("checkpoint_id") is not None
    return inside or members.get("checkpoint_id") is not None


def _change_events(
    deployment: Altered,
    *operations: str,
    when: Callable[[WireRequest], bool],
    to: Callable[[list[Any]], list[Any]],
) -> None:
    @deployment.wire.after(*operations, when=when)
    def change(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            answer.raw = encode_events(to(events_in(answer.raw)))


# Create


@blind(
    "a-create-do-nothing-merges-metadata",
    source="https://github.com/langchain-ai/langgraph/pull/1009 (do_nothing: return the existing)",
)
def create_do_nothing_merges_metadata(deployment: Altered) -> None:
    """Create with if_exists do_nothing is an upsert: it merges metadata into the existing thread.

    Only where the existing thread has a state already.
    """
    store = deployment.store

    @deployment.override(Threads.create)
    def create(right: Any, **named: Any) -> Any:
        before = set(store.records.threads_by_id)
        view = right(**named)
        thread = store.records.threads_by_id[view["thread_id"]]
        given = named.get("metadata")
        if thread.thread_id not in before or not given or not thread.checkpoints:
            return view
        changed = replace(thread, metadata={**thread.metadata, **given})
        return store.views.thread_view(store.records.keep(changed))


@blind(
    "a-create-do-nothing-appends-supersteps",
    source="https://github.com/langchain-ai/langgraphjs-api/pull/13 (supersteps of a new thread)",
)
def create_do_nothing_appends_supersteps(deployment: Altered) -> None:
    """Create with if_exists do_nothing and supersteps appends them to the existing thread."""
    store = deployment.store

    @deployment.override(Threads.create)
    def create(right: Any, **named: Any) -> Any:
        before = set(store.records.threads_by_id)
        view = right(**named)
        thread = store.records.threads_by_id[view["thread_id"]]
        if thread.thread_id not in before or "graph_id" not in thread.metadata:
            return view
        try:
            for step in named.get("supersteps") or ():
                thread = store.states.with_superstep(thread, thread.latest, step["updates"])
        except ModelError:
            return view
        return store.views.thread_view(store.records.keep(thread))


@blind(
    "a-create-superstep-applies-first-update-only",
    source="ThreadCreate.supersteps.updates is an array; 003_a519280589421030.txt: 'a list of a"
    " sequence of state updates'",
)
def create_superstep_applies_first_update_only(deployment: Altered) -> None:
    """Of a superstep with several updates only the first is applied."""

    @deployment.override(States.with_superstep)
    def with_superstep(
        right: Any, thread: Thread, base: Checkpoint | None, updates: Sequence[JsonObject]
    ) -> Any:
        return right(thread, base, updates[:1])


@blind(
    "a-create-supersteps-leave-results-empty",
    source="https://github.com/langchain-ai/langgraph/issues/6206",
)
def create_supersteps_leave_results_empty(deployment: Altered) -> None:
    """In the history of a thread made from supersteps the tasks have no result."""
    creating: list[bool] = []

    @deployment.override(Threads.create)
    def create(right: Any, **named: Any) -> Any:
        creating.append(True)
        try:
            return right(**named)
        finally:
            creating.pop()

    @deployment.override(States.with_superstep)
    def with_superstep(
        right: Any, thread: Thread, base: Checkpoint | None, updates: Sequence[JsonObject]
    ) -> Any:
        made = right(thread, base, updates)
        if base is None or not creating:
            return made
        return deployment.store.records.with_replaced(made, base)


@blind(
    "a-create-drops-ttl-with-supersteps",
    source="https://github.com/langchain-ai/langgraph/pull/6075 (ttl on thread creation)",
)
def create_drops_ttl_with_supersteps(deployment: Altered) -> None:
    """A thread created with both ttl and supersteps gets no ttl."""

    @deployment.override(Threads.create)
    def create(right: Any, **named: Any) -> Any:
        return right(**(without(named, "ttl") if named.get("supersteps") else named))


@blind(
    "a-create-drops-nested-nulls-of-metadata",
    source="ThreadCreate.metadata is an arbitrary object; the like in"
    " https://github.com/aegra/aegra/issues/369: values pass a serializer",
)
def create_drops_nested_nulls_of_metadata(deployment: Altered) -> None:
    """A null inside an object of the metadata is dropped at creation, as by exclude_none."""

    def pruned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: pruned(each) for name, each in value.items() if each is not None}
        return value

    @deployment.override(Threads.create)
    def create(right: Any, **named: Any) -> Any:
        given = named.get("metadata")
        if given:
            named["metadata"] = {name: pruned(each) for name, each in given.items()}
        return right(**named)


@blind(
    "a-create-same-id-at-once-both-succeed",
    source="ThreadCreate.if_exists: raise by default (409), published for POST /threads",
)
def create_same_id_at_once_both_succeed(deployment: Altered) -> None:
    """Of two creates of one id at the same time both succeed; the later replaces the earlier."""
    records = deployment.store.records

    @deployment.wire.before("create", when=lambda request: "thread_id" in request.members)
    async def check_then_act(request: WireRequest) -> None:
        try:
            own = canonical_id(request.members["thread_id"], "thread_id")
        except ModelError:
            return
        known = own in records.threads_by_id
        await asyncio.sleep(0.05)
        if not known and own in records.threads_by_id:
            records.forget(own)


# Copy


@blind(
    "a-copy-of-copy-names-first-copy-as-parents-thread",
    source="https://github.com/aegra/aegra/pull/349 (INSERT … SELECT that rewrites thread_id)",
)
def copy_of_copy_names_first_copy(deployment: Altered) -> None:
    """In the states of a copy of a copy, parent_checkpoint.thread_id is that of the first copy."""
    sources = copies_of(deployment)

    def change(request: WireRequest, state: Any) -> Json:
        source = sources.get(request.thread_id)
        if source not in sources or not isinstance(state, dict):
            return state
        parent = state.get("parent_checkpoint")
        return {**state, "parent_checkpoint": parent and {**parent, "thread_id": source}}

    each_shown(deployment, *STATES)(change)


@blind(
    "a-copy-of-failed-thread-is-idle",
    source="https://github.com/aegra/aegra/pull/349 (a copy of a failed thread has status error)",
)
def copy_of_failed_thread_is_idle(deployment: Altered) -> None:
    """The copy of a thread whose last run failed has status idle."""
    store = deployment.store

    @deployment.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        made = right(thread_id)
        if made["status"] != "error":
            return made
        thread = replace(store.records.thread(made["thread_id"]), status="idle")
        return store.views.thread_view(store.records.keep(thread))


@blind(
    "a-copy-of-busy-thread-stays-busy",
    source="https://github.com/aegra/aegra/pull/349 (status=src.status, even of a running one)",
)
def copy_of_busy_thread_stays_busy(deployment: Altered) -> None:
    """The copy of a thread with an active run has status busy, though it has no run."""
    store = deployment.store

    @deployment.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        made = right(thread_id)
        if not any(run.active for run in store.records.thread(thread_id).runs):
            return made
        thread = replace(store.records.thread(made["thread_id"]), status="busy")
        return store.views.thread_view(store.records.keep(thread))


@blind(
    "a-copy-loses-pending-interrupts",
    source="https://github.com/oceanbase/langchain-oceanbase/pull/157 (copy_thread has to preserve"
    " pending writes)",
)
def copy_loses_pending_interrupts(deployment: Altered) -> None:
    """The copy of an interrupted thread has the waiting node, but not its interrupt."""

    @deployment.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> Any:
        kept = right(source)
        return (*kept[:-1], _without_interrupts(kept[-1])) if kept else kept


@blind(
    "a-copy-drops-abandoned-branches",
    source=f"{_DOC_COPY}: 'a new thread with the same history as the existing thread'",
)
def copy_drops_abandoned_branches(deployment: Altered) -> None:
    """A copy has only the ancestors of the latest state, not the branches left by a fork."""

    @deployment.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> Any:
        parents = {each.checkpoint_id: each.parent_id for each in source.checkpoints}
        kept, here = set(), source.latest.checkpoint_id if source.latest else None
        while here is not None:
            kept.add(here)
            here = parents.get(here)
        return tuple(each for each in right(source) if each.checkpoint_id in kept)


@blind(
    "a-copy-takes-ten-newest-checkpoints",
    source="https://github.com/langchain-ai/langgraph/issues/7859 (the full history is to be"
    " copied)",
)
def copy_takes_ten_newest_checkpoints(deployment: Altered) -> None:
    """A copy has only the first page of the history, ten states."""

    @deployment.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> Any:
        return right(source)[-10:]


@blind(
    "a-copy-is-emptied-with-its-source",
    source="002_253ba099f6d2cc6b.txt: 'an independent thread'; aegra #499 (deletes of checkpoints)",
)
def copy_is_emptied_with_its_source(deployment: Altered) -> None:
    """Deleting a thread deletes the checkpoints of its copies too."""
    records, sources = deployment.store.records, copies_of(deployment)

    @deployment.override(Threads.delete)
    def delete(right: Any, thread_id: str) -> Any:
        own = records.thread(thread_id).thread_id
        right(thread_id)
        for copied, source in sources.items():
            if source == own and copied in records.threads_by_id:
                records.keep(replace(records.thread(copied), checkpoints=()))


# Get, state, state at a checkpoint


@blind(
    "a-get-shows-interrupt-after-state-update",
    source="https://github.com/aegra/aegra/issues/468 (an interrupt that should not be there)",
)
def get_shows_interrupt_after_state_update(deployment: Altered) -> None:
    """A thread still shows the interrupt that a state update has answered."""

    @deployment.override(Views.pending_interrupts)
    def pending_interrupts(right: Any, thread: Thread) -> Any:
        latest = thread.latest
        if latest is not None and latest.metadata["source"] == "update" and thread.runs:
            earlier = thread.checkpoints[:-1]
            asking = [each for each in earlier if any(task.interrupts for task in each.tasks)]
            if asking and asking[-1].checkpoint_id == latest.parent_id:
                tasks = tuple(replace(task, done=False) for task in asking[-1].tasks)
                return right(replace(thread, checkpoints=(replace(asking[-1], tasks=tasks),)))
        return right(thread)


@blind(
    "a-get-shows-values-of-last-run-only",
    source="Thread.values is 'The current state of the thread.' (langgraph_sdk/schema.py)",
)
def get_shows_values_of_last_run_only(deployment: Altered) -> None:
    """After a state update, the thread's values are still those at the end of its last run."""

    @deployment.override(Views.thread_view)
    def thread_view(right: Any, thread: Thread) -> Any:
        view = right(thread)
        made = [each for each in thread.checkpoints if _by_run(each)]
        if not thread.runs or not made or thread.latest is made[-1]:
            return view
        return {**view, "values": made[-1].values}


@blind(
    "a-state-has-no-interrupts-of-subgraph",
    source="https://github.com/langchain-ai/langgraph/issues/6362",
)
def state_has_no_interrupts_of_subgraph(deployment: Altered) -> None:
    """The member `interrupts` of a state is empty where the interrupt is in a subgraph."""

    @deployment.override(Views.state_view)
    def state_view(
        right: Any, thread: Thread, checkpoint: Checkpoint, *rest: Any, **named: Any
    ) -> Any:
        view = right(thread, checkpoint, *rest, **named)
        inside = any(task.inner for task in checkpoint.tasks)
        return {**view, "interrupts": []} if inside else view


@blind(
    "a-state-by-post-ignores-namespace",
    source="https://github.com/langchain-ai/langgraph/pull/1530 (subgraph config for get_state)",
)
def state_by_post_ignores_namespace(deployment: Altered) -> None:
    """POST state/checkpoint with the checkpoint_ns of a subgraph shows the state of the thread."""

    @deployment.override(States.state)
    def state(
        right: Any, thread_id: str, checkpoint: JsonObject | None = None, **named: Any
    ) -> Any:
        if checkpoint and checkpoint.get("checkpoint_ns"):
            checkpoint = None
        return right(thread_id, checkpoint, **named)


@blind(
    "a-state-at-checkpoint-ignores-subgraphs",
    source="https://github.com/langchain-ai/langgraph/pull/3607 (get_state(subgraphs=True))",
)
def state_at_checkpoint_ignores_subgraphs(deployment: Altered) -> None:
    """GET state/{checkpoint_id} ignores `subgraphs`, which GET state honours."""

    @deployment.wire.before(
        "state_at_checkpoint", when=lambda request: request.query.get("subgraphs") == "true"
    )
    def ignore(request: WireRequest) -> None:
        request.query.pop("subgraphs")


@blind(
    "a-state-at-executed-checkpoint-has-no-next",
    source="https://github.com/langchain-ai/langgraph/issues/6956 (next is empty)",
)
def state_at_executed_checkpoint_has_no_next(deployment: Altered) -> None:
    """At a checkpoint whose tasks have run since, `next` is empty; in the history it is right."""

    def change(_request: WireRequest, state: Json) -> Json:
        done = [task.get("result") is not None for task in state["tasks"]]
        return {**state, "next": []} if done and all(done) else state

    deployment.wire.answers("state_at_checkpoint", "post_state_at_checkpoint")(change)


@blind(
    "a-state-of-other-threads-checkpoint-is-shown",
    source="https://github.com/langchain-ai/langchain-mongodb/issues/129 (thread_id and"
    " checkpoint_id name a state together); no such checkpoint: 404",
)
def state_of_other_threads_checkpoint_is_shown(deployment: Altered) -> None:
    """State by checkpoint id looks in all threads, so that it shows the state of another."""
    store = deployment.store

    @deployment.override(States.state)
    def state(
        right: Any, thread_id: str, checkpoint: JsonObject | None = None, **named: Any
    ) -> Any:
        try:
            return right(thread_id, checkpoint, **named)
        except NotFoundError:
            thread = store.records.thread(thread_id)
            for other in store.records.threads_by_id.values():
                for each in other.checkpoints:
                    if checkpoint and each.checkpoint_id == checkpoint.get("checkpoint_id"):
                        return store.views.state_view(thread, each)
            raise


@blind(
    "a-history-hides-finished-subgraph",
    source="https://github.com/langchain-ai/deepagents/issues/5131",
)
def history_hides_finished_subgraph(deployment: Altered) -> None:
    """Once a subgraph has finished, its namespace is not found any more."""

    @deployment.override(Records.with_history_of)
    def with_history_of(right: Any, thread: Thread, namespace: str) -> Any:
        for checkpoint in thread.checkpoints:
            for task in checkpoint.tasks:
                if namespace and task.namespace == namespace and task.done:
                    raise NotFoundError(f"Subgraph {namespace} not found")
        return right(thread, namespace)


# History


@blind(
    "a-history-before-full-config-is-empty",
    source="https://github.com/aegra/aegra/issues/274",
)
def history_before_full_config_is_empty(deployment: Altered) -> None:
    """POST history is empty where `before` is a whole checkpoint config, not just an id."""

    def whole(request: WireRequest) -> bool:
        before = request.members.get("before")
        return isinstance(before, dict) and "thread_id" in before and "checkpoint_id" in before

    deployment.wire.answers("post_history", when=whole)(lambda _request, _page: [])


@blind(
    "a-history-before-unknown-checkpoint-is-500",
    source="https://github.com/aegra/aegra/pull/252 (HTTP 500 by before)",
)
def history_before_unknown_checkpoint_is_500(deployment: Altered) -> None:
    """GET history before a checkpoint that does not exist is answered with 500."""

    @deployment.wire.after("history", when=lambda request: "before" in request.query, status=404)
    def fail(request: WireRequest, answer: WireAnswer) -> None:
        if stored_thread(deployment, request.thread_id):
            answer.status, answer.body = 500, {"detail": "Internal Server Error"}


@blind(
    "a-history-limit-ignored-with-before",
    source="https://github.com/pizza-bot-app/pizza-bot/pull/92 (limit and before dropped)",
)
def history_limit_ignored_with_before(deployment: Altered) -> None:
    """GET history ignores `limit` where `before` is given as well: no page but the first is cut."""

    @deployment.wire.before("history", when=lambda request: {"before", "limit"} <= {*request.query})
    def ignore(request: WireRequest) -> None:
        request.query.pop("limit")


@blind(
    "a-history-limits-before-it-filters",
    source="https://github.com/langchain-ai/langgraph/pull/604 (filter in get_state_history)",
)
def history_limits_before_it_filters(deployment: Altered) -> None:
    """POST history takes `limit` states first and then drops those that the metadata excludes."""

    @deployment.override(States.history)
    def history(right: Any, thread_id: str, **named: Any) -> Any:
        wanted = named.pop("metadata", None)
        page = right(thread_id, **named)
        if not wanted:
            return page
        return [each for each in page if deployment.store.states.state_matches(each, wanted)]


@blind(
    "a-history-filters-by-first-member-only",
    source="https://github.com/langchain-ai/langgraph/pull/604 (filter: all members must match)",
)
def history_filters_by_first_member_only(deployment: Altered) -> None:
    """With two members in the metadata filter of a history, only the first one counts."""

    @deployment.override(States.state_matches)
    def state_matches(right: Any, state: JsonObject, metadata: JsonObject) -> Any:
        return right(state, dict(list(metadata.items())[:1]))


@blind(
    "a-history-is-ordered-by-step",
    source="https://github.com/langchain-ai/langgraph/issues/4987 (history after time travel)",
)
def history_is_ordered_by_step(deployment: Altered) -> None:
    """A history is ordered by step, not by time, so that a fork is not at its beginning."""

    @deployment.override(States.ordered_states)
    def ordered_states(right: Any, checkpoints: Sequence[Checkpoint]) -> Any:
        return sorted(right(checkpoints), key=lambda each: each.step, reverse=True)


@blind(
    "a-history-lacks-error-of-failed-task",
    source="https://github.com/langchain-ai/langgraph/pull/2176 (error of a thread); ThreadState"
    ".tasks.error",
)
def history_lacks_error_of_failed_task(deployment: Altered) -> None:
    """The history does not show the error of a failed task; the current state does."""

    def change(_request: WireRequest, state: Any) -> Json:
        return {**state, "tasks": [without(task, "error") for task in state["tasks"]]}

    each_shown(deployment, *HISTORIES)(change)


@blind(
    "a-history-by-post-of-empty-thread-is-404",
    source="https://github.com/yeongseon/azure-functions-langgraph-python/issues/58 ('Empty list if"
    " thread exists but has no checkpoints')",
)
def history_by_post_of_empty_thread_is_404(deployment: Altered) -> None:
    """POST history answers 404 for a thread without states; GET history answers []."""
    empty_is_missing("post_history", [], when=lambda request: "before" not in request.members)(
        deployment
    )


# State updates and forks


@blind(
    "a-update-state-without-values-makes-nothing",
    source="https://github.com/aegra/aegra/pull/321 (bug 2); langgraph #1172",
)
def update_state_without_values_makes_nothing(deployment: Altered) -> None:
    """A state update with null values makes no checkpoint; it answers the one that it names."""
    store = deployment.store

    @deployment.override(States.update_state)
    def update_state(right: Any, thread_id: str, values: object = None, **named: Any) -> Any:
        thread = store.records.thread(thread_id)
        base = store.records.named_checkpoint(thread, named.get("checkpoint")) or thread.latest
        if values is None and base is not None:
            return {"checkpoint": checkpoint_config(thread, base.checkpoint_id)}
        return right(thread_id, values, **named)


@blind(
    "a-update-state-of-old-checkpoint-adds-to-latest",
    source="https://github.com/langchain-ai/langchain-google/issues/1333",
)
def update_state_of_old_checkpoint_adds_to_latest(deployment: Altered) -> None:
    """A fork from an older checkpoint adds to the values of the latest state."""

    @deployment.override(States.with_superstep)
    def with_superstep(
        right: Any, thread: Thread, base: Checkpoint | None, updates: Sequence[JsonObject]
    ) -> Any:
        latest = thread.latest
        if base is None or latest is None or base.checkpoint_id == latest.checkpoint_id:
            return right(thread, base, updates)
        made = right(thread, replace(base, values=latest.values), updates)
        kept = replace(_by_id(made, base.checkpoint_id), values=base.values)
        return deployment.store.records.with_replaced(made, kept)


@blind(
    "a-update-state-has-no-parent-after-run",
    source="https://github.com/infiniflow/ragflow/pull/16325 ('UpdateState drops parent linkage"
    " when targeting latest')",
)
def update_state_has_no_parent_after_run(deployment: Altered) -> None:
    """A state update that names no checkpoint, on a thread with runs, has no parent."""
    records = deployment.store.records

    @deployment.override(States.update_state)
    def update_state(right: Any, thread_id: str, values: object = None, **named: Any) -> Any:
        answer = right(thread_id, values, **named)
        thread = records.thread(thread_id)
        latest = thread.latest
        if thread.runs and latest is not None and not named.get("checkpoint"):
            records.keep(records.with_replaced(thread, replace(latest, parent_id=None)))
        return answer


@blind(
    "a-update-state-leaves-status-interrupted",
    source="https://github.com/langchain-ai/langgraphjs/pull/1549 (updateState after an interrupt)",
)
def update_state_leaves_status_interrupted(deployment: Altered) -> None:
    """A thread stays interrupted after a state update as the waiting node, with nothing next."""
    records = deployment.store.records

    @deployment.override(States.update_state)
    def update_state(right: Any, thread_id: str, values: object = None, **named: Any) -> Any:
        before = records.thread(thread_id).status
        answer = right(thread_id, values, **named)
        if before == "interrupted":
            records.keep(replace(records.thread(thread_id), status=before))
        return answer


@blind(
    "a-update-state-ignores-message-removal",
    source="https://github.com/langchain-ai/langgraph/issues/5112",
)
def update_state_ignores_message_removal(deployment: Altered) -> None:
    """A state update with a message of type remove removes nothing."""

    def is_removal(message: Any) -> bool:
        return isinstance(message, dict) and message.get("type") == "remove"

    @deployment.override(States.update_state)
    def update_state(right: Any, thread_id: str, values: object = None, **named: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("messages"), list):
            kept = [each for each in values["messages"] if not is_removal(each)]
            values = {**values, "messages": kept}
        return right(thread_id, values, **named)


@blind(
    "a-fork-keeps-updated-at",
    source=f"{_SDK}/schema.py: Thread.updated_at is 'The last time the thread was updated'",
)
def fork_keeps_updated_at(deployment: Altered) -> None:
    """A state update at an older checkpoint does not change the thread's times."""
    records = deployment.store.records

    @deployment.override(States.update_state)
    def update_state(right: Any, thread_id: str, values: object = None, **named: Any) -> Any:
        before = records.thread(thread_id)
        answer = right(thread_id, values, **named)
        if named.get("checkpoint"):
            thread = replace(records.thread(thread_id), updated_at=before.updated_at)
            records.keep(replace(thread, state_updated_at=before.state_updated_at))
        return answer


# Metadata and ttl of a thread


@blind(
    "a-patch-ttl-alone-clears-metadata",
    source="https://github.com/Chainlit/chainlit/issues/2283 (metadata overwritten if left out)",
)
def patch_ttl_alone_clears_metadata(deployment: Altered) -> None:
    """PATCH with a ttl and without metadata clears the metadata."""
    store = deployment.store

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, **named: Any) -> Any:
        view = right(thread_id, **named)
        if "metadata" in named or "ttl" not in named:
            return view
        thread = store.records.thread(thread_id)
        kept = {name: each for name, each in thread.metadata.items() if name.startswith(_TAG)}
        return store.views.thread_view(store.records.keep(replace(thread, metadata=kept)))


@blind(
    "a-patch-splits-keys-at-dots",
    source=f"{_SDK}/_async/threads.py: 'Metadata to merge with existing thread metadata'",
)
def patch_splits_keys_at_dots(deployment: Altered) -> None:
    """PATCH takes the dot in a metadata key for a path; create takes the key as it is."""

    @deployment.override(Threads.merged)
    def merged(right: Any, metadata: JsonObject, new: JsonObject) -> Any:
        split: JsonObject = {}
        for name, value in new.items():
            head, dot, rest = name.partition(".")
            plain = not (dot and head and rest) or name.startswith(_TAG)
            split[name if plain else head] = value if plain else {rest: value}
        return right(metadata, split)


@blind(
    "a-patch-ttl-again-keeps-expiry",
    source="https://github.com/langchain-ai/langgraph/pull/6075 (ttl on thread update)",
)
def patch_ttl_again_keeps_expiry(deployment: Altered) -> None:
    """PATCH with a new ttl changes the minutes, not the time when the thread expires."""

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, **named: Any) -> Any:
        records = deployment.store.records
        before = records.thread(thread_id).ttl
        view = right(thread_id, **named)
        thread = records.thread(thread_id)
        if named.get("ttl") and before is not None and thread.ttl is not None:
            kept: Ttl = replace(thread.ttl, expires_at=before.expires_at)
            records.keep(replace(thread, ttl=kept))
        return view


@blind(
    "a-patch-changes-state-updated-at",
    source=f"{_SDK}/schema.py: 'The last time the thread state was updated'",
)
def patch_changes_state_updated_at(deployment: Altered) -> None:
    """PATCH of the metadata changes state_updated_at, though the state stays."""
    store = deployment.store

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, **named: Any) -> Any:
        view = right(thread_id, **named)
        if not named.get("metadata"):
            return view
        thread = store.records.thread(thread_id)
        changed = replace(thread, state_updated_at=thread.updated_at)
        return store.views.thread_view(store.records.keep(changed))


@blind(
    "a-patches-at-once-lose-one",
    source="https://github.com/aegra/aegra/pull/113 (PATCH merges into what it has read)",
)
def patches_at_once_lose_one(deployment: Altered) -> None:
    """Of two PATCH requests at the same time one is lost: each merges into what it read first."""
    store = deployment.store
    read: dict[int, JsonObject] = {}

    @deployment.wire.before("update")
    async def read_first(request: WireRequest) -> None:
        thread = stored_thread(deployment, request.thread_id)
        if thread is not None:
            read[id(request)] = thread.metadata
            await asyncio.sleep(0.05)

    @deployment.wire.after("update")
    def write(request: WireRequest, answer: WireAnswer) -> None:
        known = read.pop(id(request), None)
        thread = stored_thread(deployment, request.thread_id)
        given = request.members.get("metadata")
        if answer.ok and known is not None and thread is not None and given:
            changed = replace(thread, metadata={**known, **given})
            store.records.keep(changed)


# Runs


@blind(
    "a-run-from-checkpoint-without-input-restarts",
    source="https://github.com/aegra/aegra/issues/320",
)
def run_from_checkpoint_without_input_restarts(deployment: Altered) -> None:
    """A run with a checkpoint and no input starts the graph anew, as with the input {}."""

    def concerned(request: WireRequest) -> bool:
        command = request.members.get("command")
        return _names_checkpoint(request) and not _has_input(request) and not command

    @deployment.wire.before(*RUN_STARTS, when=concerned)
    def restart(request: WireRequest) -> None:
        request.body = {**request.members, "input": {}}


@blind(
    "a-run-stream-with-input-ignores-checkpoint",
    source="https://github.com/langchain-ai/langgraph/pull/1483 (time travel by runs.stream)",
)
def run_stream_with_input_ignores_checkpoint(deployment: Altered) -> None:
    """A streamed run with an input and a checkpoint starts from the latest state."""

    @deployment.wire.before(
        "run_stream", when=lambda request: _names_checkpoint(request) and _has_input(request)
    )
    def ignore(request: WireRequest) -> None:
        request.body = without(request.members, "checkpoint", "checkpoint_id")


@blind(
    "a-run-after-failure-is-refused",
    source="https://github.com/OpenDCAI/Mycel/pull/33 (thread not runnable after an error, 409)",
)
def run_after_failure_is_refused(deployment: Altered) -> None:
    """A thread whose last run failed accepts no further run: 409."""

    @deployment.wire.before(*RUN_STARTS)
    def refuse(request: WireRequest) -> WireAnswer | None:
        thread = stored_thread(deployment, request.thread_id)
        if thread is None or thread.status != "error":
            return None
        return json_answer(409, {"detail": "the thread is not ready"})


@blind(
    "a-join-of-failed-run-is-empty",
    source="https://github.com/aegra/aegra/pull/601",
)
def join_of_failed_run_is_empty(deployment: Altered) -> None:
    """Join answers {} for a failed run, wait answers the error."""

    def change(_request: WireRequest, body: Json) -> Json:
        return {} if isinstance(body, dict) and "__error__" in body else body

    deployment.wire.answers("run_join")(change)


@blind(
    "a-join-of-enqueued-run-answers-at-once",
    source="https://github.com/aegra/aegra/pull/601 (the wait gives up before the run's end)",
)
def join_of_enqueued_run_answers_at_once(deployment: Altered) -> None:
    """Join of a run that is still pending answers the present values and does not wait."""

    @deployment.wire.before("run_join")
    def answer(request: WireRequest) -> WireAnswer | None:
        thread = stored_thread(deployment, request.thread_id)
        for run in thread.runs if thread else ():
            if thread and run.run_id == run_id_in(request) and run.status == "pending":
                return json_answer(200, thread.values)
        return None


@blind(
    "a-join-lacks-interrupt",
    source="https://github.com/langchain-ai/langgraph/issues/6362; the values of an interrupted run"
    " have __interrupt__",
)
def join_lacks_interrupt(deployment: Altered) -> None:
    """Join of an interrupted run answers without __interrupt__; wait has it."""

    def change(_request: WireRequest, body: Json) -> Json:
        return without(body, INTERRUPT) if isinstance(body, dict) else body

    deployment.wire.answers("run_join")(change)


@blind(
    "a-run-with-nul-in-values-is-error",
    source="https://github.com/aegra/aegra/issues/369",
)
def run_with_nul_in_values_is_error(deployment: Altered) -> None:
    """A run whose output has the character U+0000 ends as error, though its state is kept."""

    @deployment.override(Executor._finished)
    def _finished(
        right: Any,
        thread: Thread,
        run: Run,
        status: str,
        output: JsonObject,
        events: tuple[RunEvent, ...] = (),
    ) -> Advance:
        if status == "success" and "\\u0000" in json.dumps(output):
            status, output = "error", {}
        made: Advance = right(thread, run, status, output, events)
        return made


@blind(
    "a-run-appends-message-of-known-id",
    source="https://github.com/langchain-ai/langgraph/pull/211 (a known id replaces its message)",
)
def run_appends_message_of_known_id(deployment: Altered) -> None:
    """An input message with the id of one of the thread is appended, not put in its place."""

    @deployment.wire.before(*RUN_STARTS, when=_has_input)
    def forget_ids(request: WireRequest) -> None:
        thread = stored_thread(deployment, request.thread_id)
        given = request.members["input"]
        messages = given.get("messages") if isinstance(given, dict) else None
        if thread is None or not isinstance(messages, list):
            return
        known = [each.get("id") for each in thread.values.get("messages", [])]
        fresh = [
            without(each, "id")
            if isinstance(each, dict) and each.get("id") in known and each.get("type") != "remove"
            else each
            for each in messages
        ]
        request.body = {**request.members, "input": {**given, "messages": fresh}}


@blind(
    "a-run-if-not-exists-create-replaces-thread",
    source=f"{_SDK}/_async/runs.py: if_not_exists is 'How to handle missing thread'",
)
def run_if_not_exists_create_replaces_thread(deployment: Altered) -> None:
    """A run with if_not_exists create on a thread that exists begins with a new, empty thread."""
    store = deployment.store

    @deployment.override(Runs._thread_to_run_on)
    def _thread_to_run_on(right: Any, thread_id: str, request: JsonObject) -> Any:
        thread = right(thread_id, request)
        if request.get("if_not_exists") != "create" or request.get("input") is None:
            return thread
        return store.threads.new_thread(thread.thread_id, thread.metadata)


@blind(
    "a-run-without-metadata-shows-earlier-runs",
    source="Run.metadata, published for each run; isolation between runs",
)
def run_without_metadata_shows_earlier_runs(deployment: Altered) -> None:
    """A run that was started without metadata shows that of the run before it."""

    @deployment.override(Views.run_view)
    def run_view(right: Any, thread: Thread, run: Run) -> Any:
        view = right(thread, run)
        ids = [each.run_id for each in thread.runs]
        place = ids.index(run.run_id) if run.run_id in ids else 0
        if place == 0 or set(run.metadata) - {"graph_id", "assistant_id"}:
            return view
        return {**view, "metadata": {**thread.runs[place - 1].metadata, **run.metadata}}


@blind(
    "a-run-list-filters-after-paging",
    source="GET /threads/{thread_id}/runs: status, limit and offset, published",
)
def run_list_filters_after_paging(deployment: Altered) -> None:
    """A list of runs takes the page first and then drops the runs of another status."""

    @deployment.override(Runs.list_runs)
    def list_runs(right: Any, thread_id: str, **named: Any) -> Any:
        status = named.pop("status", None)
        page = right(thread_id, **named)
        return [run for run in page if status is None or run["status"] == status]


@blind(
    "a-run-of-other-thread-is-shown",
    source="GET /threads/{thread_id}/runs/{run_id}: 404, published; isolation between threads",
)
def run_of_other_thread_is_shown(deployment: Altered) -> None:
    """A run that has ended can be read under the id of any thread."""

    @deployment.override(Runs.run_of)
    def run_of(right: Any, thread_id: str, run_id: str) -> Any:
        try:
            return right(thread_id, run_id)
        except NotFoundError:
            found = found_run(deployment.store, run_id)
            known = stored_thread(deployment, thread_id)
            if found is None or known is None or found[1].active:
                raise
            return found[1]


@blind(
    "a-stateless-stream-leaves-thread",
    source="https://github.com/aegra/aegra/pull/499 ('ephemeral threads leak per run');"
    " on_completion: delete by default",
)
def stateless_stream_leaves_thread(deployment: Altered) -> None:
    """The thread of a streamed stateless run is kept; that of a waited one is deleted."""

    def by_default(request: WireRequest) -> bool:
        return "assistant_id" in request.members and "on_completion" not in request.members

    @deployment.wire.before("stateless_stream", when=by_default)
    def keep(request: WireRequest) -> None:
        request.body = {**request.members, "on_completion": "keep"}


@blind(
    "a-stateless-keep-deletes-failed-thread",
    source="RunCreateStateless.on_completion: keep, published",
)
def stateless_keep_deletes_failed_thread(deployment: Altered) -> None:
    """A stateless run with on_completion keep that fails deletes its thread all the same."""
    store = deployment.store
    kept: set[str] = set()

    @deployment.override(Runs.begin_stateless_run)
    def begin_stateless_run(right: Any, request: JsonObject) -> Any:
        thread_id, run = right(request)
        kept.add(thread_id)
        return thread_id, run

    @deployment.override(Executor.keep_after_run)
    def keep_after_run(right: Any, thread: Thread) -> None:
        right(thread)
        failed = thread.runs and thread.runs[-1].status == "error"
        if thread.thread_id in kept and failed and stored_thread(deployment, thread.thread_id):
            store.records.forget(thread.thread_id)


@blind(
    "a-batch-starts-equal-runs-once",
    source="POST /runs/batch: an array of runs, published",
)
def batch_starts_equal_runs_once(deployment: Altered) -> None:
    """Of equal runs in a batch only one is started."""

    @deployment.wire.before("stateless_batch")
    def start_once(request: WireRequest) -> None:
        if isinstance(request.body, list):
            request.body = list({json.dumps(each): each for each in request.body}.values())


@blind(
    "a-enqueued-runs-start-newest-first",
    source="https://github.com/aegra/aegra/issues/253 ('execute it after the current one')",
)
def enqueued_runs_start_newest_first(deployment: Altered) -> None:
    """Of several enqueued runs the newest is executed first."""

    @deployment.override(Executor.next_run)
    def next_run(right: Any, thread_id: str) -> Any:
        first = right(thread_id)
        if first is None or first.started:
            return first
        active = [run for run in runs_on(deployment.store, thread_id) if run.active]
        return next((run for run in active if run.started), active[-1])


# Interrupts


@blind(
    "a-resume-with-false-value-asks-again",
    source="https://github.com/ag-ui-protocol/ag-ui/pull/1747 (falsy values are valid)",
)
def resume_with_false_value_asks_again(deployment: Altered) -> None:
    """A run that resumes with false, 0, "" or [] is taken for one without an answer."""

    @deployment.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> Any:
        answer = right(run, here)
        empty = answer is not None and answer.by_interrupt is None and not answer.value
        return None if empty else answer


@blind(
    "a-resume-by-id-in-subgraph-passes-map",
    source="https://github.com/langchain-ai/langgraph/pull/4406 (interrupt ids to values)",
)
def resume_by_id_in_subgraph_passes_map(deployment: Altered) -> None:
    """A resume map by interrupt id reaches the node of a subgraph as a whole."""

    @deployment.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> Any:
        answer = right(run, here)
        inside = any(task.inner for task in here.tasks)
        if answer is not None and answer.by_interrupt and inside:
            return ResumeValue(answer.by_interrupt)
        return answer


@blind(
    "a-resume-loses-update",
    source="https://github.com/langchain-ai/langgraphjs/issues/1109",
)
def resume_loses_update(deployment: Altered) -> None:
    """Of a command with resume and update only resume is carried out."""

    @deployment.wire.before(
        *RUN_STARTS, when=lambda request: {"resume", "update"} <= {*command_of(request)}
    )
    def lose(request: WireRequest) -> None:
        command = without(command_of(request), "update")
        request.body = {**request.members, "command": command}


@blind(
    "a-goto-is-lost-beside-update",
    source="https://github.com/Duragraph/duragraph/pull/232 (only .update was read)",
)
def goto_is_lost_beside_update(deployment: Altered) -> None:
    """Of a command with goto and update only update is carried out."""

    @deployment.wire.before(
        *RUN_STARTS, when=lambda request: {"goto", "update"} <= {*command_of(request)}
    )
    def lose(request: WireRequest) -> None:
        request.body = {**request.members, "command": without(command_of(request), "goto")}


@blind(
    "a-second-interrupt-gets-first-answer",
    source="https://github.com/langchain-ai/langgraph/issues/8837",
)
def second_interrupt_gets_first_answer(deployment: Altered) -> None:
    """A run without input on a second interrupt answers it with the value for the first one."""

    @deployment.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> Any:
        answer = right(run, here)
        found = found_run(deployment.store, run.run_id)
        if (
            answer is not None
            or found is None
            or not any(task.is_interrupted for task in here.tasks)
        ):
            return answer
        for earlier in runs_on(deployment.store, found[0]):
            value = (earlier.kwargs.get("command") or {}).get("resume")
            if value is not None:
                answer = ResumeValue(value)
        return answer


@blind(
    "a-interrupts-at-once-share-an-id",
    source="https://github.com/langchain-ai/langgraph/issues/6626",
)
def interrupts_at_once_share_an_id(deployment: Altered) -> None:
    """Interrupts of the same node in one superstep have the same id."""

    @deployment.override(Steps.run_task)
    def performed(right: Any, graph: Any, here: Checkpoint, task: Task, *rest: Any) -> Any:
        made = right(graph, here, task, *rest)
        if not made.is_interrupted or made.inner:
            return made
        shared = uuid.uuid5(uuid.UUID(here.checkpoint_id), task.name).hex
        same = tuple(replace(each, interrupt_id=shared) for each in made.interrupts)
        return replace(made, interrupts=same)


@blind(
    "a-resume-at-checkpoint-in-subgraph-asks-again",
    source="https://github.com/langchain-ai/langgraph/pull/7561",
)
def resume_at_checkpoint_in_subgraph_asks_again(deployment: Altered) -> None:
    """Resuming an interrupted subgraph with the explicit latest checkpoint runs it anew."""

    def concerned(request: WireRequest) -> bool:
        return _names_checkpoint(request) and "resume" in command_of(request)

    @deployment.wire.before(*RUN_STARTS, when=concerned)
    def lose(request: WireRequest) -> None:
        thread = stored_thread(deployment, request.thread_id)
        latest = thread.latest if thread else None
        if latest is not None and any(task.inner for task in latest.tasks):
            request.body = without(request.members, "command")


@blind(
    "a-continued-run-passes-breakpoints",
    source="https://github.com/langchain-ai/langgraph/pull/1004",
)
def continued_run_passes_breakpoints(deployment: Altered) -> None:
    """A run that continues after a breakpoint ignores interrupt_before."""

    @deployment.wire.before(*RUN_STARTS, when=lambda request: not _has_input(request))
    def ignore(request: WireRequest) -> None:
        if "interrupt_before" in request.members and "command" not in request.members:
            request.body = without(request.members, "interrupt_before")


@blind(
    "a-thread-interrupted-in-subgraph-is-idle",
    source="https://github.com/langgraph4j/langgraph4j/issues/95 (the interrupted subgraph counts"
    " as ended); Thread.status: interrupted, published",
)
def thread_interrupted_in_subgraph_is_idle(deployment: Altered) -> None:
    """A thread that waits for an answer to its subgraph has status idle."""

    @deployment.override(Records.status_of)
    def status_of(right: Any, thread: Thread) -> Any:
        status = right(thread)
        tasks = thread.latest.tasks if thread.latest else ()
        inside = any(task.inner and task.is_interrupted for task in tasks)
        return "idle" if status == "interrupted" and inside else status


# Cancel, rollback, several runs


@blind(
    "a-cancel-many-does-not-roll-back",
    source="https://github.com/aegra/aegra/issues/607 (rollback on both cancel routes)",
)
def cancel_many_does_not_roll_back(deployment: Altered) -> None:
    """POST /runs/cancel ignores action=rollback; the cancel of one run honours it."""

    @deployment.override(Runs.cancel_runs)
    def cancel_runs(right: Any, *given: Any, **named: Any) -> Any:
        return right(*given, **{**named, "action": "interrupt"})


@blind(
    "a-cancel-of-pending-run-is-not-delivered",
    source="https://github.com/aegra/aegra/issues/539",
)
def cancel_of_pending_run_is_not_delivered(deployment: Altered) -> None:
    """Cancelling a run that has not started answers success, and the run is executed."""

    @deployment.override(Runs.cancel_run)
    def cancel_run(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        if deployment.store.runs.run_of(thread_id, run_id).status != "pending":
            right(thread_id, run_id, action)


@blind(
    "a-cancel-of-enqueued-run-ends-the-running-one",
    source="https://github.com/Duragraph/duragraph/issues/22 ('Cancel specific run_ids')",
)
def cancel_of_enqueued_run_ends_the_running_one(deployment: Altered) -> None:
    """Cancelling an enqueued run cancels the running one of that thread as well."""

    @deployment.override(Runs.cancel_run)
    def cancel_run(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        pending = deployment.store.runs.run_of(thread_id, run_id).status == "pending"
        right(thread_id, run_id, action)
        for run in runs_on(deployment.store, canonical_id(thread_id, "a thread id")):
            if pending and run.status == "running":
                right(thread_id, run.run_id, "interrupt")


@blind(
    "a-rollback-keeps-the-run",
    source="https://github.com/aegra/aegra/issues/607 ('Then delete the run')",
)
def rollback_keeps_the_run(deployment: Altered) -> None:
    """A run that was rolled back is still listed, as interrupted; its checkpoints are gone."""

    @deployment.override(Runs._ended)
    def _ended(right: Any, thread: Thread, run: Run, action: str) -> Any:
        made = right(thread, run, action)
        if action != "rollback":
            return made
        ended = replace(run, status="interrupted", output=made.values)
        runs = tuple(ended if each.run_id == run.run_id else each for each in thread.runs)
        return replace(made, runs=runs)


@blind(
    "a-wait-ignores-multitask-strategy",
    source="https://github.com/langchain-ai/langgraphjs/issues/864",
)
def wait_ignores_multitask_strategy(deployment: Altered) -> None:
    """A waited run with multitask_strategy rollback or interrupt is enqueued."""

    def concerned(request: WireRequest) -> bool:
        return request.members.get("multitask_strategy") in ("rollback", "interrupt")

    @deployment.wire.before("run_wait", when=concerned)
    def ignore(request: WireRequest) -> None:
        request.body = without(request.members, "multitask_strategy")


@blind(
    "a-reject-overlooks-pending-run",
    source="https://github.com/Duragraph/duragraph/issues/45 ('Reject new run if one is in"
    " progress'); Thread.status busy counts pending runs",
)
def reject_overlooks_pending_run(deployment: Altered) -> None:
    """multitask_strategy reject accepts a run where the active one has not started yet."""

    def concerned(request: WireRequest) -> bool:
        return request.members.get("multitask_strategy") == "reject"

    @deployment.wire.before(*RUN_STARTS, when=concerned)
    def overlook(request: WireRequest) -> None:
        active = [run for run in runs_on(deployment.store, request.thread_id) if run.active]
        if active and all(run.status == "pending" for run in active):
            request.body = {**request.members, "multitask_strategy": "enqueue"}


@blind(
    "a-delete-of-active-run-leaves-thread-busy",
    source="https://github.com/Duragraph/duragraph/issues/40 ('Handle deletion of running run')",
)
def delete_of_active_run_leaves_thread_busy(deployment: Altered) -> None:
    """After an active run was deleted, its thread is busy, without a run."""
    records = deployment.store.records

    @deployment.override(Runs.delete_run)
    def delete_run(right: Any, thread_id: str, run_id: str) -> None:
        active = deployment.store.runs.run_of(thread_id, run_id).active
        right(thread_id, run_id)
        thread = stored_thread(deployment, canonical_id(thread_id, "a thread id"))
        if active and thread is not None:
            records.keep(replace(thread, status="busy"))


# Delete and create anew, prune


@blind(
    "a-thread-created-anew-has-old-history",
    source="https://github.com/aegra/aegra/pull/499 (checkpoints stay after DELETE)",
)
def thread_created_anew_has_old_history(deployment: Altered) -> None:
    """A thread created under the id of a deleted one shows the old states."""
    store = deployment.store
    orphans: dict[str, Sequence[Checkpoint]] = {}

    @deployment.override(Threads.delete)
    def delete(right: Any, thread_id: str) -> None:
        thread = store.records.thread(thread_id)
        right(thread_id)
        orphans[thread.thread_id] = thread.checkpoints

    @deployment.override(Threads.create)
    def create(right: Any, **named: Any) -> Any:
        view = right(**named)
        old = orphans.pop(view["thread_id"], ())
        thread = store.records.thread(view["thread_id"])
        changed = replace(thread, checkpoints=(*old, *thread.checkpoints))
        return store.views.thread_view(store.records.keep(changed))


@blind(
    "a-busy-thread-survives-delete",
    source="https://github.com/langchain-ai/langgraph/issues/7206",
)
def busy_thread_survives_delete(deployment: Altered) -> None:
    """A thread that is deleted while a run is active is there again: the run wrote to it."""
    records = deployment.store.records

    @deployment.override(Threads.delete)
    def delete(right: Any, thread_id: str) -> None:
        thread = records.thread(thread_id)
        right(thread_id)
        ended = tuple(run for run in thread.runs if not run.active)
        if len(ended) < len(thread.runs):
            left = replace(thread, runs=ended)
            records.keep(replace(left, status=records.status_of(left)))


@blind(
    "a-deleted-thread-leaves-crons",
    source="https://github.com/aegra/aegra/pull/395 (a cron's thread that is missing)",
)
def deleted_thread_leaves_crons(deployment: Altered) -> None:
    """The crons of a deleted thread are still found."""
    records = deployment.store.records

    @deployment.override(Records.forget)
    def forget(_right: Any, thread_id: str) -> None:
        del records.threads_by_id[thread_id]


@blind(
    "a-pruned-threads-are-still-found",
    source="https://github.com/langchain-ai/langgraph/issues/6686",
)
def pruned_threads_are_still_found(deployment: Altered) -> None:
    """Search and count still find threads that prune has deleted; get answers 404."""
    store = deployment.store
    ghosts: dict[str, Thread] = {}

    @deployment.override(Threads.prune)
    def prune(right: Any, thread_ids: Sequence[str], strategy: str = "delete") -> Any:
        known = {**store.records.threads_by_id}
        answer = right(thread_ids, strategy)
        left = store.records.threads_by_id
        ghosts.update({own: each for own, each in known.items() if own not in left})
        return answer

    @deployment.override(Searches.matching)
    def matching(right: Any, query: Query) -> Any:
        found = right(query)
        ids = query.ids and [each.lower() for each in query.ids]
        stale = [
            each
            for own, each in ghosts.items()
            if own not in store.records.threads_by_id
            and (ids is None or own in ids)
            and store.searches.matches(each, query)
        ]
        return [*stale, *found]


@blind(
    "a-prune-keep-latest-loses-interrupt",
    source="https://github.com/redis-developer/langgraph-redis/issues/159",
)
def prune_keep_latest_loses_interrupt(deployment: Altered) -> None:
    """keep_latest on an interrupted thread loses the interrupt that waits for an answer."""

    @deployment.override(Threads.pruned)
    def pruned(right: Any, thread: Thread) -> Any:
        left = right(thread)
        return replace(left, checkpoints=tuple(map(_without_interrupts, left.checkpoints)))


@blind(
    "a-prune-keep-latest-keeps-highest-step",
    source="https://github.com/langchain-ai/langgraph/issues/8531 ('retains the newest')",
)
def prune_keep_latest_keeps_highest_step(deployment: Altered) -> None:
    """keep_latest keeps the state of the highest step: after a fork not the current one."""

    @deployment.override(Threads.pruned)
    def pruned(right: Any, thread: Thread) -> Any:
        if not thread.checkpoints:
            return right(thread)
        kept = max(reversed(thread.checkpoints), key=lambda each: each.step)
        return right(replace(thread, checkpoints=(kept,)))


@blind(
    "a-prune-without-strategy-keeps-latest",
    source="ThreadPruneRequest.strategy: default delete, published",
)
def prune_without_strategy_keeps_latest(deployment: Altered) -> None:
    """Prune without a strategy keeps the threads, as keep_latest does."""

    @deployment.override(Threads.prune)
    def prune(right: Any, thread_ids: Sequence[str], strategy: str = "keep_latest") -> Any:
        return right(thread_ids, strategy)


@blind(
    "a-prune-counts-unknown-threads",
    source=f"{_SDK}/_async/threads.py: prune, 'pruned_count (number of threads pruned)'",
)
def prune_counts_unknown_threads(deployment: Altered) -> None:
    """pruned_count includes ids that name no thread."""

    @deployment.override(Threads.prune)
    def prune(right: Any, thread_ids: Sequence[str], strategy: str = "delete") -> Any:
        right(thread_ids, strategy)
        return {"pruned_count": len(thread_ids)}


# Search and count


@blind(
    "a-search-by-metadata-ignores-values",
    source="https://github.com/langchain-ai/langgraphjs/pull/1783 (values filter); aegra #578",
)
def search_by_metadata_ignores_values(deployment: Altered) -> None:
    """With filters by both metadata and values, values is ignored."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> Any:
        both = filtered_metadata(query) and query.values
        return right(thread, replace(query, values=None) if both else query)


@blind(
    "a-search-compares-nested-metadata-as-a-whole",
    source="https://github.com/aegra/aegra/issues/302 (empty with filters); metadata is contained,"
    " as by JSONB @>",
)
def search_compares_nested_metadata_as_a_whole(deployment: Altered) -> None:
    """A metadata filter with an object finds only threads with exactly that object."""
    comparing(lambda kept, wanted: kept == wanted, lambda wanted: isinstance(wanted, dict))(
        deployment
    )


@blind(
    "a-search-never-matches-other-than-ascii",
    source="https://github.com/aegra/aegra/issues/302 (empty with filters)",
)
def search_never_matches_other_than_ascii(deployment: Altered) -> None:
    """A metadata filter with a text that is not ASCII finds nothing."""
    comparing(
        lambda _kept, _wanted: False,
        lambda wanted: isinstance(wanted, str) and not wanted.isascii(),
    )(deployment)


@blind(
    "a-count-ignores-status-beside-metadata",
    source="https://github.com/aegra/aegra/pull/578 (search and count have to stay aligned)",
)
def count_ignores_status_beside_metadata(deployment: Altered) -> None:
    """A count by metadata and status counts threads of every status; search is right."""

    @deployment.override(Searches.count)
    def count(right: Any, query: Query = _ANY) -> Any:
        return right(replace(query, status=None) if query.metadata else query)


@blind(
    "a-search-beyond-first-page-is-sorted-by-default",
    source="https://github.com/langchain-ai/langgraphjs/issues/1562 (pagination issues)",
)
def search_beyond_first_page_is_sorted_by_default(deployment: Altered) -> None:
    """With an offset, sort_by is ignored, so that pages repeat and leave out threads."""

    @deployment.override(Searches.search)
    def search(right: Any, query: Query = _ANY, **named: Any) -> Any:
        if named.get("offset"):
            named["sort_by"] = DEFAULT_SORT
        return right(query, **named)


@blind(
    "a-search-by-ids-ignores-status",
    source="https://github.com/langchain-ai/langgraphjs/pull/1603 (search by id)",
)
def search_by_ids_ignores_status(deployment: Altered) -> None:
    """With `ids`, the filter by status is ignored."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> Any:
        return right(thread, replace(query, status=None) if query.ids else query)


@blind(
    "a-search-with-select-lacks-extracted",
    source="ThreadSearchRequest: select and extract, published; langsmith-sdk #2036 (select)",
)
def search_with_select_lacks_extracted(deployment: Altered) -> None:
    """With both select and extract, the results have no `extracted`."""

    @deployment.override(Searches.selected)
    def selected(right: Any, view: JsonObject, select: Any, extract: Any) -> Any:
        return right(view, select, None if select else extract)


@blind(
    "a-search-extracts-null-for-negative-index",
    source=f"{_SDK}/_async/threads.py: extract, e.g. 'values.messages[-1]'",
)
def search_extracts_null_for_negative_index(deployment: Altered) -> None:
    """A path with a negative index, such as values.messages[-1], extracts null."""

    @deployment.override(Searches.selected)
    def selected(right: Any, view: JsonObject, select: Any, extract: Any) -> Any:
        shown = right(view, select, extract)
        if not extract:
            return shown
        found = {
            alias: None if "[-" in extract[alias] else value
            for alias, value in shown["extracted"].items()
        }
        return {**shown, "extracted": found}


@blind(
    "a-search-refuses-limit-over-100",
    source="https://github.com/aegra/aegra/issues/471",
)
def search_refuses_limit_over_100(deployment: Altered) -> None:
    """A search with a limit of more than 100 is refused; the published maximum is 1000."""

    def large(request: WireRequest) -> bool:
        limit = request.members.get("limit")
        return type(limit) is int and 100 < limit <= 1000

    @deployment.wire.before("search", when=large)
    def refuse(_request: WireRequest) -> WireAnswer:
        return json_answer(422, {"detail": "limit should be at most 100"})


@blind(
    "a-search-for-busy-misses-pending-runs",
    source="https://github.com/aegra/aegra/pull/484 (statuses of runs and threads diverge)",
)
def search_for_busy_misses_pending_runs(deployment: Altered) -> None:
    """A thread whose runs are all pending is not found by status busy, though get shows busy."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> Any:
        running = any(run.status == "running" for run in thread.runs)
        missed = query.status == "busy" and thread.status == "busy" and not running
        return not missed and right(thread, query)


# Streams


@blind(
    "a-join-stream-by-mode-drops-subgraphs",
    source="https://github.com/langchain-ai/langgraph/issues/7778",
)
def join_stream_by_mode_drops_subgraphs(deployment: Altered) -> None:
    """Joining a stream with stream_mode drops the events of subgraphs."""
    _change_events(
        deployment,
        "run_join_stream",
        when=lambda request: "stream_mode" in request.query,
        to=lambda events: [event for event in events if "|" not in event[1]],
    )


@blind(
    "a-resumable-stream-repeats-ids",
    source="https://github.com/langchain-ai/langgraph/issues/8112",
)
def resumable_stream_repeats_ids(deployment: Altered) -> None:
    """In a resumable stream, two successive events have the same id."""
    _change_events(
        deployment,
        "run_stream",
        when=lambda request: request.members.get("stream_resumable") is True,
        to=lambda events: [(str(int(number) // 2), *rest) for number, *rest in events],
    )


@blind(
    "a-resumed-stream-skips-an-event",
    source="https://github.com/langchain-ai/langgraphjs-api/pull/65 ('I want to not lost events')",
)
def resumed_stream_skips_an_event(deployment: Altered) -> None:
    """A stream that is resumed by Last-Event-ID lacks the first event after that one."""

    @deployment.wire.before("run_join_stream")
    def skip(request: WireRequest) -> None:
        request.headers = [
            (name, str(int(value) + 1).encode())
            if name == b"last-event-id" and value.isdigit()
            else (name, value)
            for name, value in request.headers
        ]


@blind(
    "a-stream-sends-first-mode-only",
    source="RunCreateStateful.stream_mode: one or an array, published; langgraphjs #2330",
)
def stream_sends_first_mode_only(deployment: Altered) -> None:
    """Of several stream modes only the first is sent."""

    def several(request: WireRequest) -> bool:
        modes = request.members.get("stream_mode")
        return isinstance(modes, list) and len(modes) > 1

    @deployment.wire.before("run_stream", "stateless_stream", when=several)
    def first(request: WireRequest) -> None:
        request.body = {**request.members, "stream_mode": request.members["stream_mode"][:1]}


@blind(
    "a-stream-sends-earlier-messages-again",
    source="https://github.com/langchain-ai/langgraphjs/issues/243 (duplicate messages)",
)
def stream_sends_earlier_messages_again(deployment: Altered) -> None:
    """A second run's stream of messages sends the earlier answers once more."""

    @deployment.override(StreamEvents.task_events)
    def task_events(
        right: Any, run: Run, step: Step, task: Task, modes: tuple[str, ...]
    ) -> Iterator[RunEvent]:
        where = {**run.metadata, "langgraph_step": step.base.step + 1}
        where["langgraph_node"] = task.name
        if task.done and "messages-tuple" in modes:
            for message in step.base.values.get("messages", []):
                if message["type"] == "ai":
                    yield RunEvent("messages", [message, where])
        yield from right(run, step, task, modes)


@blind(
    "a-stream-of-updates-hides-failure",
    source="https://github.com/aegra/aegra/pull/601 (a silent failure); a stream sends error",
)
def stream_of_updates_hides_failure(deployment: Altered) -> None:
    """The stream of a failing run in mode updates has no event error."""

    def updates_only(request: WireRequest) -> bool:
        return request.members.get("stream_mode") in ("updates", ["updates"])

    _change_events(
        deployment,
        "run_stream",
        when=updates_only,
        to=lambda events: [event for event in events if event[1] != "error"],
    )


@blind(
    "a-stream-of-updates-lacks-interrupt-of-subgraph",
    source="https://github.com/langchain-ai/langgraph/pull/3886",
)
def stream_of_updates_lacks_interrupt_of_subgraph(deployment: Altered) -> None:
    """In mode updates, the interrupt of a subgraph is not sent; in mode values it is."""

    @deployment.override(StreamEvents.step_events)
    def step_events(right: Any, thread: Thread, run: Run, step: Step) -> Any:
        events = right(thread, run, step)
        if not any(task.inner for task in step.tasks):
            return events
        return tuple(
            each for each in events if not (each.event == "updates" and INTERRUPT in each.data)
        )


# Crons


@blind(
    "a-cron-new-schedule-keeps-next-run",
    source="https://github.com/aegra/aegra/pull/316 (reschedule); CronPatch.schedule, published",
)
def cron_new_schedule_keeps_next_run(deployment: Altered) -> None:
    """PATCH of a cron's schedule does not change next_run_date."""
    store = deployment.store

    @deployment.override(Crons.update_cron)
    def update_cron(right: Any, cron_id: str, changes: JsonObject) -> Any:
        due = store.records.cron(cron_id).due
        view = right(cron_id, changes)
        cron = store.records.cron(cron_id)
        if "schedule" not in changes or due is None or cron.due is None:
            return view
        return store.views.cron_view(store.records.keep_cron(replace(cron, due=due)))


@blind(
    "a-cron-enabled-again-is-never-due",
    source="https://github.com/aegra/aegra/pull/316 (reschedule); CronPatch.enabled, published",
)
def cron_enabled_again_is_never_due(deployment: Altered) -> None:
    """A cron that was disabled and is enabled again has no next_run_date."""
    store = deployment.store

    @deployment.override(Crons.update_cron)
    def update_cron(right: Any, cron_id: str, changes: JsonObject) -> Any:
        disabled = not store.records.cron(cron_id).enabled
        view = right(cron_id, changes)
        if not disabled or changes.get("enabled") is not True:
            return view
        cron = replace(store.records.cron(cron_id), due=None)
        return store.views.cron_view(store.records.keep_cron(cron))


@blind(
    "a-cron-timezone-is-ignored",
    source="https://github.com/HKUDS/nanobot/pull/273; ThreadCronCreate.timezone, published",
)
def cron_timezone_is_ignored(deployment: Altered) -> None:
    """A cron with a timezone is due by its schedule in UTC."""

    @deployment.override(Crons.scheduled)
    def scheduled(right: Any, cron: Cron, moment: Any) -> Any:
        made = right(cron, moment)
        in_utc = right(replace(cron, timezone=None), moment)
        return replace(made, due=made.due and in_utc.due)


@blind(
    "a-cron-count-of-thread-ignores-metadata",
    source="CronCountRequest: thread_id and metadata, published; langgraph #5197 (cron search)",
)
def cron_count_of_thread_ignores_metadata(deployment: Altered) -> None:
    """A count of a thread's crons ignores `metadata`; the search honours it."""

    @deployment.override(Crons.count_crons)
    def count_crons(right: Any, filters: JsonObject) -> Any:
        return right(without(filters, "metadata") if filters.get("thread_id") else filters)
