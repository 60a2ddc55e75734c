"""CTRF, the Common Test Report Format: one test for each check."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import Any

from conformance.contract.verdicts import Stability
from conformance.report.export.places import place_of
from conformance.report.record import Report
from conformance.report.run.cases import Case, Outcome, cases, explain_command
from conformance.report.run.wording import Requirements, server_name, verdict_meaning
from conformance.report.score import exit_status

_STATUSES = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    # Nothing is known of the promise: that is no failure of it.
    Outcome.ERROR: "other",
    Outcome.UNDECIDED: "other",
    Outcome.ACCEPTED: "skipped",
    Outcome.OPTIONAL: "skipped",
    Outcome.UNSUPPORTED: "skipped",
}


def ctrf_report(report: Report, requirements: Requirements) -> str:
    """Return a CTRF report as JSON text; the verdict of each check stands in `rawStatus`."""
    tests = [_test(each) for each in cases(report, requirements)]
    counts = Counter(each["status"] for each in tests)
    start = round(datetime.fromisoformat(report.run.started_at).timestamp() * 1000)
    duration = round(report.run.duration_s * 1000)
    statuses = ("passed", "failed", "skipped", "pending", "other")
    results = {
        "tool": {"name": "threads-conformance", "version": report.suite_version},
        "summary": {
            "tests": len(tests),
            **{status: counts[status] for status in statuses},
            "suites": len({test["suite"][0] for test in tests}),
            "start": start,
            "stop": start + duration,
            "extra": {
                "verdict": str(report.verdict),
                "meaning": verdict_meaning(report),
                "exitStatus": exit_status(report.verdict),
            },
        },
        "tests": tests,
        "environment": {
            "appName": report.deployment.server_name or "unknown server",
            "appVersion": report.deployment.server_version or "",
            "extra": {
                "deployment": report.deployment.url,
                "server": server_name(report),
                "profile": report.run.profile,
                "catalogueDigest": report.catalogue_digest,
            },
        },
    }
    whole = {
        "reportFormat": "CTRF",
        "specVersion": "0.0.0",
        "generatedBy": "threads-conformance",
        "results": results,
    }
    return json.dumps(whole, indent=2) + "\n"


def _test(case: Case) -> dict[str, Any]:
    place = place_of(case.check.id)
    told: dict[str, Any] = {}
    if case.summary:
        told["message"] = case.summary
    if case.evidence:
        told["trace"] = case.evidence
    if case.curl:
        told["stdout"] = case.curl.splitlines()
    if case.check.stability is Stability.FLAKY:
        told["flaky"] = True
    return {
        "name": case.name,
        "status": _STATUSES[case.outcome],
        "duration": round(case.check.duration_s * 1000),
        "suite": [case.check.capability],
        "rawStatus": str(case.check.verdict),
        "tags": list(dict.fromkeys([*case.ids, *([case.level] if case.level else [])])),
        "type": "contract",
        "filePath": place.path,
        "line": place.line,
        **told,
        "extra": {
            "requirements": list(case.ids),
            "level": case.level,
            "outcome": str(case.outcome),
            "client": case.check.client,
            "fingerprint": case.fingerprint,
            "explain": explain_command(case),
        },
    }
