"""Blind faults, set b: what the changelogs of servers and SDKs say was fixed, and what the
published OpenAPI declares: for each, what a careless implementation does under one condition."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.blind.registry import blind
from conformance.faults.kit.http_changes import copies_of, mapped, without
from conformance.faults.kit.runs import encode_events, events_in, found_run, runs_on
from conformance.faults.kit.search import filtered_metadata, with_metadata
from conformance.model.crons import Crons
from conformance.model.entities import Checkpoint, Run, Thread
from conformance.model.errors import NotFoundError
from conformance.model.executor import Executor
from conformance.model.records import Records
from conformance.model.runs import Runs
from conformance.model.search import Query, Searches
from conformance.model.states import States
from conformance.model.superstep_execution import ResumeValue
from conformance.model.threads import Threads
from conformance.model.views import Views
from conformance.reference.altered import Altered
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer

CHANGELOG = "https://docs.langchain.com/langsmith/agent-server-changelog"
LANGGRAPH = "https://github.com/langchain-ai/langgraph"
LANGGRAPHJS = "https://github.com/langchain-ai/langgraphjs"
OPS = "https://github.com/langchain-ai/langgraphjs-api/blob/main/libs/langgraph-api/src/storage/ops.mts"
OPENAPI = "published OpenAPI of langgraph-api 0.16.7"
IDENTICAL = (
    "documents 002 and 003: `copy` creates an independent thread whose history is identical to "
    "the original thread at the time of the operation"
)

BEGINNING = ("run_wait", "run_stream", "run_background")
INTERRUPT = "__interrupt__"


def stored(deployment: Altered, thread_id: str) -> Thread | None:
    """Return the thread of that id, or None."""
    return deployment.store.records.threads_by_id.get(thread_id.lower())


def command_in(request: WireRequest) -> dict[str, Any]:
    """Return the command of a request for a run; {} without one."""
    command = request.members.get("command")
    return command if isinstance(command, dict) else {}


def mentions(value: Any, text: str) -> bool:
    """Return whether a text is anywhere in a JSON value."""
    return text in json.dumps(value)


# Create


@blind(
    "b-existing-thread-gets-new-metadata-once-it-has-state",
    source=f"{OPENAPI}: ThreadCreate.if_exists do_nothing; SDK: return existing thread",
)
def existing_gets_metadata(deployment: Altered) -> None:
    """Merge the metadata of a create request into an existing thread that has a history."""

    @deployment.wire.before(
        "create", when=lambda request: request.members.get("if_exists") == "do_nothing"
    )
    def merge(request: WireRequest) -> None:
        thread = stored(deployment, str(request.members.get("thread_id")))
        given = request.members.get("metadata")
        if thread is not None and thread.checkpoints and isinstance(given, dict):
            deployment.store.records.keep(replace(thread, metadata=thread.metadata | given))


@blind(
    "b-supersteps-beyond-ten-dropped",
    source="document 003: 'a list of a sequence of state updates', of any length",
)
def supersteps_dropped(deployment: Altered) -> None:
    """Apply only the first ten supersteps of a create request."""

    @deployment.override(Threads.create)
    def create(right: Any, **members: Any) -> Any:
        return right(**{**members, "supersteps": members.get("supersteps", ())[:10]})


@blind(
    "b-superstep-command-without-goto",
    source=f"{OPENAPI}: ThreadSuperstepUpdate.command is a Command, with update and goto",
)
def superstep_goto(deployment: Altered) -> None:
    """Apply the update of a command in a superstep, and forget its goto."""

    def forgetful(update: Any) -> Any:
        command = update.get("command")
        return update if not command else {**update, "command": without(command, "goto")}

    @deployment.override(Threads.create)
    def create(right: Any, **members: Any) -> Any:
        steps = [
            {**step, "updates": [forgetful(each) for each in step["updates"]]}
            for step in members.get("supersteps", ())
        ]
        return right(**{**members, "supersteps": steps})


@blind(
    "b-ttl-lost-on-prepopulated-threads",
    source=f"{OPENAPI}: ThreadCreate declares ttl and supersteps side by side",
)
def ttl_of_prepopulated(deployment: Altered) -> None:
    """Forget the ttl of a create request that also has supersteps."""

    @deployment.override(Threads.create)
    def create(right: Any, **members: Any) -> Any:
        return right(**(without(members, "ttl") if members.get("supersteps") else members))


@blind(
    "b-upper-case-id-creates-over-existing",
    source="RFC 9562, 4: UUIDs are case insensitive on input; OpenAPI: thread_id has format uuid",
)
def upper_case_id(deployment: Altered) -> None:
    """Make a blank thread over the existing one if the id of a create request has capitals."""

    @deployment.wire.before("create")
    def forget(request: WireRequest) -> None:
        given = request.members.get("thread_id")
        if isinstance(given, str) and given != given.lower():
            deployment.store.records.threads_by_id.pop(given.lower(), None)


@blind(
    "b-concurrent-creates-both-succeed",
    source=f"{OPENAPI}: ThreadCreate.if_exists raise is the default; of two creates one conflicts",
)
def concurrent_creates(deployment: Altered) -> None:
    """Check for an existing thread before waiting, so that two creates at once both succeed."""

    @deployment.wire.before("create", when=lambda request: "thread_id" in request.members)
    async def race(request: WireRequest) -> WireAnswer | None:
        thread_id = str(request.members["thread_id"])
        known = stored(deployment, thread_id)
        await asyncio.sleep(0.05)
        now = stored(deployment, thread_id)
        if known is None and now is not None:
            return json_answer(200, deployment.store.views.thread_view(now))
        return None


# Copy


@blind("b-copy-has-newest-ten-states", source=IDENTICAL)
def copy_of_a_page(deployment: Altered) -> None:
    """Copy only the newest ten states: the default page of a history."""

    @deployment.override(Threads.copied_checkpoints)
    def copied(right: Any, source: Thread) -> Any:
        return right(source)[-10:]


@blind(
    "b-copy-of-copy-names-its-source",
    source="document 001: the histories are the same but for metadata.thread_id",
)
def copy_of_copy(deployment: Altered) -> None:
    """Show the id of its source in metadata.thread_id of the states of a copy of a copy."""
    sources = copies_of(deployment)

    @deployment.override(Views.state_view)
    def state_view(right: Any, thread: Thread, *rest: Any, **named: Any) -> Any:
        view = right(thread, *rest, **named)
        source = sources.get(thread.thread_id)
        if source is None or source not in sources:
            return view
        return {**view, "metadata": {**view["metadata"], "thread_id": source}}


@blind("b-copy-without-abandoned-forks", source=IDENTICAL)
def copy_without_forks(deployment: Altered) -> None:
    """Copy only the ancestors of the current state, and no branch that was left."""

    @deployment.override(Threads.copied_checkpoints)
    def copied(_right: Any, source: Thread) -> Any:
        by_id = {each.checkpoint_id: each for each in source.checkpoints}
        kept: list[Checkpoint] = []
        at = source.latest
        while at is not None:
            kept.insert(0, at)
            at = by_id.get(at.parent_id or "")
        return tuple(kept)


@blind(
    "b-copy-loses-open-interrupts",
    source=f"{CHANGELOG} v0.7.36: fixed gaps in the checkpointer for copy (pending writes)",
)
def copy_without_interrupts(deployment: Altered) -> None:
    """Copy the checkpoints without pending writes: the interrupts of the last state are gone."""

    @deployment.override(Threads.copied_checkpoints)
    def copied(right: Any, source: Thread) -> Any:
        return tuple(
            replace(each, tasks=tuple(replace(task, interrupts=()) for task in each.tasks))
            for each in right(source)
        )


@blind(
    "b-copy-loses-subgraph-states",
    source=f"{CHANGELOG} v0.7.36: fixed gaps in copy and namespace filtering; {IDENTICAL}",
)
def copy_without_subgraphs(deployment: Altered) -> None:
    """Copy only the checkpoints of the root namespace."""

    @deployment.override(Threads.copied_checkpoints)
    def copied(right: Any, source: Thread) -> Any:
        return tuple(
            replace(each, tasks=tuple(replace(task, inner=()) for task in each.tasks))
            for each in right(source)
        )


@blind(
    "b-copy-of-busy-thread-is-busy-forever",
    source=f"{IDENTICAL}; the copy is independent and has no run",
)
def copy_of_busy(deployment: Altered) -> None:
    """Copy the status with the row: the copy of a thread with an active run stays busy."""

    @deployment.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        busy = deployment.store.records.thread(thread_id).status == "busy"
        made = right(thread_id)
        if not busy:
            return made
        thread = deployment.store.records.thread(made["thread_id"])
        kept = deployment.store.records.keep(replace(thread, status="busy"))
        return deployment.store.views.thread_view(kept)


@blind(
    "b-metadata-of-source-reaches-untouched-copies",
    source=f"{IDENTICAL}: 'independent'",
)
def shared_metadata(deployment: Altered) -> None:
    """Share the metadata of a copy with its source until the copy itself is changed."""
    sources = copies_of(deployment)

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, *rest: Any, **named: Any) -> Any:
        view = right(thread_id, *rest, **named)
        sources.pop(view["thread_id"], None)
        for copy, source in sources.items():
            thread = stored(deployment, copy)
            if source == view["thread_id"] and thread is not None:
                deployment.store.records.keep(replace(thread, metadata=view["metadata"]))
        return view


@blind(
    "b-copying-an-empty-copy-fails",
    source="document 000: 'it won't throw an error if you try to copy a thread before doing any "
    "runs'",
)
def copy_of_empty_copy(deployment: Altered) -> None:
    """Answer 500 to a request to copy a copy that has no history."""
    sources = copies_of(deployment)

    @deployment.wire.before("copy")
    def refuse(request: WireRequest) -> WireAnswer | None:
        thread = stored(deployment, request.thread_id)
        if thread is None or thread.checkpoints or thread.thread_id not in sources:
            return None
        return json_answer(500, {"detail": "Internal Server Error"})


@blind("b-copy-of-pruned-thread-is-empty", source=f"{IDENTICAL}; {CHANGELOG} v0.6.18 keep_latest")
def copy_of_pruned(deployment: Altered) -> None:
    """Copy from the first state of a thread on, which a pruned thread no longer has."""

    @deployment.override(Threads.copied_checkpoints)
    def copied(right: Any, source: Thread) -> Any:
        kept = right(source)
        pruned = len(kept) == 1 and kept[0].step > 0 and kept[0].parent_id is None
        return () if pruned else kept


@blind(
    "b-thread-of-copy-has-no-values-until-changed",
    source=f"{OPS}, Threads.copy: copies checkpoints and sets no values; {OPENAPI}: Thread.values "
    "is the current state of the thread",
)
def copy_without_values(deployment: Altered) -> None:
    """Show a copy without values until its history grows, though its states have them."""
    shown: dict[str, Checkpoint | None] = {}

    @deployment.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        made = right(thread_id)
        shown[made["thread_id"]] = deployment.store.records.thread(made["thread_id"]).latest
        return {**made, "values": {}}

    @deployment.override(Views.thread_view)
    def view(right: Any, thread: Thread) -> Any:
        unchanged = thread.thread_id in shown and thread.latest == shown[thread.thread_id]
        return {**right(thread), "values": {}} if unchanged else right(thread)


# States


@blind(
    "b-older-states-show-current-interrupts",
    source="https://github.com/aegra/aegra/issues/468 (an interrupt that should not be there)",
)
def older_states_interrupt(deployment: Altered) -> None:
    """Show the open interrupts of the current state in the states at older checkpoints."""

    @deployment.wire.answers("state_at_checkpoint")
    def show(request: WireRequest, state: Json) -> Json:
        thread = stored(deployment, request.thread_id)
        if thread is None:
            return state
        current = deployment.store.states.state(thread.thread_id)
        return {**state, "interrupts": current["interrupts"]}


@blind(
    "b-posted-checkpoint-ignores-subgraphs",
    source=f"{OPENAPI}: ThreadStateCheckpointRequest.subgraphs; {CHANGELOG} v0.7.71 (parameters)",
)
def posted_subgraphs(deployment: Altered) -> None:
    """Ignore `subgraphs` where the checkpoint is named in a body."""

    @deployment.wire.before(
        "post_state_at_checkpoint", when=lambda request: "subgraphs" in request.members
    )
    def ignore(request: WireRequest) -> None:
        request.body = without(request.members, "subgraphs")


@blind(
    "b-subgraph-history-has-root-parents",
    source=f"{CHANGELOG} v0.14.1: a bug with historical subgraph replay; CheckpointConfig has "
    "checkpoint_ns",
)
def subgraph_parents(deployment: Altered) -> None:
    """Name the parents in the history of a subgraph without their namespace."""

    @deployment.wire.answers("post_history")
    def rename(_request: WireRequest, page: Json) -> Json:
        return [
            {**state, "parent_checkpoint": {**state["parent_checkpoint"], "checkpoint_ns": ""}}
            if state["parent_checkpoint"]
            else state
            for state in page
        ]


@blind(
    "b-checkpoint-of-another-thread-is-found",
    source=f"{OPENAPI}: GET /threads/{{thread_id}}/state/{{checkpoint_id}}: of that thread",
)
def foreign_checkpoint(deployment: Altered) -> None:
    """Look a checkpoint up by its id alone, so that it is found through any thread."""

    @deployment.override(Records.checkpoint)
    def checkpoint(right: Any, thread: Thread, checkpoint_id: object) -> Any:
        try:
            return right(thread, checkpoint_id)
        except NotFoundError:
            for other in deployment.store.records.threads_by_id.values():
                for each in other.checkpoints:
                    if each.checkpoint_id == checkpoint_id:
                        return each
            raise


# History


@blind(
    "b-get-history-includes-before",
    source=f"{OPENAPI}: query before; SDK: return states before this checkpoint",
)
def get_before_inclusive(deployment: Altered) -> None:
    """Include the checkpoint named by `before` in the page, asked by GET only."""

    @deployment.wire.answers("history", when=lambda request: "before" in request.query)
    def include(request: WireRequest, page: Json) -> Json:
        named = {"checkpoint_id": request.query["before"]}
        state = deployment.store.states.state(request.thread_id, named)
        limit = request.query.get("limit", "10")
        return [state, *page][: int(limit)]


@blind(
    "b-history-filters-after-the-page",
    source=f"{OPENAPI}: ThreadStateSearch has limit and metadata; limit bounds what is returned",
)
def history_filter_late(deployment: Altered) -> None:
    """Take a page of the whole history first, and filter it by metadata then."""

    @deployment.override(States.history)
    def history(right: Any, thread_id: str, **named: Any) -> Any:
        wanted = named.pop("metadata", None) or {}
        states = deployment.store.states
        return [each for each in right(thread_id, **named) if states.state_matches(each, wanted)]


@blind(
    "b-history-has-at-most-hundred",
    source=f"{OPENAPI}: ThreadStateSearch.limit has the maximum 1000; {LANGGRAPHJS}/pull/1375",
)
def history_of_hundred(deployment: Altered) -> None:
    """Return at most a hundred states, whatever the limit."""

    @deployment.override(States.history)
    def history(right: Any, thread_id: str, **named: Any) -> Any:
        return right(thread_id, **{**named, "limit": min(named.get("limit", 10), 100)})


@blind(
    "b-history-before-ignored-with-metadata",
    source=f"{OPENAPI}: ThreadStateSearch declares before and metadata side by side",
)
def before_with_metadata(deployment: Altered) -> None:
    """Ignore `before` if a filter for metadata is given as well."""

    @deployment.override(States.history)
    def history(right: Any, thread_id: str, **named: Any) -> Any:
        return right(thread_id, **(without(named, "before") if named.get("metadata") else named))


@blind(
    "b-history-ordered-by-step",
    source="https://docs.langchain.com/oss/python/langgraph/persistence: ordered "
    "chronologically, with the most recent checkpoint first; "
    f"{LANGGRAPH}/issues/4987 (after time travel)",
)
def history_by_step(deployment: Altered) -> None:
    """Order a history by step, which after a fork is not the order in time."""

    @deployment.override(States.ordered_states)
    def ordered(right: Any, checkpoints: Sequence[Checkpoint]) -> Any:
        return sorted(right(checkpoints), key=lambda each: each.step, reverse=True)


@blind(
    "b-history-ignores-falsy-metadata",
    source=f"{OPENAPI}: ThreadStateSearch.metadata, of any value; the first step of a loop is 0",
)
def falsy_filter(deployment: Altered) -> None:
    """Skip members of a history's metadata filter whose value is falsy, such as step 0."""

    @deployment.override(States.state_matches)
    def matches(right: Any, state: Json, metadata: Json) -> Any:
        return right(state, {name: value for name, value in metadata.items() if value})


