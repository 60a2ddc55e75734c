"""The benchmark that watches how many requests each requirement takes."""

from __future__ import annotations

import json

from benchmarks.requests_per_requirement import FIGURES, grown, requests_of
from conformance.contract.catalogue import load_catalogue
from tests.report_examples import check, report_of


def test_only_what_takes_noticeably_more_is_told() -> None:
    before = {"A": 100, "B": 100, "C": 0, "D": 1, "GONE": 1}
    now = {"A": 113, "B": 114, "C": 4, "D": 4, "NEW": 1000}
    assert grown(before, now) == {"B": (100, 114), "C": (0, 4)}


def test_the_figures_of_a_report_are_those_of_its_requirements() -> None:
    checks = [check("test_a", "COPY-03", requests=3), check("test_b", "COPY-03", requests=4)]
    assert requests_of(report_of(checks))["COPY-03"] == 7


def test_the_figures_are_of_requirements_that_there_are() -> None:
    kept = json.loads(FIGURES.read_text(encoding="utf-8"))
    assert kept.keys() <= load_catalogue().requirements.keys()
    assert sum(kept.values()) > 0
