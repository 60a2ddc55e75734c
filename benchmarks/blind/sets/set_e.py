"""Blind faults: the mistakes of a small team that writes a server anew from the published OpenAPI.

In Go, Rust or TypeScript, without the code of the original: zero values and nil, unions, maps,
caches, copies by reference, server-sent events written by hand, two code paths for one thing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from benchmarks.blind.kit import header, known_thread
from benchmarks.blind.registry import blind
from conformance.faults.kit.http_changes import change_request, mapped, without
from conformance.faults.kit.runs import encode_events, events_in
from conformance.model.containment import contains
from conformance.model.crons import Crons
from conformance.model.entities import Checkpoint, Run, Thread
from conformance.model.errors import ConflictError, ModelError
from conformance.model.executor import Executor
from conformance.model.graphs import INPUT
from conformance.model.ids_and_times import canonical_id
from conformance.model.records import Records
from conformance.model.runs import Runs
from conformance.model.search import Query, Searches
from conformance.model.states import States
from conformance.model.threads import Threads
from conformance.model.views import Views
from conformance.reference.altered import Altered
from conformance.reference.wire import WireAnswer, WireRequest, json_answer

Json = Any
Members = dict[str, Any]

_RUNS = ("run_wait", "run_stream", "run_background")
_STREAMS = ("run_stream", "run_join_stream", "stateless_stream")
_COPY = "documents 002, 003: 'an independent thread whose history is identical to the original'"
_SDK = "langgraph_sdk"
_FIRST_BEYOND_16_BITS = 0x10000
_WORD = 1 << 32


# What the mistakes are made of


def _falsy(value: Json) -> bool:
    """Return whether JavaScript takes a value for not given; `[]` and `{}` count as given."""
    return not isinstance(value, list | dict) and not value


def _empty(value: Json) -> bool:
    """Return whether encoding/json of Go leaves a member with `omitempty` out."""
    return value is not None and not value


def _zero(value: Json) -> bool:
    """Return whether a value is the number zero, the zero value of an integer in Go."""
    return type(value) is int and value == 0


def _object(request: WireRequest, member: str) -> Members:
    """Return a member of the body that is an object; {} where it is none."""
    value = request.members.get(member)
    return value if isinstance(value, dict) else {}


def _threads_beside(deployment: Altered, thread: Thread) -> list[Thread]:
    """Return all threads but this one."""
    every = deployment.store.records.threads_by_id.values()
    return [other for other in every if other.thread_id != thread.thread_id]


def _ids(thread: Thread) -> set[str]:
    """Return the ids of the checkpoints of a thread."""
    return {each.checkpoint_id for each in thread.checkpoints}


def _with_last_event(request: WireRequest) -> bool:
    return bool(header(request, b"last-event-id"))


# Create and update


@blind(
    "e-create-under-a-deleted-id-conflicts",
    source="published ThreadCreate.if_exists: 'raise' is for a thread that exists",
)
def deleted_ids_conflict(deployment: Altered) -> None:
    """Delete softly, under a unique index that covers deleted rows as well."""
    deleted: set[str] = set()

    @deployment.override(Threads.delete)
    def delete(right: Any, thread_id: str) -> None:
        own = deployment.store.records.thread(thread_id).thread_id
        right(thread_id)
        deleted.add(own)

    @deployment.override(Threads.create)
    def create(right: Any, **given: Any) -> Json:
        wanted = given.get("thread_id")
        if wanted is not None and canonical_id(wanted, "thread_id") in deleted:
            raise ConflictError(f"thread {wanted} already exists")
        return right(**given)


@blind(
    "e-create-superstep-keeps-one-update-per-node",
    source=f"{_SDK} threads.create: supersteps 'each containing a sequence of updates'",
)
def one_update_per_node(deployment: Altered) -> None:
    """Read the updates of a superstep into a map from node to values: the last of a node wins."""

    @deployment.override(Threads.create)
    def create(right: Any, **given: Any) -> Json:
        if "supersteps" in given:
            given["supersteps"] = [
                {
                    **step,
                    "updates": list({each["as_node"]: each for each in step["updates"]}.values()),
                }
                for step in given["supersteps"]
            ]
        return right(**given)


@blind(
    "e-create-superstep-null-command-hides-values",
    source=f"{_SDK} threads.create: 'Each update has `values` or `command`'; it sends both, "
    "with a null for the one that is not given",
)
def null_command_hides_values(deployment: Altered) -> None:
    """Decide by `"command" in update` what an update is, so that one with a null writes nothing."""

    def read(update: Members) -> Members:
        is_command = "command" in update and update["command"] is None
        return {**update, "values": None} if is_command and update["as_node"] != INPUT else update

    @deployment.override(Threads.create)
    def create(right: Any, **given: Any) -> Json:
        if "supersteps" in given:
            given["supersteps"] = [
                {**step, "updates": [read(each) for each in step["updates"]]}
                for step in given["supersteps"]
            ]
        return right(**given)


@blind(
    "e-create-metadata-integers-wrap-at-32-bits",
    source="published ThreadCreate.metadata: 'Metadata for the thread', an object of any JSON",
)
def integers_wrap(deployment: Altered) -> None:
    """Decode the integers of metadata as i32 (Rust: `as i32`) when a thread is created."""

    def wrapped(value: Json) -> Json:
        if type(value) is not int:
            return value
        return (value + _WORD // 2) % _WORD - _WORD // 2

    @deployment.override(Threads.create)
    def create(right: Any, **given: Any) -> Json:
        if given.get("metadata"):
            given["metadata"] = mapped(given["metadata"], wrapped)
        return right(**given)


@blind(
    "e-ttl-minutes-are-truncated",
    source="published ThreadTTLConfig.ttl: type number, 'The time-to-live in minutes'",
)
def ttl_truncated(deployment: Altered) -> None:
    """Hold the minutes of a ttl in an integer."""

    @deployment.override(Threads.ttl_from)
    def ttl_from(right: Any, ttl: Members | None, moment: Any) -> Any:
        if ttl is not None and isinstance(ttl.get("ttl"), float):
            ttl = {**ttl, "ttl": int(ttl["ttl"])}
        return right(ttl, moment)


@blind(
    "e-patch-skips-falsy-metadata-values",
    source="published ThreadPatch.metadata: 'Metadata to merge with existing thread metadata'",
)
def patch_skips_falsy(deployment: Altered) -> None:
    """Merge with `if (value) merged[key] = value`, so that 0, "", false and null do nothing."""

    def truthy(metadata: Members) -> Members:
        return {name: value for name, value in metadata.items() if not _falsy(value)}

    change_request(
        "update",
        to=lambda body: {**body, "metadata": truthy(body["metadata"])},
        when=lambda request: any(map(_falsy, _object(request, "metadata").values())),
    )(deployment)


@blind(
    "e-patch-of-ttl-alone-clears-metadata",
    source="published ThreadPatch.metadata: 'Metadata to merge with existing thread metadata'",
)
def ttl_alone_clears_metadata(deployment: Altered) -> None:
    """Write the nil map of a PATCH without metadata."""

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, **given: Any) -> Json:
        if given.get("ttl") is not None and "metadata" not in given:
            records = deployment.store.records
            records.keep(replace(records.thread(thread_id), metadata={}))
        return right(thread_id, **given)


@blind(
    "e-patch-writes-updated-at-without-offset",
    source="published Thread.updated_at: format date-time, which has Z or an offset (RFC 3339)",
)
def updated_at_without_offset(deployment: Altered) -> None:
    """Write the time of a PATCH as a timestamp without time zone."""

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, **given: Any) -> Json:
        right(thread_id, **given)
        records = deployment.store.records
        thread = records.thread(thread_id)
        naive = thread.updated_at.removesuffix("+00:00")
        return deployment.store.views.thread_view(records.keep(replace(thread, updated_at=naive)))


# Search and count


@blind(
    "e-search-without-matches-is-null",
    source="published POST /threads/search: the answer is an array of Thread",
)
def no_match_is_null(deployment: Altered) -> None:
    """Encode a nil slice."""
    deployment.wire.answers("search")(lambda _request, found: found or None)


@blind(
    "e-search-by-ids-ignores-other-filters",
    source=f"{_SDK} threads.search: 'Thread status to filter on', 'Thread metadata to filter on'",
)
def ids_win(deployment: Altered) -> None:
    """Look threads up by primary key where `ids` is given, and skip the filter."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        return query.ids is not None or right(thread, query)