# Updates and forks


@blind(
    "b-update-with-null-values-makes-no-state",
    source="https://github.com/aegra/aegra/pull/321, bug 2: ignores as_node when values is null",
)
def null_update(deployment: Altered) -> None:
    """Answer an update with null values with the current checkpoint, and make none."""

    @deployment.override(States.update_state)
    def update(right: Any, thread_id: str, values: object = None, **named: Any) -> Any:
        thread = deployment.store.records.thread(thread_id)
        if values is None and thread.latest is not None:
            return {"checkpoint": deployment.store.states.state(thread_id)["checkpoint"]}
        return right(thread_id, values, **named)


@blind(
    "b-fork-keeps-messages-of-the-left-branch",
    source="https://github.com/langchain-ai/langchain-google/issues/1333 (update_state on a "
    f"historical checkpoint aggregates later state); {LANGGRAPH}/issues/8551",
)
def fork_keeps_messages(deployment: Altered) -> None:
    """Let a fork by update start from the newest messages instead of those of its checkpoint."""

    @deployment.override(States.with_superstep)
    def with_superstep(right: Any, thread: Thread, base: Any, updates: Any) -> Any:
        latest = thread.latest
        if base is None or latest is None or latest.checkpoint_id == base.checkpoint_id:
            return right(thread, base, updates)
        mixed = replace(base, values={**base.values, **latest.values})
        made = right(thread, mixed, updates)
        return replace(
            made,
            checkpoints=tuple(
                replace(each, values=base.values)
                if each.checkpoint_id == base.checkpoint_id
                else each
                for each in made.checkpoints
            ),
        )


