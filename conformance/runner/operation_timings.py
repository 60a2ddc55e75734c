"""Durations of the operations of a run, from its recorded exchanges."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from conformance.deployment.record.exchange import Exchange
from conformance.deployment.settings import Settings
from conformance.report.record import OperationTiming


def all_exchanges(settings: Settings) -> Iterator[str]:
    """Yield the recorded exchanges of all workers, one line of JSON each."""
    for file in sorted(Path(settings.run_dir).glob("exchanges-*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            yield from lines


def timings(settings: Settings) -> Iterator[tuple[str, float]]:
    """Yield the operation of each exchange, and its duration in milliseconds."""
    for line in all_exchanges(settings):
        try:
            exchange = Exchange.from_json(line)
        except ValueError:
            # A killed worker may leave an incomplete line.
            continue
        yield exchange.operation, exchange.elapsed_ms


def by_operation(timings: Iterable[tuple[str, float]]) -> dict[str, OperationTiming]:
    """Count the requests of each operation, with the median and 95th percentile of their times."""
    grouped: dict[str, list[float]] = defaultdict(list)
    for operation, elapsed_ms in timings:
        grouped[operation].append(elapsed_ms)
    return {
        operation: OperationTiming(
            requests=len(elapsed),
            p50_ms=round(statistics.median(elapsed), 2),
            p95_ms=round(_percentile(elapsed, 0.95), 2),
        )
        for operation, elapsed in sorted(grouped.items())
    }


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]