@blind(
    "e-search-ignores-falsy-metadata-filters",
    source="published ThreadSearchRequest.metadata: 'Thread metadata to filter on'",
)
def falsy_filters_ignored(deployment: Altered) -> None:
    """Build the filter with `if (value)`, so that `{"done": false}` filters by nothing."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        wanted = {name: v for name, v in (query.metadata or {}).items() if not _falsy(v)}
        found: bool = right(thread, replace(query, metadata=wanted))
        return found


@blind(
    "e-search-sort-order-needs-sort-by",
    source="published ThreadSearchRequest: sort_order and sort_by are both optional, each alone",
)
def order_needs_field(deployment: Altered) -> None:
    """Write an ORDER BY of the request only where it names the field."""
    change_request(
        "search",
        to=lambda body: without(body, "sort_order"),
        when=lambda request: "sort_order" in request.members and "sort_by" not in request.members,
    )(deployment)


@blind(
    "e-search-offset-rounds-down-to-page",
    source=f"{_SDK} threads.search: 'Offset in threads table to start search from'",
)
def offset_rounds_down(deployment: Altered) -> None:
    """Paginate by numbered pages: `Math.floor(offset / limit)`."""

    @deployment.override(Searches.page)
    def page(right: Any, threads: Any, offset: int, limit: int) -> Any:
        return right(threads, offset // limit * limit, limit)


@blind(
    "e-search-select-loses-extract",
    source=f"{_SDK} threads.search: 'returned in an `extracted` field on each thread'",
)
def select_loses_extract(deployment: Altered) -> None:
    """Keep only the selected members of a thread, after `extracted` was added to it."""

    @deployment.override(Searches.selected)
    def selected(right: Any, view: Members, select: Any, extract: Any) -> Json:
        return right(view, select, extract if select is None else None)


@blind(
    "e-search-extract-negative-index-is-last",
    source=f"{_SDK} threads.search: 'bracket notation for array indices', values.messages[-1]",
)
def negative_index_is_last(deployment: Altered) -> None:
    """Know of negative indexes only that [-1], the one in the documentation, is the last."""
    further = re.compile(r"\[-\d+\]")

    def paths(request: WireRequest) -> list[str]:
        return [path for path in _object(request, "extract").values() if isinstance(path, str)]

    def as_last(path: Json) -> Json:
        return further.sub("[-1]", path) if isinstance(path, str) else path

    change_request(
        "search",
        to=lambda body: {**body, "extract": mapped(body["extract"], as_last)},
        when=lambda request: any(as_last(path) != path for path in paths(request)),
    )(deployment)


@blind(
    "e-search-by-values-misses-state-updates",
    source="published ThreadSearchRequest.values: 'State values to filter on'; "
    f"{_SDK} Thread.values: 'The current state of the thread'",
)
def values_index_is_stale(deployment: Altered) -> None:
    """Filter by a column of values that runs keep up to date, and POST …/state does not."""
    indexed: dict[str, Members] = {}

    @deployment.override(States.update_state)
    def update_state(right: Any, thread_id: str, *given: Any, **named: Any) -> Json:
        before = deployment.store.records.thread(thread_id)
        updated = right(thread_id, *given, **named)
        indexed.setdefault(before.thread_id, before.values)
        return updated

    @deployment.override(Executor.keep_after_run)
    def keep_after_run(right: Any, thread: Thread) -> None:
        indexed.pop(thread.thread_id, None)
        right(thread)

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        if not query.values or thread.thread_id not in indexed:
            return bool(right(thread, query))
        rest = replace(query, values=None)
        return contains(indexed[thread.thread_id], query.values) and right(thread, rest)


# Copy and prune


@blind("e-copy-shares-the-writes-of-checkpoints", source=_COPY)
def copies_share_writes(deployment: Altered) -> None:
    """Keep the results of tasks by checkpoint id alone, which a copy has in common."""

    @deployment.override(Records.with_replaced)
    def with_replaced(right: Any, thread: Thread, checkpoint: Checkpoint) -> Thread:
        for other in _threads_beside(deployment, thread):
            if checkpoint.checkpoint_id in _ids(other):
                deployment.store.records.keep(right(other, checkpoint))
        made: Thread = right(thread, checkpoint)
        return made


@blind("e-copy-of-a-copy-lacks-what-was-inherited", source=_COPY)
def copy_of_copy(deployment: Altered) -> None:
    """Copy only the rows of the thread itself, which for a copy are those made since."""
    inherited: dict[str, set[str]] = {}

    @deployment.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> tuple[Checkpoint, ...]:
        elsewhere = inherited.get(source.thread_id, set())
        return tuple(each for each in right(source) if each.checkpoint_id not in elsewhere)

    @deployment.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Json:
        made = right(thread_id)
        inherited[made["thread_id"]] = _ids(deployment.store.records.thread(made["thread_id"]))
        return made


@blind("e-copy-takes-one-page-of-the-history", source=_COPY)
def copy_takes_one_page(deployment: Altered) -> None:
    """Copy what the server's own GET …/history answers, with its default limit of 10."""

    @deployment.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> tuple[Checkpoint, ...]:
        page: tuple[Checkpoint, ...] = right(source)[-10:]
        return page


