"""Concurrent requests, judged by what must hold in whatever order they are served."""

from collections.abc import Sequence
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import require_some
from conformance.checks.concurrency import poll_while, repeat_together, run_together
from conformance.checks.expect import (
    assert_copies_at_times,
    assert_equal,
    assert_identical_history,
    assert_is,
    assert_that,
    published_part,
)
from conformance.checks.messages import items_sent_in, type_and_content
from conformance.checks.outcomes import Blocked, PromiseBroken, requires
from conformance.checks.required_states import require_states
from conformance.checks.runs import Runs
from conformance.checks.views import Thread, id_of, items_of_followed_list
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import GraphSettings, numbered

#: How many requests are sent at once.
MANY = 8
#: Copies are made until the writes have ended, but at least this many.
LEAST_COPIES = 3
#: How many state updates are sent while copies are made.
UPDATES = 12
#: Seconds between two copies of a thread whose run takes a second or longer.
BETWEEN_COPIES_S = 0.02
#: The number of states of a history that takes some time to read, copy and delete.
LONG = 40


@requires("CONCURRENT-01")
def test_one_of_several_creations_wins(given: ThreadsApi, client: ThreadsClient) -> None:
    thread_id = given.generate_id()
    answers = repeat_together(
        MANY, lambda number: client.create(_creation(given, thread_id, number))
    )
    won = [answer for answer in answers if answer.ok]
    statuses = sorted(answer.status for answer in answers)
    assert_equal(len(won), 1, f"the number of successes among {statuses}")
    refused = [status for status in statuses if 400 <= status < 500]
    assert_equal(len(refused), MANY - 1, f"the number of refusals among {statuses}")
    made = _identifying_members([won[0].body, given.get({"thread_id": thread_id})])
    assert_equal(made[1], made[0], "the thread that is there")


@requires("CONCURRENT-02")
def test_several_creations_see_one_thread(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient
) -> None:
    thread_id = given.generate_id()

    def create(number: int) -> Thread:
        return threads.create({**_creation(given, thread_id, number), "if_exists": "do_nothing"})

    answered = repeat_together(MANY, create)
    *shown, there = _identifying_members([*answered, given.get({"thread_id": thread_id})])
    for each in shown:
        assert_equal(each, there, "the thread that was answered")


@requires("CONCURRENT-03")
def test_no_update_of_metadata_is_lost(given: ThreadsApi, threads: ThreadsApi) -> None:
    thread = given.empty()
    repeat_together(MANY, lambda number: threads.update(thread, metadata={f"key-{number}": number}))
    metadata = threads.get(thread).get("metadata") or {}
    lost = [number for number in range(MANY) if metadata.get(f"key-{number}") != number]
    assert_is(lost, [], "the updates that were lost")


@requires("CONCURRENT-04")
def test_a_copy_while_states_are_added_is_whole(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = given.prepopulated()
    before = len(require_states(given.history(source)))

    def add() -> None:
        for number in range(UPDATES):
            given.append(source, number)

    copies = _require_copies(poll_while(add, lambda: _try_copy(threads, source), LEAST_COPIES))
    assert_copies_at_times(
        given.history(source), [threads.history(copy) for copy in copies], before
    )


@requires("CONCURRENT-05")
def test_a_copy_during_a_run_is_whole(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs
) -> None:
    source = given.empty()
    given_runs.run_to_end(source, "slow", "before", seconds=0)
    before = len(given.history(source))
    require_some([before], "the run before left no state", "RUN-01")

    def run() -> None:
        given_runs.join(given_runs.start(source, "slow", seconds=1))

    copied = poll_while(run, lambda: _try_copy(threads, source), LEAST_COPIES, BETWEEN_COPIES_S)
    copies = _require_copies(copied)
    some = copies[:: max(1, len(copies) // UPDATES)]
    assert_copies_at_times(given.history(source), [threads.history(copy) for copy in some], before)


@requires("CONCURRENT-06")
def test_copies_taken_at_once_are_all_whole(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = given.long(LONG)
    history = given.history(source, LONG)
    copies = repeat_together(MANY, lambda _: threads.copy(source))
    assert_equal(len({id_of(each) for each in copies}), MANY, "the number of different ids")
    for copy in copies:
        assert_identical_history(threads.history(copy, LONG), history)


@requires("CONCURRENT-07")
def test_a_thread_being_deleted_is_there_or_not(given: ThreadsApi, client: ThreadsClient) -> None:
    thread = given.long(LONG)
    thread_id = id_of(thread)

    def read_once() -> list[Answer]:
        return [
            client.get(thread_id),
            client.state(thread_id),
            client.history(thread_id, limit=LONGEST_PAGE),
        ]

    whole = [published_part(given.ensure_success(each, thread)) for each in read_once()]
    seen: list[list[Answer]] = []

    def read(_: int) -> None:
        while not seen or any(answer.ok for answer in seen[-1]):
            seen.append(read_once())
            if len(seen) > LONG * MANY:
                raise PromiseBroken("a deleted thread to be gone", f"{len(seen)} answers later")

    run_together(lambda: given.delete(thread), *[lambda: read(0)] * 3)
    for answers in seen:
        for answer, expected in zip(answers, whole, strict=True):
            _assert_all_or_refused(answer, expected)


@requires("CONCURRENT-08")
def test_threads_worked_on_at_once_do_not_mix(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    made = [given.prepopulated() for _ in range(MANY)]
    before = [
        type_and_content(items_of_followed_list(given.state(thread), graph)) for thread in made
    ]

    def work(number: int) -> None:
        for step in range(3):
            threads.append(made[number], 10 * number + step)

    repeat_together(MANY, work)
    for number, thread in enumerate(made):
        sent = [numbered(graph.append, 10 * number + step) for step in range(3)]
        added = [message for update in sent for message in items_sent_in(update, graph)]
        require_some(added, "append of the settings appends nothing")
        said = type_and_content(items_of_followed_list(threads.state(thread), graph))
        assert_equal(said, [*before[number], *added], "the messages of the thread")


def _identifying_members(shown: list[Any]) -> list[dict[str, Any]]:
    """Return id and metadata of each thread: its other members may differ between requests."""
    return [
        {"thread_id": each.get("thread_id"), "metadata": each.get("metadata")} for each in shown
    ]


def _try_copy(threads: ThreadsApi, source: Thread) -> Thread | None:
    """Return a copy, or None for a 409: this status is published without a condition for it."""
    answer = threads.client.copy(id_of(source))
    return None if answer.status == 409 else threads.object_of(answer, source)


def _require_copies(taken: Sequence[Thread | None]) -> list[Thread]:
    made = [each for each in taken if each is not None]
    if not made:
        raise Blocked("a thread that is being changed is not copied: 409")
    return made


def _creation(given: ThreadsApi, thread_id: str, number: int) -> dict[str, Any]:
    metadata = {**given.client.tag, **given.context.tag, "number": number}
    return {"thread_id": thread_id, "metadata": metadata}


def _assert_all_or_refused(answer: Answer, expected: Any) -> None:
    if answer.ok:
        what = f"what {answer.operation} gives while it is there"
        assert_equal(published_part(answer), expected, what)
    else:
        refused = 400 <= answer.status < 500
        assert_that(refused, "all of the thread, or a refusal", f"{answer.status} {answer.text}")
