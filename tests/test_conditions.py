"""Each condition can be made on the reference, and its thread shows the expected status."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from conformance.checks import conditions
from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.outcomes import Blocked
from conformance.checks.runs import Runs
from conformance.deployment.connect import connect
from conformance.deployment.settings import Settings

MakeSettings = Callable[..., Settings]


@pytest.fixture
def given(reference: str, settings_for: MakeSettings) -> Iterator[ThreadsApi]:
    settings = settings_for(reference, disposable=True)
    with connect(settings) as connection:
        yield ThreadsApi(connection.client, CheckContext(settings, {}), arranging=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", conditions.names())
def test_a_condition_is_made(given: ThreadsApi, name: str) -> None:
    with Runs(given) as runs:
        made = conditions.make_shown(name, given, runs)
        shown = given.get(made.thread)["status"]
    assert made.status in (None, shown)
    assert made.settles is (made.run is None)


def test_a_thread_that_shows_another_status_blocks(
    given: ThreadsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "get", lambda thread: {**thread, "status": "error"})
    monkeypatch.setattr(given.context, "eventually", lambda look, holds, within_s=None: look())
    with Runs(given) as runs, pytest.raises(Blocked) as blocked:
        conditions.make_shown("empty", given, runs)
    assert [cause.requirement for cause in blocked.value.by] == ["CREATE-09"]


def test_only_known_conditions_are_judged() -> None:
    with pytest.raises(KeyError, match="there is no condition 'on fire'"):
        conditions.in_conditions("empty", "on fire")
