"""Whether operations have become slower or faster, beyond noise.

Even runs on one server and one machine differ: between four such runs of langgraph-api
0.16.7, on a machine with other load, the median of an operation changed by up to 3.1
times and 6.4 ms, its 95th percentile by up to 5.5 times, mostly for all operations alike.
So an operation counts as slower only if its median exceeds the former 95th percentile
(faster is the reverse), by a minimum factor and a minimum of milliseconds, and by that
factor also relative to the change common to all operations (the machine, its load).
Between those four runs this finds nothing. Where there are further runs of the old server, the
spread of their medians is the bound instead: it is that of this machine and this day. A change of
speed is reported, but it is never a regression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from conformance.report.record import LoadTiming, OperationTiming, Report

Timings = Mapping[str, OperationTiming]

#: With fewer requests a percentile is not meaningful.
LEAST_REQUESTS = 30
#: The least change of each percentile, in milliseconds.
LEAST_MS = 10.0
#: The least factor between the medians.
FACTOR = 2.0
#: With fewer operations no common factor is computed.
_COMMON_TO = 5
#: The same where repeated runs give the bound, which alone must be exceeded.
_FACTOR_BEYOND_SPREAD = 1.1
#: Shorter times count as this long.
_RESOLUTION_MS = 0.1

DEFINITION = (
    "An operation counts as slower if all of this holds: both runs sent it at least "
    f"{LEAST_REQUESTS} times; its new median is not below its old 95th percentile; its median grew "
    f"by a factor of {FACTOR:g} or more, also relative to the change common to all operations; its "
    f"median and its 95th percentile each grew by {LEAST_MS:g} ms or more. Faster is the reverse."
)


REPEATED_DEFINITION = (
    "An operation counts as slower if all of this holds: all runs sent it at least "
    f"{LEAST_REQUESTS} times; its new median, divided by the change common to all operations, "
    "exceeds the longest of the old and repeated runs by more than these differ among themselves, "
    f"and by a factor of {_FACTOR_BEYOND_SPREAD:g} or more. Faster is the reverse."
)


@dataclass(frozen=True)
class SpeedChange:
    """How the speed of one operation changed. `factor` is the new median divided by the old.

    `beyond` says that this is more than noise. `spread` is the longest median of the old and the
    repeated runs divided by the shortest; None without repeated runs.
    """

    operation: str
    slower: bool
    factor: float
    old: OperationTiming
    new: OperationTiming
    beyond: bool = True
    spread: float | None = None


@dataclass(frozen=True)
class SpeedComparison:
    """The speed of the operations that both runs asked often enough, those that changed first.

    `common` is the median of their factors, `repeated` how many repeated runs gave the bound of
    noise. `why_not` is the reason if nothing was compared, otherwise empty.
    """

    why_not: str = ""
    common: float = 1.0
    every: tuple[SpeedChange, ...] = ()
    repeated: int = 0

    @property
    def compared(self) -> int:
        """How many operations were compared."""
        return len(self.every)

    @property
    def changes(self) -> tuple[SpeedChange, ...]:
        """The operations that became slower or faster, beyond noise."""
        return tuple(each for each in self.every if each.beyond)

    @property
    def definition(self) -> str:
        """What counts as slower."""
        return REPEATED_DEFINITION if self.repeated else DEFINITION


def compare_speed(
    old: Report, new: Report, *, same_selection: bool, repeated: Sequence[Report] = ()
) -> SpeedComparison:
    """Compare the timings of two reports if `same_selection` says that they are comparable.

    `repeated` are reports of further runs like the old one.
    """
    if not same_selection:
        return SpeedComparison(
            why_not="the runs did not ask the same: other checks, profile, effort, seed or graph"
        )
    return compare_timings(old.operations, new.operations, [each.operations for each in repeated])


def compare_load(
    old: Report, new: Report, *, repeated: Sequence[Report] = ()
) -> dict[str, SpeedComparison]:
    """Compare what the users of --load measured: `alone`, and `under load`.

    Empty if neither run was under a load.
    """
    if not (old.load or new.load):
        return {}
    loads = [each.load for each in (old, new, *repeated)]
    if not all(loads) or len({(each.users, each.pause_s) for each in loads if each}) > 1:
        users = " and ".join(str(each.load.users if each.load else 0) for each in (old, new))
        return {"under load": SpeedComparison(why_not=f"the loads differ: {users} users")}
    before, after, *others = (each.operations for each in loads if each)
    return {
        "alone": compare_timings(_alone(before), _alone(after), list(map(_alone, others))),
        "under load": compare_timings(
            _under_load(before), _under_load(after), list(map(_under_load, others))
        ),
    }


def _alone(operations: Mapping[str, LoadTiming]) -> Timings:
    return {name: each.alone for name, each in operations.items() if each.alone}


def _under_load(operations: Mapping[str, LoadTiming]) -> Timings:
    return {name: each.under_load for name, each in operations.items() if each.under_load}


def compare_timings(
    old: Timings, new: Timings, repeated: Sequence[Timings] = ()
) -> SpeedComparison:
    """Compare the timings of two runs that made the same checks, with those of repeated runs."""
    runs = (old, new, *repeated)
    often = [
        name
        for name in new
        if all(name in each and each[name].requests >= LEAST_REQUESTS for each in runs)
    ]
    if not often:
        in_runs = f"all {len(runs)} runs" if repeated else "both runs"
        return SpeedComparison(
            why_not=f"no operation was asked {LEAST_REQUESTS} times or more in {in_runs}"
        )
    factors = {name: _factor(old[name].p50_ms, new[name].p50_ms) for name in often}
    common = median(factors.values()) if len(often) >= _COMMON_TO else 1.0
    every = []
    for name in often:
        medians = [each[name].p50_ms for each in (old, *repeated)]
        every.append(
            SpeedChange(
                name,
                factors[name] > 1,
                factors[name],
                old[name],
                new[name],
                _is_beyond_spread(medians, new[name].p50_ms / common)
                if repeated
                else _changed(old[name], new[name], common),
                _factor(min(medians), max(medians)) if repeated else None,
            )
        )
    every.sort(key=lambda each: (not each.beyond, not each.slower, each.operation))
    return SpeedComparison(common=common, every=tuple(every), repeated=len(repeated))


def _is_beyond_spread(medians: Sequence[float], new: float) -> bool:
    """Return whether a median is farther from those of repeated runs than these from each other."""
    shortest, longest = min(medians), max(medians)
    spread = longest - shortest
    slower = new > longest + spread and _factor(longest, new) >= _FACTOR_BEYOND_SPREAD
    faster = new < shortest - spread and _factor(new, shortest) >= _FACTOR_BEYOND_SPREAD
    return slower or faster


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