@blind(
    "b-list-of-updates-takes-the-first",
    source=f"{OPENAPI}: ThreadStateUpdate.values may be an array of updates",
)
def list_takes_first(deployment: Altered) -> None:
    """Apply only the first of the updates if `values` is a list."""

    @deployment.override(States.update_state)
    def update(right: Any, thread_id: str, values: Any = None, **named: Any) -> Any:
        return right(thread_id, values[:1] if isinstance(values, list) else values, **named)


@blind(
    "b-fork-leaves-state-updated-at",
    source=f"{CHANGELOG} v0.7.38: state_updated_at tracks meaningful state changes",
)
def fork_without_time(deployment: Altered) -> None:
    """Leave state_updated_at as it was when an update forks from an older checkpoint."""

    @deployment.override(States.update_state)
    def update(right: Any, thread_id: str, values: Any = None, **named: Any) -> Any:
        before = deployment.store.records.thread(thread_id)
        answer = right(thread_id, values, **named)
        if named.get("checkpoint"):
            now = deployment.store.records.thread(thread_id)
            deployment.store.records.keep(replace(now, state_updated_at=before.state_updated_at))
        return answer


@blind(
    "b-fork-by-update-has-nothing-next",
    source=f"{LANGGRAPH}/issues/6433: update_state makes a config whose next is empty",
)
def fork_without_next(deployment: Altered) -> None:
    """Forget the nodes that run next after an update that forks from an older checkpoint."""

    @deployment.override(States.update_state)
    def update(right: Any, thread_id: str, values: Any = None, **named: Any) -> Any:
        answer = right(thread_id, values, **named)
        thread = deployment.store.records.thread(thread_id)
        if named.get("checkpoint") and thread.latest is not None:
            made = replace(thread.latest, tasks=())
            changed = replace(thread, checkpoints=(*thread.checkpoints[:-1], made))
            status = deployment.store.records.status_of(changed)
            deployment.store.records.keep(replace(changed, status=status))
        return answer


@blind(
    "b-update-drops-nested-nulls",
    source=f"RFC 8259: null is a value; {OPENAPI}: ThreadStateUpdate.values has free members",
)
def nested_nulls(deployment: Altered) -> None:
    """Drop members that are null inside the values of an update, below the first level."""

    def cleaned(value: Any, *, top: bool = False) -> Any:
        if isinstance(value, list):
            return [cleaned(each, top=top) for each in value]
        if isinstance(value, dict):
            return {k: cleaned(v) for k, v in value.items() if top or v is not None}
        return value

    @deployment.override(States.update_state)
    def update(right: Any, thread_id: str, values: Any = None, **named: Any) -> Any:
        return right(thread_id, cleaned(values, top=True), **named)


@blind(
    "b-update-past-an-interrupt-leaves-the-status",
    source=f"{OPS}, Threads.State.post: sets values and no status; {OPENAPI}: Thread.status",
)
def update_leaves_status(deployment: Altered) -> None:
    """Leave a thread interrupted after an update as its interrupted node, with nothing next."""

    @deployment.override(States.update_state)
    def update(right: Any, thread_id: str, values: Any = None, **named: Any) -> Any:
        before = deployment.store.records.thread(thread_id)
        answer = right(thread_id, values, **named)
        if before.status == "interrupted":
            now = deployment.store.records.thread(thread_id)
            deployment.store.records.keep(replace(now, status=before.status))
        return answer


# Runs


@blind(
    "b-run-without-input-from-checkpoint-starts-anew",
    source="https://github.com/aegra/aegra/pull/321, bug 1: input null is coerced to {}",
)
def coerced_input(deployment: Altered) -> None:
    """Take a run without input from a checkpoint for one with an empty input."""

    def concerns(request: WireRequest) -> bool:
        body = request.members
        return bool(body.get("checkpoint")) and not body.get("input") and not body.get("command")

    @deployment.wire.before(*BEGINNING, when=concerns)
    def coerce(request: WireRequest) -> None:
        request.body = {**request.members, "input": {}}


@blind(
    "b-input-on-checkpoint-continues-latest",
    source=f"{OPENAPI}: RunCreateStateful.checkpoint, 'the checkpoint to resume from'; "
    f"{LANGGRAPH}/issues/4987",
)
def checkpoint_ignored_with_input(deployment: Altered) -> None:
    """Ignore the checkpoint of a run that has an input: it continues the current state."""

    @deployment.wire.before(*BEGINNING, when=lambda request: bool(request.members.get("input")))
    def ignore(request: WireRequest) -> None:
        request.body = without(request.members, "checkpoint")


@blind(
    "b-error-status-outlives-the-failed-run",
    source=f"{OPENAPI}: Thread.status; SDK, ThreadStatus: error, an exception occurred",
)
def sticky_error(deployment: Altered) -> None:
    """Keep the status error of a thread after a later run on it has succeeded."""

    @deployment.override(Records.status_of)
    def status_of(right: Any, thread: Thread) -> Any:
        status = right(thread)
        failed = any(run.status == "error" for run in thread.runs)
        return "error" if failed and status == "idle" else status


@blind(
    "b-failed-run-empties-the-values-of-the-thread",
    source=f"{OPS}, Threads.setStatus: values are undefined without a checkpoint; {OPENAPI}: "
    "Thread.values is the current state of the thread",
)
def failure_empties_values(deployment: Altered) -> None:
    """Show a thread without values after a failed run, though its state has them."""

    @deployment.override(Views.thread_view)
    def view(right: Any, thread: Thread) -> Any:
        shown = right(thread)
        return {**shown, "values": {}} if thread.status == "error" else shown


