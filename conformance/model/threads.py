"""Operations on threads: create, get, update, delete, copy, prune."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from conformance.model.entities import Checkpoint, Thread, Ttl
from conformance.model.errors import ConflictError
from conformance.model.ids_and_times import JsonObject, canonical_id, deep_copy, timestamp
from conformance.model.records import Records
from conformance.model.states import States
from conformance.model.views import Views

_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


class Threads:
    """The operations on whole threads."""

    def __init__(self, records: Records, views: Views, states: States) -> None:
        self.records, self.views, self.states = records, views, states

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
        """Create a thread, prepopulated by `supersteps`; if these are refused, create none.

        If `thread_id` exists: ConflictError, or with `if_exists` do_nothing the existing thread,
        unchanged.
        """
        own = self.records.new_id() if thread_id is None else canonical_id(thread_id, "thread_id")
        if own in self.records.threads_by_id:
            return self.views.thread_view(
                self.for_existing_id(self.records.threads_by_id[own], if_exists)
            )
        thread = self.new_thread(own, deep_copy(metadata or {}), ttl)
        for step in supersteps:
            thread = self.states.with_superstep(
                thread, self.states.current(thread), deep_copy(step["updates"])
            )
        return self.views.thread_view(self.records.keep(thread))

    def for_existing_id(self, thread: Thread, if_exists: str) -> Thread:
        """Return the thread for a create request under an existing id, or raise ConflictError."""
        if if_exists != "do_nothing":
            raise ConflictError(f"thread {thread.thread_id} already exists")
        return thread

    def new_thread(
        self, thread_id: str, metadata: JsonObject, ttl: JsonObject | None = None
    ) -> Thread:
        """Return a new thread without history; it is not stored."""
        moment = self.records.next_time()
        now = timestamp(moment)
        return Thread(thread_id, now, now, now, metadata, ttl=self.ttl_from(ttl, moment))

    def ttl_from(self, ttl: JsonObject | None, moment: datetime) -> Ttl | None:
        """Return the time to live that `{"ttl": minutes, "strategy"?}`, set at `moment`, gives."""
        if ttl is None or ttl.get("ttl") is None:
            return None
        try:
            expires_at = moment + timedelta(minutes=ttl["ttl"])
        except OverflowError:
            expires_at = _END_OF_TIME
        return Ttl(ttl.get("strategy", "delete"), ttl["ttl"], timestamp(expires_at))

    def get(self, thread_id: str, include: Iterable[str] = ()) -> JsonObject:
        """Return the thread; with its `ttl` if `include` names it and one is set."""
        thread = self.records.thread(thread_id)
        view = self.views.thread_view(thread)
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
        thread = self.records.thread(thread_id)
        moment = self.records.next_time()
        changed = replace(
            thread,
            metadata=self.merged(thread.metadata, deep_copy(metadata or {})),
            ttl=self.ttl_from(ttl, moment) or thread.ttl,
            updated_at=timestamp(moment),
        )
        return self.views.thread_view(self.records.keep(changed))

    def merged(self, metadata: JsonObject, new: JsonObject) -> JsonObject:
        """Merge the first level of metadata; a null is stored as null."""
        return metadata | new

    def delete(self, thread_id: str) -> None:
        """Delete the thread with its history, runs and crons."""
        self.records.forget(self.records.thread(thread_id).thread_id)

    # Copy

    def copy(self, thread_id: str) -> JsonObject:
        """Create an independent thread under a new id with the same metadata and history."""
        source = self.records.thread(thread_id)
        checkpoints = self.copied_checkpoints(source)
        new = self.new_thread(self.records.new_id(), self.copied_metadata(source))
        copy = replace(new, config=source.config, checkpoints=checkpoints, ttl=source.ttl)
        return self.views.thread_view(
            self.records.keep(replace(copy, status=self.records.status_of(copy)))
        )

    def copied_checkpoints(self, source: Thread) -> Sequence[Checkpoint]:
        """Return the history of a copy: the same frozen checkpoints."""
        return source.checkpoints

    def copied_metadata(self, source: Thread) -> JsonObject:
        """Return the metadata of a copy."""
        return source.metadata

    # Prune

    def prune(self, thread_ids: Sequence[str], strategy: str = "delete") -> JsonObject:
        """Delete threads, or all but their latest state; unknown ids are ignored."""
        ids = {canonical_id(one, "each of thread_ids") for one in thread_ids}
        known = [
            self.records.threads_by_id[one]
            for one in sorted(ids)
            if one in self.records.threads_by_id
        ]
        for thread in known:
            if strategy == "delete":
                self.delete(thread.thread_id)
            else:
                self.records.keep(self.pruned(thread))
        return {"pruned_count": len(known)}

    def pruned(self, thread: Thread) -> Thread:
        """Return `thread` with only its latest state, which then has no parent."""
        latest = thread.latest
        if latest is None:
            return thread
        return replace(thread, checkpoints=(replace(latest, parent_id=None),))
