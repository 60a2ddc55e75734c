"""Python's garbage collector, in a process that runs many checks.

Collecting after every 700 new objects took 4.6 of the 32.5 seconds that all checks need in one
process: each answer is a tree of objects, and the collector reads all modules and schemas again
and again.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

_THRESHOLDS = (20_000, 20, 20)


def collect_rarely_from_the_start() -> None:
    """Collect rarely while modules are loaded, which takes an eighth of the time to a first check.

    For a process of its own: nothing restores the settings before.
    """
    gc.set_threshold(*_THRESHOLDS)


def collect_rarely() -> Callable[[], None]:
    """Exempt all objects that exist now from garbage collection, and collect others rarely.

    Garbage is not collected before: there is little, and to look for it takes as long as a check.
    Return a function that restores the previous settings.
    """
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)

    def restore() -> None:
        gc.set_threshold(*before)
        # All objects can only be unfrozen together: if some had been frozen before, all stay so.
        if not frozen:
            gc.unfreeze()

    return restore
