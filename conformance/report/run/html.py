"""report.html: one self-contained file, made from `templates/report.html.j2`."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from conformance.contract.catalogue import LEVELS
from conformance.contract.verdicts import Verdict
from conformance.report.plain_text import counted, cut, printable
from conformance.report.record import Report
from conformance.report.run.grouping import failure_groups, undecided_groups, unmet_optional_groups
from conformance.report.run.load import EXPLAINED, HEADER, load_line, load_rows
from conformance.report.run.wording import (
    WORDS,
    Requirements,
    capability_rows,
    cleanup_line,
    promises,
    server_name,
    stability_note,
    time_caption,
    time_rows,
    verdict_meaning,
    verdict_words,
)
from conformance.report.schema.model import KINDS, SchemaComparison

_VALUE_LIMIT = 8_000
#: Signs of verdicts, so that colour is never the only difference.
SIGNS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.ERROR: "!",
    Verdict.BLOCKED: "⊘",
    Verdict.NOT_RUN: "○",
    Verdict.UNSUPPORTED: "–",
}


def html_report(
    report: Report, requirements: Requirements, comparison: SchemaComparison | None = None
) -> str:
    """Return the text of report.html."""
    found = failure_groups(report)
    causes: dict[str, int] = {}
    for number, group in enumerate(found, start=1):
        for each in group.requirements:
            causes.setdefault(each, number)
    failures = []
    for group in found:
        decided = promises(group.requirements, report, requirements)
        failures.append(
            {
                "group": group,
                "promises": decided,
                "sources": tuple(dict.fromkeys(each for one in decided for each in one.sources)),
                "check": group.checks[0],
                "note": stability_note(group.checks[0]),
            }
        )
    return page_template("report.html.j2").render(
        report=report,
        levels=LEVELS,
        verdicts=tuple(WORDS),
        words=WORDS,
        signs=SIGNS,
        verdict_words=verdict_words(report),
        meaning=verdict_meaning(report),
        server=server_name(report),
        capabilities=capability_rows(report),
        failures=failures,
        optional=[
            promise
            for group in unmet_optional_groups(report)
            for promise in promises(group.requirements, report, requirements)
        ],
        causes=causes,
        undecided=undecided_groups(report),
        cleanup=cleanup_line(report),
        times=time_rows(report),
        time_caption=time_caption(report),
        comparison=comparison,
        load_line=load_line,
        load_header=HEADER,
        load_rows=load_rows,
        load_explained=EXPLAINED,
        kinds=KINDS,
    )


@cache
def page_template(name: str) -> Template:
    """Load a template of `templates/`; all values that are put into it are escaped."""
    environment = Environment(
        loader=PackageLoader("conformance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable_value,
    )
    environment.filters |= {"shorten": _shorten, "counted": counted}
    return environment.get_template(name)


def _printable_value(value: Any) -> Any:
    # Every value of a template passes here. Only `str` itself is changed: jinja2 marks
    # safe text by a subclass, which must be kept.
    return printable(value) if type(value) is str else value


def _shorten(text: str) -> str:
    return cut(text, _VALUE_LIMIT)
