"""What a process of the load runs: users of Locust, until the end of stdin.

gevent changes the standard library of this process (`PROGRAM` of `generator.py` does that first),
so that nothing of it may run in a process that makes checks. The job comes as one line of JSON on
stdin, since it holds secrets; what is known at the end goes to stdout, one JSON object a line.
"""

from __future__ import annotations

import dataclasses
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import gevent
import gevent.event
import gevent.os
from locust import User, runners, task
from locust.env import Environment
from locust.exception import StopUser
from locust.stats import RequestStats

from conformance.deployment.connect import Connection, connect
from conformance.deployment.record.redaction import Redactor
from conformance.deployment.settings import GraphSettings, Settings
from conformance.load.recorder import LoadRecorder, OnRequest
from conformance.load.story import Story
from conformance.report.record import LoadTiming, OperationTiming
from conformance.typed_data import typed

#: The interface between the processes of the load.
HOST = "127.0.0.1"
#: How long one user alone is measured, at most, in seconds, and by how many stories.
_ALONE_S, _ALONE_STORIES = 10.0, 30
#: How long all users together may take to begin, in seconds.
_RAMP_S = 2.0
#: A user may finish its request within so many seconds at the end; then it is cut off.
STOP_WITHIN_S = 5.0
#: An outage is waited out for as long as it lasts: it is the checks that give a deployment up.
_OUTAGE_WITHIN_S = 1e6
_POLL_S = 0.05
_GOING_ON = (runners.STATE_SPAWNING, runners.STATE_RUNNING)
#: Locust names requests by method and name; here the name says all.
_METHOD = ""


@dataclass(frozen=True)
class Job:
    """What one process has to do.

    `number` tells the processes of a run apart. A process with a `master_port` is a worker of the
    master on that port; one with `workers` is their master; any other drives all `users` itself.
    """

    settings: str
    number: int
    users: int
    pause_s: float
    workers: int = 0
    master_port: int = 0


class ThreadsUser(User):
    """A user who plays the story until the load ends.

    All users of a process share its connections and its ledger. The master of others makes none:
    it only tells its workers the name of this class.
    """

    connection: ClassVar[Connection]
    graph: ClassVar[GraphSettings]
    pause_s: ClassVar[float]
    _numbers: ClassVar[Iterator[int]] = count(1)

    @classmethod
    def equip(cls, connection: Connection, graph: GraphSettings, pause_s: float) -> None:
        """Set what all users share."""
        cls.connection, cls.graph, cls.pause_s = connection, graph, pause_s

    @task
    def play(self) -> None:
        """Play the story once."""
        Story(self.connection.client, self.graph, self._pause).play(next(self._numbers))

    def _pause(self) -> None:
        """Wait as long as a user does; end the story if the load ends."""
        gevent.sleep(random.uniform(0.5, 1.5) * self.pause_s)
        runner = self.environment.runner
        if runner is None or runner.state not in _GOING_ON:
            raise StopUser


def main() -> None:
    """Read the job from stdin and do it, until the end of stdin."""
    job = typed(json.loads(sys.stdin.buffer.readline()), Job)
    settings = Settings.from_json(job.settings)
    if job.master_port:
        _work(job, settings)
    elif job.workers:
        _lead(job, settings)
    else:
        _drive(job, settings)


def _ledger(job: Job) -> str:
    return f"load-{job.number}"


def _drive(job: Job, settings: Settings) -> None:
    """Drive all users in this process."""
    environment = Environment(user_classes=[ThreadsUser], stop_timeout=STOP_WITHIN_S)
    alone = _measure_alone(settings)
    with _connected(settings, _ledger(job), partial(_fire, environment)) as (connection, recorder):
        ThreadsUser.equip(connection, settings.graph, job.pause_s)
        _run_users(job, environment, environment.create_local_runner(), alone)
        _say_server_errors(recorder)


def _lead(job: Job, settings: Settings) -> None:
    """Lead the workers, which drive the users."""
    environment = Environment(user_classes=[ThreadsUser], stop_timeout=STOP_WITHIN_S)
    alone = _measure_alone(settings)
    runner = environment.create_master_runner(HOST, 0)
    _say(port=runner.server.port)
    while runner.worker_count < job.workers:
        gevent.sleep(_POLL_S)
    _run_users(job, environment, runner, alone)


