"""How many requests each requirement takes, compared with what it took before.

    python -m benchmarks.requests_per_requirement                  the embedded reference, full
    python -m benchmarks.requests_per_requirement reports/latest   a report that there is
    python -m benchmarks.requests_per_requirement --write          keep its figures

Prints the requirements that take more requests than `requests_per_requirement.json` says, beyond a
tolerance for what is asked again until it is visible. Exit status 1 if there are any.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance.report.record import Report, load_report

FIGURES = Path(__file__).with_suffix(".json")
#: A requirement may take this share more, and this many requests more.
SHARE, REQUESTS = 0.1, 3


def requests_of(report: Report) -> dict[str, int]:
    """Return the number of requests of each requirement of a report, by its id."""
    return {each.id: each.requests for each in sorted(report.requirements, key=lambda one: one.id)}


def grown(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Return the requirements that take noticeably more requests than before, with both figures.

    One that was not known before is none of them.
    """
    return {
        each: (before[each], number)
        for each, number in now.items()
        if each in before and number > before[each] * (1 + SHARE) + REQUESTS
    }


def main() -> int:
    """Compare a report with the figures that are kept; return the exit status."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("report", nargs="?", type=Path, help="without it, a run is made")
    options.add_argument("--write", action="store_true", help="keep the figures")
    chosen = options.parse_args()
    now = requests_of(load_report(chosen.report) if chosen.report else _run())
    if chosen.write:
        FIGURES.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
        print(f"{sum(now.values())} requests of {len(now)} requirements written to {FIGURES}")
        return 0
    before: dict[str, int] = json.loads(FIGURES.read_text(encoding="utf-8"))
    more = grown(before, now)
    for each, (few, many) in more.items():
        print(f"{each}: {many} requests, {few} before")
    known = before.keys() & now.keys()
    print(
        f"{len(known)} requirements: {sum(now[each] for each in known)} requests, "
        f"{sum(before[each] for each in known)} before; {len(more)} take more"
    )
    return 1 if more else 0


def _run() -> Report:
    """Return the report of a run of the profile full on the embedded reference."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "conformance", "run", "--profile", "full", "-n", "2"]
        subprocess.run([*command, "--report-dir", folder], check=True)
        return load_report(Path(folder))


if __name__ == "__main__":
    sys.exit(main())
