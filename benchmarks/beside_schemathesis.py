"""Which faults this suite finds, and which Schemathesis finds, in one run.

    python benchmarks/beside_schemathesis.py [--profile full] [--out FILE]

Both look at the same server, the reference deployment, first healthy and then behind one
fault after the other; needs the command `schemathesis` 4.32 beside this Python.
Schemathesis gets the server's own OpenAPI document, all phases, `--max-examples 30`, a
fixed seed, and the thread operations without the streams. What a tool reports on the
healthy server is a false alarm; a fault is found if a tool reports anything else behind it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance.commands.serve import ServedProcess

HERE = Path(__file__).parent
SEED = "1"
EXAMPLES = "30"
LONGEST_S = 900
#: Maps a server's URL and an empty folder to what the tool reports and the number of requests.
Tool = Callable[[str, Path], tuple[frozenset[str], int]]


@dataclass(frozen=True)
class ToolResult:
    """What one tool reported about one server."""

    reported: frozenset[str]
    requests: int
    seconds: float


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--faults", type=Path, default=HERE / "faults.txt")
    options.add_argument("--profile", default="full", help="the checks of ours")
    options.add_argument("--out", type=Path, help="every figure, as JSON")
    chosen = options.parse_args()
    lines = chosen.faults.read_text(encoding="utf-8").splitlines()
    faults = [line for line in lines if line and not line.startswith("#")]
    ours = partial(conformance, profile=chosen.profile)
    tools: dict[str, Tool] = {"threads-conformance": ours, "schemathesis": schemathesis}
    healthy = {name: run_tool(tool) for name, tool in tools.items()}
    for name, seen in healthy.items():
        print(f"healthy  {name}: {len(seen.reported)} reported, {seen.seconds:.0f} s", flush=True)
    found: dict[str, dict[str, object]] = {}
    results: dict[str, list[ToolResult]] = {name: [] for name in tools}
    for fault in faults:
        found[fault] = {}
        for name, tool in tools.items():
            seen = run_tool(tool, "--fault", fault)
            results[name].append(seen)
            new = sorted(seen.reported - healthy[name].reported)
            found[fault][name] = new
            print(f"{fault}  {name}: {'found' if new else '-'}  {seen.seconds:.0f} s", flush=True)
    print(f"\n| tool | found of {len(faults)} | false alarms | requests | median s a fault |")
    print("|---|---|---|---|---|")
    for name in tools:
        hits = sum(bool(each[name]) for each in found.values())
        requests = round(statistics.median(each.requests for each in results[name]))
        seconds = statistics.median(each.seconds for each in results[name])
        alarms = len(healthy[name].reported)
        print(f"| {name} | {hits} | {alarms} | {requests} | {seconds:.0f} |")
    if chosen.out:
        told = {name: sorted(seen.reported) for name, seen in healthy.items()}
        figures = {
            name: [{**asdict(each), "reported": len(each.reported)} for each in seen]
            for name, seen in results.items()
        }
        data = {"healthy": told, "found": found, "figures": figures}
        chosen.out.write_text(json.dumps(data, indent=1), encoding="utf-8")


def run_tool(tool: Tool, *options: str) -> ToolResult:
    """Start a new server and return what the tool reports about it."""
    with ServedProcess(*options) as server, TemporaryDirectory() as folder:
        started = time.perf_counter()
        reported, requests = tool(server.url, Path(folder))
        return ToolResult(reported, requests, round(time.perf_counter() - started, 2))


def conformance(url: str, folder: Path, profile: str) -> tuple[frozenset[str], int]:
    """Return the requirements of MUST and SHOULD that fail, and the number of requests."""
    command = [sys.executable, "-m", "conformance", "run", "--url", url, "--profile", profile]
    _run([*command, "--report-dir", str(folder)])
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    failed = frozenset(
        each["id"]
        for each in report["requirements"]
        if each["verdict"] == "fail" and each["level"] != "MAY"
    )
    return failed, report["run"]["requests"]


def schemathesis(url: str, folder: Path) -> tuple[frozenset[str], int]:
    """Return the kinds of failure with their operations, and the number of generated test cases."""
    report = folder / "report.json"
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"]
    command += ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", EXAMPLES]
    command += ["--seed", SEED, "--generation-database", "none"]
    command += ["--include-path-regex", "^/threads", "--exclude-path-regex", "stream"]
    _run([*command, "--report", "json", "--report-json-path", str(report)])
    data = json.loads(report.read_text(encoding="utf-8"))
    failed = frozenset(
        f"{failure['type']} {operation}"
        for failure in data["failures"]
        for operation in failure["operations"]
    )
    return failed, data["test_cases"]["generated"]


def _run(command: list[str]) -> None:
    # The exit status is ignored: the reports say what failed.
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False, timeout=LONGEST_S)


if __name__ == "__main__":
    main()
