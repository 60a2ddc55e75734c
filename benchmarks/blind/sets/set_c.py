"""Blind faults: the mistakes of a server that is written on PostgreSQL.

SQL, jsonb, connection pools, a queue with workers, caches and an ORM: what goes wrong there
under conditions and in combinations.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from benchmarks.blind.kit import known_thread
from benchmarks.blind.registry import blind
from conformance.faults.kit.http_changes import copies_of
from conformance.faults.kit.runs import encode_events, events_in
from conformance.model.crons import Crons
from conformance.model.entities import Checkpoint, Cron, Run, Thread, Ttl
from conformance.model.executor import Executor
from conformance.model.ids_and_times import canonical_id, timestamp
from conformance.model.records import Records
from conformance.model.runs import Runs
from conformance.model.search import Query, Searches
from conformance.model.states import States
from conformance.model.threads import Threads
from conformance.model.views import Views
from conformance.reference.altered import Altered
from conformance.reference.wire import WireAnswer, WireRequest, json_answer

Json = Any

_RUNS = ("run_wait", "run_stream", "run_background")
_CHANGELOG = "https://docs.langchain.com/langsmith/agent-server-changelog"
_AEGRA = "https://github.com/aegra/aegra"
_COPY = "documents 002, 003: 'an independent thread whose history is identical to the original'"
_COPY_RUNS = "document 001: 'create independent runs that do not affect the original thread'"


def _threads(deployment: Altered) -> dict[str, Thread]:
    return deployment.store.records.threads_by_id


def _mapped(value: Json, text: Callable[[str], str]) -> Json:
    if isinstance(value, dict):
        return {text(key): _mapped(each, text) for key, each in value.items()}
    if isinstance(value, list):
        return [_mapped(each, text) for each in value]
    return text(value) if isinstance(value, str) else value


def _without_nulls(value: Json) -> Json:
    if isinstance(value, dict):
        return {k: _without_nulls(each) for k, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


def _run_in(request: WireRequest) -> str:
    parts = request.path.strip("/").split("/")
    return parts[3] if len(parts) > 3 else ""


def _command(request: WireRequest) -> dict[str, Any]:
    command = request.members.get("command")
    return command if isinstance(command, dict) else {}


# Create


@blind(
    "c-create-do-nothing-adds-new-metadata-keys",
    source="published ThreadCreate.if_exists: 'do_nothing'",
)
def do_nothing_adds_keys(deployment: Altered) -> None:
    """Merge, in the upsert, the keys that the existing thread lacks: excluded || thread."""

    @deployment.override(Threads.create)
    def create(right: Any, **given: Any) -> Json:
        view = right(**given)
        thread = _threads(deployment)[view["thread_id"]]
        lacking = {k: v for k, v in (given.get("metadata") or {}).items() if k != "graph_id"}
        merged = {**lacking, **thread.metadata}
        if merged == thread.metadata:
            return view
        kept = deployment.store.records.keep(replace(thread, metadata=merged))
        return deployment.store.views.thread_view(kept)


@blind(
    "c-create-do-nothing-with-ttl-restarts-the-ttl",
    source="published ThreadCreate.if_exists: 'do_nothing' (the thread stays as it is)",
)
def do_nothing_restarts_ttl(deployment: Altered) -> None:
    """Set the ttl of a thread that exists when a create with do_nothing carries one."""

    @deployment.override(Threads.create)
    def create(right: Any, **given: Any) -> Json:
        view = right(**given)
        thread, records = _threads(deployment)[view["thread_id"]], deployment.store.records
        if given.get("ttl") and given.get("if_exists") == "do_nothing":
            ttl = deployment.store.threads.ttl_from(given["ttl"], records.next_time())
            records.keep(replace(thread, ttl=ttl))
        return view


@blind("c-create-anew-after-delete-shows-old-history", source=f"{_AEGRA}/pull/499")
def anew_shows_old_history(deployment: Altered) -> None:
    """Leave orphaned checkpoints at a delete, which a new thread of the same id takes up."""
    orphans: dict[str, Thread] = {}

    @deployment.override(Threads.delete)
    def delete(right: Any, thread_id: str) -> None:
        thread = deployment.store.records.thread(thread_id)
        right(thread_id)
        orphans[thread.thread_id] = thread

    @deployment.override(Threads.create)
    def create(right: Any, **given: Any) -> Json:
        view = right(**given)
        old = orphans.pop(view["thread_id"], None)
        if old is None or not old.checkpoints:
            return view
        thread = _threads(deployment)[view["thread_id"]]
        both = (*old.checkpoints, *thread.checkpoints)
        kept = deployment.store.records.keep(replace(thread, checkpoints=both))
        return deployment.store.views.thread_view(kept)


@blind(
    "c-create-anew-after-prune-lists-old-runs",
    source=f"{_CHANGELOG} v0.2.88: removed the foreign key of thread in the run table",
)
def anew_lists_old_runs(deployment: Altered) -> None:
    """Leave the rows of runs behind when `prune` deletes a thread."""
    orphans: dict[str, tuple[Run, ...]] = {}

    @deployment.override(Threads.prune)
    def prune(right: Any, thread_ids: list[str], strategy: str = "delete") -> Json:
        before = dict(_threads(deployment))
        done = right(thread_ids, strategy)
        gone = [thread for own, thread in before.items() if own not in _threads(deployment)]
        orphans.update({each.thread_id: each.runs for each in gone})
        return done

    @deployment.override(Threads.create)
    def create(right: Any, **given: Any) -> Json:
        view = right(**given)
        runs = tuple(r for r in orphans.pop(view["thread_id"], ()) if not r.active)
        if runs:
            thread = _threads(deployment)[view["thread_id"]]
            deployment.store.records.keep(replace(thread, runs=runs))
        return view


@blind(
    "c-create-strips-nested-nulls-of-metadata",
    source="published Thread.metadata: the object that was sent; jsonb_strip_nulls drops members",
)
def create_strips_nulls(deployment: Altered) -> None:
    """Strip members that are null, nested ones only, from the metadata of a create request."""

    @deployment.override(Threads.create)
    def create(right: Any, **given: Any) -> Json:
        metadata = {
            k: _without_nulls(v) if isinstance(v, dict) else v
            for k, v in (given.get("metadata") or {}).items()
        }
        return right(**{**given, "metadata": metadata})


@blind("c-patch-removes-nul-characters-from-metadata", source=f"{_AEGRA}/issues/370")
def patch_removes_nul(deployment: Altered) -> None:
    """Silently remove U+0000, which jsonb cannot hold, from metadata that a PATCH sets."""

    @deployment.override(Threads.merged)
    def merged(right: Any, metadata: Json, new: Json) -> Json:
        return right(metadata, _mapped(new, lambda text: text.replace("\0", "")))


@blind(
    "c-create-normalises-unicode-of-metadata",
    source="RFC 8259: strings are sequences of code points; published Thread.metadata",
)
def create_normalises(deployment: Altered) -> None:
    """Store the strings and keys of metadata in Unicode normal form C."""

    @deployment.override(Threads.create)
    def create(right: Any, **given: Any) -> Json:
        form = _mapped(given.get("metadata") or {}, lambda text: unicodedata.normalize("NFC", text))
        return right(**{**given, "metadata": form})


@blind(
    "c-ttl-in-seconds-overflows-four-bytes",
    source="published ThreadCreate.ttl.ttl: number; the expiry lies that many minutes ahead",
)
def ttl_overflows(deployment: Altered) -> None:
    """Compute the expiry from seconds in a four-byte integer, which wraps after 68 years."""

    @deployment.override(Threads.ttl_from)
    def ttl_from(right: Any, ttl: Json, moment: Any) -> Ttl | None:
        made: Ttl | None = right(ttl, moment)
        if made is None or made.minutes * 60 < 2**31:
            return made
        seconds = (int(made.minutes * 60) + 2**31) % 2**32 - 2**31
        return replace(made, expires_at=timestamp(moment + timedelta(seconds=seconds)))


@blind(
    "c-ttl-of-patch-in-whole-minutes",
    source="published ThreadPatch.ttl.ttl: number, not integer",
)
def ttl_whole(deployment: Altered) -> None:
    """Round the fraction of a minute away where a PATCH sets a ttl."""

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Json = None, ttl: Json = None) -> Json:
        if ttl and ttl.get("ttl") is not None:
            ttl = {**ttl, "ttl": int(ttl["ttl"])}
        return right(thread_id, metadata, ttl)


@blind(
    "c-patch-of-metadata-clears-the-ttl",
    source="published ThreadPatch: metadata and ttl are separate, optional members",
)
def patch_clears_ttl(deployment: Altered) -> None:
    """Write NULL as the ttl of a thread when a PATCH has metadata and no ttl."""

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Json = None, ttl: Json = None) -> Json:
        view = right(thread_id, metadata, ttl)
        if metadata and ttl is None:
            thread = deployment.store.records.thread(thread_id)
            deployment.store.records.keep(replace(thread, ttl=None))
        return view


@blind(
    "c-patch-moves-state-updated-at",
    source="published Thread: state_updated_at beside updated_at",
)
def patch_moves_state_time(deployment: Altered) -> None:
    """Set state_updated_at, by a trigger on the row, also where only metadata changes."""

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Json = None, ttl: Json = None) -> Json:
        right(thread_id, metadata, ttl)
        thread = deployment.store.records.thread(thread_id)
        kept = deployment.store.records.keep(replace(thread, state_updated_at=thread.updated_at))
        return deployment.store.views.thread_view(kept)


@blind(
    "c-patches-at-once-lose-one",
    source="published PATCH /threads/{thread_id}: 200 says that the metadata was merged",
)
def patches_lost(deployment: Altered) -> None:
    """Read the metadata, wait for a connection, write all of it: concurrent updates get lost."""
    read: dict[int, Json] = {}

    @deployment.wire.before("update")
    async def read_first(request: WireRequest) -> None:
        thread = known_thread(deployment, request.thread_id)
        if thread is not None:
            read[id(request)] = thread.metadata
            await asyncio.sleep(0.03)
            now = known_thread(deployment, request.thread_id)
            if now is not None:
                deployment.store.records.keep(replace(now, metadata=read[id(request)]))
        read.pop(id(request), None)


@blind(
    "c-patch-after-a-conflict-is-rolled-back",
    source="published PATCH: 200 with the changed thread; PostgreSQL: current transaction is"
    " aborted, commands ignored until end of transaction block",
)
def conflict_poisons(deployment: Altered) -> None:
    """Return a connection with an aborted transaction to the pool; the next PATCH is lost."""
    aborted: list[bool] = []

    @deployment.wire.after("create", status=409)
    def abort(_request: WireRequest, _answer: WireAnswer) -> None:
        aborted.append(True)

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Json = None, ttl: Json = None) -> Json:
        before = deployment.store.records.thread(thread_id)
        view = right(thread_id, metadata, ttl)
        if aborted:
            aborted.clear()
            deployment.store.records.keep(before)
        return view


# Copy


@blind("c-copy-rounds-big-integers-of-metadata", source=_COPY)
def copy_rounds(deployment: Altered) -> None:
    """Copy metadata through double precision, so that integers beyond 2^53 change."""

    def rounded(value: Json) -> Json:
        if isinstance(value, dict):
            return {k: rounded(each) for k, each in value.items()}
        if isinstance(value, list):
            return [rounded(each) for each in value]
        big = isinstance(value, int) and 2**53 < abs(value) < 2**1000
        return int(float(value)) if big else value

    @deployment.override(Threads.copied_metadata)
    def copied_metadata(right: Any, source: Thread) -> Json:
        return rounded(right(source))


@blind(
    "c-copy-without-pending-writes-loses-interrupts",
    source=f"{_CHANGELOG} v0.2.92: enabled copying for blobs and checkpoints",
)
def copy_loses_interrupts(deployment: Altered) -> None:
    """Copy the rows of checkpoints but not the pending writes, which hold interrupts."""

    @deployment.override(Threads.copied_checkpoints)
    def copied(right: Any, source: Thread) -> tuple[Checkpoint, ...]:
        return tuple(
            replace(each, tasks=tuple(replace(task, interrupts=()) for task in each.tasks))
            for each in right(source)
        )


@blind("c-copy-leaves-out-subgraph-namespaces", source=_COPY)
def copy_without_subgraphs(deployment: Altered) -> None:
    """Copy only the checkpoints where checkpoint_ns = ''."""

    @deployment.override(Threads.copied_checkpoints)
    def copied(right: Any, source: Thread) -> tuple[Checkpoint, ...]:
        return tuple(
            replace(each, tasks=tuple(replace(task, inner=()) for task in each.tasks))
            for each in right(source)
        )


@blind(
    "c-copy-of-a-copy-keeps-thread-id-in-metadata",
    source="document 001, 'Verify copy': metadata.thread_id is what differs; document 003: it is"
    " the id of the state's own thread",
)
def copy_of_copy_thread_id(deployment: Altered) -> None:
    """Show, in the metadata of the states of a copy of a copy, the id of the first copy."""
    sources = copies_of(deployment)

    @deployment.override(Views.state_view)
    def state_view(right: Any, thread: Thread, *rest: Any, **named: Any) -> Json:
        view = right(thread, *rest, **named)
        source = sources.get(thread.thread_id)
        if source not in sources or not thread.checkpoints:
            return view
        return {**view, "metadata": {**view["metadata"], "thread_id": source}}


@blind("c-copy-of-a-forked-thread-orders-by-step", source=_COPY)
def copy_orders_by_step(deployment: Altered) -> None:
    """Insert the copied checkpoints in the order of their steps, not of their times."""

    @deployment.override(Threads.copied_checkpoints)
    def copied(right: Any, source: Thread) -> tuple[Checkpoint, ...]:
        return tuple(sorted(right(source), key=lambda each: each.step))


@blind("c-copy-of-a-long-thread-keeps-twenty-states", source=_COPY)
def copy_keeps_twenty(deployment: Altered) -> None:
    """Copy one page of the history, the newest twenty states."""

    @deployment.override(Threads.copied_checkpoints)
    def copied(right: Any, source: Thread) -> tuple[Checkpoint, ...]:
        return tuple(right(source)[-20:])


@blind("c-copy-touches-the-source", source=_COPY_RUNS)
def copy_touches_source(deployment: Altered) -> None:
    """Lock the source by an UPDATE, whose trigger sets its updated_at."""

    @deployment.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Json:
        made = right(thread_id)
        records = deployment.store.records
        records.keep(replace(records.thread(thread_id), updated_at=records.now()))
        return made


@blind("c-copy-of-a-busy-thread-is-busy", source=f"{_COPY}; published Thread.status: no run of it")
def copy_of_busy(deployment: Altered) -> None:
    """Copy the status with the row, so that the copy of a busy thread stays busy."""

    @deployment.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Json:
        made = right(thread_id)
        records = deployment.store.records
        if records.thread(thread_id).status != "busy":
            return made
        kept = records.keep(replace(records.thread(made["thread_id"]), status="busy"))
        return deployment.store.views.thread_view(kept)


@blind("c-patch-of-a-source-changes-its-copies", source=_COPY)
def patch_changes_copies(deployment: Altered) -> None:
    """Share the row of metadata between a thread and its copies until a copy is patched."""
    sources = copies_of(deployment)

    @deployment.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Json = None, ttl: Json = None) -> Json:
        view = right(thread_id, metadata, ttl)
        own, records = view["thread_id"], deployment.store.records
        sources.pop(own, None)
        for copy in [each for each, source in sources.items() if source == own]:
            thread = records.threads_by_id.get(copy)
            if thread is not None and metadata:
                records.keep(replace(thread, metadata={**thread.metadata, **metadata}))
        return view


@blind("c-delete-of-a-source-empties-old-states-of-copies", source=_COPY)
def delete_empties_copies(deployment: Altered) -> None:
    """Share the blobs of values with copies and delete them with the source, by a cascade."""
    sources = copies_of(deployment)

    @deployment.override(Threads.delete)
    def delete(right: Any, thread_id: str) -> None:
        records = deployment.store.records
        own = records.thread(thread_id).thread_id
        right(thread_id)
        for copy, source in sources.items():
            thread = records.threads_by_id.get(copy)
            if source == own and thread is not None:
                older = tuple(replace(each, values={}) for each in thread.checkpoints[:-1])
                kept = (*older, *thread.checkpoints[-1:])
                records.keep(replace(thread, checkpoints=kept))


@blind(
    "c-second-copy-is-the-first-one",
    source="document 000: 'You may wish to create multiple copies'",
)
def second_copy_is_first(deployment: Altered) -> None:
    """Answer a second copy of an unchanged thread from a cache, with the first copy."""
    made: dict[tuple[str, str], str] = {}

    @deployment.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Json:
        thread = deployment.store.records.thread(thread_id)
        key = (thread.thread_id, thread.updated_at)
        if made.get(key) in _threads(deployment):
            return deployment.store.threads.get(made[key])
        view = right(thread_id)
        made[key] = view["thread_id"]
        return view


@blind(
    "c-copy-by-an-upper-case-id-is-not-found",
    source="RFC 9562: UUIDs are case insensitive on input; published path thread_id: uuid",
)
def copy_upper_case(deployment: Altered) -> None:
    """Compare the id of the source as text in INSERT … SELECT."""

    @deployment.wire.before(
        "copy", when=lambda request: request.thread_id.lower() != request.thread_id
    )
    def not_found(request: WireRequest) -> WireAnswer | None:
        if known_thread(deployment, request.thread_id) is None:
            return None
        return json_answer(404, {"detail": f"Thread {request.thread_id} not found"})


@blind(
    "c-copied-interrupted-thread-is-searched-as-idle",
    source="published ThreadSearchRequest.status and Thread.status are the same status",
)
def copied_searched_as_idle(deployment: Altered) -> None:
    """Leave the status column of a copy at its default, which a search by status reads."""
    sources = copies_of(deployment)

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        if query.status and thread.thread_id in sources and not thread.runs:
            thread = replace(thread, status="idle")
        return bool(right(thread, query))


@blind("c-fork-in-a-copy-starts-from-the-latest", source=f"{_COPY}; {_AEGRA}/pull/321")
def fork_in_copy(deployment: Altered) -> None:
    """Find no checkpoint older than its thread, so that a fork in a copy is an append."""
    sources = copies_of(deployment)

    @deployment.override(States.update_state)
    def update_state(right: Any, thread_id: str, values: Json = None, **named: Any) -> Json:
        thread = deployment.store.records.thread(thread_id)
        if thread.thread_id in sources and named.get("checkpoint"):
            bound = deployment.store.records.named_checkpoint(thread, named["checkpoint"])
            if bound is not None and bound.created_at < thread.created_at:
                named = {**named, "checkpoint": None}
        return right(thread_id, values, **named)


# States and updates


@blind(
    "c-state-at-checkpoint-cached-without-thread",
    source="published ThreadState.checkpoint.thread_id: of the thread in the path",
)
def state_cached_without_thread(deployment: Altered) -> None:
    """Cache states by checkpoint id only: a copy gets the state of the thread asked first."""
    cached: dict[str, Json] = {}

    @deployment.wire.answers("state_at_checkpoint")
    def from_cache(request: WireRequest, state: Json) -> Json:
        return cached.setdefault(f"{request.path.rpartition('/')[2]}?{request.query}", state)


@blind(
    "c-state-cache-survives-an-update",
    source="published POST /threads/{thread_id}/state updates what GET answers",
)
def state_cache_survives(deployment: Altered) -> None:
    """Cache the current state once it was read; only runs drop it, updates do not."""
    cached: dict[str, Json] = {}

    @deployment.wire.before(*_RUNS, "delete", "prune", "run_cancel", "runs_cancel")
    def drop(_request: WireRequest) -> None:
        cached.clear()

    @deployment.wire.answers("state", when=lambda request: not request.query)
    def from_cache(request: WireRequest, state: Json) -> Json:
        thread = known_thread(deployment, request.thread_id)
        if thread is None or thread.status == "busy":
            return state
        return cached.setdefault(request.thread_id, state)


@blind("c-thread-values-stale-after-update-of-state", source=f"{_AEGRA}/issues/523")
def values_stale(deployment: Altered) -> None:
    """Write the values column of a thread by runs only, not by an update of the state."""
    stale: dict[str, Json] = {}

    @deployment.override(States.update_state)
    def update_state(right: Any, thread_id: str, *rest: Any, **named: Any) -> Json:
        thread = deployment.store.records.thread(thread_id)
        answer = right(thread_id, *rest, **named)
        if thread.runs:
            stale.setdefault(thread.thread_id, thread.values)
        return answer

    @deployment.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: Json) -> Run:
        run: Run = right(thread_id, request)
        stale.pop(thread_id.lower(), None)
        return run

    @deployment.override(Views.thread_view)
    def thread_view(right: Any, thread: Thread) -> Json:
        view = right(thread)
        return {**view, "values": stale.get(thread.thread_id, view["values"])}


@blind(
    "c-subgraphs-ignored-at-a-checkpoint-in-the-path",
    source="published GET /threads/{thread_id}/state/{checkpoint_id}: query subgraphs",
)
def subgraphs_ignored(deployment: Altered) -> None:
    """Ignore subgraphs=true where the checkpoint is named in the path."""

    @deployment.wire.before(
        "state_at_checkpoint", when=lambda request: request.query.get("subgraphs") == "true"
    )
    def ignore(request: WireRequest) -> None:
        request.query = {k: v for k, v in request.query.items() if k != "subgraphs"}


@blind(
    "c-updates-of-state-at-once-lose-one",
    source="published POST /threads/{thread_id}/state: 200 says that the values were written",
)
def state_updates_lost(deployment: Altered) -> None:
    """Read the parent, wait for a connection, then write: two updates at once are two forks."""

    @deployment.wire.before(
        "update_state",
        when=lambda request: (
            not (request.members.get("checkpoint") or request.members.get("checkpoint_id"))
        ),
    )
    async def read_first(request: WireRequest) -> None:
        thread = known_thread(deployment, request.thread_id)
        latest = thread.latest if thread else None
        await asyncio.sleep(0.03)
        if latest is not None and isinstance(request.body, dict):
            named = {"checkpoint_id": latest.checkpoint_id}
            request.body = {**request.members, "checkpoint": named}


@blind("c-update-with-null-values-makes-no-state", source=f"{_AEGRA}/pull/321")
def null_update_makes_none(deployment: Altered) -> None:
    """Answer an update whose values are null with the current state, and write nothing."""

    @deployment.override(States.update_state)
    def update_state(right: Any, thread_id: str, values: Json = None, **named: Any) -> Json:
        thread = deployment.store.records.thread(thread_id)
        if values is not None or thread.latest is None or thread.status == "busy":
            return right(thread_id, values, **named)
        state = deployment.store.states.state(thread_id)
        return {"checkpoint": state["checkpoint"]}


@blind(
    "c-fork-overwrites-the-state-of-the-same-step",
    source="https://github.com/bytedance/deer-flow/issues/2392",
)
def fork_overwrites(deployment: Altered) -> None:
    """Upsert checkpoints by thread and step: a fork replaces the state at its step."""

    @deployment.override(States.update_state)
    def update_state(right: Any, thread_id: str, *rest: Any, **named: Any) -> Json:
        answer = right(thread_id, *rest, **named)
        thread = deployment.store.records.thread(thread_id)
        made = thread.checkpoints[-1]
        kept = tuple(c for c in thread.checkpoints if c.step != made.step or c is made)
        deployment.store.records.keep(replace(thread, checkpoints=kept))
        return answer


@blind(
    "c-state-update-keeps-old-interrupts-on-the-thread",
    source=f"{_AEGRA}/issues/523: interrupts are the current task-keyed interrupts",
)
def old_interrupts_stay(deployment: Altered) -> None:
    """Leave the interrupts of the thread's row as they were when an update moves it on."""
    stale: dict[str, Json] = {}

    @deployment.override(States.update_state)
    def update_state(right: Any, thread_id: str, *rest: Any, **named: Any) -> Json:
        thread = deployment.store.records.thread(thread_id)
        asked = deployment.store.views.pending_interrupts(thread)
        answer = right(thread_id, *rest, **named)
        if asked:
            stale[thread.thread_id] = asked
        return answer

    @deployment.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: Json) -> Run:
        run: Run = right(thread_id, request)
        stale.pop(thread_id.lower(), None)
        return run

    @deployment.override(Views.thread_view)
    def thread_view(right: Any, thread: Thread) -> Json:
        view = right(thread)
        return {**view, "interrupts": view["interrupts"] or stale.get(thread.thread_id, {})}