@blind("e-copy-drops-the-history-of-subgraphs", source=_COPY)
def copy_drops_subgraphs(deployment: Altered) -> None:
    """Copy the rows with an empty checkpoint_ns only."""

    @deployment.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> tuple[Checkpoint, ...]:
        return tuple(
            replace(each, tasks=tuple(replace(task, inner=()) for task in each.tasks))
            for each in right(source)
        )


@blind(
    "e-copy-with-json-type-and-no-body-refused",
    source="documents 001, 002: POST …/copy with 'Content-Type: application/json' and no body",
)
def empty_json_refused(deployment: Altered) -> None:
    """Parse the body wherever the header announces JSON, as Fastify does by default."""

    def announces(request: WireRequest) -> bool:
        kind = header(request, b"content-type") or b""
        return kind.startswith(b"application/json") and not request.raw

    @deployment.wire.before("copy", when=announces)
    def refuse(_request: WireRequest) -> WireAnswer:
        return json_answer(400, {"detail": "Body cannot be empty with type 'application/json'"})


@blind("e-prune-of-the-source-prunes-its-copies", source=_COPY)
def prune_prunes_copies(deployment: Altered) -> None:
    """Delete checkpoints by their ids, which a copy has in common, and not by thread."""

    @deployment.override(Threads.pruned)
    def pruned(right: Any, thread: Thread) -> Thread:
        kept: Thread = right(thread)
        gone = _ids(thread) - _ids(kept)
        for other in _threads_beside(deployment, thread):
            if gone & _ids(other):
                left = tuple(each for each in other.checkpoints if each.checkpoint_id not in gone)
                deployment.store.records.keep(replace(other, checkpoints=left))
        return kept


