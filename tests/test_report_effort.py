"""A report lists what only a greater effort checks, and never counts it as passed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from conformance.commands.requirements import as_text
from conformance.contract.catalogue import Requirement
from conformance.report.record import Report
from conformance.report.run.markdown import markdown_report
from conformance.report.run.terminal import TerminalView
from conformance.report.run.wording import skipped_by_effort_line
from tests.report_examples import CONFORMANT, REQUIREMENTS

CRON = Requirement(
    id="CRON-99",
    title="t",
    statement="A cron MUST fire.",
    level="MUST",
    profile="full",
    capability="cron",
    sources=("s",),
    effort="thorough",
)
CATALOGUE = {**REQUIREMENTS, CRON.id: CRON}
SAID = "ot checked at effort standard: CRON-99; give --effort thorough"


def report(profile: str = "full", effort: str = "standard", partial: bool = False) -> Report:
    run = dataclasses.replace(CONFORMANT.run, profile=profile, effort=effort, partial=partial)
    return dataclasses.replace(CONFORMANT, run=run)


def test_what_was_left_is_said() -> None:
    assert skipped_by_effort_line(report(), CATALOGUE) == f"n{SAID}"
    assert f"\n\nN{SAID}.\n" in markdown_report(report(), CATALOGUE)
    console = Console(record=True, width=100, highlight=False)
    TerminalView(console).finish(report(), CATALOGUE, [Path("report.json")])
    assert f"\nN{SAID}\n" in console.export_text()


@pytest.mark.parametrize(
    "changed", [{"profile": "extended"}, {"effort": "thorough"}, {"partial": True}]
)
def test_nothing_is_said_of_what_was_not_asked_for(changed: dict[str, Any]) -> None:
    assert skipped_by_effort_line(report(**changed), CATALOGUE) == ""


def test_a_requirement_tells_its_effort() -> None:
    assert "checked at effort thorough only" in as_text(CRON)
    assert "effort" not in as_text(dataclasses.replace(CRON, effort="quick"))
