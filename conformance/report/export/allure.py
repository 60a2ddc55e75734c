"""Allure results: one file for each check, and what it sent as an attachment.

The id of a result is made of the run and the check, so that writing a report twice gives the same
files; `historyId` is made of the check alone, so that Allure follows it from run to run.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from hashlib import md5
from typing import Any

from conformance.contract.quotations import cited
from conformance.contract.verdicts import Stability
from conformance.report.record import Report
from conformance.report.run.cases import Case, Outcome, cases, explain_command
from conformance.report.run.wording import Requirements, server_name

_NAMESPACE = uuid.UUID("6f1d3b0e-5c1a-4a52-8c0e-3b8f4f6f6a10")
_STATUSES = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.ERROR: "broken",
    Outcome.UNDECIDED: "skipped",
    Outcome.ACCEPTED: "skipped",
    Outcome.OPTIONAL: "skipped",
    Outcome.UNSUPPORTED: "skipped",
}
_SEVERITIES = {"MUST": "critical", "SHOULD": "normal", "MAY": "trivial"}
#: What Allure groups: by the beginning of the messages of `cases`.
_CATEGORIES = (
    ("Promises that are broken", ["failed"], ".*"),
    ("The way or the suite was in trouble", ["broken"], ".*"),
    ("Accepted by the baseline", ["skipped"], "accepted by the baseline: .*"),
    ("Optional or disputed (MAY)", ["skipped"], "optional or disputed .*"),
    ("Blocked", ["skipped"], "blocked: .*"),
    ("Unsupported", ["skipped"], "unsupported: .*"),
    ("Not run", ["skipped"], "not run: .*"),
)


def allure_files(report: Report, requirements: Requirements) -> dict[str, str]:
    """Return the files of a folder `allure-results`, by name."""
    files = {
        "categories.json": _json(
            [
                {"name": name, "matchedStatuses": statuses, "messageRegex": f"(?s){regex}"}
                for name, statuses, regex in _CATEGORIES
            ]
        ),
        "environment.properties": _environment(report),
    }
    start = round(datetime.fromisoformat(report.run.started_at).timestamp() * 1000)
    for case in cases(report, requirements):
        name = str(uuid.uuid5(_NAMESPACE, f"{report.run.id} {case.check.id}"))
        attachments = []
        if case.curl:
            files[f"{name}-attachment.sh"] = f"{case.curl}\n"
            attachments.append(
                {
                    "name": "the requests, by curl",
                    "source": f"{name}-attachment.sh",
                    "type": "text/plain",
                }
            )
        links = _links(case, requirements)
        files[f"{name}-result.json"] = _json(_result(case, name, start, attachments, links))
    return files


def _result(
    case: Case,
    name: str,
    start: int,
    attachments: list[dict[str, str]],
    links: list[dict[str, str]],
) -> dict[str, Any]:
    history = md5(case.check.id.encode("utf-8", "backslashreplace"), usedforsecurity=False)
    labels = [
        ("framework", "threads-conformance"),
        ("language", "python"),
        ("suite", case.check.capability),
        ("feature", case.check.capability),
        *(("story", each) for each in case.ids),
        *(("tag", each) for each in (case.level, case.check.client) if each),
    ]
    labels += [("severity", _SEVERITIES[case.level])] if case.level in _SEVERITIES else []
    details = {
        "message": case.summary,
        "trace": f"{case.evidence}\nmore: {explain_command(case)}".strip(),
        "known": case.outcome is Outcome.ACCEPTED,
        "flaky": case.check.stability is Stability.FLAKY,
    }
    return {
        "uuid": name,
        "historyId": history.hexdigest(),
        "testCaseId": history.hexdigest(),
        "fullName": case.check.id,
        "titlePath": [case.check.capability],
        "name": case.name,
        "description": "\n".join(
            [
                *(f"**{each.id}** {each.statement}" for each in case.promises),
                *(f"- {source}" for each in case.promises for source in each.sources),
            ]
        ),
        "status": _STATUSES[case.outcome],
        "statusDetails": details if case.summary else {},
        "stage": "finished",
        "start": start,
        "stop": start + round(case.check.duration_s * 1000),
        "labels": [{"name": label, "value": value} for label, value in labels],
        "links": links,
        "attachments": attachments,
    }


def _links(case: Case, requirements: Requirements) -> list[dict[str, str]]:
    """Return the public pages of the sources of a case, each once."""
    titles = {
        source.url: source.title
        for id_ in case.ids
        if id_ in requirements
        for source in cited(requirements[id_])
        if source.url
    }
    return [{"type": "link", "name": title, "url": url} for url, title in titles.items()]


def _environment(report: Report) -> str:
    rows = {
        "deployment": report.deployment.url,
        "server": server_name(report),
        "profile": report.run.profile,
        "effort": report.run.effort,
        "verdict": str(report.verdict),
        "threads-conformance": report.suite_version,
    }
    return "".join(f"{key}={' '.join(value.split())}\n" for key, value in rows.items())


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
