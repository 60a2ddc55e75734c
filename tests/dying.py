"""A plugin for tests: the worker that comes to the third check is gone at once."""

from __future__ import annotations

import os

_seen: list[str] = []


def pytest_runtest_logstart(nodeid: str) -> None:
    _seen.append(nodeid)
    if len(_seen) == 3 and os.environ.get("PYTEST_XDIST_WORKER") == "gw0":
        os._exit(9)
