"""Assertions of the checks, whose failures explain themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import (
    masked_states,
    parent_ids,
    published_members,
    published_state,
    require_some,
    shows_its_state,
)
from conformance.checks.comparison_count import count_comparison, count_judgement
from conformance.checks.history_identity import HistoryInPages, compare_histories
from conformance.checks.outcomes import Blocked, PromiseBroken, kinds_of
from conformance.checks.views import History, State, Thread, id_of
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.contract.causes import place
from conformance.contract.schemas import violations
from conformance.deployment.client import Answer
from conformance.json_differences import same_json
from conformance.json_text import as_json
from conformance.safe_text import excerpt

#: The members that every documented thread has, and that the published schema requires.
REQUIRED_OF_A_THREAD = ("thread_id", "created_at", "updated_at", "metadata", "status")
#: The published members of a thread that may be absent or null.
OPTIONAL_OF_A_THREAD = ("values", "config", "state_updated_at", "interrupts")
#: The schema of the thread or states in the answer of each operation that reads a thread.
_PUBLISHED = {
    "get": "thread",
    "state": "thread_state",
    "state_at_checkpoint": "thread_state",
    "post_state_at_checkpoint": "thread_state",
    "history": "thread_state",
    "post_history": "thread_state",
}
#: Values of a thread's members that mean the same as an empty object.
_NOTHING: dict[str, tuple[Any, ...]] = {
    "values": (None,),
    "config": (None, {"configurable": {}}),
}
_TIMESTAMPS = frozenset({"created_at", "updated_at", "state_updated_at"})


def assert_equal(actual: Any, expected: Any, what: str) -> None:
    """Assert that two values are equal as JSON values: true is not 1."""
    count_comparison(expected, actual)
    if not same_json(expected, actual):
        raise PromiseBroken.by_difference(expected, actual, what)


def assert_is(actual: Any, promised: Any, what: str) -> None:
    """Assert that a value is what the requirement itself states, even if that is empty."""
    count_judgement()
    if not same_json(promised, actual):
        raise PromiseBroken.by_difference(promised, actual, what)


def assert_that(holds: bool, expected: str, actual: Any) -> None:
    """Assert that a condition holds; `expected` says it in words, `actual` is what came instead."""
    count_judgement()
    if not holds:
        raise PromiseBroken(excerpt(expected), excerpt(str(actual)))


def assert_identical_history(copy: HistoryInPages, source: HistoryInPages) -> None:
    """Assert that two histories are equal once each thread's own id is masked.

    Both are read page by page. `Blocked` if no state of the source has values: only ids would be
    compared.
    """
    found = compare_histories(copy, source)
    if found.expected and not found.shows_values:
        raise Blocked("no state of the source shows values")
    if found.copied != found.expected:
        raise PromiseBroken(
            f"a history of {found.expected} states, as the source's",
            f"{found.copied} states",
            found.id_differences(),
            kinds=("length",),
        )
    if found.states.differing:
        changed = found.states.changes()
        raise PromiseBroken(
            "every state equal to the source's but for the thread's own id",
            f"{found.expected} states on both sides, which differ",
            found.states.lines(changed),
            kinds=kinds_of(changed),
        )


def require_identical_history(copy: HistoryInPages, source: HistoryInPages) -> None:
    """Block the check unless two histories are identical: COPY-03 judges that."""
    try:
        assert_identical_history(copy, source)
    except PromiseBroken as broken:
        raise Blocked(str(broken), by="COPY-03") from None


def assert_parents_in_history(history: History) -> None:
    """Assert that the parents that the states of a history name are in it; `Blocked` if none do."""
    known = set(history.checkpoint_ids())
    parents = [parent for state in history for parent in sorted(parent_ids(state))]
    require_some(parents, "no state of the history names its parent")
    for parent in parents:
        assert_that(parent in known, "a parent that is in the history", parent)


def kept_metadata(thread: Thread, sent: dict[str, Any]) -> Any:
    """Return the members of a thread's metadata whose names were sent."""
    shown = thread.get("metadata")
    if not isinstance(shown, dict):
        return shown
    return {name: value for name, value in shown.items() if name in sent}


def assert_copies_at_times(source: History, copies: list[History], least: int) -> None:
    """Assert that each copy has the history that the source had at some time; copies are in order.

    Such a history is the source's oldest states without a gap: at least `least` states, and no
    fewer than the previous copy has. The tasks of a copy's newest state may lack results that came
    later.
    """
    final = masked_states(source)
    for copy in copies:
        copied = masked_states(copy, source.thread_id)
        wanted = f"{least} to {len(final)} states"
        assert_that(least <= len(copied) <= len(final), wanted, f"{len(copied)} states")
        newest, *older = final[len(final) - len(copied) :]
        assert_equal(
            _without_task_results(copied[0]),
            _without_task_results(newest),
            "the newest state of the copy",
        )
        assert_equal(copied[1:], older, "the states before it")
        least = len(copied)


