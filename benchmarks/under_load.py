"""Whether verdicts hold under load: of the reference, and of ten that are each wrong in one way.

    python -m benchmarks.under_load                        50 users, profile documented
    python -m benchmarks.under_load --users 200 --load-processes 2 --out figures.json

Each is served by `serve --fault NAME` in a process of its own and checked by `run --load USERS`.
The reference must be conformant, each of the others non-conformant by what its fault breaks and
nothing else. Prints a table in Markdown; exit status 1 if that is not so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from conformance.contract.catalogue import load_catalogue
from conformance.faults.registry import all_faults
from conformance.report.record import Report, load_report

#: One of each capability of the profile documented, none of them visible in every answer.
FAULTS = (
    "two-creations-get-one-id",
    "prepopulation-keeps-no-nested-objects",
    "copy-keeps-the-newest-ten-states",
    "get-shows-metadata-of-the-newest-thread-with-the-same-keys",
    "unfinished-state-shows-the-oldest-values",
    "long-history-gives-the-oldest-state-twice",
    "next-at-a-checkpoint-is-the-newest",
    "search-takes-true-for-one",
    "input-of-every-run-but-the-first-is-lost",
    "copying-moves-updated-at-of-every-thread",
)
HEADER = (
    "server",
    "verdict",
    "fell",
    "also fell",
    "s",
    "load requests/s",
    "failed",
    "GET alone, ms",
    "under load, ms",
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--users", type=int, default=50)
    options.add_argument("--load-processes", type=int, default=1)
    options.add_argument("--profile", default="documented")
    options.add_argument("--fault", action="append", help="only this one, without the reference")
    options.add_argument("--out", type=Path, help="write the figures to this file as JSON")
    chosen = options.parse_args()
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}", flush=True)
    rows = []
    for name in chosen.fault or ("", *FAULTS):
        rows.append(measure(name, chosen))
        print(f"| {' | '.join(map(str, rows[-1].values()))} |", flush=True)
    if chosen.out:
        chosen.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if all(as_it_should_be(each) for each in rows) else 1)


def measure(fault: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Check one server under load; return the cells of its row."""
    with served(fault) as url, TemporaryDirectory() as folder:
        began = time.monotonic()
        subprocess.run(
            [
                *(sys.executable, "-m", "conformance", "run", "--url", url, "--disposable"),
                *("--profile", chosen.profile, "--report-dir", folder),
                *("--load", str(chosen.users), "--load-processes", str(chosen.load_processes)),
            ],
            stdout=subprocess.DEVNULL,
            check=False,
        )
        took = time.monotonic() - began
        report = load_report(Path(folder))
    load = report.load
    assert load is not None
    assert not load.problem, load.problem
    fallen, expected = fell(report), breaks(fault, report)
    timing = load.operations["get"]
    return dict(
        zip(
            HEADER,
            (
                fault or "the reference",
                report.verdict,
                ", ".join(sorted(fallen & expected)) or "-",
                ", ".join(sorted(fallen - expected)) or "-",
                round(took),
                load.requests_per_s,
                sum(load.failures.values()),
                timing.alone.p50_ms if timing.alone else "-",
                timing.under_load.p50_ms if timing.under_load else "-",
            ),
            strict=True,
        )
    )


def as_it_should_be(row: dict[str, Any]) -> bool:
    if row["also fell"] != "-":
        return False
    if row["server"] == "the reference":
        return bool(row["verdict"] == "conformant")
    return bool(row["verdict"] == "non_conformant")


def fell(report: Report) -> set[str]:
    """Return the MUSTs and SHOULDs that failed."""
    return {
        each.id for each in report.requirements if each.verdict == "fail" and each.level != "MAY"
    }


def breaks(fault: str, report: Report) -> set[str]:
    """Return what a fault breaks of the requirements that were judged."""
    named = all_faults()[fault].breaks if fault else ()
    known = load_catalogue().requirements
    return {each.id for each in report.requirements if each.id in named and each.id in known}


@contextmanager
def served(fault: str) -> Iterator[str]:
    """Serve the reference, with a fault if one is named; yield its URL."""
    command = [sys.executable, "-m", "conformance", "serve", "--port", "0"]
    command += ["--fault", fault] if fault else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield next(
                word
                for line in server.stdout
                for word in line.split()
                if word.startswith("http://")
            )
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
