"""What the requests of one check created or changed, by their answers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from conformance.contract.operations import BY_NAME
from conformance.deployment.ownership.created_by_check import CHECK_TAG, CreatedByCheck
from conformance.deployment.ownership.creations import Creation, UseCount

OWN, OTHER = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"


def write(
    made: CreatedByCheck,
    operation: str,
    body: Any = None,
    *,
    status: int = 200,
    answer: Any = None,
    thread_id: str | None = None,
    own_id: str | None = None,
    uses: int = 1,
    raw: bytes | None = None,
) -> None:
    creation = Creation(operation, thread_id, body, own_id, UseCount(uses))
    response = (
        httpx.Response(status, json=answer) if raw is None else httpx.Response(status, content=raw)
    )
    made.write(BY_NAME[operation], creation, response)


def with_threads(*thread_ids: str) -> CreatedByCheck:
    made = CreatedByCheck()
    for each in thread_ids:
        write(made, "create", {}, own_id=each)
    return made


@pytest.mark.parametrize(
    ("body", "steps"),
    [({"supersteps": [{}, {}]}, 2), ({"supersteps": {}}, 0), ({}, 0), (None, 0), ([], 0)],
)
def test_a_thread_under_an_id_of_the_runs_has_the_supersteps_that_were_sent(
    body: Any, steps: int
) -> None:
    made = CreatedByCheck()
    write(made, "create", body, own_id=OWN.upper())
    assert made.made == {OWN: steps}
    assert made.threads_with_other_ids == 0


def test_a_thread_under_an_id_that_was_written_to_before_is_none_of_the_checks() -> None:
    made = CreatedByCheck()
    write(made, "create", {}, own_id=OWN, uses=2)
    assert (made.made, made.threads_with_other_ids) == ({}, 0)


def test_threads_under_other_ids_are_counted() -> None:
    made = CreatedByCheck()
    write(made, "create", {})
    write(made, "create", {})
    write(made, "copy", thread_id=OWN)
    assert (made.made, made.threads_with_other_ids) == ({}, 3)


def test_the_tags_of_checks_are_kept() -> None:
    made = CreatedByCheck()
    write(made, "create", {"metadata": {CHECK_TAG: "one", "color": "red"}})
    write(made, "create", {"metadata": {CHECK_TAG: "two"}}, own_id=OWN)
    write(made, "create", {"metadata": {CHECK_TAG: 5}})
    write(made, "create", {"metadata": {}})
    write(made, "create", {"metadata": CHECK_TAG})
    assert made.tags == {"one", "two"}


def test_runs_without_a_thread_are_counted() -> None:
    made = CreatedByCheck()
    write(made, "stateless_wait", {})
    write(made, "stateless_batch", [{}, {}, {}])
    write(made, "stateless_stream", None)
    assert made.stateless == 5


@pytest.mark.parametrize("operation", ["run_background", "run_wait", "run_stream"])
def test_runs_are_counted_by_thread(operation: str) -> None:
    made = CreatedByCheck()
    for each in (OWN, OWN.upper(), OTHER):
        write(made, operation, {}, thread_id=each)
    assert (made.runs, made.updates) == ({OWN: 2, OTHER: 1}, {})


@pytest.mark.parametrize(
    ("body", "counted"),
    [
        ({"method": "run.start"}, 1),
        ({"method": "input.respond"}, 1),
        ({"method": "subscription.subscribe"}, 0),
        ({}, 0),
        (["run.start"], 0),
    ],
)
def test_commands_that_make_runs_are_counted(body: Any, counted: int) -> None:
    made = CreatedByCheck()
    write(made, "thread_command", body, thread_id=OWN)
    assert made.runs.total() == counted


def test_updates_are_counted_by_thread() -> None:
    made = CreatedByCheck()
    for each in (OWN, OWN, OTHER):
        write(made, "update_state", {"method": "run.start"}, thread_id=each)
    assert (made.updates, made.runs) == ({OWN: 2, OTHER: 1}, {})


@pytest.mark.parametrize(
    "operation", ["create", "copy", "stateless_wait", "update_state", "run_wait", "thread_command"]
)
def test_what_was_refused_made_nothing(operation: str) -> None:
    made = CreatedByCheck()
    body = {"metadata": {CHECK_TAG: "one"}, "method": "run.start"}
    write(made, operation, body, status=422, thread_id=OWN, own_id=OWN)
    untouched = CreatedByCheck()
    del made._lock, untouched._lock
    assert vars(made) == vars(untouched)


@pytest.mark.parametrize("operation", ["update", "cron_create", "run_cancel"])
def test_other_writes_are_not_counted(operation: str) -> None:
    made = CreatedByCheck()
    write(made, operation, {"method": "run.start"}, thread_id=OWN)
    untouched = CreatedByCheck()
    del made._lock, untouched._lock
    assert vars(made) == vars(untouched)


# Deletions


@pytest.mark.parametrize(("status", "gone"), [(204, 0), (404, 1), (410, 1), (500, 0), (422, 0)])
def test_a_thread_that_was_there_and_is_said_to_be_gone_is_counted(status: int, gone: int) -> None:
    made = with_threads(OWN)
    write(made, "delete", status=status, thread_id=OWN.upper())
    assert (made.deletions_answered_gone, made.deleted) == (gone, {OWN})
    # It is gone now: that is right.
    write(made, "delete", status=404, thread_id=OWN)
    assert made.deletions_answered_gone == gone


def test_a_thread_that_was_never_made_may_be_gone() -> None:
    made = with_threads(OWN)
    write(made, "delete", status=404, thread_id=OTHER)
    assert made.deletions_answered_gone == 0


@pytest.mark.parametrize(
    ("answer", "in_vain"),
    [
        ({"pruned_count": 2}, 0),
        ({"pruned_count": 3}, 0),
        ({"pruned_count": 1}, 1),
        ({"pruned_count": 0}, 1),
        ({"pruned_count": "0"}, 0),
        ({}, 0),
        ([0], 0),
        (None, 0),
    ],
)
def test_a_pruning_of_fewer_threads_than_there_were_is_counted(answer: Any, in_vain: int) -> None:
    made = with_threads(OWN, OTHER)
    body = {"thread_ids": [OWN.upper(), OTHER, 5, "another"]}
    write(made, "prune", body, answer=answer)
    assert made.pruned_in_vain == in_vain
    assert made.deleted == {OWN, OTHER, "another"}
    write(made, "prune", body, answer={"pruned_count": 0})
    assert made.pruned_in_vain == in_vain


@pytest.mark.parametrize("body", [None, {}, {"thread_ids": OWN}, [OWN]])
def test_a_pruning_that_names_no_threads_deletes_none_that_is_known(body: Any) -> None:
    made = with_threads(OWN)
    write(made, "prune", body, answer={"pruned_count": 0})
    assert (made.pruned_in_vain, made.deleted) == (0, set())


@pytest.mark.parametrize(("status", "raw"), [(422, b'{"pruned_count": 0}'), (200, b"pruned")])
def test_an_answer_that_tells_no_number_is_not_counted(status: int, raw: bytes) -> None:
    made = with_threads(OWN)
    write(made, "prune", {"thread_ids": [OWN]}, status=status, raw=raw)
    assert made.pruned_in_vain == 0


def test_deletions_and_prunings_are_added_up() -> None:
    made = with_threads(OWN, OTHER)
    for each in (OWN, OTHER):
        write(made, "delete", status=404, thread_id=each)
    assert (made.deletions_answered_gone, made.deleted) == (2, {OWN, OTHER})
    again = with_threads(OWN, OTHER)
    for each in (OWN, OTHER):
        write(again, "prune", {"thread_ids": [each]}, answer={"pruned_count": 0})
    assert (again.pruned_in_vain, again.deleted) == (2, {OWN, OTHER})
