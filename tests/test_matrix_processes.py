"""The processes of a matrix, and the queues between them."""

from __future__ import annotations

import os

from conformance.selftest.processes import Results, Tasks, in_processes

#: More than a pipe holds, as names and as rows.
MANY = [f"{number:05}{'x' * 95}" for number in range(3000)]


def echo(tasks: Tasks, results: Results[list[str]]) -> None:
    for name in iter(tasks.get, None):
        results.put([name])


def test_more_names_than_a_pipe_holds_are_tried() -> None:
    seen: list[list[str]] = []
    rows = in_processes(echo, (), MANY, 2, lambda row: str(row[0]), seen.append)
    assert rows == [[name] for name in MANY]
    assert sorted(seen) == sorted(rows)


def test_a_batch_is_tried_by_one_process() -> None:
    batches = [[f"{batch}-{number}" for number in range(20)] for batch in range(6)]
    names = [name for batch in batches for name in batch]
    rows: list[tuple[str, int]] = in_processes(
        with_process, (), names, 3, lambda row: row[0], lambda _: None, batches=batches
    )
    assert [name for name, _ in rows] == names
    by = dict(rows)
    assert all(len({by[name] for name in batch}) == 1 for batch in batches)


def with_process(tasks: Tasks, results: Results[tuple[str, int]]) -> None:
    for name in iter(tasks.get, None):
        results.put((name, os.getpid()))