@blind(
    "b-second-run-replaces-thread-metadata",
    source=f"{LANGGRAPH}/releases/tag/sdk==0.1.36: metadata is merged with existing metadata",
)
def second_run_metadata(deployment: Altered) -> None:
    """Replace the metadata of a thread by the names of graph and assistant at its second run."""

    @deployment.override(Runs.begin_run)
    def begin(right: Any, thread_id: str, request: Json) -> Any:
        run = right(thread_id, request)
        thread = deployment.store.records.thread(thread_id)
        if len(thread.runs) > 1:
            names = {"graph_id": run.graph_id, "assistant_id": run.assistant_id}
            deployment.store.records.keep(replace(thread, metadata=names))
        return run


@blind(
    "b-batch-gives-all-runs-the-last-metadata",
    source=f"{OPENAPI}: RunBatchCreate: each item is a RunCreateStateless with its metadata",
)
def batch_metadata(deployment: Altered) -> None:
    """Give every run of a batch the metadata of the last one."""

    @deployment.wire.before("stateless_batch", when=lambda request: isinstance(request.body, list))
    def spread(request: WireRequest) -> None:
        bodies = request.body
        if len(bodies) > 1 and all(isinstance(each, dict) for each in bodies):
            last = bodies[-1].get("metadata")
            request.body = [
                {**each, "metadata": last} if last is not None else without(each, "metadata")
                for each in bodies
            ]


@blind(
    "b-stateless-wait-deletes-kept-thread",
    source=f"{OPENAPI}: RunCreateStateless.on_completion keep",
)
def wait_deletes(deployment: Altered) -> None:
    """Delete the thread of a stateless run that is waited for, though it is to be kept."""

    @deployment.wire.before("stateless_wait")
    def drop(request: WireRequest) -> None:
        if isinstance(request.body, dict):
            request.body = without(request.members, "on_completion")


@blind(
    "b-failed-stateless-run-leaves-its-thread",
    source=f"{OPENAPI}: RunCreateStateless.on_completion delete is the default",
)
def failed_leaves_thread(deployment: Altered) -> None:
    """Keep the thread of a stateless run if the run fails."""

    @deployment.override(Executor.keep_after_run)
    def keep(right: Any, thread: Thread) -> None:
        failed = any(run.status == "error" for run in thread.runs)
        right(replace(thread, temporary=False) if failed else thread)


@blind(
    "b-text-of-interrupt-empties-the-answer",
    source=f"{CHANGELOG} v0.15.0rc5: wait and join answered {{'__interrupt__': []}} if the state "
    "merely contained the text __interrupt__",
)
def interrupt_in_text(deployment: Altered) -> None:
    """Answer no values if a message of the run merely contains the text `__interrupt__`."""

    @deployment.wire.answers("run_wait", "run_join", "stateless_wait")
    def empty(_request: WireRequest, output: Json) -> Json:
        if not isinstance(output, dict) or INTERRUPT in output:
            return output
        return {INTERRUPT: []} if mentions(output, INTERRUPT) else output


@blind(
    "b-join-of-interrupted-run-lacks-interrupts",
    source=f"{CHANGELOG} v0.2.110: added interrupts to join; v0.2.122: persisted status in join",
)
def join_lacks_interrupts(deployment: Altered) -> None:
    """Leave the interrupts out where a run that was interrupted is joined."""

    @deployment.wire.answers("run_join")
    def drop(_request: WireRequest, output: Json) -> Json:
        return without(output, INTERRUPT) if isinstance(output, dict) else output


@blind(
    "b-join-of-failed-run-hides-the-error",
    source=f"{CHANGELOG} v0.2.57: join returns error details when present",
)
def join_hides_error(deployment: Altered) -> None:
    """Answer the values of the thread, and no error, where a failed run is joined."""

    @deployment.wire.answers("run_join")
    def hide(request: WireRequest, output: Json) -> Json:
        thread = stored(deployment, request.thread_id)
        failed = isinstance(output, dict) and "__error__" in output
        return thread.values if failed and thread is not None else output


@blind(
    "b-create-if-missing-refused-the-second-time",
    source=f"{CHANGELOG} v0.2.66: a 404 when creating multiple runs with the same thread_id "
    "using if_not_exists create",
)
def second_create_if_missing(deployment: Altered) -> None:
    """Answer 404 to a run with if_not_exists create on a thread that such a run has made."""
    made: set[str] = set()

    @deployment.wire.before(
        *BEGINNING, when=lambda request: request.members.get("if_not_exists") == "create"
    )
    def refuse(request: WireRequest) -> WireAnswer | None:
        if stored(deployment, request.thread_id) is None:
            made.add(request.thread_id)
            return None
        if request.thread_id not in made:
            return None
        return json_answer(404, {"detail": f"Thread {request.thread_id} not found"})


@blind(
    "b-waited-runs-ignore-after-seconds",
    source=f"{OPENAPI}: RunCreateStateful.after_seconds, for wait and stream as for background",
)
def after_seconds_ignored(deployment: Altered) -> None:
    """Start a run that is waited for or streamed at once, whatever its after_seconds."""

    @deployment.wire.before("run_wait", "run_stream")
    def ignore(request: WireRequest) -> None:
        if isinstance(request.body, dict):
            request.body = without(request.members, "after_seconds")


@blind(
    "b-run-list-filters-after-the-page",
    source=f"{OPENAPI}: GET runs takes limit, offset and status; {CHANGELOG} v0.5.27 (runs.list "
    "with filters)",
)
def run_list_late(deployment: Altered) -> None:
    """Take a page of all runs first, and filter it by status then."""

    @deployment.override(Runs.list_runs)
    def list_runs(right: Any, thread_id: str, **named: Any) -> Any:
        status = named.pop("status", None)
        return [r for r in right(thread_id, **named) if status is None or r["status"] == status]


@blind(
    "b-run-list-ignores-select-with-status",
    source=f"{OPENAPI}: GET runs declares status and select; {CHANGELOG} v0.5.27",
)
def run_list_select(deployment: Altered) -> None:
    """Answer whole runs though `select` is given, if they are filtered by status."""

    @deployment.wire.before(
        "run_list", when=lambda request: {"select", "status"} <= request.query.keys()
    )
    def ignore(request: WireRequest) -> None:
        request.query = without(request.query, "select")


@blind(
    "b-run-list-shows-failed-runs-as-success",
    source=f"{CHANGELOG} v0.11: the error was swallowed, and runs falsely reported success",
)
def failed_as_success(deployment: Altered) -> None:
    """List failed runs with the status success."""

    @deployment.wire.answers("run_list")
    def falsify(_request: WireRequest, runs: Json) -> Json:
        return [{**r, "status": "success"} if r.get("status") == "error" else r for r in runs]


@blind(
    "b-run-is-found-through-another-thread",
    source=f"{OPENAPI}: GET /threads/{{thread_id}}/runs/{{run_id}}: of that thread",
)
def foreign_run(deployment: Altered) -> None:
    """Look a run up by its id alone, so that it is found through any thread."""

    @deployment.override(Runs.run_of)
    def run_of(right: Any, thread_id: str, run_id: str) -> Any:
        found = found_run(deployment.store, run_id)
        deployment.store.records.thread(thread_id)
        return found[1] if found else right(thread_id, run_id)


@blind(
    "b-interrupt-after-all-nodes-ignored",
    source=f"{OPENAPI}: RunCreateStateful.interrupt_after is '*' or a list of nodes",
)
def interrupt_after_all(deployment: Altered) -> None:
    """Ignore `interrupt_after` if it is `*` and not a list."""

    @deployment.wire.before(
        *BEGINNING, when=lambda request: request.members.get("interrupt_after") == "*"
    )
    def ignore(request: WireRequest) -> None:
        request.body = without(request.members, "interrupt_after")


# Double texting


@blind(
    "b-enqueued-runs-start-with-the-last",
    source=f"{CHANGELOG} v0.8.0: run execution order is still guaranteed within each thread",
)
def last_in_first_out(deployment: Altered) -> None:
    """Start the run that was enqueued last, once the running one has ended."""

    @deployment.override(Executor.next_run)
    def next_run(right: Any, thread_id: str) -> Any:
        first = right(thread_id)
        if first is None or first.started:
            return first
        active = [run for run in runs_on(deployment.store, thread_id) if run.active]
        running = [run for run in active if run.started]
        return running[0] if running else active[-1]


