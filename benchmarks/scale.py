"""What long histories and full shelves cost, measured in pairs on the reference.

    python -m benchmarks.scale identity    two histories of 10,000 states: compared, and only read
    python -m benchmarks.scale memory      peak memory of the comparison at 1,000 and 100,000 states
    python -m benchmarks.scale pages       a page of 1,000 states at several offsets in 100,000
    python -m benchmarks.scale shelves     a run beside 1,000,000 foreign threads, and beside none

Each pair is measured in turns within one run, and the medians are compared. The reference is
started for it, its states and foreign threads are put into its store directly.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.overhead import run
from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.expect import assert_identical_history
from conformance.checks.history_pages import HistoryPages
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.deployment.client import ThreadsClient
from conformance.deployment.connect import connect
from conformance.deployment.ownership.proof import Ownership
from conformance.deployment.settings import Settings
from conformance.model.block_sequence import BlockSequence
from conformance.model.entities import Thread
from conformance.model.ids_and_times import timestamp
from conformance.model.store import ThreadStore
from conformance.reference.app import create_app, new_store
from conformance.reference.process import ReferenceProcess
from conformance.reference.server import serve
from conformance.runner.settings import new_settings

SOURCE = "5ca1e000-0000-4000-8000-000000000000"
#: The run to which the long thread belongs, so that its content is recorded as in a run.
RUN = "5ca1e000-0000-4000-8000-000000000001"
#: The number of other people, each of whom has an equal part of the foreign threads.
OWNERS = 1000


class SeededReference(ReferenceProcess):
    """The reference with a thread of so many states, and so many foreign threads."""

    program = "import sys; from benchmarks.scale import serve_seeded; serve_seeded(*sys.argv[1:])"
    deadline_s = 600.0

    def __init__(self, *, states: int = 0, threads: int = 0) -> None:
        super().__init__(str(states), str(threads))


def serve_seeded(port: str, states: str, threads: str) -> None:
    """Serve the reference with these numbers of states and foreign threads, until stdin ends."""
    store = new_store(indexed=True)
    gc.disable()
    seed_foreign_threads(store, int(threads))
    if int(states):
        seed_long_thread(store, int(states))
    gc.enable()
    # They stay for good: the collector need not look at them again and again.
    gc.freeze()
    serve(int(port), app=create_app(store), until_eof=True)


def seed_foreign_threads(store: ThreadStore, threads: int) -> None:
    """Put other people's threads into the store, made one second apart until now."""
    metadata = [{"graph_id": "agent", "owner": f"user {number}"} for number in range(OWNERS)]
    begun = datetime.now(UTC) - timedelta(seconds=threads)
    for number in range(threads):
        made = timestamp(begun + timedelta(seconds=number))
        thread_id = str(uuid.uuid4())
        store.records.threads_by_id[thread_id] = Thread(
            thread_id, made, made, made, metadata[number % OWNERS]
        )


def seed_long_thread(store: ThreadStore, states: int) -> None:
    """Put a thread of the run `RUN` into the store, each of its states made by a superstep."""
    begins = [{"as_node": "call_model", "values": {"profile": profile(0)}}]
    store.threads.create(
        thread_id=SOURCE,
        metadata={"graph_id": "agent", **Ownership(RUN).tag},
        supersteps=[{"updates": begins}],
    )
    thread = store.records.thread(SOURCE)
    made = [thread.checkpoints[0]]
    for number in range(1, states):
        stamp, last = store.records.stamp(), made[-1]
        values = {**last.values, "profile": profile(number)}
        made.append(
            replace(
                last,
                checkpoint_id=stamp.checkpoint_id,
                parent_id=last.checkpoint_id,
                values=values,
                metadata={**last.metadata, "step": number, "writes": {"call_model": values}},
                created_at=stamp.created_at,
            )
        )
    store.records.keep(replace(thread, checkpoints=BlockSequence(made)))


def profile(number: int) -> dict[str, Any]:
    """Return a value of the channel that is replaced."""
    return {"name": f"name {number}", "of": {"tags": ["a", number, None], "seen": False}}


# What is measured


def read_bare(http: httpx.Client, thread_id: str) -> int:
    """Download and parse all pages of a history; return the number of states."""
    states, query = 0, {"limit": LONGEST_PAGE}
    while page := http.get(f"/threads/{thread_id}/history", params=query).json():
        states += len(page)
        query["before"] = page[-1]["checkpoint_id"]
    return states


def compare(
    client: ThreadsClient, settings: Settings, forget: Callable[[], None], copy: str
) -> None:
    """Decide whether the history of the copy is that of `SOURCE`, as a check does."""
    api = ThreadsApi(client, CheckContext(settings, {}, forget=forget), arranging=False)
    assert_identical_history(*(HistoryPages(api, {"thread_id": each}) for each in (copy, SOURCE)))


@contextmanager
def connected(url: str, *, record: bool = True) -> Iterator[tuple[Any, Settings]]:
    """Yield a connection of the run `RUN`, and its settings."""
    with TemporaryDirectory() as folder:
        settings = replace(
            new_settings(url, Path(folder)),
            run_id=RUN,
            started_at=(datetime.now(UTC) - timedelta(hours=1)).isoformat(),
        )
        with connect(settings, record=record) as connection:
            yield connection, settings


