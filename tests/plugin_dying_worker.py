"""A plugin for tests: the first worker exits at once when it comes to its third check.

The controller loads the same plugin and must survive. Only `workerinput` distinguishes a worker
from the controller: the tests themselves may run in a worker named `gw0`.
"""

from __future__ import annotations

import os

import pytest


class Dying:
    """A hook that ends this process at the third check."""

    def __init__(self) -> None:
        self.seen = 0

    def pytest_runtest_logstart(self) -> None:
        self.seen += 1
        if self.seen == 3:
            os._exit(9)


def pytest_configure(config: pytest.Config) -> None:
    if getattr(config, "workerinput", {}).get("workerid") == "gw0":
        config.pluginmanager.register(Dying())
