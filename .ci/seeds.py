"""Check the faultless reference again and again, each time with another seed.

    python .ci/seeds.py [--seeds 20] [--profile full] [-n 2]

Exit status: 0 if every MUST and SHOULD passed every time and nothing was flaky, else 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
#: Requirements that several processes do not judge, since it would disturb concurrent checks.
NOT_RUN_IN_PARALLEL = (("CANCEL-19", "not_run"),)


def main() -> int:
    """Run the suite once for each seed; return the exit status."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--profile", default="full")
    options.add_argument("-n", dest="workers", default="2")
    chosen = options.parse_args()
    wrong = 0
    for seed in range(1, chosen.seeds + 1):
        with TemporaryDirectory() as folder:
            problems = run(seed, chosen.profile, chosen.workers, Path(folder))
        wrong += bool(problems)
        print(f"seed {seed}: {'; '.join(problems) or 'conformant'}", flush=True)
    print(f"{chosen.seeds - wrong} of {chosen.seeds} seeds without a failure")
    return 1 if wrong else 0


def run(seed: int, profile: str, workers: str, folder: Path) -> list[str]:
    """Run the suite with this seed; return what went wrong."""
    command = [sys.executable, "-m", "conformance", "run", "--profile", profile]
    command += ["--seed", str(seed), "-n", workers, "--report-dir", str(folder)]
    if profile == "full":
        command += ["--restart", "kill"]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    problems = [] if ended.returncode == 0 else [f"exit status {ended.returncode}"]
    problems += [
        f"{each['id']} {each['verdict']}"
        for each in report["requirements"]
        if each["level"] != "MAY"
        and each["verdict"] != "pass"
        and (each["id"], each["verdict"]) not in NOT_RUN_IN_PARALLEL
    ]
    left = report["cleanup"]["left"]
    return [*problems, f"{len(left)} threads left"] if left else problems


if __name__ == "__main__":
    sys.exit(main())
