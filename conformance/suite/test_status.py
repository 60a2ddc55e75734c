"""What a thread shows of what happens on it, and how it is found by that."""

import pytest

from conformance.suite.asking import Asker
from conformance.suite.case import Case
from conformance.suite.expect import assert_equal
from conformance.suite.outcomes import Blocked, requires
from conformance.suite.runs import Runs
from conformance.suite.shown import Thread, id_of

STATUSES = ("idle", "interrupted", "error", "busy")
#: The requirements by which a thread shows each of them.
_SHOWN_BY = {
    "idle": "CREATE-09",
    "interrupted": "STATUS-01",
    "error": "STATUS-02",
    "busy": "STATUS-03",
}


@requires("STATUS-01")
def test_a_thread_that_waits_is_interrupted(
    given: Asker, threads: Asker, given_runs: Runs, case: Case
) -> None:
    thread = given.empty()
    given_runs.ended(thread, "interrupter")
    _assert_status(threads, thread, "interrupted", case)


@requires("STATUS-02")
def test_a_thread_whose_run_failed_is_in_error(
    given: Asker, threads: Asker, given_runs: Runs, case: Case
) -> None:
    thread = given.empty()
    given_runs.ended(thread, "failing")
    _assert_status(threads, thread, "error", case)


@requires("STATUS-03")
def test_a_thread_with_a_run_is_busy(
    given: Asker, threads: Asker, given_runs: Runs, case: Case
) -> None:
    thread = given.empty()
    given_runs.halfway(thread)
    _assert_status(threads, thread, "busy", case)


@requires("STATUS-04")
def test_a_thread_that_was_resumed_is_idle(
    given: Asker, threads: Asker, given_runs: Runs, case: Case
) -> None:
    thread = given.empty()
    given_runs.ended(thread, "interrupter")
    given_runs.resumed(thread, "interrupter", "yes")
    _assert_status(threads, thread, "idle", case)


@requires("STATUS-05")
def test_a_thread_in_error_recovers(
    given: Asker, threads: Asker, given_runs: Runs, case: Case
) -> None:
    thread = given.empty()
    given_runs.ended(thread, "failing")
    given_runs.ended(thread, "agent")
    _assert_status(threads, thread, "idle", case)


@pytest.fixture
def by_status(given: Asker, given_runs: Runs, case: Case) -> dict[str, Thread]:
    """One thread of each status."""
    made = {status: given.empty() for status in STATUSES}
    given_runs.ended(made["interrupted"], "interrupter")
    given_runs.ended(made["error"], "failing")
    given_runs.halfway(made["busy"])
    for status, thread in made.items():
        shown = _status(given, thread, status, case)
        if shown != status:
            raise Blocked(f"the thread that should be {status} is {shown}", by=_SHOWN_BY[status])
    return made


@requires("STATUS-06")
def test_a_search_by_status_finds_exactly_its_threads(
    threads: Asker, case: Case, by_status: dict[str, Thread]
) -> None:
    wanted = {status: [id_of(thread)] for status, thread in by_status.items()}
    found = case.eventually(
        lambda: {status: threads.found(status=status) for status in wanted},
        lambda found: found == wanted,
    )
    assert_equal(found, wanted, "the threads found by each status")


@requires("STATUS-07")
def test_a_count_by_status_counts_exactly_its_threads(
    threads: Asker, case: Case, by_status: dict[str, Thread]
) -> None:
    wanted = dict.fromkeys(by_status, 1)
    counted = case.eventually(
        lambda: {status: threads.count(status=status) for status in wanted},
        lambda counted: counted == wanted,
    )
    assert_equal(counted, wanted, "the number of threads of each status")


def _assert_status(asker: Asker, thread: Thread, status: str, case: Case) -> None:
    assert_equal(_status(asker, thread, status, case), status, "status")


def _status(asker: Asker, thread: Thread, status: str, case: Case) -> object:
    return case.eventually(lambda: asker.get(thread).get("status"), lambda shown: shown == status)