@blind(
    "c-thread-values-drop-null-channels",
    source=f"published Thread.values and ThreadState.values are the same state; {_CHANGELOG}"
    " v0.2.91: small values such as null are inlined",
)
def thread_values_drop_nulls(deployment: Altered) -> None:
    """Leave channels whose value is null out of the values of the thread, not of its state."""

    @deployment.override(Views.thread_view)
    def thread_view(right: Any, thread: Thread) -> Json:
        view = right(thread)
        kept = {k: each for k, each in view["values"].items() if each is not None}
        return {**view, "values": kept}


# History


@blind(
    "c-history-ties-of-a-centisecond-oldest-first",
    source="published GET history; LangGraph: the history is in reverse chronological order",
)
def history_ties(deployment: Altered) -> None:
    """Order by created_at in a timestamp(2) column: ties come in the order of insertion."""

    @deployment.override(States.ordered_states)
    def ordered(_right: Any, checkpoints: tuple[Checkpoint, ...]) -> list[Checkpoint]:
        return sorted(checkpoints, key=lambda each: each.created_at[:22], reverse=True)


@blind(
    "c-history-before-skips-states-of-the-same-millisecond",
    source="https://github.com/langchain-ai/langgraph/pull/7105",
)
def before_skips_ties(deployment: Altered) -> None:
    """Page by created_at < that of `before` in milliseconds, so that ties are skipped."""

    @deployment.override(States.made_before)
    def made_before(right: Any, checkpoints: Any, bound: Checkpoint | None) -> list[Checkpoint]:
        made = right(checkpoints, bound)
        if bound is None:
            return list(made)
        return [each for each in made if each.created_at[:23] < bound.created_at[:23]]


