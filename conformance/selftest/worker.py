"""A process of a matrix: it collects the suite and runs checks against altered deployments.

What a check touches is learnt by running it without any alteration, before it is first needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from starlette.types import ASGIApp

from conformance.checks.fixtures import RESOURCES, WorkerResources
from conformance.contract.catalogue import ACCESS_CAPABILITY, SCALE_CAPABILITY, load_catalogue
from conformance.contract.verdicts import Verdict
from conformance.deployment.connect import connect
from conformance.deployment.ownership.ledger import LedgerState
from conformance.deployment.restart import Restarter
from conformance.deployment.settings import Settings
from conformance.faults.registry import Fault, faulty_deployment
from conformance.garbage_collection import collect_rarely
from conformance.json_text import allow_memory
from conformance.reference.altered import Altered
from conformance.reference.restarting import RestartableApp
from conformance.reference.tenants import KEY_HEADER
from conformance.report.record import CheckResult
from conformance.runner.pytest_engine import own_pytest, pytest_arguments
from conformance.runner.selection import is_of_capability
from conformance.runner.server_errors import ServerError
from conformance.runner.settings import new_settings
from conformance.runner.worker import Checks
from conformance.selftest.asgi import InProcess, InProcessTransport
from conformance.selftest.forks import in_forks
from conformance.selftest.impact import Impact, ImpactRecorder
from conformance.selftest.learnt_cache import LearntCache
from conformance.selftest.processes import Results, Tasks, is_orphan

_T = TypeVar("_T")

TIMEOUT_S = 10.0
RUN_TIMEOUT_S = 4.0
#: The memory limit of a process of a matrix, in bytes: hypothesis keeps some of each run.
MEMORY = 4 * 2**30
#: The speed of the store's clock.
SPEED = 4.0
#: Real seconds that a minute of a cron's schedule lasts, and within which its run is awaited.
CRON_MINUTE_S = 0.1
CRON_WITHIN_S = 2.0
#: The scale of the checks of scale on the reference and under freedoms.
SMALL_SCALE = 20
#: After so many checks have been learnt, they are stored, and what others have learnt is taken.
_SHARED_AT_ONCE = 40
#: Multiples of it, by successive numbers, are spread evenly between whole numbers.
_GOLDEN_RATIO = 0.6180339887
#: The API keys of the tenants, for the checks of access control.
TENANTS = {"key-of-the-user-2f6d81": "user", "key-of-another-9c04e7": "another"}


def deployment(chosen: Fault | None, *, with_tenants: bool) -> tuple[Altered, ASGIApp]:
    """Return the reference, with a fault if one is given, as a matrix judges it."""
    return faulty_deployment(
        chosen, speed=SPEED, cron_minute_s=CRON_MINUTE_S, tenants=TENANTS if with_tenants else None
    )


@cache
def needs_tenants(item: pytest.Item) -> bool:
    """Return whether a check is about access control."""
    return is_of_capability(item, load_catalogue(), ACCESS_CAPABILITY)


@cache
def needs_scale(item: pytest.Item) -> bool:
    """Return whether a check is about many states or threads."""
    return is_of_capability(item, load_catalogue(), SCALE_CAPABILITY)


class Worker:
    """The pytest plugin of a process; subclasses make the rows."""

    def __init__(
        self, settings: Settings, host: InProcess, tasks: Tasks, results: Results[Any]
    ) -> None:
        self.settings, self.host = settings, host
        self.problem = ""
        #: The application of the current deployment; None with access control.
        self.process: RestartableApp | None = None
        #: Answers with status 500 in checks that passed; subclasses empty the list.
        self.server_errors: list[ServerError] = []
        self.learnt = Learnt()
        self._tasks, self._results = tasks, results
        #: The methods that some alteration of the matrix overrides.
        self._decisions: frozenset[Callable[..., Any]] = frozenset()
        #: What is known of checks by their ids, and what this process has learnt but not stored.
        self._cache: LearntCache | None = None
        self._kept: dict[str, Impact] = {}
        self._new: dict[str, Impact] = {}
        self._config: pytest.Config | None = None
        self._checks: Checks | None = None
        self._connections = ExitStack()
        #: The settings of the connections: those of the matrix, or of what it tries.
        self._current = settings
        #: What the checks without and with access control share, on a connection each.
        self._shared: dict[bool, WorkerResources] = {}
        self._connected = 0

    def alterations(self) -> Iterable[Altered]:
        """Yield every altered deployment of the matrix; the methods they override are watched."""
        raise NotImplementedError

    def row(self, name: str, items: Sequence[pytest.Item]) -> object:
        """Return the row of the task of that name; `learn` the checks first that it may run."""
        raise NotImplementedError

    def pytest_configure(self, config: pytest.Config) -> None:
        """Bind the checks to the deployment in this process."""
        # Tracebacks are not read, and formatting them takes longer than the checks.
        config.option.tbstyle = "native"
        self._config = config
        config.add_cleanup(self._connections.close)
        self.connect(self.settings)

    def connect(self, settings: Settings) -> None:
        """Run the checks with these settings from now on, on new connections.

        What the old connections have learnt of the deployment is forgotten.
        """
        self._connections.close()
        self._shared.clear()
        self._current = settings
        self.use(with_tenants=False)

    def use(self, *, with_tenants: bool) -> None:
        """Run the checks on the connection that has the keys of tenants, or has none.

        Where there is a key, all that is recorded is searched for it, which takes a tenth of the
        time of the checks.
        """
        assert self._config is not None
        if with_tenants not in self._shared:
            self._shared[with_tenants] = self._connect(with_tenants)
        shared = self._config.stash[RESOURCES] = self._shared[with_tenants]
        if self._checks is None:
            self._checks = Checks(shared.settings, shared.connection)
            self._config.pluginmanager.register(self._checks)
        else:
            # Not another plug-in: pytest keeps each that was ever registered.
            self._checks.connect(shared.settings, shared.connection)

    def _connect(self, with_tenants: bool) -> WorkerResources:
        settings = self._current
        if not with_tenants:
            settings = replace(settings, headers=(), other_headers=(), protected=False)
        self._connected += 1
        connection = self._connections.enter_context(
            connect(
                settings,
                f"selftest-{self._connected}",
                record=False,
                make_transport=partial(InProcessTransport, self.host),
                # Nothing outlives the process, so that nothing has to be written down.
                ledger=LedgerState(settings.run_id, settings.url),
            )
        )
        shared = WorkerResources(settings, connection, Restarter(self._restart))
        self._connections.callback(shared.close)
        return shared

    def _restart(self) -> None:
        """Simulate a kill and a new start of the deployment: cancel its tasks, keep its store."""
        assert self.process is not None
        self.host.abandon()
        self.process.restart()

    def pytest_internalerror(self, excrepr: object) -> None:
        """Keep the error for the message of the process."""
        self.problem = str(excrepr)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Execute the tasks."""
        session.config.add_cleanup(collect_rarely())
        for name in iter(self._tasks.get, None):
            if is_orphan():
                break
            self._results.put(self.row(name, session.items))
        self._store()
        return True

    def unlearnt(self, items: Sequence[pytest.Item]) -> list[pytest.Item]:
        """Return those of the checks that `learn` would run."""
        self._open_cache(items)
        self._adopt(items)
        return [each for each in items if each not in self.learnt.touched]

    def _open_cache(self, items: Sequence[pytest.Item]) -> None:
        if self._cache is None:
            self._decisions = frozenset().union(*(each.overridden for each in self.alterations()))
            self._cache = LearntCache(self.settings, self._decisions)
            self._kept = self._cache.load()
            self._forget_first(items)

    def _forget_first(self, items: Sequence[pytest.Item]) -> None:
        """Have one check run though it is kept: a connection learns from a right deployment."""
        for with_tenants in (False, True):
            creating = (
                each
                for each in items
                if needs_tenants(each) is with_tenants and self._creates(each)
            )
            first = next(creating, None)
            self._kept.pop(first.nodeid if first else "", None)

    def learn(self, items: Sequence[pytest.Item]) -> None:
        """Run the checks that were not yet run without any alteration, to learn what they touch."""
        new = _from_anywhere(self.unlearnt(items))
        for with_tenants in (False, True):
            some = [each for each in new if needs_tenants(each) is with_tenants]
            if not some:
                continue
            self.use(with_tenants=with_tenants)
            right, self.host.app = deployment(None, with_tenants=with_tenants)
            self.process = right.app
            watcher = ImpactRecorder(right, self._decisions)
            for item in some:
                if item in self.learnt.touched:
                    continue
                watcher.current = self.learnt.touched[item] = Impact()
                result = self.result(item)
                self.learnt.verdicts[item] = result.verdict
                if result.verdict is not Verdict.PASS:
                    self.learnt.failing.update(result.requirements)
                    continue
                self._new[item.nodeid] = watcher.current
                if self._cache and len(self._new) >= _SHARED_AT_ONCE:
                    self._store()
                    self._kept = self._cache.load()
                    self._adopt(some)
            self.host.abandon()

    def learn_in_parts(self, parts: Sequence[Sequence[pytest.Item]]) -> None:
        """Learn in a fork for each part what checks touch, and keep it in the cache for `learn`."""

        def learn(part: Sequence[pytest.Item]) -> None:
            self.learn(part)
            self._store()

        self.in_forks(learn, parts)
        if self._cache:
            self._kept = self._cache.load()
            self._forget_first([each for part in parts for each in part])

    def in_forks(
        self,
        work: Callable[[Sequence[pytest.Item]], _T],
        parts: Sequence[Sequence[pytest.Item]],
    ) -> list[_T]:
        """Return the result of `work` with each part of the checks, each made in a fork."""

        def begin(part: Sequence[pytest.Item]) -> _T:
            self.host.continue_in_fork()
            return work(part)

        self.host.abandon()
        return in_forks([partial(begin, each) for each in parts])

    def _adopt(self, items: Iterable[pytest.Item]) -> None:
        """Take what is kept of checks that this process has not run."""
        for each in items:
            if each not in self.learnt.touched and (kept := self._kept.get(each.nodeid)):
                self.learnt.touched[each], self.learnt.verdicts[each] = kept, Verdict.PASS

    def _store(self) -> None:
        """Keep what this process has learnt since the last call, for itself and for others."""
        if self._new and self._cache:
            self._cache.store(self._new)
            self._new.clear()

    def _creates(self, item: pytest.Item) -> bool:
        """Return whether a check that is kept creates a thread."""
        kept = self._kept.get(item.nodeid, Impact())
        return any(each.request.operation == "create" for each in kept.requests)

    def result(self, item: pytest.Item) -> CheckResult:
        """Return the result of a check against the current deployment."""
        assert self._checks is not None
        result = self._checks.attempt(item, None)[1]
        self.server_errors += self._checks.server_errors
        return result


