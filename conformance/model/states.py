"""Operations on the states of a thread: get, history, update, fork."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from conformance.model.assistants import Assistants
from conformance.model.containment import contains
from conformance.model.entities import Checkpoint, Thread
from conformance.model.errors import ConflictError, InvalidError
from conformance.model.graphs import INPUT, START
from conformance.model.ids_and_times import JsonObject, deep_copy
from conformance.model.records import Records, position_of
from conformance.model.supersteps import parse_update, superstep, with_results
from conformance.model.views import Views, checkpoint_config


class States:
    """The operations on checkpoints."""

    def __init__(self, records: Records, assistants: Assistants, views: Views) -> None:
        self.records, self.assistants, self.views = records, assistants, views

    def state(
        self, thread_id: str, checkpoint: JsonObject | None = None, *, subgraphs: bool = False
    ) -> JsonObject:
        """Return the current state, or the state at the checkpoint that `checkpoint` names.

        A `checkpoint_ns` in `checkpoint` selects a state of that subgraph; with `subgraphs` the
        tasks include the states of their subgraphs.
        """
        thread, checkpoint, namespace = self.resolve_namespace(
            self.records.thread(thread_id), checkpoint
        )
        found = self.records.named_checkpoint(thread, checkpoint) or self.current(thread)
        if found is None:
            return self.empty_state(thread)
        return self.views.state_view(thread, found, namespace, subgraphs=subgraphs)

    def resolve_namespace(
        self, thread: Thread, config: JsonObject | None
    ) -> tuple[Thread, JsonObject, str]:
        """Resolve `checkpoint_ns` of a config to the thread with that (sub)graph's history.

        Return that thread, the rest of the config, and the namespace, `""` for the graph itself.
        """
        namespace = (config or {}).get("checkpoint_ns") or ""
        rest = {name: value for name, value in (config or {}).items() if name != "checkpoint_ns"}
        return self.records.with_history_of(thread, namespace), rest, namespace

    def current(self, thread: Thread) -> Checkpoint | None:
        """Return the checkpoint that is the thread's current state."""
        return thread.latest

    def empty_state(self, thread: Thread) -> JsonObject:
        """Return the state of a thread without checkpoints; every member has its published type."""
        return {
            "values": {},
            "next": [],
            "tasks": [],
            "metadata": {},
            "created_at": thread.created_at,
            "checkpoint": {"thread_id": thread.thread_id, "checkpoint_ns": ""},
            "parent_checkpoint": None,
            "interrupts": [],
            "checkpoint_id": None,
            "parent_checkpoint_id": None,
        }

    def history(
        self,
        thread_id: str,
        *,
        limit: int = 10,
        before: JsonObject | None = None,
        metadata: JsonObject | None = None,
        checkpoint: JsonObject | None = None,
    ) -> list[JsonObject]:
        """Return at most `limit` states, the newest first.

        `before` names a checkpoint: only states made before it are returned. `metadata` must be
        contained in a state's metadata. `checkpoint_ns` in `checkpoint` names the (sub)graph.
        """
        thread, checkpoint, namespace = self.resolve_namespace(
            self.records.thread(thread_id), checkpoint
        )
        self.records.named_checkpoint(thread, checkpoint)
        if namespace and (before or {}).get("checkpoint_ns") == namespace:
            before = {**(before or {}), "checkpoint_ns": ""}
        bound = self.records.named_checkpoint(thread, before)
        states = self.made_before(thread.checkpoints, bound)
        views = (
            self.views.state_view(thread, state, namespace) for state in self.ordered_states(states)
        )
        found: list[JsonObject] = []
        for view in views:
            if len(found) >= limit:
                break
            if self.state_matches(view, metadata or {}):
                found.append(view)
        return found

    def made_before(
        self, checkpoints: Sequence[Checkpoint], bound: Checkpoint | None
    ) -> Sequence[Checkpoint]:
        """Return the checkpoints made before `bound`; all of them where it is None."""
        if bound is None:
            return checkpoints
        return checkpoints[: position_of(bound.checkpoint_id, checkpoints)]

    def ordered_states(self, checkpoints: Sequence[Checkpoint]) -> Iterable[Checkpoint]:
        """Return checkpoints in the order of a history: newest first."""
        # Not a copy in that order: a page costs what its states cost, however many there are.
        return reversed(checkpoints)

    def state_matches(self, state: JsonObject, metadata: JsonObject) -> bool:
        """Return whether a state passes the history's metadata filter."""
        return contains(state["metadata"], metadata)

    def refuse_if_busy(self, thread: Thread) -> None:
        """Raise ConflictError if a run of the thread is pending or running."""
        if self.records.status_of(thread) == "busy":
            raise ConflictError(f"thread {thread.thread_id} is busy; wait for its run to end")

    def update_state(
        self,
        thread_id: str,
        values: object = None,
        *,
        as_node: str | None = None,
        checkpoint: JsonObject | None = None,
    ) -> JsonObject:
        """Write `values` as `as_node`, after the current state or, as a fork, after `checkpoint`.

        Return the `checkpoint` of the new state. ConflictError if the thread is busy; InvalidError
        if the update cannot be applied.
        """
        thread = self.records.thread(thread_id)
        base = self.records.named_checkpoint(thread, checkpoint) or self.current(thread)
        self.refuse_if_busy(thread)
        node = as_node if as_node is not None else self.default_node(base)
        update = {"values": deep_copy(values), "as_node": node}
        thread = self.records.keep(self.with_superstep(thread, base, [update]))
        made = thread.checkpoints[-1].checkpoint_id
        config = checkpoint_config(thread, made)
        return {"checkpoint": config}

    def default_node(self, base: Checkpoint | None) -> str:
        """Return the node of an update without `as_node`: the one that wrote last."""
        if base is None or not base.wrote:
            return START
        writers = set(base.wrote)
        if len(writers) > 1:
            raise InvalidError("several nodes wrote last; say which one by as_node")
        return writers.pop()

    def with_superstep(
        self, thread: Thread, base: Checkpoint | None, updates: Sequence[JsonObject]
    ) -> Thread:
        """Return `thread` with the checkpoint that `updates` make after `base`; do not store it."""
        graph = self.assistants.graph_of(thread.metadata)
        parsed = [parse_update(graph, update) for update in updates]
        metadata = {"graph_id": graph.graph_id}
        made = superstep(graph, base, parsed, metadata, self.records.stamp())
        if base is not None and INPUT not in (update.as_node for update in parsed):
            thread = self.records.with_replaced(thread, with_results(base, parsed))
        return self.records.with_checkpoint(thread, made)