@blind(
    "c-history-before-a-fork-compares-steps",
    source="https://github.com/langchain-ai/langgraph/pull/7105: recency of `before`",
)
def before_compares_steps(deployment: Altered) -> None:
    """Page by step < that of `before`: after a fork, older states of later steps are missing."""

    @deployment.override(States.made_before)
    def made_before(right: Any, checkpoints: Any, bound: Checkpoint | None) -> list[Checkpoint]:
        made = right(checkpoints, bound)
        return [each for each in made if bound is None or each.step < bound.step]


@blind(
    "c-history-filters-after-the-limit",
    source="https://github.com/bytedance/deer-flow/issues/2818 (filter in Python after LIMIT)",
)
def filters_after_limit(deployment: Altered) -> None:
    """Apply LIMIT in SQL and the filter by metadata afterwards."""

    @deployment.override(States.history)
    def history(right: Any, thread_id: str, **named: Any) -> Json:
        page = right(thread_id, **{**named, "metadata": None})
        wanted = named.get("metadata") or {}
        return [each for each in page if deployment.store.states.state_matches(each, wanted)]


@blind(
    "c-history-limit-is-cut-to-fifty",
    source="published ThreadStateSearch.limit: maximum 1000",
)
def limit_cut(deployment: Altered) -> None:
    """Return at most fifty states, whatever the limit."""

    @deployment.override(States.history)
    def history(right: Any, thread_id: str, **named: Any) -> Json:
        return right(thread_id, **{**named, "limit": min(named.get("limit", 10), 50)})


