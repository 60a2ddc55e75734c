"""pytest as the engine of a run: started in this process, independent of the user's settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

import conformance
from conformance.deployment.settings import Settings
from conformance.runner.controller import Controller
from conformance.runner.pytest_names import CONTROLLER, OWN_PYTEST

_SUITE = Path(conformance.__file__).parent / "suite"
#: Checks print, log and warn for nobody, and leave no other kinds of tests: these plugins of pytest
#: would take a sixth of the time between two checks.
_UNUSED = (
    *("terminal", "cacheprovider", "junitxml", "logging", "doctest", "unittest", "pastebin"),
    *("stepwise", "setupplan", "setuponly", "recwarn", "monkeypatch", "subtests"),
    # Of this one pytest-xdist would make a temporary folder that stands after the run.
    "tmpdir",
    *("unraisableexception", "threadexception", "faulthandler", "debugging"),
)
_PLUGINS = (*(f"no:{each}" for each in _UNUSED), "xdist.plugin")


def pytest_arguments(
    keyword: str = "",
    plugins: Sequence[str] = ("conformance.runner.worker",),
    files: Iterable[str] = ("",),
) -> list[str]:
    """Return the arguments of pytest for the suite, which exclude the user's configuration.

    `files` are the files of the suite to be collected, such as `test_copy.py`; by default all.
    """
    arguments = ["-c", str(_SUITE / "pytest.ini"), "--rootdir", str(_SUITE)]
    # Load the suite's own conftest, and none above it.
    arguments += ["--confcutdir", str(_SUITE)]
    # Checks raise what they find; modules rewritten for assert statements would be compiled anew.
    arguments += ["--assert", "plain"]
    # What a check, or a library, prints is for nobody; no program that it starts writes to ours.
    arguments += ["--capture", "sys"]
    for plugin in (*_PLUGINS, *plugins):
        arguments += ["-p", plugin]
    if keyword:
        arguments += ["-k", keyword]
    return [*arguments, *(str(_SUITE / each) for each in files)]


def import_engine() -> None:
    """Import what a run needs; called while a deployment starts, which takes as long."""
    for name in (
        *("xdist.plugin", "conformance.runner.worker", "conformance.suite.conftest"),
        # Checks import it only where they generate something.
        "schemathesis",
    ):
        import_module(name)
    for file in sorted(_SUITE.glob("test_*.py")):
        import_module(f"conformance.suite.{file.stem}")


@contextmanager
def own_pytest() -> Iterator[None]:
    """Keep the user's pytest settings away from the block, in this process and in the workers."""
    before = {name: os.environ.get(name) for name in OWN_PYTEST}
    os.environ.update(OWN_PYTEST)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def run_pytest(arguments: Sequence[str], controller: Controller) -> None:
    """Run pytest in this process; record its internal and usage errors as defects."""
    ended = pytest.main(list(arguments), plugins=[_ControllerPlugin(controller)])
    broken = (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR)
    if ended in broken and not controller.defects.found:
        controller.defects.add(f"pytest ended with {ended!r}")


def collect(settings: Settings, arguments: Sequence[str]) -> Controller:
    """Collect the checks of a run without making any; return a controller that lists them."""
    planning = Controller(settings)
    run_pytest([*arguments, "--collect-only"], planning)
    return planning


class _ControllerPlugin:
    """The plugin that registers the controller before the worker plugin looks it up by its name."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self._controller, CONTROLLER)
