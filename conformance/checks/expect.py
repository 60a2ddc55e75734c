"""What checks assert: helpers that explain themselves when they fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from conformance.checks.api import LONGEST_PAGE, ThreadsApi
from conformance.checks.evidence import compared, judged
from conformance.checks.outcomes import Blocked, PromiseBroken, difference_kinds
from conformance.checks.views import History, State, Thread, id_of, says_something
from conformance.contract.causes import place
from conformance.contract.schemas import violations
from conformance.deployment.client import Answer
from conformance.excerpt import excerpt
from conformance.model.history import (
    differences,
    differences_by_place,
    differing_items,
    same_json,
)

#: The members that every documented thread has, and that the published one requires.
REQUIRED_OF_A_THREAD = ("thread_id", "created_at", "updated_at", "metadata", "status")
#: The published members of a thread that need not be there, or may be null.
OPTIONAL_OF_A_THREAD = ("values", "config", "state_updated_at", "interrupts")


def assert_equal(actual: Any, expected: Any, what: str) -> None:
    """Two JSON values are equal, as JSON: true is not 1."""
    compared(expected, actual)
    if not same_json(expected, actual):
        raise PromiseBroken.by_difference(expected, actual, what)


def assert_is(actual: Any, promised: Any, what: str) -> None:
    """A value is what a requirement itself says it is, which may be nothing: an empty list, say."""
    judged()
    if not same_json(promised, actual):
        raise PromiseBroken.by_difference(promised, actual, what)


def assert_that(holds: bool, expected: str, actual: Any) -> None:
    """A sentence holds; `actual` is what came instead."""
    judged()
    if not holds:
        raise PromiseBroken(excerpt(expected), excerpt(str(actual)))


def assert_identical_history(copy: History, source: History) -> None:
    """Two histories are equal once each thread's own id is masked.

    Blocked where no state of the source has values: then ids alone would be compared.
    """
    compared([state.get("values") for state in source])
    if len(source) and not any(says_something(state.get("values")) for state in source):
        raise Blocked("no state of the source shows values")
    if len(copy) != len(source):
        raise PromiseBroken(
            f"a history of {len(source)} states, as the source's",
            f"{len(copy)} states",
            differences(source.checkpoint_ids(), copy.checkpoint_ids()),
            kinds=("length",),
        )
    wanted, shown = source.masked(), copy.masked()
    found = differences_by_place(wanted, shown)
    if found:
        raise PromiseBroken(
            "every state equal to the source's but for the thread's own id",
            f"{len(source)} states on both sides, which differ",
            found,
            kinds=difference_kinds(*differing_items(wanted, shown)),
        )


def kept(thread: Thread, sent: dict[str, Any]) -> Any:
    """Of the metadata that a thread shows, the members that were sent."""
    shown = thread.get("metadata")
    if not isinstance(shown, dict):
        return shown
    return {name: value for name, value in shown.items() if name in sent}


def assert_moments_of(source: History, copies: list[History], least: int) -> None:
    """Each copy's history is what the source's was at some moment, one after the other.

    That is its oldest states, whole, and at least as many as were there before. What
    the tasks of the newest state had yielded by then may be less than in the end.
    """
    final = source.masked()
    for copy in copies:
        copied = copy.masked()
        wanted = f"{least} to {len(final)} states"
        assert_that(least <= len(copied) <= len(final), wanted, f"{len(copied)} states")
        newest, *older = final[len(final) - len(copied) :]
        assert_equal(_settled(copied[0]), _settled(newest), "the newest state of the copy")
        assert_equal(copied[1:], older, "the states before it")
        least = len(copied)


def assert_untouched(api: ThreadsApi, thread: Thread, act: Callable[[], object]) -> None:
    """A thread, its state and its history are byte for byte the same after `act`.

    What the deployment does not offer at all, a history perhaps, is not looked at.
    """
    before = [
        each if api.lacks(each, thread) else api.granted(each, thread)
        for each in _everything(api, thread)
    ]
    if [each.text for each in before] != [each.text for each in _everything(api, thread)]:
        raise Blocked("two answers to the same question differ, though nothing was done")
    act()
    judged()
    for answer, former in zip(_everything(api, thread), before, strict=True):
        if former.ok:
            same = answer.ok and answer.text == former.text
            assert_that(same, f"{answer.operation} as before: {former.text}", _told(answer))


def assert_valid(schema: str, value: Any) -> None:
    """A value fits one of our schemas."""
    compared(value)
    found = violations(schema, value)
    if found:
        raise PromiseBroken(
            f"an answer that fits schemas/{schema}.json",
            found[0].message,
            tuple(f"{each.path}: {each.message}" for each in found),
            kinds=tuple(sorted({f"{place(each.path)} {each.keyword}" for each in found})),
        )


def assert_thread(value: Thread) -> None:
    """What every thread has is there, each of the documented type.

    Whatever else a thread shows, values and moments among it, has requirements of its own.
    """
    assert_valid("thread", {name: value[name] for name in REQUIRED_OF_A_THREAD if name in value})


def assert_refused(answer: Answer) -> None:
    """A bad request is answered by a 4xx."""
    judged()
    if not 400 <= answer.status < 500:
        raise PromiseBroken("a refusal by 4xx", _told(answer))


def require_refused(answer: Answer) -> None:
    """What a check says of a refusal stands on there being one; else it is blocked."""
    if not 400 <= answer.status < 500:
        raise Blocked(f"not refused by 4xx: {_told(answer)}")


def assert_says_why(answer: Answer) -> None:
    """A refusal has a JSON body in which a text says why; without one, blocked."""
    require_refused(answer)
    if not answer.is_json or not _some_text(answer.body):
        raise PromiseBroken("a JSON body that says why", _told(answer))


def assert_no_server_error(answer: Answer) -> None:
    """An answer is anything but a 5xx."""
    judged()
    if answer.status >= 500:
        raise PromiseBroken("any answer below 500", _told(answer))


def moment(value: Any, what: str) -> datetime:
    """The moment that a timestamp names; `PromiseBroken` if it has no offset."""
    try:
        # RFC 3339 allows its letters in lower case.
        parsed = datetime.fromisoformat(value.upper())
    except (AttributeError, ValueError):
        raise PromiseBroken(f"{what} as RFC 3339", repr(value)) from None
    judged()
    if parsed.tzinfo is None:
        raise PromiseBroken(f"{what} with an offset from UTC", repr(value))
    return parsed


def known_moment(value: Any, what: str) -> datetime:
    """The moment that a timestamp names, where its form is another check's question."""
    try:
        return moment(value, what)
    except PromiseBroken as unreadable:
        raise Blocked.because(unreadable) from None