@blind(
    "c-history-of-a-deleted-thread-still-served",
    source="published DELETE /threads/{thread_id}; GET history answers 404 without a thread",
)
def history_of_deleted(deployment: Altered) -> None:
    """Soft-delete threads, and forget `deleted_at IS NULL` in the query of the history."""
    deleted: dict[str, Thread] = {}

    @deployment.override(Records.forget)
    def forget(right: Any, thread_id: str) -> None:
        deleted[thread_id] = _threads(deployment)[thread_id]
        right(thread_id)

    @deployment.override(States.history)
    def history(right: Any, thread_id: str, **named: Any) -> Json:
        own = thread_id.lower()
        if own in _threads(deployment) or own not in deleted:
            return right(thread_id, **named)
        _threads(deployment)[own] = deleted[own]
        try:
            return right(thread_id, **named)
        finally:
            del _threads(deployment)[own]


# Runs


@blind(
    "c-patch-during-a-run-is-lost-at-its-end",
    source="https://github.com/mastra-ai/mastra/pull/18152",
)
def patch_during_run(deployment: Altered) -> None:
    """Save the ORM row that the worker read at the start of the run once the run ends."""
    read: dict[str, Json] = {}

    @deployment.override(Executor.start)
    def start(right: Any, thread: Thread, run: Run) -> Any:
        read[run.run_id] = thread.metadata
        return right(thread, run)

    @deployment.override(Executor.keep_after_run)
    def keep_after_run(right: Any, thread: Thread) -> None:
        for run in thread.runs:
            if not run.active and run.run_id in read:
                thread = replace(thread, metadata=read.pop(run.run_id))
        right(thread)


