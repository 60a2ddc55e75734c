"""Run pairs of blind faults at once, and count in how many of them both are found.

    python -m benchmarks.blind.pairs SCORES [--pairs N] [--seed N] [-n PROCESSES] [--out FILE]

SCORES is a file that `score.py --out` wrote. The pairs are chosen by the seed among the faults
that were found there, since one fault may hide another: of a pair, a fault is *found* if one of the
requirements fails that fail under that fault alone.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

from benchmarks.blind.registry import BlindFault, all_blind_faults
from benchmarks.blind.score import CRASHED, FOUND, try_faults
from conformance.faults.registry import Fault
from conformance.reference.altered import Altered, Apply
from conformance.selftest.fault_row import Row
from conformance.selftest.processes import Results, Tasks, in_processes

BOTH, ONE, NEITHER = "both found", "one found", "neither found"
_BETWEEN = " + "


@dataclass(frozen=True)
class PairScore:
    """The outcome of two faults at once; `hidden` are those of the two that were not found."""

    faults: tuple[str, str]
    outcome: str
    hidden: tuple[str, ...]
    fell: tuple[str, ...]


def choose_pairs(names: Iterable[str], number: int, seed: int) -> list[tuple[str, str]]:
    """Return at most `number` pairs of different names, chosen by the seed."""
    every = list(combinations(sorted(names), 2))
    return random.Random(seed).sample(every, min(number, len(every)))


def score_of(row: Row, alone: Mapping[str, Sequence[str]]) -> PairScore:
    """Return the score of a pair by its row; `alone` are the requirements that fell, by fault."""
    one, other = row.fault.split(_BETWEEN)
    hidden = tuple(each for each in (one, other) if not set(alone[each]) & set(row.fell))
    outcome = CRASHED if row.crashes and hidden else (BOTH, ONE, NEITHER)[len(hidden)]
    return PairScore((one, other), outcome, hidden, row.fell)


def found_in(scores: Path) -> dict[str, list[str]]:
    """Return the requirements that fell, by fault, of those that a file of scores calls found."""
    made = json.loads(scores.read_text(encoding="utf-8"))
    return {each["fault"]: each["fell"] for each in made if each["outcome"] == FOUND}


def work(names: tuple[str, ...], tasks: Tasks, results: Results[Row]) -> None:
    """Try the pairs of these names from the queue until None, in this process."""
    known = all_blind_faults()
    pairs = {name: [known[each] for each in name.split(_BETWEEN)] for name in names}
    try_faults([Fault(name, (), _both(pair)) for name, pair in pairs.items()], tasks, results)


def _both(pair: Sequence[BlindFault]) -> Apply:
    def apply(deployment: Altered) -> None:
        for each in pair:
            each.apply(deployment)

    return apply


def main() -> None:
    """Score the pairs that the command line asks for."""
    options = argparse.ArgumentParser(description="How many pairs of blind faults are found.")
    options.add_argument("scores", type=Path)
    options.add_argument("--pairs", type=int, default=60)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("-n", dest="workers", type=int, default=1)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    alone = found_in(given.scores)
    names = [_BETWEEN.join(pair) for pair in choose_pairs(alone, given.pairs, given.seed)]

    def tell(row: Row) -> None:
        made = score_of(row, alone)
        print(f"{made.outcome:14} {row.fault}", *(f"hidden: {each}" for each in made.hidden))

    rows = in_processes(
        work, (tuple(names),), names, min(given.workers, len(names)), lambda row: row.fault, tell
    )
    scores = [score_of(row, alone) for row in rows]
    counts = Counter(each.outcome for each in scores)
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    if given.out:
        given.out.write_text(json.dumps([asdict(each) for each in scores], indent=1) + "\n")


if __name__ == "__main__":
    main()
