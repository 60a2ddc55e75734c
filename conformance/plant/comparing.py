"""Comparison of two answers to one question by meaning.

A loss is a value that is missing, changed, or added where the plant had none. The open contract
allows new members, another notation of the same time, and other ways to show an empty value: these
are no losses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from conformance.contract.schemas import violations
from conformance.deployment.record.redaction import REDACTED
from conformance.json_differences import ABSENT, Change, changes, json_path, same_json
from conformance.plant.probes import RecordedAnswer, checkpoint_id_in

#: The schemas by which an answer must show its required members.
_SCHEMAS = {
    "get": ("thread",),
    "search": ("thread",),
    "state": ("thread_state", "thread_state_empty"),
    "history": ("state_at_checkpoint",),
    "state_at_checkpoint": ("state_at_checkpoint",),
    "run_list": ("run",),
}
#: The members of a state's metadata that the contract covers.
_CHECKPOINT_METADATA = frozenset({"source", "step", "parents"})
#: Objects of application data: a member that is new in them is added data.
_DATA = frozenset({"values", "interrupts"})
#: Objects in which a server keeps internal data of its own, by operation.
_BOOKKEEPING = {
    "get": ("config",),
    "search": ("config",),
    "state": ("metadata",),
    "history": ("metadata",),
    "state_at_checkpoint": ("metadata",),
    "run_list": ("kwargs", "metadata"),
}


class Kind(StrEnum):
    """The kind of a difference. The first three are losses."""

    MISSING = "missing"
    CHANGED = "changed"
    ADDED = "added"
    NEW = "new"
    NOTATION = "form"

    @property
    def is_loss(self) -> bool:
        """Whether the difference is a loss."""
        return self in (Kind.MISSING, Kind.CHANGED, Kind.ADDED)


@dataclass(frozen=True)
class Difference:
    """One difference between two answers. `path` is a JSON path; an absent value is `ABSENT`."""

    kind: Kind
    path: str
    expected: Any
    actual: Any


def compare_answers(before: RecordedAnswer, now: RecordedAnswer) -> tuple[Difference, ...]:
    """Return the differences between two answers to one question.

    A refusal at planting is no evidence: a success in its place is new, and no loss.
    """
    if not before.ok:
        news = Difference(Kind.NEW, "$", before.status, now.status)
        return (news,) if now.ok else ()
    if not now.ok:
        return (Difference(Kind.MISSING, "$", before.status, now.status),)
    match before.question.operation:
        case "history":
            return tuple(_compare_histories(before.answer, now.answer))
        case "search":
            return tuple(_compare_searches(before.answer, now.answer))
    return tuple(_compare_values(before.question.operation, before.answer, now.answer))


def _compare_histories(before: Any, now: Any) -> Iterator[Difference]:
    """Compare two histories state by state, matched by checkpoint id at any position."""
    old, new = _by_checkpoint(before), _by_checkpoint(now)
    if old is None or new is None:
        yield from _compare_values("history", before, now)
        return
    for index, (checkpoint_id, state) in enumerate(old.items()):
        if checkpoint_id not in new:
            yield Difference(Kind.MISSING, f"$[{index}]", f"the state {checkpoint_id}", ABSENT)
        else:
            yield from _compare_values("history", state, new[checkpoint_id], (index,))
    for checkpoint_id in (each for each in new if each not in old):
        yield Difference(Kind.ADDED, "$", ABSENT, f"the state {checkpoint_id}")
    order = [[each for each in one if each in other] for one, other in ((old, new), (new, old))]
    if order[0] != order[1]:
        yield Difference(Kind.CHANGED, "$", "the same order of states", "another order")


def _compare_searches(before: Any, now: Any) -> Iterator[Difference]:
    """Compare two searches thread by thread: the order of an unsorted search is free."""
    old, new = before["threads"], now["threads"]
    for thread_id, thread in old.items():
        if thread_id not in new:
            yield Difference(Kind.MISSING, "$", f"the thread {thread_id}", ABSENT)
        else:
            yield from _compare_values("search", thread, new[thread_id], (thread_id,))
    for thread_id in (each for each in new if each not in old):
        yield Difference(Kind.ADDED, "$", ABSENT, f"the thread {thread_id}")
    if now["strangers"] > before["strangers"]:
        more = now["strangers"] - before["strangers"]
        yield Difference(Kind.ADDED, "$", ABSENT, f"{more} threads that are not of the plant")


def _compare_values(
    operation: str, before: Any, now: Any, at: tuple[Any, ...] = ()
) -> Iterator[Difference]:
    found = changes(before, now)
    if not found:
        return
    required = _broken_paths(operation, now) - _broken_paths(operation, before)
    for change in found:
        kind = _kind(change, required, _is_bookkeeping(operation, change))
        if kind is not None:
            path = json_path((*at, *change.path))
            yield Difference(kind, path, change.expected, change.actual)


def _is_bookkeeping(operation: str, change: Change) -> bool:
    """Return whether a value is internal data of the server, which the contract does not cover."""
    names = [each for each in change.path if isinstance(each, str)]
    objects = _BOOKKEEPING.get(operation, ())
    return len(names) > 1 and names[0] in objects and names[1] not in _CHECKPOINT_METADATA


def _kind(change: Change, required: frozenset[str], bookkeeping: bool) -> Kind | None:
    """Return the kind of a change, or None if both values mean the same.

    `required` are the paths at which the new answer breaks a schema and the old one did not.
    """
    expected, actual = change.expected, change.actual
    last = change.path[-1] if change.path else None
    free = json_path(change.path) not in required
    is_data = isinstance(last, int) or (len(change.path) > 1 and change.path[-2] in _DATA)
    if actual is ABSENT:
        return Kind.NOTATION if _is_nothing(expected) and free and not is_data else Kind.MISSING
    if expected is ABSENT:
        return Kind.ADDED if is_data else Kind.NEW
    if same_json(expected, actual) or _same_but_redacted(expected, actual):
        return None
    if (_is_nothing(expected) and _is_nothing(actual) and free) or (
        str(last).endswith("_at") and _same_time(expected, actual)
    ):
        return Kind.NOTATION
    return Kind.NEW if bookkeeping and expected is None else Kind.CHANGED


def _is_nothing(value: Any) -> bool:
    """Return whether a value holds no data: null, false, or empty."""
    return value is None or value is False or value in ("", [], {})


def _same_time(one: Any, other: Any) -> bool:
    try:
        return datetime.fromisoformat(one) == datetime.fromisoformat(other)
    except (TypeError, ValueError):
        return False


def _same_but_redacted(recorded: Any, actual: Any) -> bool:
    """Return whether texts agree except for secrets, which were not recorded."""
    if not (isinstance(recorded, str) and isinstance(actual, str) and REDACTED in recorded):
        return False
    first, *between, last = recorded.split(REDACTED)
    if not (actual.startswith(first) and actual.endswith(last)):
        return False
    # Each secret has at least one character: the text after it begins behind that character.
    position, end = len(first) + 1, len(actual) - len(last)
    for each in between:
        found = actual.find(each, position, end)
        if found < 0:
            return False
        position = found + len(each) + 1
    return position <= end


def _broken_paths(operation: str, answer: Any) -> frozenset[str]:
    """Return the paths at which an answer breaks the one of its schemas that it fits best."""
    found = [
        frozenset(each.path for each in violations(name, answer))
        for name in _SCHEMAS.get(operation, ())
    ]
    return min(found, key=len, default=frozenset())


def _by_checkpoint(states: Any) -> Mapping[str, Any] | None:
    """Return the states by checkpoint id; None if one has no id, or two have the same."""
    if not isinstance(states, list):
        return None
    by_id = {checkpoint_id_in(each): each for each in states}
    if None in by_id or len(by_id) != len(states):
        return None
    return {str(key): state for key, state in by_id.items()}


def without_threads(
    recorded: RecordedAnswer, gone: Iterable[str], searches: Sequence[RecordedAnswer]
) -> RecordedAnswer:
    """Return a search or count as it would be without threads already reported as lost.

    `gone` are the ids of these threads; `searches` are the recorded searches, one of which has the
    same filters as a count.
    """
    lost = set(gone)
    question = recorded.question
    if not lost or not recorded.ok:
        return recorded
    if question.operation == "search":
        threads = recorded.answer["threads"]
        kept = {each: thread for each, thread in threads.items() if each not in lost}
        return RecordedAnswer(question, recorded.status, {**recorded.answer, "threads": kept})
    if question.operation == "count" and isinstance(recorded.answer, int):
        for each in searches:
            if each.question.filters == question.filters and each.ok:
                fewer = len(lost & each.answer["threads"].keys())
                return RecordedAnswer(question, recorded.status, recorded.answer - fewer)
    return recorded
