"""SARIF 2.1.0: what a code scanning view shows, one result for each broken promise of a check.

A rule is a requirement. Failed checks are results, those of a MAY as notes; what the baseline
accepts is suppressed. What is undecided is no result: it is told as notifications of the run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.contract.quotations import Cited, cited
from conformance.contract.verdicts import Verdict
from conformance.report.export.places import place_of
from conformance.report.record import Report
from conformance.report.run.cases import Case, Outcome, cases, explain_command
from conformance.report.run.wording import Promise, Requirements, server_name, verdict_meaning
from conformance.report.score import exit_status

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {"MUST": "error", "SHOULD": "warning", "MAY": "note"}


def sarif_report(report: Report, requirements: Requirements) -> str:
    """Return a SARIF log of one run as JSON text."""
    everything = cases(report, requirements)
    broken = [each for each in everything if each.check.verdict is Verdict.FAIL]
    rules = {promise.id: promise for case in broken for promise in case.promises}
    order = {each: number for number, each in enumerate(rules)}
    started, ended = _times(report)
    run = {
        "tool": {
            "driver": {
                "name": "threads-conformance",
                "fullName": f"threads-conformance {report.suite_version}",
                "version": report.suite_version,
                "rules": [_rule(each, requirements) for each in rules.values()],
            }
        },
        "automationDetails": {"id": f"threads-conformance/{report.run.profile}/"},
        "invocations": [
            {
                "executionSuccessful": not (report.run.interrupted or report.run.given_up),
                "exitCode": exit_status(report.verdict),
                "exitCodeDescription": verdict_meaning(report),
                "startTimeUtc": started,
                "endTimeUtc": ended,
                "toolExecutionNotifications": list(_notifications(everything)),
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(case, promise, order[promise.id])
            for case in broken
            for promise in case.promises
        ],
        "properties": {
            "deployment": report.deployment.url,
            "server": server_name(report),
            "profile": report.run.profile,
            "verdict": str(report.verdict),
            "catalogueDigest": report.catalogue_digest,
        },
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(promise: Promise, requirements: Requirements) -> dict[str, Any]:
    known = requirements.get(promise.id)
    sources = cited(known) if known else ()
    # Without the words to be marked there, whose escapes not every reader takes for a URI.
    pages = [each.url.partition("#")[0] for each in sources if each.url]
    said = [promise.statement, *(f"Source: {each}" for each in promise.sources)]
    said += [f"Disputed: {promise.disputed}"] if promise.disputed else []
    title = known.title if known else promise.statement
    return {
        "id": promise.id,
        # A name is to be written as one word.
        "name": re.sub(r"[^A-Za-z0-9]", "", title.title()) or promise.id,
        "shortDescription": {"text": title},
        "fullDescription": {"text": promise.statement},
        "help": {"text": "\n".join(said), "markdown": "\n".join([*said[:1], *_links(sources)])},
        **({"helpUri": pages[0]} if pages else {}),
        "defaultConfiguration": {"level": _LEVELS.get(promise.level, "warning")},
        "properties": {
            "tags": [promise.level or "unknown", *([known.capability] if known else [])],
            "precision": "very-high",
            "problem.severity": _SEVERITIES.get(promise.level, "warning"),
        },
    }


def _links(sources: Iterable[Cited]) -> Iterable[str]:
    """Yield a line of Markdown for each source: its public page, and its own words."""
    for each in sources:
        said = f'"{each.words}"' if each.words else "; ".join(each.facts)
        yield f"- [{each.title}]({each.url}) {said}" if each.url else f"- {each.title} {said}"


#: The words of code scanning on GitHub.
_SEVERITIES = {"MUST": "error", "SHOULD": "warning", "MAY": "recommendation"}


def _result(case: Case, promise: Promise, rule_index: int) -> dict[str, Any]:
    place = _place(case)
    text = f"{promise.id}: {promise.statement}\n{case.summary}"
    accepted = case.outcome is Outcome.ACCEPTED
    return {
        "ruleId": promise.id,
        "ruleIndex": rule_index,
        "kind": "fail",
        "level": _LEVELS.get(promise.level, "warning"),
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": place,
                "logicalLocations": [
                    {"fullyQualifiedName": case.check.id, "kind": "function"},
                ],
            }
        ],
        # An alert is the same as long as the same check breaks the same promise.
        "partialFingerprints": {
            "primaryLocationLineHash": f"{_digest(promise.id, case.check.id)}:1",
            "symptom/v1": case.fingerprint,
        },
        "suppressions": (
            [{"kind": "external", "status": "accepted", "justification": "in the baseline"}]
            if accepted
            else []
        ),
        "properties": {
            "check": case.check.id,
            "client": case.check.client,
            "stability": str(case.check.stability),
            "explain": explain_command(case),
            "curl": case.curl,
        },
    }


def _place(case: Case) -> dict[str, Any]:
    place = place_of(case.check.id)
    return {"artifactLocation": {"uri": place.path}, "region": {"startLine": place.line}}


def _notifications(everything: Iterable[Case]) -> Iterable[dict[str, Any]]:
    """Yield one notification for each reason why promises are undecided."""
    by_reason: dict[str, dict[str, None]] = {}
    for case in everything:
        if case.outcome in (Outcome.UNDECIDED, Outcome.ERROR):
            by_reason.setdefault(case.summary, {}).update(dict.fromkeys(case.ids))
    for reason, ids in by_reason.items():
        yield {"level": "warning", "message": {"text": f"{', '.join(ids)}: {reason}"}}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _times(report: Report) -> tuple[str, str]:
    """Return when the run began and ended, as SARIF writes times: in UTC, with `Z`."""
    started = datetime.fromisoformat(report.run.started_at).astimezone(UTC)
    ended = started + timedelta(seconds=report.run.duration_s)
    return _as_utc(started), _as_utc(ended)


def _as_utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
