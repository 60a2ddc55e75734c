"""The threads of one random sequence of operations, and the steps that change them.

A step is plain data: it names threads and states by a number, taken modulo the number of existing
ones, so that a step is possible after any other steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from conformance.checks.api import ThreadsApi
from conformance.checks.messages import Message, items_sent, items_sent_in
from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported
from conformance.checks.views import (
    History,
    State,
    Thread,
    checkpoint_id_of,
    id_of,
    parent_id_of,
)
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.deployment.settings import GraphSettings, numbered

#: The most threads that exist at once in a sequence.
MOST_THREADS = 4

_MAKES = frozenset({"create", "prepopulate", "copy"})
_NEEDS_GRAPH = frozenset({"prepopulate", "append", "fork", "run"})


@dataclass(frozen=True)
class Step:
    """One operation; `thread` and `at` are the numbers of a thread and of a state.

    `metadata`, `status` and `some` (a number whose bits select ids) are also the filters of a
    search; `limit` is the size of a page.
    """

    name: str
    thread: int = 0
    at: int = 0
    metadata: tuple[tuple[str, Any], ...] = ()
    status: str | None = None
    some: int = 0
    limit: int = 1


@dataclass(frozen=True)
class StepResult:
    """The result of a step: the thread that it was about, and what the deployment answered.

    `sent` holds type and content of the messages written, `base` the checkpoint of a fork.
    """

    thread: Thread
    answer: Any = None
    sent: tuple[Message, ...] = ()
    base: str | None = None


@dataclass
class SequenceState:
    """The threads of one sequence; `memory` is for what a check stores between steps.

    `mark` is the metadata that all threads of the sequence share. `family` maps the id of a thread
    to a number that a copy shares with its source. `unknown_thread_may_exist` is set when a thread
    with an unknown id may exist. `maybe_busy` holds the ids of threads that may still show as busy
    after a run, and `unresolved` those of threads for which a step was refused.
    """

    api: ThreadsApi
    graph: GraphSettings | None
    mark: dict[str, Any] = field(default_factory=lambda: {"example": uuid4().hex[:12]})
    alive: list[Thread] = field(default_factory=list)
    deleted: list[Thread] = field(default_factory=list)
    unresolved: set[str] = field(default_factory=set)
    maybe_busy: set[str] = field(default_factory=set)
    family: dict[str, int] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    unknown_thread_may_exist: bool = False
    refusal: Exception | None = None
    steps_done: int = 0

    def can(self, step: Step) -> bool:
        """Return whether the step is possible now."""
        if self.unknown_thread_may_exist or (step.name in _NEEDS_GRAPH and self.graph is None):
            return False
        if step.name in _MAKES and len(self.alive) >= MOST_THREADS:
            return False
        return step.name in ("create", "prepopulate") or bool(self.alive)

    def subject(self, step: Step) -> Thread:
        """Return the thread that a step is about; for the step `copy`, the source."""
        return self.alive[step.thread % len(self.alive)]

    def others(self, thread: Thread | None, *, related: bool) -> list[Thread]:
        """Return the other threads that are, or are not, related to this one by copying."""
        own = thread and self.family.get(id_of(thread))
        return [
            each
            for each in self.alive
            if (thread is None or id_of(each) != id_of(thread))
            and (own is not None and self.family[id_of(each)] == own) is related
        ]

    def do(self, step: Step) -> StepResult | None:
        """Take a step and return its result; None if it was refused, which another check judges."""
        self.steps_done += 1
        chosen = self.api.client.ownership.new_id()
        about = chosen if step.name in ("create", "prepopulate") else id_of(self.subject(step))
        try:
            done: StepResult = getattr(self, f"_{step.name}")(step, chosen)
        except (Blocked, Unsupported) as refused:
            self.refusal = refused
            self.unknown_thread_may_exist = step.name == "copy"
            self._drop(about)
            return None
        return done

    # Reading

    def history(self, thread: Thread) -> History:
        """Return the whole history; `Blocked` where states do not name their checkpoints.

        A page whose last state has no parent is the whole history.
        """
        states = self.api.page(thread, limit=LONGEST_PAGE)
        if states and ("parent_checkpoint" not in states[-1] or parent_id_of(states[-1])):
            states = self.api.history(thread).states
        _require_checkpoint_ids(states)
        return History(id_of(thread), states)

    def views(self) -> dict[str, Thread]:
        """Return every thread as GET shows it, by id."""
        return {id_of(each): self.api.get(each) for each in self.alive}

    def filters(self, step: Step) -> dict[str, Any]:
        """Return the filters of a search for threads of this sequence."""
        filters: dict[str, Any] = {"metadata": {**dict(step.metadata), **self.mark}}
        if step.status:
            filters["status"] = step.status
        if step.some:
            known = [*self.alive, *self.deleted]
            filters["ids"] = [
                id_of(each) for number, each in enumerate(known) if step.some >> number & 1
            ] or [id_of(known[0])]
        return filters

    # The steps

    def _create(self, step: Step, chosen: str) -> StepResult:
        return self._add(self.api.empty(thread_id=chosen, metadata=self._metadata(step)))

    def _prepopulate(self, step: Step, chosen: str) -> StepResult:
        assert self.graph is not None
        supersteps = [numbered(each, self.steps_done) for each in self.graph.supersteps]
        metadata = self._metadata(step)
        made = self.api.prepopulated(supersteps, thread_id=chosen, metadata=metadata)
        return self._add(made, tuple(items_sent(supersteps, self.graph)))

    def _copy(self, step: Step, _chosen: str) -> StepResult:
        source = self.subject(step)
        made = self.api.copy(source)
        done = self._add(made)
        self.family[id_of(made)] = self.family[id_of(source)]
        return done

    def _append(self, step: Step, _chosen: str, base: str | None = None) -> StepResult:
        assert self.graph is not None
        thread = self.subject(step)
        at = {"checkpoint": {"checkpoint_id": base}} if base else {}
        answer = self._send_update(thread, at)
        sent = items_sent_in(numbered(self.graph.append, self.steps_done), self.graph)
        return StepResult(thread, answer, tuple(sent), base)

    def _send_update(self, thread: Thread, at: dict[str, Any]) -> Any:
        """Send the update and return its answer; try again if the thread may have been busy."""
        try:
            return self.api.append(thread, self.steps_done, **at)
        except Blocked:
            if id_of(thread) not in self.maybe_busy:
                raise
        self.maybe_busy.remove(id_of(thread))
        self.api.get_settled(thread)
        return self.api.append(thread, self.steps_done, **at)

    def _fork(self, step: Step, chosen: str) -> StepResult:
        states = self.api.page(self.subject(step), limit=LONGEST_PAGE)
        _require_checkpoint_ids(states)
        base = checkpoint_id_of(states[step.at % len(states)]) if states else None
        return self._append(step, chosen, base)

    def _run(self, step: Step, _chosen: str) -> StepResult:
        thread = self.subject(step)
        self.maybe_busy.add(id_of(thread))
        return StepResult(thread, self.api.run(thread, self.steps_done))

    def _update(self, step: Step, _chosen: str) -> StepResult:
        thread = self.subject(step)
        return StepResult(thread, self.api.update(thread, metadata=dict(step.metadata)))

    def _delete(self, step: Step, _chosen: str) -> StepResult:
        thread = self.subject(step)
        self.api.delete(thread)
        self.alive.remove(thread)
        self.deleted.append(thread)
        return StepResult(thread)

    def _renew(self, step: Step, chosen: str) -> StepResult:
        """Delete a thread and create another one under its id."""
        thread = self._delete(step, chosen).thread
        done = self._create(step, id_of(thread))
        if id_of(done.thread) != id_of(thread):
            raise Blocked("the deployment chooses the ids of threads itself", by="IDENTITY-01")
        self.deleted.remove(thread)
        return done

    def _look(self, step: Step, _chosen: str) -> StepResult:
        """Do nothing: the judge reads the threads."""
        return StepResult(self.subject(step))

    def _metadata(self, step: Step) -> dict[str, Any]:
        return {**dict(step.metadata), **self.mark}

    def _add(self, thread: Thread, sent: tuple[Message, ...] = ()) -> StepResult:
        self.alive.append(thread)
        self.family[id_of(thread)] = self.steps_done
        return StepResult(thread, thread, sent)

    def _drop(self, thread_id: str) -> None:
        self.unresolved.add(thread_id)
        self.alive = [each for each in self.alive if id_of(each) != thread_id]


def _require_checkpoint_ids(states: list[State]) -> None:
    try:
        History("", states).checkpoint_ids()
    except PromiseBroken:
        raise Blocked("a state of the history names no checkpoint", by="HISTORY-01") from None
