"""A plugin for tests: the first worker is gone at once when it comes to its third check.

The controller, which is told of each check as well, must outlive it. It may itself be a process
that was started as worker `gw0` of these tests, so what it is stands in its configuration alone.
"""

from __future__ import annotations

import os

import pytest


class Dying:
    """End this process at the third check."""

    def __init__(self) -> None:
        self.seen = 0

    def pytest_runtest_logstart(self) -> None:
        self.seen += 1
        if self.seen == 3:
            os._exit(9)


def pytest_configure(config: pytest.Config) -> None:
    if getattr(config, "workerinput", {}).get("workerid") == "gw0":
        config.pluginmanager.register(Dying())
