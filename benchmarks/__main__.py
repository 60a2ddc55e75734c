"""All figures of the project's goals for speed, by one command, kept in RESULTS.md.

    python -m benchmarks                                      on the reference
    python -m benchmarks --server langgraph-api==0.16.7       and on a real server
    python -m benchmarks --only help overhead                 some of them

Each figure is measured by a script of this folder, in pairs within one run of it, and is the median
of several rounds where they are short. A row goes to RESULTS.md, below those of earlier days, with
the load of the machine before the first and after the last measure: compare rows of a quiet one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from conformance.commands.server_options import find_server, start_server
from conformance.reference.process import ReferenceProcess

RESULTS = Path(__file__).with_name("RESULTS.md")
_TABLE = "| figure | goal | on | measured |\n|---|---|---|---|\n"
_CONFORMANCE = (sys.executable, "-P", "-m", "conformance")


class Figure:
    """One figure: what it is called, its goal, and how it is measured on a deployment's URL."""

    def __init__(
        self, name: str, what: str, goal: str, measure: Callable[[str], str], *, real: bool = False
    ) -> None:
        self.name, self.what, self.goal, self.measure = name, what, goal, measure
        #: Whether a real server is measured as well.
        self.real = real


def script(name: str, *arguments: str) -> str:
    """Run a script of this folder; return what it printed. It fails loudly."""
    ended = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=RESULTS.parent.parent,
    )
    return ended.stdout


def printed(text: str, pattern: str) -> str:
    """Return the first group of a pattern in a script's output; `ValueError` if it is not there."""
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {pattern!r} in:\n{text}")
    return found[1].strip()


def help_s(_url: str) -> str:
    """Measure `--help`: the median of seven starts, in seconds."""
    return f"{_median(7, lambda: _timed([*_CONFORMANCE, '--help'])):.2f} s"


def first_request_s(url: str) -> str:
    """Measure the time from the start of a run to its first request: the median of five."""

    def once() -> float:
        with tempfile.TemporaryDirectory() as folder:
            began = datetime.now(UTC)
            words = ["run", url, "--disposable", "--requirement", "GET-01", "--report-dir", folder]
            # What earlier runs left in the user's folders is no part of it.
            own = {**os.environ, "XDG_STATE_HOME": folder}
            subprocess.run([*_CONFORMANCE, *words], stdout=subprocess.DEVNULL, env=own, check=True)
            har = json.loads((Path(folder) / "exchanges.har").read_text(encoding="utf-8"))
        sent = min(each["startedDateTime"] for each in har["log"]["entries"])
        return (datetime.fromisoformat(sent) - began).total_seconds()

    return f"{_median(5, once):.2f} s"


def overhead(url: str) -> str:
    """Measure a run beside its bare requests: the ratio with the median of three."""
    texts = [script("overhead", "--url", url) for _ in range(3)]
    texts.sort(key=lambda text: float(printed(text, r"^ratio +([\d.]+)")))
    wall, bare, waited = (
        printed(texts[1], rf"^{each} +([\d.]+)") for each in ("run", "replay", "waiting")
    )
    ratio = printed(texts[1], r"^ratio +([\d.]+)")
    return f"{ratio} ({wall} s, {waited} s of it waiting for what shows late; bare {bare} s)"


def distance(profile: str) -> Callable[[str], str]:
    """Return a measure of a profile with 100 ms added to each round trip, in seconds."""

    def measure(url: str) -> str:
        text = script("distance", "--url", url, "--profile", profile)
        return f"{printed(text, rf'^{profile} +auto +([0-9.]+)')} s"

    return measure


def scale(what: str, pattern: str, unit: str = "") -> Callable[[str], str]:
    """Return a measure of `scale.py`, which starts a reference of its own."""
    return lambda _url: printed(script("scale", what), pattern) + unit


FIGURES = (
    Figure("help", "`--help`", "0.25 s", help_s),
    Figure("first", "to the first request", "1.0 s", first_request_s),
    Figure(
        "overhead",
        "`extended -n 0` : its requests bare, clean-up included",
        "2.0; real 1.15",
        overhead,
        real=True,
    ),
    Figure("documented", "`documented`, +100 ms, `-n auto`", "25 s", distance("documented")),
    Figure("extended", "`extended`, +100 ms, `-n auto`", "60 s", distance("extended")),
    Figure(
        "identity",
        "identity of 2 x 10,000 states : reading them",
        "1.5",
        scale("identity", r"^  ratio +([\d.]+)"),
    ),
    Figure(
        "memory",
        "peak memory at 100,000 states above that at 1,000",
        "32 MiB",
        scale("memory", r"^difference +([\d.]+)", " MiB"),
    ),
    Figure(
        "shelves",
        "`documented` beside 1,000,000 threads : beside none",
        "1.10",
        scale("shelves", r"^ratio +([\d.]+)"),
    ),
)


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _median(rounds: int, measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(rounds))


def measured(figures: list[Figure], server: str | None) -> Iterator[str]:
    """Yield a row of the table for each figure and deployment."""
    for figure in figures:
        with ReferenceProcess() as reference:
            value = figure.measure(reference.url)
        yield f"| {figure.what} | {figure.goal} | the reference | {value} |"
        if figure.real and server:
            with start_server(*find_server(server, ())) as target:
                value = figure.measure(target.url)
            yield f"| {figure.what} | {figure.goal} | {server} | {value} |"


def main() -> None:
    """Measure, print each row, and write them all to RESULTS.md."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = [each.name for each in FIGURES]
    options.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    options.add_argument(
        "--server", metavar="NAME==VERSION", help="a real server, measured as well"
    )
    options.add_argument("--note", default="", help="what else the machine did, say")
    options.add_argument("--out", type=Path, default=RESULTS, help="by default RESULTS.md")
    chosen = options.parse_args()
    # An installed package is compiled: no start may compile it again, whatever the shell says.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    before = os.getloadavg()[0]
    rows = []
    for row in measured([each for each in FIGURES if each.name in chosen.only], chosen.server):
        print(row, flush=True)
        rows.append(row)
    write(
        chosen.out, rows, f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after", chosen.note
    )


def write(file: Path, rows: list[str], load: str, note: str) -> None:
    """Add a section with these rows at the end of the file."""
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    title = f"## {datetime.now(UTC):%Y-%m-%d %H:%M}, {_commit()}"
    head = f"{title}\n\n{where}, {load}{note and '; '}{note}.\n\n"
    old = file.read_text(encoding="utf-8") if file.exists() else "# Figures by day\n"
    file.write_text(f"{old}\n{head}{_TABLE}" + "\n".join(rows) + "\n", encoding="utf-8")


def _commit() -> str:
    ended = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=RESULTS.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return ended.stdout.strip() or "no commit"


if __name__ == "__main__":
    main()
