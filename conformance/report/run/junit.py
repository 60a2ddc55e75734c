"""junit.xml for CI systems: one testsuite per capability, one testcase per check."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from conformance.contract.catalogue import LEVELS
from conformance.contract.verdicts import Verdict
from conformance.report.plain_text import cut, one_line, printable
from conformance.report.record import CheckResult, Report
from conformance.report.run.wording import (
    WORDS,
    Requirements,
    promises,
    server_name,
    stability_note,
)

_TAGS = {Verdict.FAIL: "failure", Verdict.ERROR: "error"}
_TEXT_LIMIT = 20_000


def junit_report(report: Report, requirements: Requirements) -> str:
    """Return the text of junit.xml.

    Failures that the baseline accepts are `skipped` with a message that says so, and so
    are checks that are blocked, unsupported or not run, and those of a MAY only.
    """
    cases = (*report.checks, *_missing_results(report))
    accepted = {result.id for result in report.requirements if result.baselined}
    root = ET.Element("testsuites", {"name": "threads-conformance"})
    for capability in dict.fromkeys(check.capability for check in cases):
        suite = ET.SubElement(
            root,
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
        own = [check for check in cases if check.capability == capability]
        for check in own:
            suite.append(_testcase(check, report, requirements, accepted))
        _set_counts(suite, own)
    _set_counts(root, cases)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _testcase(
    check: CheckResult, report: Report, requirements: Requirements, accepted: set[str]
) -> ET.Element:
    case = ET.Element(
        "testcase",
        {
            "classname": printable(f"threads-conformance.{check.capability}"),
            "name": printable(check.id),
            "time": _seconds(check.duration_s),
        },
    )
    decided = promises(check.requirements, report, requirements)
    properties = ET.SubElement(case, "properties")
    for promise in decided:
        _add_property(properties, "requirement", promise.id)
        _add_property(properties, "level", promise.level)
    _add_property(properties, "client", check.client)
    if note := stability_note(check):
        _add_property(properties, "stability", note)
    if check.verdict is Verdict.PASS:
        return case

    said = check.reason or (check.failure.message if check.failure else "")
    summary = cut(one_line(said), 500) or WORDS[check.verdict]
    levels = [promise.level for promise in decided if promise.level in LEVELS]
    tag = _TAGS.get(check.verdict, "skipped")
    if levels and set(levels) == {LEVELS[-1]}:
        tag, summary = "skipped", f"optional or disputed (MAY), {WORDS[check.verdict]}: {summary}"
    elif tag == "skipped":
        summary = f"{WORDS[check.verdict]}: {summary}"
    elif tag == "failure" and check.requirements and accepted.issuperset(check.requirements):
        tag, summary = "skipped", f"accepted by the baseline: {summary}"
    outcome = ET.SubElement(case, tag, {"message": summary})
    if tag != "skipped":
        outcome.set("type", min(levels, key=LEVELS.index, default=str(check.verdict)))
    if check.failure:
        outcome.text = printable(cut(_evidence_text(check, report, requirements), _TEXT_LIMIT))
    return case


def _evidence_text(check: CheckResult, report: Report, requirements: Requirements) -> str:
    assert check.failure
    decided = promises(check.requirements, report, requirements)
    lines = [f"promise: {promise.id}: {promise.statement}" for promise in decided]
    lines += [f"expected: {check.failure.expected}", f"actual: {check.failure.actual}"]
    lines += [f"difference: {line}" for line in check.failure.diff]
    lines += [f"curl: {check.failure.curl}"] if check.failure.curl else []
    lines += [f"source: {source}" for promise in decided for source in promise.sources]
    return "\n".join(lines)


_NO_RESULT = "the check gave no result"


def _missing_results(report: Report) -> tuple[CheckResult, ...]:
    """Return a `not_run` result for each selected check that has no result."""
    known = {check.id for check in report.checks}
    lost: dict[str, CheckResult] = {}
    for result in report.requirements:
        for check_id in result.checks or (result.id,):
            if check_id in known:
                continue
            earlier = lost[check_id].requirements if check_id in lost else ()
            lost[check_id] = CheckResult(
                id=check_id,
                requirements=(*earlier, result.id),
                verdict=Verdict.NOT_RUN,
                capability=result.capability,
                reason=(
                    "the run was interrupted before this check"
                    if report.run.interrupted
                    else _NO_RESULT
                ),
            )
    return tuple(lost.values())


def _set_counts(element: ET.Element, checks: Iterable[CheckResult]) -> None:
    element.set("tests", str(sum(1 for _ in element.iter("testcase"))))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(name, str(sum(1 for _ in element.iter(tag))))
    element.set("time", _seconds(sum(check.duration_s for check in checks)))


def _add_property(parent: ET.Element, name: str, value: str) -> None:
    ET.SubElement(parent, "property", {"name": name, "value": printable(value)})


def _seconds(duration: float) -> str:
    return f"{duration:.3f}"