def _from_anywhere(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the items in their order, but begun at a place that differs between processes.

    So each process of a matrix learns others first, and takes what the others have learnt.
    """
    start = int(len(items) * (os.getpid() * _GOLDEN_RATIO % 1))
    return [*items[start:], *items[:start]]


class Learnt:
    """The results, without any alteration, of the checks that were run so."""

    def __init__(self) -> None:
        self.touched: dict[pytest.Item, Impact] = {}
        self.verdicts: dict[pytest.Item, Verdict] = {}
        #: Requirements that do not pass even without an alteration.
        self.failing: set[str] = set()


def run_worker(
    make: Callable[[Settings, InProcess], Worker],
    results: Results[Any],
    *,
    profile: str,
    clients: tuple[str, ...],
    requirements: tuple[str, ...],
    visible_within_s: float,
    timeout_s: float = TIMEOUT_S,
    run_timeout_s: float = RUN_TIMEOUT_S,
) -> None:
    """Collect the suite in this process and let the worker execute its tasks.

    With `requirements` only the checks of these are collected.
    An error is put into `results` as a text.
    """
    allow_memory(MEMORY)
    with TemporaryDirectory(prefix="threads-conformance-selftest-") as directory:
        # Nothing here outlives the process.
        os.environ["XDG_STATE_HOME"] = directory
        user, another = TENANTS
        settings = new_settings(
            "http://reference.test",
            run_dir=Path(directory),
            profile=profile,
            effort="quick",
            # By id, to include those that need more effort than `quick`.
            requirements=tuple(
                each.id
                for each in load_catalogue().in_profile(profile, clients)
                if not requirements or each.id in requirements
            ),
            clients=clients,
            repeat_failures=0,
            shrink=False,
            visible_within_s=visible_within_s,
            timeout_s=timeout_s,
            run_timeout_s=run_timeout_s,
            cron_within_s=CRON_WITHIN_S,
            # Requests stay in this process: nothing is slow or fails on the way.
            disposable=True,
            outage_within_s=0.0,
            backoff_s=0.0,
            protected=True,
            restart="kill",
            scale=SMALL_SCALE,
            headers=((KEY_HEADER, user),),
            other_headers=((KEY_HEADER, another),),
        )
        try:
            with InProcess() as host, own_pytest():
                worker = make(settings, host)
                ended = pytest.main(pytest_arguments(plugins=()), plugins=[worker])
        except BaseException as broken:
            results.put(f"a process of the matrix broke: {broken!r}")
            raise
        if ended not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            results.put(f"pytest ended with {ended!r}: {worker.problem}")
