"""Bisection: the first version with a changed verdict, in as few launches as possible."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.report.compare.bisection import NoChangeError, find_change
from tests.conftest import command
from tests.launching import REQUIREMENT, starts, write_launcher


@given(st.data(), st.integers(2, 300))
def test_the_change_is_found_in_few_steps(data: st.DataObject, count: int) -> None:
    first = data.draw(st.integers(1, count - 1))
    asked: list[int] = []

    def verdict(version: int) -> str:
        asked.append(version)
        return "fail" if version >= first else "pass"

    change = find_change(range(count), verdict)
    assert (change.last, change.first, change.undecided) == (first - 1, first, ())
    assert (change.before, change.after) == ("pass", "fail")
    assert len(asked) == len(set(asked)) <= math.ceil(math.log2(count)) + 2


@given(st.data(), st.integers(3, 60))
def test_silent_versions_are_passed_over(data: st.DataObject, count: int) -> None:
    first = data.draw(st.integers(1, count - 1))
    silent = data.draw(st.sets(st.integers(1, count - 2)))

    def verdict(version: int) -> str | None:
        if version in silent:
            return None
        return "fail" if version >= first else "pass"

    change = find_change(range(count), verdict)
    assert change.last < first <= change.first
    assert set(range(change.last + 1, change.first)) == set(change.undecided) <= silent


def test_the_first_other_verdict_is_the_change() -> None:
    verdicts = ["pass", "blocked", "blocked", "fail"]
    change = find_change(range(4), lambda version: verdicts[version])
    assert (change.last, change.first, change.after) == (0, 1, "blocked")


@pytest.mark.parametrize(("old", "new", "end"), [(None, "fail", 0), ("pass", None, 4)])
def test_an_end_that_says_nothing(old: str | None, new: str | None, end: int) -> None:
    with pytest.raises(NoChangeError) as silent:
        find_change(range(5), {0: old, 4: new}.get)
    assert (silent.value.end, silent.value.verdict) == (end, None)


def bisect(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return command(
        folder, "bisect", "--server", "fake", "--launcher", "fake.toml", *options, REQUIREMENT
    )


NINE = tuple(f"1.{minor}" for minor in range(9))


@pytest.mark.slow
def test_a_change_is_found_by_launching(tmp_path: Path) -> None:
    write_launcher(tmp_path, known=(*NINE, "1.6rc1"), changed="1.6", broken=("1.4",))
    ended = bisect(tmp_path, "--good", "1.0", "--bad", "1.8")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    launched = starts(tmp_path)
    assert launched[:3] == ["1.0", "1.8", "1.4"]
    # 1.4, which does not start, costs one more.
    assert len(launched) <= math.ceil(math.log2(len(NINE) - 1)) + 2 + 1
    lines = ended.stdout.splitlines()
    assert lines[0] == f"{REQUIREMENT} on fake: 9 versions from 1.0 to 1.8"
    assert lines[1:3] == ["1.0: pass", "1.8: fail"]
    assert "1.4: skipped; fake 1.4 ended with status 1" in ended.stdout
    assert "version 1.4 has a bad day" in ended.stdout
    assert lines[-3:] == [
        f"{REQUIREMENT} changed at 1.6, found in {len(launched)} launches:",
        "  1.5: pass",
        "  1.6: fail",
    ]


@pytest.mark.slow
def test_what_lies_between_and_does_not_start_is_told(tmp_path: Path) -> None:
    write_launcher(tmp_path, known=NINE[:3], changed="1.2", broken=("1.1",))
    ended = bisect(tmp_path, "--good", "1.0", "--bad", "1.2")
    assert "1.1: could not be judged, so it may have changed there already" in ended.stdout


@pytest.mark.slow
def test_ends_that_do_not_differ(tmp_path: Path) -> None:
    write_launcher(tmp_path, known=NINE)
    ended = bisect(tmp_path, "--good", "1.0", "--bad", "1.8")
    assert ended.returncode == 2
    assert f"{REQUIREMENT} is pass at both ends" in ended.stderr
    assert starts(tmp_path) == ["1.0", "1.8"]


@pytest.mark.slow
def test_an_end_that_does_not_start(tmp_path: Path) -> None:
    write_launcher(tmp_path, known=NINE, broken=("1.0",))
    ended = bisect(tmp_path, "--good", "1.0", "--bad", "1.8")
    assert ended.returncode == 3
    assert "1.0 could not be judged, for the reason above: choose another version" in ended.stderr
    assert starts(tmp_path) == ["1.0"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--good", "1.0", "--bad", "1.0"), "name the same version"),
        (("--good", "one", "--bad", "1.0"), "'one' is not a version"),
    ],
)
def test_wrong_usage(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    write_launcher(tmp_path)
    ended = bisect(tmp_path, *options)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert starts(tmp_path) == []
