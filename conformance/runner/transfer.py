"""Transfer of results from a worker to the controller.

They travel as text in `user_properties`, the only part of a test's report that pytest-xdist
transfers for plugins.
"""

from __future__ import annotations

import dataclasses
import json

import pytest

from conformance.report.record import CheckResult
from conformance.runner.names import CARRIED
from conformance.typed_data import typed


def attach(result: CheckResult, report: pytest.TestReport) -> None:
    """Put a result into a report."""
    # As text in ASCII: execnet transfers neither enums nor lone surrogates.
    report.user_properties.append((CARRIED, json.dumps(dataclasses.asdict(result))))


def result_in(report: pytest.TestReport) -> CheckResult | None:
    """Return the result in a report, if there is one."""
    for name, value in report.user_properties:
        if name == CARRIED:
            return typed(json.loads(str(value)), CheckResult)
    return None
