"""Reports of several servers and versions, for tests of the board."""

from __future__ import annotations

import dataclasses
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from conformance.report.record import CheckResult, Report
from tests.report_examples import REQUIREMENTS, check, failure, report_of

FORGETS = failure("the copy has 3 states", expected="4 states", actual="3 states")
SOME = [REQUIREMENTS[each] for each in ("CREATE-01", "COPY-03", "COPY-05", "PRUNE-01")]


def of(
    version: str | None, *checks: CheckResult, name: str | None = "langgraph-api", **run: Any
) -> Report:
    """The report of a server; checks that are not given pass."""
    given = {each.requirements[0] for each in checks}
    passed = [check(f"test_{e.id}", e.id) for e in SOME if e.id not in given]
    made = report_of([*checks, *passed], SOME, partial=run.pop("partial", False))
    run_id = run.pop("id", str(uuid5(NAMESPACE_URL, f"{name} {version} {sorted(run.items())}")))
    return dataclasses.replace(
        made,
        deployment=dataclasses.replace(made.deployment, server_name=name, server_version=version),
        run=dataclasses.replace(made.run, id=run_id, **run),
    )


def forgets(**more: Any) -> CheckResult:
    return check("test_COPY-03", "COPY-03", "fail", **{"failure": FORGETS, **more})


UNSUPPORTED = check("test_PRUNE-01", "PRUNE-01", "unsupported", reason="POST /prune answers 404")
BLOCKED = check("test_COPY-05", "COPY-05", "blocked", reason="COPY-03 failed")
THREE = (
    of("0.9.0", forgets(), BLOCKED),
    of("0.10.0", UNSUPPORTED),
    of("0.6.0", forgets(), UNSUPPORTED, name="aegra"),
)