@blind(
    "b-reject-overlooks-pending-runs",
    source=f"{OPENAPI}: multitask_strategy reject; {OPS}, Runs.put: pending runs are in flight",
)
def reject_overlooks_pending(deployment: Altered) -> None:
    """Accept a run with the strategy reject while others are pending and none is running."""

    @deployment.override(Runs.begin_run)
    def begin(right: Any, thread_id: str, request: Json) -> Any:
        active = [run for run in runs_on(deployment.store, thread_id) if run.active]
        pending = bool(active) and not any(run.started for run in active)
        if request.get("multitask_strategy") != "reject" or not pending:
            return right(thread_id, request)
        return right(thread_id, {**request, "multitask_strategy": "enqueue"})


@blind(
    "b-superseding-by-rollback-keeps-the-run",
    source="https://docs.langchain.com/langsmith/rollback-concurrent: the first run is deleted",
)
def rollback_keeps_run(deployment: Altered) -> None:
    """Keep the run that another one rolled back, as an interrupted run."""

    @deployment.override(Runs.begin_run)
    def begin(right: Any, thread_id: str, request: Json) -> Any:
        rolls = request.get("multitask_strategy") == "rollback"
        active = [r for r in runs_on(deployment.store, thread_id) if r.active and rolls]
        run = right(thread_id, request)
        if active:
            thread = deployment.store.records.thread(thread_id)
            ended = [replace(r, status="interrupted", output=thread.values) for r in active]
            runs = (*thread.runs[:-1], *ended, thread.runs[-1])
            deployment.store.records.keep(replace(thread, runs=runs))
        return run


@blind(
    "b-superseding-by-interrupt-loses-the-work-done",
    source="https://docs.langchain.com/langsmith/double-texting: interrupt preserves the progress "
    "made up to the interruption point",
)
def interrupt_loses_work(deployment: Altered) -> None:
    """Undo the work of a run that another one with the strategy interrupt supersedes."""

    @deployment.override(Runs.begin_run)
    def begin(right: Any, thread_id: str, request: Json) -> Any:
        active = [r for r in runs_on(deployment.store, thread_id) if r.active]
        ids = [run.run_id for run in active]
        run = right(thread_id, request)
        if request.get("multitask_strategy") == "interrupt" and active:
            thread = deployment.store.records.thread(thread_id)
            kept = tuple(c for c in thread.checkpoints if c.metadata.get("run_id") not in ids)
            deployment.store.records.keep(replace(thread, checkpoints=kept))
        return run


@blind(
    "b-rolled-back-values-stay-on-the-thread",
    source=f"{CHANGELOG} v0.7.68: stale checkpoint values written to thread state during rollback",
)
def stale_values(deployment: Altered) -> None:
    """Show the values of a run that was rolled back as those of the thread, until it changes."""
    stale: dict[str, tuple[Any, Any]] = {}

    @deployment.override(Runs.cancel_run)
    def cancel(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        before = deployment.store.records.thread(thread_id)
        right(thread_id, run_id, action)
        after = stored(deployment, thread_id)
        if action == "rollback" and after is not None:
            stale[after.thread_id] = (after.latest, before.values)

    @deployment.override(Views.thread_view)
    def view(right: Any, thread: Thread) -> Any:
        at, values = stale.get(thread.thread_id, (None, None))
        rolled = thread.thread_id in stale and thread.latest == at
        return {**right(thread), "values": values} if rolled else right(thread)


# Interrupts


@blind(
    "b-resume-with-hexadecimal-keys-ignored",
    source=f"{LANGGRAPH}/issues/8836 and /issues/8693: an ordinary object is taken for a map of "
    "interrupt ids",
)
def hexadecimal_keys(deployment: Altered) -> None:
    """Ignore a resume value whose keys only look like interrupt ids."""

    def looks_like_id(key: str) -> bool:
        return len(key) == 32 and all(c in "0123456789abcdef" for c in key)

    @deployment.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> Any:
        answer = right(run, here)
        if answer is None or answer.by_interrupt is not None:
            return answer
        given = answer.value
        ignored = isinstance(given, dict) and all(map(looks_like_id, given))
        return None if ignored else answer


@blind(
    "b-falsy-resume-values-ignored",
    source=f"{OPENAPI}: Command.resume may be a boolean, number or string; {CHANGELOG} v0.5.15",
)
def falsy_resume(deployment: Altered) -> None:
    """Take a resume value of false, 0 or an empty text for none."""

    @deployment.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> Any:
        answer = right(run, here)
        scalar = answer is not None and not isinstance(answer.value, dict | list)
        if scalar and answer.by_interrupt is None and not answer.value:
            return None
        return answer


@blind(
    "b-second-resume-gets-the-first-value",
    source=f"{CHANGELOG} v0.10.0rc1: what a prior run left contaminates a subsequent "
    "Command(resume=...)",
)
def remembered_resume(deployment: Altered) -> None:
    """Answer every later interrupt of a thread with the value of its first resume."""
    first: dict[str, ResumeValue] = {}

    @deployment.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> Any:
        answer = right(run, here)
        found = found_run(deployment.store, run.run_id)
        if answer is None or answer.by_interrupt is not None or found is None:
            return answer
        return first.setdefault(found[0], answer)


@blind(
    "b-resume-by-id-misses-subgraphs",
    source=f"{LANGGRAPH}/pull/4406: interrupt ids map to resume values at different levels of a "
    "graph with subgraphs",
)
def resume_misses_subgraph(deployment: Altered) -> None:
    """Ignore resume values by interrupt id if the interrupt is inside a subgraph."""

    @deployment.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> Any:
        answer = right(run, here)
        by_id = answer is not None and answer.by_interrupt is not None
        return None if by_id and any(task.inner for task in here.tasks) else answer


@blind(
    "b-command-update-dropped-beside-resume",
    source=f"{CHANGELOG} v0.11: optional update and goto are forwarded into the same Command as "
    "the resume value",
)
def update_beside_resume(deployment: Altered) -> None:
    """Ignore the update of a command that also has a resume value."""

    @deployment.wire.before(
        *BEGINNING, when=lambda request: {"resume", "update"} <= command_in(request).keys()
    )
    def ignore(request: WireRequest) -> None:
        command = without(command_in(request), "update")
        request.body = {**request.members, "command": command}


@blind(
    "b-search-shows-no-interrupts",
    source=f"https://github.com/aegra/aegra/issues/523; {OPENAPI}: Thread.interrupts; "
    f"{LANGGRAPH}/issues/6362",
)
def search_without_interrupts(deployment: Altered) -> None:
    """Show threads without their open interrupts in a search, unlike where one is got by id."""

    @deployment.wire.answers("search")
    def empty(_request: WireRequest, found: Json) -> Json:
        return [{**each, "interrupts": {}} if each.get("interrupts") else each for each in found]


# Cancelling


@blind(
    "b-cancel-fails-without-wait",
    source=f"{LANGGRAPH}/issues/3660: 500 if the 'wait' argument is not passed",
)
def cancel_without_wait(deployment: Altered) -> None:
    """Answer 500 to a request to cancel that leaves out `wait`, whose default is false."""

    @deployment.wire.before("run_cancel", when=lambda request: "wait" not in request.query)
    def fail(_request: WireRequest) -> WireAnswer:
        return json_answer(500, {"detail": "Internal Server Error"})


@blind(
    "b-bulk-cancel-ends-the-first-run-only",
    source=f"{OPENAPI}: RunsCancel.run_ids is a list; {LANGGRAPHJS}/pull/2170 (cancelMany)",
)
def bulk_cancels_first(deployment: Altered) -> None:
    """Cancel only the first of the runs that a request lists."""

    @deployment.override(Runs.cancel_runs)
    def cancel(right: Any, thread_id: Any = None, run_ids: Any = (), **named: Any) -> Any:
        return right(thread_id, run_ids[:1], **named)


@blind(
    "b-bulk-cancel-leaves-thread-busy",
    source=f"{OPENAPI}: Thread.status; https://github.com/bytedance/deer-flow/issues/1087",
)
def bulk_leaves_busy(deployment: Altered) -> None:
    """Leave the status busy of a thread whose runs were cancelled in bulk."""

    @deployment.override(Runs.cancel_runs)
    def cancel(right: Any, *arguments: Any, **named: Any) -> Any:
        ended = right(*arguments, **named)
        for thread_id in ended:
            thread = stored(deployment, thread_id)
            if thread is not None:
                deployment.store.records.keep(replace(thread, status="busy"))
        return ended


@blind(
    "b-cancelled-pending-run-still-runs",
    source=f"{CHANGELOG} v0.13: cancelled runs could be retried if the worker had not "
    "acknowledged the cancellation",
)
def pending_survives(deployment: Altered) -> None:
    """Accept the cancellation of a run that has not started, and start it all the same."""

    @deployment.override(Runs.cancel_run)
    def cancel(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        run = deployment.store.runs.run_of(thread_id, run_id)
        if run.started or not run.active:
            right(thread_id, run_id, action)


# Statuses and times


@blind(
    "b-search-shows-times-without-offset",
    source=f"{OPENAPI}: Thread.created_at is a date-time (RFC 3339); {CHANGELOG} v0.4.35",
)
def times_without_offset(deployment: Altered) -> None:
    """Show times without their offset from UTC in a search, unlike elsewhere."""

    @deployment.wire.answers("search")
    def cut(_request: WireRequest, found: Json) -> Json:
        return [
            {n: v.removesuffix("+00:00") if n.endswith("_at") else v for n, v in each.items()}
            for each in found
        ]


@blind(
    "b-metadata-moves-state-updated-at",
    source=f"{CHANGELOG} v0.7.38: state_updated_at tracks meaningful state changes",
)
def metadata_moves_state(deployment: Altered) -> None:
    """Move state_updated_at when only the metadata of a thread is changed."""

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, *rest: Any, **named: Any) -> Any:
        right(thread_id, *rest, **named)
        thread = deployment.store.records.thread(thread_id)
        moved = replace(thread, state_updated_at=thread.updated_at)
        return deployment.store.views.thread_view(deployment.store.records.keep(moved))


# Changes of threads


@blind(
    "b-metadata-change-clears-ttl",
    source=f"{CHANGELOG} v0.4.11: ttl in thread updates; {OPENAPI}: ThreadPatch.ttl is optional",
)
def patch_clears_ttl(deployment: Altered) -> None:
    """Clear the ttl of a thread when a change leaves `ttl` out."""

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Any = None, ttl: Any = None) -> Any:
        view = right(thread_id, metadata, ttl)
        if ttl is None:
            thread = deployment.store.records.thread(thread_id)
            deployment.store.records.keep(replace(thread, ttl=None))
        return view


