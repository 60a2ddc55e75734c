"""The processes of a matrix, and the queues between them."""

from __future__ import annotations

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
