"""A deployment whose answers prove nothing passes no check by them, and makes no check crash.

It shows no states, finds nothing or refuses everything, so a check has nothing to compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from conformance.contract.catalogue import HTTP, load_catalogue
from conformance.faults.kit.http_changes import (
    HISTORIES,
    change_answer,
    change_request,
    refusing,
    without,
)
from conformance.faults.registry import Apply, Fault, FaultyDeployment
from conformance.selftest import fault_matrix
from conformance.selftest.fault_row import Row
from conformance.selftest.processes import Results, Tasks, in_processes

pytestmark = pytest.mark.slow

#: Checks of these send generated requests for minutes, and look at no single answer.
GENERATED = {"combinations", "keywords", "properties", "links"}


@dataclass(frozen=True)
class Server:
    """A server, and the requirements that must not pass on it, though nothing is seen to be wrong.

    `tenants` are the checks of access control that must not pass; if there are any, all others are
    left out.
    """

    apply: Apply
    requirements: str = ""
    tenants: tuple[str, ...] = ()


def refusing_all(*operations: str) -> Apply:
    def apply(broken: FaultyDeployment) -> None:
        for each in operations:
            refusing(each, status=403)(broken)

    return apply


def checks_of(function: str, *cases: str) -> tuple[str, ...]:
    return tuple(f"test_access.py::{function}[{case}]" for case in cases)


SERVERS = {
    "history is always []": Server(
        change_answer(*HISTORIES, to=lambda *_: []),
        "CHECKPOINT-01 CHECKPOINT-09 CHECKPOINT-10 CHECKPOINT-11 CHECKPOINT-12 COPY-20 HISTORY-14 "
        "HISTORY-FILTER-02 HISTORY-FILTER-07 PREPOP-12 PRUNE-03 PRUNE-04 STATE-05 STATE-10 "
        "STATE-UPDATE-08 STATE-UPDATE-09 STATE-UPDATE-10 STATE-UPDATE-11",
    ),
    "search always finds []": Server(
        change_answer("search", to=lambda *_: []), "SEARCH-08 SORT-05 SORT-07"
    ),
    "search finds all threads": Server(
        change_request("search", to=lambda body: without(body, "metadata", "status", "ids")),
        "SEARCH-02 SORT-05",
    ),
    "runs are all refused": Server(
        refusing_all("run_wait", "run_stream", "run_background"), "RUN-12 RUN-13"
    ),
    "do_nothing is refused": Server(
        refusing("create", lambda request: request.members.get("if_exists") == "do_nothing", 409),
        "IDENTITY-05 IDENTITY-06 IDENTITY-08",
    ),
    "nobody stops a run or changes a cron": Server(
        refusing_all("run_cancel", "runs_cancel", "run_delete", "cron_update", "cron_delete"),
        tenants=(
            *checks_of("test_anothers_runs_are_not_stopped", "cancel", "cancel-many", "delete"),
            *checks_of("test_anothers_crons_are_not_changed", "update", "delete"),
        ),
    ),
}


def work(requirements: tuple[str, ...], tasks: Tasks, results: Results[Row]) -> None:
    known = {
        # A fault of access control is tried with tenants.
        name: Fault(name, ("ACCESS-15",) if server.tenants else (), server.apply)
        for name, server in SERVERS.items()
    }
    fault_matrix.work(
        "extended",
        (HTTP,),
        requirements,
        frozenset(),
        tasks,
        results,
        known,
    )


def test_what_shows_and_grants_nothing_passes_nothing_by_that() -> None:
    chosen = [
        each.id
        for each in load_catalogue().in_profile("extended", (HTTP,))
        if each.capability not in GENERATED
    ]
    rows: list[Row] = in_processes(
        work, (tuple(chosen),), list(SERVERS), 2, lambda row: row.fault, lambda _: None
    )
    assert {row.fault: row.errors for row in rows if row.errors} == {}
    for row in rows:
        server = SERVERS[row.fault]
        passed = {*server.requirements.split()} - {*row.fell, *row.blocked}
        assert passed == set(), row.fault
        assert {*server.tenants} <= (row.why or {}).keys(), row.fault
