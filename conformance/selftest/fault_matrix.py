"""The kill matrix: every fault is tried against the checks, in parallel processes.

Each process collects the suite once, and takes faults from a queue until it is empty. A check is
first run without a fault, to learn what it touches: faults that are tried by the same checks go to
the same process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from starlette.types import ASGIApp

from conformance.clients.client import NotInstalledError
from conformance.clients.opened import KNOWN
from conformance.contract.catalogue import (
    ACCESS_CAPABILITY,
    CLIENTS_CAPABILITY,
    HTTP,
    PROFILES,
    RESTART_CAPABILITY,
    SCALE_CAPABILITY,
    load_catalogue,
)
from conformance.contract.verdicts import Verdict
from conformance.faults.registry import Fault, all_faults, faulty_deployment
from conformance.reference.altered import Altered
from conformance.report.record import CheckResult
from conformance.runner.check_durations import balanced, expected_s
from conformance.runner.selection import check_id, client_of, requirements_of, restarts
from conformance.runner.server_errors import ServerError, results_of_errors
from conformance.selftest.fault_row import Row
from conformance.selftest.processes import Results, SelftestError, Tasks, in_processes
from conformance.selftest.worker import (
    TIMEOUT_S,
    Worker,
    deployment,
    needs_scale,
    needs_tenants,
    run_worker,
)

#: The reference shows every change at once, so that waiting would change nothing.
VISIBLE_WITHIN_S = 0.05
#: The scale of the checks of scale under a fault: beyond the states and threads of all others.
SCALE = 160
#: One of the documents' clients is enough to show that their requirements can fail.
CLIENTS_TRIED = ("curl", "python-sdk")
#: Faults that one process tries in a row: to learn what all checks touch takes as long as trying
#: two or three faults by all of them, and some of these take minutes, in which it waits.
_LEAST_BATCH, _LARGEST_BATCH = 4, 24
#: So many checks, at least, are worth a process of their own.
_LEAST_PART = 10


def run_matrix(
    faults: Sequence[str],
    workers: int,
    on_row: Callable[[Row], None],
    profile: str = PROFILES[-1],
    requirements: tuple[str, ...] = (),
    narrow: frozenset[str] = frozenset(),
    parts: int = 1,
) -> list[Row]:
    """Return a row for each fault, in their order; call `on_row` as each is finished.

    The faults in `narrow` are tried only against the checks of the requirements that they break.
    The checks of one fault are run in up to so many `parts` at once, each in a process.
    """
    clients = _clients_for(all_faults()[name] for name in faults)
    return in_processes(
        partial(work, parts=parts),
        (profile, clients, requirements, narrow),
        faults,
        workers,
        lambda row: row.name,
        on_row,
        batches=batched(faults, narrow, workers),
    )


def batched(
    faults: Sequence[str], narrow: Collection[str], workers: int
) -> Iterator[Sequence[str]]:
    """Yield the faults in batches, each for one process, so that few processes learn one check.

    Those that all checks try come first, since they take longest; the `narrow` ones stand by what
    they break. Batches become smaller, so that all processes end at about the same time.
    """
    known = all_faults()
    wide = [each for each in faults if each not in narrow]
    alike = sorted((each for each in faults if each in narrow), key=lambda each: known[each].breaks)
    for some, least in ((wide, _LEAST_BATCH), (alike, 1)):
        while some:
            size = max(least, min(_LARGEST_BATCH, len(some) // (2 * workers)))
            yield some[:size]
            some = some[size:]


def _concerns(fault: Fault, capability: str) -> bool:
    """Return whether a fault breaks requirements of that capability.

    Only faults of these capabilities are tried with the documents' clients, access control,
    restarts or scale: under any other fault a deployment is as wrong after a restart as before, and
    with many threads as with few.
    """
    requirements = load_catalogue().requirements
    return any(requirements[each].capability == capability for each in fault.breaks)


def _clients_for(faults: Iterable[Fault]) -> tuple[str, ...]:
    """Return the clients of the checks: HTTP, and one of the documents' clients where needed."""
    if not any(_concerns(each, CLIENTS_CAPABILITY) for each in faults):
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
    narrow: frozenset[str],
    tasks: Tasks,
    results: Results[Row],
    known: Mapping[str, Fault] | None = None,
    until_found: bool = False,
    parts: int = 1,
) -> None:
    """Try faults from the queue until None; put a row for each, or an error text.

    The names are those of `known`, by default of the faults of the package. With `until_found`
    the short checks come first, and none after the first that fails.
    """
    known = all_faults() if known is None else known
    run_worker(
        partial(
            _FaultWorker,
            tasks=tasks,
            results=results,
            only=requirements,
            narrow=narrow,
            parts=parts,
            known=known,
            until_found=until_found,
        ),
        results,
        profile=profile,
        clients=clients,
        requirements=requirements,
        visible_within_s=VISIBLE_WITHIN_S,
    )


