"""The suite behind a bad network: modes x rates x profiles x faults x seeds.

    python -m benchmarks.hostile.network_matrix [--modes gateway-html,429] [--rates 1,5] [--jobs 2]
    python -m benchmarks.hostile.network_matrix --faults twelve --modes reset-before,gateway-html
    python -m benchmarks.hostile.network_matrix ... -- --outage-within 10     options for `run`

In each cell a new reference, with threads and crons of strangers, runs behind a proxy of
`network.py`. The suite judges it through the proxy; what really exists is requested from the
reference directly. What must hold: the right reference is never non_conformant, and conformant
at 1 %; a broken one is never conformant; the report names every thread that is left; strangers'
threads are untouched. Exit status 1 if anything else was seen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.hostile.markdown_table import heading, line
from benchmarks.hostile.matrix_jobs import enable_ctrl_c, run_concurrently
from benchmarks.hostile.network import RATELESS, Counts, Mode, Proxy, Trouble
from benchmarks.hostile.restartable import Deployment
from benchmarks.hostile.running import Result, Suite
from benchmarks.hostile.strangers import plant_strangers
from benchmarks.hostile.truth import snapshot
from conformance.contract.catalogue import PROFILES
from conformance.faults.registry import all_faults

RIGHT = "none"
#: Broken references, spread over the capabilities, each breaking a MUST of the profile
#: documented. Some break one promise only, some show it only once, some look like a bad network.
TWELVE = (
    "create-answers-a-redirect",
    "two-creations-get-one-id",
    "first-get-of-a-new-thread-says-busy",
    "get-of-a-malformed-id-is-500",
    "search-answers-equal-requests-from-a-cache",
    "long-history-forgets-the-oldest-state",
    "parents-name-the-state-before",
    "values-at-a-checkpoint-is-the-newest",
    "copy-forgets-the-oldest-state",
    "run-follows-the-thread-of-its-checkpoint",
    "waiting-on-an-unknown-thread-is-500",
    "prepopulation-of-an-unknown-graph-is-an-empty-thread",
)
#: Up to this rate retries must make every verdict right.
RATE_RETRIES_COVER = 0.01
#: A restart of the reference loses all threads, also those of strangers.
_FORGETFUL = (Mode.RESTART, Mode.RESTART_ONCE)
_STRANGERS = 6
_COLUMNS = (
    *("mode", "rate", "profile", "fault", "seed", "exit", "verdict", "MUST pass", "fail"),
    *("error", "blocked", "not run", "created", "removed", "left", "standing", "after sweep"),
    *("ledgers", "strangers harmed", "troubled", "requests", "s", "rule"),
)


@dataclass(frozen=True)
class Cell:
    """One combination to be tried; `fault` is "none" for the right reference."""

    mode: Mode
    rate: float
    profile: str
    fault: str
    seed: int

    @property
    def disposable(self) -> bool:
        """Whether the run gets `--disposable`: some requests, also of the documents, need it.

        A thread made by such a request does not have the run's tag: if the answer is lost, the
        thread is reported as possibly left, and stays.
        """
        return self.profile != PROFILES[0] or self.fault != RIGHT


@dataclass(frozen=True)
class Outcome:
    """What was seen. `standing` is the number of threads and crons that the run left at the server.

    `after_sweep` is the number left after a sweep, which follows if there are any. `ledgers` and
    `ledgers_after_sweep` are the numbers of ledgers then. `harmed` counts what strangers own.
    """

    cell: Cell
    result: Result
    counts: Counts
    standing: int
    after_sweep: int
    harmed: int
    ledgers: int
    ledgers_after_sweep: int
    restarts: int

    @property
    def broken_rules(self) -> tuple[str, ...]:
        """The rules that do not hold, in words."""
        return tuple(self._broken_rules())

    def _broken_rules(self) -> Iterator[str]:
        result, cell = self.result, self.cell
        if cell.fault == RIGHT:
            if result.verdict == "non_conformant" or result.exit_status == 1:
                yield "a right server is called non_conformant"
            mended = cell.mode is Mode.NONE or (
                cell.mode not in RATELESS and cell.rate <= RATE_RETRIES_COVER
            )
            if mended and (result.verdict, result.exit_status) != ("conformant", 0):
                yield "not conformant"
        elif result.verdict == "conformant" or result.exit_status == 0:
            yield "a broken server is called conformant"
        if self.standing > result.left:
            yield f"{self.standing} stand, {result.left} are told"
        if self.after_sweep and not cell.disposable:
            yield f"{self.after_sweep} stand after sweep"
        if self.harmed:
            yield f"{self.harmed} of strangers harmed"
        if result.folders:
            yield f"{result.folders} temporary folders stand"
        if result.overdue:
            yield "took too long"
        if result.exit_status not in (0, 1, 2, 3):
            yield f"exit {result.exit_status}"

    def row(self) -> str:
        """Return what was seen as a row of the table."""
        result, cell, totals = self.result, self.cell, self.result.totals
        shown = "-" if cell.mode in RATELESS else f"{cell.rate:.0%}"
        cleanup = result.cleanup
        return line(
            (
                *(cell.mode, shown, cell.profile, cell.fault, cell.seed),
                *(result.exit_status, result.verdict),
                *(totals.get(name, "-") for name in ("pass", "fail", "error", "blocked")),
                *(totals.get("not_run", "-"), cleanup.get("created", "-")),
                *(cleanup.get("removed", "-"), result.left, self.standing, self.after_sweep),
                *(
                    f"{self.ledgers}, {self.ledgers_after_sweep}",
                    self.harmed,
                    self.counts.troubled,
                    self.counts.requests,
                ),
                *(round(result.seconds), "; ".join(self.broken_rules) or "holds"),
            )
        )


@dataclass(frozen=True)
class Matrix:
    """The way in which each cell is tried; times in seconds."""

    effort: str
    timeout_s: float
    limit_s: float
    outage_s: float
    options: Sequence[str] = ()
    #: Whether a broken reference is tried by all checks, not only by those of what it breaks.
    all_checks: bool = False

    def _options(self, cell: Cell) -> Iterator[str]:
        """Yield the options of `run` for a cell."""
        yield from ("--profile", cell.profile, "--effort", self.effort)
        yield from ("--timeout", str(self.timeout_s))
        if cell.disposable:
            yield "--disposable"
        if cell.fault != RIGHT and not self.all_checks:
            for broken in all_faults()[cell.fault].breaks:
                yield from ("--requirement", broken)

    async def outcome(self, cell: Cell) -> Outcome:
        """Try one cell, with a deployment and a proxy of its own."""
        fault = () if cell.fault == RIGHT else ("--fault", cell.fault)
        hold_s = self.timeout_s + 0.5
        trouble = Trouble(cell.mode, cell.rate, cell.seed, hold_s, self.outage_s)
        with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
            suite = Suite(Path(folder), self.limit_s, self.options)
            async with (
                Deployment(*fault) as deployment,
                Proxy(deployment.url, trouble, deployment.restart) as proxy,
            ):
                await plant_strangers(deployment.url, _STRANGERS)
                before = await snapshot(deployment.url)
                result = await suite.run(proxy.url, *self._options(cell))
                await proxy.stop_disturbing()
                counts = replace(proxy.counts)
                ledgers = suite.ledgers()
                after = await snapshot(deployment.url)
                swept = after
                if after.beyond(before):
                    await suite.sweep(proxy.url)
                    swept = await snapshot(deployment.url)
                forgot = cell.mode in _FORGETFUL
                return Outcome(
                    cell,
                    result,
                    counts,
                    after.beyond(before),
                    swept.beyond(before),
                    0 if forgot else swept.harmed(before),
                    ledgers,
                    suite.ledgers(),
                    deployment.restarts,
                )


def cells(
    modes: Iterable[Mode],
    rates: Sequence[float],
    profiles: Sequence[str],
    faults: Sequence[str],
    seeds: Sequence[int],
) -> Iterator[Cell]:
    """Yield every combination; modes without a rate only once per profile, fault and seed."""
    for mode in modes:
        for rate in rates if mode not in RATELESS else (0.0,):
            for profile in profiles:
                for fault in faults:
                    for seed in seeds:
                        yield Cell(mode, rate, profile, fault, seed)


async def _try_all(matrix: Matrix, chosen: Sequence[Cell], jobs: int) -> list[Outcome]:
    async def one(cell: Cell) -> Outcome:
        outcome = await matrix.outcome(cell)
        print(outcome.row(), flush=True)
        return outcome

    print(heading(_COLUMNS), flush=True)
    return await run_concurrently(one, chosen, jobs)


def _summary(outcomes: Sequence[Outcome]) -> None:
    bad = [each for each in outcomes if each.broken_rules]
    print(f"\n{len(outcomes)} runs, in {len(outcomes) - len(bad)} of them every rule holds.")
    right = [each for each in outcomes if each.cell.fault == RIGHT]
    for rate in sorted({each.cell.rate for each in right}):
        same = [each for each in right if each.cell.rate == rate]
        verdicts = [each.result.verdict for each in same]
        told = ", ".join(f"{verdicts.count(one)} {one}" for one in sorted(set(verdicts)))
        seconds = statistics.median(each.result.seconds for each in same)
        name = f"{rate:.0%}" if rate else "without a rate"
        print(f"- right reference, {name}: {told}; median {seconds:.0f} s")
    broken = [each for each in outcomes if each.cell.fault != RIGHT]
    if broken:
        verdicts = [each.result.verdict for each in broken]
        told = ", ".join(f"{verdicts.count(one)} {one}" for one in sorted(set(verdicts)))
        print(f"- broken references: {told}")


def main() -> int:
    """Try the chosen cells; return 1 if a rule is broken, else 0."""
    options = argparse.ArgumentParser(
        description="The suite behind a bad network.",
        epilog="Options after -- are given to `run`.",
    )
    every = ",".join(mode.value for mode in Mode)
    options.add_argument("--modes", default=every, help="names, or `all`  [default: all]")
    options.add_argument("--rates", default="1,5,20", help="per cent  [default: 1,5,20]")
    options.add_argument("--profiles", default="documented,extended")
    options.add_argument(
        "--faults", default=RIGHT, help="none, twelve, or names; none is the right reference"
    )
    options.add_argument(
        "--all-checks",
        action="store_true",
        help="try a broken reference by all checks, not by those of what it breaks alone",
    )
    options.add_argument("--seeds", default="1")
    options.add_argument("--effort", default="quick")
    options.add_argument("--timeout", type=float, default=2.0, help="the suite's, in seconds")
    options.add_argument("--outage", type=float, default=1.0, help="seconds that an outage lasts")
    options.add_argument("--limit", type=float, default=900.0, help="seconds that a run may take")
    options.add_argument("--jobs", type=int, default=1, help="cells at once")
    options.add_argument("--out", type=Path, help="every figure, as JSON")
    options.add_argument("run", nargs="*", help=argparse.SUPPRESS)
    given = options.parse_args()
    enable_ctrl_c()
    names = every if given.modes == "all" else given.modes
    faults = list(TWELVE) if given.faults == "twelve" else given.faults.split(",")
    if unknown := [one for one in faults if one != RIGHT and one not in all_faults()]:
        options.error(f"there is no fault {unknown[0]!r}: reports/selftest.md lists them")
    if unknown := [one for one in names.split(",") if one not in list(Mode)]:
        options.error(f"there is no mode {unknown[0]!r}: one of {every}")
    chosen = list(
        cells(
            [Mode(one) for one in names.split(",")],
            [float(one) / 100 for one in given.rates.split(",")],
            given.profiles.split(","),
            faults,
            [int(one) for one in given.seeds.split(",")],
        )
    )
    matrix = Matrix(
        given.effort, given.timeout, given.limit, given.outage, given.run, given.all_checks
    )
    outcomes = asyncio.run(_try_all(matrix, chosen, given.jobs))
    _summary(outcomes)
    if given.out:
        figures = [{**asdict(each), "broken_rules": each.broken_rules} for each in outcomes]
        given.out.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return int(any(each.broken_rules for each in outcomes))


if __name__ == "__main__":
    raise SystemExit(main())
