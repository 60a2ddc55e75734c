"""The line of the terminal about a comparison of schemas."""

from __future__ import annotations

from conformance.report.schema.model import SchemaComparison


def comparison_line(comparison: SchemaComparison) -> str:
    """Return the line of the terminal: how many differences of each kind."""
    counts = ", ".join(
        f"{number} {kind.replace('_', ' ')}" for kind, number in comparison.counts().items()
    )
    return f"Schema comparison with {comparison.url}: {counts or 'nothing differs'}"
