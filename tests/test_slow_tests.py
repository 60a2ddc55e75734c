"""Which tests are run only if they are requested, or their file is named."""

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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "collected"),
    [
        ((), False),
        (("tests",), False),
        (("--slow",), False),
        (("--browser",), True),
        (("tests/browser",), True),
        (("tests/browser/test_page.py",), True),
    ],
)
def test_when_the_tests_of_the_pages_are_read(
    pytester: pytest.Pytester, arguments: tuple[str, ...], collected: bool
) -> None:
    here = Path(__file__).parent
    pytester.makepyprojecttoml((here.parent / "pyproject.toml").read_text("utf-8"))
    (pytester.mkdir("tests") / "browser").mkdir()
    for each in ("conftest.py", "browser/conftest.py"):
        (pytester.path / "tests" / each).write_text((here / each).read_text("utf-8"))
    page = "import pytest\n@pytest.mark.browser\ndef test_page(): pass\n"
    (pytester.path / "tests" / "browser" / "test_page.py").write_text(page)
    result = pytester.runpytest_subprocess(*arguments, "-n", "0")
    result.assert_outcomes(passed=int(collected))
