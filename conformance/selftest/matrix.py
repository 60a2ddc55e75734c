"""Runs every fault against the checks, in processes beside each other.

Each process collects the suite once, runs it without a fault to learn what every check
touches, and then takes faults from a queue until there are no more.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest
from starlette.types import ASGIApp

from conformance.clients.client import NotInstalledError
from conformance.clients.opened import KNOWN
from conformance.contract.catalogue import (
    ACCESS_CAPABILITY,
    CLIENTS_CAPABILITY,
    HTTP,
    PROFILES,
    load_catalogue,
)
from conformance.contract.verdicts import Verdict
from conformance.deployment.connect import connect
from conformance.deployment.settings import Settings
from conformance.engine import new_settings, own_pytest, pytest_arguments
from conformance.plugin import CLIENT_MARKER, MARKER, Checks, client_of, requirements_of
from conformance.reference.doors import KEY_HEADER
from conformance.reference.faults import Broken, Fault, all_faults, broken_deployment
from conformance.report.record import CheckResult
from conformance.selftest.asgi import InProcess, InProcessTransport
from conformance.selftest.row import Row
from conformance.selftest.touching import Touched, Watcher
from conformance.suite.fixtures import SuiteFixtures

#: The reference shows what was done at once; nobody waits for what never comes.
VISIBLE_WITHIN_S = 0.05
TIMEOUT_S = 10.0
RUN_TIMEOUT_S = 4.0
#: Time passes faster there: a second of a slow run, a minute of a cron's schedule.
SPEED = 4.0
CRON_MINUTE_S = 0.1
CRON_WITHIN_S = 2.0
#: For the faults of the doors: each has a deployment of its own behind them.
TENANTS = {"key-of-the-user-2f6d81": "user", "key-of-another-9c04e7": "another"}
#: Of the documents' clients one is enough to see that their requirements can fall.
CLIENTS_TRIED = ("curl", "python-sdk")


class Tasks(Protocol):
    """Names of faults, and None at the end."""

    def get(self) -> str | None:
        """The next one."""


class Results(Protocol):
    """Where rows go, or a text that says what broke."""

    def put(self, result: Row | str) -> None:
        """Hand over a row."""


class SelftestError(Exception):
    """The matrix cannot be made; the message says why."""


def run_matrix(
    faults: Sequence[str], workers: int, told: Callable[[Row], None], profile: str = PROFILES[-1]
) -> list[Row]:
    """A row for each fault, in their order; `told` hears of each as it comes."""
    clients = _clients_for(all_faults()[name] for name in faults)
    context = multiprocessing.get_context("spawn")
    tasks: SimpleQueue[str | None] = context.SimpleQueue()
    results: SimpleQueue[Row | str] = context.SimpleQueue()
    for name in faults:
        tasks.put(name)
    for _ in range(workers):
        tasks.put(None)
    processes = [
        context.Process(target=work, args=(profile, clients, tasks, results), daemon=True)
        for _ in range(workers)
    ]
    for process in processes:
        process.start()
    rows: dict[str, Row] = {}
    try:
        while len(rows) < len(faults):
            result = _next(results, processes)
            if isinstance(result, str):
                raise SelftestError(result)
            rows[result.fault] = result
            told(result)
    finally:
        for process in processes:
            if len(rows) < len(faults):
                process.terminate()
            process.join()
    return [rows[name] for name in faults]


def _next(
    results: SimpleQueue[Row | str], processes: Sequence[multiprocessing.process.BaseProcess]
) -> Row | str:
    while results.empty():
        if not any(process.is_alive() for process in processes) and results.empty():
            return "the processes of the matrix ended before it was whole"
        time.sleep(0.02)
    return results.get()


def _is_orphan() -> bool:
    """Whether who started this process was killed: nobody takes its rows any more."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def _concerns_clients(fault: Fault) -> bool:
    """Whether a fault breaks what the documents' clients promise, and so is tried by one."""
    requirements = load_catalogue().requirements
    return any(requirements[each].capability == CLIENTS_CAPABILITY for each in fault.breaks)


def _concerns_doors(fault: Fault) -> bool:
    """Whether a fault breaks who may come in: it is tried where there are doors, and only there."""
    requirements = load_catalogue().requirements
    return any(requirements[each].capability == ACCESS_CAPABILITY for each in fault.breaks)


def _clients_for(faults: Iterable[Fault]) -> tuple[str, ...]:
    """By what the checks ask: by HTTP, and by one of the documents' clients where it is needed."""
    if not any(map(_concerns_clients, faults)):
        return (HTTP,)
    for name in CLIENTS_TRIED:
        with suppress(NotInstalledError):
            KNOWN[name](TIMEOUT_S).close()
            return (HTTP, name)
    raise SelftestError(
        "the faults of clients need one of them: install curl and jq, or "
        "pip install 'threads-conformance[clients]'"
    )