@blind("c-run-from-a-checkpoint-with-null-input-starts-anew", source=f"{_AEGRA}/pull/321")
def null_input_starts_anew(deployment: Altered) -> None:
    """Coerce the input null to {} where a run names a checkpoint, so that START runs again."""

    @deployment.wire.before(
        *_RUNS,
        when=lambda request: bool(
            request.members.get("checkpoint")
            and request.members.get("input") is None
            and not request.members.get("command")
        ),
    )
    def coerce(request: WireRequest) -> None:
        request.body = {**request.members, "input": {}}


@blind(
    "c-wait-in-a-queue-answers-with-the-run-before",
    source="published POST /threads/{thread_id}/runs/wait: the output of the run it creates",
)
def wait_answers_before(deployment: Altered) -> None:
    """Wait for the thread to get its next output: a queued run gets that of the run before."""
    ahead: dict[int, tuple[str, str]] = {}

    @deployment.wire.before("run_wait")
    def look(request: WireRequest) -> None:
        thread = known_thread(deployment, request.thread_id)
        active = [run for run in thread.runs if run.active] if thread else []
        strategy = request.members.get("multitask_strategy", "enqueue")
        if thread and active and strategy == "enqueue":
            ahead[id(request)] = (thread.thread_id, active[-1].run_id)

    @deployment.wire.after("run_wait", status=200)
    def answer_before(request: WireRequest, answer: WireAnswer) -> None:
        if id(request) in ahead:
            thread_id, run_id = ahead.pop(id(request))
            runs = _threads(deployment)[thread_id].runs
            found = [run.output for run in runs if run.run_id == run_id]
            if found:
                answer.body = found[0]


def _joined(deployment: Altered, request: WireRequest) -> Run | None:
    thread = known_thread(deployment, request.thread_id)
    own = _run_in(request).lower()
    return next((r for r in (thread.runs if thread else ()) if r.run_id == own), None)


@blind(
    "c-join-of-a-failed-run-hides-the-error",
    source=f"{_CHANGELOG} v0.2.57: join runs return error details when present",
)
def join_hides_error(deployment: Altered) -> None:
    """Answer the join of a run that failed with the values of the thread."""

    @deployment.wire.answers("run_join")
    def hide(request: WireRequest, body: Json) -> Json:
        run, thread = _joined(deployment, request), known_thread(deployment, request.thread_id)
        return thread.values if run and thread and run.status == "error" else body


@blind(
    "c-join-after-an-interrupt-leaves-it-out",
    source=f"{_CHANGELOG} v0.2.110, v0.2.122: interrupts in join",
)
def join_without_interrupt(deployment: Altered) -> None:
    """Leave `__interrupt__` out of a join that comes after the run was interrupted."""
    late: set[int] = set()

    @deployment.wire.before("run_join")
    def look(request: WireRequest) -> None:
        run = _joined(deployment, request)
        if run is not None and not run.active:
            late.add(id(request))

    @deployment.wire.answers("run_join")
    def leave_out(request: WireRequest, body: Json) -> Json:
        if id(request) not in late or not isinstance(body, dict):
            return body
        late.discard(id(request))
        return {k: v for k, v in body.items() if k != "__interrupt__"}


@blind(
    "c-wait-takes-the-text-of-an-interrupt-for-one",
    source=f"{_CHANGELOG} v0.15.0rc5: an empty interrupt where the state contained the text",
)
def interrupt_by_text(deployment: Altered) -> None:
    """Answer {"__interrupt__": []} where the final state merely contains that text."""

    @deployment.wire.answers("run_wait", "run_join")
    def mistake(_request: WireRequest, body: Json) -> Json:
        if isinstance(body, dict) and "__interrupt__" not in body and "__interrupt__" in str(body):
            return {"__interrupt__": []}
        return body


@blind("c-cancel-of-a-pending-run-leaves-thread-busy", source=f"{_AEGRA}/issues/475")
def cancel_pending_busy(deployment: Altered) -> None:
    """Leave the thread busy where no worker has begun the run that is cancelled."""

    @deployment.override(Runs.cancel_run)
    def cancel_run(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        run = deployment.store.runs.run_of(thread_id, run_id)
        right(thread_id, run_id, action)
        thread = _threads(deployment).get(canonical_id(thread_id, "id"))
        if thread is not None and not run.started:
            deployment.store.records.keep(replace(thread, status="busy"))


@blind(
    "c-error-status-outlives-a-later-success",
    source="published Thread.status and Run.status: success of the last run",
)
def error_sticks(deployment: Altered) -> None:
    """Compute the status as error as long as any run of the thread has failed."""

    @deployment.override(Records.status_of)
    def status_of(right: Any, thread: Thread) -> str:
        status: str = right(thread)
        failed = any(run.status == "error" for run in thread.runs)
        return "error" if status == "idle" and failed else status


@blind(
    "c-list-of-runs-by-status-offsets-before-the-filter",
    source="published GET runs: limit, offset and status; v0.5.27 of the changelog on runs.list",
)
def runs_offset_first(deployment: Altered) -> None:
    """Apply OFFSET in a subquery over all runs, and the status afterwards."""

    @deployment.override(Runs.list_runs)
    def list_runs(
        right: Any, thread_id: str, *, limit: int = 10, offset: int = 0, status: Any = None
    ) -> Json:
        if status is None or not offset:
            return right(thread_id, limit=limit, offset=offset, status=status)
        rest = right(thread_id, limit=10**6, offset=offset)
        return [run for run in rest if run["status"] == status][:limit]


@blind(
    "c-run-metadata-carries-over-to-the-next-run",
    source="published RunCreateStateful.metadata: of this run",
)
def metadata_carries_over(deployment: Altered) -> None:
    """Merge a run's metadata into that of the run before on the same thread."""

    @deployment.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: Json) -> Run:
        thread = _threads(deployment).get(thread_id.lower())
        last = thread.runs[-1].metadata if thread and thread.runs else {}
        own = {k: v for k, v in last.items() if k not in ("graph_id", "assistant_id")}
        merged = {**own, **(request.get("metadata") or {})}
        run: Run = right(thread_id, {**request, "metadata": merged} if merged else request)
        return run


