"""Different ways to read one thread: whether they agree, and whether a thread is unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from conformance.checks.api import ENOUGH_THREADS, ThreadsApi
from conformance.checks.comparable_members import shown_by_both, shows_its_state
from conformance.checks.comparison_count import count_judgement
from conformance.checks.expect import (
    assert_equal,
    assert_is,
    assert_refused,
    assert_same_thread,
    assert_that,
    published_part,
    same_thread,
)
from conformance.checks.outcomes import Blocked, PromiseBroken, kinds_of
from conformance.checks.views import State, Thread, has_data, id_of, is_integer, known_checkpoint_id
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.deployment.client import Answer
from conformance.json_differences import changes, lines_of, same_json

#: What a thread shows, by operation.
Shown = dict[str, Any]

_TIMES = ("updated_at", "state_updated_at")


@dataclass(frozen=True)
class Reads:
    """What different ways to read one thread show.

    `found` is None if no search finds it. `matching` is the number of threads of the check that a
    search finds by the same status, `counted` that of a count, None where counting is not offered.
    """

    shown: Thread
    state: State
    newest: Sequence[State]
    found: Thread | None
    matching: int
    counted: int | None


def get_caught_up(api: ThreadsApi, thread: Thread) -> Thread:
    """Return the thread once GET shows what its state shows, or as it is at the deadline."""
    answer = api.client.state(id_of(thread))
    state = answer.body if answer.ok else None
    return api.context.eventually(
        lambda: api.get(thread), lambda shown: shows_its_state(shown, state)
    )


def read_all_ways(api: ThreadsApi, thread: Thread) -> Reads:
    """Read the thread by GET, its state, its history by POST, and a search and count by status."""
    shown = api.get(thread)
    state = api.state(thread)
    newest = api.post_page(thread, limit=5)
    filters = {"status": shown.get("status"), "metadata": api.context.tag}
    matching = api.list_of(api.client.search({**filters, "limit": ENOUGH_THREADS}))
    counted = api.client.count(filters)
    found = [each for each in matching if each.get("thread_id") == id_of(thread)]
    return Reads(
        shown,
        state,
        newest,
        found[0] if found else None,
        len(matching),
        None if api.lacks(counted, thread) else _number(api, counted),
    )


def _number(api: ThreadsApi, counted: Answer) -> int:
    body = api.ensure_success(counted).body
    if not is_integer(body):
        raise api.refusal("a whole number", counted, "integer")
    return int(body)


def assert_ways_agree(api: ThreadsApi, thread: Thread) -> None:
    """Assert that all ways to read a thread agree within the declared deadline.

    The thread is also given until the deadline to be no longer busy. Values are compared if both
    GET and the state show some, and the newest state of the history if it has one.
    """

    def agrees(reads: Reads) -> bool:
        try:
            _assert_agree(reads)
        except PromiseBroken:
            return False
        return reads.shown.get("status") != "busy"

    _assert_agree(api.context.eventually(lambda: read_all_ways(api, thread), agrees))


def _assert_agree(reads: Reads) -> None:
    values = reads.state.get("values")
    if reads.shown.get("values") is not None and has_data(values):
        assert_equal(reads.shown["values"], values, "the values of the thread")
    if reads.newest:
        assert_equal(*shown_by_both(reads.state, reads.newest[0]), "the state of the thread")
    status = reads.shown.get("status")
    assert_that(reads.found is not None, f"found by its status {status}", "not found")
    if reads.found is not None:
        assert_same_thread(reads.found, reads.shown, "the thread found")
    if reads.counted is not None:
        assert_that(
            reads.counted == reads.matching,
            f"a count of {reads.matching} threads of status {status}, as many as are found",
            str(reads.counted),
        )


def assert_gone(api: ThreadsApi, thread: Thread) -> None:
    """Assert that the thread does not exist by any way to read it."""
    client, thread_id = api.client, id_of(thread)
    answer = client.get(thread_id)
    assert_that(answer.status == 404, "404 of GET", f"{answer.status} {answer.text}")
    assert_refused(client.state(thread_id))
    assert_refused(client.post_history(thread_id, {"limit": 5}))
    listed = client.runs.list(thread_id)
    assert_that(not (listed.ok and listed.body), "no runs of it", listed.text)
    body = {"ids": [thread_id], "metadata": api.context.tag}
    found = api.context.eventually(
        lambda: api.list_of(client.search(body)), lambda found: not found
    )
    assert_is([id_of(each) for each in found], [], "the threads found")


def shown_of(api: ThreadsApi, thread: Thread, *, times: bool = True) -> Shown:
    """Return what a thread, its state, its history and its runs show, by operation.

    Only published members are included, and of a run its id and status, sorted by id: no source
    says in which order runs are listed. If `times` is false, the timestamps of the thread that a
    running run may change are left out.
    """
    client, thread_id = api.client, id_of(thread)
    answers = (
        client.get(thread_id),
        client.state(thread_id),
        client.history(thread_id, limit=LONGEST_PAGE),
        client.runs.list(thread_id),
    )
    shown: Shown = {each.operation: [each.status, published_part(each)] for each in answers}
    status, view = shown["get"]
    if not times and isinstance(view, dict):
        shown["get"] = [status, {name: view[name] for name in view if name not in _TIMES}]
    status, runs = shown["run_list"]
    if isinstance(runs, list):
        known = [each for each in runs if isinstance(each, dict)]
        pairs = [[each.get("run_id"), each.get("status")] for each in known]
        shown["run_list"] = [status, sorted(pairs, key=str)]
    return shown


def assert_as_before(
    before: dict[str, Any], read: Callable[[], dict[str, Any]], after: str
) -> None:
    """Assert that a thread shows what it showed; `after` says in words what was done.

    `Blocked` if two reads differ although nothing was done between them.
    """
    seen = read()
    count_judgement()
    if same_json(before, seen):
        return
    if not same_json(seen, read()):
        raise Blocked("two answers to the same question differ, though nothing was done")
    found = changes(before, seen)
    raise PromiseBroken(
        f"the thread as it was, after {after}",
        "another one",
        lines_of(found),
        kinds=kinds_of(found),
    )


#: Members that a state at a checkpoint, or in a page of the history, must show alike.
COMPARED_MEMBERS = ("values", "next", "tasks", "metadata", "created_at", "interrupts")


def answers_that_disagree(
    api: ThreadsApi, thread: Thread, shown: Shown, answers: Mapping[str, Answer]
) -> dict[str, PromiseBroken]:
    """Return how requests that only look at a thread answer otherwise than `shown_of`, by fact.

    `answers` are looked up by operation: the history and the state at a checkpoint by POST, a
    search and a count of the threads of the check, GET of a run, and a creation of the thread by
    `do_nothing`. What a deployment refuses or does not offer is left out.
    """
    body = {name: each.body for name, each in answers.items() if each.ok}
    broken: dict[str, PromiseBroken] = {}
    view, state, states, runs = (shown[each][1] for each in ("get", "state", "history", "run_list"))
    if isinstance(states, list) and states:
        with noting(broken, "state"):
            assert_equal(*shown_by_both(state, states[0]), "the state of the thread")
        with noting(broken, "post_history"):
            for one, other in zip(body.get("post_history") or [], states, strict=False):
                _assert_same_state(one, other, "a state of the history by POST")
        by_id = {known_checkpoint_id(each): each for each in states}
        for name in ("state_at_checkpoint", "post_state_at_checkpoint"):
            at = body.get(name) or {}
            if known_checkpoint_id(at) in by_id:
                with noting(broken, name):
                    entry = by_id[known_checkpoint_id(at)]
                    _assert_same_state(at, entry, f"the state at a checkpoint by {name}")
    run = body.get("run_get")
    if isinstance(run, dict) and isinstance(runs, list):
        with noting(broken, "run_get"):
            listed = dict(map(tuple, runs))
            assert_equal(run.get("status"), listed.get(run.get("run_id")), "the status of the run")
    if isinstance(view, dict):
        if isinstance(body.get("create"), dict):
            with noting(broken, "create"):
                assert_same_thread(body["create"], view, "the thread that exists")
        with noting(broken, "search"):
            _assert_found_and_counted(api, thread, view, answers)
    return broken


@contextmanager
def noting(broken: dict[str, PromiseBroken], fact: str) -> Iterator[None]:
    """Note under `fact` how a promise is broken; what cannot be judged is not noted."""
    try:
        yield
    except PromiseBroken as how:
        broken[fact] = how
    except Blocked:
        return


def _assert_same_state(one: State, other: State, what: str) -> None:
    both = [each for each in COMPARED_MEMBERS if each in one and each in other]
    shown, wanted = ({name: each[name] for name in both} for each in (one, other))
    assert_equal(*shown_by_both(shown, wanted), what)


def _assert_found_and_counted(
    api: ThreadsApi, thread: Thread, view: Thread, answers: Mapping[str, Answer]
) -> None:
    """Assert that a search shows the thread, and that as many threads are counted as are found.

    Both may be late: they are asked again until the deadline. Threads may have come meanwhile.
    """
    search, count = answers.get("search"), answers.get("count")
    if search is None or not search.ok or (count is not None and not count.ok):
        return

    def look(found: Answer, counted: Answer | None) -> tuple[Thread | None, int, object]:
        listed = [each for each in found.body or [] if isinstance(each, dict)]
        one = next((each for each in listed if each.get("thread_id") == id_of(thread)), None)
        return one, len(listed), counted.body if counted is not None else len(listed)

    def agrees(seen: tuple[Thread | None, int, object]) -> bool:
        return seen[0] is not None and same_thread(seen[0], view) and seen[1] == seen[2]

    seen = look(search, count)
    if not agrees(seen):
        filters = {"metadata": api.context.tag}
        seen = api.context.eventually(
            lambda: look(
                api.client.search({**filters, "limit": ENOUGH_THREADS}),
                api.client.count(filters) if count is not None else None,
            ),
            agrees,
        )
    assert_that(seen[0] is not None, "found by the metadata of the check", "not found")
    if seen[0] is not None:
        assert_same_thread(seen[0], view, "the thread found")
    assert_that(seen[1] == seen[2], f"a count of {seen[1]} threads, as are found", str(seen[2]))
