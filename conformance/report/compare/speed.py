"""Whether operations answer slower or faster than before, beyond noise.

Two runs on one server and one machine differ: between four such runs of langgraph-api
0.16.7, on a machine with other work, the median of an operation moved by up to 3.1 times
and 6.4 ms, and its 95th percentile by up to 5.5 times, mostly all operations together. So
an operation has changed only if half of the answers take longer than nearly all did
before (or the reverse), by a factor and by milliseconds, and still by that factor once
what all operations have in common (the machine, its load) is taken out. Between those
four runs this finds nothing. A change of speed is told; it is never a regression of a
promise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from conformance.report.record import OperationTiming, Report

#: Fewer requests than this say nothing of a percentile.
LEAST_REQUESTS = 30
#: By how much each percentile must have changed, in milliseconds.
LEAST_MS = 10.0
#: By which factor the median must have changed.
FACTOR = 2.0
#: Of fewer operations than this nothing is said to be common.
_COMMON_TO = 5
#: Times of less than this are not told apart.
_RESOLUTION_MS = 0.1

DEFINITION = (
    f"An operation is slower where both runs asked it at least {LEAST_REQUESTS} times, its "
    "median is above what its 95th percentile was, its median grew by a factor of "
    f"{FACTOR:g} or more (also beyond what all operations have in common), and both percentiles "
    f"grew by {LEAST_MS:g} ms or more; faster is the reverse."
)


@dataclass(frozen=True)
class SpeedChange:
    """One operation that got slower or faster. `factor` is the median's, new by old."""

    operation: str
    slower: bool
    factor: float
    old: OperationTiming
    new: OperationTiming


@dataclass(frozen=True)
class SpeedComparison:
    """`compared` operations were asked often enough; `common` is the median of their factors.

    `why_not` says why nothing was compared; empty where it was.
    """

    why_not: str = ""
    compared: int = 0
    common: float = 1.0
    changes: tuple[SpeedChange, ...] = ()


def compare_speed(old: Report, new: Report, *, same_questions: bool) -> SpeedComparison:
    """Compare how long the operations took; only of runs that asked the same."""
    if not same_questions:
        return SpeedComparison(
            why_not="the runs did not ask the same: other checks, profile, effort, seed or graph"
        )
    return compare_timings(old.operations, new.operations)


def compare_timings(
    old: Mapping[str, OperationTiming], new: Mapping[str, OperationTiming]
) -> SpeedComparison:
    """Compare the timings of two runs that asked the same."""
    often = [
        name
        for name in new
        if name in old and min(old[name].requests, new[name].requests) >= LEAST_REQUESTS
    ]
    if not often:
        return SpeedComparison(
            why_not=f"no operation was asked {LEAST_REQUESTS} times or more in both runs"
        )
    factors = {name: _factor(old[name].p50_ms, new[name].p50_ms) for name in often}
    common = median(factors.values()) if len(often) >= _COMMON_TO else 1.0
    changes = [
        SpeedChange(name, factors[name] > 1, factors[name], old[name], new[name])
        for name in often
        if _changed(old[name], new[name], common)
    ]
    changes.sort(key=lambda each: (not each.slower, each.operation))
    return SpeedComparison(compared=len(often), common=common, changes=tuple(changes))


def _changed(old: OperationTiming, new: OperationTiming, common: float) -> bool:
    """Whether an operation got slower, or faster, beyond noise."""
    if new.p50_ms < old.p50_ms:
        # Faster is slower seen from the other side.
        return _changed_to_slower(new, old, 1 / common)
    return _changed_to_slower(old, new, common)


def _changed_to_slower(fast: OperationTiming, slow: OperationTiming, common: float) -> bool:
    factor = _factor(fast.p50_ms, slow.p50_ms)
    return (
        min(factor, factor / common) >= FACTOR
        and slow.p50_ms >= fast.p95_ms
        and min(slow.p50_ms - fast.p50_ms, slow.p95_ms - fast.p95_ms) >= LEAST_MS
    )


def _factor(before: float, after: float) -> float:
    return max(after, _RESOLUTION_MS) / max(before, _RESOLUTION_MS)
