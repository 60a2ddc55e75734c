"""Write fixtures/check_durations.json from the report of a run.

    python -m benchmarks.record_durations reports/latest/report.json

Take a run of the profile `full` on a real server, on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean

from conformance.contract.verdicts import Verdict
from conformance.data import fixtures_dir
from conformance.report.record import load_report


def main() -> None:
    """Read the report that the command line names, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    report = load_report(parser.parse_args().report)
    found: dict[str, list[float]] = defaultdict(list)
    for check in report.checks:
        if check.verdict is not Verdict.NOT_RUN:
            found[check.id.partition("[")[0]].append(check.duration_s)
    server = f"{report.deployment.server_name} {report.deployment.server_version}"
    content = {
        "source": f"{server}, profile {report.run.profile}, {report.run.started_at[:10]}",
        "unit": "seconds a check, repetitions of failures included; the mean of its parameters",
        "seconds": {name: round(mean(each), 2) for name, each in sorted(found.items())},
    }
    file = fixtures_dir() / "check_durations.json"
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{len(found)} checks written to {file}")


if __name__ == "__main__":
    main()
