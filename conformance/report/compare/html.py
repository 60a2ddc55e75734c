"""A comparison as one self-contained HTML file."""

from __future__ import annotations

from conformance.report.compare.model import Kind, ReportComparison
from conformance.report.compare.wording import (
    MEANINGS,
    TITLES,
    compared_line,
    headline,
    load_title,
    only_lines,
    only_title,
    remarks,
    speed_line,
    speed_summary,
    subject,
    symptom_text,
    verdict_change,
    verdict_rows,
)
from conformance.report.run.html import page_template


def comparison_html(comparison: ReportComparison) -> str:
    """Return the text of the page."""
    return page_template("compare.html.j2").render(
        comparison=comparison,
        kinds=tuple(Kind),
        titles=TITLES,
        meanings=MEANINGS,
        headline=headline(comparison),
        subject=subject(comparison),
        compared=compared_line(comparison),
        rows=verdict_rows(comparison),
        speed=speed_summary(comparison.speed),
        speed_summary=speed_summary,
        load_title=load_title,
        verdict_change=verdict_change,
        remarks=remarks,
        symptom_text=symptom_text,
        only_lines=only_lines,
        only_title=only_title,
        speed_line=speed_line,
    )
