"""The decision whether a history is linearizable: whether one order of its operations explains it.

The search is that of Wing and Gong ("Testing and verifying concurrent objects", 1993), with the
cache of Lowe ("Testing for linearizability", 2017): the rest of the search depends only on the set
of operations taken so far and on the resulting state, so that no such pair is tried twice.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

from conformance.checks.linearizability.history import History, Operation, Outcome, Request

State = TypeVar("State", bound=Hashable)
#: The sequential specification: returns the state after an operation, or None if its outcome is
#: wrong in the given state.
Step = Callable[[State, Operation[Request, Outcome]], State | None]


def linearize(
    history: History[Request, Outcome], initial: State, step: Step[State, Request, Outcome]
) -> History[Request, Outcome] | None:
    """Return an order of the operations that explains their outcomes, or None.

    In that order, each operation takes effect at one point in time between its call and its return.
    An operation that did not return may be left out.
    """
    operations = sorted(history, key=lambda each: each.called)
    returned = sum(1 << at for at, each in enumerate(operations) if each.returned is not None)
    tried = {(0, initial)}
    # The path that is being tried: after each step, the operations taken (as bits), the state, and
    # the operations that could be taken next.
    path = [(0, initial, _candidates(operations, 0))]
    order: list[Operation[Request, Outcome]] = []
    while path:
        taken, state, candidates = path[-1]
        if taken & returned == returned:
            return tuple(order)
        for at in candidates:
            following = step(state, operations[at])
            reached = (taken | 1 << at, following)
            if following is not None and reached not in tried:
                tried.add((taken | 1 << at, following))
                order.append(operations[at])
                path.append((taken | 1 << at, following, _candidates(operations, taken | 1 << at)))
                break
        else:
            path.pop()
            if order:
                order.pop()
    return None


def _candidates(operations: Sequence[Operation[Request, Outcome]], taken: int) -> Iterator[int]:
    """Yield the indexes of the operations that may be next in the order.

    Of the operations that are not taken yet, these are the ones that were called before the first
    of them returned.
    """
    left = [at for at in range(len(operations)) if not taken >> at & 1]
    ends = [end for at in left if (end := operations[at].returned) is not None]
    until = min(ends, default=None)
    for at in left:
        if until is None or operations[at].called < until:
            yield at