@blind(
    "b-new-ttl-keeps-the-old-expiry",
    source=f"{OPENAPI}: Thread.ttl has ttl_minutes and expires_at; {CHANGELOG} v0.4.11",
)
def old_expiry(deployment: Altered) -> None:
    """Change the minutes of a ttl, and keep the time at which the thread expires."""

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Any = None, ttl: Any = None) -> Any:
        old = deployment.store.records.thread(thread_id).ttl
        view = right(thread_id, metadata, ttl)
        thread = deployment.store.records.thread(thread_id)
        if old is not None and thread.ttl is not None:
            kept = replace(thread.ttl, expires_at=old.expires_at)
            deployment.store.records.keep(replace(thread, ttl=kept))
        return view


@blind(
    "b-minimal-change-replaces-metadata",
    source=f"{CHANGELOG} v0.7.95: Prefer: return=minimal only leaves out the body",
)
def minimal_replaces(deployment: Altered) -> None:
    """Replace the metadata instead of merging it if the answer is to have no body."""

    def minimal(request: WireRequest) -> bool:
        return (b"prefer", b"return=minimal") in request.headers

    @deployment.wire.before("update", when=minimal)
    def forget(request: WireRequest) -> None:
        thread = stored(deployment, request.thread_id)
        if thread is not None and isinstance(request.members.get("metadata"), dict):
            deployment.store.records.keep(replace(thread, metadata={}))


@blind(
    "b-concurrent-changes-lose-each-other",
    source=f"{LANGGRAPH}/releases/tag/sdk==0.1.36: metadata is merged with existing metadata",
)
def lost_update(deployment: Altered) -> None:
    """Read the metadata, wait, and write it back: of two changes at once one is lost."""

    @deployment.wire.before("update", when=lambda request: "metadata" in request.members)
    async def read_first(request: WireRequest) -> None:
        thread = stored(deployment, request.thread_id)
        known = thread.metadata if thread else {}
        await asyncio.sleep(0.05)
        thread = stored(deployment, request.thread_id)
        if thread is not None:
            deployment.store.records.keep(replace(thread, metadata=known))


@blind(
    "b-integers-of-metadata-wrap-at-32-bits",
    source="RFC 8259, 6: integers from -(2**53)+1 to (2**53)-1 are interoperable; "
    f"{OPENAPI}: metadata has free members",
)
def big_integers(deployment: Altered) -> None:
    """Keep only the lowest 32 bits of integers when metadata is changed."""

    def wrapped(value: Any) -> Any:
        return (value + 2**31) % 2**32 - 2**31 if type(value) is int else value

    @deployment.override(Threads.merged)
    def merged(right: Any, metadata: Any, new: Any) -> Any:
        return right(metadata, mapped(new, wrapped))


# Search and count


@blind(
    "b-sort-order-needs-sort-by",
    source=f"{OPENAPI}: ThreadSearchRequest.sort_order does not require sort_by; "
    f"{LANGGRAPH}/pull/4365 (sorting defaults)",
)
def order_needs_by(deployment: Altered) -> None:
    """Ignore `sort_order` in a search without `sort_by`."""

    @deployment.wire.before("search", when=lambda request: "sort_by" not in request.members)
    def ignore(request: WireRequest) -> None:
        if isinstance(request.body, dict):
            request.body = without(request.members, "sort_order")


@blind(
    "b-search-by-two-metadata-members-matches-either",
    source=f"{OPENAPI}: ThreadSearchRequest.metadata; https://github.com/aegra/aegra/issues/490 "
    "(multiple keys are a conjunction)",
)
def either_member(deployment: Altered) -> None:
    """Match threads that have one of several members of the metadata filter."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> Any:
        wanted = filtered_metadata(query)
        if len(wanted) < 2:
            return right(thread, query)
        return any(right(thread, with_metadata(query, {k: v})) for k, v in wanted.items())


@blind(
    "b-search-misses-metadata-beyond-ascii",
    source=f"RFC 8259, 8.3: escaped and unescaped text is equal; {OPENAPI}: metadata",
)
def non_ascii_filter(deployment: Altered) -> None:
    """Compare stored text with the filter's text in escaped form: beyond ASCII none matches."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> Any:
        wanted = json.dumps(filtered_metadata(query), ensure_ascii=False)
        return wanted.isascii() and right(thread, query)


@blind(
    "b-search-by-status-ignores-values",
    source=f"{OPENAPI}: ThreadSearchRequest declares values and status side by side",
)
def status_ignores_values(deployment: Altered) -> None:
    """Ignore the filter for values if there is one for the status as well."""

    @deployment.wire.before("search", when=lambda request: "status" in request.members)
    def ignore(request: WireRequest) -> None:
        request.body = without(request.members, "values")


@blind(
    "b-select-leaves-out-extracted",
    source=f"{OPENAPI}: ThreadSearchRequest has select and extract; {CHANGELOG} v0.7.73",
)
def select_drops_extracted(deployment: Altered) -> None:
    """Leave out what was extracted if `select` is given too."""

    @deployment.override(Searches.selected)
    def selected(right: Any, view: Any, select: Any, extract: Any) -> Any:
        return right(view, select, None if select is not None else extract)


