"""Random sequences of operations as plain data, the same for every deployment.

A thread is named by its number in the order of creation, a state by its index in the history at
that time, modulo its length. Nothing depends on the answers of a deployment.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from conformance.contract.api_constants import THREAD_STATUSES

#: The number of steps of a sequence.
LENGTH = 20
#: One sequence in this many has runs.
RUNS_ARE_RARE = 6

# Without true and false: a server that takes them for 1 and 0 (SEARCH-16) may find other threads
# in any search.
_VALUES = ("red", "ünï", "", "1", 1, 7, -2.5, None, ["a", 1], {"a": "x"}, {"a": {"b": 1}})
_KEYS = ("k", "l", "ключ")
_OPERATIONS = (
    *("create", "prepopulate", "create_again", "copy", "update", "delete", "prune"),
    *("update_state", "update_state", "fork"),
    *("get", "state", "state_at_checkpoint", "history", "post_history", "search", "count"),
)
#: After these operations thread and history are compared, to show where a difference arises.
_COMPARED_AFTER = ("copy", "update_state", "fork", "run_wait")


@dataclass(frozen=True)
class Step:
    """One operation on the thread of this number; `at` is the index of a state.

    `body` are members of the request, or the parameters of a GET. With `before` the history is
    bounded by `at`; with `makes` the next number goes to a new thread.
    """

    operation: str
    thread: int = 0
    at: int | None = None
    body: dict[str, Any] = field(default_factory=dict)
    makes: bool = False


Sequence = tuple[Step, ...]


def sequences(number: int, seed: int) -> Iterator[Sequence]:
    """Yield `number` sequences; the same ones for the same seed."""
    for position in range(number):
        yield _sequence(random.Random(f"{seed}/{position}"))


def shorter(sequence: Sequence) -> Iterator[Sequence]:
    """Yield the sequence without one of its steps: each step in turn but the first, last to first.

    Where a step that makes a thread is left out, references to that thread go to the one before.
    """
    for gone in reversed(range(len(sequence))):
        if not gone:
            return
        rest = sequence[:gone] + sequence[gone + 1 :]
        if sequence[gone].makes:
            number = sum(each.makes for each in sequence[:gone])
            rest = tuple(
                replace(each, thread=each.thread - 1) if each.thread >= number > 0 else each
                for each in rest
            )
        yield rest


def _sequence(chance: random.Random) -> Sequence:
    steps = [_step("prepopulate", chance, 1, [])]
    threads = 1
    runs = chance.randrange(RUNS_ARE_RARE) == 0
    while len(steps) < LENGTH:
        operation = "run_wait" if runs and chance.random() < 0.15 else chance.choice(_OPERATIONS)
        runs = runs and operation != "run_wait"
        stored = [each.body["metadata"] for each in steps if each.body.get("metadata")]
        steps.append(_step(operation, chance, threads, stored))
        written = threads if steps[-1].makes else steps[-1].thread
        threads += steps[-1].makes
        if operation in _COMPARED_AFTER:
            steps.append(Step("get", written))
            steps.append(Step("history", written, body={"limit": 1000}))
    return tuple(steps)


def _step(operation: str, chance: random.Random, threads: int, stored: list[Any]) -> Step:
    thread, at = chance.randrange(threads), chance.randrange(8)
    match operation:
        case "create":
            return Step("create", body={"metadata": _metadata(chance)}, makes=True)
        case "prepopulate":
            body = {"metadata": _metadata(chance), "supersteps": chance.choice([1, 2, 3, 3, 3])}
            return Step("create", body=body, makes=True)
        case "create_again":
            body = {"metadata": _metadata(chance)}
            body |= chance.choice([{}, {"if_exists": "raise"}, {"if_exists": "do_nothing"}])
            return Step("create_again", thread, body=body)
        case "copy":
            return Step("copy", thread, makes=True)
        case "state_at_checkpoint":
            return Step("state_at_checkpoint", thread, at)
        case "history":
            return Step("history", thread, chance.choice([None, at]), _limit(chance))
        case "post_history":
            metadata = chance.choice([{}, {"metadata": {"source": "update"}}])
            before = chance.choice([None, None, None, at])
            return Step("post_history", thread, before, {**_limit(chance), **metadata})
        case "search" | "count":
            return Step(operation, body=_filters(operation, chance, stored))
        case "update":
            return Step("update", thread, body={"metadata": _metadata(chance)})
        case "update_state":
            return Step("update_state", thread, body={"number": chance.randrange(100)})
        case "fork":
            return Step("update_state", thread, at, {"number": chance.randrange(100)})
        case "run_wait":
            return Step("run_wait", thread, body={"number": chance.randrange(100)})
        case _:
            return Step(operation, thread)


def _metadata(chance: random.Random) -> dict[str, Any]:
    return {key: chance.choice(_VALUES) for key in _KEYS if chance.random() < 0.5}


def _limit(chance: random.Random) -> dict[str, Any]:
    return {"limit": chance.choice([1, 2, 3, 10, 1000])}


def _filters(operation: str, chance: random.Random, stored: list[Any]) -> dict[str, Any]:
    """Return filters; half of them are for a member that some thread has, or had."""
    body: dict[str, Any] = {"metadata": _metadata(chance) if chance.random() < 0.2 else {}}
    if stored and chance.random() < 0.5:
        key, value = chance.choice(list(chance.choice(stored).items()))
        body["metadata"] = {key: value}
    if chance.random() < 0.3:
        body["status"] = chance.choice(THREAD_STATUSES)
    if operation == "search":
        body |= {"limit": chance.choice([1, 2, 10]), "offset": chance.choice([0, 0, 1, 2])}
        body["sort_by"] = chance.choice(["created_at", "updated_at"])
        body["sort_order"] = chance.choice(["asc", "desc"])
        if chance.random() < 0.3:
            body["select"] = ["thread_id", "metadata", "status"]
    return body
