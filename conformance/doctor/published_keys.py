"""The keys that settings of a graph name, compared with those that its schemas publish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.checks.channels import values_of
from conformance.deployment.settings import GraphSettings
from conformance.doctor.findings import Finding, Kind
from conformance.doctor.graph_description import Described


def check_keys(graph: GraphSettings, known: Described) -> list[Finding]:
    """Return findings on keys of the settings that the published schemas do not have."""
    keys = known.keys
    if not keys:
        return []
    found = []
    for name, written in _keys_by_setting(graph).items():
        if unknown := [key for key in written if key not in keys]:
            found.append(
                Finding(
                    Kind.WRONG,
                    f"{name} of [graph] names {', '.join(unknown)}, which the published "
                    f"schemas of graph {graph.id!r} do not have: they have "
                    f"{', '.join(keys)}",
                )
            )
    return found


def _keys_by_setting(graph: GraphSettings) -> dict[str, Sequence[str]]:
    """Return the keys of the state that each setting names."""
    steps = [values for step in graph.supersteps for values in _values_written(step)]
    written: dict[str, Sequence[str]] = {
        "appending": graph.appending,
        "append": [*values_of(graph.append)],
        "supersteps": [*dict.fromkeys(key for values in steps for key in values)],
        "run_input": [*graph.run_input] if isinstance(graph.run_input, dict) else [],
    }
    if graph.channels != GraphSettings().channels:
        more = {"channels": [*graph.channels], "adding": graph.adding}
        written |= {**more, "replacing": graph.replacing}
    return written


def _values_written(superstep: dict[str, Any]) -> list[dict[str, Any]]:
    return [values_of(update) for update in superstep["updates"]]
