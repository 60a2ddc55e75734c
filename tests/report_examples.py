"""Reports made by hand that show every part of each format in which reports are written."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TypedDict, Unpack

from conformance.contract.catalogue import Requirement
from conformance.contract.causes import Cause, fingerprint
from conformance.contract.verdicts import Stability, Verdict
from conformance.deployment.record.exchange import Exchange
from conformance.report.baseline.acceptance import Accepts, with_accepted
from conformance.report.record import (
    CheckResult,
    Cleanup,
    Deployment,
    Failure,
    OperationTiming,
    Report,
    RequirementResult,
    RunInfo,
)
from conformance.report.score import requirement_results, run_verdict, totals
from conformance.safe_text import masked

#: Capabilities of `large_report`.
CAPABILITIES = ("ALPHA", "BETA", "GAMMA", "DELTA", "ETA", "IOTA", "KAPPA", "SIGMA", "TAU", "ZETA")
URL = "http://127.0.0.1:2024"
THREAD = "3f0c5f6e-8a54-4a52-9a35-0d7a3f1c2b11"


def requirement(
    id_: str, title: str, level: str = "MUST", profile: str = "documented", **more: str
) -> Requirement:
    return Requirement(
        id=id_,
        title=title,
        statement=f"A deployment {level} see to it: {title[0].lower()}{title[1:]}.",
        level=level,
        profile=profile,
        capability=id_.rpartition("-")[0].lower(),
        sources=("003_a519280589421030.txt: Copy thread",),
        **more,
    )


REQUIREMENTS = {
    each.id: each
    for each in (
        requirement("CREATE-01", "An empty body makes a thread"),
        requirement("CREATE-02", "Metadata comes back as sent"),
        requirement("CREATE-03", "Integers beyond 2^53 come back as sent", "SHOULD"),
        requirement("COPY-01", "A copy has an id of its own"),
        requirement("COPY-03", "A copy has the whole history"),
        requirement("COPY-04", "An empty thread can be copied"),
        requirement("COPY-05", "A copy of a copy has the whole history"),
        requirement(
            "COPY-09",
            "The documented recipe finds no difference",
            "MAY",
            disputed="The recipe masks only metadata.thread_id.",
        ),
        requirement("SEARCH-01", "A thread is found by its metadata"),
        requirement("SEARCH-02", "No match gives an empty list"),
        requirement("PRUNE-01", "Prune removes old checkpoints", profile="extended"),
    )
}


class ExchangeParts(TypedDict, total=False):
    """Members of the example exchange that a test may change."""

    operation: str
    method: str
    url: str
    request_headers: tuple[tuple[str, str], ...]
    request_body: str | None
    started_at: str
    elapsed_ms: float
    status: int | None
    response_headers: tuple[tuple[str, str], ...]
    response_body: str | None
    error: str | None
    http_version: str


class FailureParts(TypedDict, total=False):
    expected: str
    actual: str
    diff: tuple[str, ...]
    fingerprint: str
    curl: str


class CheckParts(TypedDict, total=False):
    stability: Stability
    client: str
    reason: str
    failure: Failure | None
    blocked_by: tuple[Cause, ...]
    given_up: bool
    requests: int


def exchange(check: str = "test_copy.py::test_copy", **changed: Unpack[ExchangeParts]) -> Exchange:
    usual = Exchange(
        check=check,
        operation="copy",
        method="POST",
        url=f"{URL}/threads/{THREAD}/copy",
        request_headers=(("content-type", "application/json"), ("x-api-key", "[redacted]")),
        request_body=None,
        started_at="2026-11-21T10:48:31.509533+00:00",
        elapsed_ms=3.25,
        status=200,
        response_headers=(("content-type", "application/json"),),
        response_body='{"thread_id": "9c2b6a1e-53f1-4d56-8c7e-61c1b0a9d7aa", "values": {}}',
    )
    return replace(usual, **changed)


def failure(message: str, *exchanges: Exchange, **changed: Unpack[FailureParts]) -> Failure:
    made = exchanges or (exchange(),)
    usual = Failure(
        message=message,
        expected="4 states, as the source has",
        actual="3 states",
        diff=("$[3]: removed, was {'values': {'messages': []}, 'next': ['__start__']}",),
        fingerprint=fingerprint("history", masked(message)),
        curl=made[-1].curl(),
        exchanges=tuple(each.summary() for each in made),
    )
    return replace(usual, **changed)


def check(
    name: str,
    requirements: str | tuple[str, ...],
    verdict: str = "pass",
    **more: Unpack[CheckParts],
) -> CheckResult:
    ids = (requirements,) if isinstance(requirements, str) else requirements
    capability = ids[0].rpartition("-")[0].lower()
    return CheckResult(
        id=f"test_{capability}.py::{name}",
        requirements=ids,
        verdict=Verdict(verdict),
        capability=capability,
        duration_s=0.125,
        **more,
    )


FORGETS = "the copy has 3 states, its source has 4"
CHECKS = (
    check("test_empty_body", "CREATE-01"),
    check("test_metadata", "CREATE-02"),
    check(
        "test_large_integers",
        "CREATE-03",
        "fail",
        stability=Stability.FLAKY,
        failure=failure(
            "an integer came back changed",
            exchange(
                operation="create",
                url=f"{URL}/threads",
                request_body='{"metadata": {"n": 9007199254740993}}',
            ),
            expected="9007199254740993",
            actual="9007199254740992",
            diff=("$.metadata.n: 9007199254740993 became 9007199254740992",),
        ),
    ),
    check("test_own_id", "COPY-01"),
    check("test_history", "COPY-03", "fail", failure=failure(FORGETS)),
    check("test_history[python-sdk]", "COPY-03", "fail", failure=failure(FORGETS)),
    check(
        "test_copy_of_a_copy",
        "COPY-05",
        "fail",
        failure=failure("the copy has 7 states, its source has 9"),
    ),
    check(
        "test_empty_thread",
        "COPY-04",
        "fail",
        failure=failure(
            "copying an empty thread is answered with 500",
            exchange(status=500, response_body='{"detail": "[/bold]<script>alert(1)</script>"}'),
            expected="200 and a thread",
            actual='500 {"detail": "[/bold]<script>alert(1)</script>"}',
            diff=(),
        ),
    ),
    check("test_recipe", "COPY-09", "fail", failure=failure("the recipe finds a difference")),
    check("test_by_metadata", "SEARCH-01", "error", reason=f"{URL} closed the connection"),
    check(
        "test_no_match",
        "SEARCH-02",
        "blocked",
        reason="SEARCH-01 was not decided",
        blocked_by=(Cause.broken("SEARCH-01"),),
    ),
    check("test_prune", "PRUNE-01", "unsupported", reason="POST /threads/prune answers 404"),
)


def checks_of(checks: Iterable[CheckResult]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in checks:
        for id_ in each.requirements:
            found.setdefault(id_, []).append(each.id)
    return found


def accepting(ids: Collection[str]) -> Accepts:
    """Return a function that accepts every failure of these requirements."""
    return lambda result, found: result.id in ids and found.verdict is Verdict.FAIL


def report_of(
    checks: Iterable[CheckResult],
    requirements: Iterable[Requirement] = tuple(REQUIREMENTS.values()),
    baselined: frozenset[str] = frozenset(),
    cleanup: Cleanup | None = None,
    partial: bool = False,
) -> Report:
    everything = tuple(checks)
    results: tuple[RequirementResult, ...] = requirement_results(
        everything, requirements, checks_of(everything)
    )
    results = with_accepted(results, everything, accepting(baselined))
    return Report(
        suite_version="0.1.0",
        catalogue_digest="sha256:0f1e2d",
        deployment=Deployment(URL, "langgraph-api", "0.16.7", "agent"),
        run=RunInfo(
            id="5a0e9a4e-0f0a-4b3c-9d51-2f2a8e1c9b77",
            started_at="2026-11-21T10:48:31+00:00",
            duration_s=41.52,
            seed=20241121,
            profile="extended",
            effort="standard",
            requests=1834,
            partial=partial,
        ),
        verdict=run_verdict(results),
        totals=totals(results),
        cleanup=cleanup or Cleanup(412, 412),
        operations={"copy": OperationTiming(96, 3.1, 9.75), "create": OperationTiming(400, 1.2, 4)},
        requirements=results,
        checks=everything,
    )


RICH = report_of(CHECKS, cleanup=Cleanup(412, 411, (THREAD,)))
#: RICH, with the times of two processes.
TIMED = replace(
    RICH,
    timings={
        "main": {"starting": 1.0, "server": 0.0, "waiting": 6.0, "clean-up": 1.25},
        "gw0": {"starting": 1.0, "server": 2.5, "waiting": 0.25, "clean-up": 0.0},
    },
)
"""Failures of every level, an error, a block, an operation that is missing, a thread left."""

CONFORMANT = report_of(
    [check(f"test_{id_.lower().replace('-', '_')}", id_) for id_ in REQUIREMENTS]
)
"""Every requirement passed."""


def large_report() -> tuple[Report, dict[str, Requirement]]:
    """Return a report of 500 requirements, each broken in 10 exchanges, with long answers."""
    names = [f"{word}-{number:02}" for word in CAPABILITIES for number in range(1, 51)]
    known = {each: requirement(each, f"Promise {each} of many") for each in names}
    states = [
        {"values": {"messages": [{"type": "human", "content": f"<{each}> & more", "id": THREAD}]}}
        for each in range(60)
    ]
    long = json.dumps(states)
    sent = [
        exchange(request_body=long[:3_000], response_body=long, elapsed_ms=1.0 + each)
        for each in range(10)
    ]
    checks = [
        check(
            f"test_{each}",
            each,
            "fail",
            failure=failure(
                f"{each} is broken",
                *sent,
                expected=f"values to be {long[:2_000]}",
                actual=long[:2_000],
                diff=("$[3].values.messages[0].id: expected 1, got 2",),
                fingerprint=each,
            ),
        )
        for each in names
    ]
    return report_of(checks, known.values()), known
