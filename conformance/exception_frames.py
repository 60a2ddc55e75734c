"""Releasing the memory that a reported exception keeps alive."""

from __future__ import annotations

import traceback


def release_frames(ended: BaseException) -> None:
    """Clear the local variables in the frames of an exception's traceback.

    A response may be large, and a failed check is kept for a while with its exception.
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
