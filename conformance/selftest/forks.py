"""Parts of one task, executed at the same time by forks of a process of a matrix.

Not by `multiprocessing`: the processes of a matrix are its daemons, to which it allows no children.
"""

from __future__ import annotations

import os
import pickle
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from conformance.waiting import wait_until

_T = TypeVar("_T")


class ForkError(Exception):
    """A fork ended without a result; its traceback is on stderr."""


def in_forks(parts: Sequence[Callable[[], _T]]) -> list[_T]:
    """Call each function in a fork of this process, all at once; return their results in order.

    Results are pickled. No other thread of this process may hold a lock meanwhile. Raises
    `ForkError` if a fork ends without a result; a fork ends with the process that made it.
    """
    forks = [_fork(each) for each in parts]
    results = [_result(*each) for each in forks]
    if None in results:
        raise ForkError("a process that tried a part of the checks broke")
    return [pickle.loads(each) for each in results if each is not None]


def _fork(part: Callable[[], Any]) -> tuple[int, int]:
    """Begin a part; return the process, and the file descriptor from which its result is read."""
    parent = os.getpid()
    readable, writable = os.pipe()
    with warnings.catch_warnings():
        # Python warns wherever there are threads; those of this process wait for work.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if not process:
        os.close(readable)
        _execute(part, parent, writable)
    os.close(writable)
    return process, readable


def _execute(part: Callable[[], Any], parent: int, writable: int) -> NoReturn:
    status = 1
    try:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
        result = pickle.dumps(part())
        with open(writable, "wb") as pipe:
            pipe.write(result)
        status = 0
    except BaseException:  # nothing may return into the code of the parent
        traceback.print_exc()
    finally:
        os._exit(status)


def _end_after(parent: int) -> None:
    wait_until(os.getppid, lambda now: now != parent, pause_s=0.2)
    os._exit(1)


def _result(process: int, readable: int) -> bytes | None:
    with open(readable, "rb") as pipe:
        result = pipe.read()
    return result if os.waitpid(process, 0)[1] == 0 else None
