"""Which freedoms are tried in pairs: a choice that a seed makes, each freedom in several.

A server takes many freedoms at once, and what a check bears alone it may not bear beside
another. All pairs would take hours: those chosen hold every freedom about equally often.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

from conformance.freedoms.registry import Freedom

#: So many pairs the whole matrix has.
PAIRS = 240


def chosen_pairs(
    freedoms: Iterable[Freedom], number: int, seed: int
) -> list[tuple[Freedom, Freedom]]:
    """So many pairs of freedoms that do not exclude each other, or all there are.

    Next comes the pair whose freedoms are in the fewest pairs yet; the seed decides among
    equals, and so does nothing else.
    """
    known = list(freedoms)
    pairs = [
        (one, other)
        for position, one in enumerate(known)
        for other in known[position + 1 :]
        if not one.excludes(other)
    ]
    random.Random(seed).shuffle(pairs)
    has: Counter[str] = Counter()
    chosen: list[tuple[Freedom, Freedom]] = []
    while pairs and len(chosen) < number:
        # `min` takes the first of equals, in the order that the seed has made.
        pair = min(pairs, key=lambda each: sorted((has[each[0].name], has[each[1].name])))
        pairs.remove(pair)
        chosen.append(pair)
        has.update(each.name for each in pair)
    return chosen