def _work(job: Job, settings: Settings) -> None:
    """Drive those of the users that the master says."""
    environment = Environment(user_classes=[ThreadsUser])
    with _connected(settings, _ledger(job), partial(_fire, environment)) as (connection, recorder):
        ThreadsUser.equip(connection, settings.graph, job.pause_s)
        runner = environment.create_worker_runner(HOST, job.master_port)
        _wait_for_end_of_stdin()
        runner.stop()
        _say_server_errors(recorder)


def _run_users(
    job: Job,
    environment: Environment,
    runner: runners.LocalRunner | runners.MasterRunner,
    alone: dict[str, OperationTiming],
) -> None:
    """Let the users begin, say so, and go on until the end of stdin; then say the figures."""
    spawned = gevent.event.Event()
    environment.events.spawning_complete.add_listener(lambda **_: spawned.set())
    began = time.monotonic()
    runner.start(job.users, max(1.0, job.users / _RAMP_S))
    spawned.wait()
    _say(ready=True)
    _wait_for_end_of_stdin()
    duration_s = time.monotonic() - began
    runner.stop()
    runner.quit()
    _say(figures=_figures(environment.stats, alone, duration_s))


def _measure_alone(settings: Settings) -> dict[str, OperationTiming]:
    """Return the durations of what one user alone asks, who does not pause."""
    stats = RequestStats()
    with _connected(settings, "load-alone", partial(_log, stats)) as (connection, _):
        story = Story(connection.client, settings.graph, lambda: None)
        ends = time.monotonic() + _ALONE_S
        # A request that hangs is not waited for.
        with gevent.Timeout(_ALONE_S + settings.run_timeout_s, False):
            for number in range(1, _ALONE_STORIES + 1):
                story.play(number)
                if time.monotonic() > ends:
                    break
    return _timings(stats)


@contextmanager
def _connected(
    settings: Settings, name: str, on_request: OnRequest
) -> Iterator[tuple[Connection, LoadRecorder]]:
    """Open a connection with a ledger of this name; pass its requests on to `on_request`."""
    recorders: list[LoadRecorder] = []

    def make_recorder(file: Path | None, redactor: Redactor) -> LoadRecorder:
        recorders.append(LoadRecorder(file, redactor, on_request))
        return recorders[0]

    patient = dataclasses.replace(settings, outage_within_s=_OUTAGE_WITHIN_S)
    with connect(patient, name, record=False, make_recorder=make_recorder) as connection:
        yield connection, recorders[0]


def _fire(environment: Environment, name: str, elapsed_ms: float, failure: str) -> None:
    """Pass one request on to Locust, with microseconds, which it rounds to two digits."""
    environment.events.request.fire(
        request_type=_METHOD,
        name=name,
        response_time=round(elapsed_ms * 1000),
        response_length=0,
        exception=failure or None,
    )


def _log(stats: RequestStats, name: str, elapsed_ms: float, failure: str) -> None:
    stats.log_request(_METHOD, name, round(elapsed_ms * 1000), 0)
    if failure:
        stats.log_error(_METHOD, name, failure)


def _figures(
    stats: RequestStats, alone: dict[str, OperationTiming], duration_s: float
) -> dict[str, Any]:
    """Return the members of `conformance.report.record.Load` that only this process knows."""
    under_load = _timings(stats)
    failures: Counter[str] = Counter()
    for error in stats.errors.values():
        failures[str(error.error)] += error.occurrences
    requests = stats.total.num_requests
    return {
        "duration_s": round(duration_s, 3),
        "requests": requests,
        "requests_per_s": round(requests / duration_s, 2) if duration_s else 0.0,
        "failures": dict(sorted(failures.items())),
        "operations": {
            name: dataclasses.asdict(LoadTiming(alone.get(name), under_load.get(name)))
            for name in sorted(alone.keys() | under_load.keys())
        },
    }


def _timings(stats: RequestStats) -> dict[str, OperationTiming]:
    return {
        entry.name: OperationTiming(
            requests=entry.num_requests,
            p50_ms=round(entry.get_response_time_percentile(0.5) / 1000, 2),
            p95_ms=round(entry.get_response_time_percentile(0.95) / 1000, 2),
        )
        for entry in stats.entries.values()
    }


def _say_server_errors(recorder: LoadRecorder) -> None:
    """Say what was answered by 500: how often, with a few exchanges of each operation."""
    quoted = [dataclasses.asdict(each) for each in recorder.server_errors]
    _say(server_errors=quoted, times=dict(recorder.times))


def _say(**said: Any) -> None:
    print(json.dumps(said), flush=True)


def _wait_for_end_of_stdin() -> None:
    # In a thread of its own, since stdin would block all users.
    while gevent.os.tp_read(sys.stdin.fileno(), 1):
        continue
