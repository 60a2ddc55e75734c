"""The executable model of a Threads deployment: `ThreadStore` with all operations.

Operations take and return plain JSON values, named as in the API. Each one takes effect, or
raises a `ModelError` and changes nothing. Answers share parts with the store: do not modify
them. Every decision is a method of its own, so that a fault can override just that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from conformance.model.assistants import Assistants
from conformance.model.crons import Crons
from conformance.model.executor import Executor
from conformance.model.graphs import GRAPHS, Graph
from conformance.model.ids_and_times import Clock, Ids
from conformance.model.persistence import StoreRestart
from conformance.model.records import Records
from conformance.model.runs import Runs
from conformance.model.search import Searches
from conformance.model.states import States
from conformance.model.streams import StreamEvents
from conformance.model.superstep_execution import Steps
from conformance.model.thread_protocol import ThreadProtocol
from conformance.model.thread_streams import ThreadStreams
from conformance.model.threads import Threads
from conformance.model.views import Views

_Part = TypeVar("_Part")


class ThreadStore:
    """All threads, states, runs and crons of one deployment, and the operations on them.

    A class in `parts` takes the place of the operations that it derives from.
    """

    def __init__(
        self,
        clock: Clock,
        ids: Ids,
        graphs: Mapping[str, Graph] = GRAPHS,
        parts: tuple[type, ...] = (),
    ) -> None:
        def chosen(part: type[_Part]) -> Any:
            return next((each for each in parts if issubclass(each, part)), part)

        self.records: Records = chosen(Records)(clock, ids)
        records = self.records
        self.views: Views = chosen(Views)()
        self.assistants = Assistants(graphs, records.started_at)
        self.states: States = chosen(States)(records, self.assistants, self.views)
        self.threads: Threads = chosen(Threads)(records, self.views, self.states)
        self.searches: Searches = chosen(Searches)(records, self.views)
        self.steps: Steps = chosen(Steps)(records)
        self.events: StreamEvents = chosen(StreamEvents)(records, self.views)
        self.executor: Executor = chosen(Executor)(
            records, self.assistants, self.steps, self.events
        )
        self.runs: Runs = chosen(Runs)(records, self.assistants, self.executor, self.views)
        self.thread_streams: ThreadStreams = chosen(ThreadStreams)(records)
        self.thread_protocol: ThreadProtocol = chosen(ThreadProtocol)(records, self.runs)
        self.crons: Crons = chosen(Crons)(records, self.assistants, self.runs, self.views)
        self.persistence: StoreRestart = chosen(StoreRestart)(records)
