"""The choice of pairs of freedoms: seeded, with each freedom in several pairs.

A server takes many freedoms at once, and a check that holds under each of two may fail under both
at once. All pairs would take hours; those chosen hold every freedom about equally often.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from conformance.freedoms.registry import Freedom

#: The number of pairs in the whole matrix.
PAIRS = 240


def choose_pairs(
    freedoms: Iterable[Freedom],
    number: int,
    seed: int,
    earlier: Iterable[Sequence[str]] = (),
) -> list[tuple[Freedom, Freedom]]:
    """Return `number` pairs of freedoms that do not exclude each other, or all if there are fewer.

    Those of `earlier`, by name, are taken first, unless one of the two is not among the freedoms.
    The next pair is the one whose freedoms are in the fewest pairs so far; the seed decides only
    among equals.
    """
    # By name, so that the choice does not depend on the modules that the freedoms stand in.
    by_name = {each.name: each for each in sorted(freedoms, key=lambda each: each.name)}
    known = list(by_name.values())
    pairs = [
        (one, other)
        for position, one in enumerate(known)
        for other in known[position + 1 :]
        if not one.excludes(other)
    ]
    random.Random(seed).shuffle(pairs)
    has: Counter[str] = Counter()
    chosen: list[tuple[Freedom, Freedom]] = []
    by_names = {frozenset((one.name, other.name)): (one, other) for one, other in pairs}
    for names in earlier:
        kept = by_names.get(frozenset(names))
        if kept is not None and len(chosen) < number:
            # In the order of the earlier run, which is part of the name of its row.
            chosen.append((by_name[names[0]], by_name[names[1]]))
            pairs.remove(kept)
            has.update(names)
    while pairs and len(chosen) < number:
        # `min` takes the first of equals, in the shuffled order.
        pair = min(pairs, key=lambda each: sorted((has[each[0].name], has[each[1].name])))
        pairs.remove(pair)
        chosen.append(pair)
        has.update(each.name for each in pair)
    return chosen