@blind(
    "e-prune-keep-latest-loses-pending-tasks",
    source=f"{_SDK} PruneStrategy keep_latest: 'keep threads and their latest state'",
)
def prune_loses_tasks(deployment: Altered) -> None:
    """Keep the row of the latest checkpoint, and delete the pending writes of all."""

    @deployment.override(Threads.pruned)
    def pruned(right: Any, thread: Thread) -> Thread:
        kept: Thread = right(thread)
        return replace(kept, checkpoints=tuple(replace(c, tasks=()) for c in kept.checkpoints))


# States and histories


@blind(
    "e-state-cache-keyed-by-checkpoint-alone",
    source="document 004: in a state, checkpoint.thread_id and metadata.thread_id are the thread's",
)
def cache_lacks_thread(deployment: Altered) -> None:
    """Cache states at checkpoints by checkpoint id, which a copy has in common with its source."""
    owners: dict[tuple[str, bytes], tuple[str, Json]] = {}

    @deployment.wire.answers("state_at_checkpoint")
    def cached(request: WireRequest, state: Json) -> Json:
        key = (request.path.rpartition("/")[2].lower(), request.query_string)
        own = request.thread_id.lower()
        owner, known = owners.get(key, (own, state))
        if owner != own:
            return known
        owners[key] = (own, state)
        return state


