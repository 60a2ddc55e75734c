"""Whether one order of concurrent requests explains their answers: checker, programs, verdicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.checks.linearizability.checker import linearize
from conformance.checks.linearizability.history import Operation
from conformance.checks.linearizability.numbered_messages import Appended
from conformance.checks.linearizability.programs import (
    Program,
    copy_program,
    metadata_program,
    state_program,
)
from conformance.checks.linearizability.smallest import smallest_bad
from conformance.checks.linearizability.threads import (
    ABSENT,
    Outcome,
    Request,
    ThreadOperation,
    ThreadState,
    describe,
    describe_state,
    has_no_effect,
    metadata_of,
    step,
)
from conformance.checks.linearizability.timeline import timeline
from conformance.checks.outcomes import Blocked
from conformance.contract.verdicts import Verdict
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import GraphSettings, Settings
from conformance.faults.registry import all_faults, faulty_deployment
from conformance.model.threads import Threads
from conformance.reference.app import new_store
from conformance.report.record import Report
from conformance.runner.session import run_suite
from tests.conftest import served
from tests.snapshot import assert_snapshot
from tests.store_variants import store_of

MakeSettings = Callable[..., Settings]

# A register, the simplest object: reads and writes of one number.

RegisterOperation = Operation[tuple[str, int], int]


def write(client: int, called: int, returned: int | None, value: int) -> RegisterOperation:
    outcome = None if returned is None else value
    return RegisterOperation(client, called, ("write", value), returned, outcome)


def read(client: int, called: int, returned: int, value: int) -> RegisterOperation:
    return RegisterOperation(client, called, ("read", 0), returned, value)


def register(state: int, operation: RegisterOperation) -> int | None:
    kind, value = operation.request
    if kind == "write":
        return value
    return state if operation.outcome in (None, state) else None


GOOD: dict[str, list[RegisterOperation]] = {
    "nothing": [],
    "one after another": [write(1, 0, 1, 1), read(2, 2, 3, 1)],
    "a read during a write sees what was before": [write(1, 0, 3, 1), read(2, 1, 2, 0)],
    "a read during a write sees what is written": [write(1, 0, 3, 1), read(2, 1, 2, 1)],
    "the order is that of the reads": [
        write(1, 0, 9, 1),
        write(2, 1, 8, 2),
        read(3, 2, 3, 2),
        read(3, 4, 5, 1),
    ],
    "the last call comes first": [read(1, 0, 5, 2), write(2, 1, 4, 1), write(3, 2, 3, 2)],
    "a write that did not return took effect": [write(1, 0, None, 1), read(2, 1, 2, 1)],
    "a write that did not return took no effect": [write(1, 0, None, 1), read(2, 1, 2, 0)],
    "a write that did not return took effect late": [
        write(1, 0, None, 1),
        read(2, 1, 2, 0),
        read(2, 3, 4, 1),
    ],
}
BAD: dict[str, list[RegisterOperation]] = {
    "a value that nobody wrote": [read(1, 0, 1, 7)],
    "a stale read": [write(1, 0, 1, 1), read(2, 2, 3, 0)],
    "a lost write": [write(1, 0, 1, 1), write(1, 2, 3, 2), read(2, 4, 5, 1)],
    "a write that is not yet called": [read(1, 0, 1, 1), write(2, 2, 3, 1)],
    "a write that did not return is not yet called": [read(1, 0, 1, 1), write(2, 2, None, 1)],
    "two reads during a write go back": [
        write(1, 0, 5, 1),
        read(2, 1, 2, 1),
        read(3, 3, 4, 0),
    ],
    "a write that did not return takes effect once": [
        write(1, 0, None, 1),
        write(2, 1, 2, 2),
        read(3, 3, 4, 1),
        read(3, 5, 6, 2),
    ],
    "two readers see two orders": [
        write(1, 0, 9, 1),
        write(2, 1, 8, 2),
        read(3, 2, 3, 1),
        read(3, 4, 5, 2),
        read(3, 6, 7, 1),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_history_with_an_order_is_explained(name: str) -> None:
    history = tuple(GOOD[name])
    order = linearize(history, 0, register)
    assert order is not None
    state = 0
    for place, operation in enumerate(order):
        following = register(state, operation)
        assert following is not None
        state = following
        ended_before = [each for each in order[place + 1 :] if each.returned is not None]
        assert all(each.returned > operation.called for each in ended_before if each.returned)
    assert {each for each in history if each.returned is not None} <= set(order) <= set(history)


@pytest.mark.parametrize("name", BAD)
def test_a_history_without_an_order_is_not_explained(name: str) -> None:
    assert linearize(tuple(BAD[name]), 0, register) is None


def test_what_did_not_return_and_cannot_take_effect_is_left_out() -> None:
    def rising(state: int, operation: RegisterOperation) -> int | None:
        kind, value = operation.request
        return None if kind == "write" and value < state else register(state, operation)

    history = (write(1, 0, 1, 2), write(2, 2, None, 1), read(1, 3, 4, 2))
    assert linearize(history, 0, rising) == (history[0], history[2])


def test_what_was_tried_is_not_tried_again() -> None:
    """12! orders lead to no more than 2^12 sets of additions, each with one sum."""
    counted = [0]

    def counter(state: int, operation: RegisterOperation) -> int | None:
        counted[0] += 1
        kind, value = operation.request
        if kind == "write":
            return state + value
        return state if operation.outcome == state else None

    together = [write(client, client, 100 + client, 1) for client in range(12)]
    too_many = read(1, 200, 201, 13)
    assert linearize((*together, too_many), 0, counter) is None
    assert counted[0] <= 2**12 * 13


# The smallest bad part


def test_what_came_later_and_what_changed_nothing_is_left_out() -> None:
    stale = read(2, 8, 9, 0)
    under_way = write(3, 7, 12, 2)
    history = (
        read(1, 0, 1, 0),
        write(1, 2, 3, 1),
        read(1, 4, 5, 1),
        under_way,
        stale,
        read(1, 10, 11, 1),
        write(1, 13, 14, 3),
    )

    def is_bad(part: tuple[RegisterOperation, ...]) -> bool:
        return linearize(part, 0, register) is None

    found = smallest_bad(history, is_bad, lambda each: each.request[0] == "read")
    assert set(found) == {write(1, 2, 3, 1), under_way.without_outcome(), stale}


def test_a_read_stays_without_which_the_rest_is_good() -> None:
    history = tuple(BAD["two reads during a write go back"])

    def is_bad(part: tuple[RegisterOperation, ...]) -> bool:
        return linearize(part, 0, register) is None

    found = smallest_bad(history, is_bad, lambda each: each.request[0] == "read")
    # The write was still under way when the second read returned.
    assert set(found) == {history[0].without_outcome(), *history[1:]}


# Threads

THERE = ThreadState(exists=True, metadata=(("colour", 1),), messages=("1",))


def asked(request: Request, status: int = 200, shown: tuple[Any, ...] = ()) -> ThreadOperation:
    return Operation(1, 0, request, 1, Outcome(status, shown))


CREATE = Request("create", (("size", 2),))
DO_NOTHING = Request("create", (("size", 2),), if_exists="do_nothing")
MADE = ThreadState(exists=True, metadata=(("size", 2),))
PATCH = Request("update", (("size", 2),))
PATCHED = ThreadState(exists=True, metadata=(("colour", 1), ("size", 2)), messages=("1",))
APPEND = Request("update_state", message=2)
APPENDED = ThreadState(exists=True, metadata=(("colour", 1),), messages=("1", "2"))
GET, STATE, COPY, DELETE = map(Request, ("get", "state", "copy", "delete"))


@pytest.mark.parametrize(
    ("state", "operation", "after"),
    [
        (ABSENT, asked(CREATE), MADE),
        (ABSENT, asked(DO_NOTHING, 201), MADE),
        (ABSENT, asked(CREATE, 422), None),
        (THERE, asked(CREATE), None),
        (THERE, asked(CREATE, 409), THERE),
        (THERE, asked(CREATE, 422), THERE),
        (THERE, asked(DO_NOTHING), THERE),
        (THERE, asked(PATCH), PATCHED),
        (THERE, asked(PATCH, 404), None),
        (ABSENT, asked(PATCH), None),
        (ABSENT, asked(PATCH, 404), ABSENT),
        (THERE, asked(GET, shown=(("colour", 1),)), THERE),
        (THERE, asked(GET, shown=()), None),
        (THERE, asked(GET, 404), None),
        (ABSENT, asked(GET), None),
        (ABSENT, asked(GET, 404), ABSENT),
        (THERE, asked(APPEND), APPENDED),
        (ABSENT, asked(APPEND), None),
        (THERE, asked(STATE, shown=("1",)), THERE),
        (THERE, asked(STATE, shown=("1", "2")), None),
        (THERE, asked(COPY, shown=("1",)), THERE),
        (THERE, asked(COPY), None),
        (THERE, asked(DELETE, 204), ABSENT),
        (THERE, asked(DELETE, 404), None),
        (ABSENT, asked(DELETE, 204), ABSENT),
        (ABSENT, asked(DELETE, 404), ABSENT),
        # Refused for the sake of another request.
        (THERE, asked(PATCH, 409), THERE),
        (THERE, asked(APPEND, 423), THERE),
        (ABSENT, asked(CREATE, 409), ABSENT),
        # Without an outcome: if it takes effect, then this one.
        (ABSENT, Operation(1, 0, CREATE), MADE),
        (THERE, Operation(1, 0, CREATE), THERE),
        (THERE, Operation(1, 0, DELETE), ABSENT),
    ],
)
def test_a_thread_behaves_as_specified(
    state: ThreadState, operation: ThreadOperation, after: ThreadState | None
) -> None:
    assert step(state, operation) == after


def test_a_thread_is_told_in_words() -> None:
    assert describe_state(ABSENT) == "no thread"
    assert describe_state(ThreadState(exists=True)) == "a thread"
    assert describe_state(THERE) == 'a thread with metadata {"colour": 1} and messages [1]'


def test_writes_that_succeeded_have_an_effect() -> None:
    assert not has_no_effect(asked(PATCH))
    assert not has_no_effect(Operation(1, 0, DELETE))
    assert has_no_effect(asked(PATCH, 404))
    assert has_no_effect(asked(GET, shown=(("colour", 1),)))


def test_messages_are_known_by_their_numbers() -> None:
    graph = GraphSettings()
    appended = Appended(graph, 3, [{"type": "human", "content": "hello", "id": "a"}])

    def holding(*numbers: int) -> dict[str, Any]:
        sent = [appended.update(each)["values"]["messages"] for each in numbers]
        first = [{"type": "human", "content": "hello", "id": "b"}]
        return {"values": {"messages": [*first, *(one for each in sent for one in each)]}}

    assert appended.numbers_in(holding(2, 3, 1)) == ("2", "3", "1")
    assert appended.numbers_in(holding()) == ()
    assert appended.numbers_in({}) == ("without the first messages",)
    torn = appended.numbers_in({"values": {"messages": holding(2)["values"]["messages"][1:]}})
    assert torn == ("without the first messages", "2")
    strange = holding(1)
    strange["values"]["messages"].append({"type": "ai", "content": "other"})
    assert appended.numbers_in(strange)[0] == "1"
    assert "other" in appended.numbers_in(strange)[1]


def test_messages_that_cannot_be_told_apart_block() -> None:
    same = GraphSettings(append={"values": {"messages": [{"type": "ai", "content": "same"}]}})
    with pytest.raises(Blocked, match="the same for different numbers"):
        Appended(same, 2, [])


# The timeline


def test_a_bad_history_is_drawn() -> None:
    history: tuple[ThreadOperation, ...] = (
        Operation(1, 0, CREATE, 3, Outcome(200)),
        Operation(2, 1, DO_NOTHING, 2, Outcome(200)),
        Operation(10, 4, PATCH),
        Operation(2, 5, APPEND, 7, Outcome(409)),
        Operation(1, 6, GET, 8, Outcome(200, metadata_of({"size": 2}))),
        Operation(3, 9, STATE, 10, Outcome(200, ("2", "ünï"))),
        Operation(3, 11, COPY, 12, Outcome(404)),
        Operation(1, 13, DELETE, 14, Outcome(204)),
    )
    assert_snapshot("\n".join(timeline(history, describe)), "linearizability-timeline.txt")


# Programs


@pytest.mark.parametrize("draw", [metadata_program, state_program, copy_program])
def test_equal_seeds_give_equal_programs(draw: Callable[[int, int], Program]) -> None:
    assert [draw(7, number) for number in range(8)] == [draw(7, number) for number in range(8)]
    assert [draw(7, number) for number in range(8)] != [draw(8, number) for number in range(8)]


@pytest.mark.parametrize("seed", range(5))
def test_programs_ask_everything_of_one_or_two_threads(seed: int) -> None:
    programs = [metadata_program(seed, number) for number in range(4)]
    asked_for = {
        (each.request.operation, each.request.if_exists)
        for program in programs
        for steps in program.clients
        for each in steps
    }
    assert asked_for == {
        ("create", "raise"),
        ("create", "do_nothing"),
        ("update", "raise"),
        ("get", "raise"),
        ("delete", "raise"),
    }
    assert {each.threads for each in programs} == {1, 2}
    assert {each.in_step for each in programs} == {True, False}


def test_no_two_writes_of_a_program_write_the_same() -> None:
    for draw in (metadata_program, state_program, copy_program):
        written = [
            request.message or request.metadata
            for steps in draw(1, 1).clients
            for request in (each.request for each in steps)
            if request.message or request.metadata
        ]
        assert written
        assert len(written) == len(set(written))


# The checks

LINEAR = ("LINEAR-01", "LINEAR-02", "LINEAR-03")


def judged(url: str, settings_for: MakeSettings, **options: Any) -> Report:
    options = {"requirements": LINEAR, "repeat_failures": 0, **options}
    return run_suite(settings_for(url, profile="full", **options), ServerInfo("a server", "1"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2**63])
def test_the_reference_has_one_order(settings_for: MakeSettings, seed: int) -> None:
    with served(new_store()) as url:
        report = judged(url, settings_for, seed=seed)
    assert {each.id: each.verdict for each in report.requirements} == dict.fromkeys(
        LINEAR, Verdict.PASS
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "requirement", "read"),
    [
        ("updates-work-on-what-they-read-at-first", "LINEAR-01", "GET thread → 200 {"),
        ("state-updates-work-on-what-they-read-at-first", "LINEAR-02", "GET state → 200 ["),
        ("copies-at-once-lack-the-last-update", "LINEAR-03", "copy → 200 ["),
    ],
)
def test_a_failure_draws_the_smallest_bad_history(
    settings_for: MakeSettings, name: str, requirement: str, read: str
) -> None:
    broken, app = faulty_deployment(all_faults()[name])
    with served(broken.store, around=lambda _: app) as url:
        # More programs than are needed by far: which requests meet is not ours to say.
        report = judged(url, settings_for, requirements=(requirement,), effort="standard")
    (check,) = report.checks
    assert check.verdict is Verdict.FAIL
    assert check.reason.startswith("expected answers that one order of the requests explains")
    assert check.failure is not None
    first, *lines = check.failure.diff
    assert first in ("at first: a thread", "at first: no thread")
    assert len(lines) >= 2
    assert all(line.startswith("client ") for line in lines)
    assert any(read in line and "├─" in line for line in lines)
    assert lines[0] in check.failure.message


class MetadataIsNotShown(Threads):
    """Another requirement's question: nothing can be said about concurrency."""

    def get(self, thread_id: str, include: Any = ()) -> Any:
        return {**super().get(thread_id, include), "metadata": {}}


@pytest.mark.slow
def test_what_is_wrong_without_concurrency_blocks(settings_for: MakeSettings) -> None:
    with served(store_of(MetadataIsNotShown)) as url:
        report = judged(url, settings_for, requirements=("LINEAR-01",))
    (check,) = report.checks
    assert check.verdict is Verdict.BLOCKED
    assert "one request after another is not served as expected already: GET thread" in check.reason
