"""Freedoms of states and histories."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import STATES, change_shown, without
from conformance.freedoms.kit import REQUIRED_OF_STATES, JsonObject
from conformance.freedoms.registry import freedom
from conformance.model.entities import Checkpoint, Run, Thread
from conformance.model.errors import InvalidError, NotFoundError
from conformance.model.executor import Executor
from conformance.model.graphs import INPUT, Graph
from conformance.model.records import Records
from conformance.model.states import States
from conformance.model.supersteps import Stamp, with_task_ids
from conformance.model.threads import Threads
from conformance.model.views import Views, checkpoint_config
from conformance.reference.altered import Altered
from conformance.reference.wire import WireAnswer, WireRequest

_SILENT = "No source says that a checkpoint which a thread does not have is refused."
#: The maximum number of states in a page.
_PAGE = 5


@freedom(
    "pages-of-a-history-are-short",
    allowed_by="Published with 0.17: a page can hold fewer states than its limit; rules of "
    "fairness likewise.",
)
def pages_of_a_history_are_short(altered: Altered) -> None:
    @altered.override(States.history)
    def history(right: Any, thread_id: str, *, limit: int = 10, **named: Any) -> Any:
        return right(thread_id, limit=min(limit, _PAGE), **named)


@freedom("unknown-checkpoints-have-an-empty-state", allowed_by=_SILENT)
def unknown_checkpoints_have_an_empty_state(altered: Altered) -> None:
    @altered.override(States.state)
    def state(right: Any, thread_id: str, checkpoint: Any = None, **named: Any) -> JsonObject:
        thread = altered.store.records.thread(thread_id)
        try:
            shown: JsonObject = right(thread_id, checkpoint, **named)
        except NotFoundError:
            empty = altered.store.states.empty_state(thread)
            named_id = (checkpoint or {}).get("checkpoint_id")
            return {**empty, "checkpoint": {**empty["checkpoint"], "checkpoint_id": named_id}}
        return shown


@freedom("updates-at-unknown-checkpoints-begin-anew", allowed_by=_SILENT)
def updates_at_unknown_checkpoints_begin_anew(altered: Altered) -> None:
    @altered.override(States.update_state)
    def update_state(
        right: Any,
        thread_id: str,
        values: Any = None,
        *,
        as_node: Any = None,
        checkpoint: Any = None,
    ) -> Any:
        store = altered.store
        thread = store.records.thread(thread_id)
        try:
            return right(thread_id, values, as_node=as_node, checkpoint=checkpoint)
        except NotFoundError:
            node = as_node or store.states.default_node(None)
            update = {"values": values, "as_node": node}
            thread = store.records.keep(store.states.with_superstep(thread, None, [update]))
            return {"checkpoint": checkpoint_config(thread, thread.checkpoints[-1].checkpoint_id)}


@freedom(
    "checkpoint-ids-are-random",
    allowed_by="Published is the format uuid and no version; no source says that ids "
    "have an order.",
)
def checkpoint_ids_are_random(altered: Altered) -> None:
    @altered.override(Records.stamp)
    def stamp(right: Any) -> Stamp:
        made: Stamp = right()
        return replace(made, checkpoint_id=str(uuid.uuid4()))


_APPLICATION = "Rules of fairness: of a state's metadata source, step and parents are the contract."


@freedom("metadata-of-states-is-lean", allowed_by=_APPLICATION)
def metadata_of_states_is_lean(altered: Altered) -> None:
    @altered.override(Views.state_view)
    def state_view(right: Any, *given: Any, **named: Any) -> JsonObject:
        state: JsonObject = right(*given, **named)
        metadata = state["metadata"]
        lean = {name: metadata[name] for name in ("source", "step", "parents")}
        return {**state, "metadata": lean}


freedom(
    "first-states-show-no-parent",
    allowed_by="The published parent_checkpoint is not required; the SDK says that where it is "
    "missing, the state is the first.",
    choice="parent of a first state",
)(
    change_shown(
        *STATES,
        to=lambda state: (
            without(state, "parent_checkpoint", "parent_checkpoint_id")
            if state.get("parent_checkpoint") is None
            else state
        ),
    )
)


@freedom(
    "sources-of-prepopulated-inputs-say-update",
    allowed_by="004 prints the source of the last superstep alone; of the others no source "
    "says it.",
)
def sources_of_prepopulated_inputs_say_update(altered: Altered) -> None:
    @altered.override(States.with_superstep)
    def with_superstep(right: Any, thread: Thread, base: Any, updates: Any) -> Thread:
        made: Thread = right(thread, base, updates)
        return _with_metadata(made, source="update")


@freedom(
    "forks-say-fork",
    allowed_by="STATE-16's words are input, loop, update and fork; no source says which of them an "
    "update at an older checkpoint has.",
)
def forks_say_fork(altered: Altered) -> None:
    @altered.override(States.with_superstep)
    def with_superstep(right: Any, thread: Thread, base: Any, updates: Any) -> Thread:
        made: Thread = right(thread, base, updates)
        older = base is not None and base.checkpoint_id != thread.checkpoints[-1].checkpoint_id
        return _with_metadata(made, source="fork") if older else made


@freedom(
    "runs-from-a-checkpoint-begin-with-a-fork",
    allowed_by="Linked page cloud/how-tos, Time travel: resuming makes a new fork in the history; "
    "no source says whether it begins with a state of its own.",
    profile="full",
)
def runs_from_a_checkpoint_begin_with_a_fork(altered: Altered) -> None:
    @altered.override(Executor.first_position)
    def first_position(right: Any, graph: Graph, base: Checkpoint | None, run: Run) -> Checkpoint:
        found: Checkpoint = right(graph, base, run)
        if base is None or run.base_id is None or found.checkpoint_id != base.checkpoint_id:
            return found
        if run.kwargs.get("command"):
            return found
        made = altered.store.records.stamp()
        fresh = [
            replace(task, done=False, result=None, error=None, interrupts=(), inner=())
            for task in base.tasks
        ]
        return replace(
            base,
            checkpoint_id=made.checkpoint_id,
            parent_id=base.checkpoint_id,
            created_at=made.created_at,
            tasks=with_task_ids(made.checkpoint_id, fresh),
            metadata={
                **base.metadata,
                "run_id": run.run_id,
                "source": "fork",
                "step": base.step + 1,
            },
        )


@freedom(
    "threads-begun-by-an-update-start-at-step-minus-one",
    allowed_by="004 prints the step of a prepopulated thread alone; no source says where the steps "
    "of a thread begin that an update began.",
)
def threads_begun_by_an_update_start_at_step_minus_one(altered: Altered) -> None:
    @altered.override(States.with_superstep)
    def with_superstep(right: Any, thread: Thread, base: Any, updates: Any) -> Thread:
        made: Thread = right(thread, base, updates)
        kept = thread.thread_id in altered.store.records.threads_by_id
        begun = kept and base is None and updates[0]["as_node"] != INPUT
        return _with_metadata(made, step=-1) if begun else made


def _with_metadata(thread: Thread, **members: Any) -> Thread:
    *older, newest = thread.checkpoints
    changed = replace(newest, metadata={**newest.metadata, **members})
    return replace(thread, checkpoints=(*older, changed))


@freedom(
    "values-of-a-fresh-state-are-a-list",
    allowed_by="The published values of a ThreadState are an object or a list; no output of a "
    "thread without a state is printed.",
)
def values_of_a_fresh_state_are_a_list(altered: Altered) -> None:
    @altered.override(States.empty_state)
    def empty_state(right: Any, thread: Thread) -> JsonObject:
        return {**right(thread), "values": []}


@freedom(
    "fresh-states-name-no-checkpoint",
    allowed_by="The published CheckpointConfig requires no member.",
)
def fresh_states_name_no_checkpoint(altered: Altered) -> None:
    @altered.override(States.empty_state)
    def empty_state(right: Any, thread: Thread) -> JsonObject:
        state: JsonObject = right(thread)
        names = ("parent_checkpoint", "checkpoint_id", "parent_checkpoint_id", "interrupts")
        return {**without(state, *names), "checkpoint": {}}


@freedom(
    "updates-with-neither-values-nor-node-are-refused",
    allowed_by="No source says as which node such an update is made, nor what it writes.",
    profile="extended",
)
def updates_with_neither_values_nor_node_are_refused(altered: Altered) -> None:
    @altered.override(States.update_state)
    def update_state(
        right: Any, thread_id: str, values: Any = None, *, as_node: Any = None, **named: Any
    ) -> Any:
        if not values and as_node is None:
            raise InvalidError("say what to write, or as which node")
        return right(thread_id, values, as_node=as_node, **named)


_UUID5 = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_OTHER = re.compile(rb"task_([0-9a-f]{8})_([0-9a-f]{4})_([0-9a-f]{4})_([0-9a-f]{4})_([0-9a-f]{12})")


@freedom(
    "task-ids-are-no-uuids",
    allowed_by="The published id of a task is a string of no format.",
)
def task_ids_are_no_uuids(altered: Altered) -> None:
    assistants = {graph.assistant_id.encode() for graph in altered.store.assistants.graphs.values()}

    def other(found: re.Match[bytes]) -> bytes:
        text = found.group()
        return text if text in assistants else b"task_" + text.replace(b"-", b"_")

    @altered.wire.before(when=lambda request: bool(_OTHER.search(request.raw)))
    def take(request: WireRequest) -> None:
        request.raw = _OTHER.sub(rb"\1-\2-\3-\4-\5", request.raw)

    @altered.wire.after()
    def show(_request: WireRequest, answer: WireAnswer) -> None:
        answer.raw = _UUID5.sub(other, answer.raw)


_NULL = (
    "The SDK's types of a task allow null for error, checkpoint and state, and of a checkpoint for "
    "checkpoint_map; the reviewed schema does as well."
)


@freedom("tasks-and-checkpoints-show-null", allowed_by=_NULL, choice="members of tasks")
def tasks_and_checkpoints_show_null(altered: Altered) -> None:
    @altered.override(Views.task_state_view)
    def task_view(right: Any, *given: Any, **named: Any) -> JsonObject:
        null = {"path": ["__pregel_pull"], "error": None, "checkpoint": None, "state": None}
        return {**null, **right(*given, **named)}

    @altered.override(Views.state_view)
    def state_view(right: Any, *given: Any, **named: Any) -> JsonObject:
        state: JsonObject = right(*given, **named)
        for name in ("checkpoint", "parent_checkpoint"):
            if state[name] is not None:
                state[name] = {"checkpoint_map": None, **state[name]}
        return state


@freedom(
    "tasks-show-what-they-have-alone",
    allowed_by="The published task requires id and name.",
    choice="members of tasks",
)
def tasks_show_what_they_have_alone(altered: Altered) -> None:
    @altered.override(Views.task_state_view)
    def task_view(right: Any, *given: Any, **named: Any) -> JsonObject:
        return {name: each for name, each in right(*given, **named).items() if each}


@freedom(
    "pruned-states-keep-their-parent",
    allowed_by="No source says that the newest state, which keep_latest keeps, is changed.",
    profile="extended",
)
def pruned_states_keep_their_parent(altered: Altered) -> None:
    @altered.override(Threads.pruned)
    def pruned(_right: Any, thread: Thread) -> Thread:
        return replace(thread, checkpoints=thread.checkpoints[-1:])


@freedom(
    "fresh-states-hold-defaults-of-their-graph",
    allowed_by="No output of the state of an empty thread is printed; a channel of a graph may "
    "have a default. " + _SILENT,
    # GET of an empty thread shows {}, as 003 prints it, while its state shows the defaults.
    may_block="CONDITION-17",
)
def fresh_states_hold_defaults(altered: Altered) -> None:
    @altered.override(States.empty_state)
    def empty_state(right: Any, thread: Thread) -> JsonObject:
        return {**right(thread), "values": {"messages": [], "language": "en"}}

    unknown_checkpoints_have_an_empty_state(altered)


def _with_lean_subgraphs(state: JsonObject) -> JsonObject:
    tasks = [
        {**task, "state": {name: task["state"][name] for name in REQUIRED_OF_STATES}}
        if isinstance(task.get("state"), dict)
        else task
        for task in state.get("tasks") or []
    ]
    return {**state, "tasks": tasks} if tasks else state


freedom(
    "states-of-subgraphs-are-lean",
    allowed_by="The published ThreadState, which the state of a task is, requires values, next, "
    "checkpoint, metadata and created_at.",
    profile="full",
)(change_shown(*STATES, to=_with_lean_subgraphs))


_VISIT = re.compile(rb"\binner:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@freedom(
    "visits-of-a-subgraph-share-a-namespace",
    allowed_by="The published checkpoint_ns is a text of no form; no source says that each visit "
    "of a subgraph has one of its own.",
    profile="full",
)
def visits_of_a_subgraph_share_a_namespace(altered: Altered) -> None:
    @altered.override(Records.with_history_of)
    def with_history_of(right: Any, thread: Thread, namespace: str) -> Any:
        tasks = [task for state in thread.checkpoints for task in state.tasks]
        visits = [task.inner for task in tasks if task.inner and task.name == namespace]
        states = tuple(state for visit in visits for state in visit)
        return replace(thread, checkpoints=states) if states else right(thread, namespace)

    @altered.wire.after()
    def show(_request: WireRequest, answer: WireAnswer) -> None:
        answer.raw = _VISIT.sub(b"inner", answer.raw)
