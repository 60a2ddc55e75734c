"""Letting go of what an exception keeps alive once it has been told."""

from __future__ import annotations

import traceback


def release_frames(ended: BaseException) -> None:
    """Clear the local variables of every function that an exception came through.

    An answer may be large, and a failed check with its exception is kept for a while.
    """
    waiting: list[BaseException] = [ended]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        traceback.clear_frames(each.__traceback__)
        waiting += [other for other in (each.__cause__, each.__context__) if other is not None]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
