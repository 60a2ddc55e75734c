"""Run the blind faults against all checks of the profile `full`, and report how many are found.

    python -m benchmarks.blind.score [--set NAME] [--fault NAME] [--requirement ID] [-n PROCESSES]
        [--until-found] [--out FILE]

A fault is *found* if a requirement fails, *unseen* if requests of the checks reach it and no
requirement fails, and *never reached* if no check reaches what it alters. The last two both count
as not found.

The matrix skips the checks that a fault does not reach, by asking the conditions of its rules about
requests that were recorded: a condition that looks into the store, empty by then, never holds. So
what seems never reached is tried again with such conditions asked of the requests as they come.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.blind.registry import BlindFault, all_blind_faults
from conformance.commands.requirements import find_requirements
from conformance.contract.catalogue import HTTP, PROFILES, load_catalogue
from conformance.faults.registry import Fault
from conformance.reference.altered import Altered, Apply
from conformance.reference.wire import Rule, WireAnswer, WireRequest, always
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


def work(only: tuple[str, ...], until_found: bool, tasks: Tasks, results: Results[Row]) -> None:
    """Try blind faults from the queue until None, by all checks or those of `only`."""
    faults = [Fault(name, (), each.apply) for name, each in all_blind_faults().items()]
    try_faults(faults, tasks, results, only, until_found)


def work_late(
    only: tuple[str, ...], until_found: bool, tasks: Tasks, results: Results[Row]
) -> None:
    """Try blind faults as `work` does, with the conditions of their rules asked as late."""
    faults = [
        Fault(name, (), deciding_late(each.apply)) for name, each in all_blind_faults().items()
    ]
    try_faults(faults, tasks, results, only, until_found)


def deciding_late(apply: Apply) -> Apply:
    """Alter as `apply` does, by rules without a condition that ask theirs before they act."""

    def late(rule: Rule) -> Rule:
        def act(request: WireRequest, *answer: WireAnswer) -> Any:
            return rule.act(request, *answer) if rule.when(request) else None

        return replace(rule, when=always, act=act)

    def altered(deployment: Altered) -> None:
        apply(deployment)
        wire = deployment.wire
        wire.rules_before[:] = map(late, wire.rules_before)
        wire.rules_after[:] = map(late, wire.rules_after)

    return altered


def try_faults(
    faults: Iterable[Fault],
    tasks: Tasks,
    results: Results[Row],
    only: tuple[str, ...] = (),
    until_found: bool = False,
) -> None:
    """Try faults from the queue, by name, against the checks of the profile `full`.

    With `only`, those of these requirements are tried; with `until_found` none after the first
    that fails.
    """
    known = {each.name: each for each in faults}
    fault_matrix.work(PROFILES[-1], (HTTP,), only, frozenset(), tasks, results, known, until_found)


def scores(
    chosen: Sequence[BlindFault],
    workers: int,
    only: tuple[str, ...] = (),
    until_found: bool = False,
) -> list[Score]:
    """Return the score of each fault, in their order; print each as soon as it is known.

    With `until_found`, `fell` are the requirements of the first check that fails.
    """
    by_name = {each.name: each for each in chosen}
    given = (only, until_found)

    def score(row: Row) -> Score:
        of = by_name[row.fault]
        return Score(
            of.name, of.set_name, of.source, outcome_of(row), row.fell, row.crashes, row.duration_s
        )

    def tell(row: Row) -> None:
        made = score(row)
        print(f"{made.outcome:14} {made.fault}  {' '.join(made.fell[:8])}", flush=True)

    rows = in_processes(work, given, list(by_name), workers, lambda row: row.fault, tell)
    unreached = [row.fault for row in rows if outcome_of(row) == NEVER_REACHED]
    late: list[Row] = []
    if unreached:
        late = in_processes(work_late, given, unreached, workers, lambda row: row.fault, tell)
    found = {row.fault: row for row in late if outcome_of(row) == FOUND}
    return [score(found.get(row.fault, row)) for row in rows]


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
    options.add_argument(
        "--requirement",
        dest="only",
        action="append",
        default=[],
        help="try only the checks of this requirement: seconds instead of minutes, and no score",
    )
    options.add_argument(
        "--until-found",
        action="store_true",
        help="try a fault until a check fails: the same score, without all requirements that fall",
    )
    options.add_argument("-n", dest="workers", type=int, default=1)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    chosen = [
        each
        for each in all_blind_faults().values()
        if (not given.sets or each.set_name in given.sets)
        and (not given.faults or each.name in given.faults)
    ]
    if not chosen:
        options.error("no blind fault is named so")
    only = find_requirements(load_catalogue(), given.only)
    print("the checks are made on the faultless reference first", flush=True)
    made = scores(chosen, min(given.workers, len(chosen)), only, given.until_found)
    print(as_text(made))
    if given.out:
        given.out.write_text(json.dumps([asdict(each) for each in made], indent=1) + "\n")


if __name__ == "__main__":
    main()