def assert_untouched(
    api: ThreadsApi,
    thread: Thread,
    act: Callable[[], object],
    operations: Sequence[str] = ("get", "state", "history"),
) -> None:
    """Assert that a thread, its state and its history, or some of these, are the same after `act`.

    All published members count. An operation that the deployment does not offer, such as history,
    is left out. The result of a run that has just ended may become visible later, within the
    declared deadline: it is waited for before `act` is called.
    """
    reads = api.context.eventually(lambda: _snapshot(api, thread, operations), _is_settled)
    before = [
        each if api.lacks(each, thread) else api.ensure_success(each, thread) for each in reads
    ]
    if not all(map(_same_published_part, before, _snapshot(api, thread, operations))):
        raise Blocked("two answers to the same question differ, though nothing was done")
    act()
    count_judgement()
    for answer, former in zip(_snapshot(api, thread, operations), before, strict=True):
        if not former.ok or (answer.ok and _same_published_part(answer, former)):
            continue
        if answer.ok and answer.is_json and former.is_json:
            raise PromiseBroken.by_difference(
                published_part(former), published_part(answer), f"{answer.operation}, as before,"
            )
        raise PromiseBroken(f"{answer.operation} as before: {former.text}", _describe(answer))


def assert_advances_timestamp(
    given: ThreadsApi,
    shown: Callable[[], Mapping[str, Any]],
    act: Callable[[], object],
    member: str = "updated_at",
) -> None:
    """Assert that a timestamp, `member` of what `shown` returns, is later after `act` than before.

    `act` is called again until it is later or the deadline passes, since two changes within the
    same millisecond may have the same timestamp. `Blocked` if a timestamp in whole seconds does not
    become later.
    """
    before = timestamp_or_blocked(shown().get(member), member)

    def act_again() -> Any:
        act()
        return shown().get(member)

    after = given.context.eventually(
        act_again, lambda after: timestamp_or_blocked(after, member) > before
    )
    moved = timestamp_or_blocked(after, member) > before
    if not moved and "." not in str(after):
        raise Blocked(f"{member} is told in whole seconds, which are longer than was waited")
    assert_that(moved, f"{member} after {before}", after)


def assert_valid(schema: str, value: Any) -> None:
    """Assert that a value fits one of our schemas, given by its name."""
    count_comparison(value)
    found = violations(schema, value)
    if found:
        raise PromiseBroken(
            f"an answer that fits schemas/{schema}.json",
            found[0].message,
            tuple(f"{each.path}: {each.message}" for each in found),
            kinds=tuple(sorted({f"{place(each.path)} {each.keyword}" for each in found})),
        )


def assert_thread(value: Thread) -> None:
    """Assert that a thread has the members that every thread has, each of the documented type.

    All other members, values and timestamps among them, have requirements of their own.
    """
    assert_valid("thread", {name: value[name] for name in REQUIRED_OF_A_THREAD if name in value})


def assert_refused(answer: Answer) -> None:
    """Assert that a bad request is answered by a 4xx."""
    count_judgement()
    if not 400 <= answer.status < 500:
        raise PromiseBroken("a refusal by 4xx", _describe(answer))


def require_refused(answer: Answer) -> None:
    """Block the check unless a bad request is answered by a 4xx."""
    if not 400 <= answer.status < 500:
        raise Blocked(f"not refused by 4xx: {_describe(answer)}")


def assert_says_why(answer: Answer) -> None:
    """Assert that a refusal has a JSON body with some text; `Blocked` if it is no 4xx."""
    require_refused(answer)
    if not says_why(answer):
        raise PromiseBroken("a JSON body that says why", _describe(answer))


def says_why(answer: Answer) -> bool:
    """Return whether an answer has a JSON body with some text."""
    return answer.is_json and _has_text(answer.body)


def assert_no_server_error(answer: Answer) -> None:
    """Assert that an answer is no 5xx."""
    count_judgement()
    if answer.status >= 500:
        raise PromiseBroken("any answer below 500", _describe(answer))


def parse_timestamp(value: Any, what: str) -> datetime:
    """Parse an RFC 3339 timestamp; `PromiseBroken` if it is malformed or has no offset."""
    try:
        # RFC 3339 allows its letters in lower case.
        parsed = datetime.fromisoformat(value.upper())
    except (AttributeError, ValueError):
        raise PromiseBroken(f"{what} as RFC 3339", as_json(value)) from None
    count_judgement()
    if parsed.tzinfo is None:
        raise PromiseBroken(f"{what} with an offset from UTC", as_json(value))
    return parsed