@blind(
    "b-extract-finds-nothing-from-the-end",
    source="SDK, threads.search: extract takes paths such as values.messages[-1]; "
    f"{LANGGRAPHJS}/pull/1987",
)
def negative_index(deployment: Altered) -> None:
    """Extract null for a path with an index from the end of a list."""

    @deployment.override(Searches.selected)
    def selected(right: Any, view: Any, select: Any, extract: Any) -> Any:
        shown = right(view, select, extract)
        if not extract:
            return shown
        found = {
            name: None if "[-" in path else shown["extracted"][name]
            for name, path in extract.items()
        }
        return {**shown, "extracted": found}


@blind(
    "b-count-by-metadata-ignores-values",
    source=f"{OPENAPI}: ThreadCountRequest declares metadata and values; {CHANGELOG} v0.2.133",
)
def count_ignores_values(deployment: Altered) -> None:
    """Ignore the filter of a count for values if it also has one for metadata."""

    @deployment.wire.before("count", when=lambda request: bool(request.members.get("metadata")))
    def ignore(request: WireRequest) -> None:
        request.body = without(request.members, "values")


@blind(
    "b-sort-by-state-time-uses-other-time",
    source=f"{CHANGELOG} v0.7.38: filtering and sorting by state_updated_at",
)
def sort_by_other_time(deployment: Altered) -> None:
    """Sort by updated_at where state_updated_at is asked for."""

    @deployment.override(Searches.ordered_threads)
    def ordered(right: Any, threads: Any, sort_by: str, sort_order: str) -> Any:
        return right(threads, sort_by.removeprefix("state_"), sort_order)


