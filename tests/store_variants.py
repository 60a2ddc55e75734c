"""Stores of the reference in which some operations are replaced."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

from conformance.model.graphs import GRAPHS, Graph
from conformance.model.store import ThreadStore


def store_of(*parts: type, graphs: Mapping[str, Graph] = GRAPHS) -> ThreadStore:
    """Return a store in which each of `parts` replaces the operations class it derives from."""
    return ThreadStore(lambda: datetime.now(UTC), uuid4, graphs, parts)
