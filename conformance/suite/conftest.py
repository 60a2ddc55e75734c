"""Register the fixtures where they win over those of a user's conftest or plugins."""

from conformance.checks.fixtures import (
    bound,
    client,
    connection,
    context,
    crons,
    flows,
    given,
    given_crons,
    given_runs,
    graph,
    runs,
    settings,
    threads,
    visits,
)

__all__ = [
    "bound",
    "client",
    "connection",
    "context",
    "crons",
    "flows",
    "given",
    "given_crons",
    "given_runs",
    "graph",
    "runs",
    "settings",
    "threads",
    "visits",
]
