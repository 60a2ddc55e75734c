"""Processes beside each other that take names from a queue and give a row for each."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.queues import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

_Row = TypeVar("_Row")
_Given = TypeVar("_Given", contravariant=True)


class Tasks(Protocol):
    """Names of what is to be tried, and None at the end."""

    def get(self) -> str | None:
        """The next one."""


class Results(Protocol, Generic[_Given]):
    """Where rows go, or a text that says what broke."""

    def put(self, result: _Given | str) -> None:
        """Hand over a row."""


class SelftestError(Exception):
    """The matrix cannot be made; the message says why."""


def in_processes(
    work: Callable[..., None],
    given: tuple[Any, ...],
    names: Sequence[str],
    workers: int,
    name_of: Callable[[_Row], str],
    told: Callable[[_Row], None],
) -> list[_Row]:
    """The rows of these names, in their order; `told` hears of each as it comes.

    Each process calls `work(*given, tasks, results)`.
    """
    context = multiprocessing.get_context("spawn")
    tasks: SimpleQueue[str | None] = context.SimpleQueue()
    results: SimpleQueue[_Row | str] = context.SimpleQueue()
    for name in names:
        tasks.put(name)
    for _ in range(workers):
        tasks.put(None)
    processes = [
        context.Process(target=work, args=(*given, tasks, results), daemon=True)
        for _ in range(workers)
    ]
    for process in processes:
        process.start()
    rows: dict[str, _Row] = {}
    try:
        while len(rows) < len(names):
            result = _next(results, processes)
            if isinstance(result, str):
                raise SelftestError(result)
            rows[name_of(result)] = result
            told(result)
    finally:
        for process in processes:
            if len(rows) < len(names):
                process.terminate()
            process.join()
    return [rows[name] for name in names]


def _next(
    results: SimpleQueue[_Row | str], processes: Sequence[multiprocessing.process.BaseProcess]
) -> _Row | str:
    while results.empty():
        if not any(process.is_alive() for process in processes) and results.empty():
            return "the processes of the matrix ended before it was whole"
        time.sleep(0.02)
    return results.get()


def is_orphan() -> bool:
    """Whether who started this process was killed: nobody takes its rows any more."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()