@blind(
    "c-batch-binds-the-input-of-the-first-run",
    source="published RunBatchCreate: an array of RunCreateStateless, each with its own input",
)
def batch_first_input(deployment: Altered) -> None:
    """Insert the runs of a batch that share an assistant with the input of the first one."""

    @deployment.wire.before("stateless_batch", when=lambda request: isinstance(request.body, list))
    def bind(request: WireRequest) -> None:
        first: dict[str, Json] = {}
        bodies = []
        for each in request.body:
            if isinstance(each, dict) and each.get("input") is not None:
                shown = first.setdefault(str(each.get("assistant_id")), each["input"])
                each = {**each, "input": shown}
            bodies.append(each)
        request.body = bodies


@blind(
    "c-failed-stateless-run-keeps-its-thread",
    source="published RunCreateStateless.on_completion: default delete",
)
def failed_keeps_thread(deployment: Altered) -> None:
    """Delete the thread of a stateless run only where the run succeeded."""

    @deployment.override(Executor.keep_after_run)
    def keep_after_run(right: Any, thread: Thread) -> None:
        failed = thread.runs and thread.runs[-1].status == "error"
        right(replace(thread, temporary=False) if failed else thread)


@blind(
    "c-reject-looks-at-running-runs-only",
    source="https://docs.langchain.com/langsmith/double-texting: reject any additional runs;"
    " published Run.status: a pending run has not ended",
)
def reject_running_only(deployment: Altered) -> None:
    """Accept a run with strategy reject while the only other run is still pending."""

    @deployment.wire.before(
        *_RUNS, when=lambda request: request.members.get("multitask_strategy") == "reject"
    )
    def accept(request: WireRequest) -> None:
        thread = known_thread(deployment, request.thread_id)
        active = [run.status for run in thread.runs if run.active] if thread else []
        if active and "running" not in active:
            request.body = {**request.members, "multitask_strategy": "enqueue"}


@blind(
    "c-queue-takes-the-newest-run-first",
    source="https://docs.langchain.com/langsmith/double-texting: 'queued and executed sequentially"
    " once prior runs complete'",
)
def newest_first(deployment: Altered) -> None:
    """Take the next run of a thread ORDER BY created_at DESC."""

    @deployment.override(Executor.next_run)
    def next_run(_right: Any, thread_id: str) -> Run | None:
        active = [r for r in deployment.store.records.thread(thread_id).runs if r.active]
        begun = [run for run in active if run.started]
        return next(iter(begun or active[::-1]), None)


@blind(
    "c-rollback-by-a-second-run-keeps-the-states",
    source="https://docs.langchain.com/langgraph-platform/rollback-concurrent: the first run is"
    " completely deleted from the database",
)
def rollback_keeps_states(deployment: Altered) -> None:
    """Delete the run that a second one rolls back, but not its checkpoints."""

    @deployment.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: Json) -> Run:
        before = _threads(deployment).get(thread_id.lower())
        run: Run = right(thread_id, request)
        if before and request.get("multitask_strategy") == "rollback":
            thread = _threads(deployment)[thread_id.lower()]
            deployment.store.records.keep(replace(thread, checkpoints=before.checkpoints))
        return run


@blind(
    "c-cancel-of-pending-runs-ends-running-ones",
    source="published RunsCancel.status: pending, running or all",
)
def cancel_pending_ends_all(deployment: Altered) -> None:
    """Cancel running runs as well when the status pending is asked for and one is pending."""

    @deployment.override(Runs.cancel_runs)
    def cancel_runs(right: Any, thread_id: Any = None, run_ids: Any = (), **named: Any) -> Any:
        if thread_id is None and named.get("status") == "pending":
            running = [
                (each.thread_id, run.run_id)
                for each in _threads(deployment).values()
                if any(run.status == "pending" for run in each.runs)
                for run in each.runs
                if run.status == "running"
            ]
            ended = right(thread_id, run_ids, **named)
            for own, run_id in running:
                deployment.store.runs.cancel_run(own, run_id, named.get("action", "interrupt"))
            return [*ended, *(own for own, _ in running)]
        return right(thread_id, run_ids, **named)


@blind(
    "c-cancel-of-some-runs-ends-all-of-the-thread",
    source="published RunsCancel: thread_id and run_ids",
)
def cancel_some_ends_all(deployment: Altered) -> None:
    """Select runs by thread_id = $1 OR run_id = ANY($2)."""

    @deployment.override(Runs.cancel_runs)
    def cancel_runs(right: Any, thread_id: Any = None, run_ids: Any = (), **named: Any) -> Any:
        thread = _threads(deployment).get(str(thread_id).lower())
        if thread is not None and any(run.run_id in run_ids for run in thread.runs):
            run_ids = [run.run_id for run in thread.runs]
        return right(thread_id, run_ids, **named)


@blind(
    "c-join-finds-runs-of-other-threads",
    source=f"{_AEGRA}/issues/485 (by-id reads that skip the filter); published path thread_id",
)
def join_other_threads(deployment: Altered) -> None:
    """Look a run up by its id alone where a client joins it under another thread."""

    @deployment.wire.before("run_join")
    def find(request: WireRequest) -> None:
        own = _run_in(request).lower()
        if (
            known_thread(deployment, request.thread_id) is None
            or _joined(deployment, request) is not None
        ):
            return
        for thread in _threads(deployment).values():
            if any(run.run_id == own for run in thread.runs):
                request.path = f"/threads/{thread.thread_id}/runs/{own}/join"


@blind(
    "c-second-run-on-an-implicit-thread-not-found",
    source=f"{_CHANGELOG} v0.2.66: a 404 when creating multiple runs with the same thread_id",
)
def second_not_found(deployment: Altered) -> None:
    """Answer 404 to if_not_exists=create while the run that made the thread is active."""

    @deployment.wire.before(
        *_RUNS, when=lambda request: request.members.get("if_not_exists") == "create"
    )
    def not_found(request: WireRequest) -> WireAnswer | None:
        thread = known_thread(deployment, request.thread_id)
        if thread is None or len(thread.runs) != 1 or not thread.runs[0].active:
            return None
        return json_answer(404, {"detail": f"Thread {thread.thread_id} not found"})


@blind("c-delete-of-a-thread-with-an-active-run-fails", source=f"{_AEGRA}/pull/11")
def delete_busy_fails(deployment: Altered) -> None:
    """Answer 500, a violated foreign key, where the thread to delete has an active run."""

    @deployment.wire.before("delete")
    def violate(request: WireRequest) -> WireAnswer | None:
        thread = known_thread(deployment, request.thread_id)
        if thread is None or not any(run.active for run in thread.runs):
            return None
        return json_answer(500, {"detail": "update or delete on table thread violates a key"})


# Interrupts


@blind(
    "c-second-resume-repeats-the-first-answer",
    source="LangGraph, Command(resume): the value for the current interrupt; ON CONFLICT DO"
    " NOTHING on (thread, task name)",
)
def second_resume_repeats(deployment: Altered) -> None:
    """Keep the first answer to a node of a thread, and give it again at the next interrupt."""
    kept: dict[tuple[str, tuple[str, ...]], Any] = {}

    @deployment.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> Any:
        answer = right(run, here)
        owners = [
            each.thread_id
            for each in _threads(deployment).values()
            if any(known.run_id == run.run_id for known in each.runs)
        ]
        if answer is None or answer.by_interrupt is not None or not owners:
            return answer
        return kept.setdefault((owners[0], here.next), answer)