@blind(
    "e-state-at-checkpoint-cached-as-immutable",
    source=f"{_SDK} ThreadState: 'Interrupts which were thrown', tasks 'may contain an error'",
)
def checkpoints_are_immutable(deployment: Altered) -> None:
    """Cache states at checkpoints for good, though the tasks of a checkpoint are done later."""
    kept: dict[tuple[str, bytes], Json] = {}

    @deployment.wire.answers("state_at_checkpoint")
    def cached(request: WireRequest, state: Json) -> Json:
        return kept.setdefault((request.path.lower(), request.query_string), state)


@blind(
    "e-root-parent-checkpoint-is-a-zero-struct",
    source=f"{_SDK} ThreadState.parent_checkpoint: 'If missing, this is the root checkpoint'",
)
def root_has_zero_parent(deployment: Altered) -> None:
    """Encode a struct where a pointer would be null."""
    zero = {"thread_id": "", "checkpoint_ns": "", "checkpoint_id": ""}

    @deployment.override(Views.state_view)
    def state_view(right: Any, *given: Any, **named: Any) -> Json:
        view = right(*given, **named)
        return view if view["parent_checkpoint"] else {**view, "parent_checkpoint": zero}


@blind(
    "e-history-before-walks-parents",
    source="published GET …/history: 'Get all past states for a thread'; "
    "before: 'Return states before this checkpoint'",
)
def before_walks_parents(deployment: Altered) -> None:
    """Follow parent links from the cursor, so that a page lacks the states of other branches."""

    @deployment.override(States.made_before)
    def made_before(right: Any, checkpoints: Any, bound: Checkpoint | None) -> Any:
        earlier = right(checkpoints, bound)
        if bound is None:
            return earlier
        by_id = {each.checkpoint_id: each for each in earlier}
        line: list[Checkpoint] = []
        parent = by_id.get(bound.parent_id or "")
        while parent is not None:
            line.insert(0, parent)
            parent = by_id.get(parent.parent_id or "")
        return line


@blind(
    "e-history-filters-after-the-limit",
    source=f"{_SDK} threads.get_history: 'The maximum number of states to return', "
    "'Filter states by metadata key-value pairs'",
)
def filters_after_limit(deployment: Altered) -> None:
    """Filter the page that was read, instead of reading a page of what matches."""

    @deployment.override(States.history)
    def history(
        right: Any, thread_id: str, *, metadata: Members | None = None, **named: Any
    ) -> Json:
        matches = deployment.store.states.state_matches
        return [each for each in right(thread_id, **named) if matches(each, metadata or {})]


@blind(
    "e-history-filter-by-step-zero-ignored",
    source="published ThreadStateSearch.metadata: 'Filter states by metadata key-value pairs'",
)
def step_zero_ignored(deployment: Altered) -> None:
    """Decode the filter into a struct with an integer `step`, whose zero value is no filter."""
    change_request(
        "post_history",
        to=lambda body: {**body, "metadata": without(body["metadata"], "step")},
        when=lambda request: _zero(_object(request, "metadata").get("step")),
    )(deployment)


@blind(
    "e-history-before-as-text-ignored",
    source=f"{_SDK} threads.get_history: before is `str | Checkpoint`, "
    "'Return states before this checkpoint'",
)
def plain_before_ignored(deployment: Altered) -> None:
    """Decode `before` of POST …/history as an object, and pass over anything else."""
    change_request(
        "post_history",
        to=lambda body: without(body, "before"),
        when=lambda request: isinstance(request.members.get("before"), str),
    )(deployment)


