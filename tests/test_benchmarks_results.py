"""The command that measures all figures keeps them by day."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import __main__ as results


def test_a_day_is_added_below_the_others(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    results.write(file, ["| a | 1 s | the reference | 2 s |"], "load 0.1 before, 0.2 after", "")
    results.write(file, ["| b | 1 s | x | 3 s |"], "load 9.0 before, 9.0 after", "beside others")
    first, second = file.read_text().split("\n## ")[1:]
    assert "| a | 1 s | the reference | 2 s |" in first
    assert "load 0.1 before, 0.2 after.\n" in first
    assert "load 9.0 before, 9.0 after; beside others.\n" in second
    assert second.endswith("| b | 1 s | x | 3 s |\n")


def test_a_figure_that_a_script_does_not_print_is_an_error() -> None:
    assert results.printed("ratio    1.31\n", r"^ratio +([\d.]+)") == "1.31"
    with pytest.raises(ValueError, match="no "):
        results.printed("nothing", r"^ratio +([\d.]+)")


def test_every_figure_has_a_name_of_its_own() -> None:
    names = [each.name for each in results.FIGURES]
    assert len(names) == len(set(names))
