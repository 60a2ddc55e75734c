"""Run the blind faults against all checks of the profile `full`, and report how many are found.

    python -m benchmarks.blind.score [--set NAME] [--fault NAME] [-n PROCESSES] [--out FILE]

A fault is *found* if a requirement fails, *unseen* if requests of the checks reach it and no
requirement fails, and *never reached* if no check reaches what it alters. The last two both count
as not found.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.blind.registry import BlindFault, all_blind_faults
from conformance.contract.catalogue import HTTP, PROFILES
from conformance.faults.registry import Fault
from conformance.selftest import fault_matrix
from conformance.selftest.fault_row import Row
from conformance.selftest.processes import Results, Tasks, in_processes

FOUND, UNSEEN, NEVER_REACHED, CRASHED = "found", "unseen", "never reached", "crashed"


@dataclass(frozen=True)
class Score:
    """The outcome of one blind fault; `fell` are the requirements that failed."""

    fault: str
    set_name: str
    source: str
    outcome: str
    fell: tuple[str, ...]
    crashes: tuple[str, ...]
    duration_s: float


def outcome_of(row: Row) -> str:
    """Return the outcome of a fault by its row in the matrix."""
    if row.fell:
        return FOUND
    if row.crashes:
        return CRASHED
    return UNSEEN if row.exercised else NEVER_REACHED


def work(tasks: Tasks, results: Results[Row]) -> None:
    """Try blind faults from the queue until None, in this process."""
    faults = [Fault(name, (), each.apply) for name, each in all_blind_faults().items()]
    try_faults(faults, tasks, results)


def try_faults(faults: Iterable[Fault], tasks: Tasks, results: Results[Row]) -> None:
    """Try faults from the queue, by name, against all checks of the profile `full`."""
    known = {each.name: each for each in faults}
    fault_matrix.work(PROFILES[-1], (HTTP,), (), frozenset(), tasks, results, known)


def scores(chosen: Sequence[BlindFault], workers: int) -> list[Score]:
    """Return the score of each fault, in their order; print each as soon as it is known."""
    by_name = {each.name: each for each in chosen}

    def score(row: Row) -> Score:
        of = by_name[row.fault]
        return Score(
            of.name, of.set_name, of.source, outcome_of(row), row.fell, row.crashes, row.duration_s
        )

    def tell(row: Row) -> None:
        made = score(row)
        print(f"{made.outcome:14} {made.fault}  {' '.join(made.fell[:8])}", flush=True)

    rows = in_processes(work, (), list(by_name), workers, lambda row: row.fault, tell)
    return list(map(score, rows))


def as_text(made: Iterable[Score]) -> str:
    """Return the totals of each set."""
    lines = []
    by_set: dict[str, Counter[str]] = {}
    for each in made:
        by_set.setdefault(each.set_name, Counter())[each.outcome] += 1
    for name, counts in by_set.items():
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        lines.append(f"{name}: {counts[FOUND]} of {counts.total()} found ({told})")
    return "\n".join(lines)


def main() -> None:
    """Score the faults that the command line names, or all."""
    options = argparse.ArgumentParser(description="How many blind faults the suite finds.")
    options.add_argument("--set", dest="sets", action="append", default=[])
    options.add_argument("--fault", dest="faults", action="append", default=[])
    options.add_argument("-n", dest="workers", type=int, default=1)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    chosen = [
        each
        for each in all_blind_faults().values()
        if (not given.sets or each.set_name in given.sets)
        and (not given.faults or each.name in given.faults)
    ]
    made = scores(chosen, min(given.workers, len(chosen)))
    print(as_text(made))
    if given.out:
        given.out.write_text(json.dumps([asdict(each) for each in made], indent=1) + "\n")


if __name__ == "__main__":
    main()