@blind(
    "e-history-under-an-upper-case-id-is-empty",
    source="published path parameter thread_id: format uuid, in any case on input (RFC 9562)",
)
def history_compares_text(deployment: Altered) -> None:
    """Find the thread by a uuid column, and its checkpoints by one of text."""

    def spelled_otherwise(request: WireRequest) -> bool:
        thread = known_thread(deployment, request.thread_id)
        return thread is not None and thread.thread_id != request.thread_id

    @deployment.wire.before("history", "post_history", when=spelled_otherwise)
    def answer_nothing(_request: WireRequest) -> WireAnswer:
        return json_answer(200, [])


@blind(
    "e-update-state-ignores-plain-checkpoint-id",
    source=f"{_SDK} threads.update_state: 'The checkpoint ID to update the state of'",
)
def update_ignores_plain_id(deployment: Altered) -> None:
    """Know only `checkpoint`, the object, so that a fork becomes an update of the latest state."""
    change_request(
        "update_state",
        to=lambda body: without(body, "checkpoint_id"),
        when=lambda request: request.members.get("checkpoint_id") is not None,
    )(deployment)


@blind(
    "e-update-state-skips-empty-values",
    source=f"{_SDK} threads.update_state: 'The values to update the state with'",
)
def update_skips_empty(deployment: Altered) -> None:
    """Re-encode the values with omitempty, so that [], {}, 0, "" and false are not written."""

    def filled(values: Members) -> Members:
        return {name: value for name, value in values.items() if not _empty(value)}

    change_request(
        "update_state",
        to=lambda body: {**body, "values": filled(body["values"])},
        when=lambda request: any(map(_empty, _object(request, "values").values())),
    )(deployment)


@blind(
    "e-history-of-subgraph-found-by-node-name",
    source=f"{_SDK} threads.get_history: checkpoint, 'Return states for this subgraph'",
)
def subgraph_by_name(deployment: Altered) -> None:
    """Look a namespace up by the node in it, so that each visit shows the states of the last."""

    @deployment.override(Records.with_history_of)
    def with_history_of(right: Any, thread: Thread, namespace: str) -> Thread:
        name = namespace.partition(":")[0]
        visits = [
            task
            for checkpoint in thread.checkpoints
            for task in checkpoint.tasks
            if namespace and task.inner and task.name == name
        ]
        found: Thread = right(thread, namespace)
        return replace(thread, checkpoints=visits[-1].inner) if visits else found


@blind(
    "e-state-select-takes-the-first-value",
    source=f"{_SDK} threads.get_state: select, 'Fields to include in the response', a list",
)
def select_takes_first(deployment: Altered) -> None:
    """Read a parameter that is there several times by `Query().Get`."""

    @deployment.wire.before("state", when=lambda request: len(request.select) > 1)
    def take_first(request: WireRequest) -> None:
        request.select = request.select[:1]


@blind(
    "e-unknown-checkpoint-is-answered-in-plain-text",
    source="published GET …/state/{checkpoint_id}: an error is application/json with a detail",
)
def plain_text_error(deployment: Altered) -> None:
    """Answer by `http.Error` where a checkpoint is not found."""

    @deployment.wire.after("state_at_checkpoint", status=404)
    def write_text(_request: WireRequest, answer: WireAnswer) -> None:
        answer.raw = b"checkpoint not found\n"
        answer.headers = [(b"content-type", b"text/plain; charset=utf-8")]


# Runs


@blind(
    "e-run-with-an-empty-input-continues",
    source="published RunCreateStateful.input: an object or null; "
    f"{_SDK} runs.create: 'The input to the graph'",
)
def empty_input_is_none(deployment: Altered) -> None:
    """Take `{}`, a map of length zero, for no input: the run continues from the state there is."""
    change_request(
        *_RUNS,
        to=lambda body: without(body, "input"),
        when=lambda request: request.members.get("input") == {},
    )(deployment)


