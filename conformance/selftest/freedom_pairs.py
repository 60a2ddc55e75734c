"""The choice of pairs of freedoms: seeded, with each freedom in several pairs.

A server takes many freedoms at once, and a check that holds under each of two may fail under both
at once. All pairs would take hours; those chosen hold every freedom about equally often.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from itertools import combinations

from conformance.freedoms.registry import Freedom

#: The number of pairs in the whole matrix.
PAIRS = 240


def two_at_a_time(freedoms: Iterable[Freedom], seed: int) -> list[tuple[Freedom, ...]]:
    """Return pairs in which each freedom is once, and alone those that are left.

    Left are those that exclude all that were still free, and one of an odd number.
    """
    left = sorted(freedoms, key=lambda each: each.name)
    random.Random(seed).shuffle(left)
    # Those that exclude most others choose first.
    left.sort(key=lambda each: -sum(map(each.excludes, left)))
    together: list[tuple[Freedom, ...]] = []
    while left:
        one = left.pop(0)
        other = next((each for each in left if not one.excludes(each)), None)
        if other is None:
            together.append((one,))
            continue
        left.remove(other)
        together.append((one, other))
    return together


def choose_pairs(
    freedoms: Iterable[Freedom],
    number: int,
    seed: int,
    earlier: Iterable[tuple[str, ...]] = (),
) -> list[tuple[Freedom, Freedom]]:
    """Return `number` pairs of freedoms that do not exclude each other, or all if there are fewer.

    Those of `earlier`, by name, are taken first, unless one of the two is not among the freedoms.
    The next pair is the one whose freedoms are in the fewest pairs so far; the seed decides only
    among equals.
    """
    # By name, so that the choice does not depend on the modules that the freedoms stand in.
    by_name = {each.name: each for each in sorted(freedoms, key=lambda each: each.name)}
    kept = [
        (by_name[one], by_name[other])
        for one, other in earlier
        if one in by_name and other in by_name and not by_name[one].excludes(by_name[other])
    ]
    chosen = kept[:number]
    taken = [{one.name, other.name} for one, other in chosen]
    pairs = [
        (one, other)
        for one, other in combinations(by_name.values(), 2)
        if not one.excludes(other) and {one.name, other.name} not in taken
    ]
    random.Random(seed).shuffle(pairs)
    has = Counter(each.name for pair in chosen for each in pair)
    while pairs and len(chosen) < number:
        # `min` takes the first of equals, in the shuffled order.
        pair = min(pairs, key=lambda each: sorted((has[each[0].name], has[each[1].name])))
        pairs.remove(pair)
        chosen.append(pair)
        has.update(each.name for each in pair)
    return chosen
