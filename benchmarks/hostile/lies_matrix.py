"""The suite on a server that lies about who owns what: what happens to strangers' threads.

    python -m benchmarks.hostile.lies_matrix [--modes all,server-ids] [--profile full]
    python -m benchmarks.hostile.lies_matrix --modes create-answers-new+clock-ahead --seeds 1,2,3
    python -m benchmarks.hostile.lies_matrix ... -- --read-only       options for `run`

A mode is one lie, several joined by +, `all` (every lie at once) or `none`; `--list` lists the
lies. In each run a new deployment holds threads, runs and crons of strangers, of all ages, and
somebody else makes and changes more during the run. The server records every write of the suite
that names something of strangers, and every change that the suite makes to it; at the end all
that strangers own is compared with how they left it. What must hold: nothing of strangers is
named, changed or removed, none of their words is in a file that the suite wrote, and the suite
reports as many of its own threads and crons as left as really are. Exit status 1 if anything else
was seen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from benchmarks.hostile.foreign_writes import Watch
from benchmarks.hostile.harm_to_others import Harm, RecordingStore
from benchmarks.hostile.lies import CANARY, LIES, World, rows, tell, watch_tag
from benchmarks.hostile.markdown_table import heading, line
from benchmarks.hostile.matrix_jobs import enable_ctrl_c, run_concurrently
from benchmarks.hostile.others import Others, living
from benchmarks.hostile.running import Result, Suite
from conformance.reference.app import create_app
from conformance.reference.server import HOST, open_listener
from conformance.reference.wire import Wire

_COLUMNS = (
    *("mode", "profile", "effort", "seed", "exit", "verdict", "MUST pass", "fail", "error"),
    *("not run", "created", "removed", "left", "standing", "lies", "threads removed"),
    *("changed", "crons removed", "changed", "runs removed", "writes naming strangers'"),
    *("writes naming none", "strangers' words", "requests", "s", "rule"),
)


@dataclass(frozen=True)
class Lying:
    """A run to be tried: the names of the `lies`, and `rate`, the share of the answers that lie."""

    mode: str
    lies: Sequence[str]
    rate: float
    strangers: int
    profile: str
    effort: str
    seed: int


@dataclass(frozen=True)
class Seen:
    """What was seen at the server. `standing` counts threads and crons that the suite has left."""

    tried: Lying
    result: Result
    harm: Harm
    hits: dict[str, int]
    named: dict[str, int]
    bulk: dict[str, int]
    standing: int
    words: dict[str, int]
    told: dict[str, int]
    requests: int
    crashes: tuple[str, ...] = ()

    @property
    def broken_rules(self) -> tuple[str, ...]:
        """The rules that do not hold, in words."""
        told = (
            (self.harm, "strangers' things are harmed"),
            (self.hits, f"written: {_counted(self.hits)}"),
            (self.named, f"named: {_counted(self.named)}"),
            (self.words, f"leaked into {_counted(self.words)}"),
            (self.standing > self.result.left, f"{self.standing} stand, {self.result.left} told"),
            (self.result.overdue, "took too long"),
            # Not caused by the suite, but it makes the row worthless.
            (self.crashes, f"the server itself broke: {self.crashes[:1]}"),
        )
        return tuple(words for seen, words in told if seen)

    def row(self) -> str:
        """Return what was seen as a row of the table."""
        result, tried, harm = self.result, self.tried, self.harm
        totals, cleanup = result.totals, result.cleanup
        return line(
            (
                *(tried.mode, tried.profile, tried.effort, tried.seed),
                *(result.exit_status, result.verdict),
                *(totals.get(name, "-") for name in ("pass", "fail", "error", "not_run")),
                *(cleanup.get("created", "-"), cleanup.get("removed", "-"), result.left),
                *(self.standing, sum(self.told.values())),
                *(harm.threads_removed, harm.threads_changed, harm.crons_removed),
                *(harm.crons_changed, harm.runs_removed, sum(self.named.values())),
                *(sum(self.bulk.values()), sum(self.words.values()), self.requests),
                *(round(result.seconds), "; ".join(self.broken_rules) or "holds"),
            )
        )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))


class LyingDeployment:
    """A reference that lies, in this process: its store, and what it records of the suite."""

    def __init__(self, lies: Sequence[str], rate: float, seed: int) -> None:
        chosen = [LIES[name] for name in lies]
        ahead = next((each.ahead for each in chosen if each.ahead), timedelta())
        self.store = RecordingStore(ahead)
        self.world = World(self.store, Wire(), rate, random.Random(seed))
        watch_tag(self.world)
        tell(list(lies), self.world)
        self.world.wire.app = create_app(self.store)
        date_is_right = any(each.date_is_right for each in chosen)
        self.watch = Watch(self.world.wire, self.store, date_is_right=date_is_right)


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application from this event loop during the block, and yield its URL."""
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, lifespan="off", ws="none", date_header=False
    )
    server = uvicorn.Server(config)
    # Not `server.serve`, which would handle Ctrl-C itself: that is for the whole program.
    with open_listener(0) as listener:
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        task = asyncio.create_task(server.main_loop())
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            await task
            await server.shutdown(sockets=[listener])