class _FaultWorker(Worker):
    """A worker that makes the rows of faults; with `only`, `breaks` has only these requirements."""

    def __init__(
        self,
        *given: Any,
        only: tuple[str, ...],
        narrow: frozenset[str],
        parts: int,
        known: Mapping[str, Fault],
        until_found: bool,
        **named: Any,
    ) -> None:
        super().__init__(*given, **named)
        self.only, self.narrow, self.known = only, narrow, known
        self.parts, self.until_found = parts, until_found

    def alterations(self) -> Iterable[Altered]:
        return (faulty_deployment(each)[0] for each in self.known.values())

    def _results_of(self, concerned: Sequence[pytest.Item]) -> Iterator[CheckResult]:
        """Yield the results of checks; with `until_found`, of none after the first that fails."""
        if not self.until_found:
            yield from map(self.result, concerned)
            return
        for item in sorted(concerned, key=lambda each: expected_s(check_id(each))):
            result = self.result(item)
            yield result
            if result.verdict is Verdict.FAIL and set(result.requirements) - self.learnt.failing:
                return

    def row(self, name: str, items: Sequence[pytest.Item]) -> Row:
        chosen = self.known[name]
        try:
            return self._row(chosen, items)
        except Exception as crash:  # such as in a rule's condition; other faults are still tried
            return Row(chosen.name, chosen.breaks, fell=(), crashes=(repr(crash),))

    def _may_concern(self, chosen: Fault, item: pytest.Item) -> bool:
        """Return whether a fault is tried by a check if it affects what the check touches."""
        # Checks by a documents' client are run only for faults that break requirements of clients.
        clients = self.settings.clients if _concerns(chosen, CLIENTS_CAPABILITY) else (HTTP,)
        return (
            needs_tenants(item) is _concerns(chosen, ACCESS_CAPABILITY)
            and client_of(item) in clients
            and (_concerns(chosen, RESTART_CAPABILITY) or not restarts(item))
            and (_concerns(chosen, SCALE_CAPABILITY) or not needs_scale(item))
            and (
                chosen.name not in self.narrow
                or not set(requirements_of(item)).isdisjoint(chosen.breaks)
            )
        )

    def _row(self, chosen: Fault, items: Sequence[pytest.Item]) -> Row:
        asked = [each for each in items if self._may_concern(chosen, each)]
        if len(parts := self._in_parts(self.unlearnt(asked))) > 1:
            self.learn_in_parts(parts)
        self.learn(asked)
        started = time.perf_counter()
        broken, _ = self._broken(chosen)
        concerned = [each for each in asked if self.learnt.touched[each].affected_by(broken)]
        if len(parts := self._in_parts(concerned)) > 1:
            tried = _sum(self.in_forks(partial(self._try, chosen), parts))
        else:
            tried = self._try(chosen, concerned)
        results = [
            *tried.results,
            *results_of_errors(tried.server_errors, tried.results, load_catalogue()),
        ]

        def requirements_with(verdict: Verdict) -> tuple[str, ...]:
            found = {
                one for each in results if each.verdict is verdict for one in each.requirements
            }
            return tuple(sorted(found - self.learnt.failing))

        return Row(
            fault=chosen.name,
            breaks=tuple(each for each in chosen.breaks if not self.only or each in self.only),
            fell=requirements_with(Verdict.FAIL),
            blocked=requirements_with(Verdict.BLOCKED),
            errors=requirements_with(Verdict.ERROR),
            exercised=tried.exercised,
            crashes=tuple(sorted(tried.crashes)),
            checks=len(results),
            duration_s=round(time.perf_counter() - started, 2),
            why={
                each.id: f"{each.verdict.value}: {each.reason}"
                for each in results
                if each.verdict is not Verdict.PASS
            },
            narrow=chosen.name in self.narrow,
            catalogue=load_catalogue().digest,
        )

    def _broken(self, chosen: Fault) -> tuple[Altered, ASGIApp]:
        return deployment(chosen, with_tenants=_concerns(chosen, ACCESS_CAPABILITY))

    def _in_parts(self, items: Sequence[pytest.Item]) -> list[list[pytest.Item]]:
        """Return the checks in parts that take about as long as each other."""
        parts = 1 if self.until_found else max(1, min(self.parts, len(items) // _LEAST_PART))
        by_id = {check_id(each): each for each in items}
        return [[by_id[each] for each in part] for part in balanced(by_id, parts)]

    def _try(self, chosen: Fault, concerned: Sequence[pytest.Item]) -> _Tried:
        """Run checks against the reference with the fault."""
        broken, self.host.app = self._broken(chosen)
        self.process = broken.app
        scaling = _concerns(chosen, SCALE_CAPABILITY)
        if scaling:
            self.connect(replace(self.settings, scale=SCALE))
        self.use(with_tenants=_concerns(chosen, ACCESS_CAPABILITY))
        self.server_errors.clear()
        results = list(self._results_of(concerned))
        self.host.abandon()
        if scaling:
            self.connect(self.settings)
        crashes = frozenset(map(repr, broken.wire.crashes))
        return _Tried(results, list(self.server_errors), broken.exercised, crashes)


@dataclass(frozen=True)
class _Tried:
    """What checks found of a fault: their results, and what the deployment did meanwhile."""

    results: list[CheckResult]
    server_errors: list[ServerError]
    exercised: bool
    crashes: frozenset[str]


def _sum(parts: Sequence[_Tried]) -> _Tried:
    return _Tried(
        [each for part in parts for each in part.results],
        [each for part in parts for each in part.server_errors],
        any(each.exercised for each in parts),
        frozenset().union(*(each.crashes for each in parts)),
    )
