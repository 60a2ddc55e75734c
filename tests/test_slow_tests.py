"""Slow tests are left out unless they are requested, or their file is named."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

_TESTS = """
import pytest

def test_quick():
    pass

@pytest.mark.slow
def test_slow():
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "run"),
    [((), 1), (("--slow",), 2), (("tests/test_them.py",), 2), (("--slow", "-m", "slow"), 1)],
)
@pytest.mark.parametrize("workers", ["0", "1"])
def test_which_tests_are_run(
    pytester: pytest.Pytester, arguments: tuple[str, ...], run: int, workers: str
) -> None:
    configuration = Path(__file__).parent.parent / "pyproject.toml"
    pytester.makepyprojecttoml(configuration.read_text("utf-8"))
    tests = pytester.mkdir("tests")
    (tests / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text("utf-8"))
    (tests / "test_them.py").write_text(_TESTS)
    result = pytester.runpytest_subprocess(*arguments, "-n", workers)
    result.assert_outcomes(passed=run, deselected=2 - run if workers == "0" else 0)