async def observe(tried: Lying, limit_s: float, options: Sequence[str] = ()) -> Seen:
    """Let the suite judge a deployment that lies, and return what it did."""
    deployment = LyingDeployment(tried.lies, tried.rate, tried.seed)
    store, watch = deployment.store, deployment.watch
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        suite = Suite(Path(folder), limit_s, options)
        async with served(watch) as url, Others(url, store, tried.seed) as others:
            await others.plant(tried.strangers)
            async with living(others):
                result = await suite.run(
                    url,
                    *("--profile", tried.profile, "--effort", tried.effort),
                    *("--seed", str(tried.seed)),
                )
        words = _leaks(Path(folder))
    return Seen(
        tried,
        result,
        store.records.harm(),
        dict(Counter(f"{hit.kind} {hit.what}" for hit in store.records.hits)),
        dict(Counter(write.operation for write in watch.named)),
        dict(Counter(write.operation for write in watch.bulk)),
        len(store.records.standing_of_suite()),
        words,
        deployment.world.told,
        watch.requests,
        tuple(repr(crash) for crash in deployment.world.wire.crashes),
    )


def _leaks(folder: Path) -> dict[str, int]:
    """Return how often strangers' words occur in the files that the suite wrote, by file."""
    found = {}
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        if number := file.read_bytes().count(CANARY.encode()):
            found[file.name] = number
    return found


async def _observe_all(
    chosen: Sequence[Lying], limit_s: float, jobs: int, options: Sequence[str]
) -> list[Seen]:
    async def one(tried: Lying) -> Seen:
        seen = await observe(tried, limit_s, options)
        print(seen.row(), flush=True)
        return seen

    print(heading(_COLUMNS), flush=True)
    return await run_concurrently(one, chosen, jobs)


def main() -> int:
    """Try the chosen modes; return 1 if a rule is broken, else 0."""
    options = argparse.ArgumentParser(
        description="The suite on a server that lies about whose things are.",
        epilog="Options after -- are given to `run`.",
    )
    every = ",".join(("none", *LIES, "all"))
    options.add_argument("--modes", default=every, help="[default: each alone, and all]")
    options.add_argument("--list", action="store_true", help="tell what the lies are")
    options.add_argument("--rate", type=float, default=20, help="per cent of the answers")
    options.add_argument("--strangers", type=int, default=60, help="threads of strangers")
    options.add_argument("--profiles", default="full")
    options.add_argument("--efforts", default="quick")
    options.add_argument("--seeds", default="1")
    options.add_argument("--limit", type=float, default=1800.0, help="seconds that a run may take")
    options.add_argument("--jobs", type=int, default=1, help="runs at once")
    options.add_argument("--out", type=Path, help="every figure, as JSON")
    options.add_argument("run", nargs="*", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.list:
        for each in LIES.values():
            print(f"{each.name:26} {' '.join(each.says.split())}")
        return 0
    enable_ctrl_c()
    try:
        modes = list(rows(given.modes))
    except ValueError as unknown:
        options.error(str(unknown))
    chosen = [
        Lying(mode, lies, given.rate / 100, given.strangers, profile, effort, int(seed))
        for mode, lies in modes
        for profile in given.profiles.split(",")
        for effort in given.efforts.split(",")
        for seed in given.seeds.split(",")
    ]
    seen = asyncio.run(_observe_all(chosen, given.limit, given.jobs, given.run))
    bad = [each for each in seen if each.broken_rules]
    print(f"\n{len(seen)} runs, in {len(seen) - len(bad)} of them every rule holds.")
    if given.out:
        figures = [{**asdict(each), "broken_rules": each.broken_rules} for each in seen]
        given.out.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return int(bool(bad))


if __name__ == "__main__":
    raise SystemExit(main())
