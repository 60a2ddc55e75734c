"""The assistants of a deployment: one for each of its graphs."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.model.errors import InvalidError
from conformance.model.graphs import Graph
from conformance.model.ids_and_times import JsonObject


class Assistants:
    """Graphs by id, each with its assistant."""

    def __init__(self, graphs: Mapping[str, Graph], started_at: str) -> None:
        self.graphs = dict(graphs)
        self._started_at = started_at

    def graph(self, graph_id: object) -> Graph:
        """Return the graph of that id; InvalidError, with the known ids, if there is none."""
        found = self.graphs.get(graph_id) if isinstance(graph_id, str) else None
        if found is None:
            known = ", ".join(self.graphs)
            raise InvalidError(f"there is no graph {graph_id!r}, only: {known}")
        return found

    def graph_of(self, metadata: JsonObject) -> Graph:
        """Return the graph of `graph_id` in a thread's metadata; InvalidError if there is none."""
        if "graph_id" not in metadata:
            raise InvalidError("the thread has no graph yet: set metadata.graph_id, or run one")
        return self.graph(metadata["graph_id"])

    def assistant(self, assistant_id: str) -> Graph:
        """Return the graph of a graph id or of an assistant id; InvalidError if it is neither."""
        for graph in self.graphs.values():
            if assistant_id.lower() == graph.assistant_id:
                return graph
        return self.graph(assistant_id)

    def assistant_views(self) -> list[JsonObject]:
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
                "created_at": self._started_at,
                "updated_at": self._started_at,
            }
            for graph in self.graphs.values()
        ]
