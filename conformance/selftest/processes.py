"""Parallel processes that take names from a queue and return a row for each."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.queues import Queue, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from conformance.waiting import wait_until

if TYPE_CHECKING:
    from multiprocessing.context import ForkContext, SpawnContext

#: Seconds between two checks whether a process has put a row.
_POLL_S = 0.02

_Row = TypeVar("_Row")
_Given = TypeVar("_Given", contravariant=True)


class Tasks(Protocol):
    """A queue of names to be tried, with None at the end."""

    def get(self) -> str | None:
        """Return the next name, or None at the end."""


class Results(Protocol, Generic[_Given]):
    """A queue of rows, or of error texts."""

    def put(self, result: _Given | str) -> None:
        """Put a row, or an error text."""


class SelftestError(Exception):
    """The matrix cannot be made; the message says why."""


def in_processes(
    work: Callable[..., None],
    arguments: tuple[Any, ...],
    names: Sequence[str],
    workers: int,
    name_of: Callable[[_Row], str],
    on_row: Callable[[_Row], None],
    *,
    batches: Iterable[Sequence[str]] | None = None,
) -> list[_Row]:
    """Return a row for each name, in their order; call `on_row` as each is finished.

    Each process calls `work(*arguments, tasks, results)`. The names of a batch, by default one, are
    tried by one process, the first batches first. SelftestError if a process breaks.
    """
    context = _context()
    # A Queue, since a SimpleQueue limits what can be put before something is taken.
    tasks: Queue[Sequence[str] | None] = context.Queue()
    results: SimpleQueue[_Row | str] = context.SimpleQueue()
    processes = [
        context.Process(target=_work, args=(work, *arguments, tasks, results), daemon=True)
        for _ in range(workers)
    ]
    for process in processes:
        process.start()
    # Only now, since a Queue begins a thread when something is put.
    for batch in [[name] for name in names] if batches is None else batches:
        tasks.put(batch)
    for _ in range(workers):
        tasks.put(None)
    rows: dict[str, _Row] = {}
    try:
        while len(rows) < len(names):
            result = _next(results, processes)
            if isinstance(result, str):
                raise SelftestError(result)
            rows[name_of(result)] = result
            on_row(result)
    finally:
        tasks.cancel_join_thread()
        for process in processes:
            if len(rows) < len(names):
                process.terminate()
            process.join()
    return [rows[name] for name in names]


def _context() -> SpawnContext | ForkContext:
    """Return how processes are begun: on Linux by a fork, which has imported everything already.

    On macOS the system's own libraries do not bear a fork.
    """
    if sys.platform == "linux":
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


class _Batches:
    """The tasks of one process, taken from a queue of batches."""

    def __init__(self, queue: Queue[Sequence[str] | None]) -> None:
        self._queue = queue
        self._names: list[str] = []

    def get(self) -> str | None:
        """Return the next name of the batch at hand, else of the next batch; None at the end."""
        if not self._names:
            self._names = list(reversed(self._queue.get() or ()))
        return self._names.pop() if self._names else None


def _work(work: Callable[..., None], *arguments: Any) -> None:
    # A terminal sends Ctrl-C to this process as well: the parent decides what to do, and ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    *given, queue, results = arguments
    work(*given, _Batches(queue), results)


def _next(
    results: SimpleQueue[_Row | str], processes: Sequence[multiprocessing.process.BaseProcess]
) -> _Row | str:
    def is_one_alive() -> bool:
        return any(process.is_alive() for process in processes)

    wait_until(is_one_alive, lambda alive: not (results.empty() and alive), pause_s=_POLL_S)
    if results.empty():
        return "the processes of the matrix ended before it was whole"
    return results.get()


def is_orphan() -> bool:
    """Return whether the parent of this process was killed, so that nobody reads its rows."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()
