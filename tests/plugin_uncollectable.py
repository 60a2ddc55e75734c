"""A plugin for tests: one file of checks cannot be loaded."""

from __future__ import annotations

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if collector.name == "test_get.py":
        report.outcome = "failed"
        report.longrepr = "NameError: no such name"
    return report
