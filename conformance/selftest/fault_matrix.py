"""Runs every fault against the checks, in parallel processes: the kill matrix.

Each process collects the suite once, runs it without a fault to learn what every check touches,
and then takes faults from a queue until it is empty.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

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
from conformance.faults.registry import Fault, all_faults, faulty_deployment
from conformance.reference.altered import Altered
from conformance.runner.selection import client_of
from conformance.selftest.fault_row import Row
from conformance.selftest.processes import Results, SelftestError, Tasks, in_processes
from conformance.selftest.worker import (
    TIMEOUT_S,
    Learnt,
    Worker,
    deployment,
    needs_tenants,
    run_worker,
)

#: The reference shows every change at once, so that waiting would change nothing.
VISIBLE_WITHIN_S = 0.05
#: One of the documents' clients is enough to show that their requirements can fail.
CLIENTS_TRIED = ("curl", "python-sdk")


def run_matrix(
    faults: Sequence[str],
    workers: int,
    on_row: Callable[[Row], None],
    profile: str = PROFILES[-1],
    requirements: tuple[str, ...] = (),
) -> list[Row]:
    """Return a row for each fault, in their order; call `on_row` as each is finished."""
    clients = _clients_for(all_faults()[name] for name in faults)
    return in_processes(
        work, (profile, clients, requirements), faults, workers, lambda row: row.fault, on_row
    )


def _concerns_clients(fault: Fault) -> bool:
    """Return whether a fault breaks requirements of the documents' clients: they judge it then."""
    requirements = load_catalogue().requirements
    return any(requirements[each].capability == CLIENTS_CAPABILITY for each in fault.breaks)


def _concerns_access(fault: Fault) -> bool:
    """Return whether a fault breaks access control; it is tried only where there is some."""
    requirements = load_catalogue().requirements
    return any(requirements[each].capability == ACCESS_CAPABILITY for each in fault.breaks)


def _clients_for(faults: Iterable[Fault]) -> tuple[str, ...]:
    """Return the clients of the checks: HTTP, and one of the documents' clients where needed."""
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


def work(
    profile: str,
    clients: tuple[str, ...],
    requirements: tuple[str, ...],
    tasks: Tasks,
    results: Results[Row],
    known: Mapping[str, Fault] | None = None,
) -> None:
    """Try faults from the queue until None; put a row for each, or an error text.

    The names are those of `known`, by default of the faults of the package.
    """
    known = all_faults() if known is None else known
    run_worker(
        partial(_FaultWorker, tasks=tasks, results=results, only=requirements, known=known),
        results,
        profile=profile,
        clients=clients,
        requirements=requirements,
        visible_within_s=VISIBLE_WITHIN_S,
    )


class _FaultWorker(Worker):
    """Makes the rows of faults, which name the requirements of `only` if there are any."""

    def __init__(
        self, *given: Any, only: tuple[str, ...], known: Mapping[str, Fault], **named: Any
    ) -> None:
        super().__init__(*given, **named)
        self.only, self.known = only, known

    def alterations(self) -> Iterable[Altered]:
        return (faulty_deployment(each)[0] for each in self.known.values())

    def row(self, name: str, items: Sequence[pytest.Item], learnt: Learnt) -> Row:
        chosen = self.known[name]
        try:
            return self._row(chosen, items, learnt)
        except Exception as crash:  # such as of a rule's condition; the other faults go on
            return Row(chosen.name, chosen.breaks, fell=(), crashes=(repr(crash),))

    def _row(self, chosen: Fault, items: Sequence[pytest.Item], learnt: Learnt) -> Row:
        started = time.perf_counter()
        with_tenants = _concerns_access(chosen)
        broken, self.host.app = deployment(chosen, with_tenants=with_tenants)
        # Requirements of clients count only in runs by a client: those of faults that break them.
        asked_by = self.settings.clients if _concerns_clients(chosen) else (HTTP,)
        concerned = [
            each
            for each in items
            if needs_tenants(each) is with_tenants
            and client_of(each) in asked_by
            and learnt.touched[each].affected_by(broken)
        ]
        results = [self.result(item) for item in concerned]
        self.host.abandon()

        def requirements_with(verdict: Verdict) -> tuple[str, ...]:
            found = {
                one for each in results if each.verdict is verdict for one in each.requirements
            }
            return tuple(sorted(found - learnt.failing))

        return Row(
            fault=chosen.name,
            breaks=tuple(each for each in chosen.breaks if not self.only or each in self.only),
            fell=requirements_with(Verdict.FAIL),
            blocked=requirements_with(Verdict.BLOCKED),
            errors=requirements_with(Verdict.ERROR),
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
