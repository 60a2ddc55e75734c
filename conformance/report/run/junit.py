"""junit.xml for CI systems: one testsuite per capability, one testcase per check.

Only elements and attributes are written that the schema of Jenkins' xUnit plugin (junit-10.xsd)
knows, which is the narrowest of those in use. GitLab reads the text of an outcome and leaves out
its message, so that each text begins with the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from conformance.report.plain_text import printable
from conformance.report.record import Report
from conformance.report.run.cases import Case, Outcome, cases, explain_command
from conformance.report.run.wording import Requirements, server_name

_TAGS = {Outcome.FAILED: "failure", Outcome.ERROR: "error"}


def junit_report(report: Report, requirements: Requirements) -> str:
    """Return the text of junit.xml.

    The name of a testcase begins with the ids of its requirements. Failures that the baseline
    accepts are `skipped` with a message that says so, and so are checks that are blocked,
    unsupported or not run, and those of a MAY only. Messages and texts are equal in runs that found
    the same; the requests of one run are in `system-out`.
    """
    everything = cases(report, requirements)
    root = ET.Element("testsuites", {"name": "threads-conformance"})
    for capability in dict.fromkeys(case.check.capability for case in everything):
        own = [case for case in everything if case.check.capability == capability]
        root.append(_testsuite(capability, own, report))
    _set_counts(root, everything)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _testsuite(capability: str, own: Sequence[Case], report: Report) -> ET.Element:
    suite = ET.Element(
        "testsuite",
        {"name": printable(capability), "timestamp": printable(report.run.started_at)},
    )
    properties = ET.SubElement(suite, "properties")
    _add_property(properties, "deployment", f"{report.deployment.url} ({server_name(report)})")
    _add_property(properties, "profile", report.run.profile)
    for word, said in (
        ("interrupted", report.run.interrupted),
        ("given up", report.run.given_up),
        ("partial", report.run.partial),
    ):
        if said:
            _add_property(properties, "run", word)
    for case in own:
        suite.append(_testcase(case))
    _set_counts(suite, own)
    # The schema has no such attribute of all suites together.
    suite.set("skipped", str(sum(1 for _ in suite.iter("skipped"))))
    return suite


def _testcase(case: Case) -> ET.Element:
    made = ET.Element(
        "testcase",
        {
            "classname": printable(f"threads-conformance.{case.check.capability}"),
            "name": case.name,
            "time": _seconds(case.check.duration_s),
        },
    )
    if case.outcome is not Outcome.PASSED:
        tag = _TAGS.get(case.outcome, "skipped")
        outcome = ET.SubElement(made, tag, {"message": case.summary})
        if tag != "skipped":
            outcome.set("type", case.level or str(case.check.verdict))
        shown = [case.summary, case.evidence, f"more: {explain_command(case)}"]
        outcome.text = printable("\n".join(filter(None, shown)))
    ET.SubElement(made, "system-out").text = printable("\n".join(_details(case)))
    return made


def _details(case: Case) -> list[str]:
    """Return what a reader may want to know of a case beside its outcome."""
    lines = [f"requirement: {each.id} ({each.level})" for each in case.promises]
    lines.append(f"client: {case.check.client}")
    return [*lines, "reproduce:", case.curl] if case.curl else lines


def _set_counts(element: ET.Element, own: Sequence[Case]) -> None:
    element.set("tests", str(len(own)))
    for name, tag in (("failures", "failure"), ("errors", "error")):
        element.set(name, str(sum(1 for _ in element.iter(tag))))
    element.set("time", _seconds(sum(case.check.duration_s for case in own)))


def _add_property(parent: ET.Element, name: str, value: str) -> None:
    ET.SubElement(parent, "property", {"name": name, "value": printable(value)})


def _seconds(duration: float) -> str:
    return f"{duration:.3f}"
