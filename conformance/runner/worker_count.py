"""The number of workers of `-n auto`, from what the deployment makes a run wait for.

A worker waits most of its time: for the way to the deployment, and for runs, which servers take
from a queue. Where others compute meanwhile, more workers than cores make a run shorter.
"""

from __future__ import annotations

import dataclasses
import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from conformance.deployment.client import ThreadsClient
from conformance.deployment.connect import connect
from conformance.deployment.settings import Settings, numbered
from conformance.parallel import for_each
from conformance.runner.forking.forked_workers import can_fork

AUTO = "auto"
#: The suite's own computing for a request, in seconds, starting the workers included.
#: benchmarks/README.md, *Workers*, has the measurement.
_OWN_S = 0.007
#: The share of requests that wait for a run (same measurement).
_RUNS_PER_REQUEST = 0.08
_READS = 3
#: How many workers may wait for runs. Servers take about ten at once, and a check may start a few
#: that last long: with 32 workers on langgraph-js 1.5.1, others waited for more than a minute.
_RUNS_AT_ONCE = 8
#: Longer answers are not waited for, in seconds: the measurement must not delay the checks.
_ANSWER_WITHIN_S, _RUN_WITHIN_S = 2.0, 10.0
_AT_ONCE = 16
#: Where a run is as short, in seconds, so many are started at once, to see whether they take turns.
#: Where it takes longer it has waited in a queue, and others would have waited beside it.
_SHORT_RUN_S, _SHORT_RUNS = 0.3, 4
#: What a worker costs is to be worth so many checks.
_CHECKS_PER_WORKER = 4


@dataclass(frozen=True)
class Limits:
    """The most workers that a machine has room for."""

    per_core: int
    in_all: int


#: A forked worker shares most of its memory, and takes about 0.15 s of a core to start; one with a
#: Python of its own needs 100 MiB and more than a second (benchmarks/README.md, *Distance*).
FORKED, OWN_PYTHON = Limits(16, 32), Limits(4, 16)


@dataclass(frozen=True)
class Pace:
    """How long a deployment takes, in seconds.

    `read_s` is one read of a thread, the way included; `serving_s` what each of several reads at
    the same time adds, which is what the deployment itself computes; `run_s` one run of the graph,
    and `run_serving_s` what each of several runs at the same time adds.
    """

    read_s: float
    serving_s: float
    run_s: float
    run_serving_s: float = 0.0


def worker_count(settings: Settings, checks: int) -> int:
    """Return how many workers a run of so many checks gets; 0 for none beside this process."""
    worth = checks // _CHECKS_PER_WORKER
    if worth <= 1:
        return 0
    # A read-only run may start none, and a thread of its own would be a write.
    if settings.read_only:
        return min(_cores(), worth)
    try:
        pace = measure_pace(settings)
    except httpx.HTTPError:
        # The checks will find what is wrong.
        return min(_cores(), worth)
    limits = FORKED if can_fork() else OWN_PYTHON
    return min(workers_for(pace, _cores(), limits), worth)


def workers_for(pace: Pace, cores: int, limits: Limits) -> int:
    """Return how many workers keep the deployment or the cores busy, whichever is slower."""
    serving_s = pace.serving_s + _RUNS_PER_REQUEST * pace.run_serving_s
    busiest_s = max(_OWN_S / cores, serving_s)
    for_the_way = math.ceil((_OWN_S + pace.read_s) / busiest_s)
    waited_s = pace.read_s + _RUNS_PER_REQUEST * pace.run_s
    for_runs = min(math.ceil((_OWN_S + waited_s) / busiest_s), _RUNS_AT_ONCE)
    wanted = max(for_the_way, for_runs)
    return max(min(cores, limits.in_all), min(wanted, limits.per_core * cores, limits.in_all))


def measure_pace(settings: Settings) -> Pace:
    """Measure a deployment by threads of the run's own: a few reads of one, and runs on each.

    Where no thread can be made, no run is measured; a run that takes longer than is waited counts
    as that long. Raises `httpx.HTTPError` at the first other request without an answer in time.
    """
    settings = dataclasses.replace(
        settings,
        timeout_s=min(settings.timeout_s, _ANSWER_WITHIN_S),
        run_timeout_s=min(settings.run_timeout_s, _RUN_WITHIN_S),
    )
    with connect(settings, "pace", first_contact=True) as connection:
        client = connection.client
        thread_id = client.ownership.new_id()
        made = client.create({"thread_id": thread_id, "metadata": client.tag})
        reads = [_seconds(lambda: client.get(thread_id)) for _ in range(_READS)]
        read_s = statistics.median(reads)

        def read_at_once() -> None:
            for_each(client.get, [thread_id] * _AT_ONCE, _AT_ONCE)

        # First without measuring: to open a connection takes a round trip as well.
        read_at_once()
        computed_s = time.process_time()
        at_once_s = _seconds(read_at_once)
        # What this process computes meanwhile is not the deployment's doing.
        at_once_s -= time.process_time() - computed_s
        run_s, run_serving_s = _measure_runs(client, settings, thread_id) if made.ok else (0.0, 0.0)
    return Pace(read_s, max(0.0, at_once_s - read_s) / (_AT_ONCE - 1), run_s, run_serving_s)


def _measure_runs(client: ThreadsClient, settings: Settings, thread_id: str) -> tuple[float, float]:
    """Return how long one run takes, and what each of several short ones at once adds, in seconds.

    0 is added by runs that are not short: they are not measured.
    """
    body = {"assistant_id": settings.graph.id, "input": numbered(settings.graph.run_input, 1)}

    def run(own_id: str) -> None:
        client.run_wait(own_id, body)

    try:
        run_s = _seconds(lambda: run(thread_id))
        if run_s < _SHORT_RUN_S:
            # The first may have come just before the queue was looked into.
            run_s = max(run_s, _seconds(lambda: run(thread_id)))
        if run_s >= _SHORT_RUN_S:
            return run_s, 0.0
        more = [client.ownership.new_id() for _ in range(_SHORT_RUNS)]
        for each in more:
            client.create({"thread_id": each, "metadata": client.tag})
        at_once_s = _seconds(lambda: for_each(run, more, _SHORT_RUNS))
    except httpx.TimeoutException:
        return _RUN_WITHIN_S, 0.0
    return run_s, max(0.0, at_once_s - run_s) / (_SHORT_RUNS - 1)


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
