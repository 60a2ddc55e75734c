"""Text of the load beside a run, for all output formats."""

from __future__ import annotations

from collections.abc import Callable

from conformance.report.plain_text import counted
from conformance.report.record import Load, LoadTiming, OperationTiming

HEADER = ("operation", "requests", "alone", "95 %", "under load", "95 %", "factor")
EXPLAINED = (
    "Milliseconds, the median and the 95th percentile: of one user before the checks, then of all "
    "users while the checks ran."
)


def load_line(load: Load, quote: Callable[[str], str] = str) -> str:
    """Return `50 users, 9120 requests in 61.0 s (149.5/s), 3 failed: 2 × 503, 1 × no answer`.

    `quote` makes a status of a report safe to show, which may be from others.
    """
    said = counted(load.users, "user")
    if load.processes > 1:
        said += f" in {load.processes} processes"
    said += (
        f", {counted(load.requests, 'request')} in {load.duration_s:.1f} s "
        f"({load.requests_per_s:.1f}/s)"
    )
    if not load.failures:
        return f"{said}, none failed"
    each = ", ".join(f"{number} × {quote(status)}" for status, number in load.failures.items())
    return f"{said}, {sum(load.failures.values())} failed: {each}"


def load_rows(load: Load) -> list[list[str]]:
    """Return a row for each operation, in the order of `HEADER`."""
    return [
        [
            operation,
            str(timing.under_load.requests if timing.under_load else 0),
            *_cells(timing.alone),
            *_cells(timing.under_load),
            _factor(timing),
        ]
        for operation, timing in load.operations.items()
    ]


def _cells(timing: OperationTiming | None) -> tuple[str, str]:
    return (f"{timing.p50_ms:.1f}", f"{timing.p95_ms:.1f}") if timing else ("-", "-")


def _factor(timing: LoadTiming) -> str:
    if not (timing.alone and timing.under_load and timing.alone.p50_ms):
        return "-"
    return f"×{timing.under_load.p50_ms / timing.alone.p50_ms:.2g}"