def assert_same_thread(actual: Thread, expected: Thread, what: str) -> None:
    """Two views of a thread agree in every member that both show.

    The documents show views with and without values and config, and write moments
    in two ways.
    """
    shown, wanted = _both(actual, expected)
    assert_equal(shown, wanted, what)


def same_thread(actual: Thread, expected: Thread) -> bool:
    """Whether two views of a thread agree, as `assert_same_thread` has it."""
    return same_json(*_both(actual, expected))


def assert_no_thread(api: ThreadsApi, thread_id: str) -> None:
    """No thread stands under an id."""
    if api.client.get(api.client.ownership.absent_id()).ok:
        raise Blocked("GET answers a 2xx for a thread that does not exist", by="GET-02")
    answer = api.client.get(thread_id)
    assert_that(not answer.ok, "no thread under the id", f"{answer.status} {answer.text}")


def assert_page(page: Sequence[Any], expected: Sequence[Any], what: str, limit: int) -> None:
    """A page of states, or of their ids, begins as expected; it may hold fewer than its limit."""
    assert_that(len(page) <= limit, f"{what}: at most {limit}", f"{len(page)} states")
    assert_that(bool(page) or not expected, f"{what}: {len(expected)} states", "an empty page")
    assert_equal(page, expected[: max(len(page), 1)], what)


def _both(actual: Thread, expected: Thread) -> tuple[Thread, Thread]:
    names = actual.keys() & expected.keys()
    return (
        {name: _comparable(name, actual[name]) for name in names},
        {name: _comparable(name, expected[name]) for name in names},
    )


def _comparable(name: str, value: Any) -> Any:
    if name.endswith("_at") and isinstance(value, str):
        return known_moment(value, name).astimezone(UTC).isoformat()
    # The SDK's type of a thread's values allows null: a thread without a state has none.
    return {} if name == "values" and value is None else value


def _everything(api: ThreadsApi, thread: Thread) -> list[Answer]:
    client, thread_id = api.client, id_of(thread)
    return [
        client.get(thread_id),
        client.state(thread_id),
        client.history(thread_id, limit=LONGEST_PAGE),
    ]


def _settled(state: State) -> State:
    """A state without what its tasks yielded."""
    tasks = state.get("tasks") or []
    named = [{"id": each.get("id"), "name": each.get("name")} for each in tasks]
    return {**state, "tasks": named, "interrupts": None}


def _some_text(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, dict):
        return any(map(_some_text, value.values()))
    return isinstance(value, list) and any(map(_some_text, value))


def _told(answer: Answer) -> str:
    return f"{answer.status} {excerpt(answer.text)}".strip()
