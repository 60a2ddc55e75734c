"""Durations of the operations of a run, from its recorded exchanges."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from conformance.deployment.record.exchange import Exchange
from conformance.deployment.settings import Settings
from conformance.report.record import OperationTiming


class _Timing(msgspec.Struct):
    """The part of a recorded exchange that is read here; the rest is skipped, unread."""

    operation: str
    elapsed_ms: float


_DECODER = msgspec.json.Decoder(_Timing)


def all_exchanges(settings: Settings) -> Iterator[bytes]:
    """Yield the recorded exchanges of all workers, one line of JSON each."""
    for file in sorted(Path(settings.run_dir).glob("exchanges-*.jsonl")):
        with file.open("rb") as lines:
            yield from lines


def timings(settings: Settings) -> Iterator[tuple[str, float]]:
    """Yield the operation of each exchange, and its duration in milliseconds."""
    for line in all_exchanges(settings):
        try:
            exchange = _DECODER.decode(line)
        except msgspec.DecodeError:
            try:
                # A lone surrogate, which only this reads.
                whole = Exchange.from_json(line)
            except ValueError:
                # A killed worker may leave an incomplete line.
                continue
            yield whole.operation, whole.elapsed_ms
        else:
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