@blind(
    "e-run-from-a-checkpoint-has-the-latest-as-parent",
    source=f"{_SDK} runs.create: 'The checkpoint to resume from'; "
    "ThreadState.parent_checkpoint: 'The ID of the parent checkpoint'",
)
def fork_has_latest_as_parent(deployment: Altered) -> None:
    """Link the input of a run to the newest row instead of the checkpoint that the run names."""

    @deployment.override(Records.with_checkpoint)
    def with_checkpoint(right: Any, thread: Thread, made: Checkpoint) -> Any:
        if thread.latest and "run_id" in made.metadata and made.metadata["source"] == "input":
            made = replace(made, parent_id=thread.latest.checkpoint_id)
        return right(thread, made)


@blind(
    "e-resume-with-a-falsy-value-ignored",
    source=f"{_SDK} Command.resume: Any, 'Value to resume execution with after an interruption'",
)
def falsy_resume_ignored(deployment: Altered) -> None:
    """Resume `if (command.resume)`, so that the answers false, 0 and "" leave the thread asking."""

    @deployment.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> Any:
        resume = (run.kwargs.get("command") or {}).get("resume")
        return None if _falsy(resume) else right(run, here)


@blind(
    "e-interrupt-before-star-ignored",
    source="published RunCreateStateful.interrupt_before: the string '*' or an array of nodes",
)
def star_ignored(deployment: Altered) -> None:
    """Decode the union as an array, and pass over the other kind."""
    change_request(
        *_RUNS,
        to=lambda body: without(body, "interrupt_before"),
        when=lambda request: request.members.get("interrupt_before") == "*",
    )(deployment)


@blind(
    "e-join-stream-takes-last-event-zero-for-none",
    source=f"{_SDK} runs.join_stream: 'The last event ID to use for the stream'",
)
def last_event_zero_is_none(deployment: Altered) -> None:
    """Parse Last-Event-ID into an integer whose zero value means that there is no header."""

    @deployment.wire.before(
        "run_join_stream", when=lambda request: header(request, b"last-event-id") == b"0"
    )
    def drop(request: WireRequest) -> None:
        request.headers = [pair for pair in request.headers if pair[0] != b"last-event-id"]


@blind(
    "e-join-stream-numbers-events-anew",
    source=f"{_SDK} runs.stream: a resumable stream 'can be resumed and replayed in its entirety'",
)
def resumed_events_numbered_anew(deployment: Altered) -> None:
    """Number the events of each response from 0, also of one that resumes a stream."""

    @deployment.wire.after("run_join_stream", when=_with_last_event, status=200)
    def number(_request: WireRequest, answer: WireAnswer) -> None:
        events = events_in(answer.raw)
        answer.raw = encode_events(
            [(str(place), name, data) for place, (_, name, data) in enumerate(events)]
        )


@blind(
    "e-stream-truncates-characters-beyond-16-bits",
    source="published StreamMode values: the values of the state, which is JSON in Unicode",
)
def astral_truncated(deployment: Altered) -> None:
    r"""Escape characters in the data of events by hand, as \u and four digits of the code point."""

    def truncated(value: Json) -> Json:
        if not isinstance(value, str):
            return value
        return "".join(chr(ord(each) % _FIRST_BEYOND_16_BITS) for each in value)

    @deployment.wire.after(*_STREAMS, status=200)
    def escape(_request: WireRequest, answer: WireAnswer) -> None:
        events = events_in(answer.raw)
        answer.raw = encode_events(
            [(number, name, mapped(data, truncated)) for number, name, data in events]
        )


@blind(
    "e-run-list-filters-after-the-page",
    source=f"{_SDK} runs.list: 'The maximum number of results to return', "
    "'The status of the run to filter by'",
)
def run_list_filters_late(deployment: Altered) -> None:
    """Filter the page of runs that was read, instead of reading a page of what matches."""

    @deployment.override(Runs.list_runs)
    def list_runs(right: Any, thread_id: str, *, status: str | None = None, **named: Any) -> Json:
        page = right(thread_id, **named)
        return [run for run in page if status in (None, run["status"])]


