"""How rarely garbage is collected while checks run."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from conformance.garbage_collection import collect_rarely


@pytest.fixture
def counted() -> Iterator[list[int]]:
    """The number of collections since the test began, as the length of a list."""
    collections: list[int] = []

    def note(phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            collections.append(1)

    gc.callbacks.append(note)
    yield collections
    gc.callbacks.remove(note)


def make_objects() -> list[list[int]]:
    return [[] for _ in range(50_000)]


@pytest.fixture
def thresholds() -> Iterator[tuple[int, int, int]]:
    """The thresholds of Python, for the time of a test, with nothing exempt."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    usual = (700, 10, 10)
    gc.unfreeze()
    gc.set_threshold(*usual)
    yield usual
    gc.set_threshold(*before)
    if frozen:
        gc.freeze()


def test_garbage_is_collected_rarely_and_then_as_before(
    counted: list[int], thresholds: tuple[int, int, int]
) -> None:
    restore = collect_rarely()
    counted.clear()
    kept = make_objects()
    rarely = len(counted)
    assert gc.get_freeze_count()
    restore()
    assert gc.get_threshold() == thresholds
    assert not gc.get_freeze_count()
    counted.clear()
    kept += make_objects()
    assert 0 < rarely < len(counted) / 10
    assert len(kept) == 100_000


def test_commands_collect_rarely_from_the_start() -> None:
    ends = "import atexit, gc, sys; atexit.register(lambda: print(gc.get_threshold()[0]))"
    command = f"{ends}; sys.argv = ['x', '--version']; import conformance.__main__ as it; it.main()"
    ended = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert int(ended.stdout.splitlines()[-1]) > 10 * 700


@pytest.mark.usefixtures("thresholds")
def test_what_was_exempt_before_stays_exempt() -> None:
    gc.freeze()
    collect_rarely()()
    assert gc.get_freeze_count()
