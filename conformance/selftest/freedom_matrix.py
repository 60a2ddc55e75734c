"""The freedom matrix: the checks are run against every freedom, alone and in pairs.

The reference with a freedom is a right server, so every verdict must be the same as without the
freedom. Only the requirements that a freedom declares as undecidable may become undecided.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from conformance.contract.catalogue import HTTP, PROFILES, load_catalogue
from conformance.contract.verdicts import Verdict
from conformance.freedoms.registry import Freedom, all_freedoms, free_deployment
from conformance.reference.altered import Altered
from conformance.report.record import CheckResult
from conformance.selftest.freedom_row import BETWEEN, FreedomRow, Red, Undecided, name_of
from conformance.selftest.processes import Results, Tasks, in_processes
from conformance.selftest.worker import (
    CRON_MINUTE_S,
    SPEED,
    TENANTS,
    Learnt,
    Worker,
    needs_tenants,
    run_worker,
)

#: Long enough for the freedoms that delay visibility; a check waits only until it finds something.
VISIBLE_WITHIN_S = 5.0
#: Generous, since on a busy machine a slow answer must not become an error; none should hang.
TIMEOUT_S = 60.0
RUN_TIMEOUT_S = 60.0
_RED = (Verdict.FAIL, Verdict.ERROR)


def run_freedoms(
    chosen: Sequence[tuple[Freedom, ...]],
    workers: int,
    on_row: Callable[[FreedomRow], None],
    profile: str = PROFILES[-1],
    requirements: tuple[str, ...] = (),
    *,
    not_alone: bool = False,
) -> list[FreedomRow]:
    """Return a row for each freedom or pair, in their order; call `on_row` as each is finished.

    A pair is tried by the checks that both of its freedoms affect; where they are `not_alone` tried
    as well, by those that one of them does.
    """
    names = [name_of(tuple(each.name for each in together)) for together in chosen]
    given = (profile, requirements, not_alone)
    return in_processes(work, given, names, workers, lambda row: row.name, on_row)


def work(
    profile: str,
    requirements: tuple[str, ...],
    not_alone: bool,
    tasks: Tasks,
    results: Results[FreedomRow],
) -> None:
    """Try freedoms and pairs from the queue until None; put a row for each, or an error text."""
    run_worker(
        partial(_FreedomWorker, tasks=tasks, results=results, not_alone=not_alone),
        results,
        profile=profile,
        clients=(HTTP,),
        requirements=requirements,
        visible_within_s=VISIBLE_WITHIN_S,
        timeout_s=TIMEOUT_S,
        run_timeout_s=RUN_TIMEOUT_S,
    )


class _FreedomWorker(Worker):
    """A worker that makes the rows of freedoms; see `run_freedoms` for `not_alone`."""

    def __init__(self, *given: Any, not_alone: bool, **named: Any) -> None:
        super().__init__(*given, **named)
        self._not_alone = not_alone

    def alterations(self) -> Iterable[Altered]:
        return (_altered((each,))[0][0] for each in all_freedoms().values())

    def row(self, name: str, items: Sequence[pytest.Item]) -> FreedomRow:
        chosen = tuple(all_freedoms()[each] for each in name.split(BETWEEN))
        self.learn(items)
        learnt = self.learnt
        started = time.perf_counter()
        settings = self.settings
        for each in chosen:
            settings = replace(settings, **each.settings)
        # Forget what was learnt from another deployment, such as which ids it accepts.
        self.connect(settings)
        made = _Made()
        of_both, of_one = _concerned(chosen, items, learnt)
        self._try(chosen, of_both, made)
        if self._not_alone or len(made.reached) < len(chosen):
            self._try(chosen, of_one, made)
        return FreedomRow(
            freedoms=tuple(each.name for each in chosen),
            red=_red(chosen, made.results, learnt),
            undecided=_undecided(chosen, made.results, learnt),
            broke=_broke(chosen, made.results),
            unexercised=tuple(each.name for each in chosen if each.name not in made.reached),
            crashes=tuple(sorted(made.crashes)),
            checks=len(made.results),
            duration_s=round(time.perf_counter() - started, 2),
            catalogue=load_catalogue().digest,
        )

    def _try(
        self, chosen: Sequence[Freedom], concerned: Sequence[pytest.Item], made: _Made
    ) -> None:
        """Run checks under the freedoms, without access control and with it."""
        for with_tenants in (False, True):
            self.use(with_tenants=with_tenants)
            of_each, self.host.app = free_deployment(
                chosen,
                speed=SPEED,
                cron_minute_s=CRON_MINUTE_S,
                tenants=TENANTS if with_tenants else None,
            )
            self.process = None if with_tenants else of_each[0][0].app
            for item in (each for each in concerned if needs_tenants(each) is with_tenants):
                made.results.append((item, self.result(item)))
            self.host.abandon()
            for each, altered in zip(chosen, of_each, strict=True):
                made.crashes.update(repr(crash) for one in altered for crash in one.wire.crashes)
                if any(one.exercised for one in altered):
                    made.reached.add(each.name)


@dataclass
class _Made:
    """The results of checks under freedoms, the crashes, and the freedoms that a check reached."""

    results: list[tuple[pytest.Item, CheckResult]] = field(default_factory=list)
    crashes: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)


def _altered(chosen: Sequence[Freedom]) -> list[list[Altered]]:
    return free_deployment(chosen)[0]


def _concerned(
    chosen: Sequence[Freedom], items: Sequence[pytest.Item], learnt: Learnt
) -> tuple[list[pytest.Item], ...]:
    """Return the checks that the freedoms affect: of a pair those that both do, and the others.

    The others are judged under each freedom alone, if it is tried so.
    """
    of_each = [
        {item for item in items if each.settings or learnt.touched[item].affected_by(made[0])}
        for each, made in zip(chosen, _altered(chosen), strict=True)
    ]
    by_all, by_any = set.intersection(*of_each), set.union(*of_each)
    return (
        [item for item in items if item in by_all],
        [item for item in items if item in by_any - by_all],
    )


def _red(
    chosen: Sequence[Freedom],
    results: Iterable[tuple[pytest.Item, CheckResult]],
    learnt: Learnt,
) -> dict[str, Red]:
    found = {}
    for item, result in results:
        bound = tuple(each for each in result.requirements if _is_bound(each, chosen))
        if result.verdict in _RED and bound and result.verdict is not learnt.verdicts[item]:
            found[result.id] = Red(result.verdict.value, bound, result.reason)
    return found


def _is_bound(requirement: str, chosen: Iterable[Freedom]) -> bool:
    """Return whether a requirement must not fail: it is no MAY, and no freedom `breaks` it."""
    level = load_catalogue().requirements[requirement].level
    return level != "MAY" and not any(each.breaks_requirement(requirement) for each in chosen)


def _undecided(
    chosen: Sequence[Freedom],
    results: Iterable[tuple[pytest.Item, CheckResult]],
    learnt: Learnt,
) -> dict[str, Undecided]:
    found = {}
    for item, result in results:
        if result.verdict in (Verdict.PASS, *_RED, learnt.verdicts[item]):
            continue
        declared = tuple(
            each
            for each in result.requirements
            if any(one.may_leave_undecided(each) for one in chosen)
        )
        others = tuple(
            each for each in result.requirements if each not in declared and _is_bound(each, chosen)
        )
        if declared or others:
            found[result.id] = Undecided(
                result.verdict.value, result.reason, result.blocked_by, declared, others
            )
    return found


def _broke(
    chosen: Sequence[Freedom], results: Iterable[tuple[pytest.Item, CheckResult]]
) -> tuple[str, ...]:
    fell = {one for _, each in results if each.verdict in _RED for one in each.requirements}
    return tuple(
        sorted(one for one in fell if any(each.breaks_requirement(one) for each in chosen))
    )