def work(profile: str, clients: tuple[str, ...], tasks: Tasks, results: Results) -> None:
    """Take faults until None comes; a row for each, or a text that says what broke."""
    with TemporaryDirectory(prefix="threads-conformance-selftest-") as directory:
        # Nothing here outlives the process: its ledger need not either.
        os.environ["XDG_STATE_HOME"] = directory
        user, another = TENANTS
        settings = new_settings(
            "http://reference.test",
            run_dir=Path(directory),
            profile=profile,
            effort="quick",
            # By their ids, so that those are judged too that need more effort elsewhere.
            requirements=tuple(e.id for e in load_catalogue().in_profile(profile, clients)),
            clients=clients,
            repeat_failures=0,
            shrink=False,
            visible_within_s=VISIBLE_WITHIN_S,
            timeout_s=TIMEOUT_S,
            run_timeout_s=RUN_TIMEOUT_S,
            cron_within_s=CRON_WITHIN_S,
            # The way leads through this process: there is nothing to wait for.
            disposable=True,
            outage_within_s=0.0,
            backoff_s=0.0,
            protected=True,
            headers=((KEY_HEADER, user),),
            other_headers=((KEY_HEADER, another),),
        )
        try:
            with InProcess() as host, own_pytest():
                worker = _Worker(settings, host, tasks, results)
                ended = pytest.main(pytest_arguments(plugins=()), plugins=[worker])
        except BaseException as broken:
            results.put(f"a process of the matrix broke: {broken!r}")
            raise
        if ended not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            results.put(f"pytest ended with {ended!r}: {worker.problem}")


def _deployment(chosen: Fault | None, *, doors: bool) -> tuple[Broken, ASGIApp]:
    return broken_deployment(
        chosen, speed=SPEED, cron_minute_s=CRON_MINUTE_S, tenants=TENANTS if doors else None
    )


def _is_of_doors(item: pytest.Item) -> bool:
    """Whether a check is about who may come in, and so needs doors."""
    requirements = load_catalogue().requirements
    return any(requirements[each].capability == ACCESS_CAPABILITY for each in requirements_of(item))


class _Worker:
    """The pytest plugin of one process."""

    def __init__(
        self,
        settings: Settings,
        host: InProcess,
        tasks: Tasks,
        results: Results,
    ) -> None:
        self._settings, self._host = settings, host
        self._tasks, self._results = tasks, results
        self._checks: Checks | None = None
        self.problem = ""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Bind the checks to the deployment in this process."""
        for marker in (MARKER, CLIENT_MARKER):
            config.addinivalue_line("markers", marker)
        # Nobody reads where a check failed; to tell it prettily takes longer than the check.
        config.option.tbstyle = "native"
        stack = ExitStack()
        config.add_cleanup(stack.close)
        reach = partial(InProcessTransport, self._host)
        connection = stack.enter_context(connect(self._settings, record=False, reach=reach))
        self._checks = Checks(self._settings, connection)
        config.pluginmanager.register(self._checks)
        config.pluginmanager.register(SuiteFixtures(self._settings, connection))

    def pytest_internalerror(self, excrepr: object) -> None:
        """Keep what broke, to tell it."""
        self.problem = str(excrepr)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Learn what the checks touch, then take one fault after the other."""
        faults = all_faults()
        touched, fallen = self._faultless(session.items, faults)
        for name in iter(self._tasks.get, None):
            if _is_orphan():
                break
            self._results.put(self._row(faults[name], session.items, touched, fallen))
        return True

    def _faultless(
        self, items: Sequence[pytest.Item], faults: dict[str, Fault]
    ) -> tuple[dict[pytest.Item, Touched], set[str]]:
        decisions = set()
        for each in faults.values():
            decisions |= broken_deployment(each)[0].replaced
        touched = {}
        fallen: set[str] = set()
        for doors in (False, True):
            deployment, self._host.app = _deployment(None, doors=doors)
            watcher = Watcher(deployment, sorted(decisions))
            for item in (each for each in items if _is_of_doors(each) is doors):
                watcher.current = touched[item] = Touched()
                result = self._result(item)
                if result.verdict is not Verdict.PASS:
                    fallen.update(result.requirements)
            self._host.abandon()
        return touched, fallen

    def _row(
        self,
        chosen: Fault,
        items: Sequence[pytest.Item],
        touched: dict[pytest.Item, Touched],
        fallen: set[str],
    ) -> Row:
        started = time.perf_counter()
        doors = _concerns_doors(chosen)
        broken, self._host.app = _deployment(chosen, doors=doors)
        # The requirements of clients count only in a run by one: that is the run of their faults.
        asked_by = self._settings.clients if _concerns_clients(chosen) else (HTTP,)
        concerned = [
            each
            for each in items
            if _is_of_doors(each) is doors
            and client_of(each) in asked_by
            and touched[each].by(broken)
        ]
        results = [self._result(item) for item in concerned]
        self._host.abandon()

        def named(verdict: Verdict) -> tuple[str, ...]:
            found = {
                one for each in results if each.verdict is verdict for one in each.requirements
            }
            return tuple(sorted(found - fallen))

        return Row(
            fault=chosen.name,
            breaks=chosen.breaks,
            fell=named(Verdict.FAIL),
            blocked=named(Verdict.BLOCKED),
            errors=named(Verdict.ERROR),
            exercised=broken.exercised,
            crashes=tuple(sorted({repr(each) for each in broken.wire.crashes})),
            checks=len(results),
            duration_s=round(time.perf_counter() - started, 2),
            why={
                each.id: f"{each.verdict.value}: {each.reason}"
                for each in results
                if each.verdict is not Verdict.PASS
            },
        )

    def _result(self, item: pytest.Item) -> CheckResult:
        assert self._checks is not None
        return self._checks.attempt(item, None)[1]
