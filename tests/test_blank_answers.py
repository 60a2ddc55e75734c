"""A server that blanks what it shows passes no check that compares it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conformance.checks import comparison_count
from conformance.contract.verdicts import Verdict
from conformance.deployment.probe.identify import identify_deployment
from conformance.reference.app import new_store
from conformance.reference.wire import Wire, WireRequest
from conformance.report.record import CheckResult
from conformance.runner import worker
from conformance.runner.session import run_suite
from conformance.runner.settings import new_settings
from tests.conftest import served

pytestmark = pytest.mark.slow

READS = (
    "get",
    "search",
    "state",
    "state_at_checkpoint",
    "post_state_at_checkpoint",
    "history",
    "post_history",
)
#: Without these nothing can be asked for; the others are blanked.
KEPT = ("thread_id", "checkpoint_id", "checkpoint")

#: What reads show, and a comparison of which is a look at what they show.
SHOWN = {
    *("values", "messages", "content", "metadata", "status", "created_at", "updated_at", "config"),
    *("next", "tasks", "parent_checkpoint", "parent_checkpoint_id", "interrupts"),
    *("source", "step", "parents"),
}


def blank(value: Any) -> Any:
    """A JSON value of the same type that holds nothing."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return type(value)()


def shown_blank(item: Any, members: tuple[str, ...]) -> Any:
    """A thread or state without what it shows under these names; all but `KEPT` for none."""
    if not isinstance(item, dict):
        return item
    return {
        name: blank(value) if name in members or (not members and name not in KEPT) else value
        for name, value in item.items()
    }


@contextmanager
def blanked(members: tuple[str, ...]) -> Iterator[str]:
    wire = Wire()

    @wire.answers(*READS)
    def _(_request: WireRequest, body: Any) -> Any:
        if isinstance(body, list):
            return [shown_blank(each, members) for each in body]
        return shown_blank(body, members)

    def around(app: Any) -> Wire:
        wire.app = app
        return wire

    with served(new_store(), around) as url:
        yield url


def looked_at(
    directory: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> dict[str, tuple[CheckResult, set[str]]]:
    """Each check's result, and the members that it compared."""
    members: dict[str, set[str]] = {}
    attempt = worker.Checks.attempt

    def noted(self: worker.Checks, item: pytest.Item, nextitem: pytest.Item | None) -> Any:
        reports, result = attempt(self, item, nextitem)
        members[result.id] = set(comparison_count.current().members)
        return reports, result

    monkeypatch.setattr(worker.Checks, "attempt", noted)
    directory.mkdir()
    settings = new_settings(
        url,
        directory,
        profile="extended",
        effort="quick",
        repeat_failures=0,
        backoff_s=0.001,
        visible_within_s=0.05,
        disposable=True,
    )
    report = run_suite(settings, identify_deployment(settings))
    return {each.id: (each, members[each.id]) for each in report.checks}


#: They judge what a creation, a copy or an update answers, which is no read.
OF_WRITES = {"COPY-24", "PREPOP-02", "UPDATE-01"}


def test_what_shows_nothing_passes_nothing_that_compares_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(new_store()) as url, monkeypatch.context() as patch:
        right = looked_at(tmp_path / "right", url, patch)
    # What is empty by promise (no match, nothing next) is a look all the same.
    assert [each for each, (result, _) in right.items() if result.verdict is Verdict.BLOCKED] == []
    with blanked(()) as url, monkeypatch.context() as patch:
        nothing = looked_at(tmp_path / "blank", url, patch)
    passed = {each for each, (result, _) in nothing.items() if result.verdict is Verdict.PASS}
    compare = {each for each, (_, members) in right.items() if members & SHOWN}
    wrongly = {
        each: nothing[each][0].requirements
        for each in passed & compare
        if not OF_WRITES.issuperset(nothing[each][0].requirements)
    }
    assert wrongly == {}
    # Most of those that compare what is shown are among those that did not pass.
    assert len(compare - passed) > len(compare) / 2
