"""Random concurrent programs, judged by whether one order of requests explains all answers."""

from collections.abc import Callable, Iterator

from conformance.checks.api import ThreadsApi
from conformance.checks.linearizability.judging import (
    assert_linearizable,
    require_served_one_by_one,
)
from conformance.checks.linearizability.numbered_messages import Appended
from conformance.checks.linearizability.program_runner import ProgramRunner
from conformance.checks.linearizability.programs import (
    CLIENTS,
    LENGTH,
    ROUNDS,
    Program,
    copy_program,
    metadata_program,
    state_program,
)
from conformance.checks.linearizability.threads import ABSENT, Request, ThreadState
from conformance.checks.messages import type_and_content
from conformance.checks.outcomes import requires
from conformance.checks.views import id_of, items_of_followed_list
from conformance.deployment.settings import GraphSettings

_MOST_MESSAGES = CLIENTS * LENGTH
_EXISTS = ThreadState(exists=True)


@requires("LINEAR-01")
def test_creations_updates_reads_and_deletions_have_one_order(given: ThreadsApi) -> None:
    one, two, three = (("colour", 1),), (("shape", 2),), (("colour", 3),)
    four = (("colour", 4), ("shape", 4), ("size", 4))
    script = [
        (Request("create", one), True),
        (Request("get"), True),
        (Request("update", two), True),
        (Request("get"), True),
        (Request("update", four), True),
        (Request("get"), True),
        (Request("create", three), False),
        (Request("create", three, if_exists="do_nothing"), True),
        (Request("get"), True),
        (Request("delete"), True),
        (Request("get"), False),
        (Request("update", two), False),
        (Request("create", three, if_exists="do_nothing"), True),
        (Request("get"), True),
    ]
    runner = ProgramRunner(given, [_id_of_a_deleted_thread(given)])
    require_served_one_by_one(given, runner, ABSENT, script)
    for program in _programs(given, metadata_program):
        ids = [_id_of_a_deleted_thread(given) for _ in range(program.threads)]
        if program.exists:
            for each in ids:
                given.empty(thread_id=each)
        runner = ProgramRunner(given, ids)
        runner.run(program, reading="get")
        for history in runner.histories:
            assert_linearizable(history, _EXISTS if program.exists else ABSENT, "LINEAR-01")


@requires("LINEAR-02")
def test_state_updates_reads_and_a_deletion_have_one_order(
    given: ThreadsApi, graph: GraphSettings
) -> None:
    script = [
        (Request("state"), True),
        (Request("update_state", message=1), True),
        (Request("state"), True),
        (Request("update_state", message=2), True),
        (Request("state"), True),
        (Request("delete"), True),
        (Request("state"), False),
        (Request("update_state", message=3), False),
    ]
    require_served_one_by_one(given, _runner_with_state(given, graph), _EXISTS, script)
    _assert_one_order(given, graph, state_program, "state", "LINEAR-02")


@requires("LINEAR-03")
def test_copies_hold_what_the_source_held_meanwhile(
    given: ThreadsApi, graph: GraphSettings
) -> None:
    script = [
        (Request("copy"), True),
        (Request("update_state", message=1), True),
        (Request("copy"), True),
        (Request("update_state", message=2), True),
        (Request("copy"), True),
    ]
    require_served_one_by_one(given, _runner_with_state(given, graph), _EXISTS, script)
    _assert_one_order(given, graph, copy_program, "copy", "LINEAR-03")


def _assert_one_order(
    given: ThreadsApi,
    graph: GraphSettings,
    draw: Callable[[int, int], Program],
    reading: str,
    requirement: str,
) -> None:
    """Run programs on threads with a state; assert that each history has one order."""
    for program in _programs(given, draw):
        runner = _runner_with_state(given, graph)
        runner.run(program, reading=reading)
        assert_linearizable(runner.histories[0], _EXISTS, requirement)


def _programs(given: ThreadsApi, draw: Callable[[int, int], Program]) -> Iterator[Program]:
    """Yield the programs of this run; forget, before each, what was sent for the one before."""
    settings = given.context.settings
    for number in range(ROUNDS[settings.effort]):
        given.context.forget()
        yield draw(settings.seed, number)


def _id_of_a_deleted_thread(given: ThreadsApi) -> str:
    """Return the id of a thread that was created and deleted.

    A program must not be the first to use an id: if the first creation under a new id is refused,
    the delivery concludes that the request was delivered twice.
    """
    thread_id = given.generate_id()
    given.delete(given.empty(thread_id=thread_id))
    return thread_id


def _runner_with_state(given: ThreadsApi, graph: GraphSettings) -> ProgramRunner:
    """Return a program runner for a new thread with a state."""
    thread = given.with_state()
    first = type_and_content(items_of_followed_list(given.state(thread), graph))
    return ProgramRunner(given, [id_of(thread)], Appended(graph, _MOST_MESSAGES, first))