def timestamp_or_blocked(value: Any, what: str) -> datetime:
    """Parse an RFC 3339 timestamp; `Blocked` if it is malformed, which another check judges."""
    try:
        return parse_timestamp(value, what)
    except PromiseBroken as unreadable:
        raise Blocked.because(unreadable) from None


def in_utc(value: Any, what: str) -> str:
    """Return an RFC 3339 timestamp in UTC; `Blocked` if it is malformed."""
    return timestamp_or_blocked(value, what).astimezone(UTC).isoformat()


def assert_same_thread(actual: Thread, expected: Thread, what: str) -> None:
    """Assert that two views of a thread agree in every member that both show.

    The documents show views with and without values and config, and timestamps in two notations.
    """
    shown, wanted = _shared_members(actual, expected)
    assert_equal(shown, wanted, what)


def same_thread(actual: Thread, expected: Thread) -> bool:
    """Return whether two views of a thread agree, by the rule of `assert_same_thread`."""
    return same_json(*_shared_members(actual, expected))


def assert_no_thread(api: ThreadsApi, thread_id: str) -> None:
    """Assert that GET finds no thread under an id."""
    if api.client.get(api.client.ownership.absent_id()).ok:
        raise Blocked("GET answers a 2xx for a thread that does not exist", by="GET-02")
    answer = api.client.get(thread_id)
    assert_that(not answer.ok, "no thread under the id", f"{answer.status} {answer.text}")


def assert_page(page: Sequence[Any], expected: Sequence[Any], what: str, limit: int) -> None:
    """Assert that a page begins as `expected`; it may be shorter than `limit`, but not empty."""
    assert_that(len(page) <= limit, f"{what}: at most {limit}", f"{len(page)} states")
    assert_that(bool(page) or not expected, f"{what}: {len(expected)} states", "an empty page")
    shown, wanted = (
        [published_state(each) if isinstance(each, dict) else each for each in states]
        for states in (page, expected[: max(len(page), 1)])
    )
    assert_equal(shown, wanted, what)


def _same_published_part(one: Answer, other: Answer) -> bool:
    """Return whether two answers to one read of a thread are equal in all published members."""
    same_form = one.status == other.status and one.is_json == other.is_json
    return same_form and same_json(published_part(one), published_part(other))


def published_part(answer: Answer) -> Any:
    """Return the body of an answer without the unpublished members of threads and states.

    If the answer is no JSON, return its text.
    """
    if not answer.is_json:
        return answer.text
    known = _PUBLISHED.get(answer.operation)
    return answer.body if known is None else published_members(known, answer.body)


def _shared_members(actual: Thread, expected: Thread) -> tuple[Thread, Thread]:
    # Unpublished members are free, and may differ between two reads.
    names = actual.keys() & expected.keys() & {*REQUIRED_OF_A_THREAD, *OPTIONAL_OF_A_THREAD}
    return (
        {name: _comparable(name, actual[name]) for name in names},
        {name: _comparable(name, expected[name]) for name in names},
    )


def _comparable(name: str, value: Any) -> Any:
    if name in _TIMESTAMPS and isinstance(value, str):
        return in_utc(value, name)
    # The SDK's type of a thread's values allows null: a thread without a state has none. Document
    # 004 prints both forms for a thread without a configuration.
    return {} if value in _NOTHING.get(name, ()) else value


def _snapshot(api: ThreadsApi, thread: Thread, operations: Sequence[str]) -> list[Answer]:
    client, thread_id = api.client, id_of(thread)
    reads = {
        "get": lambda: client.get(thread_id),
        "state": lambda: client.state(thread_id),
        "history": lambda: client.history(thread_id, limit=LONGEST_PAGE),
    }
    return [reads[each]() for each in operations]


def _is_settled(reads: Sequence[Answer]) -> bool:
    """Return whether GET shows what the state shows, if both were read."""
    shown = {each.operation: each.body for each in reads if each.ok}
    return shows_its_state(shown.get("get"), shown.get("state"))


def _without_task_results(state: State) -> State:
    """Return the state without the results of its tasks, and without what they change."""
    tasks = state.get("tasks") or []
    named = [{"id": each.get("id"), "name": each.get("name")} for each in tasks]
    return {**state, "tasks": named, "next": None, "interrupts": None}


def _has_text(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, dict):
        return any(map(_has_text, value.values()))
    return isinstance(value, list) and any(map(_has_text, value))


def _describe(answer: Answer) -> str:
    return f"{answer.status} {excerpt(answer.text)}".strip()