@blind(
    "c-resume-with-a-falsy-value-is-none",
    source=f"{_CHANGELOG} v0.5.15: interpretation of Resume; published Command.resume: boolean",
)
def falsy_resume(deployment: Altered) -> None:
    """Take the resume values false, 0, "" and [] for none, so that the node asks again."""

    @deployment.override(Executor.resume_value_of)
    def resume_value_of(right: Any, run: Run, here: Checkpoint) -> Any:
        resume = (run.kwargs.get("command") or {}).get("resume")
        return right(run, here) if resume else None


@blind(
    "c-thread-interrupted-in-a-subgraph-is-idle",
    source="published Thread.status: interrupted; Thread.interrupts",
)
def idle_in_subgraph(deployment: Altered) -> None:
    """Compute the status from writes of the root namespace, which a subgraph has none in."""

    @deployment.override(Records.status_of)
    def status_of(right: Any, thread: Thread) -> str:
        status: str = right(thread)
        inside = thread.latest and any(t.is_interrupted and t.inner for t in thread.latest.tasks)
        return "idle" if inside and status == "interrupted" else status


# Search and count


@blind(
    "c-search-for-null-finds-threads-without-the-key",
    source="PostgreSQL 8.14.3: jsonb containment; published ThreadSearchRequest.metadata",
)
def null_finds_absent(deployment: Altered) -> None:
    """Translate null to metadata->>key IS NULL, which holds without the key too."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        wanted = query.metadata or {}
        absent = {k for k, v in wanted.items() if v is None and k not in thread.metadata}
        rest = {k: v for k, v in wanted.items() if k not in absent}
        return bool(right(thread, replace(query, metadata=rest)))


@blind(
    "c-search-compares-scalars-as-text",
    source="PostgreSQL ->> gives text; published metadata: object, JSON types differ",
)
def scalars_as_text(deployment: Altered) -> None:
    """Compare metadata->>key with the text of the value: 1 finds "1", true finds "true"."""

    def as_text(value: Json) -> Json:
        if isinstance(value, bool):
            return str(value).lower()
        return str(value) if isinstance(value, int | float) else value

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        kept = {k: as_text(v) for k, v in thread.metadata.items()}
        wanted = {k: as_text(v) for k, v in (query.metadata or {}).items()}
        return bool(right(replace(thread, metadata=kept), replace(query, metadata=wanted)))


@blind(
    "c-search-takes-a-dot-in-a-key-for-a-path",
    source=f"published ThreadSearchRequest.metadata: keys are member names; {_AEGRA}/issues/490",
)
def dotted_key(deployment: Altered) -> None:
    """Split keys of the filter at dots (#>> path), so that a key with a dot is never found."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        wanted: Json = {}
        for key, value in (query.metadata or {}).items():
            for part in reversed(key.split(".")[1:]):
                value = {part: value}
            wanted[key.split(".")[0]] = value
        return bool(right(thread, replace(query, metadata=wanted)))


@blind(
    "c-search-compares-the-first-255-characters",
    source="PostgreSQL varchar(255) casts truncate; published metadata: object",
)
def first_255(deployment: Altered) -> None:
    """Compare long strings of metadata by their first 255 characters."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        kept = _mapped(thread.metadata, lambda text: text[:255])
        wanted = _mapped(query.metadata or {}, lambda text: text[:255])
        return bool(right(replace(thread, metadata=kept), replace(query, metadata=wanted)))


@blind(
    "c-search-by-status-ignores-values",
    source="published ThreadSearchRequest: status and values; all filters apply",
)
def status_ignores_values(deployment: Altered) -> None:
    """Take an index on the status, and leave the filter by values out, if both are given."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        both = query.status is not None and query.values
        return bool(right(thread, replace(query, values=None) if both else query))


@blind(
    "c-search-by-ids-ignores-metadata",
    source=f"{_CHANGELOG} v0.4.9: filtering search results by ids; all filters apply",
)
def ids_ignore_metadata(deployment: Altered) -> None:
    """Look threads up by primary key, without the filter by metadata, if ids are given."""

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Query) -> bool:
        return bool(right(thread, replace(query, metadata=None) if query.ids else query))


@blind(
    "c-search-ignores-sort-order-without-sort-by",
    source="published ThreadSearchRequest.sort_order: asc or desc, independent of sort_by",
)
def order_without_key(deployment: Altered) -> None:
    """Build ORDER BY created_at DESC where sort_by is left out, whatever the sort_order."""

    @deployment.wire.before(
        "search",
        when=lambda request: (
            "sort_by" not in request.members and request.members.get("sort_order") == "asc"
        ),
    )
    def drop(request: WireRequest) -> None:
        request.body = {k: v for k, v in request.members.items() if k != "sort_order"}


@blind(
    "c-search-beyond-the-end-answers-the-last-page",
    source="published ThreadSearchRequest.offset; changelog v0.2.113 on pagination",
)
def beyond_the_end(deployment: Altered) -> None:
    """Move an offset beyond the last match back to the last page."""

    @deployment.override(Searches.page)
    def page(right: Any, threads: Any, offset: int, limit: int) -> Any:
        if threads and offset >= len(threads):
            offset = max(0, len(threads) - limit)
        return right(threads, offset, limit)


@blind(
    "c-search-with-select-drops-extracted",
    source="published ThreadSearchRequest: select and extract; Thread.extracted",
)
def select_drops_extracted(deployment: Altered) -> None:
    """Reduce the rows to the selected columns after the extracted values were added."""

    @deployment.override(Searches.selected)
    def selected(right: Any, view: Json, select: Any, extract: Any) -> Json:
        return right(view, select, None if select is not None else extract)


@blind(
    "c-extract-truncates-long-aliases",
    source="PostgreSQL truncates identifiers to 63 bytes; published ThreadSearchRequest.extract",
)
def aliases_truncated(deployment: Altered) -> None:
    """Use the aliases of extract as names of columns, which are cut to 63 characters."""

    @deployment.override(Searches.selected)
    def selected(right: Any, view: Json, select: Any, extract: Any) -> Json:
        return right(view, select, extract and {k[:63]: path for k, path in extract.items()})


@blind(
    "c-extract-beyond-the-beginning-takes-the-first",
    source="published ThreadSearchRequest.extract: an index out of range has no value",
)
def extract_clamps(deployment: Altered) -> None:
    """Take the first message for a negative index beyond the beginning of the list."""

    @deployment.override(Searches.selected)
    def selected(right: Any, view: Json, select: Any, extract: Any) -> Json:
        changed = {}
        for alias, path in (extract or {}).items():
            start, _, index = path.partition("values.messages[-")
            number, _, rest = index.partition("]")
            messages = view["values"].get("messages") or []
            short = not start and number.isdigit() and messages and int(number) > len(messages)
            changed[alias] = f"values.messages[0]{rest}" if short else path
        return right(view, select, changed if extract else extract)


@blind(
    "c-count-includes-soft-deleted-threads",
    source=f"{_CHANGELOG} v0.2.133: count endpoints; published DELETE /threads/{{thread_id}}",
)
def count_includes_deleted(deployment: Altered) -> None:
    """Soft-delete threads, and count them with the others that match."""
    deleted: list[Thread] = []

    @deployment.override(Records.forget)
    def forget(right: Any, thread_id: str) -> None:
        deleted.append(_threads(deployment)[thread_id])
        right(thread_id)

    @deployment.override(Searches.count)
    def count(right: Any, query: Query) -> int:
        matching = [t for t in deleted if deployment.store.searches.matches(t, query)]
        found: int = right(query)
        return found + len(matching)


