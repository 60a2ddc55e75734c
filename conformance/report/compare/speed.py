"""Whether operations have become slower or faster, beyond noise.

Even runs on one server and one machine differ: between four such runs of langgraph-api
0.16.7, on a machine with other load, the median of an operation changed by up to 3.1
times and 6.4 ms, its 95th percentile by up to 5.5 times, mostly for all operations alike.
So an operation counts as slower only if its median exceeds the former 95th percentile
(faster is the reverse), by a minimum factor and a minimum of milliseconds, and by that
factor also relative to the change common to all operations (the machine, its load).
Between those four runs this finds nothing. A change of speed is reported, but it is
never a regression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from conformance.report.record import OperationTiming, Report

#: With fewer requests a percentile is not meaningful.
LEAST_REQUESTS = 30
#: The least change of each percentile, in milliseconds.
LEAST_MS = 10.0
#: The least factor between the medians.
FACTOR = 2.0
#: With fewer operations no common factor is computed.
_COMMON_TO = 5
#: Shorter times count as this long.
_RESOLUTION_MS = 0.1

DEFINITION = (
    "An operation counts as slower if all of this holds: both runs sent it at least "
    f"{LEAST_REQUESTS} times; its new median is not below its old 95th percentile; its median grew "
    f"by a factor of {FACTOR:g} or more, also relative to the change common to all operations; its "
    f"median and its 95th percentile each grew by {LEAST_MS:g} ms or more. Faster is the reverse."
)


@dataclass(frozen=True)
class SpeedChange:
    """One operation that became slower or faster. `factor` is the new median divided by the old."""

    operation: str
    slower: bool
    factor: float
    old: OperationTiming
    new: OperationTiming


@dataclass(frozen=True)
class SpeedComparison:
    """The changes of speed among the `compared` operations.

    `common` is the median of their factors. `why_not` is the reason if nothing was
    compared, otherwise empty.
    """

    why_not: str = ""
    compared: int = 0
    common: float = 1.0
    changes: tuple[SpeedChange, ...] = ()


def compare_speed(old: Report, new: Report, *, same_selection: bool) -> SpeedComparison:
    """Compare the timings of two reports if `same_selection` says that they are comparable."""
    if not same_selection:
        return SpeedComparison(
            why_not="the runs did not ask the same: other checks, profile, effort, seed or graph"
        )
    return compare_timings(old.operations, new.operations)


def compare_timings(
    old: Mapping[str, OperationTiming], new: Mapping[str, OperationTiming]
) -> SpeedComparison:
    """Compare the timings of two runs that made the same checks."""
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
    """Return whether an operation became slower or faster, beyond noise."""
    if new.p50_ms < old.p50_ms:
        # The rule for faster is that for slower with the sides exchanged.
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
