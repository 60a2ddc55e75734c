"""The whole diagnosis of a deployment and its graph."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from conformance.deployment.client import ThreadsClient
from conformance.deployment.connect import connect
from conformance.deployment.ownership.ledger import claim, ledgers_dir
from conformance.deployment.settings import GraphSettings, OtherGraphs, Settings, graph_settings
from conformance.doctor.findings import Finding, Kind
from conformance.doctor.graph_description import Described, describe_graph
from conformance.doctor.inquiry import DescribedExchange, Inquiry
from conformance.doctor.proposal import propose_table
from conformance.doctor.table import as_toml
from conformance.doctor.trial import try_settings
from conformance.report.record import Cleanup
from conformance.runner.cleanup import clean_up


@dataclass(frozen=True)
class Proposal:
    """A `[graph]` table for a graph, as TOML, and the findings of a trial of it."""

    graph_id: str
    toml: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Diagnosis:
    """What was requested and found, a table to paste if one could be made, and the clean-up."""

    described_exchanges: tuple[DescribedExchange, ...]
    findings: tuple[Finding, ...]
    proposal: Proposal | None
    cleanup: Cleanup

    def has(self, kind: Kind) -> bool:
        """Return whether there is a finding of that kind."""
        return any(each.kind is kind for each in self.findings)


def diagnose(settings: Settings, *, propose: bool = True) -> Diagnosis:
    """Try out the settings' graph and propose a table for it; then remove what was made.

    This is a run of its own: ownership is proved, and a ledger is kept, as in any run.
    """
    with claim(ledgers_dir() / settings.run_id):
        try:
            with connect(settings, "doctor", record=False) as connection:
                described_exchanges, findings, proposal = _examine(
                    connection.client, settings, propose=propose
                )
        finally:
            cleanup = clean_up(settings)
    return Diagnosis(described_exchanges, findings, proposal, cleanup)


def _examine(
    client: ThreadsClient, settings: Settings, *, propose: bool
) -> tuple[tuple[DescribedExchange, ...], tuple[Finding, ...], Proposal | None]:
    inquiry = Inquiry(client, settings.graph.id)
    known = describe_graph(inquiry)
    findings = try_settings(inquiry, settings.graph, known)
    if settings.includes("full"):
        findings += _other_graphs(settings.graphs, known)
    proposal = None
    if propose:
        proposal = _propose(inquiry, known)
    return tuple(inquiry.described_exchanges), tuple(findings), proposal


def _other_graphs(graphs: OtherGraphs, known: Described) -> list[Finding]:
    """Return findings about graphs of the profile `full` that the deployment does not list."""
    if not known.graphs:
        return []
    return [
        Finding(
            Kind.ABSENT,
            f"the deployment has no graph {graph_id!r}: deploy it, or name another as {name} "
            "of [graphs]",
            f"what the profile full asks of the graph {name}",
        )
        for name, graph_id in vars(graphs).items()
        if graph_id not in known.graphs
    ]


def _propose(inquiry: Inquiry, known: Described) -> Proposal | None:
    """Propose a table for the graph, or for the first that is listed, and try it out as well."""
    if known.graphs and inquiry.graph_id not in known.graphs:
        other = Inquiry(inquiry.client, known.graphs[0], inquiry.described_exchanges)
        inquiry, known = other, describe_graph(other)
    if not known.keys:
        return None
    table = propose_table(inquiry, known)
    if table is None:
        return None
    toml = as_toml(table)
    graph: GraphSettings = graph_settings(tomllib.loads(toml)["graph"])
    return Proposal(graph.id, toml, tuple(try_settings(inquiry, graph, known)))