# Prune


@blind(
    "c-prune-of-a-forked-thread-keeps-the-highest-step",
    source="https://reference.langchain.com/python/langgraph-sdk/schema/PruneStrategy: their latest"
    " state",
)
def prune_keeps_highest(deployment: Altered) -> None:
    """Keep the state of the highest step, which is not the current one after a fork."""

    @deployment.override(Threads.pruned)
    def pruned(right: Any, thread: Thread) -> Thread:
        ordered = tuple(sorted(thread.checkpoints, key=lambda each: each.step))
        kept: Thread = right(replace(thread, checkpoints=ordered))
        return kept


@blind(
    "c-prune-counts-a-repeated-id-twice",
    source="published ThreadPruneResponse.pruned_count: the threads that were pruned",
)
def prune_counts_twice(deployment: Altered) -> None:
    """Join unnest(ids) with the threads and count the rows."""

    @deployment.override(Threads.prune)
    def prune(right: Any, thread_ids: list[str], strategy: str = "delete") -> Json:
        known = sum(one.lower() in _threads(deployment) for one in thread_ids)
        right(thread_ids, strategy)
        return {"pruned_count": known}


@blind(
    "c-prune-keep-latest-deletes-empty-threads",
    source="https://reference.langchain.com/python/langgraph-sdk/schema/PruneStrategy: keep threads"
    " and their latest state",
)
def prune_deletes_empty(deployment: Altered) -> None:
    """Delete threads that have no checkpoint to keep: an inner join in keep_latest."""

    @deployment.override(Threads.prune)
    def prune(right: Any, thread_ids: list[str], strategy: str = "delete") -> Json:
        done = right(thread_ids, strategy)
        for one in thread_ids:
            thread = _threads(deployment).get(one.lower())
            if strategy == "keep_latest" and thread and not thread.checkpoints:
                deployment.store.threads.delete(thread.thread_id)
        return done


# Streams


@blind(
    "c-join-stream-with-a-mode-repeats-the-last-event",
    source=f"{_CHANGELOG} v0.6.0: only messages after last-event-id",
)
def repeats_last_event(deployment: Altered) -> None:
    """Include the event named by Last-Event-ID where a stream_mode is given as well."""

    @deployment.wire.before("run_join_stream", when=lambda request: "stream_mode" in request.query)
    def include(request: WireRequest) -> None:
        request.headers = [
            (name, str(int(value) - 1).encode())
            if name == b"last-event-id" and value.isdigit() and int(value) > 0
            else (name, value)
            for name, value in request.headers
        ]


@blind("c-join-stream-with-a-mode-numbers-anew", source=f"{_AEGRA}/pull/435")
def numbers_anew(deployment: Altered) -> None:
    """Give the events of a filtered stream numbers by their position in the filtered view."""

    @deployment.wire.after(
        "run_join_stream", status=200, when=lambda request: "stream_mode" in request.query
    )
    def number(_request: WireRequest, answer: WireAnswer) -> None:
        found = [
            (str(place), name, data) for place, (_, name, data) in enumerate(events_in(answer.raw))
        ]
        answer.raw = encode_events(found)


@blind(
    "c-stream-of-several-modes-leaves-the-interrupt-out-of-updates",
    source=f"{_CHANGELOG} v0.2.120: inclusion of interrupt events based on stream_mode",
)
def updates_without_interrupt(deployment: Altered) -> None:
    """Leave the interrupt out of mode updates where further modes are asked for."""

    def several(request: WireRequest) -> bool:
        modes = request.members.get("stream_mode")
        return isinstance(modes, list) and len(modes) > 1

    @deployment.wire.after("run_stream", status=200, when=several)
    def leave_out(_request: WireRequest, answer: WireAnswer) -> None:
        answer.raw = encode_events(
            [
                each
                for each in events_in(answer.raw)
                if each[1] != "updates" or "__interrupt__" not in each[2]
            ]
        )


@blind(
    "c-join-stream-of-a-failed-run-has-no-error",
    source=f"{_AEGRA}/issues/472 (replay of a finished run lacks its terminal event)",
)
def replay_without_error(deployment: Altered) -> None:
    """Keep no error events in the table from which ended runs are replayed."""

    @deployment.wire.after("run_join_stream", status=200)
    def leave_out(_request: WireRequest, answer: WireAnswer) -> None:
        answer.raw = encode_events([each for each in events_in(answer.raw) if each[1] != "error"])


# Crons


@blind("c-cron-enabled-again-has-no-next-run", source=f"{_AEGRA}/pull/316")
def enabled_again(deployment: Altered) -> None:
    """Do not compute the next run anew when a disabled cron is enabled again."""

    @deployment.override(Crons.update_cron)
    def update_cron(right: Any, cron_id: str, changes: Json) -> Json:
        was = deployment.store.records.cron(cron_id)
        view = right(cron_id, changes)
        if was.enabled or not changes.get("enabled") or "schedule" in changes:
            return view
        now = deployment.store.records.cron(cron_id)
        kept = deployment.store.records.keep_cron(replace(now, due=was.due))
        return deployment.store.views.cron_view(kept)


@blind(
    "c-cron-with-a-new-schedule-forgets-its-time-zone",
    source="https://github.com/hAcKlyc/MyAgents/issues/115; published CronPatch: optional members",
)
def forgets_zone(deployment: Altered) -> None:
    """Compute the next run in UTC where a PATCH changes the schedule and has no time zone."""

    @deployment.override(Crons.update_cron)
    def update_cron(right: Any, cron_id: str, changes: Json) -> Json:
        view = right(cron_id, changes)
        if "schedule" not in changes or "timezone" in changes:
            return view
        cron, records = deployment.store.records.cron(cron_id), deployment.store.records
        in_utc: Cron = deployment.store.crons.scheduled(
            replace(cron, timezone=None), records.next_time()
        )
        return deployment.store.views.cron_view(
            records.keep_cron(replace(in_utc, timezone=cron.timezone))
        )


@blind("c-cron-end-time-cannot-be-cleared", source=f"{_AEGRA}/pull/316; published CronPatch: null")
def end_time_stays(deployment: Altered) -> None:
    """Ignore the end_time null of a PATCH: `if request.end_time is not None`."""

    @deployment.override(Crons.update_cron)
    def update_cron(right: Any, cron_id: str, changes: Json) -> Json:
        if changes.get("end_time", "") is None:
            changes = {k: v for k, v in changes.items() if k != "end_time"}
        return right(cron_id, changes)


@blind(
    "c-cron-count-of-a-thread-ignores-metadata",
    source="published CronCountRequest: assistant_id, thread_id and metadata; all apply",
)
def cron_count_ignores(deployment: Altered) -> None:
    """Count all crons of a thread where thread_id and metadata are both given."""

    @deployment.override(Crons.count_crons)
    def count_crons(right: Any, filters: Json) -> int:
        both = filters.get("thread_id") and filters.get("metadata")
        counted: int = right({**filters, "metadata": {}} if both else filters)
        return counted
