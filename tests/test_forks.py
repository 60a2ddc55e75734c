"""Parts of a task in forks of a process."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from conformance.selftest.forks import ForkError, in_forks

#: Forks that wait, and print their ids.
_WAITING = """
import os, time
from conformance.selftest.forks import in_forks

def wait():
    print(os.getpid(), flush=True)
    time.sleep(1000)

in_forks([wait, wait])
"""


def test_results_stand_in_the_order_of_the_parts() -> None:
    def part(number: int) -> tuple[int, int, str]:
        return number, os.getpid(), "x" * 200_000  # more than a pipe holds

    results = in_forks([partial(part, number) for number in range(4)])
    assert [number for number, _, _ in results] == [0, 1, 2, 3]
    processes = {process for _, process, _ in results}
    assert len(processes - {os.getpid()}) == 4
    assert in_forks([]) == []


def test_none_is_a_result() -> None:
    assert in_forks([lambda: None, lambda: None]) == [None, None]


def test_a_part_that_breaks_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    def broken() -> int:
        raise ZeroDivisionError

    with pytest.raises(ForkError):
        in_forks([broken, lambda: 1])
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_part_whose_result_cannot_be_sent_is_told() -> None:
    with pytest.raises(ForkError):
        in_forks([lambda: lambda: 1])


def test_the_parent_does_not_go_on_in_a_fork() -> None:
    def leave() -> None:
        sys.exit(0)

    with pytest.raises(ForkError):
        in_forks([leave])


def test_forks_end_with_the_process_that_made_them() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WAITING], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        forks = [int(process.stdout.readline()) for _ in range(2)]
        assert all(Path(f"/proc/{each}").exists() for each in forks)
        process.kill()
        # The pipe ends with the last of those that hold it.
        process.communicate(timeout=20)
