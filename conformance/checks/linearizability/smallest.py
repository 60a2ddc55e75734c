"""The shrinking of a bad history: later operations and those without effect are dropped.

A history is bad if it is not linearizable.
"""

from __future__ import annotations

from collections.abc import Callable

from conformance.checks.linearizability.history import History, Operation, Outcome, Request

#: Whether no order explains a history.
IsBad = Callable[[History[Request, Outcome]], bool]


def smallest_bad(
    history: History[Request, Outcome],
    is_bad: IsBad[Request, Outcome],
    has_no_effect: Callable[[Operation[Request, Outcome]], bool],
) -> History[Request, Outcome]:
    """Return a small bad part of a bad history.

    First, all operations are left out that were called after the history became bad. Then reads and
    refusals, which have no effect, are left out one by one if the rest stays bad. A write is never
    left out: the rest might be bad only because the write is missing.
    """
    kept = _shortest_bad_prefix(history, is_bad)
    for each in sorted(kept, key=lambda one: one.called):
        if each.returned is not None and has_no_effect(each):
            rest = tuple(one for one in kept if one is not each)
            kept = rest if is_bad(rest) else kept
    return kept


def _shortest_bad_prefix(
    history: History[Request, Outcome], is_bad: IsBad[Request, Outcome]
) -> History[Request, Outcome]:
    """Return the history up to where it became bad; requests pending then have no outcome."""
    ends = sorted(each.returned for each in history if each.returned is not None)
    for end in ends:
        prefix = tuple(
            each if each.returned is not None and each.returned <= end else each.without_outcome()
            for each in history
            if each.called < end
        )
        if is_bad(prefix):
            return prefix
    return history
