"""Checks that need a deployment with nothing else to do come last, with none beside them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.runner.session import run_suite

MakeSettings = Callable[..., Settings]


def spans_of_checks(folder: Path) -> dict[str, tuple[str, str]]:
    """When each check sent its first and its last request."""
    found: dict[str, tuple[str, str]] = {}
    for file in folder.glob("exchanges-*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            each: dict[str, Any] = json.loads(line)
            if each["check"]:
                at = str(each["started_at"])
                first, last = found.get(each["check"], (at, at))
                found[each["check"]] = (min(first, at), max(last, at))
    return found


@pytest.mark.parametrize("workers", ["1", "2"])
def test_they_come_after_all_others(
    workers: str, reference: str, settings_for: MakeSettings
) -> None:
    requirements = ("GET-01", "GET-03", "STREAM-01", "STREAM-13", "STREAM-14", "THREAD-STREAM-12")
    settings = settings_for(reference, profile="full", requirements=requirements)
    report = run_suite(settings, identify_deployment(settings), workers=workers)
    assert {each.id for each in report.requirements} == set(requirements)
    assert {each.verdict.value for each in report.requirements} == {"pass"}
    made = [each.id for each in report.checks]
    assert len(made) == len(set(made))
    spans = spans_of_checks(Path(settings.run_dir))
    alone = sorted(
        span
        for check, span in spans.items()
        if "several_modes" in check or "events_have_ids_of_their_own" in check
    )
    others = [span for span in spans.values() if span not in alone]
    assert len(alone) == 3
    assert others
    assert max(last for _, last in others) < alone[0][0]
    assert all(last < first for (_, last), (first, _) in itertools.pairwise(alone))


def test_a_run_of_nothing_else_makes_them(reference: str, settings_for: MakeSettings) -> None:
    settings = settings_for(reference, requirements=("STREAM-14",), profile="full")
    report = run_suite(settings, identify_deployment(settings), workers="2")
    assert [each.id for each in report.checks] == [
        "test_stream.py::test_events_have_ids_of_their_own"
    ]