@blind(
    "e-run-list-by-status-running-refused",
    source="published GET …/runs, status: an enum with 'running'",
)
def running_refused(deployment: Altered) -> None:
    """Validate by the enum of an older document, in which a run was never 'running'."""

    @deployment.wire.before(
        "run_list", when=lambda request: request.query.get("status") == "running"
    )
    def refuse(_request: WireRequest) -> WireAnswer:
        known = "pending, error, success, timeout, interrupted"
        return json_answer(422, {"detail": f"status must be one of {known}"})


@blind(
    "e-batch-runs-all-take-the-last-payload",
    source="published POST /runs/batch: each item is a RunCreateStateless of its own",
)
def batch_takes_last(deployment: Altered) -> None:
    """Start each run in a closure over the variable of the loop."""

    def several(request: WireRequest) -> bool:
        items = request.body
        return (
            isinstance(items, list)
            and len(items) > 1
            and all(isinstance(each, dict) and "assistant_id" in each for each in items)
        )

    @deployment.wire.before("stateless_batch", when=several)
    def repeat_last(request: WireRequest) -> None:
        request.body = [request.body[-1]] * len(request.body)


@blind(
    "e-batch-starts-runs-before-a-refused-one",
    source="published POST /runs/batch: 422, Validation Error, for the request as a whole",
)
def batch_starts_some(deployment: Altered) -> None:
    """Validate and start the runs of a batch one by one, and stop at the first that is refused."""

    def is_good(item: Json) -> bool:
        if not isinstance(item, dict) or not isinstance(item.get("assistant_id"), str):
            return False
        try:
            deployment.store.assistants.assistant(item["assistant_id"])
        except ModelError:
            return False
        return True

    def good_ones(request: WireRequest) -> list[Json]:
        items = request.body if isinstance(request.body, list) else []
        first_bad = next((n for n, each in enumerate(items) if not is_good(each)), 0)
        return items[:first_bad]

    def begins_well(request: WireRequest) -> bool:
        return bool(good_ones(request))

    @deployment.wire.before("stateless_batch", when=begins_well)
    def start(request: WireRequest) -> None:
        request.body = good_ones(request)

    @deployment.wire.after("stateless_batch", when=begins_well, status=200)
    def refuse(_request: WireRequest, answer: WireAnswer) -> None:
        answer.status, answer.body = 422, {"detail": "assistant_id: there is no such assistant"}


# Crons


@blind(
    "e-cron-update-cannot-clear-the-end-time",
    source=f"{_SDK} crons.update: 'Pass None to clear a previously set end time'",
)
def end_time_stays(deployment: Altered) -> None:
    """Decode into a pointer, which is nil for null as for a member that is left out."""
    change_request(
        "cron_update",
        to=lambda body: without(body, "end_time"),
        when=lambda request: "end_time" in request.members and request.members["end_time"] is None,
    )(deployment)


@blind(
    "e-cron-update-of-time-zone-keeps-next-run",
    source=f"{_SDK} Cron.next_run_date: 'The next run date of the cron'; timezone of the schedule",
)
def time_zone_keeps_next_run(deployment: Altered) -> None:
    """Compute the next run anew only when the schedule itself changes."""

    @deployment.override(Crons.update_cron)
    def update_cron(right: Any, cron_id: str, changes: Members) -> Json:
        records = deployment.store.records
        before, zone_alone = records.cron(cron_id), "schedule" not in changes
        view = right(cron_id, changes)
        after = records.cron(cron_id)
        if zone_alone and "timezone" in changes and before.due and after.due:
            view = deployment.store.views.cron_view(
                records.keep_cron(replace(after, due=before.due))
            )
        return view


# Events of threads


@blind(
    "e-thread-events-since-zero-replay-nothing",
    source="published EventStreamRequest.since: 'Replay events after this seq number', from 0",
)
def since_zero_is_none(deployment: Altered) -> None:
    """Decode `since` into an integer whose zero value means that the client wants news only."""
    change_request(
        "thread_events",
        to=lambda body: without(body, "since"),
        when=lambda request: _zero(request.members.get("since")),
    )(deployment)
