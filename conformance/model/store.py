"""The executable model of a Threads deployment: `ThreadStore` with all operations.

Operations take and return plain JSON values, named as in the API. Each one takes effect or
raises a `ModelError` and changes nothing. Answers share parts with the store: do not modify
them. Every decision is a method of its own, so that a fault can override just that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from conformance.model import extract as paths
from conformance.model.crons import CronOperations
from conformance.model.errors import ConflictError, InvalidError
from conformance.model.filters import contains
from conformance.model.states import StateOperations
from conformance.model.threads import Checkpoint, Run, Thread, Ttl
from conformance.model.values import JsonObject, canonical_id, deep_copy, timestamp

DEFAULT_SORT = "created_at"
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Query:
    """A filter for threads: every member that is given must match."""

    ids: Sequence[str] | None = None
    metadata: JsonObject | None = None
    values: JsonObject | None = None
    status: str | None = None


class ThreadStore(StateOperations, CronOperations):
    """All threads of one deployment."""

    # Create, read, update, delete

    def create(
        self,
        *,
        thread_id: str | None = None,
        metadata: JsonObject | None = None,
        if_exists: str = "raise",
        ttl: JsonObject | None = None,
        supersteps: Sequence[JsonObject] = (),
    ) -> JsonObject:
        """Create a thread, prepopulated by `supersteps`; if they are refused, none is made.

        If `thread_id` exists: ConflictError, or with `if_exists` do_nothing the existing thread,
        unchanged.
        """
        own = self.new_id() if thread_id is None else canonical_id(thread_id, "thread_id")
        if own in self.threads_by_id:
            return self.thread_view(self.already_there(self.threads_by_id[own], if_exists))
        thread = self.blank(own, deep_copy(metadata or {}), ttl)
        for step in supersteps:
            thread = self.with_superstep(thread, self.current(thread), deep_copy(step["updates"]))
        return self.thread_view(self.keep(thread))

    def already_there(self, thread: Thread, if_exists: str) -> Thread:
        """Return the thread for a create request under an existing id, or raise ConflictError."""
        if if_exists != "do_nothing":
            raise ConflictError(f"thread {thread.thread_id} already exists")
        return thread

    def blank(self, thread_id: str, metadata: JsonObject, ttl: JsonObject | None = None) -> Thread:
        """Return a new thread without history; it is not stored."""
        moment = self.moment()
        now = timestamp(moment)
        return Thread(thread_id, now, now, now, metadata, ttl=self.ttl_from(ttl, moment))

    def ttl_from(self, ttl: JsonObject | None, moment: datetime) -> Ttl | None:
        """Return the time to live that `{"ttl": minutes, "strategy"?}` sets from `moment` on."""
        if ttl is None or ttl.get("ttl") is None:
            return None
        try:
            expires_at = moment + timedelta(minutes=ttl["ttl"])
        except OverflowError:
            expires_at = _END_OF_TIME
        return Ttl(ttl.get("strategy", "delete"), ttl["ttl"], timestamp(expires_at))

    def get(self, thread_id: str, include: Iterable[str] = ()) -> JsonObject:
        """Return the thread; with its `ttl` if `include` names it and one is set."""
        thread = self.thread(thread_id)
        view = self.thread_view(thread)
        if "ttl" in include and thread.ttl is not None:
            view["ttl"] = {
                "strategy": thread.ttl.strategy,
                "ttl_minutes": thread.ttl.minutes,
                "expires_at": thread.ttl.expires_at,
            }
        return view

    def update(
        self, thread_id: str, metadata: JsonObject | None = None, ttl: JsonObject | None = None
    ) -> JsonObject:
        """Merge `metadata` into the thread's own, member by member, and set a new ttl."""
        thread = self.thread(thread_id)
        moment = self.moment()
        changed = replace(
            thread,
            metadata=self.merged(thread.metadata, deep_copy(metadata or {})),
            ttl=self.ttl_from(ttl, moment) or thread.ttl,
            updated_at=timestamp(moment),
        )
        return self.thread_view(self.keep(changed))

    def merged(self, metadata: JsonObject, new: JsonObject) -> JsonObject:
        """Merge the first level of metadata; a null is stored as null."""
        return metadata | new

    def delete(self, thread_id: str) -> None:
        """Delete the thread with its history, runs and crons."""
        self.forget(self.thread(thread_id).thread_id)

    # Copy

    def copy(self, thread_id: str) -> JsonObject:
        """Create an independent thread under a new id with the same metadata and history."""
        source = self.thread(thread_id)
        checkpoints = self.copied_checkpoints(source)
        blank = self.blank(self.new_id(), self.copied_metadata(source))
        copy = replace(blank, config=source.config, checkpoints=checkpoints, ttl=source.ttl)
        return self.thread_view(self.keep(replace(copy, status=self.status_of(copy))))

    def copied_checkpoints(self, source: Thread) -> tuple[Checkpoint, ...]:
        """Return the history of a copy: the same frozen checkpoints."""
        return source.checkpoints

    def copied_metadata(self, source: Thread) -> JsonObject:
        """Return the metadata of a copy."""
        return source.metadata

    # Search, count, prune

    def search(
        self,
        query: Query = Query(),
        *,
        limit: int = 10,
        offset: int = 0,
        sort_by: str = DEFAULT_SORT,
        sort_order: str = "desc",
        select: Sequence[str] | None = None,
        extract: dict[str, str] | None = None,
    ) -> list[JsonObject]:
        """Return at most `limit` matching threads from `offset` on, each as `get` shows it.

        `select` keeps only those members; `extract` maps aliases to paths and adds `extracted`, the
        values by alias.
        """
        if extract is not None and len(extract) > paths.MOST_PATHS:
            raise InvalidError(f"extract takes at most {paths.MOST_PATHS} paths")
        for path in (extract or {}).values():
            paths.parse_path(path)
        ordered = self.ordered_threads(self.matching(query), sort_by, sort_order)
        page = self.page(ordered, offset, limit)
        return [self.selected(self.thread_view(thread), select, extract) for thread in page]

    def count(self, query: Query = Query()) -> int:
        """Return the number of matching threads."""
        return len(self.matching(query))

    def matching(self, query: Query) -> list[Thread]:
        """Return every thread that matches `query`, oldest first."""
        ids = None
        if query.ids is not None:
            ids = {canonical_id(one, "each of ids") for one in query.ids}
        return [
            thread
            for thread in self.threads_by_id.values()
            if (ids is None or thread.thread_id in ids) and self.matches(thread, query)
        ]

    def matches(self, thread: Thread, query: Query) -> bool:
        """Return whether a thread has the status, metadata and values that `query` asks for."""
        return (
            (query.status is None or thread.status == query.status)
            and contains(thread.metadata, query.metadata or {})
            and contains(thread.values, query.values or {})
        )

    def ordered_threads(
        self, threads: Sequence[Thread], sort_by: str, sort_order: str
    ) -> list[Thread]:
        """Return threads in the order requested, the newer first among equals."""
        newest_first = sorted(threads, key=lambda thread: thread.created_at, reverse=True)
        backwards = sort_order != "asc"
        # Python's reversed sort keeps the order of equals, as wanted here.
        return sorted(
            newest_first, key=lambda thread: str(getattr(thread, sort_by)), reverse=backwards
        )

    def page(self, threads: Sequence[Thread], offset: int, limit: int) -> Sequence[Thread]:
        """Return one page of a search's results."""
        return threads[offset : offset + limit]

    def selected(
        self, view: JsonObject, select: Sequence[str] | None, extract: dict[str, str] | None
    ) -> JsonObject:
        """Return a thread in the form of a search result."""
        shown = view if select is None else {name: view[name] for name in select}
        if extract:
            found = {alias: paths.value_at_path(view, path) for alias, path in extract.items()}
            shown = {**shown, "extracted": found}
        return shown

    def prune(self, thread_ids: Sequence[str], strategy: str = "delete") -> JsonObject:
        """Delete threads, or all but their latest state; unknown ids are ignored."""
        ids = {canonical_id(one, "each of thread_ids") for one in thread_ids}
        known = [self.threads_by_id[one] for one in sorted(ids) if one in self.threads_by_id]
        for thread in known:
            if strategy == "delete":
                self.delete(thread.thread_id)
            else:
                self.keep(self.pruned(thread))
        return {"pruned_count": len(known)}

    def pruned(self, thread: Thread) -> Thread:
        """Return `thread` with only its latest state, which then has no parent."""
        latest = thread.latest
        if latest is None:
            return thread
        return replace(thread, checkpoints=(replace(latest, parent_id=None),))

    # Assistants

    def assistants(self) -> list[JsonObject]:
        """Return each graph's assistant in the form of the API."""
        return [
            {
                "assistant_id": graph.assistant_id,
                "graph_id": graph.graph_id,
                "name": graph.graph_id,
                "description": None,
                "config": {},
                "context": {},
                "metadata": {"created_by": "system"},
                "version": 1,
                "created_at": self.started_at,
                "updated_at": self.started_at,
            }
            for graph in self.graphs.values()
        ]

    # Runs, as a whole

    def run(self, thread_id: str, request: JsonObject) -> Run:
        """Start a run, execute all its steps and return the ended run."""
        run = self.begin_run(thread_id, request)
        while self.run_of(thread_id, run.run_id).active:
            self.advance(thread_id)
        return self.run_of(thread_id, run.run_id)
