"""What checks assert: helpers that explain themselves when they fail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from conformance.contract.schemas import violations
from conformance.deployment.client import Answer
from conformance.model.history import differences, same_json
from conformance.suite.asking import LONGEST_PAGE, Asker, History, Thread, id_of
from conformance.suite.outcomes import PromiseBroken


def assert_equal(actual: Any, expected: Any, what: str) -> None:
    """Two JSON values are equal, as JSON: true is not 1."""
    if not same_json(expected, actual):
        raise PromiseBroken.by_difference(expected, actual, what)


def assert_that(holds: bool, expected: str, actual: Any) -> None:
    """A sentence holds; `actual` is what came instead."""
    if not holds:
        raise PromiseBroken(cut(expected), cut(str(actual)))


def assert_identical_history(copy: History, source: History) -> None:
    """Two histories are equal once each thread's own id is masked."""
    if len(copy) != len(source):
        raise PromiseBroken(
            f"a history of {len(source)} states, as the source's",
            f"{len(copy)} states",
            differences(source.checkpoint_ids(), copy.checkpoint_ids()),
        )
    found = differences(source.masked(), copy.masked())
    if found:
        raise PromiseBroken(
            "every state equal to the source's but for the thread's own id",
            f"{len(source)} states on both sides, which differ",
            found,
        )


def assert_untouched(asker: Asker, thread: Thread, act: Callable[[], object]) -> None:
    """A thread, its state and its history are byte for byte the same after `act`."""
    before = _everything(asker, thread)
    act()
    for name, text in _everything(asker, thread).items():
        assert_that(text == before[name], f"{name} as before: {before[name]}", text)


def assert_valid(schema: str, value: Any) -> None:
    """A value fits one of our schemas."""
    found = violations(schema, value)
    if found:
        raise PromiseBroken(
            f"an answer that fits schemas/{schema}.json",
            found[0].message,
            tuple(f"{each.path}: {each.message}" for each in found),
        )


def assert_refused(answer: Answer) -> None:
    """A bad request is answered by a 4xx."""
    if not 400 <= answer.status < 500:
        raise PromiseBroken("a refusal by 4xx", _told(answer))


def assert_says_why(answer: Answer) -> None:
    """A refusal has a JSON body in which a text says why."""
    assert_refused(answer)
    if not answer.is_json or not _some_text(answer.body):
        raise PromiseBroken("a JSON body that says why", _told(answer))


def assert_no_server_error(answer: Answer) -> None:
    """An answer is anything but a 5xx."""
    if answer.status >= 500:
        raise PromiseBroken("any answer below 500", _told(answer))


def moment(value: Any, what: str) -> datetime:
    """The moment that a timestamp names; `PromiseBroken` if it has no offset."""
    try:
        parsed = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise PromiseBroken(f"{what} as RFC 3339", repr(value)) from None
    if parsed.tzinfo is None:
        raise PromiseBroken(f"{what} with an offset from UTC", repr(value))
    return parsed


def _everything(asker: Asker, thread: Thread) -> dict[str, str]:
    client, thread_id = asker.client, id_of(thread)
    answers = [
        client.get(thread_id),
        client.state(thread_id),
        client.history(thread_id, limit=LONGEST_PAGE),
    ]
    return {each.operation: asker.granted(each, thread).text for each in answers}


def _some_text(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, dict):
        return any(map(_some_text, value.values()))
    return isinstance(value, list) and any(map(_some_text, value))


def _told(answer: Answer) -> str:
    return f"{answer.status} {cut(answer.text)}".strip()


def cut(text: str, width: int = 400) -> str:
    """A text short enough to be read in a failure."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
