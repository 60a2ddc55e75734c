"""Transfer of results, and of answers by 500, from a worker to the controller.

They are transferred as text in `user_properties`, the only part of a test's report that
pytest-xdist transfers for plugins.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import pytest

from conformance.report.record import CheckResult
from conformance.runner.pytest_names import DATA_KEY, SERVER_ERRORS
from conformance.runner.server_errors import ServerError
from conformance.typed_data import typed


def attach(result: CheckResult, report: pytest.TestReport) -> None:
    """Put a result into a report."""
    # As text in ASCII: execnet transfers neither enums nor lone surrogates.
    report.user_properties.append((DATA_KEY, json.dumps(dataclasses.asdict(result))))


def result_in(report: pytest.TestReport) -> CheckResult | None:
    """Return the result in a report, if there is one."""
    for name, value in report.user_properties:
        if name == DATA_KEY:
            return typed(json.loads(str(value)), CheckResult)
    return None


def attach_server_errors(errors: Sequence[ServerError], report: pytest.TestReport) -> None:
    """Put the answers by 500 in a check that passed into its report."""
    if errors:
        listed = json.dumps([dataclasses.asdict(each) for each in errors])
        report.user_properties.append((SERVER_ERRORS, listed))


def server_errors_in(report: pytest.TestReport) -> tuple[ServerError, ...]:
    """Return what `attach_server_errors` has put into a report."""
    return tuple(
        typed(each, ServerError)
        for name, value in report.user_properties
        if name == SERVER_ERRORS
        for each in json.loads(str(value))
    )
