"""How long a run takes when the deployment is far away: 100 ms are added to every round trip.

    python -m benchmarks.distance                     the reference, both profiles, -n auto
    python -m benchmarks.distance --workers 0 8 auto  the same with several numbers of workers
    python -m benchmarks.distance --url URL           a deployment of yours

The deployment is asked through `delay_proxy.py`. Each row tells the wall time of the whole
command, the CPU time of its processes (without the deployment's and the proxy's), and the longest
check; `same verdicts` compares the requirements with the
first row of the same profile.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.delay_proxy import delay_proxy
from conformance.reference.process import ReferenceProcess

PROFILES = ("documented", "extended")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--url", help="the deployment; without it, the embedded reference")
    options.add_argument("--profile", nargs="+", choices=(*PROFILES, "full"), default=PROFILES)
    options.add_argument("--workers", nargs="+", default=("auto",), metavar="N|auto")
    options.add_argument("--round-trip", type=float, default=0.1, metavar="SECONDS")
    options.add_argument("--report-dir", type=Path, help="keep the reports, by profile and workers")
    chosen = options.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, +{chosen.round_trip:g} s")
    print("profile     workers  wall s  CPU s  requests  check s  longest check")
    with ExitStack() as stack:
        folder = chosen.report_dir or Path(stack.enter_context(TemporaryDirectory()))
        url = httpx.URL(chosen.url or stack.enter_context(ReferenceProcess()).url)
        near = f"{url.host}:{url.port or 80}"
        far = stack.enter_context(delay_proxy(near, chosen.round_trip))
        for profile in chosen.profile:
            first: dict[str, str] = {}
            for workers in chosen.workers:
                report_dir = folder / f"{profile}-{workers}"
                address = str(
                    url.copy_with(host=far.partition(":")[0], port=int(far.split(":")[1]))
                )
                wall_s, cpu_s, report = run(address, profile, workers, report_dir)
                verdicts = {each["id"]: each["verdict"] for each in report["requirements"]}
                first = first or verdicts
                print(
                    row(profile, workers, wall_s, cpu_s, report),
                    compared(first, verdicts),
                    flush=True,
                )


def run(url: str, profile: str, workers: str, folder: Path) -> tuple[float, float, dict[str, Any]]:
    """Run the whole command; return its wall and CPU time in seconds, and its report."""
    command = [sys.executable, "-m", "conformance", "run", "--url", url, "--disposable"]
    options = ["--profile", profile, "-n", workers, "--report-dir", str(folder)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run([*command, *options], stdout=subprocess.DEVNULL, check=False)
    wall_s = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall_s, cpu_s, json.loads((folder / "report.json").read_text())


def row(profile: str, workers: str, wall_s: float, cpu_s: float, report: dict[str, Any]) -> str:
    """Return one line of the table."""
    checks = report["checks"]
    longest = max(checks, key=lambda each: each["duration_s"])
    left = len(report["cleanup"]["left"])
    return (
        f"{profile:10}  {workers:>7}  {wall_s:6.1f}  {cpu_s:5.1f}  {report['run']['requests']:8}  "
        f"{sum(each['duration_s'] for each in checks):7.1f}  "
        f"{longest['duration_s']:.1f} s {longest['id']}; {report['verdict']}, {left} left"
    )


def compared(first: dict[str, str], verdicts: dict[str, str]) -> str:
    """Return how the verdicts differ from those of the first row."""
    differ = sorted(each for each in first | verdicts if first.get(each) != verdicts.get(each))
    return "; same verdicts" if not differ else f"; other verdicts: {', '.join(differ)}"


if __name__ == "__main__":
    main()
