"""The threads of a plant: every kind that the documents make, each made in one way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported
from conformance.checks.runs import Runs
from conformance.checks.views import Thread, checkpoint_id_of, id_of
from conformance.deployment.cleanup.lost_threads import PLANT_TAG
from conformance.deployment.client import ThreadsClient
from conformance.deployment.ownership.guard import NotOursRefusal
from conformance.deployment.probe.preflight import graph_missing
from conformance.deployment.settings import Settings, numbered

#: The metadata member that names the kind of a planted thread; a copy keeps its source's.
KIND = "kind"
#: Number of states of the long thread: more than 100, and more than a default page of history.
LONG_STATES = 120

#: Metadata with values of every JSON type, all of which must be kept.
_KEPT = {
    "customer": "Zoë 東京",
    "nested": {"list": [1, 2.5, True, None, "x"], "object": {"deep": {"er": []}}},
    "large": 2**53,
    "nothing": None,
}


@dataclass(frozen=True)
class PlantedThread:
    """One thread of a plant: its kind, and how it was made."""

    kind: str
    thread_id: str
    made_by: str


@dataclass(frozen=True)
class LeftOut:
    """Something that a plant does not hold, and why."""

    what: str
    reason: str


class ThreadPlanter:
    """The threads of a plant; a kind that cannot be made is left out with the reason."""

    def __init__(self, client: ThreadsClient, settings: Settings, long_states: int) -> None:
        self.context = CheckContext(
            settings=settings,
            tag={PLANT_TAG: settings.run_id},
            why_graph_missing=lambda graph_id: graph_missing(client, graph_id),
        )
        self.threads: list[PlantedThread] = []
        self.left_out: list[LeftOut] = []
        self._given = ThreadsApi(client, self.context, arranging=True)
        # The prepopulated thread is made from supersteps or left out; no run replaces them.
        self._given.insists_on_supersteps = True
        self._long_states = long_states
        self._made: dict[str, Thread] = {}

    def plant(self, on_kind: Callable[[str], None]) -> None:
        """Make every kind of thread, sources before copies; call `on_kind` with each kind first."""
        with Runs(self._given) as runs:
            self._runs = runs
            for kind, (make, made_by) in _KINDS.items():
                on_kind(kind)
                try:
                    thread = self._require_tag(make(self))
                except (Blocked, PromiseBroken, Unsupported, NotOursRefusal) as refused:
                    self.left_out.append(LeftOut(f"the thread {kind}", str(refused)))
                else:
                    self._made[kind] = thread
                    how = made_by.format(states=self._long_states)
                    self.threads.append(PlantedThread(kind, id_of(thread), how))

    def empty(self) -> Thread:
        """Create an empty thread, with metadata of every JSON type."""
        return self._given.empty(metadata={KIND: "empty", **_KEPT})

    def prepopulated(self) -> Thread:
        """Create a thread prepopulated to the end of its graph."""
        return self._require_states(self._given.prepopulated(metadata={KIND: "prepopulated"}))

    def unfinished(self) -> Thread:
        """Create a thread prepopulated with all supersteps but the last."""
        steps = [numbered(each, 1) for each in self.context.graph().supersteps]
        made = self._given.prepopulated(steps[:-1], metadata={KIND: "unfinished"})
        return self._require_states(made)

    def run(self) -> Thread:
        """Create a thread and run the graph on it twice."""
        thread = self._given.empty(metadata={KIND: "run"})
        self._given.run(thread, 1)
        self._given.run(thread, 2)
        return thread

    def forked(self) -> Thread:
        """Create a thread with two branches: an update at a checkpoint that is not the newest."""
        thread = self._given.empty(metadata={KIND: "forked"})
        self._given.run(thread, 1)
        base = checkpoint_id_of(self._given.state(thread))
        self._given.append(thread, 2)
        self._given.append(thread, 3, checkpoint={"checkpoint_id": base})
        return thread

    def long(self) -> Thread:
        """Create a thread whose history is longer than a page, by supersteps or else by updates."""
        try:
            return self._given.long(self._long_states, metadata={KIND: "long"})
        except Blocked:
            thread = self._given.empty(metadata={KIND: "long"})
            self._given.run(thread, 1)
            for number in range(self._long_states):
                self._given.append(thread, number)
            return thread

    def interrupted(self) -> Thread:
        """Create a thread whose graph was interrupted and waits for an answer."""
        return self._run_to_end("interrupted", "interrupter")

    def nested(self) -> Thread:
        """Create a thread whose graph was interrupted in a subgraph."""
        return self._run_to_end("nested", "nested")

    def failed(self) -> Thread:
        """Create a thread whose run failed."""
        return self._run_to_end("failed", "failing")

    def copied(self) -> Thread:
        """Copy the thread with runs, or else the prepopulated one."""
        for kind in ("run", "prepopulated"):
            if kind in self._made:
                return self._given.copy(self._made[kind])
        raise Blocked("there is no thread to copy")

    def _require_states(self, thread: Thread) -> Thread:
        if not self._given.page(thread, limit=1):
            raise Blocked("its history is empty: the deployment applies no supersteps")
        return thread

    def _require_tag(self, thread: Thread) -> Thread:
        """Return the thread as GET shows it; raise `Blocked` if it lacks the tag of the plant."""
        shown = self._given.get(thread)
        if not carries_tag(shown, self.context.tag[PLANT_TAG]):
            raise Blocked(
                "a GET of it does not show the tag by which it would be known: whose it is "
                "cannot be proved"
            )
        return shown

    def _run_to_end(self, kind: str, graph: str) -> Thread:
        self.context.other_graph(graph)
        thread = self._given.empty(metadata={KIND: kind})
        self._runs.run_to_end(thread, graph, "question")
        return thread


def carries_tag(thread: Any, plant_id: str) -> bool:
    """Return whether a thread, as GET shows it, carries the tag of the plant."""
    metadata = thread.get("metadata") if isinstance(thread, dict) else None
    return isinstance(metadata, dict) and metadata.get(PLANT_TAG) == plant_id


_MakeThread = Callable[[ThreadPlanter], dict[str, Any]]
_KINDS: dict[str, tuple[_MakeThread, str]] = {
    "empty": (ThreadPlanter.empty, "created with metadata of every sort"),
    "prepopulated": (ThreadPlanter.prepopulated, "created with supersteps to the end of the graph"),
    "unfinished": (ThreadPlanter.unfinished, "created with all supersteps but the last"),
    "run": (ThreadPlanter.run, "created empty, then run twice"),
    "forked": (ThreadPlanter.forked, "run, continued, then continued from before"),
    "long": (ThreadPlanter.long, "created with {states} supersteps, or continued as often"),
    "interrupted": (ThreadPlanter.interrupted, "run to an interrupt, which is not answered"),
    "nested": (ThreadPlanter.nested, "run to an interrupt in a subgraph"),
    "failed": (ThreadPlanter.failed, "run once, which failed"),
    "copied": (ThreadPlanter.copied, "copied from the thread with runs, else the prepopulated one"),
}