def copied(url: str) -> str:
    """Copy the thread `SOURCE` and return the id of the copy."""
    answer = httpx.post(f"{url}/threads/{SOURCE}/copy", timeout=600)
    return str(answer.raise_for_status().json()["thread_id"])


def in_turns(rounds: int, **acts: Callable[[], object]) -> dict[str, float]:
    """Make all acts in turns, and return the median of the seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            begun = time.perf_counter()
            act()
            seconds[name].append(time.perf_counter() - begun)
    return {name: statistics.median(each) for name, each in seconds.items()}


def identity(states: int, rounds: int) -> None:
    """Print how long two histories are compared, and how long they are only read."""
    with SeededReference(states=states) as server:
        copy = copied(server.url)
        with (
            httpx.Client(base_url=server.url, timeout=600) as http,
            connected(server.url) as (connection, settings),
        ):
            medians = in_turns(
                rounds,
                read=lambda: [read_bare(http, each) for each in (copy, SOURCE)],
                compared=lambda: compare(
                    connection.client, settings, connection.recorder.forget, copy
                ),
            )
    read = medians["read"]
    print(f"two histories of {states:,} states, medians of {rounds}:")
    print(f"  downloaded and parsed by httpx and json  {read:7.2f} s")
    print(f"  compared, as in a run                    {medians['compared']:7.2f} s")
    print(f"  ratio                                    {medians['compared'] / read:7.2f}")


def memory(few: int, many: int) -> None:
    """Print the peak memory of a process that compares two histories, at two lengths."""
    peaks = {}
    for states in (few, many):
        with SeededReference(states=states) as server:
            arguments = ["compare", server.url, copied(server.url)]
            ended = subprocess.run(
                [sys.executable, "-m", "benchmarks.scale", *arguments],
                capture_output=True,
                text=True,
                check=True,
            )
        peaks[states] = json.loads(ended.stdout)["peak_mib"]
        print(f"peak memory at {states:7,} states  {peaks[states]:6.1f} MiB")
    print(f"difference                     {peaks[many] - peaks[few]:6.1f} MiB")


def compare_once(url: str, copy: str) -> None:
    """Compare in this process, as in a run, and print its peak memory as JSON."""
    with connected(url) as (connection, settings), connection.recorder.check("scale"):
        compare(connection.client, settings, connection.recorder.forget, copy)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak_mib": peak}))


def pages(states: int, rounds: int) -> None:
    """Print how long a page takes at several places of a long history."""
    with (
        SeededReference(states=states) as server,
        httpx.Client(base_url=server.url, timeout=600) as http,
    ):
        ids: list[str] = []
        query: dict[str, Any] = {"limit": LONGEST_PAGE}
        while page := http.get(f"/threads/{SOURCE}/history", params=query).json():
            ids += [each["checkpoint_id"] for each in page]
            query["before"] = ids[-1]
        offsets = [0, states // 4, states // 2, 3 * states // 4, states - LONGEST_PAGE - 1]
        medians = in_turns(
            rounds,
            **{
                f"{offset:,}": lambda before=ids[offset]: http.get(
                    f"/threads/{SOURCE}/history", params={"limit": LONGEST_PAGE, "before": before}
                ).raise_for_status()
                for offset in offsets
            },
        )
    print(f"a page of {LONGEST_PAGE} in {len(ids):,} states, medians of {rounds}:")
    for offset, median in medians.items():
        print(f"  after {offset:>7} newer states  {median * 1000:6.1f} ms")


def shelves(threads: int, rounds: int, profile_name: str) -> None:
    """Print how long a run takes beside foreign threads, and beside none."""
    begun = time.perf_counter()
    with SeededReference(threads=threads) as full, SeededReference() as empty:
        print(f"seeded in                      {time.perf_counter() - begun:6.1f} s")
        assert httpx.post(f"{full.url}/threads/count", json={}, timeout=60).json() == threads
        with TemporaryDirectory() as folder:
            medians = in_turns(
                rounds,
                empty=lambda: run(empty.url, profile_name, Path(folder)),
                full=lambda: run(full.url, profile_name, Path(folder)),
            )
            report = json.loads((Path(folder) / "report.json").read_text("utf-8"))
    print(f"profile {profile_name}, {report['run']['requests']} requests, {report['verdict']}")
    print(f"beside no threads              {medians['empty']:6.1f} s, median of {rounds}")
    print(f"beside {threads:9,} threads       {medians['full']:6.1f} s")
    print(f"ratio                          {medians['full'] / medians['empty']:6.3f}")


def main() -> None:
    """Read the arguments and measure."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("what", choices=["identity", "memory", "pages", "shelves", "compare"])
    options.add_argument("given", nargs="*", help=argparse.SUPPRESS)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--states", type=int, help="10,000 for identity, else 100,000")
    options.add_argument("--threads", type=int, default=1_000_000)
    options.add_argument("--profile", default="documented")
    chosen = options.parse_args()
    match chosen.what:
        case "identity":
            identity(chosen.states or 10_000, chosen.rounds)
        case "memory":
            memory(1000, chosen.states or 100_000)
        case "pages":
            pages(chosen.states or 100_000, chosen.rounds)
        case "shelves":
            shelves(chosen.threads, chosen.rounds, chosen.profile)
        case "compare":
            compare_once(*chosen.given)


if __name__ == "__main__":
    main()