@blind(
    "b-search-by-ids-ignores-status",
    source=f"{OPENAPI}: ThreadSearchRequest declares ids and status; {CHANGELOG} v0.7.29",
)
def ids_ignore_status(deployment: Altered) -> None:
    """Ignore the filter for the status if ids are given."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> Any:
        return right(thread, query if query.ids is None else replace(query, status=None))


@blind(
    "b-later-pages-of-a-sorted-search-turn-round",
    source=f"{OPENAPI}: ThreadSearchRequest: offset skips results of one and the same order",
)
def pages_turn_round(deployment: Altered) -> None:
    """Sort ascending pages of a search descending from the second page on."""

    def later(request: WireRequest) -> bool:
        return bool(request.members.get("offset")) and "sort_order" in request.members

    @deployment.wire.before("search", when=later)
    def turn(request: WireRequest) -> None:
        request.body = {**request.members, "sort_order": "desc"}


# Prune and delete


@blind(
    "b-prune-by-delete-leaves-the-thread",
    source=f"{CHANGELOG} v0.7.71: prune with strategy delete fully removes thread records, not "
    "just checkpoint data",
)
def prune_leaves_thread(deployment: Altered) -> None:
    """Remove only the states of threads that are to be deleted by pruning."""

    @deployment.override(Threads.prune)
    def prune(right: Any, thread_ids: Sequence[str], strategy: str = "delete") -> Any:
        kept = [thread for one in thread_ids if (thread := stored(deployment, one))]
        answer = right(thread_ids, strategy)
        if strategy == "delete":
            for thread in kept:
                deployment.store.records.keep(replace(thread, checkpoints=(), status="idle"))
        return answer


@blind(
    "b-prune-keeps-latest-by-default",
    source=f"{OPENAPI}: ThreadPruneRequest.strategy is delete by default",
)
def prune_default(deployment: Altered) -> None:
    """Keep the latest state where a request to prune leaves the strategy out."""

    @deployment.wire.before("prune", when=lambda request: "strategy" not in request.members)
    def choose(request: WireRequest) -> None:
        if isinstance(request.body, dict):
            request.body = {**request.members, "strategy": "keep_latest"}


@blind(
    "b-pruned-thread-forgets-its-interrupt",
    source=f"{CHANGELOG} v0.6.18: keep_latest preserves the latest state",
)
def prune_drops_tasks(deployment: Altered) -> None:
    """Drop the open tasks of an interrupted thread when it is pruned to its latest state."""

    @deployment.override(Threads.pruned)
    def pruned(right: Any, thread: Thread) -> Any:
        kept = right(thread)
        bare = tuple(replace(each, tasks=()) for each in kept.checkpoints)
        changed = replace(kept, checkpoints=bare)
        return replace(changed, status=deployment.store.records.status_of(changed))


@blind(
    "b-pruned-count-includes-unknown-threads",
    source=f"{OPENAPI}: ThreadPruneResponse.pruned_count",
)
def prune_counts_unknown(deployment: Altered) -> None:
    """Count the ids of a request to prune, with those that name no thread."""

    @deployment.override(Threads.prune)
    def prune(right: Any, thread_ids: Sequence[str], strategy: str = "delete") -> Any:
        right(thread_ids, strategy)
        return {"pruned_count": len(thread_ids)}


@blind(
    "b-thread-created-anew-has-its-old-runs",
    source=f"{OPENAPI}: DELETE thread; {CHANGELOG} v0.2.88: the foreign key of runs was removed",
)
def old_runs(deployment: Altered) -> None:
    """Leave the runs of a deleted thread, so that one created anew by its id has them."""
    left: dict[str, tuple[Run, ...]] = {}

    @deployment.override(Threads.delete)
    def delete(right: Any, thread_id: str) -> None:
        thread = deployment.store.records.thread(thread_id)
        left[thread.thread_id] = tuple(run for run in thread.runs if not run.active)
        right(thread_id)

    @deployment.override(Threads.create)
    def create(right: Any, **members: Any) -> Any:
        view = right(**members)
        thread = deployment.store.records.thread(view["thread_id"])
        runs = left.pop(thread.thread_id, ())
        deployment.store.records.keep(replace(thread, runs=(*runs, *thread.runs)))
        return view


# Streams


@blind(
    "b-resumed-stream-repeats-the-last-event",
    source=f"{CHANGELOG} v0.6.0: only messages after the given last-event-id are returned",
)
def repeats_last(deployment: Altered) -> None:
    """Send the event named by Last-Event-ID again."""

    @deployment.wire.before("run_join_stream")
    def step_back(request: WireRequest) -> None:
        request.headers = [
            (name, str(int(value) - 1).encode())
            if name == b"last-event-id" and value.isdigit()
            else (name, value)
            for name, value in request.headers
        ]


@blind(
    "b-joined-stream-in-a-mode-lacks-subgraphs",
    source=f"{LANGGRAPH}/issues/7778; {CHANGELOG} v0.12: join_stream with a mode dropped "
    "namespaced events",
)
def join_lacks_subgraphs(deployment: Altered) -> None:
    """Drop the events of subgraphs from a joined stream if `stream_mode` is given."""

    @deployment.wire.after(
        "run_join_stream", when=lambda request: "stream_mode" in request.query, status=200
    )
    def drop(_request: WireRequest, answer: WireAnswer) -> None:
        kept = [event for event in events_in(answer.raw) if "|" not in event[1]]
        answer.raw = encode_events(kept)


@blind(
    "b-resumable-stream-has-duplicate-ids",
    source=f"{LANGGRAPH}/issues/8112: duplicate SSE ids for resumable streams",
)
def duplicate_ids(deployment: Altered) -> None:
    """Give two events in a row the same id if the stream is resumable."""

    @deployment.wire.after(
        "run_stream",
        "stateless_stream",
        when=lambda request: bool(request.members.get("stream_resumable")),
        status=200,
    )
    def halve(_request: WireRequest, answer: WireAnswer) -> None:
        events = [(str(int(n) // 2), name, data) for n, name, data in events_in(answer.raw)]
        answer.raw = encode_events(events)


@blind(
    "b-resumable-stream-has-unrequested-modes",
    source=f"{CHANGELOG} v0.2.127: unrequested stream modes are excluded from resumable streams",
)
def unrequested_modes(deployment: Altered) -> None:
    """Send events of mode values though only others are asked for, if the run is resumable."""

    def concerns(request: WireRequest) -> bool:
        body = request.members
        return bool(body.get("stream_resumable")) and isinstance(body.get("stream_mode"), list)

    @deployment.wire.before(*BEGINNING, when=concerns)
    def add(request: WireRequest) -> None:
        modes = request.members["stream_mode"]
        request.body = {**request.members, "stream_mode": [*dict.fromkeys([*modes, "values"])]}


@blind(
    "b-stream-in-two-modes-has-no-interrupt-update",
    source=f"{CHANGELOG} v0.2.120: consistent inclusion of interrupt events based on stream_mode",
)
def no_interrupt_update(deployment: Altered) -> None:
    """Leave the interrupt out of mode updates if mode values is streamed as well."""

    def concerns(request: WireRequest) -> bool:
        modes = request.members.get("stream_mode")
        return isinstance(modes, list) and {"updates", "values"} <= set(modes)

    @deployment.wire.after("run_stream", "stateless_stream", when=concerns, status=200)
    def drop(_request: WireRequest, answer: WireAnswer) -> None:
        kept = [e for e in events_in(answer.raw) if e[1] != "updates" or INTERRUPT not in e[2]]
        answer.raw = encode_events(kept)


@blind(
    "b-joined-stream-starts-twice",
    source=f"{CHANGELOG} v0.4.6: a race condition when joining streams, duplicate start events",
)
def starts_twice(deployment: Altered) -> None:
    """Send the first event of a stream twice to those who join it from its beginning."""

    @deployment.wire.after("run_join_stream", status=200)
    def repeat(request: WireRequest, answer: WireAnswer) -> None:
        events = events_in(answer.raw)
        resumed = any(name == b"last-event-id" for name, _ in request.headers)
        if not resumed and events and events[0][1] == "metadata":
            answer.raw = encode_events([events[0], *events])


@blind(
    "b-stateless-runs-have-no-location",
    source=f"{LANGGRAPHJS}/blob/main/libs/langgraph-api/CHANGELOG.md 0.0.58 (f65f619): "
    "send Content-Location header for stateless runs",
)
def no_location(deployment: Altered) -> None:
    """Leave out the header Content-Location in the answers to stateless runs."""

    @deployment.wire.after("stateless_background", "stateless_wait", "stateless_stream")
    def drop(_request: WireRequest, answer: WireAnswer) -> None:
        answer.headers = [h for h in answer.headers if h[0].lower() != b"content-location"]


@blind(
    "b-failing-stream-of-updates-ends-silently",
    source=f"{CHANGELOG} v0.4.16: improved error serialization and emission in streams; v0.11",
)
def silent_failure(deployment: Altered) -> None:
    """Leave out the event of an error if the stream does not have the mode values."""

    def concerns(request: WireRequest) -> bool:
        return "values" not in str(request.members.get("stream_mode") or "values")

    @deployment.wire.after("run_stream", "stateless_stream", when=concerns, status=200)
    def drop(_request: WireRequest, answer: WireAnswer) -> None:
        answer.raw = encode_events([e for e in events_in(answer.raw) if e[1] != "error"])


@blind(
    "b-streams-lose-characters-beyond-the-basic-plane",
    source=f"{CHANGELOG} v0.5.4: OPT_REPLACE_SURROGATES; RFC 8259, 8.1: any Unicode text",
)
def replaced_characters(deployment: Altered) -> None:
    """Replace characters above U+FFFF, such as emoji, in the events of streams."""

    def flat(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return "".join(c if ord(c) <= 0xFFFF else "\N{REPLACEMENT CHARACTER}" for c in value)

    @deployment.wire.after("run_stream", "stateless_stream", "run_join_stream", status=200)
    def change(_request: WireRequest, answer: WireAnswer) -> None:
        events = [(n, name, mapped(data, flat)) for n, name, data in events_in(answer.raw)]
        answer.raw = encode_events(events)


# Crons


@blind(
    "b-cron-change-replaces-metadata",
    source=f"{CHANGELOG} v0.7.30: merges cron metadata on PATCH, preserving existing data",
)
def cron_metadata(deployment: Altered) -> None:
    """Replace the metadata of a cron instead of merging it."""

    @deployment.override(Crons.update_cron)
    def update(right: Any, cron_id: str, changes: Any) -> Any:
        if changes.get("metadata"):
            cron = deployment.store.records.cron(cron_id)
            deployment.store.records.keep_cron(replace(cron, metadata={}))
        return right(cron_id, changes)


@blind(
    "b-paused-cron-stays-due",
    source=f"{CHANGELOG} v0.7.15: only enabled crons are executed",
)
def paused_cron(deployment: Altered) -> None:
    """Compute the next run of a cron that is paused, and start it, as if it was enabled."""

    @deployment.override(Crons.scheduled)
    def scheduled(right: Any, cron: Any, moment: Any) -> Any:
        return replace(right(replace(cron, enabled=True), moment), enabled=cron.enabled)


@blind(
    "b-new-time-zone-of-cron-has-no-effect",
    source=f"{CHANGELOG} v0.7.69: next_run_date is computed in the timezone of the cron",
)
def cron_zone(deployment: Altered) -> None:
    """Keep the next run of a cron whose time zone is changed and whose schedule is not."""

    @deployment.override(Crons.update_cron)
    def update(right: Any, cron_id: str, changes: Any) -> Any:
        due = deployment.store.records.cron(cron_id).due
        view = right(cron_id, changes)
        if "timezone" not in changes or "schedule" in changes:
            return view
        cron = replace(deployment.store.records.cron(cron_id), due=due)
        return deployment.store.views.cron_view(deployment.store.records.keep_cron(cron))


@blind(
    "b-cron-count-ignores-metadata",
    source=f"{CHANGELOG} v0.9.0rc1: cron metadata filtering in search and in count",
)
def cron_count(deployment: Altered) -> None:
    """Count crons whatever the filter for metadata, unlike a search for them."""

    @deployment.override(Crons.count_crons)
    def count(right: Any, filters: Any) -> Any:
        return right(without(filters, "metadata"))


@blind(
    "b-cron-search-by-thread-ignores-assistant",
    source=f"{OPENAPI}: CronSearch declares assistant_id and thread_id side by side",
)
def cron_search(deployment: Altered) -> None:
    """Ignore the assistant in a search for crons that also names a thread."""

    @deployment.override(Crons.search_crons)
    def search(right: Any, filters: Any, **named: Any) -> Any:
        both = filters.get("thread_id") is not None
        return right(without(filters, "assistant_id") if both else filters, **named)


@blind(
    "b-runs-of-crons-lack-its-metadata",
    source=f"{CHANGELOG} v0.7.30: propagated cron metadata",
)
def cron_run_metadata(deployment: Altered) -> None:
    """Start the runs of a cron without the cron's metadata."""

    @deployment.override(Crons.fire_cron)
    def fire(right: Any, cron_id: str) -> Any:
        cron = deployment.store.records.cron(cron_id)
        deployment.store.records.keep_cron(replace(cron, metadata={}))
        try:
            return right(cron_id)
        finally:
            fired = deployment.store.records.cron(cron_id)
            deployment.store.records.keep_cron(replace(fired, metadata=cron.metadata))


@blind(
    "b-cron-end-cannot-be-removed",
    source=f"{OPENAPI}: CronPatch.end_time may be null",
)
def cron_end(deployment: Altered) -> None:
    """Ignore an end_time of null in a change of a cron, as if it was left out."""

    @deployment.override(Crons.update_cron)
    def update(right: Any, cron_id: str, changes: Any) -> Any:
        ignored = changes.get("end_time") is None
        return right(cron_id, without(changes, "end_time") if ignored else changes)


@blind(
    "b-deleted-thread-leaves-its-crons",
    source=f"{OPENAPI}: Cron.thread_id names a thread; {CHANGELOG} v0.7.63: invalid runs",
)
def cron_outlives_thread(deployment: Altered) -> None:
    """Leave the crons on a thread when it is deleted."""

    @deployment.override(Records.forget)
    def forget(right: Any, thread_id: str) -> None:
        crons = deployment.store.records.crons_by_id.values()
        left = [cron for cron in crons if cron.thread_id == thread_id]
        right(thread_id)
        for cron in left:
            deployment.store.records.keep_cron(cron)
