"""What the two matrices of hostile servers share: several jobs at once, and Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


async def run_concurrently(
    work: Callable[[_Given], Awaitable[_Made]], given: Sequence[_Given], jobs: int
) -> list[_Made]:
    """Return the result of `work` for each of `given`; `jobs` are done at once.

    ExceptionGroup if any failed, raised after all are done.
    """
    free = asyncio.Semaphore(jobs)

    async def one(each: _Given) -> _Made:
        async with free:
            return await work(each)

    done = await asyncio.gather(*(one(each) for each in given), return_exceptions=True)
    if failed := [each for each in done if isinstance(each, Exception)]:
        raise ExceptionGroup(f"{len(failed)} of {len(done)} could not be tried", failed)
    return [each for each in done if not isinstance(each, BaseException)]


def enable_ctrl_c() -> None:
    """Let Ctrl-C reach the runs, also where this process was started in the background.

    A process started in the background ignores Ctrl-C, and its children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
